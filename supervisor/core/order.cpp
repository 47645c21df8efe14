#include "supervisor/core/order.hpp"

#include <algorithm>
#include <set>

namespace pmctl {

Order order_of(const std::vector<SpecPtr>& instances) {
    std::set<std::string_view> ids;
    for (const SpecPtr& spec : instances) ids.insert(spec->id);
    Order order;
    for (const SpecPtr& spec : instances) {
        const std::set<std::string> needed(spec->policy.depends_on.begin(), spec->policy.depends_on.end());
        for (const std::string& id : needed) {
            if (!ids.contains(id)) continue;
            order.dependencies[spec->id].push_back(id);
            order.dependents[id].push_back(spec->id);
        }
    }
    for (auto& [id, waiting] : order.dependents) std::sort(waiting.begin(), waiting.end());
    return order;
}

std::vector<std::vector<std::string>> find_cycles(const Order& order) {
    // Depth first with a path of its own: a chain of 10,000 must not overflow the stack.
    struct Step {
        std::string_view id;
        std::size_t next = 0;  // of its dependencies
    };
    enum class Mark { OnPath, Done };
    std::map<std::string_view, Mark> marks;
    std::vector<std::vector<std::string>> cycles;
    for (const auto& [start, unused] : order.dependencies) {
        if (marks.contains(start)) continue;
        std::vector<Step> path = {{start}};
        marks[start] = Mark::OnPath;
        while (!path.empty()) {
            Step& step = path.back();
            const auto needed = order.dependencies.find(step.id);
            if (needed == order.dependencies.end() || step.next == needed->second.size()) {
                marks[step.id] = Mark::Done;
                path.pop_back();
                continue;
            }
            const std::string_view id = needed->second[step.next++];
            const auto mark = marks.find(id);
            if (mark == marks.end()) {
                marks[id] = Mark::OnPath;
                path.push_back({id});
            } else if (mark->second == Mark::OnPath) {
                std::vector<std::string> cycle;
                auto each =
                    std::find_if(path.begin(), path.end(), [id](const Step& s) { return s.id == id; });
                for (; each != path.end(); ++each) cycle.emplace_back(each->id);
                cycle.emplace_back(id);
                cycles.push_back(std::move(cycle));
            }
        }
    }
    return cycles;
}

std::string path_text(const std::vector<std::string>& path) {
    std::string text;
    for (const std::string& id : path) text += (text.empty() ? "" : " → ") + id;
    return text;
}

}  // namespace pmctl
