#include "supervisor/core/config_parse.hpp"

#include <doctest/doctest.h>

#include <random>

#include "config_fixture.hpp"

using namespace pmctl;
using pmctl::test::find;
using pmctl::test::load;
using pmctl::test::problems_of;

namespace {

std::string problems_in(std::string_view text, FileRole role = FileRole::Main) {
    std::string out;
    for (const Problem& problem : parse_config(text, "/d/f.toml", 0, role).problems)
        out += format_problem(problem) + "\n";
    return out;
}

std::string in_web(const std::string& line) {
    return problems_in("[instances.web]\n" + line + "\n");
}

}  // namespace

TEST_CASE("each field knows its file, line and column") {
    const auto parsed =
        parse_config("\n[instances.web]\n  command = [\"x\"]\n[instances.web.health]\nkind = \"tcp\"\n",
                     "/d/f.toml", 3, FileRole::Included);
    REQUIRE(parsed.problems.empty());
    REQUIRE(parsed.layer.instances.size() == 1);
    const Block& web = parsed.layer.instances[0];
    CHECK(web.name == "web");
    const Field* command = find_field({&web}, "command");
    REQUIRE(command != nullptr);
    CHECK(command->at == Position{3, 3, 3});
    const Field* kind = find_field({&web}, "health.kind");
    REQUIRE(kind != nullptr);
    CHECK(kind->at == Position{3, 5, 1});
    CHECK(std::get<std::string>(kind->value) == "tcp");
}

TEST_CASE("an unknown key is answered with the nearest one, or with all that are allowed") {
    CHECK(in_web("comand = []") ==
          "/d/f.toml:2:1: unknown key 'comand' in [instances.web]; did you mean 'command'?\n");
    CHECK(in_web("health.intervall = '1s'") ==
          "/d/f.toml:2:8: unknown key 'intervall' in [instances.web.health]; did you mean 'interval'?\n");
    CHECK(in_web("interval = '1s'").find("did you mean 'health.interval'?") != std::string::npos);
    CHECK(in_web("timeout = '1s'").find("did you mean 'health.timeout' or 'update.timeout'?") !=
          std::string::npos);
    CHECK(in_web("helth = {}").find("did you mean 'health'?") != std::string::npos);
    CHECK(in_web("log.zzzzzz = 1").find("allowed here are 'max_size', 'max_files'") != std::string::npos);
    CHECK(problems_in("[supervisr]").find("did you mean 'supervisor'?") != std::string::npos);
    CHECK(problems_in("[web]\ncommand = ['x']").find("did you mean [instances.web]?") != std::string::npos);
    CHECK(problems_in("[supervisor]\nlog_levl = 'info'").find("did you mean 'log_level'?") !=
          std::string::npos);
    CHECK(problems_in("zzzzzz = 1").find("allowed here are 'include', 'supervisor'") != std::string::npos);
}

