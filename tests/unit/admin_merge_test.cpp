// Entries of the admin service in a whole configuration: which count, which are left out, and what follows.
#include "supervisor/core/admin_merge.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "admin_fixture.hpp"
#include "supervisor/core/reconcile.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

const std::string admin = "[admin]\nurl = 'https://x'\nsecret_file = 's'\n";
const std::string shop = "[apps.shop]\ncommand = ['/shop', '--port', '${PORT}']\n";

LoadedConfig merged(const std::string& text, const std::vector<AdminEntry>& entries) {
    const LoadedConfig loaded = load(text);
    REQUIRE(problems_of(loaded) == "");
    return with_admin(*loaded.config, entries);
}

std::string ids(const LoadedConfig& loaded) {
    std::string text;
    for (const SpecPtr& spec : loaded.config->instances) text += (text.empty() ? "" : " ") + spec->id;
    return text;
}

// "id: reason", a line each.
std::string left_out(const LoadedConfig& loaded) {
    std::string text;
    for (const AdminOmission& each : loaded.left_out) text += each.id + ": " + each.reason + "\n";
    return text;
}

}  // namespace

TEST_CASE("an entry makes an instance of its template, and says where each value is from") {
    const auto loaded = merged(admin + shop, {entry("3bf3-1", "shop",
                                                    {{"db_name", "orders"},
                                                     {"description", "Login"},
                                                     {"env.COLOR", "red"},
                                                     {"hostname", "Login.acme.localhost:8443"},
                                                     {"version", "1.2"}},
                                                    42)});
    CHECK(left_out(loaded) == "");
    CHECK(problems_of(loaded) == "");
    REQUIRE(find(loaded, "3bf3-1") != nullptr);
    const InstanceSpec& spec = *find(loaded, "3bf3-1");
    CHECK(spec.app == "shop");
    CHECK(spec.origin == Origin::Admin);
    CHECK(spec.admin_event == 42);
    CHECK(spec.hostnames == std::vector<std::string>{"login.acme.localhost:8443"});
    CHECK(spec.policy.description == "Login");
    CHECK(spec.process.env == Environment{{"COLOR", "red"}});
    CHECK(spec.process.version == "1.2");
    CHECK(spec.process.db_name == "orders");
    CHECK(spec.process.working_dir == "/etc/pmctl");
    CHECK(listed(loaded, "3bf3-1", "hostname") == "[\"login.acme.localhost:8443\"] # admin event 42");
    CHECK(listed(loaded, "3bf3-1", "env.COLOR") == "\"red\" # admin event 42");
    CHECK(listed(loaded, "3bf3-1", "version") == "\"1.2\" # admin event 42");
    CHECK(listed(loaded, "3bf3-1", "db_name") == "\"orders\" # admin event 42");
    CHECK(listed(loaded, "3bf3-1", "app") == "\"shop\" # admin event 42");
    CHECK(listed(loaded, "3bf3-1", "port") == "\"auto\" # default");
    CHECK(listed(loaded, "3bf3-1", "command") ==
          "[\"/shop\", \"--port\", \"${PORT}\"] # /etc/pmctl/pmctl.toml:5");
    const auto unknown_event = merged(admin + shop, {entry("a", "shop")});
    CHECK(listed(unknown_event, "a", "app") == "\"shop\" # admin");
    CHECK(listed(unknown_event, "a", "version") == "missing");
}

TEST_CASE("a static block overrides an entry of its id field by field, and gives it back when it goes") {
    const std::vector<AdminEntry> entries = {
        entry("web", "shop", {{"env.A", "admin"}, {"env.B", "admin"}, {"hostname", "admin.example"}}, 7)};
    const auto with = merged(
        admin + shop + "[instances.web]\nhostname = 'file.example'\nenv = { B = 'file', C = 'file' }\n",
        entries);
    const InstanceSpec& over = *find(with, "web");
    CHECK(over.origin == Origin::Both);
    CHECK(over.hostnames == std::vector<std::string>{"file.example"});
    CHECK(over.process.env == Environment{{"A", "admin"}, {"B", "file"}, {"C", "file"}});
    CHECK(listed(with, "web", "hostname") == "[\"file.example\"] # /etc/pmctl/pmctl.toml:7");
    CHECK(listed(with, "web", "env.A") == "\"admin\" # admin event 7");
    const auto without = merged(admin + shop, entries);
    CHECK(find(without, "web")->hostnames == std::vector<std::string>{"admin.example"});
    CHECK(find(without, "web")->process.env == Environment{{"A", "admin"}, {"B", "admin"}});
    CHECK(find(without, "web")->origin == Origin::Admin);
}

