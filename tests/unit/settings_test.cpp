#include "supervisor/core/settings.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>

#include "config_fixture.hpp"
#include "supervisor/core/config_show.hpp"
#include "supervisor/core/names.hpp"
#include "supervisor/core/toml_text.hpp"

using namespace pmctl;
using pmctl::test::find;
using pmctl::test::load;
using pmctl::test::problems_of;

namespace {

// For each key of an instance a value that is not its default, as TOML.
const std::vector<std::pair<std::string, std::string>>& other_values() {
    static const std::vector<std::pair<std::string, std::string>> values = {
        {"app", "\"acme/web\""},
        {"description", "\"a shop\""},
        {"enabled", "false"},
        {"group", "\"web\""},
        {"hostname", "[\"a.example\", \"b.example\"]"},
        {"command", "[\"/bin/x\", \"-v\"]"},
        {"working_dir", "\"/srv\""},
        {"env", "{ A = \"1\" }"},
        {"env_file", "\"/srv/env\""},
        {"pass_internal_secret", "true"},
        {"user", "\"www-data\""},
        {"group_id", "\"33\""},
        {"umask", "\"0077\""},
        {"port", "8080"},
        {"socket_activation", "true"},
        {"replicas", "0"},
        {"depends_on", "[\"db\"]"},
        {"autostart", "false"},
        {"on_demand", "true"},
        {"idle_timeout", "\"5m\""},
        {"stop_signal", "\"SIGINT\""},
        {"stop_timeout", "\"3s\""},
        {"health.kind", "\"tcp\""},
        {"health.path", "\"/ok\""},
        {"health.command", "[\"/bin/true\"]"},
        {"health.interval", "\"7s\""},
        {"health.retry_interval", "\"250ms\""},
        {"health.timeout", "\"1s\""},
        {"health.unhealthy_after", "3"},
        {"health.restart_after", "9"},
        {"health.healthy_after", "2"},
        {"health.startup_timeout", "\"2m\""},
        {"health.keep_alive", "false"},
        {"restart.policy", "\"on-failure\""},
        {"restart.backoff_initial", "\"2s\""},
        {"restart.backoff_max", "\"1m\""},
        {"restart.reset_after", "\"2m\""},
        {"restart.circuit_failures", "4"},
        {"restart.circuit_cooldown", "\"30s\""},
        {"update.strategy", "\"recreate\""},
        {"update.drain", "\"0s\""},
        {"update.timeout", "\"10s\""},
        {"log.max_size", "\"1MiB\""},
        {"log.max_files", "2"},
        {"limits.open_files", "4096"},
        {"limits.core_size", "\"1MiB\""},
        {"limits.memory", "\"512MiB\""},
        {"limits.cpu", "1.5"},
        {"limits.tasks", "64"},
    };
    return values;
}

LoadedConfig load_web(const std::string& key, const std::string& value) {
    std::string text = "[apps.\"*\"]\ndescription = \"t\"\n[instances.db]\ncommand = [\"/bin/db\"]\n";
    text += "[instances.web]\n" + (key.empty() ? "" : key + " = " + value + "\n");
    if (key != "command") text += "command = [\"/bin/web\"]\n";
    if (key == "on_demand") text += "hostname = \"x\"\n";
    if (key == "pass_internal_secret") text += "[admin]\nurl = \"https://x\"\nsecret_file = \"s\"\n";
    test::Texts texts{{{"/etc/pmctl/pmctl.toml", text}}, {{"/srv/env", std::string("FROM_FILE=1\n")}}};
    return load(texts);
}

}  // namespace

