#include "supervisor/core/admin_provider.hpp"

#include "admin_story.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

constexpr auto Fetch = AdminCall::Kind::Fetch;
constexpr auto Poll = AdminCall::Kind::Poll;

std::vector<std::string> ids_of(const AdminProvider& provider) {
    std::vector<std::string> ids;
    for (const AdminEntry& each : provider.in_force.entries) ids.push_back(each.id);
    return ids;
}

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("it begins with a whole fetch and a poll for the event after the last one seen") {
    AdminStory story;
    story.provider.in_force.event = 41;
    story.provider.in_force.etag = "\"a\"";
    story.settings.long_poll = 20s;
    story.begin();
    REQUIRE(story.fetch() != nullptr);
    REQUIRE(story.poll() != nullptr);
    CHECK(story.fetch()->etag.empty());
    CHECK(story.fetch()->url == "http://admin");
    CHECK(story.poll()->event == 42);
    CHECK(story.poll()->timeout > 20s);
    story.begin();
    CHECK(story.fetches == 1);  // the same address: nothing new
}

TEST_CASE("an event leads to the next poll and to a fetch at once") {
    AdminStory story;
    story.settle({entry_of("a")});
    CHECK(story.applies == 1);
    story.event(7);
    REQUIRE(story.poll() != nullptr);
    CHECK(story.poll()->event == 8);
    REQUIRE(story.fetch() != nullptr);
    story.time += 5ms;
    story.answer({entry_of("a"), entry_of("b")});
    CHECK(story.applies == 2);
    CHECK(story.provider.in_force.entries.at(0).event == 0);
    CHECK(story.provider.in_force.entries.at(1).event == 7);
    story.time += 2ms;
    mark_applied(story.provider, story.now().steady);
    CHECK(story.provider.latencies.last == 7ms);
}

TEST_CASE("an answer that is the one in force applies nothing") {
    AdminStory story;
    story.settle({entry_of("a")});
    story.event(7);
    const AdminActions actions = story.answer({entry_of("a")});
    CHECK_FALSE(actions.apply);
    CHECK_FALSE(actions.omissions);
    CHECK(story.provider.in_force.entries.at(0).event == 0);
}

TEST_CASE("a thousand events in a second lead to few fetches") {
    AdminStory story;
    story.settle({entry_of("a")});
    const std::size_t before = story.fetches;
    const std::size_t polls = story.polls;
    const Duration start = story.time;
    std::uint64_t newest = 0;
    for (int i = 1; i <= 1000; ++i) {
        story.pass(start + i * 1ms - story.time);
        newest = static_cast<std::uint64_t>(i);
        if (story.poll() != nullptr) story.event(newest);
        if (story.fetch() != nullptr && i % 5 == 0) story.answer({entry_of("a", std::to_string(i))});
    }
    while (story.provider.in_force.event < newest) {
        story.pass(1ms);
        if (story.poll() != nullptr) story.event(newest);
    }
    for (int i = 0; i < 200; ++i) {
        story.pass(1ms);
        if (story.fetch() != nullptr) story.answer({entry_of("a", "last")});
    }
    CHECK(story.fetches - before >= 2);
    CHECK(story.fetches - before <= 4);
    CHECK(story.polls - polls <= 200);
    CHECK(std::get<std::string>(story.provider.in_force.entries.at(0).fields.at(1).value) == "last");
    CHECK(story.provider.unserved == TimePoint::max());
}

TEST_CASE("each of two events that are far apart is fetched at once") {
    AdminStory story;
    story.settle({entry_of("a")});
    for (const std::uint64_t event : {1U, 2U, 3U}) {
        story.pass(200ms);
        story.event(event);
        REQUIRE(story.fetch() != nullptr);
        story.answer({entry_of("a", std::to_string(event + 10))});
    }
    CHECK(story.applies == 4);
}

TEST_CASE("an event that comes while a fetch is under way is fetched again when that has ended") {
    AdminStory story;
    story.settle({entry_of("a")});
    story.event(1);
    const std::uint64_t first = story.fetch()->number;
    story.pass(300ms);
    story.event(2);
    CHECK(story.fetch()->number == first);
    story.answer({entry_of("a", "1")});
    REQUIRE(story.fetch() != nullptr);
    CHECK(story.fetch()->number != first);
}

