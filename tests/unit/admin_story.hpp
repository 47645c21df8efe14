// An admin provider, its time, and the calls that it has under way, for the tests of its machine.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/core/admin_provider.hpp"

namespace pmctl::test {

using namespace std::chrono_literals;

inline AdminEntry entry_of(std::string id, const std::string& version = "1") {
    return {std::move(id), 0, {{"app", std::string("shop")}, {"version", version}}};
}

constexpr auto fetch_call = AdminCall::Kind::Fetch;
constexpr auto poll_call = AdminCall::Kind::Poll;

using Ids = std::vector<std::string>;
inline Ids ids_of(const AdminProvider& provider) {
    Ids ids;
    for (const AdminEntry& each : provider.in_force.entries) ids.push_back(each.id);
    return ids;
}

struct AdminStory {
    AdminProvider provider;
    AdminSettings settings;
    Duration time{};
    double chance = 0;
    std::map<std::uint64_t, AdminCall> calls;  // under way
    std::size_t fetches = 0;
    std::size_t polls = 0;
    std::size_t applies = 0;
    std::size_t stores = 0;
    std::vector<std::string> news;

    Now now() const { return {TimePoint(1h + time), WallTime(400'000h + time)}; }
    AdminActions tell(ProviderEvent event) {
        AdminActions actions = step(provider, std::move(event), now(), chance, settings);
        if (actions.drop) calls.clear();
        for (const AdminCall& call : actions.calls) {
            ++(call.kind == AdminCall::Kind::Fetch ? fetches : polls);
            for (const auto& [number, other] : calls) CHECK(other.kind != call.kind);
            calls[call.number] = call;
        }
        applies += actions.apply ? 1 : 0;
        stores += actions.store ? 1 : 0;
        for (const auto& each : actions.news) news.push_back(each.text);
        const std::string broken = broken_invariant(provider);
        if (!broken.empty()) FAIL(broken << " (at " << format_duration(time) << ")");
        return actions;
    }
    void begin(const std::string& url = "http://admin") { tell(AdminReach{url, false, true}); }

    const AdminCall* under_way(AdminCall::Kind kind) const {
        for (const auto& [number, call] : calls) {
            if (call.kind == kind) return &call;
        }
        return nullptr;
    }
    const AdminCall* fetch() const { return under_way(AdminCall::Kind::Fetch); }
    const AdminCall* poll() const { return under_way(AdminCall::Kind::Poll); }

    AdminActions reply(AdminCall::Kind kind, AdminResult result) {
        const AdminCall* call = under_way(kind);
        REQUIRE(call != nullptr);
        const std::uint64_t number = call->number;
        calls.erase(number);
        return tell(AdminReplied{number, std::move(result)});
    }
    AdminActions answer(std::vector<AdminEntry> entries, std::string etag = "") {
        AdminResult result;
        result.kind = AdminResult::Kind::Answer;
        result.answer.entries = std::move(entries);
        result.etag = std::move(etag);
        return reply(AdminCall::Kind::Fetch, std::move(result));
    }
    AdminActions event(std::uint64_t id) {
        AdminResult result;
        result.kind = AdminResult::Kind::Event;
        result.event = id;
        return reply(AdminCall::Kind::Poll, std::move(result));
    }
    AdminActions say(AdminCall::Kind kind, AdminResult::Kind what, const std::string& error = "") {
        AdminResult result;
        result.kind = what;
        result.error = error;
        return reply(kind, std::move(result));
    }
    AdminActions fetch_fails(const std::string& error = "connection refused") {
        return say(AdminCall::Kind::Fetch, AdminResult::Kind::Failed, error);
    }
    AdminActions poll_fails(const std::string& error = "connection refused") {
        return say(AdminCall::Kind::Poll, AdminResult::Kind::Failed, error);
    }
    AdminActions poll_304() { return say(AdminCall::Kind::Poll, AdminResult::Kind::NotModified); }
    AdminActions fetch_304() { return say(AdminCall::Kind::Fetch, AdminResult::Kind::NotModified); }

    // Until then, woken whenever it asks to be.
    void pass(Duration span) {
        const Duration end = time + span;
        for (;;) {
            const TimePoint next = next_deadline(provider);
            if (next > TimePoint(1h + end)) break;
            time = std::max(time, Duration(next.time_since_epoch() - 1h));
            tell(AdminWoke{});
        }
        time = end;
    }
    // Both calls of the beginning are answered: these entries, event 0 seen; the poll is held.
    void settle(std::vector<AdminEntry> entries, std::string etag = "") {
        begin();
        answer(std::move(entries), std::move(etag));
        pass(1s);
    }
    bool told(const std::string& words) const {
        for (const std::string& each : news) {
            if (each.find(words) != std::string::npos) return true;
        }
        return false;
    }
};

}  // namespace pmctl::test
