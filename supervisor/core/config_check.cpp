#include "supervisor/core/config_check.hpp"

#include <algorithm>
#include <charconv>
#include <map>

#include "shared/control_path.hpp"
#include "shared/nearest.hpp"
#include "shared/time.hpp"
#include "supervisor/core/check_instance.hpp"
#include "supervisor/core/names.hpp"
#include "supervisor/core/order.hpp"
#include "supervisor/core/problem_list.hpp"

namespace pmctl {
namespace {

std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates) {
    const std::string near = nearest(word, candidates);
    return near.empty() ? "" : "; did you mean '" + near + "'?";
}

// Plain http to another machine. Names under "localhost" never leave this one: RFC 6761, section 6.3.
bool travels_in_clear(std::string_view url) {
    constexpr std::string_view scheme = "http://";
    if (!url.starts_with(scheme)) return false;
    url.remove_prefix(scheme.size());
    if (url.starts_with("[::1]")) return false;
    const std::string host = hostname_of(url.substr(0, url.find_first_of("/:"))).value_or("");
    const bool is_loopback_v4 =
        host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
    return host != "localhost" && !host.ends_with(".localhost") && !is_loopback_v4;
}

class WholeCheck {
  public:
    WholeCheck(const CheckedConfig& config, ProblemList& problems) : config_(config), problems_(problems) {
        for (const MergedInstance& each : *config.instances) ids_.push_back(each.spec->id);
    }

    void run() {
        for (const MergedInstance& each : *config_.instances) {
            if (config_.complete) check_names(each);
            if (each.spec->enabled) claim(each);
        }
        check_cycles();
        check_folders();
        if (config_.has_admin) check_admin();
        check_listen();
    }

  private:
    bool is_instance(const std::string& id) const { return std::binary_search(ids_.begin(), ids_.end(), id); }

    void check_names(const MergedInstance& each) {
        const InstanceSpec& spec = *each.spec;
        if (!spec.app.empty() && !config_.index->has_app(spec.app))
            problems_.add(each, "app",
                          "no template [apps.\"" + spec.app + "\"], and none for all others, [apps.\"*\"]" +
                              did_you_mean(spec.app, config_.index->app_names()));
        for (const std::string& id : spec.policy.depends_on) {
            // What the admin service will name is not known yet.
            if (is_instance(id) || config_.has_admin) continue;
            problems_.add(
                each, "depends_on",
                "'depends_on' names '" + id + "', and there is no such instance" + did_you_mean(id, ids_));
        }
        const std::string other(replica_stem(spec.id));
        if (!other.empty() && is_instance(other))
            problems_.add_at(each.blocks.back()->at, "'" + spec.id + "' is the name of a replica of '" +
                                                         other + "'; give one of them another id");
    }

    // A port and each hostname has one instance. One that is not enabled claims nothing.
    void claim(const MergedInstance& each) {
        const InstanceSpec& spec = *each.spec;
        if (spec.process.port.kind == PortWish::Kind::Fixed) {
            const auto [at, is_new] = ports_.emplace(spec.process.port.number, &each);
            if (!is_new)
                problems_.add(
                    each, "port", "'port' " + std::to_string(spec.process.port.number) + " is claimed twice",
                    ": by '" + at->second->spec->id + "' (" + problems_.place_text(*at->second, "port") +
                        ") and '" + spec.id + "'; give one of them another, or \"auto\"");
        }
        for (const std::string& name : spec.hostnames) {
            const auto [at, is_new] = hostnames_.emplace(name, &each);
            if (is_new) continue;
            if (at->second == &each)
                problems_.add(each, "hostname", "the hostname '" + name + "' is in the list twice");
            else
                problems_.add(each, "hostname", "the hostname '" + name + "' is claimed twice",
                              ": by '" + at->second->spec->id + "' (" +
                                  problems_.place_text(*at->second, "hostname") + ") and '" + spec.id + "'");
        }
    }

    void check_cycles() {
        std::vector<SpecPtr> specs;
        for (const MergedInstance& each : *config_.instances) {
            if (!each.spec->policy.depends_on.empty()) specs.push_back(each.spec);
        }
        // Who depends on nothing is in no circle.
        for (const auto& cycle : find_cycles(order_of(specs))) {
            const auto at = std::lower_bound(
                config_.instances->begin(), config_.instances->end(), cycle.front(),
                [](const MergedInstance& each, const std::string& id) { return each.spec->id < id; });
            problems_.add(
                *at, "depends_on",
                "'depends_on' goes round in a circle: " + path_text(cycle) + "; none of them could start");
        }
    }

