// What the tests of the store share: a folder of its own, and writes by name.
#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "supervisor/io/state_store.hpp"

namespace pmctl {

namespace fs = std::filesystem;

inline constexpr auto cap = std::chrono::seconds(20);

struct Folder {
    fs::path path;
    Folder() {
        std::string name = (fs::temp_directory_path() / "pmctl-store-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~Folder() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    [[nodiscard]] std::string state() const { return (path / "state").string(); }
    [[nodiscard]] fs::path db() const { return path / "state" / "state.db"; }
    [[nodiscard]] std::vector<fs::path> set_aside() const {
        std::vector<fs::path> found;
        for (const auto& entry : fs::directory_iterator(path / "state"))
            if (entry.path().filename().string().starts_with("state.db.damaged-") &&
                !entry.path().filename().string().ends_with("l") &&
                !entry.path().filename().string().ends_with("m"))
                found.push_back(entry.path());
        return found;
    }
};

// What the writer's thread said, to be waited for.
struct Troubles {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::string> said;

    StateStore::OnTrouble hear() {
        return [this](const std::string& text) {
            const std::lock_guard lock(mutex);
            said.push_back(text);
            changed.notify_all();
        };
    }
    bool wait_for(std::size_t count) {
        std::unique_lock lock(mutex);
        return changed.wait_for(lock, cap, [&] { return said.size() >= count; });
    }
};

inline std::unique_ptr<StateStore> open(const Folder& folder, const StoreLimits& limits = {},
                                        StateStore::OnTrouble trouble = nullptr) {
    auto store = StateStore::open(folder.state(), std::move(trouble), limits);
    REQUIRE_MESSAGE(store.has_value(), store.error().message);
    return std::move(*store);
}

inline StoreWrite intention(const std::string& instance, std::uint32_t replica, Wanted wanted) {
    StoreWrite write;
    write.kind = StoreWrite::Kind::SetIntention;
    write.intention = {instance, replica, wanted};
    return write;
}
inline StoreWrite scale(const std::string& instance, std::uint64_t replicas) {
    StoreWrite write;
    write.kind = StoreWrite::Kind::SetScale;
    write.intention.instance = instance;
    write.number = replicas;
    return write;
}
inline StoreWrite only(StoreWrite::Kind kind, const std::string& instance = "") {
    StoreWrite write;
    write.kind = kind;
    write.intention.instance = instance;
    return write;
}
inline StoreWrite started(RunNumber run, const std::string& instance) {
    StoreWrite write;
    write.kind = StoreWrite::Kind::RunStarted;
    write.run.run = run;
    write.run.instance = instance;
    write.run.replica = 1;
    write.run.pid = 4242;
    write.run.port = 30001;
    write.run.started_at = WallTime(std::chrono::milliseconds(1234567));
    return write;
}
inline StoreWrite ended(RunNumber run) {
    StoreWrite write;
    write.kind = StoreWrite::Kind::RunEnded;
    write.run.run = run;
    return write;
}
inline Event event(std::uint64_t number, const std::string& name = "web") {
    return {number, WallTime(std::chrono::seconds(number)), name, "state", "text " + std::to_string(number)};
}
inline StoreWrite append(const Event& what) {
    StoreWrite write;
    write.kind = StoreWrite::Kind::AppendEvent;
    write.event = what;
    return write;
}

// The reason why not; "" when it is stored.
inline std::string flushed(StateStore& store) {
    const auto done = store.flush(cap);
    return done ? "" : done.error().message;
}

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// In a child, so that what it does to its user or its mounts ends with it. 0: done; 77: cannot be done here.
inline int in_child(const std::function<int()>& act) {
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) ::_exit(act());
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace pmctl
