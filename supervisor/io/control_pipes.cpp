#include "supervisor/io/control_pipes.hpp"

#include <sys/types.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

namespace pmctl {

void ControlPipes::follow(nng_socket socket) {
    for (const nng_pipe_ev event : {NNG_PIPE_EV_ADD_PRE, NNG_PIPE_EV_REM_POST})
        nng_pipe_notify(socket, event, &report, this);
}

void ControlPipes::mute() {
    const std::lock_guard lock(mutex_);
    tell_ = nullptr;
}

ControlPipes::News ControlPipes::take_news() {
    const std::lock_guard lock(mutex_);
    is_told_ = false;
    return std::exchange(news_, {});
}

std::set<int> ControlPipes::listeners() const {
    const std::lock_guard lock(mutex_);
    std::set<int> found;
    for (const auto& [id, pipe] : open_) found.insert(pipe.listener);
    return found;
}

void ControlPipes::report(nng_pipe pipe, nng_pipe_ev event, void* pipes) {
    auto* const self = static_cast<ControlPipes*>(pipes);
    if (event == NNG_PIPE_EV_ADD_PRE) {
        self->add(pipe);
    } else {
        self->remove(pipe);
    }
}

void ControlPipes::add(nng_pipe pipe) {
    std::uint64_t pid = 0;
    nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &pid);
    const Pipe known{nng_listener_id(nng_pipe_listener(pipe)), static_cast<pid_t>(pid) == ::getpid()};
    const std::lock_guard lock(mutex_);
    open_.emplace(nng_pipe_id(pipe), known);
    if (known.is_own) {
        news_.own_came_by = known.listener;
    } else {
        news_.others = true;
    }
    say();
}

void ControlPipes::remove(nng_pipe pipe) {
    const std::lock_guard lock(mutex_);
    const auto found = open_.find(nng_pipe_id(pipe));
    if (found == open_.end()) return;
    const bool is_own = found->second.is_own;
    open_.erase(found);
    if (is_own) return;
    news_.others = true;
    say();
}

void ControlPipes::say() {
    if (!std::exchange(is_told_, true) && tell_) tell_();
}

}  // namespace pmctl
