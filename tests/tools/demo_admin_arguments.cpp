#include "tests/tools/demo_admin_arguments.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <charconv>
#include <cstdlib>

#include "tests/tools/demo_admin_secret.hpp"

namespace pmctl {

namespace {

constexpr const char* default_db = "./demo-admin.db";
constexpr std::uint32_t max_count = 1'000'000;

// What CLI11 leaves as text until it is checked in our words.
struct Texts {
    std::string port;
    std::string hold;
    std::string count;
    DemoSecretSource secret;
    bool no_poll = false;
};

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

template <class Number>
Result<Number> parse_number(const std::string& what, const std::string& text, Number most) {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number > most)
        return fail(ErrorKind::Invalid,
                    what + ": '" + text + "' is no number from 0 to " + std::to_string(most));
    return number;
}

Result<ServeOptions> finish(ServeOptions serve, const Texts& texts, const std::string& db) {
    serve.db = db;
    const std::string port = texts.port.empty() ? environment("PORT") : texts.port;
    if (port.empty()) return fail(ErrorKind::Invalid, "no port: neither --port nor $PORT");
    const auto number = parse_number<std::uint16_t>("port", port, 65535);
    if (!number) return tl::unexpected(number.error());
    serve.port = *number;
    if (!texts.hold.empty()) {
        const auto hold = parse_duration(texts.hold);
        if (!hold) return fail(ErrorKind::Invalid, "--hold: " + hold.error().message);
        serve.hold = *hold;
    }
    if (serve.faults) {
        if (const auto faults = parse_faults(*serve.faults); !faults)
            return fail(ErrorKind::Invalid, "--faults: " + faults.error().message);
        if (*serve.faults == "none") serve.faults = "";
    }
    serve.rules.with_poll = !texts.no_poll;
    auto secret = read_demo_secret(texts.secret);
    if (!secret) return tl::unexpected(secret.error());
    serve.rules.secret = std::move(*secret);
    return serve;
}

void add_change(CLI::App& app, DemoChange& change) {
    app.add_option("ID", change.id, "The instance's id")->required();
    app.add_option("--name", change.name, "Name to show (with 'add', default: the id)")->type_name("TEXT");
    app.add_option("--hostname", change.hostname, "Host name, a port allowed")->type_name("HOST");
    app.add_option("--db-name", change.db_name, "dbName")->type_name("NAME");
    app.add_option("--env", change.env, "An environment variable; K alone takes it away (repeatable)")
        ->type_name("K=V")
        ->expected(1)
        ->take_all();
    app.add_option("--replicas", change.replicas, "How many copies")->type_name("N");
    app.add_option("--enabled", change.enabled, "true or false")->type_name("BOOL");
    app.add_option("--version", change.version, "Its version")->type_name("TEXT");
    app.footer(
        "An empty value takes a field away. What a supervisor makes of the values is not checked here.");
}

void add_serve(CLI::App& app, ServeOptions& serve, Texts& texts) {
    app.add_option("--port", texts.port, "Listen there; 0: on any free one (default: $PORT)")->type_name("N");
    app.add_option("--address", serve.address, "Listen on this IP address (default: 127.0.0.1)")
        ->type_name("A");
    CLI::Option* file = app.add_option("--secret-file", texts.secret.file,
                                       "The secret is in this file, which others cannot read")
                            ->type_name("FILE");
    CLI::Option* variable =
        app.add_option("--secret-env", texts.secret.variable,
                       "The secret is in this environment variable (default: INTERNAL_SECRET)")
            ->type_name("NAME")
            ->excludes(file);
    app.add_flag("--no-auth", texts.secret.no_auth, "Everybody may ask")->excludes(file)->excludes(variable);
    CLI::Option* cert =
        app.add_option("--tls-cert", serve.tls_cert, "Speak TLS with this certificate (PEM, a chain allowed)")
            ->type_name("FILE");
    CLI::Option* key =
        app.add_option("--tls-key", serve.tls_key, "Its private key (PEM)")->type_name("FILE")->needs(cert);
    cert->needs(key);
    app.add_option("--hold", texts.hold, "How long a poll waits for an event (default: 50s)")
        ->type_name("TIME");
    app.add_flag("--no-poll", texts.no_poll, "/api/poll is not there: 404");
    app.add_flag("--etag", serve.rules.with_etag, "/api/applications has an ETag, and 304 for If-None-Match");
    app.add_option("--faults", serve.faults, "Begin with these faults (default: those of the last time)")
        ->type_name("LIST");
    app.footer(
        "Faults, several separated by commas, 'none' for none; /api/status has none:\n" + describe_faults() +
        "\nOne line a request goes to standard output: method, path and status, when it is answered. TERM "
        "and INT:\nheld polls are answered with 304, then the status is 0.");
}

}  // namespace

