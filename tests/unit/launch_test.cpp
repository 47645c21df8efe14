#include "supervisor/core/launch.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "supervisor/core/expand.hpp"

using namespace pmctl;

namespace {

InstanceSpec spec() {
    InstanceSpec made;
    made.id = "web";
    made.process.command = {"/bin/web"};
    made.process.working_dir = "/srv";
    return made;
}

const Environment& base() {
    static const Environment environment = {{"PATH", "/usr/bin"}, {"LANG", "C"}};
    return environment;
}

// The value of one variable; "(unset)", or the fault.
std::string variable(const InstanceSpec& spec, const std::string& name,
                     const std::optional<std::string>& secret = std::nullopt) {
    const auto made = launch(spec, 2, 30001, base(), secret);
    if (!made) return made.error().message;
    std::string value = "(unset)";
    int count = 0;
    for (const std::string& entry : made->env) {
        if (!entry.starts_with(name + "=")) continue;
        value = entry.substr(name.size() + 1);
        ++count;
    }
    CHECK(count <= 1);
    if (count == 0 && base().contains(name)) value = base().at(name);
    return value;
}

}  // namespace

TEST_CASE("a process is told its port, hostname, ids and replica") {
    InstanceSpec web = spec();
    web.app = "acme/web";
    web.hostnames = {"a.example", "b.example"};
    web.process.version = "1.2";
    web.process.db_name = "shop";
    CHECK(variable(web, "PORT") == "30001");
    CHECK(variable(web, "HOST") == "a.example");
    CHECK(variable(web, "INSTANCE_ID") == "web");
    CHECK(variable(web, "APP_ID") == "acme/web");
    CHECK(variable(web, "REPLICA") == "2");
    CHECK(variable(web, "VERSION") == "1.2");
    CHECK(variable(web, "DB_NAME") == "shop");
    CHECK(variable(web, "LANG") == "C");
}

TEST_CASE("what there is not is not in the environment") {
    InstanceSpec web = spec();
    web.process.port.kind = PortWish::Kind::None;
    for (const char* name : {"PORT", "HOST", "APP_ID", "VERSION", "DB_NAME", "INTERNAL_SECRET"})
        CHECK(variable(web, name, "s3cret") == "(unset)");
    web.process.pass_internal_secret = true;
    CHECK(variable(web, "INTERNAL_SECRET", "s3cret") == "s3cret");
    CHECK(variable(web, "INTERNAL_SECRET") == "(unset)");
}

TEST_CASE("a later layer of the environment hides the earlier ones") {
    InstanceSpec web = spec();
    web.process.env_file_values = {{"LANG", "file"}, {"PORT", "1"}, {"F", "${LANG} $$"}};
    CHECK(variable(web, "LANG") == "file");
    CHECK(variable(web, "PORT") == "1");
    CHECK(variable(web, "F") == "${LANG} $$");
    web.process.env = {{"LANG", "env"}, {"PORT", "2"}};
    CHECK(variable(web, "LANG") == "env");
    CHECK(variable(web, "PORT") == "2");
}

TEST_CASE("names are expanded from the final environment") {
    InstanceSpec web = spec();
    web.process.env_file_values = {{"DATA", "/data"}};
    web.process.env = {{"WHERE", "${DATA}/${INSTANCE_ID}"}, {"DEEP", "${WHERE}!"}};
    web.process.command = {"${WHERE}/bin", "--port=${PORT}", "$$HOME", "a$b$", "${DEEP}"};
    web.process.working_dir = "${DATA}";
    web.policy.health.path = "/${INSTANCE_ID}/ok";
    web.policy.health.kind = HealthKind::Exec;
    web.policy.health.command = {"check", "${PORT}"};
    const auto made = launch(web, 0, 30001, base(), std::nullopt);
    REQUIRE(made);
    CHECK(made->argv ==
          std::vector<std::string>{"/data/web/bin", "--port=30001", "$HOME", "a$b$", "/data/web!"});
    CHECK(made->working_dir == "/data");
    CHECK(made->health_path == "/web/ok");
    CHECK(made->health_command == std::vector<std::string>{"check", "30001"});
    CHECK(variable(web, "DEEP") == "/data/web!");
}

TEST_CASE("a value that names itself sees the layer below") {
    InstanceSpec web = spec();
    web.process.env = {{"PATH", "/opt/bin:${PATH}"}};
    CHECK(variable(web, "PATH") == "/opt/bin:/usr/bin");
    web.process.env_file_values = {{"PATH", "/file"}};
    CHECK(variable(web, "PATH") == "/opt/bin:/file");
    web.process.env = {{"NEW", "x${NEW}"}};
    CHECK(variable(web, "NEW") == "'env.NEW': '${NEW}' is not set; write '$$' for a dollar sign");
}

