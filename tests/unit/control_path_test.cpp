#include "shared/control_path.hpp"

#include <doctest/doctest.h>

#include "shared/path.hpp"

using namespace pmctl;

namespace {

ControlSocketQuestion question(std::string text) {
    return {.config_path = "/srv/shop/pmctl.toml",
            .config_text = std::move(text),
            .uid = 1000,
            .xdg_runtime_dir = "/run/user/1000"};
}

}  // namespace

TEST_CASE("a configuration's hash is FNV-1a of its path in 16 hex digits") {
    CHECK(config_hash("") == "cbf29ce484222325");  // the published offset basis
    CHECK(config_hash("a") == "af63dc4c8601ec8c");
    CHECK(config_hash("foobar") == "85944171f73967e8");
}

TEST_CASE("default folders depend on who asks") {
    CHECK(default_runtime_dir(0, "/run/user/0", "h") == "/run/pmctl");
    CHECK(default_runtime_dir(7, "/run/user/7", "h") == "/run/user/7/pmctl/h");
    CHECK(default_runtime_dir(7, "", "h") == "/tmp/pmctl-7/h");
    CHECK(default_runtime_dir(7, "relative", "h") == "/tmp/pmctl-7/h");
    CHECK(default_state_dir(0, "/x", "/root", "h") == "/var/lib/pmctl");
    CHECK(default_state_dir(7, "/x", "/home/a", "h") == "/x/pmctl/h");
    CHECK(default_state_dir(7, "", "/home/a", "h") == "/home/a/.local/state/pmctl/h");
    CHECK(default_state_dir(7, "", "", "h").empty());
}

TEST_CASE("the flag beats the variable, the variable the configuration, the configuration the default") {
    auto asked = question("[supervisor]\nruntime_dir = \"/run/shop\"\n");
    asked.socket_flag = "/flag.sock";
    asked.socket_env = "/env.sock";
    CHECK(*control_socket(asked) == "/flag.sock");
    asked.socket_flag.clear();
    CHECK(*control_socket(asked) == "/env.sock");
    asked.socket_env.clear();
    CHECK(*control_socket(asked) == "/run/shop/pmctld.sock");
    asked.config_text.clear();
    CHECK(*control_socket(asked) ==
          "/run/user/1000/pmctl/" + config_hash("/srv/shop/pmctl.toml") + "/pmctld.sock");
}

TEST_CASE("a relative runtime_dir is seen from the configuration's folder, an empty one is the default") {
    CHECK(*control_socket(question("supervisor.runtime_dir = './run/'")) == "/srv/shop/run/pmctld.sock");
    const auto usual = control_socket(question(""));
    CHECK(*control_socket(question("[supervisor]\nruntime_dir = \"\"")) == *usual);
    CHECK(*control_socket(question("# runtime_dir = '/x'")) == *usual);
    CHECK(*control_socket(question("[defaults]\ndescription = 'runtime_dir'")) == *usual);
}

TEST_CASE("faults elsewhere in the configuration do not hide the socket") {
    CHECK(control_socket(question("this is [no toml")));
    CHECK(*control_socket(question("nonsense = 1\n[supervisor]\nruntime_dir = '/run/x'\nalso = 'wrong'")) ==
          "/run/x/pmctld.sock");
    const auto usual = control_socket(question(""));
    CHECK(*control_socket(question("[supervisor]\nruntime_dir = '/x")) == *usual);
    const std::string broken = "\n[instances.web]\ncommand = [\n";
    for (const std::string named :
         {"[supervisor]\nlog_level = 'info'\n\truntime_dir=\"/x\"\r",
          "[supervisor] # here\nruntime_dir = '/x' # there", "supervisor.runtime_dir = '/x'",
          "[defaults]\n[supervisor]\n#runtime_dir = '/y'\nruntime_dir = '/x'"})
        CHECK(*control_socket(question(named + broken)) == "/x/pmctld.sock");
    for (const std::string other :
         {"[defaults]\nruntime_dir = '/x'", "[supervisor]\nruntime_dir = 7",
          "[supervisor]\n[instances.a]\nruntime_dir = '/x'", "  # runtime_dir = '/x'"})
        CHECK(*control_socket(question(other + broken)) == *usual);
}

TEST_CASE("no configuration and no socket, and a path that no socket can have, are usage errors") {
    CHECK(control_socket({}).error().kind == ErrorKind::Invalid);
    auto asked = question("");
    asked.socket_flag = "/" + std::string(max_socket_path_bytes - 1, 'x');
    CHECK(control_socket(asked));
    asked.socket_flag += "x";
    const auto too_long = control_socket(asked);
    REQUIRE_FALSE(too_long);
    CHECK(too_long.error().message.find("108 bytes") != std::string::npos);
}

TEST_CASE("paths are put together as text, '..' left alone") {
    CHECK(folder_of("/etc/pmctl/pmctl.toml") == "/etc/pmctl");
    CHECK(folder_of("/pmctl.toml") == "/");
    CHECK(folder_of("pmctl.toml") == ".");
    CHECK(resolve_path("/etc", "./a//b/.") == "/etc/a/b");
    CHECK(resolve_path("/etc", "/a/") == "/a");
    CHECK(resolve_path("/etc", "../a") == "/etc/../a");
    CHECK(resolve_path("/", ".") == "/");
    CHECK(resolve_path("/etc", "") == "/etc");
}