TEST_CASE("the defaults that the table tells are those that the structs have") {
    const InstanceSpec built_in;
    for (const Setting& setting : instance_settings()) {
        CAPTURE(std::string(setting.key));
        if (setting.key == "working_dir") continue;  // depends on the file
        const ParsedFile parsed = parse_config(
            "[defaults]\n" + std::string(setting.key) + " = " + std::string(setting.default_text), "/f", 0,
            FileRole::Main);
        REQUIRE(parsed.problems.empty());
        InstanceSpec said;
        for (const Field& field : parsed.layer.defaults.fields)
            field.setting->set_instance(said, field.value);
        CHECK(setting.show_instance(built_in) == setting.show_instance(said));
    }
    const GlobalSettings globals;
    for (const Setting& setting : global_settings()) {
        CAPTURE(std::string(setting.key));
        CHECK(setting.show_global(globals) == setting.default_text);
    }
}

TEST_CASE("every key has a type, what is allowed and a sentence, and is found by its name") {
    std::set<std::string_view> keys;
    for (const auto& settings : {instance_settings(), global_settings()}) {
        for (const Setting& setting : settings) {
            CAPTURE(std::string(setting.key));
            CHECK(keys.insert(setting.key).second);
            CHECK_FALSE(setting.type.empty());
            CHECK_FALSE(setting.allowed.empty());
            CHECK(setting.meaning.ends_with('.'));
            const bool global = setting.section != Section::Instance;
            CHECK((global ? find_global_setting(setting.key) : find_instance_setting(setting.key)) ==
                  &setting);
        }
    }
    CHECK(find_instance_setting("health") == nullptr);
    CHECK(find_instance_setting("") == nullptr);
    CHECK(find_global_setting("supervisor") == nullptr);
}

TEST_CASE("a change of each key is told with its values and what it asks of the process") {
    const auto before = load_web("", "");
    REQUIRE(problems_of(before) == "");
    std::set<std::string_view> tried;
    for (const auto& [key, value] : other_values()) {
        CAPTURE(key);
        const Setting* setting = find_instance_setting(key);
        REQUIRE(setting != nullptr);
        tried.insert(setting->key);
        const auto after = load_web(key, value);
        REQUIRE(problems_of(after) == "");
        const auto changes = changed_fields(*find(before, "web"), *find(after, "web"));
        if (key == "enabled" || key == "replicas") {
            CHECK(changes.empty());
            continue;
        }
        REQUIRE_FALSE(changes.empty());
        const auto is_it = [&key = key](const FieldChange& change) {
            return change.key == key || change.key.starts_with(key + ".");
        };
        const auto change = std::find_if(changes.begin(), changes.end(), is_it);
        REQUIRE(change != changes.end());
        CHECK(change->effect == setting->effect);
        CHECK(change->before != change->after);
        if (key != "env" && key != "env_file") CHECK(change->after == value);
        CHECK(changed_fields(*find(after, "web"), *find(after, "web")).empty());
    }
    CHECK(tried.size() == instance_settings().size());
}

TEST_CASE("what a key is shown as reads back to the same value") {
    for (const auto& [key, value] : other_values()) {
        CAPTURE(key);
        const auto once = load_web(key, value);
        REQUIRE(problems_of(once) == "");
        const std::string text = find_instance_setting(key)->show_instance(*find(once, "web"));
        CHECK(text == value);
        CHECK(changed_fields(*find(once, "web"), *find(load_web(key, text), "web")).empty());
    }
}

