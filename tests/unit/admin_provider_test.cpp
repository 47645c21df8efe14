// What the admin provider asks when, of a service that is well.
#include "admin_story.hpp"

using namespace pmctl;
using namespace pmctl::test;

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

TEST_CASE("a service without a poll is fetched at an interval, and asked for a poll now and then") {
    AdminStory story;
    story.settings.poll_interval = 5s;
    story.begin();
    story.answer({entry_of("a")}, "\"x\"");
    story.say(poll_call, AdminResult::Kind::NotFound);
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
        if (story.poll() != nullptr) story.say(poll_call, AdminResult::Kind::NotFound);
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
