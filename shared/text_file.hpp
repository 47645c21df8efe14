// Reads a small file whole: configuration, environment files, secrets.
#pragma once

#include <cstdint>
#include <string>

#include "shared/result.hpp"

namespace pmctl {

// Of one configuration or environment file: far above any real one, far below what hurts.
constexpr std::uint64_t max_config_bytes = std::uint64_t{64} << 20;

// Error: Failed with the path and the system's reason, also for a folder and for a file over `max_bytes`.
Result<std::string> read_text_file(const std::string& path, std::uint64_t max_bytes);

}  // namespace pmctl
