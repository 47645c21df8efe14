// What the admin provider makes of a service that fails, refuses, forgets or removes too much.
#include "admin_story.hpp"

using namespace pmctl;
using namespace pmctl::test;

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
    story.say(fetch_call, AdminResult::Kind::Refused, "HTTP 401: wrong secret");
    story.say(poll_call, AdminResult::Kind::Refused, "HTTP 401: wrong secret");
    const std::size_t calls = story.fetches + story.polls;
    const Duration end = story.time + 1h;
    while (story.time < end) {
        story.pass(1s);
        for (const auto kind : {fetch_call, poll_call}) {
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
    story.say(fetch_call, AdminResult::Kind::Refused, "HTTP 403");
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

TEST_CASE("a call that nobody answers has an end all the same") {
    AdminStory story;
    story.begin();
    story.pass(40s);
    CHECK(story.fetches > 1);
    CHECK(story.provider.trouble.has_value());
    CHECK(story.provider.trouble->why == "no answer");
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
            const auto kind = roll(2) == 0 ? fetch_call : poll_call;
            if (roll(300) == 0) {
                story.tell(AdminReach{roll(3) == 0 ? "" : "http://" + std::to_string(roll(3)), roll(2) == 0,
                                      roll(2) == 0});
            } else if (story.under_way(kind) != nullptr && roll(3) != 0) {
                if (kind == fetch_call && what == AdminResult::Kind::Answer) {
                    std::vector<AdminEntry> entries;
                    for (char id = 'a'; id < 'h'; ++id) {
                        if (roll(2) == 0)
                            entries.push_back(entry_of(std::string(1, id), std::to_string(roll(2))));
                    }
                    story.answer(std::move(entries), roll(2) == 0 ? "\"x\"" : "");
                } else if (kind == poll_call && what == AdminResult::Kind::Event) {
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
