#include "supervisor/core/config_merge.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "config_fixture.hpp"

using namespace pmctl;
using pmctl::test::find;
using pmctl::test::load;
using pmctl::test::problems_of;
using pmctl::test::Texts;

namespace {

// Two values of each key, neither the default, as TOML.
struct Row {
    const char* key;
    const char* one;
    const char* two;
};
constexpr Row rows[] = {
    {"description", "\"a\"", "\"b\""},
    {"enabled", "false", "true"},
    {"group", "\"a\"", "\"b\""},
    {"hostname", "[\"a\"]", "[\"b\", \"c\"]"},
    {"command", "[\"/a\"]", "[\"/b\", \"x\"]"},
    {"working_dir", "\"/a\"", "\"/b\""},
    {"env_file", "\"/a\"", "\"/b\""},
    {"pass_internal_secret", "true", "false"},
    {"user", "\"a\"", "\"b\""},
    {"group_id", "\"1\"", "\"2\""},
    {"umask", "\"0077\"", "\"0027\""},
    {"port", "8080", "8081"},
    {"socket_activation", "true", "false"},
    {"replicas", "0", "1"},
    {"depends_on", "[\"db\"]", "[\"db\", \"db2\"]"},
    {"autostart", "false", "true"},
    {"on_demand", "true", "false"},
    {"idle_timeout", "\"1s\"", "\"2s\""},
    {"stop_signal", "\"SIGINT\"", "\"SIGHUP\""},
    {"stop_timeout", "\"1s\"", "\"2s\""},
    {"health.kind", "\"tcp\"", "\"none\""},
    {"health.path", "\"/a\"", "\"/b\""},
    {"health.command", "[\"/a\"]", "[\"/b\"]"},
    {"health.interval", "\"1s\"", "\"2s\""},
    {"health.retry_interval", "\"2s\"", "\"3s\""},
    {"health.timeout", "\"1s\"", "\"3s\""},
    {"health.unhealthy_after", "1", "3"},
    {"health.restart_after", "4", "5"},
    {"health.healthy_after", "2", "3"},
    {"health.startup_timeout", "\"1s\"", "\"2s\""},
    {"health.keep_alive", "false", "true"},
    {"restart.policy", "\"never\"", "\"on-failure\""},
    {"restart.backoff_initial", "\"2s\"", "\"3s\""},
    {"restart.backoff_max", "\"40s\"", "\"50s\""},
    {"restart.reset_after", "\"1s\"", "\"2s\""},
    {"restart.circuit_failures", "1", "2"},
    {"restart.circuit_cooldown", "\"1s\"", "\"2s\""},
    {"update.strategy", "\"recreate\"", "\"rolling\""},
    {"update.drain", "\"1s\"", "\"2s\""},
    {"update.timeout", "\"1s\"", "\"2s\""},
    {"log.max_size", "\"1MiB\"", "\"2MiB\""},
    {"log.max_files", "1", "2"},
    {"limits.open_files", "1000", "2000"},
    {"limits.core_size", "\"1MiB\"", "\"2MiB\""},
    {"limits.memory", "\"1MiB\"", "\"2MiB\""},
    {"limits.cpu", "1.0", "2.0"},
    {"limits.tasks", "10", "20"},
};

// A configuration in which [defaults], [apps.a] and [instances.web] have these lines.
LoadedConfig layered(const std::string& defaults, const std::string& app, const std::string& own) {
    const std::string env =
        "[instances.db]\napp = \"plain\"\ncommand = [\"/db\"]\nhostname = []\nport = \"none\"\n"
        "health.kind = \"none\"\ndepends_on = []\nsocket_activation = false\non_demand = false\n";
    std::string second = env;
    second.replace(second.find(".db]"), 4, ".db2]");
    const std::string admin = "[admin]\nurl = \"https://x\"\nsecret_file = \"s\"\n";
    return load(Texts{
        {{"/etc/pmctl/pmctl.toml", admin + "[defaults]\n" + defaults + "\n[apps.plain]\n[apps.a]\n" + app +
                                       "\n[instances.web]\napp = \"a\"\n" + own + "\n" + env + second}},
        {{"/a", std::string("A=1")}, {"/b", std::string("B=1")}}});
}

std::string shown(const LoadedConfig& loaded, const char* key) {
    return find_instance_setting(key)->show_instance(*find(loaded, "web"));
}

}  // namespace

