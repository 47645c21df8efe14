#include "supervisor/core/admin_merge.hpp"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "shared/nearest.hpp"
#include "shared/path.hpp"
#include "supervisor/core/admin_files.hpp"
#include "supervisor/core/admin_instances.hpp"
#include "supervisor/core/check_instance.hpp"
#include "supervisor/core/field_source.hpp"
#include "supervisor/core/names.hpp"
#include "supervisor/core/order.hpp"
#include "supervisor/core/static_part.hpp"

namespace pmctl {
namespace {

constexpr int most_hints = 20;  // of templates that are near: each compares with every template

class Merging {
  public:
    Merging(const Config& config, const std::vector<AdminEntry>& entries)
        : config_(config),
          part_(*config.static_part),
          index_(part_.layers),
          files_(index_),
          service_(entries, config.admin->allow, folder_of(config.path), left_out_),
          globals_{config.supervisor, config.ports, *config.admin, config.http} {}

    AdminMerge run() {
        merge_entries();
        leave_out_replica_names();
        leave_out_claimed();
        leave_out_circles();
        std::stable_sort(left_out_.begin(), left_out_.end(),
                         [](const AdminOmission& a, const AdminOmission& b) { return a.id < b.id; });
        return {all_specs(), std::move(left_out_)};
    }

  private:
    // `fault_of(spec)`: why it is left out, "" where it is not.
    template <class Fault>
    void leave_out_where(Fault fault_of) {
        std::erase_if(entries_, [&](const SpecPtr& spec) {
            std::string fault = fault_of(*spec);
            if (fault.empty()) return false;
            left_out_.push_back({spec->id, std::move(fault)});
            gone_.push_back(spec);
            return true;
        });
    }

    void merge_entries() {
        Merger merger(index_, part_.env_files);
        const CheckedConfig checked{&index_, nullptr, &globals_, &part_.environment, true};
        for (const std::string& id : service_.ids()) {
            std::string fault;
            if (id == config_.admin->instance) {
                fault = "this is the admin service itself, which files alone describe";
            } else {
                const MergedInstance merged = merger.instance(id, service_, files_);
                fault = fault_of(merged, checked);
                mark_secret(*merged.spec, config_.admin_secret);
                if (fault.empty()) entries_.push_back(merged.spec);
            }
            if (!fault.empty()) left_out_.push_back({id, std::move(fault)});
        }
    }

    std::string fault_of(const MergedInstance& merged, const CheckedConfig& checked) {
        const InstanceSpec& spec = *merged.spec;
        if (spec.process.command.empty()) return no_command(spec);
        if (!spec.env_file.empty() && !part_.env_files.contains(spec.env_file))
            return "'env_file' is '" + spec.env_file + "', and only one that files name too is read";
        ProblemList problems(index_, false);
        check_instance(merged, checked, problems);
        std::string text;
        for (const Problem& problem : problems.take()) {
            text += (text.empty() ? "" : "; ") + problem.message;
            if (!problem.file.empty() && problem.line != 0)
                text += " (" + problem.file + ":" + std::to_string(problem.line) + ")";
        }
        return text;
    }

    std::string no_command(const InstanceSpec& spec) {
        if (spec.app.empty()) return "it names no application, and no file has a 'command' for it";
        const auto blocks = index_.app(spec.app);
        if (!blocks.empty()) return "the template [apps.\"" + blocks.front()->name + "\"] has no 'command'";
        const std::string near = hints_ < most_hints ? nearest(spec.app, index_.app_names()) : "";
        ++hints_;
        return "no template [apps.\"" + spec.app + "\"], and none for all others, [apps.\"*\"]" +
               (near.empty() ? "" : "; did you mean '" + near + "'?");
    }

    void leave_out_replica_names() {
        std::unordered_set<std::string_view> ids;
        std::unordered_map<std::string_view, std::string_view> named_so;  // "web" → "web:1", of static ones
        for (const SpecPtr& spec : part_.instances) {
            ids.insert(spec->id);
            if (const auto stem = replica_stem(spec->id); !stem.empty()) named_so.emplace(stem, spec->id);
        }
        for (const SpecPtr& spec : entries_) ids.insert(spec->id);
        const std::set<std::string_view> is_static = static_ids();
        leave_out_where([&](const InstanceSpec& spec) -> std::string {
            if (is_static.contains(spec.id)) return "";
            const auto stem = replica_stem(spec.id);
            if (!stem.empty() && ids.contains(stem))
                return "'" + spec.id + "' is the name of a replica of '" + std::string(stem) + "'";
            const auto other = named_so.find(spec.id);
            if (other == named_so.end()) return "";
            return "the static instance '" + std::string(other->second) +
                   "' has the name that a replica of it would have";
        });
    }

