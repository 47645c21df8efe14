// The Supervisor's dealings with ports: finding one for a start, giving it back, and looking whether it is
// free then.
#include <utility>

#include "supervisor/core/config_check.hpp"
#include "supervisor/core/rolling.hpp"
#include "supervisor/supervisor.hpp"

namespace pmctl {

namespace {

// A stopped child's port is looked at a moment later, off the path of whoever waits for the stop, so many a
// turn.
constexpr Duration verify_after = std::chrono::milliseconds(200);
constexpr int verified_a_turn = 16;

// Runs of one member that share a listening socket have it once each.
std::size_t places_at(const Member& member, std::uint16_t port) {
    std::size_t count = member.place.port == port ? 1 : 0;
    if (member.candidate_place.port == port) ++count;
    for (const auto& [run, place] : member.outgoing_places) {
        if (place.port == port) ++count;
    }
    return count;
}

std::string held_by(std::uint16_t port, const std::string& holder) {
    return "port " + std::to_string(port) + " is held by " + (holder.empty() ? "another process" : holder);
}

}  // namespace

// What is configured by number, running or not, and the HTTP interface's, is nobody else's.
void Supervisor::promise_ports() {
    std::set<std::uint16_t> ports;
    for (const SpecPtr& spec : config_.instances) {
        const PortWish& wish = spec->process.port;
        if (spec->enabled && wish.kind == PortWish::Kind::Fixed) ports.insert(wish.number);
    }
    if (const std::uint16_t port = listen_port(config_.http.listen); port != 0) ports.insert(port);
    ports_.set_promised(std::move(ports));
}

// Sets the port for the start that follows; false when there is none, and the replica has been told.
bool Supervisor::find_port(const Start& start, Now now) {
    Member& member = *start.member;
    Place& place = place_of(start.slot, member);
    const ProcessSpec& process = spec_of(start.slot, member.replica).process;
    const PortWish& wish = process.port;
    const SpecPtr& running = member.replica.run_spec;
    if (start.slot == Slot::Candidate && running && member.place.listening &&
        rolling::share_socket(*running, spec_of(start.slot, member.replica))) {
        place = member.place;
        return true;
    }
    // The socket that was kept for an earlier run is in the way of a process that binds it itself.
    if (place.listening && !process.socket_activation) {
        effects_.close_listener(place.port);
        place.listening = false;
    }
    const bool suits = wish.kind == PortWish::Kind::Fixed
                           ? place.port == wish.number
                           : wish.kind == PortWish::Kind::Auto && ports_.may_take(place.port);
    if (!suits) release_port(member, place, now);
    if (wish.kind == PortWish::Kind::None) return true;

    const auto is_free = [this](std::uint16_t port) { return effects_.port_state(port) == PortState::Free; };
    const bool kept_open = process.socket_activation && place.port != 0 && place.listening;
    if (place.port != 0 && (kept_open || is_free(place.port))) {
        place.listening = process.socket_activation;
        return true;
    }
    const auto refuse = [&](const std::string& holder) {
        handle(member, SpawnFailed{held_by(wish.number, holder), StartFault::Port, start.slot}, now);
        return false;
    };
    if (wish.kind == PortWish::Kind::Fixed) {
        if (!ports_.reserve(wish.number, member.log_name))
            return refuse("'" + ports_.held().at(wish.number) + "'");
        place.port = wish.number;
        if (!is_free(wish.number)) return refuse(effects_.port_holder(wish.number));
    } else {
        release_port(member, place, now);
        const auto port = ports_.take(member.log_name, is_free);
        if (!port) {
            wait_for_port(member);
            const PortRange range = ports_.range();
            handle(member,
                   NoPort{"no free port in " + std::to_string(range.first) + "-" + std::to_string(range.last),
                          start.slot},
                   now);
            return false;
        }
        place.port = *port;
    }
    place.listening = process.socket_activation;
    return true;
}

void Supervisor::release_port(const Member& member, Place& place, Now now) {
    if (place.port == 0) return;
    if (places_at(member, place.port) > 1) {
        place = {};
        return;
    }
    const auto [port, listening] = std::exchange(place, {});
    if (listening) effects_.close_listener(port);
    ports_.release(port);
    if (!finishing_) {
        released_.emplace_back(port, member.name);
        if (verify_at_ == TimePoint::max()) verify_at_ = now.steady + verify_after;
    }
    // One who waits for a port gets it. Ports outside the range are of use to nobody but their own instance.
    if (ports_.may_take(port)) ++ports_for_others_;
}

// What answers there may be another run.
bool Supervisor::has_shared_socket(const Member& member, const Run& run) {
    const bool is_candidate = member.replica.candidate && member.replica.candidate->number == run.number;
    return is_candidate && run.port != 0 && member.place.port == run.port;
}

void Supervisor::wait_for_port(Member& member) {
    wait_no_longer(member);
    member.port_turn = ++last_port_turn_;
    without_port_[member.port_turn] = &member;
}

void Supervisor::wait_no_longer(Member& member) {
    if (member.port_turn == 0) return;
    without_port_.erase(std::exchange(member.port_turn, std::uint64_t{0}));
}

// After a stop the port has to be free; who holds it is named.
void Supervisor::verify_released_ports(Now now) {
    for (int i = 0; i < verified_a_turn && !released_.empty(); ++i) {
        const auto [port, name] = std::move(released_.front());
        released_.pop_front();
        if (ports_.held().contains(port) || effects_.port_state(port) == PortState::Free) continue;
        note(name, "port", held_by(port, effects_.port_holder(port)) + " although its run has ended", now);
    }
    verify_at_ = released_.empty() ? TimePoint::max() : now.steady;
}

}  // namespace pmctl