TEST_CASE("an override is no instance until the service has an entry of its id") {
    const std::string text = admin + shop + "[instances.web]\nreplicas = 3\n";
    CHECK(ids(merged(text, {})) == "");
    CHECK(ids(merged(text, {entry("api", "shop")})) == "api");
    const auto loaded = merged(text, {entry("web", "shop", {{"replicas", std::int64_t{2}}})});
    CHECK(find(loaded, "web")->replicas == 3);
}

TEST_CASE("the application of the files is chosen over that of the entry") {
    const std::string text = admin + shop + "[apps.other]\ncommand = ['/other']\n";
    CHECK(find(merged(text, {entry("web", "other")}), "web")->process.command.front() == "/other");
    const auto loaded = merged(text + "[instances.web]\napp = 'shop'\n", {entry("web", "other")});
    CHECK(find(loaded, "web")->app == "shop");
    CHECK(find(loaded, "web")->process.command.front() == "/shop");
    CHECK(find(merged(text + "[defaults]\napp = 'shop'\n", {entry("web", "other")}), "web")->app == "other");
}

TEST_CASE("what is wrong with an entry leaves it out, and the others count") {
    const std::string text = admin +
                             "allow = ['hostname', 'port', 'replicas', 'env', 'health', 'env_file']\n" +
                             shop + "[apps.named]\ncommand = ['/x', '${DB_NAME}']\n[apps.empty]\n" +
                             "[instances.db]\ncommand = ['/db']\nhostname = 'db.example'\nport = 700\n" +
                             "[instances.'two:0']\ncommand = ['/x']\nenv_file = 'known'\n" +
                             "[instances.strict]\nhealth.restart_after = 1\n";
    struct Row {
        AdminEntry entry;
        const char* reason;  // "": it counts
    };
    const std::int64_t two = 2;
    for (
        const Row& row : {
            Row{entry("ok", "shop"), ""},
            Row{entry("ok", "named", {{"db_name", "orders"}}), ""},
            Row{entry("ok", "shop", {{"env_file", "/etc/pmctl/known"}}), ""},
            Row{entry("bad", "shpo"),
                "no template [apps.\"shpo\"], and none for all others, [apps.\"*\"]; did "
                "you mean 'shop'?"},
            Row{entry("bad", "empty"), "the template [apps.\"empty\"] has no 'command'"},
            Row{entry("bad", ""), "it names no application, and no file has a 'command' for it"},
            Row{entry("bad", "../x"), "'app' is \"../x\"; allowed: an application id"},
            Row{entry("bad", "named"),
                "'command': '${DB_NAME}' is not set; write '$$' for a dollar sign (/etc/pmctl/pmctl.toml:8)"},
            Row{entry("bad", "shop", {{"hostname", "DB.example."}}),
                "the hostname 'db.example' is that of 'db' (/etc/pmctl/pmctl.toml:12)"},
            Row{entry("bad", "shop", {{"hostname", std::vector<std::string>{"a", "A."}}}),
                "the hostname 'a' is in the list twice"},
            Row{entry("bad", "shop", {{"hostname", "a b"}}), "'hostname' is \"a b\"; allowed: a hostname"},
            Row{entry("bad", "shop", {{"hostname", two}}), "'hostname' is 2; allowed: "},
            Row{entry("bad", "shop", {{"port", std::int64_t{700}}}),
                "'port' 700 is that of 'db' (/etc/pmctl/pmctl.toml:13)"},
            Row{entry("bad", "shop", {{"port", std::int64_t{9180}}}), "'port' 9180 is that of [http] listen"},
            Row{entry("bad", "shop", {{"port", std::int64_t{800}}, {"replicas", two}}),
                "'port' is 800 for 2 replicas, and one alone can have it; use \"auto\""},
            Row{entry("bad", "shop", {{"replicas", std::int64_t{-1}}}), "'replicas' is -1; allowed: "},
            Row{entry("bad", "shop", {{"replicas", "2"}}), "'replicas' is \"2\"; allowed: an integer"},
            Row{entry("bad", "shop", {{"env.A", "${NOPE}"}}), "'env.A': '${NOPE}' is not set"},
            Row{entry("bad", "shop", {{"env.A", two}}), "'env.A' is no string"},
            Row{entry("bad", "shop", {{"env.A B", "x"}}), "\"A B\" is no name of an environment variable"},
            Row{entry("bad", "shop", {{"env.A", std::string("a\0b", 3)}}), "'env.A' has a NUL character"},
            Row{entry("bad", "shop", {{"health.path", std::string("/\0", 2)}}), "has a NUL character"},
            Row{entry("bad", "shop", {{"env_file", "secrets"}}), "'env_file' is '/etc/pmctl/secrets', and"},
            Row{entry("db:1", "shop"), "'db:1' is the name of a replica of 'db'"},
            Row{entry("two", "shop"), "the static instance 'two:0' has the name that a replica of it"},
            Row{entry("strict", "shop"), "'health.restart_after' is 1, less than"},
            Row{entry("a/b", "shop"), "this is no instance id"},
        }) {
        CAPTURE(row.entry.id);
        CAPTURE(std::string(row.reason));
        const LoadedConfig loaded =
            load(Texts{{{"/etc/pmctl/pmctl.toml", text}}, {{"/etc/pmctl/known", std::string()}}});
        REQUIRE(problems_of(loaded) == "");
        const auto all = with_admin(*loaded.config, {row.entry, entry("zeta", "shop")});
        CHECK(find(all, "zeta") != nullptr);
        CHECK((find(all, row.entry.id) != nullptr) == std::string_view(row.reason).empty());
        REQUIRE(all.left_out.size() == (std::string_view(row.reason).empty() ? 0 : 1));
        if (all.left_out.empty()) continue;
        CAPTURE(all.left_out[0].reason);
        CHECK(all.left_out[0].reason.find(row.reason) != std::string::npos);
        CHECK(all.left_out[0].reason.find('\n') == std::string::npos);
        CHECK(all.config->left_out == all.left_out);
    }
}

