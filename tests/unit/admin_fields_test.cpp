// Field by field: every key of the table of settings × every source that may say it, so that a new key is
// covered by being there; and which fields of an entry count at all.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>

#include "admin_fixture.hpp"
#include "supervisor/core/admin_instances.hpp"
#include "supervisor/core/config_merge.hpp"
#include "supervisor/core/field_source.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

constexpr std::size_t sources = 4;  // [defaults], the template, the entry, [instances.ID]

// At least two values that the key takes, as TOML: no two are the same, and the default is one of them at
// most, the last.
std::vector<std::string> values_for(const Setting& setting) {
    if (setting.key == "env") return {"\"1\"", "\"2\"", "\"3\"", "\"4\""};  // of one variable
    std::vector<std::string> pool;
    for (const std::string_view word : setting.choices) pool.push_back(toml_string(word));
    for (const char* value :
         {"true",     "false",     "\"/a\"",     "\"/b\"",     "\"/c\"",      "\"/d\"",      "\"a\"",
          "\"b\"",    "\"c\"",     "\"d\"",      "[\"a\"]",    "[\"b\"]",     "[\"c\"]",     "[\"d\"]",
          "11",       "12",        "13",         "14",         "\"11s\"",     "\"12s\"",     "\"13s\"",
          "\"14s\"",  "\"11MiB\"", "\"12MiB\"",  "\"13MiB\"",  "\"14MiB\"",   "\"0011\"",    "\"0012\"",
          "\"0013\"", "\"0014\"",  "\"SIGINT\"", "\"SIGHUP\"", "\"SIGUSR1\"", "\"SIGUSR2\"", "\"none\""})
        pool.emplace_back(value);
    std::vector<std::string> good;
    std::vector<std::string> shown = {setting.show_instance(InstanceSpec())};
    for (const std::string& value : pool) {
        const ParsedFile parsed =
            parse_config("[defaults]\n" + std::string(setting.key) + " = " + value, "/m", 0, FileRole::Main);
        if (!parsed.problems.empty()) continue;
        InstanceSpec spec;
        setting.set_instance(spec, parsed.layer.defaults.fields.front().value);
        std::string text = setting.show_instance(spec);
        if (std::find(shown.begin(), shown.end(), text) != shown.end()) continue;
        shown.push_back(std::move(text));
        good.push_back(value);
    }
    if (good.size() == 1) good.emplace_back(setting.default_text);  // true and false
    return good;
}

Value value_of(const std::string& key, const std::string& text) {
    return parse_config("[defaults]\n" + key + " = " + text, "/m", 0, FileRole::Main)
        .layer.defaults.fields.front()
        .value;
}

// The value of the key, and where it was said, of an instance 'web' of which some of the sources speak.
struct Said {
    std::string value;
    std::string source;
};
Said merge(const Setting& setting, const std::array<const std::string*, sources>& values) {
    const bool is_app = setting.key == "app";
    const bool is_env = setting.key == "env";
    const std::string key = is_env ? "env.X" : std::string(setting.key);
    const auto line = [&](std::size_t i) { return values[i] == nullptr ? "" : key + " = " + *values[i]; };
    // Line 2 is that of [defaults], 4 of the template, 7 of the instance. What chooses the template stands
    // where it changes nothing: a file of its own, so that each key has a line of its own.
    std::vector<Layer> layers;
    layers.push_back(parse_config("[defaults]\n" + line(0) + "\n[apps.T]\n" + (is_app ? "" : line(1)) +
                                      "\n[instances.web]\n" + (is_app ? "" : "app = \"T\"") + "\n" + line(3) +
                                      "\n",
                                  "/m/main.toml", 0, FileRole::Main)
                         .layer);
    std::vector<AdminEntry> entries;
    if (values[2] != nullptr) {
        const Value value = is_env ? value_of("env.X", *values[2]) : value_of(key, *values[2]);
        entries.push_back({"web", 42, {{key, value}}});
    }
    std::vector<AdminOmission> left_out;
    const AdminInstances service(entries, {std::string(setting.key)}, "/m", left_out);
    CHECK(left_out.empty());
    const LayerIndex index(layers);
    const EnvFiles none;
    const auto spec = Merger(index, none).instance("web", service, StaticInstances(index)).spec;
    CHECK(spec->origin == (values[2] == nullptr ? Origin::Static : Origin::Both));
    const std::string shown = !is_env                           ? setting.show_instance(*spec)
                              : spec->process.env.contains("X") ? toml_string(spec->process.env.at("X"))
                                                                : "(unset)";
    return {shown, source_text(find_source(spec->sources, key), {"/m/main.toml"}, spec->admin_event)};
}

}  // namespace

TEST_CASE("each key has the value of the highest source that says it, and gives the one below when it goes") {
    const std::array<std::string, sources> places = {"/m/main.toml:2", "/m/main.toml:4", "admin event 42",
                                                     "/m/main.toml:7"};
    for (const Setting& setting : instance_settings()) {
        CAPTURE(std::string(setting.key));
        const auto values = values_for(setting);
        REQUIRE(values.size() >= 2);
        // Two neighbours never say the same, so that it shows who was heard.
        const auto value = [&](std::size_t source) -> const std::string& {
            return values[source % values.size()];
        };
        for (unsigned speaking = 0; speaking < 1U << sources; ++speaking) {
            CAPTURE(speaking);
            std::array<const std::string*, sources> said{};
            std::size_t highest = sources;
            for (std::size_t i = 0; i < sources; ++i) {
                // A template is not made from another.
                if ((speaking >> i & 1U) == 0 || (setting.key == "app" && i == 1)) continue;
                said[i] = &value(i);
                highest = i;
            }
            const Said merged = merge(setting, said);
            if (highest == sources) {
                CHECK(merged.source == "default");
                continue;
            }
            CHECK(merged.source == places[highest]);
            InstanceSpec expected;
            if (setting.key != "env")
                setting.set_instance(expected, value_of(std::string(setting.key), *said[highest]));
            CHECK(merged.value == (setting.key == "env" ? *said[highest] : setting.show_instance(expected)));
        }
    }
}

