#include "supervisor/core/group_limits.hpp"

#include <algorithm>

#include "shared/size.hpp"

namespace pmctl {

bool wants_group(const LimitSettings& limits) {
    return limits.memory != 0 || limits.cpu > 0.0 || limits.tasks != 0;
}

std::string limits_missing(const std::vector<SpecPtr>& instances, const GroupLimits& here) {
    const auto asked = [&instances](auto wants) {
        return std::any_of(instances.begin(), instances.end(),
                           [&](const SpecPtr& spec) { return wants(spec->process.limits); });
    };
    std::vector<std::string> missing;
    if (!here.memory && asked([](const LimitSettings& limits) { return limits.memory != 0; }))
        missing.emplace_back("memory");
    if (!here.cpu && asked([](const LimitSettings& limits) { return limits.cpu > 0.0; }))
        missing.emplace_back("cpu");
    if (!here.tasks && asked([](const LimitSettings& limits) { return limits.tasks != 0; }))
        missing.emplace_back("tasks");
    if (missing.empty()) return "";
    std::string text = "limits of ";
    for (std::size_t i = 0; i < missing.size(); ++i) {
        if (i > 0) text += i + 1 == missing.size() ? " and " : ", ";
        text += missing[i];
    }
    return text + " are not in force: " + here.why_not;
}

std::map<std::string, std::string> limits_in_force(const LimitSettings& limits, const GroupLimits& here) {
    std::map<std::string, std::string> found;
    if (limits.open_files != 0) found["open_files"] = std::to_string(limits.open_files);
    if (limits.core_size) found["core_size"] = format_size(*limits.core_size);
    if (here.memory && limits.memory != 0) found["memory"] = format_size(limits.memory);
    if (here.cpu && limits.cpu > 0.0) {
        std::string cores = std::to_string(limits.cpu);
        cores.erase(cores.find_last_not_of('0') + 1);
        if (cores.ends_with('.')) cores.pop_back();
        found["cpu"] = cores;
    }
    if (here.tasks && limits.tasks != 0) found["tasks"] = std::to_string(limits.tasks);
    return found;
}

}  // namespace pmctl