TEST_CASE("each field of each layer is hidden by the layer above and shows through where that is silent") {
    for (const Row& row : rows) {
        CAPTURE(std::string(row.key));
        const std::string key = row.key;
        const auto line = [&key](const char* value) { return key + " = " + value; };
        // So that every row is a valid configuration.
        std::string rest = key == "command" ? "" : "command = [\"/web\"]\n";
        if (key != "hostname") rest += "hostname = \"web.example\"\n";
        const auto value = [&](const std::string& d, const std::string& a, const std::string& own) {
            const auto loaded = layered(d, a, rest + own);
            REQUIRE(problems_of(loaded) == "");
            return shown(loaded, row.key);
        };
        CHECK(value(line(row.one), "", "") == row.one);
        CHECK(value("", line(row.one), "") == row.one);
        CHECK(value("", "", line(row.one)) == row.one);
        CHECK(value(line(row.one), line(row.two), "") == row.two);
        CHECK(value(line(row.one), "", line(row.two)) == row.two);
        CHECK(value("", line(row.one), line(row.two)) == row.two);
        CHECK(value(line(row.one), line(row.one), line(row.two)) == row.two);
        CHECK(value(line(row.two), line(row.two), line(row.one)) == row.one);
    }
    CHECK(std::size(rows) + 2 == instance_settings().size());  // app and env have cases of their own
}

TEST_CASE("env is merged by name over the layers, lists are replaced") {
    const auto loaded = layered("env = { A = \"d\", B = \"d\", C = \"d\" }\nhostname = [\"x\", \"y\"]",
                                "env = { B = \"a\", C = \"a\" }",
                                "command = [\"/w\"]\nhostname = [\"z\"]\nenv = { C = \"i\", D = \"i\" }");
    REQUIRE(problems_of(loaded) == "");
    CHECK(find(loaded, "web")->process.env == Environment{{"A", "d"}, {"B", "a"}, {"C", "i"}, {"D", "i"}});
    CHECK(find(loaded, "web")->hostnames == std::vector<std::string>{"z"});
}

TEST_CASE("the template of all others serves applications with none of their own, and nobody else") {
    const auto loaded = load(
        "[apps.\"*\"]\ncommand = [\"/star\"]\n[apps.own]\nport = \"none\"\n"
        "[instances.a]\napp = \"whatever\"\n[instances.b]\napp = \"own\"\ncommand = [\"/b\"]\n"
        "[instances.c]\ncommand = [\"/c\"]\n");
    REQUIRE(problems_of(loaded) == "");
    CHECK(find(loaded, "a")->process.command == std::vector<std::string>{"/star"});
    CHECK(find(loaded, "b")->process.port.kind == PortWish::Kind::None);
    CHECK(problems_of("[apps.\"*\"]\ncommand = [\"/star\"]\n[instances.c]\n").find("'c' has no 'command'") !=
          std::string::npos);
    CHECK(problems_of("[apps.\"*\"]\ncommand = [\"/star\"]\n[apps.own]\n[instances.b]\napp = \"own\"\n")
              .find("'b' has no 'command'") != std::string::npos);
}

