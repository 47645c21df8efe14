// The configuration of the benchmarks: so many equal instances of the static child, which stamps its slot.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdlib>
#include <string>

namespace pmctl::bench {

// "i0042" is slot 42.
inline std::string fleet_name(std::size_t slot) {
    return fmt::format("i{:04}", slot);
}
inline std::size_t slot_of(const std::string& name) {
    return std::strtoul(name.c_str() + 1, nullptr, 10);
}

// Each crash is one after a stable run, so that its restart is immediate.
inline std::string fleet_config(const std::string& child, const std::string& stamps, std::size_t count) {
    std::string text =
        "[defaults]\nport = \"none\"\n[defaults.health]\nkind = \"none\"\n"
        "[defaults.restart]\nreset_after = \"1ms\"\n";
    for (std::size_t i = 0; i < count; ++i) {
        text += fmt::format("[instances.{}]\ncommand = [\"{}\", \"{}\", \"{}\"]\n", fleet_name(i), child,
                            stamps, i);
    }
    return text;
}

}  // namespace pmctl::bench