TEST_CASE("an instance that files describe stays as they say where the entry does not count") {
    const std::string text = admin + shop +
                             "[instances.db]\ncommand = ['/db']\nhostname = 'db.example'\n"
                             "[instances.web]\ncommand = ['/web']\n";
    const auto loaded = merged(text, {entry("web", "shop", {{"hostname", "db.example"}})});
    CHECK(left_out(loaded) == "web: the hostname 'db.example' is that of 'db' (/etc/pmctl/pmctl.toml:8)\n");
    CHECK(ids(loaded) == "db web");
    CHECK(find(loaded, "web")->origin == Origin::Static);
    CHECK(find(loaded, "web")->hostnames.empty());
    // The same specification, so that nobody has to compare it.
    const LoadedConfig once = load(text);
    CHECK(find(once, "db") == find(with_admin(*once.config, {entry("web", "shop")}), "db"));
}

TEST_CASE("files that claim a name win, then the lower id") {
    const AdminField name = {"hostname", "x.example"};
    const auto two = merged(admin + shop, {entry("a", "shop", {name}, 3), entry("b", "shop", {name})});
    CHECK(ids(two) == "a");
    CHECK(left_out(two) == "b: the hostname 'x.example' is that of 'a' (admin event 3)\n");
    // Files give it to an instance that is one by the entry alone.
    const auto over = merged(admin + shop + "[instances.b]\nhostname = 'x.example'\n",
                             {entry("a", "shop", {name}), entry("b", "shop")});
    CHECK(ids(over) == "b");
    CHECK(left_out(over) == "a: the hostname 'x.example' is that of 'b' (/etc/pmctl/pmctl.toml:7)\n");
    // One that is left out for another reason, or is not enabled, claims nothing.
    CHECK(ids(merged(admin + shop, {entry("a", "nope", {name}), entry("b", "shop", {name})})) == "b");
    CHECK(ids(merged(admin + shop,
                     {entry("a", "shop", {{"enabled", false}, name}), entry("b", "shop", {name})})) == "a b");
    // An entry may say what files say of the same instance.
    const auto same =
        merged(admin + shop + "[instances.a]\napp = 'shop'\nhostname = 'x.example'\nport = 80\n",
               {entry("a", "shop", {name})});
    CHECK(left_out(same) == "");
    CHECK(find(same, "a")->origin == Origin::Both);
    const auto port = merged(admin + "[apps.shop]\ncommand = ['/x']\nport = 80\n",
                             {entry("a", "shop"), entry("b", "shop")});
    CHECK(left_out(port) == "b: 'port' 80 is that of 'a' (/etc/pmctl/pmctl.toml:6)\n");
    CHECK(left_out(merged(admin + shop, {entry("a", "shop"), entry("a:1", "shop")})) ==
          "a:1: 'a:1' is the name of a replica of 'a'\n");
}

