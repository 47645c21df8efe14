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

std::vector<std::vector<std::string>> find_knots(const Order& order) {
    // Strongly connected components after Tarjan (SIAM J. Comput. 1, 1972), with a path of its own as above.
    struct Node {
        std::size_t number = 0;  // in the order of the visits, from 1
        std::size_t lowest = 0;  // the lowest number known to be reachable
        bool open = false;       // its component is not complete
    };
    struct Step {
        std::string_view id;
        std::size_t next = 0;  // of its dependencies
    };
    std::map<std::string_view, Node> nodes;
    std::vector<std::string_view> open;
    std::vector<std::vector<std::string>> knots;
    std::size_t visits = 0;
    std::vector<Step> path;
    const auto enter = [&](std::string_view id) {
        ++visits;
        nodes[id] = {visits, visits, true};
        open.push_back(id);
        path.push_back({id});
    };
    const auto leave = [&](std::string_view id, const std::vector<std::string>* needed) {
        const Node& node = nodes[id];
        if (node.lowest != node.number) return;
        std::vector<std::string> knot;
        do {
            knot.emplace_back(open.back());
            nodes[open.back()].open = false;
            open.pop_back();
        } while (knot.back() != id);
        const bool itself =
            needed != nullptr && std::find(needed->begin(), needed->end(), id) != needed->end();
        if (knot.size() == 1 && !itself) return;
        std::sort(knot.begin(), knot.end());
        knots.push_back(std::move(knot));
    };
    for (const auto& [start, unused] : order.dependencies) {
        if (nodes.contains(start)) continue;
        enter(start);
        while (!path.empty()) {
            Step& step = path.back();
            const std::string_view id = step.id;
            const auto found = order.dependencies.find(id);
            const auto* needed = found == order.dependencies.end() ? nullptr : &found->second;
            if (needed == nullptr || step.next == needed->size()) {
                path.pop_back();
                leave(id, needed);
                if (!path.empty()) {
                    Node& below = nodes[path.back().id];
                    below.lowest = std::min(below.lowest, nodes[id].lowest);
                }
                continue;
            }
            const std::string_view other = (*needed)[step.next++];
            const auto known = nodes.find(other);
            if (known == nodes.end())
                enter(other);
            else if (known->second.open)
                nodes[id].lowest = std::min(nodes[id].lowest, known->second.number);
        }
    }
    return knots;
}

std::string path_text(const std::vector<std::string>& path) {
    std::string text;
    for (const std::string& id : path) text += (text.empty() ? "" : " → ") + id;
    return text;
}

}  // namespace pmctl
