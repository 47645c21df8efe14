#include "supervisor/only.hpp"

#include <memory>
#include <set>
#include <utility>

#include "supervisor/core/order.hpp"

namespace pmctl {

void keep_only(Config& config, const std::vector<std::string>& only) {
    if (only.empty()) return;
    std::vector<std::string> todo = only;
    std::set<std::string> wanted;
    const Order order = order_of(config.instances);
    while (!todo.empty()) {
        const std::string id = std::move(todo.back());
        todo.pop_back();
        if (!wanted.insert(id).second) continue;
        const auto needed = order.dependencies.find(id);
        if (needed != order.dependencies.end())
            todo.insert(todo.end(), needed->second.begin(), needed->second.end());
    }
    for (SpecPtr& spec : config.instances) {
        if (wanted.contains(spec->id)) continue;
        auto quiet = std::make_shared<InstanceSpec>(*spec);
        quiet->policy.autostart = false;
        spec = std::move(quiet);
    }
}

}  // namespace pmctl
