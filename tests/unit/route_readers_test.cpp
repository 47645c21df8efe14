#include "supervisor/io/route_readers.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace pmctl;
using namespace std::chrono_literals;

namespace {

TimePoint at(Duration since) {
    return TimePoint(1h + since);
}

}  // namespace

TEST_CASE("Nobody follows: everybody has seen everything") {
    RouteReaders readers;
    CHECK(readers.seen_by_all(at(0s)) == RouteReaders::all);
}

TEST_CASE("A reader that never says what it has has what it was sent") {
    RouteReaders readers;
    readers.asked("traefik", std::nullopt, at(0s));
    CHECK(readers.seen_by_all(at(0s)) == 0);
    readers.answered("traefik", 7, at(0s));
    CHECK(readers.seen_by_all(at(1s)) == 7);
    readers.asked("traefik", std::nullopt, at(5s));
    CHECK(readers.seen_by_all(at(5s)) == 7);
    readers.answered("traefik", 9, at(5s));
    CHECK(readers.seen_by_all(at(5s)) == 9);
}

TEST_CASE("A reader that says what it has has applied that, and what it was sent does not count yet") {
    RouteReaders readers;
    readers.asked("feed", std::nullopt, at(0s));
    readers.answered("feed", 7, at(0s));
    readers.asked("feed", 7, at(1s));
    readers.held("feed", at(31s));
    readers.answered("feed", 8, at(2s));
    CHECK(readers.seen_by_all(at(2s)) == 7);
    readers.asked("feed", 8, at(3s));
    CHECK(readers.seen_by_all(at(3s)) == 8);
    readers.asked("feed", 6, at(4s));  // an answer that overtook another one
    CHECK(readers.seen_by_all(at(4s)) == 8);
}

TEST_CASE("The slowest reader counts, and one that does not come back has gone") {
    RouteReaders readers;
    readers.asked("a", 3, at(0s));
    readers.asked("b", 5, at(10s));
    CHECK(readers.seen_by_all(at(10s)) == 3);
    CHECK(readers.seen_by_all(at(RouteReaders::patience - 1ns)) == 3);
    CHECK(readers.seen_by_all(at(RouteReaders::patience)) == 5);
    CHECK(readers.size() == 1);
}

TEST_CASE("One whose request is held is there as long as it is held") {
    RouteReaders readers;
    readers.asked("a", 3, at(0s));
    readers.held("a", at(60s));
    CHECK(readers.seen_by_all(at(119s)) == 3);
    CHECK(readers.seen_by_all(at(120s)) == RouteReaders::all);
}

TEST_CASE("Their number is limited, and who was seen longest ago makes room") {
    RouteReaders readers;
    for (std::size_t i = 0; i < RouteReaders::most + 10; ++i)
        readers.asked("reader " + std::to_string(i), i, at(std::chrono::milliseconds(i)));
    CHECK(readers.size() == RouteReaders::most);
    CHECK(readers.seen_by_all(at(2s)) == 10);
}

TEST_CASE("The generation in an entity tag") {
    CHECK(generation_in("\"18a-42\"", "\"18a-") == 42);
    CHECK(generation_in("W/\"18a-42\"", "\"18a-") == 42);
    CHECK(generation_in("\"x\", \"18a-7\"", "\"18a-") == 7);
    for (const char* text : {"", "*", "\"18b-42\"", "\"18a-\"", "\"18a-4x\"", "\"18a-42", "18a-42"})
        CHECK_FALSE(generation_in(text, "\"18a-"));
}