TEST_CASE("after a 304 the poll goes on, and a conditional fetch looks for what was lost") {
    AdminStory story;
    story.settle({entry_of("a")}, "\"x\"");
    story.pass(48s);
    story.poll_304();
    REQUIRE(story.poll() != nullptr);
    REQUIRE(story.fetch() != nullptr);
    CHECK(story.fetch()->etag == "\"x\"");
    CHECK_FALSE(story.fetch_304().apply);
    CHECK(story.fetch() == nullptr);
    CHECK(story.provider.in_force.fetched_at == story.now().wall);
}

TEST_CASE("polls that are answered at once with nothing new are paced") {
    AdminStory story;
    story.settle({entry_of("a")}, "\"x\"");
    const std::size_t polls = story.polls;
    const std::size_t fetches = story.fetches;
    std::uint64_t kind = 0;
    SUBCASE("304") {
        kind = 0;
    }
    SUBCASE("the last event once more") {
        kind = 1;
    }
    const Duration end = story.time + 10min;
    while (story.time < end) {
        if (story.fetch() != nullptr) story.fetch_304();
        if (story.poll() != nullptr) kind == 0 ? story.poll_304() : story.event(0);
        story.pass(10ms);
    }
    CHECK(story.polls - polls < 140);  // every poll_interval of 5 s
    CHECK(story.polls - polls > 100);
    CHECK(story.fetches - fetches < 140);
}

TEST_CASE("events that go backwards: all is fetched anew, and again and again is paced") {
    AdminStory story;
    story.settle({entry_of("a")}, "\"x\"");
    story.event(41);
    story.fetch_304();
    story.pass(1s);
    SUBCASE("once") {
        story.event(3);
        CHECK(story.told("went back from 41 to 3"));
        REQUIRE(story.poll() != nullptr);
        CHECK(story.poll()->event == 4);
        REQUIRE(story.fetch() != nullptr);
        CHECK(story.fetch()->etag.empty());
        story.answer({entry_of("a"), entry_of("b")});
        CHECK(story.provider.in_force.entries.at(1).event == 3);
    }
    SUBCASE("two services that take turns") {
        const std::size_t polls = story.polls;
        const Duration end = story.time + 10min;
        std::uint64_t next = 3;
        while (story.time < end) {
            if (story.fetch() != nullptr) story.answer({entry_of("a")}, "\"x\"");
            if (story.poll() != nullptr) story.event(std::exchange(next, next == 3 ? 41 : 3));
            story.pass(10ms);
        }
        CHECK(story.polls - polls < 100);
        CHECK(story.news.size() == 3);
    }
}

TEST_CASE("a service without a poll is fetched at an interval, and asked for a poll now and then") {
    AdminStory story;
    story.settings.poll_interval = 5s;
    story.begin();
    story.answer({entry_of("a")}, "\"x\"");
    story.say(Poll, AdminResult::Kind::NotFound);
    CHECK(by_interval(story.provider));
    CHECK(story.told("no poll (HTTP 404): fetched every 5s"));
    const std::size_t fetches = story.fetches;
    const std::size_t polls = story.polls;
    const Duration end = story.time + 1h;
    while (story.time < end) {
        story.pass(100ms);
        if (story.fetch() != nullptr) {
            CHECK(story.fetch()->etag == "\"x\"");
            story.fetch_304();
        }
        if (story.poll() != nullptr) story.say(Poll, AdminResult::Kind::NotFound);
    }
    CHECK(story.fetches - fetches > 690);
    CHECK(story.fetches - fetches <= 720);
    CHECK(story.polls - polls >= 5);
    CHECK(story.polls - polls <= 6);
    CHECK(story.news.size() == 1);

    story.pass(10min);
    REQUIRE(story.poll() != nullptr);
    story.event(5);
    CHECK_FALSE(by_interval(story.provider));
    CHECK(story.told("has a poll now"));
}