TEST_CASE("a value of a wrong type or out of range says what was found and what is allowed") {
    struct Row {
        const char* line;
        const char* found;
        const char* allowed;
    };
    for (const Row& row : {
             Row{"command = 'x -v'", "'instances.web.command' is \"x -v\"",
                 "a list of strings, the program first"},
             Row{"command = ['x', 1]", "is a list with 1 in it", "a list of strings"},
             Row{"enabled = 1", "'instances.web.enabled' is 1", "true or false"},
             Row{"enabled = 'yes'", "is \"yes\"", "true or false"},
             Row{"replicas = -1", "is -1", "an integer from 0 to 1000"},
             Row{"replicas = 1.5", "is a decimal number", "an integer"},
             Row{"replicas = 1001", "is 1001", "an integer from 0 to 1000"},
             Row{"port = 0", "is 0", "\"auto\", \"none\" or a number from 1 to 65535"},
             Row{"port = 65536", "is 65536", "65535"},
             Row{"port = '80'", "is \"80\"", "\"none\""},
             Row{"umask = 22", "is 22", "an octal number as a string"},
             Row{"umask = '0999'", "is \"0999\"", "octal"},
             Row{"stop_signal = 'SIGTREM'", "is \"SIGTREM\"", "the name of a signal"},
             Row{"stop_timeout = 10", "is 10", "a duration"},
             Row{"stop_timeout = '10'", "is \"10\"", "a duration"},
             Row{"health.interval = '1ms'", "'instances.web.health.interval' is \"1ms\"", "at least 10ms"},
             Row{"health.interval = '999999d'", "is \"999999d\"", "a duration"},
             Row{"health.kind = 'htpp'", "is \"htpp\"", "did you mean \"http\"?"},
             Row{"health.path = 'status'", "is \"status\"", "begins with \"/\""},
             Row{"health.path = '/a b'", "is \"/a b\"", "without spaces"},
             Row{"health.unhealthy_after = 0", "is 0", "from 1"},
             Row{"health = 'http'", "'instances.web.health' is \"http\"", "a table"},
             Row{"restart.policy = 'allways'", "is \"allways\"", "did you mean \"always\"?"},
             Row{"log.max_size = 1024", "is 1024", "a size"},
             Row{"log.max_size = '1B'", "is \"1B\"", "at least 4KiB"},
             Row{"limits.cpu = -1", "is -1", "from 0.01"},
             Row{"limits.cpu = nan", "is a decimal number", "from 0.01"},
             Row{"hostname = 'a b'", "is \"a b\"", "a hostname"},
             Row{"hostname = ['ok', 'b/c']", "is a list", "a hostname"},
             Row{"depends_on = 'db'", "is \"db\"", "a list of instance ids"},
             Row{"env = 'A=1'", "'instances.web.env' is \"A=1\"", "a table of strings"},
             Row{"env = { A = 1 }", "'instances.web.env.A' is 1", "a string, \"1\""},
             Row{"env = { 'A B' = '1' }", "'A B' is no name of an environment variable", "letters, digits"},
             Row{"app = '../x'", "is \"../x\"", "no \"..\""},
             Row{"group = 'a b'", "is \"a b\"", "1 to 128"},
             Row{"user = -1", "is -1", "a user's name or number"},
             Row{"description = 2026-11-22", "is a date or time", "a string"},
             Row{"description = \"a\\u0000b\"", "'instances.web.description' has a NUL character", ""},
         }) {
        CAPTURE(std::string(row.line));
        const std::string text = in_web(row.line);
        CHECK(text.starts_with("/d/f.toml:2:"));
        CHECK(text.find(row.found) != std::string::npos);
        CHECK(text.find(row.allowed) != std::string::npos);
        CHECK(std::count(text.begin(), text.end(), '\n') == 1);
    }
    CHECK(problems_in("[instances.web]\ndescription = [[\"" + std::string(100000, 'x') + "\"]]").size() <
          300);
}

