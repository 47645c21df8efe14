// The admin service's part in the Supervisor: what admin_provider.hpp decides is done and told here, and the
// entries in force are put on top of the files' configuration.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "supervisor/core/config_load.hpp"
#include "supervisor/supervisor.hpp"

namespace pmctl {

namespace {

// One event each; of a service that names nothing but nonsense the rest is counted.
constexpr std::size_t omissions_told = 20;

// "1 started, 2 replaced"
std::string summary_of(const std::vector<PlanEntry>& plan) {
    constexpr std::array<std::pair<PlanAction, std::string_view>, 4> words = {
        {{PlanAction::Start, "started"},
         {PlanAction::Stop, "stopped"},
         {PlanAction::Replace, "replaced"},
         {PlanAction::Update, "updated"}}};
    std::string text;
    for (const auto& [action, word] : words) {
        const auto count = std::count_if(plan.begin(), plan.end(),
                                         [action](const PlanEntry& entry) { return entry.action == action; });
        if (count == 0) continue;
        text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + std::string(word);
    }
    return text.empty() ? "nothing changes" : text;
}

bool is_before(const AdminOmission& a, const AdminOmission& b) {
    return std::pair(a.id, a.reason) < std::pair(b.id, b.reason);
}

}  // namespace

Config Supervisor::merged(const Config& files) const {
    return admin_ && files.admin ? *with_admin(files, admin_->in_force.entries).config : files;
}

// A new configuration: whom to ask, with which secret, or nobody any longer.
void Supervisor::configure_admin(const std::optional<AdminSettings>& before, Now now) {
    if (!files_.admin) return forget_admin();
    const AdminSettings& settings = *files_.admin;
    const bool is_new = !admin_;
    if (is_new) {
        admin_.emplace();
        if (inherited_admin_) admin_->in_force = *std::exchange(inherited_admin_, nullptr);
    }
    AdminAccess access{files_.admin_secret, settings.application_id, settings.ca_file, settings.insecure};
    const bool was_insecure = admin_access_ && admin_access_->insecure;
    if (access.insecure && !was_insecure)
        tell_admin("admin: certificate not verified, insecure = true", true, now);
    // What is in the ca_file may be another by now, and nobody else looks.
    const bool other_access = access != admin_access_ || !access.ca_file.empty();
    if (other_access) effects_.set_admin(access);
    admin_access_ = std::move(access);
    if (is_new || (!other_access && before == settings)) return;
    const bool same = before && before->url == settings.url && before->instance == settings.instance;
    admin_change_ = AdminReach{"", true, same};
}

void Supervisor::forget_admin() {
    if (admin_) effects_.drop_admin_calls();
    if (admin_ || inherited_admin_) effects_.store({.kind = StoreWrite::Kind::SetAdmin});
    inherited_admin_.reset();
    admin_.reset();
    admin_access_.reset();
    admin_change_.reset();
    told_omissions_.clear();
}

// Where the service is now; "" where that is not known.
std::string Supervisor::admin_address() const {
    if (finishing_) return "";
    const AdminSettings& settings = *files_.admin;
    if (settings.instance.empty()) return settings.url;
    const Instance* instance = roster_.find(settings.instance);
    if (instance == nullptr) return "";
    // On loopback there is nobody to listen, so TLS is used where it is configured: with a ca_file.
    const std::string scheme = settings.ca_file.empty() ? "http" : "https";
    for (const auto& member : instance->members) {
        const Replica& replica = member->replica;
        if (!has_live_run(replica) || replica.run->port == 0) continue;
        const std::string url = scheme + "://127.0.0.1:" + std::to_string(replica.run->port);
        const Phase phase = replica.run->phase;
        // One that fails a check may still answer: it is left when its process goes.
        if (phase == Phase::Running || (phase == Phase::Unhealthy && admin_->url == url)) return url;
    }
    return "";
}

// At the end of each turn: an instance that is the admin service may have come, gone or moved.
void Supervisor::follow_admin(Now now) {
    if (!admin_) return;
    AdminReach reach = std::exchange(admin_change_, std::nullopt).value_or(AdminReach{"", false, true});
    reach.url = admin_address();
    if (reach.anew || reach.url != admin_->url) step_admin(std::move(reach), now);
}

void Supervisor::step_admin(ProviderEvent event, Now now) {
    carry_out(step(*admin_, std::move(event), now, effects_.random(), *files_.admin), now);
}

void Supervisor::carry_out(const AdminActions& actions, Now now) {
    if (actions.drop) effects_.drop_admin_calls();
    for (const AdminCall& call : actions.calls) effects_.call_admin(call);
    for (const AdminActions::News& each : actions.news) tell_admin(each.text, each.bad, now);
    if (actions.store) store_admin();
}

void Supervisor::admin_replied(std::uint64_t number, AdminResult result, Now now) {
    if (!admin_ || finishing_) return;
    std::string told;
    {
        const Turn turn(*this, now);
        const AdminActions actions =
            step(*admin_, AdminReplied{number, std::move(result)}, now, effects_.random(), *files_.admin);
        carry_out(actions, now);
        const bool decides = !undecided_.empty() && has_admin_answer();
        if (actions.apply || decides) {
            const std::string event = std::to_string(admin_->in_force.event);
            told = (admin_->in_force.event == 0 ? "admin service" : "admin event " + event) + ": " +
                   summary_of(apply_admin(now));
        }
        if (actions.apply || actions.omissions) tell_omissions(now);
    }
    if (told.empty() || !admin_) return;
    // The turn is over: what was to be started has been.
    mark_applied(*admin_, effects_.clock());
    mark("", MarkKind::Applied, now, admin_->latencies.last);
    note("", "admin", told + " in " + describe_duration(admin_->latencies.last), now);
}

// As a reload does, but an operator's scaling lasts until the next one of those.
std::vector<PlanEntry> Supervisor::apply_admin(Now now) {
    std::map<std::string, std::uint32_t> scales;
    for (const auto& [id, instance] : roster_.instances()) {
        if (instance.scale) scales.emplace(id, *instance.scale);
    }
    auto plan = converge(merged(files_), scales, now);
    tell_plan(plan, now);
    return plan;
}

void Supervisor::tell_plan(const std::vector<PlanEntry>& plan, Now now) {
    for (const PlanEntry& entry : plan) {
        if (entry.action == PlanAction::Keep) continue;
        note(entry.name, "config", std::string(to_text(entry.action)) + ": " + entry.reason, now);
    }
}

void Supervisor::tell_admin(const std::string& text, bool bad, Now now) {
    spdlog::log(bad ? spdlog::level::warn : spdlog::level::info, "{}", text);
    effects_.store(
        {.kind = StoreWrite::Kind::AppendEvent, .event = journal_.add(now.wall, "", "admin", text)});
}

// What the service says and does not count, each once until it changes.
void Supervisor::tell_omissions(Now now) {
    if (!admin_) return;
    std::vector<AdminOmission> all = admin_->left_out;
    all.insert(all.end(), config_.left_out.begin(), config_.left_out.end());
    std::sort(all.begin(), all.end(), is_before);
    std::vector<AdminOmission> fresh;
    std::set_difference(all.begin(), all.end(), told_omissions_.begin(), told_omissions_.end(),
                        std::back_inserter(fresh), is_before);
    for (std::size_t i = 0; i < fresh.size() && i < omissions_told; ++i) {
        const std::string name = is_configured(fresh[i].id) ? fresh[i].id : "";
        note(name, "admin", "admin service, entry '" + fresh[i].id + "': left out: " + fresh[i].reason, now);
    }
    if (fresh.size() > omissions_told) {
        note("", "admin",
             "admin service: " + std::to_string(fresh.size() - omissions_told) +
                 " more are left out; `pmctl admin` lists them",
             now);
    }
    told_omissions_ = std::move(all);
}

void Supervisor::store_admin() {
    effects_.store({.kind = StoreWrite::Kind::SetAdmin,
                    .admin = std::make_shared<const AdminSnapshot>(admin_->in_force)});
}

}  // namespace pmctl