    // What files say counts before what the service says, and a lower id before a higher one.
    void leave_out_claimed() {
        for (const SpecPtr& spec : part_.instances) claim(*spec);
        http_port_ = listen_port(config_.http.listen);
        std::unordered_set<std::string_view> by_files;
        for (const SpecPtr& spec : entries_) {
            const auto own = files_.find(spec->id);
            if (find_field(own, "hostname") != nullptr || find_field(own, "port") != nullptr)
                by_files.insert(spec->id);
        }
        for (const bool from_files : {true, false}) {
            leave_out_where([&](const InstanceSpec& spec) -> std::string {
                if (by_files.contains(spec.id) != from_files) return "";
                std::string fault = claim_fault(spec);
                if (fault.empty()) claim(spec);
                return fault;
            });
        }
    }

    // One that is not enabled claims nothing.
    void claim(const InstanceSpec& spec) {
        if (!spec.enabled) return;
        for (const std::string& name : spec.hostnames) hostnames_[name] = &spec;
        if (spec.process.port.kind == PortWish::Kind::Fixed) ports_[spec.process.port.number] = &spec;
    }

    std::string claim_fault(const InstanceSpec& spec) const {
        if (!spec.enabled) return "";
        std::set<std::string_view> own;
        for (const std::string& name : spec.hostnames) {
            if (!own.insert(name).second) return "the hostname '" + name + "' is in the list twice";
            if (const auto at = hostnames_.find(name); at != hostnames_.end() && at->second->id != spec.id)
                return "the hostname '" + name + "' is that of '" + holder(*at->second, "hostname");
        }
        if (spec.process.port.kind != PortWish::Kind::Fixed) return "";
        const std::uint16_t port = spec.process.port.number;
        const std::string named = "'port' " + std::to_string(port) + " is that of ";
        if (port == http_port_) return named + "[http] listen";
        const auto at = ports_.find(port);
        if (at == ports_.end() || at->second->id == spec.id) return "";
        return named + "'" + holder(*at->second, "port");
    }

    std::string holder(const InstanceSpec& spec, std::string_view key) const {
        return spec.id + "' (" +
               source_text(find_source(spec.sources, key), config_.files, spec.admin_event) + ")";
    }

    // Nobody in a circle could start. Files alone have none, so that there is an entry in each. Who stays as
    // files say may depend on others then.
    void leave_out_circles() {
        for (std::size_t before = entries_.size() + 1; before > entries_.size();) {
            before = entries_.size();
            std::vector<SpecPtr> depending;
            for (SpecPtr& spec : all_specs()) {
                if (!spec->policy.depends_on.empty()) depending.push_back(std::move(spec));
            }
            std::map<std::string, std::string> circles;  // id → in words
            for (const auto& knot : find_knots(order_of(depending))) {
                const std::string text = circle_text(knot, depending);
                for (const std::string& id : knot) circles.emplace(id, text);
            }
            if (circles.empty()) return;
            leave_out_where([&circles](const InstanceSpec& spec) {
                const auto circle = circles.find(spec.id);
                return circle == circles.end() ? std::string() : circle->second;
            });
        }
    }

    // Both sorted by id.
    static std::string circle_text(const std::vector<std::string>& knot, const std::vector<SpecPtr>& specs) {
        std::vector<SpecPtr> members;
        for (const std::string& id : knot) {
            const auto at =
                std::lower_bound(specs.begin(), specs.end(), id,
                                 [](const SpecPtr& spec, const std::string& i) { return spec->id < i; });
            members.push_back(*at);
        }
        return "'depends_on' goes round in a circle: " + path_text(find_cycles(order_of(members)).front()) +
               "; none of them could start";
    }

    // An entry in the place of the static instance of its id.
    std::vector<SpecPtr> all_specs() const {
        std::vector<SpecPtr> all;
        all.reserve(part_.instances.size() + entries_.size());
        // The first of two that are equal is taken: that of the entries.
        std::set_union(entries_.begin(), entries_.end(), part_.instances.begin(), part_.instances.end(),
                       std::back_inserter(all),
                       [](const SpecPtr& a, const SpecPtr& b) { return a->id < b->id; });
        return all;
    }

    std::set<std::string_view> static_ids() const {
        std::set<std::string_view> ids;
        for (const SpecPtr& spec : part_.instances) ids.insert(ids.end(), spec->id);
        return ids;
    }

    const Config& config_;
    const StaticPart& part_;
    LayerIndex index_;
    StaticInstances files_;
    std::vector<AdminOmission> left_out_;
    AdminInstances service_;
    GlobalSettings globals_;
    std::vector<SpecPtr> entries_;  // those that count so far, sorted by id
    std::vector<SpecPtr> gone_;     // those that did: names of theirs may still be looked at
    int hints_ = 0;
    std::uint16_t http_port_ = 0;
    std::unordered_map<std::string_view, const InstanceSpec*> hostnames_;
    std::unordered_map<std::uint16_t, const InstanceSpec*> ports_;
};

}  // namespace

AdminMerge merge_admin(const Config& config, const std::vector<AdminEntry>& entries) {
    return Merging(config, entries).run();
}

}  // namespace pmctl