TEST_CASE("the other sections are held to their rules too") {
    struct Row {
        const char* text;
        const char* found;
    };
    for (const Row& row : {
             Row{"include = 'x'", "'include' is \"x\"; allowed: a list"},
             Row{"include = [1]", "'include' is a list with 1 in it"},
             Row{"include = ['']", "'include' is \"\""},
             Row{"instances = 5", "'instances' is 5; allowed: a table"},
             Row{"[instances]\nweb = 5", "'instances.web' is 5; allowed: a table"},
             Row{"[instances.'a b']", "'a b' is no instance id"},
             Row{"[instances.'..']", "'..' is no instance id"},
             Row{"[apps.'/x']", "'/x' is no application id"},
             Row{"[apps.x]\napp = 'y'", "'app' is not allowed in [apps.x]"},
             Row{"[supervisor]\nlog_level = 'inf'", "did you mean \"info\"?"},
             Row{"[supervisor]\nsocket_mode = '0x'", "an octal number"},
             Row{"[ports]\nrange = '31000-30000'", "the lower first"},
             Row{"[ports]\nrange = '0-10'", "two ports"},
             Row{"[ports]\nrange = 30000", "'ports.range' is 30000"},
             Row{"[admin]\nurl = 'ftp://x'", "https://"},
             Row{"[admin]\nurl = 'https://u:p@x'", "without user"},
             Row{"[admin]\nurl = 'https://x:0'", "https://"},
             Row{"[http]\nlisten = 'unix:x'", "unix:/PATH"},
             Row{"[http]\nlisten = '9180'", "HOST:PORT"},
             Row{"[http]\nlisten = ':9180'", "HOST:PORT"},
         }) {
        CAPTURE(std::string(row.text));
        CHECK(problems_in(row.text).find(row.found) != std::string::npos);
    }
    for (const char* good : {"[http]\nlisten = ''", "[http]\nlisten = '[::1]:80'",
                             "[http]\nlisten = 'unix:/a'", "[admin]\nurl = 'https://[::1]:8443/base'",
                             "[admin]\nurl = 'http://127.0.0.1:80'", "[ports]\nrange = '1-65535'"}) {
        CAPTURE(std::string(good));
        CHECK(problems_in(good) == "");
    }
}

TEST_CASE("[supervisor] and include are refused in an included file, with the rule") {
    CHECK(problems_in("[supervisor]\n", FileRole::Included) ==
          "/d/f.toml:1:2: [supervisor] is allowed in the main file only, which says how all is run\n");
    CHECK(problems_in("include = []\n", FileRole::Included) ==
          "/d/f.toml:1:1: 'include' is allowed in the main file only\n");
}

TEST_CASE("all problems of a file are told, not the first alone") {
    const std::string text =
        in_web("comand = []\nport = 'x'\n[apps.a]\nreplicas = 'x'\n[nonsense]\n[http]\nlisten = 1");
    CHECK(std::count(text.begin(), text.end(), '\n') == 5);
}

TEST_CASE("a syntax error is told with its place, and ends the parsing of this file alone") {
    const auto parsed = parse_config("[instances.web]\ncommand = [\n", "/d/f.toml", 0, FileRole::Main);
    REQUIRE(parsed.problems.size() == 1);
    CHECK_FALSE(parsed.complete);
    CHECK(format_problem(parsed.problems[0]).starts_with("/d/f.toml:"));
    const auto loaded =
        load(test::Texts{{{"/etc/pmctl/pmctl.toml", "["}, {"/b.toml", "[instances.x]\nprt = 1"}}, {}});
    CHECK(loaded.problems.size() == 2);
}

TEST_CASE("a byte order mark and CRLF are accepted") {
    const auto loaded =
        load("\xef\xbb\xbf[instances.web]\r\ncommand = [\"/x\"]\r\ndescription = \"größer\"\r\n");
    REQUIRE(problems_of(loaded) == "");
    CHECK(find(loaded, "web")->policy.description == "größer");
}

TEST_CASE("a NUL byte and bytes that are no UTF-8 are refused with their place") {
    CHECK(problems_in(std::string_view("a = 1\nb\0c", 9)).starts_with("/d/f.toml:2:2: a NUL byte"));
    CHECK(problems_in("# \xc3\xbc \xff").starts_with("/d/f.toml:1:5: the byte 0xff is no UTF-8"));
    for (const char* bad : {"# \xc0\x80", "# \xed\xa0\x80", "# \xf5\x80\x80\x80", "# \xe0\x80\x80",
                            "# \xf0\x80\x80\x80", "# \xc3", "# \xe2\x82", "# \x80", "# \xf4\x90\x80\x80"})
        CHECK(problems_in(bad).find("is no UTF-8") != std::string::npos);
    CHECK(problems_in("# \xf0\x9f\x98\x80 \xe2\x82\xac \xed\x9f\xbf") == "");
}