TEST_CASE("failures are tried again with backoff up to 30 s, and told once") {
    AdminStory story;
    story.settle({entry_of("a")});
    story.poll_fails();
    REQUIRE(story.fetch() != nullptr);  // is the service there at all?
    story.fetch_fails();
    CHECK(story.told("unreachable (connection refused): the last good state stays in force"));
    const std::size_t fetches = story.fetches;
    std::vector<Duration> at;
    const Duration begun = story.time;
    while (story.time < begun + 3h) {
        story.pass(100ms);
        if (story.fetch() != nullptr) {
            at.push_back(story.time - begun);
            story.fetch_fails();
        }
        if (story.poll() != nullptr) story.poll_fails();
    }
    CHECK(at.at(0) == 1s);
    CHECK(at.at(1) == 3s);
    CHECK(at.at(2) == 7s);
    CHECK(story.fetches - fetches > 350);
    CHECK(story.fetches - fetches < 370);
    CHECK(story.news.size() == 1);
    CHECK(ids_of(story.provider) == Ids{"a"});
    REQUIRE(story.provider.trouble.has_value());
    CHECK(story.provider.trouble->failures > 350);

    story.pass(30s);
    if (story.fetch() == nullptr) story.pass(30s);
    story.answer({entry_of("a"), entry_of("b")});
    CHECK(story.told("answers again after 3h"));
    CHECK_FALSE(story.provider.trouble.has_value());
    CHECK(story.poll() != nullptr);  // not only at the end of its own backoff
    CHECK(story.provider.fetch.failures == 0);
}

TEST_CASE("jitter shortens a delay by up to a fifth") {
    AdminStory story;
    story.settle({entry_of("a")});
    story.chance = 0.999;
    story.poll_fails();
    const Duration wait = story.provider.poll.due - story.now().steady;
    CHECK(wait > 790ms);
    CHECK(wait < 810ms);
}

TEST_CASE("a secret that is refused is tried slowly, and told once") {
    AdminStory story;
    story.begin();
    story.say(Fetch, AdminResult::Kind::Refused, "HTTP 401: wrong secret");
    story.say(Poll, AdminResult::Kind::Refused, "HTTP 401: wrong secret");
    const std::size_t calls = story.fetches + story.polls;
    const Duration end = story.time + 1h;
    while (story.time < end) {
        story.pass(1s);
        for (const auto kind : {Fetch, Poll}) {
            if (story.under_way(kind) != nullptr)
                story.say(kind, AdminResult::Kind::Refused, "HTTP 401: wrong secret");
        }
    }
    CHECK(story.fetches + story.polls - calls <= 240);
    CHECK(story.fetches + story.polls - calls >= 100);
    REQUIRE(story.news.size() == 1);
    CHECK(story.news.front().find("refuses the secret (HTTP 401: wrong secret)") != std::string::npos);
    CHECK(story.provider.trouble->refused);

    story.tell(AdminReach{"http://admin", true, true});  // another secret
    CHECK(story.fetch() != nullptr);
    CHECK(story.poll() != nullptr);
}

TEST_CASE("a secret that is refused in the middle of an outage is told") {
    AdminStory story;
    story.begin();
    story.fetch_fails();
    story.pass(2s);
    story.say(Fetch, AdminResult::Kind::Refused, "HTTP 403");
    CHECK(story.news.size() == 2);
    CHECK(story.told("refuses the secret (HTTP 403)"));
}

TEST_CASE("where polls alone fail it is fetched at an interval, and told once") {
    AdminStory story;
    story.settle({entry_of("a")}, "\"x\"");
    const Duration end = story.time + 30min;
    std::size_t longest = 0;
    Duration last = story.time;
    while (story.time < end) {
        if (story.poll() != nullptr && story.now().steady - story.provider.poll.begun >= 30s)
            story.poll_fails("HTTP 504");
        if (story.fetch() != nullptr) {
            longest = std::max<std::size_t>(longest, static_cast<std::size_t>((story.time - last) / 1s));
            last = story.time;
            story.fetch_304();
        }
        story.pass(100ms);
    }
    CHECK(story.told("fails polls (HTTP 504)"));
    CHECK(story.news.size() == 1);
    CHECK_FALSE(story.provider.trouble.has_value());
    CHECK(by_interval(story.provider));
    CHECK(longest <= 33);  // until it was known; by the interval from then on
    const std::size_t fetches = story.fetches;
    for (int i = 0; i < 600; ++i) {
        if (story.fetch() != nullptr) story.fetch_304();
        if (story.poll() == nullptr) story.pass(100ms);
        story.pass(100ms);
    }
    CHECK(story.fetches - fetches >= 11);
}

