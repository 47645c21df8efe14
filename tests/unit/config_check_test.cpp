#include "supervisor/core/config_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "config_fixture.hpp"

using namespace pmctl;
using pmctl::test::find;
using pmctl::test::load;
using pmctl::test::problems_of;
using pmctl::test::Texts;

namespace {

const std::string web = "[instances.web]\ncommand = [\"/web\"]\n";

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a configuration without a fault is whole") {
    const auto loaded = load(web + "hostname = \"Shop.Example.\"\n");
    REQUIRE(problems_of(loaded) == "");
    const Config& config = *loaded.config;
    CHECK(config.path == "/etc/pmctl/pmctl.toml");
    CHECK(config.supervisor.runtime_dir.starts_with("/run/user/1000/pmctl/"));
    CHECK(config.supervisor.state_dir.starts_with("/home/anna/.local/state/pmctl/"));
    CHECK_FALSE(config.admin);
    CHECK(find(loaded, "web")->hostnames == std::vector<std::string>{"shop.example"});
    CHECK(describe_load("x", loaded) == "x: ok, 1 instance\n");
    CHECK(problems_of("") == "");
}

TEST_CASE("faults that one instance shows by itself are told with their place") {
    struct Row {
        const char* lines;
        const char* where;
        const char* message;
    };
    for (const Row& row : {
             Row{"command = []", "2:1", "'web' has no 'command'"},
             Row{"", "1:12", "'web' has no 'command'"},
             Row{"command = ['']", "2:1", "the program, is empty"},
             Row{"command = ['x']\nport = 80\nreplicas = 2", "3:1", "one alone can have it"},
             Row{"command = ['x']\nport = 'none'\nhealth.kind = 'http'", "4:8", "needs a port"},
             Row{"command = ['x']\nport = 'none'\nhealth.kind = 'tcp'", "4:8", "needs a port"},
             Row{"command = ['x']\nport = 'none'\nsocket_activation = true", "4:1", "needs a port"},
             Row{"command = ['x']\nhealth.kind = 'exec'", "3:8", "needs 'health.command'"},
             Row{"command = ['x']\nhealth.kind = 'exec'\nhealth.command = []", "4:8",
                 "needs 'health.command'"},
             Row{"command = ['x']\nhealth.restart_after = 1", "3:8",
                 "'health.restart_after' is 1, less than"},
             Row{"command = ['x']\nhealth.unhealthy_after = 4", "3:8", "is 3 (the default), less than"},
             Row{"command = ['x']\nrestart.backoff_max = '10ms'", "3:9",
                 "'restart.backoff_max' is 10ms, less than"},
             Row{"command = ['x']\nrestart.backoff_initial = '1m'", "3:9", "is 30s (the default), less than"},
             Row{"command = ['x']\non_demand = true", "3:1", "needs a 'hostname'"},
             Row{"command = ['x', '${NOPE}']", "2:1", "'command': '${NOPE}' is not set"},
             Row{"command = ['x', '${HOST}']", "2:1", "'${HOST}' is not set"},
             Row{"command = ['x', '${']", "2:1", "is no ${NAME}"},
             Row{"command = ['x']\nworking_dir = '/${NOPE}'", "3:1", "'working_dir': '${NOPE}'"},
             Row{"command = ['x']\nhealth.path = '/${NOPE}'", "3:8", "'health.path': '${NOPE}'"},
             Row{"command = ['x']\nenv = { A = '1', B = '${C}', C = '${B}' }", "3:18", "B → C → B"},
             Row{"command = ['x']\napp = 'shop'", "3:1", "no template [apps.\"shop\"]"},
             Row{"command = ['x']\ndepends_on = ['wbe']", "3:1",
                 "names 'wbe', and there is no such instance; did you mean 'web'?"},
             Row{"command = ['x']\ndepends_on = ['web']", "3:1", "web → web"},
             Row{"command = ['x']\nhostname = ['a', 'A.']", "3:1", "is in the list twice"},
             Row{"command = ['x']\nport = 9180", "3:1", "that of [http] listen"},
             Row{"command = ['x']\nenv_file = 'gone'", "3:1", "'env_file' '/etc/pmctl/gone'"},
         }) {
        CAPTURE(std::string(row.lines));
        const std::string text = problems_of("[instances.web]\n" + std::string(row.lines) + "\n");
        CAPTURE(text);
        CHECK(text.starts_with(std::string(row.where) + ": "));
        CHECK(has(text, row.message));
        CHECK(std::count(text.begin(), text.end(), '\n') == 1);
    }
}

