#include "supervisor/core/reconcile.hpp"

#include <algorithm>

#include "supervisor/core/field_source.hpp"
#include "supervisor/core/settings.hpp"

namespace pmctl {

namespace {

constexpr std::size_t reasons_told = 3;

struct Difference {
    bool replace = false;
    std::string reason;  // "" when there is none
};

// " (admin event 42)" where the admin service made the difference in this key; "" where a file did.
std::string cause(const InstanceSpec& before, const InstanceSpec& after, std::string_view key) {
    const FieldSource* said = find_source(after.sources, key);
    if (is_from_admin(said)) return " (" + admin_text(after.admin_event) + ")";
    if (!is_from_admin(find_source(before.sources, key))) return "";
    // The service says it no longer, or a file says it now.
    if (after.origin == Origin::Static) return " (no longer from the admin service)";
    return after.admin_event == before.admin_event ? "" : " (" + admin_text(after.admin_event) + ")";
}

Difference difference(const InstanceSpec& before, const InstanceSpec& after) {
    Difference found;
    const auto changes = changed_fields(before, after);
    for (std::size_t i = 0; i < changes.size(); ++i) {
        const FieldChange& change = changes[i];
        if (change.effect == ChangeEffect::Replace) found.replace = true;
        if (i > reasons_told) continue;
        if (!found.reason.empty()) found.reason += ", ";
        if (i == reasons_told) {
            found.reason += std::to_string(changes.size() - reasons_told) + " more";
        } else {
            found.reason +=
                change.key + ": " + change.before + " → " + change.after + cause(before, after, change.key);
        }
    }
    return found;
}

void plan_new(const InstanceSpec& spec, std::uint32_t replicas, std::vector<PlanEntry>& plan) {
    const std::string why_not = quiet_by_itself(spec);
    const std::string from = spec.origin == Origin::Static ? "" : " (" + admin_text(spec.admin_event) + ")";
    for (std::uint32_t number = 0; number < replicas; ++number) {
        plan.push_back({spec.id, number, replica_name(spec.id, number, replicas),
                        why_not.empty() ? PlanAction::Start : PlanAction::Keep,
                        why_not.empty() ? "new" + from : "new" + from + ", " + why_not});
    }
}

// Of one more replica; "" where it is started.
std::string why_new_rests(const Actual& actual, const std::string& quiet) {
    if (actual.replicas > 0 && actual.stopped.size() == actual.replicas) return "stopped by an operator";
    return actual.stopped.size() + actual.quiet.size() < actual.replicas ? "" : quiet;
}

// Of one that has no place in the configuration any longer.
std::string why_gone(const std::string& id, const Actual& actual, const Config& desired) {
    if (actual.spec->origin == Origin::Static || !desired.admin) return "no longer configured";
    // The last one is about the entry as a whole, where there is one.
    const auto after =
        std::upper_bound(desired.left_out.begin(), desired.left_out.end(), id,
                         [](const std::string& i, const AdminOmission& omission) { return i < omission.id; });
    if (after != desired.left_out.begin() && std::prev(after)->id == id)
        return "the admin service's entry does not count: " + std::prev(after)->reason;
    return "removed by the admin service";
}

void plan_gone(const std::string& id, const Actual& actual, const std::string& why,
               std::vector<PlanEntry>& plan) {
    for (std::uint32_t number = 0; number < actual.replicas; ++number)
        plan.push_back({id, number, replica_name(id, number, actual.replicas), PlanAction::Stop, why});
}

void plan_known(const InstanceSpec& spec, std::uint32_t replicas, const Actual& actual,
                std::vector<PlanEntry>& plan) {
    PlanEntry kept{spec.id, 0, "", PlanAction::Keep, ""};
    const Difference change = spec.enabled == actual.spec->enabled && &spec == actual.spec.get()
                                  ? Difference{}
                                  : difference(*actual.spec, spec);
    if (spec.enabled != actual.spec->enabled) {
        kept.action = spec.enabled ? PlanAction::Start : PlanAction::Stop;
        kept.reason = (spec.enabled ? "enabled: false → true" : "enabled = false") +
                      cause(*actual.spec, spec, "enabled");
    } else if (!change.reason.empty()) {
        kept.action = change.replace ? PlanAction::Replace : PlanAction::Update;
        kept.reason = change.reason;
    }
    const std::string quiet = quiet_by_itself(spec);
    const bool configured = spec.replicas == replicas && spec.replicas != actual.spec->replicas;
    const std::string scaled = "replicas: " + std::to_string(actual.replicas) + " → " +
                               std::to_string(replicas) +
                               (configured ? cause(*actual.spec, spec, "replicas") : "");
    for (std::uint32_t number = 0; number < std::max(replicas, actual.replicas); ++number) {
        PlanEntry entry = kept;
        entry.number = number;
        // As it is called from then on; what goes keeps its name.
        entry.name = replica_name(spec.id, number, number < replicas ? replicas : actual.replicas);
        if (number >= replicas) {
            entry.action = PlanAction::Stop;
            entry.reason = scaled;
        } else if (number >= actual.replicas && spec.enabled) {
            const std::string rests = why_new_rests(actual, quiet);
            entry.action = rests.empty() ? PlanAction::Start : PlanAction::Update;
            entry.reason = scaled + (rests.empty() ? "" : ", " + rests);
        } else if (actual.quiet.contains(number) && spec.enabled && entry.action != PlanAction::Stop) {
            if (quiet.empty()) {
                entry.action = PlanAction::Start;
                if (entry.reason.empty()) entry.reason = "was not among those that were asked for at first";
            } else if (entry.action == PlanAction::Start) {
                entry.action = PlanAction::Update;
                entry.reason += ", " + quiet;
            }
        } else if (entry.action == PlanAction::Start && actual.stopped.contains(number)) {
            entry.action = PlanAction::Update;
            entry.reason += ", stopped by an operator";
        }
        plan.push_back(std::move(entry));
    }
}

}  // namespace

std::string_view to_text(PlanAction action) {
    switch (action) {
        case PlanAction::Start: return "start";
        case PlanAction::Stop: return "stop";
        case PlanAction::Replace: return "replace";
        case PlanAction::Update: return "update";
        case PlanAction::Keep: return "keep";
    }
    return "";
}

std::string quiet_by_itself(const InstanceSpec& spec) {
    if (!spec.enabled) return "enabled = false";
    if (spec.policy.on_demand) return "on_demand = true";
    return spec.policy.autostart ? "" : "autostart = false";
}

std::string replica_name(const std::string& id, std::uint32_t number, std::uint32_t replicas) {
    return replicas == 1 ? id : id + ":" + std::to_string(number);
}

std::vector<PlanEntry> reconcile(const Config& desired, const std::map<std::string, Actual>& actual,
                                 const std::map<std::string, std::uint32_t>& scales) {
    std::vector<PlanEntry> plan;
    plan.reserve(desired.instances.size());
    auto there = actual.begin();
    for (const SpecPtr& spec : desired.instances) {
        for (; there != actual.end() && there->first < spec->id; ++there)
            plan_gone(there->first, there->second, why_gone(there->first, there->second, desired), plan);
        const auto scale = scales.find(spec->id);
        const std::uint32_t replicas = scale == scales.end() ? spec->replicas : scale->second;
        if (there != actual.end() && there->first == spec->id) {
            plan_known(*spec, replicas, there->second, plan);
            ++there;
        } else {
            plan_new(*spec, replicas, plan);
        }
    }
    for (; there != actual.end(); ++there)
        plan_gone(there->first, there->second, why_gone(there->first, there->second, desired), plan);
    return plan;
}

}  // namespace pmctl