    void check_folders() {
        const SupervisorSettings& own = config_.globals->supervisor;
        const std::string socket = socket_in(own.runtime_dir);
        if (socket.size() > max_socket_path_bytes)
            problems_.add_global("supervisor.runtime_dir",
                                 "the control socket's path '" + socket + "' has " +
                                     std::to_string(socket.size()) + " bytes, and a socket's may have " +
                                     std::to_string(max_socket_path_bytes) +
                                     ": set [supervisor] runtime_dir to a shorter folder");
        if (own.state_dir.empty())
            problems_.add_global(
                "supervisor.state_dir",
                "there is no default for [supervisor] state_dir, since neither XDG_STATE_HOME nor "
                "HOME is set: set it");
    }

    bool admin_has(std::string_view key) const {
        for (const Layer& layer : config_.index->layers()) {
            for (const Field& field : layer.globals) {
                if (field.setting->key == key &&
                    (!field.valid || !std::get<std::string>(field.value).empty()))
                    return true;
            }
        }
        return false;
    }

    void check_admin() {
        const AdminSettings& admin = config_.globals->admin;
        if (admin_has("admin.url") == admin_has("admin.instance"))
            problems_.add_global("admin.url", "[admin] needs either 'url' or 'instance', and not both");
        if (admin_has("admin.secret_file") == admin_has("admin.secret_env"))
            problems_.add_global("admin.secret_file",
                                 "[admin] needs either 'secret_file' or 'secret_env', and not both");
        if (travels_in_clear(admin.url) && !admin.insecure)
            problems_.add_global(
                "admin.url",
                "'admin.url' is plain http to another machine, where everybody on the way could read the "
                "secret; use https, or set insecure = true in [admin] where the way is safe");
        if (!admin.instance.empty() && config_.complete) {
            const auto at = std::lower_bound(
                config_.instances->begin(), config_.instances->end(), admin.instance,
                [](const MergedInstance& each, const std::string& id) { return each.spec->id < id; });
            if (at == config_.instances->end() || at->spec->id != admin.instance)
                problems_.add_global(
                    "admin.instance",
                    "'admin.instance' is '" + admin.instance + "', and " +
                        (config_.index->instance(admin.instance).empty()
                             ? "there is no such instance in any file" + did_you_mean(admin.instance, ids_)
                             : "files give it neither 'app' nor 'command', as only the "
                               "service itself could"));
            else if (at->spec->process.port.kind == PortWish::Kind::None)
                problems_.add_global("admin.instance", "'admin.instance' is '" + admin.instance +
                                                           "', which has port = \"none\"");
        }
        std::vector<std::string> keys;
        for (const Setting& setting : service_settings()) keys.emplace_back(setting.key);
        for (const Setting& setting : instance_settings()) {
            keys.emplace_back(setting.key);
            const std::string table = keys.back().substr(0, keys.back().find('.'));
            if (std::find(keys.begin(), keys.end(), table) == keys.end()) keys.push_back(table);
        }
        for (const std::string& key : admin.allow) {
            if (std::find(keys.begin(), keys.end(), key) == keys.end())
                problems_.add_global(
                    "admin.allow", "'admin.allow' names '" + key +
                                       "'; allowed are \"version\", the keys of an instance and its tables" +
                                       did_you_mean(key, keys));
        }
    }

    void check_listen() {
        const std::string& listen = config_.globals->http.listen;
        if (listen.starts_with("unix:")) {
            if (listen.size() - 5 > max_socket_path_bytes)
                problems_.add_global("http.listen", "the path of 'http.listen' has " +
                                                        std::to_string(listen.size() - 5) +
                                                        " bytes, and a socket's may have " +
                                                        std::to_string(max_socket_path_bytes));
            return;
        }
        const std::uint16_t port = listen_port(listen);
        const auto claimed = ports_.find(port);
        if (claimed != ports_.end())
            problems_.add(
                *claimed->second, "port",
                "'port' " + std::to_string(port) + " is that of [http] listen = \"" + listen + "\" too");
    }

    const CheckedConfig& config_;
    ProblemList& problems_;
    std::vector<std::string> ids_;  // sorted
    std::map<std::uint16_t, const MergedInstance*> ports_;
    std::map<std::string_view, const MergedInstance*> hostnames_;
};

}  // namespace

std::uint16_t listen_port(std::string_view listen) {
    const auto colon = listen.rfind(':');
    std::uint16_t port = 0;
    if (!listen.starts_with("unix:") && colon != std::string_view::npos)
        std::from_chars(listen.data() + colon + 1, listen.data() + listen.size(), port);
    return port;
}

std::vector<Problem> check_config(const CheckedConfig& config) {
    ProblemList problems(*config.index);
    for (const MergedInstance& each : *config.instances) check_instance(each, config, problems);
    WholeCheck(config, problems).run();
    return problems.take();
}

}  // namespace pmctl