TEST_CASE("a later file overrides an earlier one field by field, and says so as the source") {
    const auto loaded = load(Texts{
        {{"/etc/pmctl/pmctl.toml",
          "[defaults]\ngroup = \"g\"\n[instances.web]\ncommand = [\"/a\"]\nreplicas = 2\n"},
         {"/etc/pmctl/conf.d/1.toml", "[instances.web]\nreplicas = 3\n\ndescription = \"one\"\n"},
         {"/etc/pmctl/conf.d/2.toml", "[defaults]\ngroup = \"h\"\n[instances.web]\ndescription = \"two\"\n"}},
        {}});
    REQUIRE(problems_of(loaded) == "");
    const InstanceSpec& web = *find(loaded, "web");
    CHECK(web.process.command == std::vector<std::string>{"/a"});
    CHECK(web.replicas == 3);
    CHECK(web.policy.description == "two");
    CHECK(web.policy.group == "h");
    CHECK(loaded.config->files.size() == 3);
    const auto source = [&web](const std::string& key) {
        const auto at = std::find_if(web.sources.begin(), web.sources.end(),
                                     [&key](const FieldSource& s) { return s.key == key; });
        return at == web.sources.end() ? "default"
                                       : std::to_string(at->file) + ":" + std::to_string(at->line);
    };
    CHECK(source("command") == "0:4");
    CHECK(source("replicas") == "1:2");
    CHECK(source("description") == "2:4");
    CHECK(source("group") == "2:2");
    CHECK(source("port") == "default");
    CHECK(std::is_sorted(web.sources.begin(), web.sources.end(),
                         [](const FieldSource& a, const FieldSource& b) { return a.key < b.key; }));
}

TEST_CASE("the working folder is by default that of the file that names the command") {
    const auto loaded = load(Texts{{{"/etc/pmctl/pmctl.toml", "[apps.a]\ncommand = [\"./a\"]\n"},
                                    {"/srv/x/x.toml",
                                     "[instances.b]\napp = \"a\"\n[instances.c]\ncommand = [\"./c\"]\n"
                                     "[instances.d]\ncommand = [\"./d\"]\nworking_dir = \".\"\n"}},
                                   {}});
    REQUIRE(problems_of(loaded) == "");
    CHECK(find(loaded, "b")->process.working_dir == "/etc/pmctl");
    CHECK(find(loaded, "b")->process.command[0] == "/etc/pmctl/a");
    CHECK(find(loaded, "c")->process.working_dir == "/srv/x");
    CHECK(find(loaded, "d")->process.working_dir == "/srv/x");
}

TEST_CASE("without a port there are no checks, unless they are asked for") {
    const auto kind = [](const std::string& lines) {
        const auto loaded = load("[instances.a]\ncommand = [\"/a\"]\nport = \"none\"\n" + lines);
        REQUIRE(problems_of(loaded) == "");
        return find(loaded, "a")->policy.health.kind;
    };
    CHECK(kind("") == HealthKind::None);
    CHECK(kind("health.interval = \"1s\"") == HealthKind::None);
    CHECK(kind("health.kind = \"exec\"\nhealth.command = [\"/x\"]") == HealthKind::Exec);
}

TEST_CASE("what an env_file says is kept with the specification, literally") {
    const auto loaded = load(Texts{
        {{"/etc/pmctl/pmctl.toml", "[instances.a]\ncommand = [\"/a\"]\nenv_file = \"a.env\"\n"}},
        {{"/etc/pmctl/a.env", std::string("# c\n\nA=1\r\nexport B = \"two words\" \nC='$X'\nA=2\nD=\n")}}});
    REQUIRE(problems_of(loaded) == "");
    CHECK(find(loaded, "a")->process.env_file_values ==
          Environment{{"A", "2"}, {"B", "two words"}, {"C", "$X"}, {"D", ""}});
    const auto broken =
        load(Texts{{{"/etc/pmctl/pmctl.toml", "[instances.a]\ncommand = [\"/a\"]\nenv_file = \"a.env\"\n"}},
                   {{"/etc/pmctl/a.env", std::string("A=1\nnonsense\n1X=2\n")}}});
    CHECK(problems_of(broken) ==
          "/etc/pmctl/a.env:2:1: a line without '='; allowed are NAME=value and # comments\n"
          "/etc/pmctl/a.env:3:1: '1X' is no name of an environment variable; allowed: letters, digits and _ "
          ". -, "
          "a letter or _ first\n");
}