TEST_CASE("a poll that is answered after failures makes a fetch wanted") {
    AdminStory story;
    story.settle({entry_of("a")}, "\"x\"");
    story.poll_fails();
    story.fetch_304();
    story.pass(1s);
    REQUIRE(story.poll() != nullptr);
    story.event(9);
    CHECK(story.fetch() != nullptr);
}

TEST_CASE("a mass removal is held back until it is repeated") {
    AdminStory story;
    story.settle({entry_of("a"), entry_of("b"), entry_of("c"), entry_of("d")}, "\"x\"");
    story.event(1);
    std::vector<AdminEntry> rest;
    SUBCASE("an empty list") {}
    SUBCASE("one stays, one is new") {
        rest = {entry_of("b"), entry_of("e")};
    }
    story.answer(rest, "\"y\"");
    CHECK(story.told(rest.empty() ? "removes 4 of 4 instances at once" : "removes 3 of 4 instances at once"));
    CHECK(ids_of(story.provider) == (rest.empty() ? Ids{"a", "b", "c", "d"} : Ids{"a", "b", "c", "d", "e"}));
    CHECK(story.provider.in_force.etag.empty());
    CHECK(story.fetch() == nullptr);
    SUBCASE("a repetition at once does not count") {
        story.pass(200ms);
        story.event(2);
        REQUIRE(story.fetch() != nullptr);
        story.answer(rest, "\"y\"");
        CHECK(ids_of(story.provider).size() >= 4);
    }
    story.pass(1s);
    REQUIRE(story.fetch() != nullptr);
    CHECK(story.fetch()->etag.empty());
    SUBCASE("repeated: obeyed") {
        CHECK(story.answer(rest, "\"y\"").apply);
        CHECK(ids_of(story.provider) == (rest.empty() ? Ids{} : Ids{"b", "e"}));
        CHECK(story.told("held back no longer"));
        CHECK(story.provider.in_force.etag == "\"y\"");
    }
    SUBCASE("not repeated: nothing was") {
        story.answer({entry_of("a"), entry_of("b"), entry_of("c"), entry_of("d")}, "\"z\"");
        CHECK(ids_of(story.provider) == Ids{"a", "b", "c", "d"});
        CHECK(story.provider.held.empty());
        CHECK(story.told("they are there again"));
    }
    SUBCASE("a failure in between changes nothing") {
        story.fetch_fails();
        story.pass(1s);
        REQUIRE(story.fetch() != nullptr);
        CHECK(story.fetch()->etag.empty());
        story.answer(rest, "\"y\"");
        CHECK(ids_of(story.provider) == (rest.empty() ? Ids{} : Ids{"b", "e"}));
    }
}

TEST_CASE("what is no mass removal, or is to be obeyed, is applied at once") {
    AdminStory story;
    SUBCASE("half of four") {
        story.settle({entry_of("a"), entry_of("b"), entry_of("c"), entry_of("d")});
        story.event(1);
        story.answer({entry_of("a"), entry_of("b")});
        CHECK(ids_of(story.provider) == Ids{"a", "b"});
    }
    SUBCASE("all of three") {
        story.settle({entry_of("a"), entry_of("b"), entry_of("c")});
        story.event(1);
        story.answer({});
        CHECK(ids_of(story.provider).empty());
    }
    SUBCASE("mass_removal = \"obey\"") {
        story.settings.mass_removal = MassRemoval::Obey;
        story.settle({entry_of("a"), entry_of("b"), entry_of("c"), entry_of("d")});
        story.event(1);
        story.answer({});
        CHECK(ids_of(story.provider).empty());
    }
    CHECK(story.provider.held.empty());
}

