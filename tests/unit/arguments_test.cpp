#include "cli/arguments.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "cli/command_list.hpp"

using namespace pmctl;
using namespace std::chrono_literals;

namespace {

Arguments good(const std::vector<std::string>& words) {
    auto parsed = parse_arguments(words);
    REQUIRE_MESSAGE(parsed.has_value(), parsed.error().message);
    return *parsed;
}

std::string wrong(const std::vector<std::string>& words) {
    const auto parsed = parse_arguments(words);
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().kind == ErrorKind::Invalid);
    return parsed.error().message;
}

bool says(const std::string& text, const std::string& what) {
    return text.find(what) != std::string::npos;
}

}  // namespace

TEST_CASE("options of all commands stand before and after the command") {
    for (const auto& words :
         std::vector<std::vector<std::string>>{{"--config", "a.toml", "--json", "status", "web"},
                                               {"status", "web", "--json", "--config=a.toml"},
                                               {"--json", "status", "--config", "a.toml", "web"}}) {
        const Arguments found = good(words);
        CHECK(found.command == Command::Status);
        CHECK(found.config == "a.toml");
        CHECK(found.json);
        CHECK(found.targets == Targets{{"web"}, false});
    }
    CHECK(good({"--color", "never", "ports"}).color == ColorChoice::Never);
    CHECK(good({"ports", "--socket", "/run/x.sock"}).socket == "/run/x.sock");
}

TEST_CASE("each command takes its options") {
    CHECK(good({"up", "-d", "web"}).detach);
    CHECK(good({"down", "--now"}).now);
    CHECK(good({"status", "-q", "--watch"}).watch);
    CHECK(good({"start", "--all"}).targets == Targets{{}, true});
    CHECK(good({"stop", "web", "--no-wait"}).no_wait);
    const Arguments restart = good({"restart", "web", "@front", "w*", "--timeout", "1m30s"});
    CHECK(restart.targets.names == std::vector<std::string>{"web", "@front", "w*"});
    CHECK(restart.timeout == 90s);
    CHECK(good({"reload", "--dry-run"}).dry_run);
    CHECK(good({"plan", "--exit-code"}).exit_code);
    const Arguments logs = good({"logs", "-fn", "5", "web", "--since", "10m", "--stderr", "-t"});
    CHECK(logs.follow);
    CHECK(logs.lines == 5);
    CHECK(logs.since == "10m");
    CHECK_FALSE(logs.want_stdout);
    CHECK(logs.want_stderr);
    CHECK(logs.timestamps);
    CHECK(good({"logs"}).want_stdout);
    CHECK(good({"wait", "--for", "healthy"}).wait_for == "healthy");
    CHECK(good({"wait", "--for", "stopped", "--timeout", "0"}).timeout == 0s);
    CHECK(good({"scale", "web=3", "db=0"}).replicas ==
          std::map<std::string, std::uint32_t>{{"web", 3}, {"db", 0}});
    const Arguments signal = good({"signal", "HUP", "web", "db"});
    CHECK(signal.subject == "HUP");
    CHECK(signal.targets.names == std::vector<std::string>{"web", "db"});
    CHECK(good({"config", "web", "--show-secrets"}).show_secrets);
    CHECK(good({"validate", "x.toml"}).subject == "x.toml");
    CHECK(good({"init", "--force"}).force);
    CHECK(good({"completion", "fish"}).subject == "fish");
    CHECK(good({"why", "web:1"}).subject == "web:1");
    CHECK(good({"version"}).command == Command::Version);
    CHECK(good({"--version"}).command == Command::Version);
}

TEST_CASE("an instance may be called like a command or an option") {
    CHECK(good({"stop", "logs"}).targets.names == std::vector<std::string>{"logs"});
    CHECK(good({"stop", "--", "-x"}).targets.names == std::vector<std::string>{"-x"});
}

TEST_CASE("a mistyped word is answered with the nearest right one") {
    CHECK(wrong({"statsu"}) == "unknown command 'statsu', did you mean 'status'?");
    CHECK(wrong({"help", "lgos"}) == "unknown command 'lgos', did you mean 'logs'?");
    CHECK(says(wrong({"status", "--wacth"}), "'--wacth' of 'pmctl status', did you mean '--watch'?"));
    CHECK(says(wrong({"logs", "--folow=yes"}), "did you mean '--follow'?"));
    CHECK(says(wrong({"frobnicate"}), "pmctl help"));
}

TEST_CASE("usage that is wrong is said in words") {
    CHECK(says(wrong({"stop"}), "--all"));
    CHECK(says(wrong({"stop", "web", "--all"}), "not both"));
    CHECK(says(wrong({"ports", "web"}), "unexpected argument 'web'"));
    CHECK(says(wrong({"start", "web", "--timeout", "soon"}), "--timeout"));
    CHECK(says(wrong({"logs", "-n", "-1", "web"}), "-n"));
    CHECK(says(wrong({"logs", "-n", "many", "web"}), "'many'"));
    CHECK(says(wrong({"scale", "web"}), "ID=N"));
    CHECK(says(wrong({"scale", "web=-1"}), "ID=N"));
    CHECK(says(wrong({"wait", "web"}), "--for"));
    CHECK(says(wrong({"wait", "--for", "peace"}), "converged"));
    CHECK(says(wrong({"completion", "tcsh"}), "fish"));
    CHECK(says(wrong({"--color", "pink", "status"}), "pink"));
    wrong({"why"});
    wrong({"signal", "HUP"});
}

TEST_CASE("help is there for all, and for each command by both ways") {
    CHECK(good({}).help == short_help());
    CHECK(good({"--help"}).help == short_help());
    CHECK(good({"help"}).help == short_help());
    for (const CommandEntry& each : command_list) {
        const std::string name(each.name);
        CHECK(says(short_help(), "  " + name + " "));
        const std::string text = good({"help", name}).help;
        CHECK(says(text, std::string(each.summary)));
        if (each.command != Command::Help) CHECK(good({name, "--help"}).help == text);
        CHECK(says(text, "--socket"));
    }
    CHECK(says(good({"wait", "-h"}).help, "--for"));
}

TEST_CASE("what completion offers is what the parser takes") {
    const auto all = all_commands();
    CHECK(all.size() == command_list.size());
    for (const CommandWords& each : all) {
        CHECK_FALSE(each.summary.empty());
        for (const auto& [option, summary] : each.options) {
            CHECK_MESSAGE(!summary.empty(), each.name << " " << option);
            CHECK(option.starts_with("-"));
        }
    }
    const auto logs =
        std::find_if(all.begin(), all.end(), [](const auto& each) { return each.name == "logs"; });
    CHECK(logs->takes_targets);
    CHECK(std::count(logs->flags.begin(), logs->flags.end(), "--follow") == 1);
    CHECK(std::count(logs->flags.begin(), logs->flags.end(), "--lines") == 0);
}