TEST_CASE("variables are compared one by one, secrets are never shown") {
    const auto before =
        load_web("env", R"({ A = "1", DB_PASSWORD = "old", GONE = "x", URL = "pg://u:pw@db/x" })");
    const auto after =
        load_web("env", R"({ A = "1", DB_PASSWORD = "new", NEW = "y", URL = "pg://u:pw2@db/x" })");
    const auto changes = changed_fields(*find(before, "web"), *find(after, "web"));
    REQUIRE(changes.size() == 4);
    CHECK(changes[0].key == "env.DB_PASSWORD");
    CHECK(changes[0].before == "\"***\"");
    CHECK(changes[0].after == "\"***\"");
    CHECK(changes[1].key == "env.GONE");
    CHECK(changes[1].after == "(unset)");
    CHECK(changes[2].key == "env.NEW");
    CHECK(changes[2].before == "(unset)");
    CHECK(changes[3].before == "\"pg://***@db/x\"");
}

TEST_CASE("another secret replaces the processes that were given the old one, and is not told") {
    const auto with = [](const std::string& flag, const std::string& secret) {
        const std::string text =
            "[admin]\nurl = \"https://x\"\nsecret_file = \"s\"\n[instances.web]\ncommand = [\"/x\"]\n"
            "pass_internal_secret = " +
            flag + "\n";
        return load(test::Texts{{{"/etc/pmctl/pmctl.toml", text}}, {}, {secret, ""}, {}});
    };
    const auto changes = changed_fields(*find(with("true", "old"), "web"), *find(with("true", "new"), "web"));
    REQUIRE(changes.size() == 1);
    CHECK(changes[0].key == "INTERNAL_SECRET");
    CHECK(changes[0].effect == ChangeEffect::Replace);
    CHECK((changes[0].before + changes[0].after).find("new") == std::string::npos);
    CHECK(changed_fields(*find(with("false", "old"), "web"), *find(with("false", "new"), "web")).empty());
    const auto given = changed_fields(*find(with("false", "s"), "web"), *find(with("true", "s"), "web"));
    REQUIRE(given.size() == 1);
    CHECK(given[0].key == "pass_internal_secret");
}

TEST_CASE("what looks like a secret is masked in commands and URLs too") {
    CHECK(mask_command({"x", "--token=abc", "--password", "p", "--user", "u", "API_KEY=z",
                        "https://a:b@c/d"}) == std::vector<std::string>{"x", "--token=***", "--password",
                                                                        "***", "--user", "u", "API_KEY=***",
                                                                        "https://***@c/d"});
    CHECK(mask_command({"--secret", "--verbose", "v"}) ==
          std::vector<std::string>{"--secret", "--verbose", "v"});
    CHECK(mask_urls("a@b http://x/y@z ftp://u@h") == "a@b http://x/y@z ftp://***@h");
    for (const char* name : {"SECRET", "db_password", "Passwd", "API_TOKEN", "ssh_key", "CREDENTIALS"})
        CHECK(looks_secret(name));
    for (const char* name : {"HOME", "PASS_THROUGH", "LOG_LEVEL"}) CHECK_FALSE(looks_secret(name));
}

TEST_CASE("the configuration is listed with the source of each value") {
    const auto loaded = load(
        "[supervisor]\nlog_level = \"warn\"\n[defaults]\nhealth.interval = \"9s\"\n[instances.\"a.b\"]\n"
        "command = [\"/x\", \"--token=t\"]\nenv = { API_TOKEN = \"t\", PLAIN = \"p\" }\n");
    REQUIRE(loaded.config);
    const auto value = [&loaded](const std::string& id, const std::string& key, bool secrets) {
        const auto values = show_config(*loaded.config, id, secrets);
        REQUIRE(values);
        for (const ConfigValue& each : *values) {
            if (each.key == key) return each.value + " " + each.source;
        }
        return std::string("missing");
    };
    CHECK(value("", "supervisor.log_level", false) == "\"warn\" /etc/pmctl/pmctl.toml:2");
    CHECK(value("", "ports.range", false) == "\"30000-31000\" default");
    CHECK(value("", "admin.url", false) == "missing");
    CHECK(value("a.b", "supervisor.log_level", false) == "missing");
    CHECK(value("a.b", "instances.\"a.b\".health.interval", false) == "\"9s\" /etc/pmctl/pmctl.toml:4");
    CHECK(value("a.b", "instances.\"a.b\".health.timeout", false) == "\"2s\" default");
    CHECK(value("a.b", "instances.\"a.b\".env.API_TOKEN", false) == "\"***\" /etc/pmctl/pmctl.toml:7");
    CHECK(value("a.b", "instances.\"a.b\".env.API_TOKEN", true) == "\"t\" /etc/pmctl/pmctl.toml:7");
    CHECK(value("a.b", "instances.\"a.b\".env.PLAIN", false) == "\"p\" /etc/pmctl/pmctl.toml:7");
    CHECK(value("a.b", "instances.\"a.b\".command", false) ==
          "[\"/x\", \"--token=***\"] /etc/pmctl/pmctl.toml:6");
    CHECK(value("a.b", "instances.\"a.b\".command", true) ==
          "[\"/x\", \"--token=t\"] /etc/pmctl/pmctl.toml:6");
    const auto unknown = show_config(*loaded.config, "a.c", false);
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().kind == ErrorKind::NotFound);
    CHECK(unknown.error().message.find("'a.b'") != std::string::npos);
}

TEST_CASE("the example has every key with its default, and validates as it is and with every line in force") {
    const char* root = std::getenv("PMCTL_SOURCE_ROOT");
    REQUIRE_MESSAGE(root != nullptr, "meson test sets it");
    std::ifstream file(std::string(root) + "/etc/pmctl.toml");
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    REQUIRE_FALSE(text.empty());
    CHECK(problems_of(text) == "");

    std::string whole;  // "#key = …" is a line that is not in force, "# …" a sentence
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size() - 1);
        std::string line = text.substr(at, end + 1 - at);
        if (line.size() > 2 && line[0] == '#' && line[1] != ' ') line.erase(0, 1);
        // Either of the two, and the one that comes later is meant.
        whole += line;
        at = end + 1;
    }
    CHECK(problems_of(whole) == "");
    const ParsedFile parsed = parse_config(whole, "/etc/pmctl/pmctl.toml", 0, FileRole::Main);
    const auto is_there = [](const std::vector<Field>& fields, const Setting& setting) {
        return std::any_of(fields.begin(), fields.end(),
                           [&](const Field& f) { return f.setting == &setting; });
    };
    InstanceSpec spec;
    for (const Field& field : parsed.layer.defaults.fields) {
        if (field.setting->set_instance != nullptr) field.setting->set_instance(spec, field.value);
    }
    for (const Setting& setting : instance_settings()) {
        CAPTURE(std::string(setting.key));
        if (setting.key == "env") continue;  // an empty table has no fields
        CHECK(is_there(parsed.layer.defaults.fields, setting));
        if (setting.key != "working_dir") CHECK(setting.show_instance(spec) == setting.show_instance({}));
    }
    GlobalSettings globals;
    for (const Field& field : parsed.layer.globals) field.setting->set_global(globals, field.value);
    for (const Setting& setting : global_settings()) {
        CAPTURE(std::string(setting.key));
        CHECK(is_there(parsed.layer.globals, setting));
        if (setting.key != "admin.url" && setting.key != "admin.secret_file")
            CHECK(setting.show_global(globals) == setting.default_text);
    }
}

TEST_CASE("names are held to their rules") {
    for (const char* id : {"web", "web-1", "A.b_c:9", "0"}) CHECK(is_instance_id(id));
    for (const std::string& id :
         {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("a b"),
          std::string("ä"), std::string(129, 'a'), std::string("a@b")})
        CHECK_FALSE(is_instance_id(id));
    for (const char* id : {"acme/web", "a", "Größe", "a.b"}) CHECK(is_app_id(id));
    for (const char* id : {"", "*", "/a", "a/", "a//b", "../a", "a/../b", ".", "a\nb"})
        CHECK_FALSE(is_app_id(id));
    CHECK(*hostname_of("Shop.Example.") == "shop.example");
    CHECK(*hostname_of("localhost:8443") == "localhost:8443");
    CHECK(*hostname_of("a.:80") == "a:80");
    for (const std::string& name :
         {std::string(), std::string("."), std::string("a..b"), std::string("-a"), std::string("a-"),
          std::string("a b"), std::string("a:0"), std::string("a:x"), std::string("a:70000"),
          std::string("a/b"), std::string(64, 'a'), std::string("münchen.example"), std::string("*.example")})
        CHECK_FALSE(hostname_of(name));
}