TEST_CASE("another address: both calls anew at once; none: nothing is asked, and all stays in force") {
    AdminStory story;
    story.settle({entry_of("a")}, "\"x\"");
    story.event(5);
    story.fetch_fails();
    story.tell(AdminReach{"", false, true});
    CHECK(story.calls.empty());
    story.pass(1h);
    CHECK(story.calls.empty());
    CHECK(ids_of(story.provider) == Ids{"a"});
    story.tell(AdminReach{"http://127.0.0.1:30001", false, true});
    REQUIRE(story.poll() != nullptr);
    CHECK(story.poll()->event == 6);
    CHECK(story.fetch()->etag.empty());
    CHECK(story.fetch()->url == "http://127.0.0.1:30001");
    const std::uint64_t old = story.fetch()->number;
    story.tell(AdminReach{"http://127.0.0.1:30002", false, true});
    CHECK(story.fetch()->url == "http://127.0.0.1:30002");
    story.tell(AdminReplied{old, {}});  // of the address before: dropped
    CHECK(story.provider.fetch.failures == 0);
    story.tell(AdminReach{"http://other", false, false});
    CHECK(story.poll()->event == 1);
}

TEST_CASE("a call that nobody answers has an end all the same") {
    AdminStory story;
    story.begin();
    story.pass(40s);
    CHECK(story.fetches > 1);
    CHECK(story.provider.trouble.has_value());
    CHECK(story.provider.trouble->why == "no answer");
}

TEST_CASE("the state is stored when it changes, the event's id alone at most once a second") {
    AdminStory story;
    story.settle({entry_of("a")}, "\"x\"");
    CHECK(story.stores == 1);
    for (std::uint64_t i = 1; i <= 20; ++i) {
        story.event(i);
        if (story.fetch() != nullptr) story.fetch_304();
        story.pass(100ms);
        if (story.fetch() != nullptr) story.fetch_304();
    }
    story.pass(2s);
    CHECK(story.stores >= 2);
    CHECK(story.stores <= 4);
    CHECK(story.provider.store_at == TimePoint::max());
}

TEST_CASE("a random walk breaks no invariant, ends every outage, and is never a hot loop") {
    std::uint64_t seed = 1;
    const auto roll = [&seed](std::uint64_t sides) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        return (seed >> 33U) % sides;
    };
    for (int walk = 0; walk < 40; ++walk) {
        AdminStory story;
        std::uint64_t newest = 5;
        story.begin();
        Duration window = story.time;
        std::size_t in_window = story.fetches + story.polls;
        for (int i = 0; i < 2000; ++i) {
            story.chance = static_cast<double>(roll(100)) / 100.0;
            const auto what = static_cast<AdminResult::Kind>(roll(6));
            const auto kind = roll(2) == 0 ? Fetch : Poll;
            if (roll(300) == 0) {
                story.tell(AdminReach{roll(3) == 0 ? "" : "http://" + std::to_string(roll(3)), roll(2) == 0,
                                      roll(2) == 0});
            } else if (story.under_way(kind) != nullptr && roll(3) != 0) {
                if (kind == Fetch && what == AdminResult::Kind::Answer) {
                    std::vector<AdminEntry> entries;
                    for (char id = 'a'; id < 'h'; ++id) {
                        if (roll(2) == 0)
                            entries.push_back(entry_of(std::string(1, id), std::to_string(roll(2))));
                    }
                    story.answer(std::move(entries), roll(2) == 0 ? "\"x\"" : "");
                } else if (kind == Poll && what == AdminResult::Kind::Event) {
                    newest = roll(5) == 0 ? roll(10) : newest + roll(3);
                    story.event(newest);
                } else {
                    story.say(kind, what, "no");
                }
            }
            const std::array<Duration, 4> steps = {0ms, 1ms, 100ms, 5s};
            story.pass(steps.at(roll(4)));
            if (story.time - window >= 60s) {
                // Polls that bring news are free of pacing but for a burst's; all else is bounded by far
                // less.
                CHECK(story.fetches + story.polls - in_window < 60 * 120);
                window = story.time;
                in_window = story.fetches + story.polls;
            }
        }
        // A service that is well again: everything is as it says soon after.
        story.tell(AdminReach{"http://well", false, true});
        for (int i = 0; i < 700; ++i) {
            if (story.fetch() != nullptr) story.answer({entry_of("z")});
            if (story.poll() != nullptr && story.provider.in_force.event != 100) story.event(100);
            story.pass(100ms);
        }
        CHECK(ids_of(story.provider) == Ids{"z"});
        CHECK_FALSE(story.provider.trouble.has_value());
        CHECK(story.provider.held.empty());
    }
}