TEST_CASE("a file that is nothing but nesting is a problem and no crash") {
    std::string dotted = "a";
    for (int i = 0; i < 200000; ++i) dotted += ".a";
    CHECK(problems_in(dotted + " = 1").find("dotted parts") != std::string::npos);
    CHECK(problems_in("[" + dotted + "]").find("dotted parts") != std::string::npos);
    CHECK(problems_in("x = { y = { " + dotted + " = 1 } }").find("dotted parts") != std::string::npos);
    CHECK(problems_in("x = " + std::string(100000, '[')) != "");
    std::string tables = "x = ";
    for (int i = 0; i < 100000; ++i) tables += "{ a = ";
    CHECK(problems_in(tables) != "");
    // Dots in strings and comments are text.
    CHECK(in_web("description = '" + std::string(1000, '.') + "' # " + std::string(1000, '.')) == "");
    CHECK(in_web("description = \"\"\"" + std::string(1000, '.') + "\n\"\"\"") == "");
}

TEST_CASE("relative paths are seen from the folder of the file that says them") {
    const auto parsed = parse_config(
        "include = ['conf.d/*.toml', '/x.toml']\n[supervisor]\nruntime_dir = './run'\n[instances.web]\n"
        "command = ['./bin/web', './arg']\nworking_dir = 'data/'\nenv_file = '/etc/env'\nhealth.command = "
        "['check/x']\n"
        "[instances.b]\ncommand = ['node', './x']\nworking_dir = '${HOME}/x'\n",
        "/etc/pmctl/main.toml", 0, FileRole::Main);
    REQUIRE(parsed.problems.empty());
    CHECK(parsed.layer.includes[0].pattern == "/etc/pmctl/conf.d/*.toml");
    CHECK(parsed.layer.includes[1].pattern == "/x.toml");
    CHECK(std::get<std::string>(parsed.layer.globals[0].value) == "/etc/pmctl/run");
    const auto value = [&parsed](std::size_t block, const char* key) {
        return find_field({&parsed.layer.instances[block]}, key)->value;
    };
    CHECK(value(1, "command") == Value(std::vector<std::string>{"/etc/pmctl/bin/web", "./arg"}));
    CHECK(value(1, "working_dir") == Value("/etc/pmctl/data"));
    CHECK(value(1, "env_file") == Value("/etc/env"));
    CHECK(value(1, "health.command") == Value(std::vector<std::string>{"/etc/pmctl/check/x"}));
    CHECK(value(0, "command") == Value(std::vector<std::string>{"node", "./x"}));
    CHECK(value(0, "working_dir") == Value("${HOME}/x"));
}

TEST_CASE("random bytes and broken configurations give problems and never a crash") {
    std::mt19937 random(4711);
    const std::string good =
        "include = ['x']\n[supervisor]\nlog_level = 'info'\n[apps.\"*\"]\nenv = { A = \"${B}\" "
        "}\n[instances.web]\n"
        "command = [\"./x\", '''y''']\nhealth.interval = \"1s\"\n[instances.web.limits]\ncpu = 1.5\n";
    for (int round = 0; round < 3000; ++round) {
        std::string text = round % 3 == 0 ? std::string(random() % 200, '\0') : good;
        if (round % 3 == 0) {
            for (char& c : text) c = static_cast<char>(random());
        } else {
            for (unsigned edits = 1 + random() % 4; edits > 0; --edits) {
                const std::size_t at = random() % text.size();
                const std::string_view letters = "[]{}=.,\"'#\n\\ a1$-_:";
                if (random() % 2 == 0)
                    text[at] = letters[random() % letters.size()];
                else
                    text.erase(at, random() % 5);
            }
        }
        const auto loaded = load(text);
        CHECK(loaded.config.has_value() == loaded.problems.empty());
        for (const Problem& problem : loaded.problems) CHECK_FALSE(problem.message.empty());
    }
}