TEST_CASE("version and db_name come from the service alone") {
    for (const Setting& setting : service_settings()) {
        const std::string key(setting.key);
        CAPTURE(key);
        CHECK_FALSE(
            parse_config("[defaults]\n" + key + " = \"x\"", "/m", 0, FileRole::Main).problems.empty());
        std::vector<AdminOmission> left_out;
        const AdminInstances service({{"web", 42, {{key, std::string("x")}}}}, {key}, "/m", left_out);
        const std::vector<Layer> layers = {parse_config("", "/m/main.toml", 0, FileRole::Main).layer};
        const LayerIndex index(layers);
        const auto spec = Merger(index, {}).instance("web", service, StaticInstances(index)).spec;
        CHECK(setting.show_instance(*spec) == "\"x\"");
        CHECK(source_text(find_source(spec->sources, key), {}, spec->admin_event) == "admin event 42");
    }
}

TEST_CASE("a field that admin.allow does not name is ignored and told, the rest of the entry counts") {
    // What the entry's block has, and what is told.
    const auto read = [](const std::vector<std::string>& allow, std::vector<AdminField> fields) {
        std::vector<AdminOmission> left_out;
        const AdminInstances service({entry("web", "shop", std::move(fields))}, allow, "/m", left_out);
        std::string text;
        for (const Block* block : service.find("web")) {
            for (const Field& field : block->fields)
                text += std::string(field.setting->key) +
                        (field.variable.empty() ? "" : ":" + field.variable) + " ";
        }
        for (const AdminOmission& each : left_out) text += "| " + each.reason + " ";
        return text;
    };
    const auto refused = [](const std::string& key) {
        return "| '" + key + "' is not in admin.allow, ignored ";
    };
    CHECK(read({}, {{"db_name", "d"}, {"description", "x"}}) == "app db_name description ");
    const std::vector<AdminField> usual = {
        {"enabled", true}, {"env.A", "1"}, {"env.B", "2"}, {"hostname", "h"}, {"replicas", std::int64_t{1}},
        {"version", "1"}};
    CHECK(read(AdminSettings().allow, usual) == "app enabled env:A env:B hostname replicas version ");
    CHECK(read({}, usual) == "app " + refused("enabled") + refused("env") + refused("hostname") +
                                 refused("replicas") + refused("version"));
    for (const Setting& setting : instance_settings()) {
        const std::string key(setting.key);
        if (key == "app" || key == "description" || key == "env") continue;
        CAPTURE(key);
        const auto value = value_of(key, values_for(setting).front());
        const std::string table = key.substr(0, key.find('.'));
        CHECK(read({"limits.none", "health2"}, {{key, value}}) == "app " + refused(key));
        CHECK(read({key}, {{key, value}}) == "app " + key + " ");
        CHECK(read({table}, {{key, value}}) == "app " + key + " ");
    }
    // What means nothing here is the service's own business.
    CHECK(read({}, {{"colour", "blue"}, {"health", "x"}, {"", "x"}}) == "app ");
}

TEST_CASE("relative paths of an entry begin at the main file's folder") {
    std::vector<AdminOmission> left_out;
    const AdminInstances service({{"web",
                                   1,
                                   {{"command", std::vector<std::string>{"bin/x", "a/b"}},
                                    {"env_file", "e"},
                                    {"working_dir", "w/."}}}},
                                 {"command", "env_file", "working_dir"}, "/m", left_out);
    const std::vector<Layer> layers = {
        parse_config("", "/m/main.toml", 0, FileRole::Main).layer,
        parse_config("[instances.web]\ngroup = \"g\"\n", "/other/x.toml", 1, FileRole::Included).layer};
    const LayerIndex index(layers);
    const auto spec = Merger(index, {}).instance("web", service, StaticInstances(index)).spec;
    CHECK(spec->process.command == std::vector<std::string>{"/m/bin/x", "a/b"});
    CHECK(spec->env_file == "/m/e");
    CHECK(spec->process.working_dir == "/m/w");
    const AdminInstances plain({{"web", 1, {{"command", std::vector<std::string>{"x"}}}}}, {"command"}, "/m",
                               left_out);
    CHECK(Merger(index, {}).instance("web", plain, StaticInstances(index)).spec->process.working_dir == "/m");
    CHECK(left_out.empty());
}

TEST_CASE("entries are found by their ids, in whatever order they came") {
    std::vector<AdminOmission> left_out;
    const AdminInstances service({entry("b", "x"), entry("a", "x"), entry("b", "y"), entry("..", "x")}, {},
                                 "/m", left_out);
    CHECK(service.ids() == std::vector<std::string>{"a", "b"});
    CHECK(service.find("c").empty());
    REQUIRE(service.find("b").size() == 1);
    CHECK(service.find("b")[0]->fields[0].value == Value("x"));
    REQUIRE(left_out.size() == 2);
    CHECK(left_out[0].id == "\"..\"");
    CHECK(left_out[1] == AdminOmission{"b", "there are two entries of this id; the first one counts"});
}