TEST_CASE("expansion is tried with what a start will have") {
    CHECK(problems_of(web +
                      "hostname = 'a'\nenv = { A = '${PORT}${HOST}${INSTANCE_ID}${REPLICA}${PATH}$$' }\n") ==
          "");
    CHECK(has(problems_of(web + "port = 'none'\nenv = { A = '${PORT}' }\n"), "'${PORT}' is not set"));
    CHECK(has(problems_of(web + "env = { A = '${INTERNAL_SECRET}' }\n"), "is not set"));
    const std::string admin = "[admin]\nurl = 'https://x'\nsecret_file = 's'\n";
    CHECK(problems_of(web + "pass_internal_secret = true\nenv = { A = '${INTERNAL_SECRET}' }\n" + admin) ==
          "");
}

TEST_CASE("a fixed port and a hostname have one instance, case and a final dot aside") {
    const std::string two = "[instances.b]\ncommand = [\"/b\"]\n";
    CHECK(problems_of(web + "port = 80\n" + two + "port = 80\n") ==
          "3:1: 'port' 80 is claimed twice: by 'b' (/etc/pmctl/pmctl.toml:6) and 'web'; give one of them "
          "another, or "
          "\"auto\"\n");
    CHECK(has(problems_of(web + "hostname = 'Shop.example'\n" + two + "hostname = ['x', 'shop.EXAMPLE.']\n"),
              "the hostname 'shop.example' is claimed twice: by 'b' (/etc/pmctl/pmctl.toml:6) and 'web'"));
    // One that is not enabled claims nothing.
    CHECK(problems_of(web + "port = 80\nhostname = 'a'\n" + two +
                      "port = 80\nhostname = 'a'\nenabled = false\n") == "");
}

TEST_CASE("circles of dependencies are named") {
    const auto instance = [](const std::string& id, const std::string& needs) {
        return "[instances." + id + "]\ncommand = ['x']\ndepends_on = [" + needs + "]\n";
    };
    CHECK(has(problems_of(instance("a", "'b'") + instance("b", "'c'") + instance("c", "'a'")),
              "a → b → c → a"));
    CHECK(problems_of(instance("a", "'b', 'c'") + instance("b", "'c'") + instance("c", "")) == "");
}

TEST_CASE("an id that another instance's replicas would have is refused") {
    CHECK(has(problems_of(web + "[instances.\"web:0\"]\ncommand = ['x']\n"),
              "'web:0' is the name of a replica of 'web'"));
    CHECK(problems_of(
              web + "[instances.\"web:x\"]\ncommand = ['x']\n[instances.\"a:0\"]\ncommand = ['x']\n") == "");
}

TEST_CASE("what a template does wrong is told once, with an instance that shows it") {
    const std::string text = problems_of(
        "[apps.\"*\"]\ncommand = ['x', '${NOPE}']\n[instances.a]\napp = 'x'\n[instances.b]\napp = 'x'\n");
    CHECK(text == "2:1: 'command': '${NOPE}' is not set; write '$$' for a dollar sign (in 'a')\n");
}

TEST_CASE("a runtime folder that leaves no room for the socket is a problem") {
    const std::string path(96, 'x');
    CHECK(problems_of("[supervisor]\nruntime_dir = '/" + path.substr(2) + "'") == "");
    const std::string text = problems_of("[supervisor]\nruntime_dir = '/" + path + "'");
    CHECK(text.starts_with("2:1: the control socket's path '/xxx"));
    CHECK(has(text, "has 109 bytes"));
    Surroundings deep = test::usual_surroundings();
    deep.environment["XDG_RUNTIME_DIR"] = "/" + path;
    CHECK(has(problems_of(load(Texts{{{"/etc/pmctl/pmctl.toml", ""}}, {}}, deep)),
              "set [supervisor] runtime_dir"));
}

