#include "shared/nearest.hpp"

#include <doctest/doctest.h>

using namespace pmctl;

TEST_CASE("the nearest word is found where one is near") {
    struct Row {
        const char* word;
        const char* expected;
    };
    const std::vector<std::string> keys = {"command",  "env",  "health.interval",
                                           "hostname", "port", "replicas"};
    const Row rows[] = {{"comand", "command"},
                        {"commnad", "command"},
                        {"COMMAND", "command"},
                        {"replcias", "replicas"},
                        {"hostnames", "hostname"},
                        {"health.intervall", "health.interval"},
                        {"prot", "port"},
                        {"evn", "env"},
                        {"", ""},
                        {"x", ""},
                        {"zzzz", ""},
                        {"completely-else", ""}};
    for (const Row& row : rows) {
        CAPTURE(row.word);
        CHECK(nearest(row.word, keys) == row.expected);
    }
    CHECK(nearest("web", {}).empty());
}

TEST_CASE("of two that are near the nearer one is taken, of two as near the first") {
    CHECK(nearest("webx", {"weby", "webxx", "webx1"}) == "weby");
    CHECK(nearest("shopp", {"shap", "shop"}) == "shop");
}

TEST_CASE("long words cost no more than their lengths") {
    const std::string word(2000, 'a');
    CHECK(nearest(word, {std::string(1990, 'a')}) == std::string(1990, 'a'));
    CHECK(nearest(word, {std::string(2000, 'b')}).empty());
}