TEST_CASE("every entry in a circle of dependencies is left out, and who is outside of it is not") {
    const auto needs = [](const std::string& id, std::vector<std::string> others) {
        return entry(id, "shop", {{"depends_on", std::move(others)}});
    };
    const std::string text = admin + "allow = ['depends_on']\n" + shop;
    const auto loaded = merged(text + "[instances.fixed]\ncommand = ['/x']\ndepends_on = ['c']\n",
                               {needs("a", {"b"}), needs("b", {"a"}), needs("c", {"fixed", "ok"}),
                                needs("ok", {"gone"}), needs("self", {"self"}), needs("tail", {"a", "ok"})});
    CHECK(ids(loaded) == "fixed ok tail");
    CHECK(left_out(loaded) ==
          "a: 'depends_on' goes round in a circle: a → b → a; none of them could start\n"
          "b: 'depends_on' goes round in a circle: a → b → a; none of them could start\n"
          "c: 'depends_on' goes round in a circle: c → fixed → c; none of them could start\n"
          "self: 'depends_on' goes round in a circle: self → self; none of them could start\n");
    // Two ways round through static instances.
    const auto both = merged(text +
                                 "[instances.s]\ncommand = ['/x']\ndepends_on = ['t']\n"
                                 "[instances.t]\ncommand = ['/x']\ndepends_on = ['m', 'n']\n",
                             {needs("m", {"s"}), needs("n", {"s"})});
    CHECK(ids(both) == "s t");
    CHECK(both.left_out.size() == 2);
    // What stays as files say is in no circle, though its entry was.
    const auto back = merged(text + "[defaults]\ndepends_on = ['x']\n[instances.w]\ncommand = ['/w']\n",
                             {needs("w", {"w"}), needs("x", {"w"})});
    CHECK(ids(back) == "w");
    CHECK(back.left_out.size() == 2);
}

TEST_CASE("the admin service's own instance is the files' alone") {
    const auto loaded = merged(
        "[admin]\ninstance = 'svc'\nsecret_file = 's'\n" + shop + "[instances.svc]\ncommand = ['/svc']\n",
        {entry("svc", "shop", {{"enabled", false}})});
    CHECK(find(loaded, "svc")->enabled);
    CHECK(find(loaded, "svc")->origin == Origin::Static);
    CHECK(left_out(loaded) == "svc: this is the admin service itself, which files alone describe\n");
}

TEST_CASE("an answer is merged into what was loaded, time and again, and leaves nothing behind") {
    const LoadedConfig loaded = load(admin + shop + "[instances.web]\ncommand = ['/web']\n");
    REQUIRE(problems_of(loaded) == "");
    const auto first = with_admin(*loaded.config, {entry("a", "shop"), entry("b", "nope")});
    CHECK(ids(first) == "a web");
    CHECK(first.left_out.size() == 1);
    const auto second = with_admin(*first.config, {entry("b", "shop"), entry("web", "shop")});
    CHECK(ids(second) == "b web");
    CHECK(second.left_out.empty());
    CHECK(find(second, "web")->origin == Origin::Both);
    const auto again = with_admin(*second.config, {entry("b", "shop"), entry("web", "shop")});
    REQUIRE(again.config->instances.size() == 2);
    for (std::size_t i = 0; i < 2; ++i) CHECK(*again.config->instances[i] == *second.config->instances[i]);
    const auto none = with_admin(*again.config, {});
    CHECK(none.config->instances == loaded.config->instances);
    CHECK(none.config->files == loaded.config->files);
    CHECK(none.config->admin_secret == "s3cr3t");
    CHECK(none.problems.empty());
    // Built with entries at once.
    const auto built = load(Texts{{{"/etc/pmctl/pmctl.toml", admin + shop}},
                                  {},
                                  {std::string("x"), ""},
                                  {entry("a", "shop"), entry("b", "nope")}});
    CHECK(ids(built) == "a");
    CHECK(built.left_out.size() == 1);
}