TEST_CASE("a user without a home has to say where the state goes") {
    Surroundings homeless{{}, 1000};
    CHECK(has(problems_of(load(Texts{{{"/etc/pmctl/pmctl.toml", ""}}, {}}, homeless)), "state_dir"));
    CHECK(problems_of(
              load(Texts{{{"/etc/pmctl/pmctl.toml", "[supervisor]\nstate_dir = 's'"}}, {}}, homeless)) == "");
    homeless.uid = 0;
    const auto root = load(Texts{{{"/etc/pmctl/pmctl.toml", ""}}, {}}, homeless);
    REQUIRE(root.config);
    CHECK(root.config->supervisor.runtime_dir == "/run/pmctl");
    CHECK(root.config->supervisor.state_dir == "/var/lib/pmctl");
}

TEST_CASE("[admin] names one service and one secret") {
    const std::string good = "[admin]\nurl = 'https://x'\nsecret_file = 's'\n";
    const auto loaded = load(good);
    REQUIRE(problems_of(loaded) == "");
    CHECK(loaded.config->admin->secret_file == "/etc/pmctl/s");
    CHECK(has(problems_of("[admin]\nsecret_file = 's'\n"), "either 'url' or 'instance'"));
    CHECK(has(problems_of(good + "instance = 'web'\n" + web), "either 'url' or 'instance'"));
    CHECK(has(problems_of("[admin]\nurl = 'http://x'\n"), "either 'secret_file' or 'secret_env'"));
    CHECK(has(problems_of(good + "secret_env = 'S'\n"), "either 'secret_file' or 'secret_env'"));
    CHECK(has(problems_of("[admin]\ninstance = 'wbe'\nsecret_env = 'S'\n" + web), "did you mean 'web'?"));
    CHECK(has(problems_of("[admin]\ninstance = 'late'\nsecret_file = 's'\n[instances.late]\nreplicas = 2\n"),
              "files give it neither 'app' nor 'command'"));
    CHECK(problems_of("[admin]\ninstance = 'web'\nsecret_file = 's'\n" + web) == "");
    CHECK(has(problems_of(good + "allow = ['hostnam']\n"), "did you mean 'hostname'?"));
    CHECK(problems_of(good + "allow = ['command', 'version', 'db_name', 'health', 'limits.memory']\n") == "");
    CHECK(has(problems_of(good + "mass_removal = 'obay'\n"), "did you mean \"obey\"?"));
    CHECK(problems_of(good + "mass_removal = 'obey'\n") == "");
    CHECK(load(good + "mass_removal = 'obey'\n").config->admin->mass_removal == MassRemoval::Obey);
}

TEST_CASE("a secret does not travel in clear to another machine unless that is asked for") {
    const auto problems = [](const std::string& url, const std::string& more) {
        return problems_of("[admin]\nurl = '" + url + "'\nsecret_file = 's'\n" + more);
    };
    for (const char* near : {"http://localhost", "http://127.0.0.1:80", "http://[::1]:8080/x",
                             "http://admin.localhost:8443", "http://LOCALHOST", "https://far.example"}) {
        CAPTURE(std::string(near));
        CHECK(problems(near, "") == "");
    }
    for (const char* far : {"http://far.example", "http://127.far.example:80", "http://10.0.0.1",
                            "http://[fe80::1]:80", "http://localhost.example/x"}) {
        CAPTURE(std::string(far));
        CHECK(problems(far, "").starts_with("2:1: 'admin.url' is plain http to another machine"));
        CHECK(problems(far, "insecure = true\n") == "");
    }
    for (const char* bad : {"ftp://x", "x", "https://", "https://a:b@x", "https://x?y", "https://x y"}) {
        CAPTURE(std::string(bad));
        CHECK(has(problems(bad, ""), "'admin.url' is \""));
    }
}

