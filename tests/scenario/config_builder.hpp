// Configurations made in code, for tests: an instance with the defaults of the configuration, changed where
// the story needs it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/core/config.hpp"

namespace pmctl::test {

// An HTTP service at `port = "auto"` with every default.
inline InstanceSpec service(std::string id) {
    InstanceSpec spec;
    spec.id = std::move(id);
    spec.process.command = {"/srv/app", "--port", "${PORT}"};
    spec.process.working_dir = "/srv";
    return spec;
}

// One without a port and without checks: healthy as soon as it runs.
inline InstanceSpec worker(std::string id) {
    InstanceSpec spec = service(std::move(id));
    spec.process.command = {"/srv/worker"};
    spec.process.port.kind = PortWish::Kind::None;
    spec.policy.health.kind = HealthKind::None;
    return spec;
}

inline InstanceSpec needing(InstanceSpec spec, std::vector<std::string> ids) {
    spec.policy.depends_on = std::move(ids);
    return spec;
}

inline InstanceSpec with_fixed_port(InstanceSpec spec, std::uint16_t port) {
    spec.process.port = {PortWish::Kind::Fixed, port};
    return spec;
}

inline Config config_of(const std::vector<InstanceSpec>& specs) {
    Config config;
    config.path = "/etc/pmctl/pmctl.toml";
    for (const InstanceSpec& each : specs)
        config.instances.push_back(std::make_shared<const InstanceSpec>(each));
    std::sort(config.instances.begin(), config.instances.end(),
              [](const SpecPtr& a, const SpecPtr& b) { return a->id < b->id; });
    return config;
}

}  // namespace pmctl::test