TEST_CASE("values that refer to one another in a circle are a fault that names it") {
    InstanceSpec web = spec();
    web.process.env = {{"A", "${B}"}, {"B", "x${C}"}, {"C", "${A}"}};
    CHECK(variable(web, "A") == "'env.A': refers to itself in a circle: A → B → C → A");
    web.process.env = {{"A", "${B}${B}"}, {"B", "x"}};
    CHECK(variable(web, "A") == "xx");
}

TEST_CASE("a name that is not set is a fault that names the key") {
    InstanceSpec web = spec();
    const auto message = [&web] { return launch(web, 0, 1, base(), std::nullopt).error().message; };
    web.process.command = {"/x", "${NOPE}"};
    CHECK(message() == "'command': '${NOPE}' is not set; write '$$' for a dollar sign");
    web = spec();
    web.process.working_dir = "/${NOPE}";
    CHECK(message().starts_with("'working_dir': '${NOPE}' is not set"));
    web = spec();
    web.process.port.kind = PortWish::Kind::None;
    web.process.command = {"/x", "${PORT}"};
    CHECK(message().starts_with("'command': '${PORT}' is not set"));
}

TEST_CASE("all faults are told, each once and where it is") {
    InstanceSpec web = spec();
    web.process.command = {"/x", "${A}", "${A} ${B} ${ONE}"};
    web.process.working_dir = "/${A}";
    web.process.env = {{"ONE", "${C}"}, {"TWO", "${ONE}${D}"}, {"X", "${Y}"}, {"Y", "${X}"}};
    const auto made = try_launch(web, 0, 1, base(), std::nullopt);
    REQUIRE_FALSE(made);
    std::vector<std::string> found;
    for (const LaunchFault& each : made.error()) found.push_back(each.key + " " + each.message.substr(0, 9));
    CHECK(found == std::vector<std::string>{"command '${A}' is", "command '${B}' is", "env.ONE '${C}' is",
                                            "working_dir '${A}' is", "env.TWO '${D}' is", "env.X refers to"});
}

TEST_CASE("what expands to something impossible is a fault") {
    const auto fault = [](auto change) {
        InstanceSpec web = spec();
        web.process.env = {{"EMPTY", ""}};
        change(web);
        const auto made = try_launch(web, 0, 1, base(), std::nullopt);
        return made ? "" : made.error().front().key;
    };
    CHECK(fault([](InstanceSpec&) {}) == "");
    CHECK(fault([](InstanceSpec& web) { web.process.working_dir = "${LANG}"; }) == "working_dir");
    CHECK(fault([](InstanceSpec& web) { web.policy.health.path = "${LANG}"; }) == "health.path");
    CHECK(fault([](InstanceSpec& web) { web.process.command = {"${EMPTY}"}; }) == "command");
    CHECK(fault([](InstanceSpec& web) { web.process.command = {}; }) == "command");
}

TEST_CASE("a dollar without a name is a fault where it looks like one, and itself elsewhere") {
    const Lookup none = [](std::string_view) -> Result<std::string> { return std::string("v"); };
    CHECK(*expand("", none).map([](const std::string& s) { return s + "."; }) == ".");
    CHECK(*expand("a$", none) == "a$");
    CHECK(*expand("$a $1 $(x)", none) == "$a $1 $(x)");
    CHECK(*expand("$$${A}$$", none) == "$v$");
    CHECK(*expand("$${A}", none) == "${A}");
    for (const char* text : {"${", "${A", "${}", "${A:-b}", "${ A}", "${1}"}) {
        CAPTURE(text);
        CHECK_FALSE(expand(text, none));
    }
}

TEST_CASE("children do not inherit what is the supervisor's alone") {
    AdminSettings admin;
    admin.secret_env = "ADMIN_SECRET";
    const Environment own = {{"PATH", "p"},          {"PMCTL_CONFIG", "x"},   {"NOTIFY_SOCKET", "x"},
                             {"WATCHDOG_USEC", "1"}, {"WATCHDOG_PID", "1"},   {"LISTEN_FDS", "1"},
                             {"LISTEN_PID", "1"},    {"LISTEN_FDNAMES", "x"}, {"ADMIN_SECRET", "s"},
                             {"PORT", "1"},          {"INSTANCE_ID", "x"},    {"INTERNAL_SECRET", "s"},
                             {"REPLICA", "1"},       {"HOME", "/root"}};
    CHECK(child_environment(own, admin) == Environment{{"HOME", "/root"}, {"PATH", "p"}});
    CHECK(child_environment(own, std::nullopt).contains("ADMIN_SECRET"));
}
