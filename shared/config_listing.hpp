// `pmctl config` as text: both programs print it, pmctl from a reply, pmctld --show-config without a
// supervisor.
#pragma once

#include <string>
#include <vector>

#include "shared/protocol.hpp"

namespace pmctl {

// "instances.web.port = "auto"  # default", a line each, the sources aligned within reason.
std::string config_lines(const std::vector<ConfigValue>& values);
// [{"key":…,"value":…,"source":…}]
std::string config_json(const std::vector<ConfigValue>& values);

}  // namespace pmctl