TEST_CASE("without [admin] no entry counts, and nothing is kept for one") {
    const LoadedConfig loaded = load(shop + "[instances.web]\ncommand = ['/web']\n");
    REQUIRE(loaded.config);
    CHECK(loaded.config->static_part == nullptr);
    CHECK(ids(with_admin(*loaded.config, {entry("a", "shop")})) == "web");
}

TEST_CASE("the secret is in no listing and in no reason") {
    const LoadedConfig loaded =
        load(admin + "application_id = 'me'\n" +
             "[apps.shop]\ncommand = ['/shop', '${INTERNAL_SECRET}']\npass_internal_secret = true\n");
    REQUIRE(problems_of(loaded) == "");
    const auto all = with_admin(*loaded.config, {entry("a", "shop"), entry("b", "nope")});
    REQUIRE(find(all, "a") != nullptr);
    for (const bool secrets : {false, true}) {
        const auto values = show_config(*all.config, "", secrets);
        REQUIRE(values);
        for (const ConfigValue& value : *values)
            CHECK((value.key + value.value + value.source).find("s3cr3t") == std::string::npos);
    }
    CHECK(left_out(all).find("s3cr3t") == std::string::npos);
}

TEST_CASE("a plan says what the admin service changes") {
    const std::string text =
        admin + shop + "[instances.over]\nreplicas = 1\n[instances.web]\ncommand = ['/web']\n";
    const LoadedConfig loaded = load(text);
    REQUIRE(problems_of(loaded) == "");
    const auto before =
        with_admin(*loaded.config, {entry("a", "shop", {{"hostname", "a.example"}, {"version", "1"}}, 3),
                                    entry("b", "shop", {}, 4), entry("c", "shop", {}, 5),
                                    entry("d", "shop", {}, 6), entry("web", "shop", {{"env.A", "1"}}, 7)});
    const auto after =
        with_admin(*before.config, {entry("a", "shop", {{"hostname", "z.example"}}, 42),
                                    entry("c", "nope", {}, 43), entry("d", "shop", {{"enabled", false}}, 44),
                                    entry("e", "shop", {}, 45), entry("over", "shop")});
    std::map<std::string, Actual> actual;
    for (const SpecPtr& spec : before.config->instances) actual[spec->id] = {spec, spec->replicas};
    std::string told;
    for (const PlanEntry& each : reconcile(*after.config, actual, {}))
        told += each.name + " " + std::string(to_text(each.action)) + ": " + each.reason + "\n";
    CHECK(told ==
          "a replace: hostname: [\"a.example\"] → [\"z.example\"] (admin event 42), version: \"1\" → \"\" "
          "(admin "
          "event 42)\n"
          "b stop: removed by the admin service\n"
          "c stop: the admin service's entry does not count: no template [apps.\"nope\"], and none for all "
          "others, [apps.\"*\"]\n"
          "d stop: enabled = false (admin event 44)\n"
          "e start: new (admin event 45)\n"
          "over start: new (admin)\n"
          "web replace: app: \"shop\" → \"\" (no longer from the admin service), env.A: \"1\" → (unset) (no "
          "longer from the admin service)\n");
}

TEST_CASE("10,000 entries beside 1,000 static instances") {
    std::string text = admin + shop;
    for (int i = 0; i < 1000; ++i)
        text += "[instances.s" + std::to_string(i) + "]\ncommand = ['/s']\nhostname = 's" +
                std::to_string(i) + ".example'\n";
    std::vector<AdminEntry> entries;
    for (int i = 0; i < 10'000; ++i) {
        const std::string number = std::to_string(i);
        // Every tenth wants a static instance's name.
        entries.push_back(entry("e" + number, "shop",
                                {{"hostname", i % 10 == 0 ? "s" + std::to_string(i / 10) + ".example"
                                                          : "e" + number + ".example"},
                                 {"version", "1"}},
                                1));
    }
    const auto loaded = merged(text, entries);
    CHECK(loaded.config->instances.size() == 10'000);
    CHECK(loaded.left_out.size() == 1000);
    CHECK(std::is_sorted(loaded.config->instances.begin(), loaded.config->instances.end(),
                         [](const SpecPtr& a, const SpecPtr& b) { return a->id < b->id; }));
}
