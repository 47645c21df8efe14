// Instances in versions, and what serves their hosts: for the scenarios of rolling updates.
#pragma once

#include <cstdint>
#include <string>

#include "tests/scenario/world.hpp"

namespace pmctl::test {

inline InstanceSpec version(const std::string& id, int number, std::uint32_t replicas = 1) {
    InstanceSpec spec = service(id);
    spec.hostnames = {id + ".test"};
    spec.process.command = {"/srv/v" + std::to_string(number), "${PORT}"};
    spec.replicas = replicas;
    return spec;
}

// The program that serves the host now, "" for none.
inline std::string served_by(World& world, const std::string& host) {
    const auto row = world.supervisor().routes().row(host);
    if (!row || row->upstreams.empty()) return "";
    for (const auto& [run, process] : world.effects.live) {
        if (process.port == row->upstreams.front().port) return process.argv.front();
    }
    return "nobody";
}

inline std::size_t processes(World& world, const std::string& program) {
    std::size_t count = 0;
    for (const auto& [run, process] : world.effects.live) count += process.argv.front() == program ? 1 : 0;
    return count;
}

// Follows the table as a proxy does.
inline void follow(World& world) {
    world.effects.routes_seen_by_all = world.supervisor().routes().generation();
    world.supervisor().routes_read(world.now());
}

}  // namespace pmctl::test