TEST_CASE("the secret comes from a file or a variable, and what is wrong with it is told without it") {
    const std::string file = "[admin]\nurl = 'https://x'\nsecret_file = 's'\n";
    const std::string variable = "[admin]\nurl = 'https://x'\nsecret_env = 'S'\n";
    const auto with = [](const std::string& text, AdminFiles files, const char* in_variable = nullptr) {
        Surroundings surroundings = test::usual_surroundings();
        if (in_variable != nullptr) surroundings.environment["S"] = in_variable;
        return load(Texts{{{"/etc/pmctl/pmctl.toml", text}}, {}, std::move(files), {}}, surroundings);
    };
    CHECK(with(file, {std::string("abc"), ""}).config->admin_secret == "abc");
    CHECK(with(variable, {}, "xyz").config->admin_secret == "xyz");
    CHECK(with("", {}).config->admin_secret.empty());
    CHECK(problems_of(with(file, {fail("'/etc/pmctl/s': others may read it"), ""})) ==
          "3:1: 'admin.secret_file' '/etc/pmctl/s': others may read it\n");
    CHECK(has(problems_of(with(file, {})), "3:1: 'admin.secret_file' '/etc/pmctl/s': not read"));
    CHECK(has(problems_of(with(file, {std::string(), ""})), "'/etc/pmctl/s': the secret is empty"));
    CHECK(problems_of(with(variable, {})) == "3:1: 'admin.secret_env' names 'S', which is not set\n");
    CHECK(problems_of(with(variable, {}, "")) == "3:1: 'admin.secret_env' names 'S', which is empty\n");
    for (const char* bad : {"hush\r\nX: y", "hush\x7f", "hush\xc3\xa4", " hush"}) {
        for (const auto& loaded : {with(file, {std::string(bad), ""}), with(variable, {}, bad)}) {
            CHECK(has(problems_of(loaded), "has a character that no header may have"));
            CHECK_FALSE(has(problems_of(loaded), "hush"));
        }
    }
    CHECK(
        problems_of(with(file + "ca_file = 'ca.pem'\n", {std::string("abc"), "'/etc/pmctl/ca.pem': gone"})) ==
        "4:1: 'admin.ca_file' '/etc/pmctl/ca.pem': gone\n");
    CHECK(problems_of("[instances.web]\ncommand = ['x']\npass_internal_secret = true\n") ==
          "3:1: 'pass_internal_secret' is true, and there is no [admin] whose secret could be passed\n");
}

TEST_CASE("with an admin service an instance may wait for what the service will say") {
    const auto loaded =
        load("[admin]\nurl = 'https://x'\nsecret_file = 's'\n[instances.later]\nreplicas = 2\n" + web +
             "depends_on = ['soon']\n");
    CHECK(problems_of(loaded) == "");
    CHECK(find(loaded, "later") == nullptr);
    CHECK(find(loaded, "web") != nullptr);
}

TEST_CASE("a value that is wrong already is not also told to be missing") {
    CHECK(problems_of("[instances.web]\ncommand = 'x'\n") ==
          "2:11: 'instances.web.command' is \"x\"; allowed: a list of strings, the program first\n");
    CHECK(problems_of("[admin]\nurl = 'x'\nsecret_file = 1\n").find("either") == std::string::npos);
}

TEST_CASE("all files are checked although one cannot be parsed, and missing names prove nothing then") {
    const auto loaded =
        load(Texts{{{"/etc/pmctl/pmctl.toml", web + "depends_on = ['db']\napp = 'a'\nport = 0\n"},
                    {"/etc/pmctl/b.toml", "[instances.db\n"}},
                   {}});
    REQUIRE(loaded.problems.size() == 2);
    CHECK(loaded.problems[0].line == 5);
    CHECK(loaded.problems[1].file == "/etc/pmctl/b.toml");
    CHECK(describe_load("x", loaded).ends_with("x: 2 problems\n"));
    const auto error = config_or_error(loaded);
    REQUIRE_FALSE(error);
    CHECK(error.error().kind == ErrorKind::Invalid);
    CHECK(std::count(error.error().message.begin(), error.error().message.end(), '\n') == 1);
}

TEST_CASE("10,000 instances are loaded, each with its sources") {
    std::string text = "[apps.\"*\"]\nhealth.kind = \"none\"\n";
    for (int i = 0; i < 10000; ++i) {
        const std::string id = std::to_string(i);
        text += "[instances.s" + id + "]\napp = \"x\"\ncommand = [\"/bin/s\", \"" + id +
                "\"]\nhostname = \"h" + id + "\"\n";
        if (i > 0) text += "depends_on = [\"s" + std::to_string(i - 1) + "\"]\n";
    }
    const auto loaded = load(text);
    REQUIRE(problems_of(loaded) == "");
    CHECK(loaded.config->instances.size() == 10000);
    CHECK(std::is_sorted(loaded.config->instances.begin(), loaded.config->instances.end(),
                         [](const SpecPtr& a, const SpecPtr& b) { return a->id < b->id; }));
    CHECK(find(loaded, "s77")->sources.size() == 5);
}