Result<DemoOrder> parse_demo_arguments(int argc, char** argv) {
    CLI::App app{
        "A small admin service for pmctl: says which instances there are to be, and tells of each change.\n"
        "'serve' answers GET /api/applications, /api/poll?e=N and /api/status; the other commands change\n"
        "what it says, in the same database, and it notices at once.",
        "pmctl-demo-admin"};
    app.set_help_flag("-h,--help", "Print this help");
    app.require_subcommand(1);
    app.set_version_flag("-V,--version", std::string("pmctl-demo-admin ") + PMCTL_VERSION,
                         "Print the version");
    DemoOrder order;

    ServeOptions serve;
    Texts texts;
    DemoAdd add;
    DemoSet set;
    DemoRemove remove;
    DemoList list;
    DemoSetFaults faults;
    CLI::App* serves = app.add_subcommand("serve", "Answer over HTTP until TERM");
    add_serve(*serves, serve, texts);
    CLI::App* adds = app.add_subcommand("add", "Add an application");
    add_change(*adds, add.change);
    adds->add_option("--app", add.change.app, "Application id: the template of the configuration")
        ->type_name("APP")
        ->required();
    adds->add_option("--count", texts.count,
                     "Add ID-0 to ID-(N-1), each with an event of its own; {} in a value becomes the number")
        ->type_name("N");
    CLI::App* sets = app.add_subcommand("set", "Change an application; what is not named stays");
    add_change(*sets, set.change);
    sets->add_option("--app", set.change.app, "Application id")->type_name("APP");
    CLI::App* removes = app.add_subcommand("remove", "Remove applications: all that are named, or none");
    removes->add_option("ID", remove.ids, "The instances' ids")->required();
    CLI::App* lists = app.add_subcommand("list", "Show the applications");
    lists->add_flag("--json", list.json, "As /api/applications answers");
    CLI::App* faulty = app.add_subcommand("faults", "Show these faults from now on");
    faulty->add_option("LIST", faults.list, "Faults separated by commas, or none")->required();
    faulty->footer(describe_faults());
    CLI::App* resets =
        app.add_subcommand("reset-events", "Begin again with event 1, as a database that was put up anew");

    // Before the command and after it.
    std::vector<CLI::App*> all = {&app, serves, adds, sets, removes, lists, faulty, resets};
    for (CLI::App* one : all) {
        one->add_option("--db", order.db, "The database (default: $DEMO_ADMIN_DB, ./demo-admin.db)")
            ->type_name("FILE");
    }

    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        order.what = DemoShow{app.help()};  // of the command where there is one
        return order;
    } catch (const CLI::CallForVersion& version) {
        order.what = DemoShow{std::string(version.what()) + '\n'};
        return order;
    } catch (const CLI::ParseError& error) {
        return fail(ErrorKind::Invalid, std::string(error.what()) + " (see pmctl-demo-admin --help)");
    }
    if (order.db.empty()) order.db = environment("DEMO_ADMIN_DB");
    if (order.db.empty()) order.db = default_db;

    if (serves->parsed()) {
        auto finished = finish(serve, texts, order.db);
        if (!finished) return tl::unexpected(finished.error());
        order.what = std::move(*finished);
    } else if (adds->parsed()) {
        if (!texts.count.empty()) {
            const auto count = parse_number<std::uint32_t>("--count", texts.count, max_count);
            if (!count) return tl::unexpected(count.error());
            add.count = *count;
        }
        order.what = std::move(add);
    } else if (sets->parsed()) {
        order.what = std::move(set);
    } else if (removes->parsed()) {
        order.what = std::move(remove);
    } else if (lists->parsed()) {
        order.what = list;
    } else if (faulty->parsed()) {
        if (const auto known = parse_faults(faults.list); !known) return tl::unexpected(known.error());
        if (faults.list == "none") faults.list.clear();
        order.what = std::move(faults);
    } else if (resets->parsed()) {
        order.what = DemoResetEvents{};
    }
    return order;
}

}  // namespace pmctl
