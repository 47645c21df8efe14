// An admin service in virtual time, as the Supervisor meets it: entries, event ids, polls that are held, and
// what goes wrong with such a service.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/scenario/world.hpp"
#include "tests/unit/config_fixture.hpp"

namespace pmctl::test {

inline const std::string usual = R"(
[admin]
url = "https://admin.internal"
secret_file = "secret"
[apps.shop]
command = ["/srv/shop", "--port", "${PORT}"]
[instances.db]
command = ["/srv/db"]
port = "none"
)";

inline Config config_from(const std::string& text) {
    LoadedConfig loaded = load(text);
    if (!loaded.config) FAIL(problems_of(loaded));
    return *loaded.config;
}

// The texts of all events of this kind.
inline std::vector<std::string> told(World& world, const std::string& kind = "admin") {
    std::vector<std::string> texts;
    for (const Event& each : world.supervisor().journal().events()) {
        if (each.kind == kind) texts.push_back(each.text);
    }
    return texts;
}

inline bool was_told(World& world, const std::string& words) {
    for (const std::string& each : told(world)) {
        if (each.find(words) != std::string::npos) return true;
    }
    return false;
}

// What a next supervisor of this store would find.
inline Inheritance left_by(World& world) {
    Inheritance left;
    left.next_run = 1000;
    left.next_event = 1000;
    for (const StoreWrite& write : world.effects.writes) {
        if (write.kind == StoreWrite::Kind::SetAdmin) left.admin = write.admin;
    }
    return left;
}

class FakeAdmin {
  public:
    std::map<std::string, std::vector<AdminField>> entries;
    std::uint64_t newest = 0;
    bool up = true;
    bool has_poll = true;
    bool has_etags = false;
    bool refuses = false;
    std::string only_at;  // answers at this address alone; "": at each
    Duration latency = 1ms;

    std::size_t fetches = 0;
    std::size_t whole_fetches = 0;  // without If-None-Match
    std::size_t polls = 0;

    explicit FakeAdmin(World& world) : effects_(world.effects) {
        effects_.admin = [this](const AdminCall& call) { take(call); };
    }

    void set(const std::string& id, std::vector<AdminField> fields = {}) {
        put(id, std::move(fields));
        publish();
    }
    void put(const std::string& id, std::vector<AdminField> fields = {}) {
        fields.push_back({"app", std::string("shop")});
        std::sort(fields.begin(), fields.end(),
                  [](const AdminField& a, const AdminField& b) { return a.key < b.key; });
        entries[id] = std::move(fields);
    }
    void remove(const std::string& id) {
        entries.erase(id);
        publish();
    }
    // A new event: polls that wait for it are answered.
    void publish() {
        ++newest;
        for (const auto& [number, wanted] : std::exchange(held_, {})) {
            forget(number);
            wanted <= newest ? reply_event(number) : hold(number, wanted);
        }
    }
    void go_down() {
        up = false;
        for (const auto& [number, wanted] : std::exchange(held_, {})) {
            forget(number);
            fail_call(number, "connection reset");
        }
    }

  private:
    void take(const AdminCall& call) {
        const bool is_fetch = call.kind == AdminCall::Kind::Fetch;
        ++(is_fetch ? fetches : polls);
        const bool there = up && (only_at.empty() || call.url == only_at);
        if (!there) return fail_call(call.number, "connection refused");
        if (refuses) return reply(call.number, {.kind = AdminResult::Kind::Refused, .error = "HTTP 401"});
        if (is_fetch) return answer(call);
        if (!has_poll) return reply(call.number, {.kind = AdminResult::Kind::NotFound});
        // One who is ahead has seen another store.
        if (newest >= call.event || call.event > newest + 1) return reply_event(call.number);
        hold(call.number, call.event);
    }
    void answer(const AdminCall& call) {
        AdminResult result;
        result.kind = AdminResult::Kind::Answer;
        std::string all;
        for (const auto& [id, fields] : entries) {
            result.answer.entries.push_back({id, 0, fields});
            all += id;
            for (const AdminField& each : fields) {
                const auto* text = std::get_if<std::string>(&each.value);
                all += text != nullptr ? *text : std::get<std::vector<std::string>>(each.value).at(0);
            }
        }
        if (has_etags) result.etag = "\"" + std::to_string(std::hash<std::string>()(all)) + "\"";
        if (call.etag.empty()) ++whole_fetches;
        const bool same = has_etags && call.etag == result.etag;
        reply(call.number, same ? AdminResult{.kind = AdminResult::Kind::NotModified} : std::move(result));
    }
    void reply_event(std::uint64_t number) {
        reply(number, {.kind = AdminResult::Kind::Event, .event = newest});
    }
    void fail_call(std::uint64_t number, const std::string& error) {
        reply(number, {.kind = AdminResult::Kind::Failed, .error = error});
    }
    void reply(std::uint64_t number, AdminResult result) {
        effects_.admin_agenda.emplace(effects_.time + latency, std::pair(number, std::move(result)));
    }
    void hold(std::uint64_t number, std::uint64_t wanted) {
        held_[number] = wanted;
        effects_.admin_agenda.emplace(effects_.time + 50s,
                                      std::pair(number, AdminResult{.kind = AdminResult::Kind::NotModified}));
    }
    void forget(std::uint64_t number) {
        std::erase_if(effects_.admin_agenda, [&](const auto& each) { return each.second.first == number; });
    }

    FakeEffects& effects_;
    std::map<std::uint64_t, std::uint64_t> held_;  // polls: number → the event that it waits for
};

}  // namespace pmctl::test
