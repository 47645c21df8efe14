#include "supervisor/core/routes.hpp"

#include <doctest/doctest.h>

#include <utility>

namespace pmctl::test {

namespace {

Upstream at(std::uint16_t port, std::uint32_t replica = 0) {
    return {"web" + (replica == 0 ? std::string() : ":" + std::to_string(replica)), replica, port};
}

// The port that a question is answered with; 0: known, none healthy; -1: unknown.
int ask(RouteTable& table, std::string_view host) {
    const RouteFound found = table.find(host);
    if (found.hostname == nullptr) return -1;
    return found.upstream == nullptr ? 0 : found.upstream->port;
}

}  // namespace

TEST_CASE("A host is found in any case, with a final dot, with and without a port") {
    RouteTable table;
    table.set_hosts("web", {"shop.localhost"}, false);
    table.set_hosts("login", {"login.acme.localhost:8443"}, false);
    table.set_upstream("web", 0, at(30001));
    table.set_upstream("login", 0, at(30002));

    struct Row {
        std::string_view host;
        int port;
    };
    for (const Row& row : {Row{"shop.localhost", 30001},
                           {"SHOP.LocalHost", 30001},
                           {"shop.localhost.", 30001},
                           {"shop.localhost:80", 30001},
                           {"shop.localhost.:8443", 30001},
                           {"login.acme.localhost:8443", 30002},
                           {"Login.Acme.localhost.:8443", 30002},
                           {"login.acme.localhost", 30002},
                           {"login.acme.localhost.", 30002},
                           {"login.acme.localhost:9443", -1},
                           {"acme.localhost", -1},
                           {"shop.localhost..", -1},
                           {"", -1},
                           {".", -1},
                           {":", -1},
                           {":80", -1},
                           {"[::1]:80", -1}}) {
        CAPTURE(row.host);
        CHECK(ask(table, row.host) == row.port);
    }
    CHECK(ask(table, std::string(100'000, 'a')) == -1);
    CHECK(ask(table, std::string("shop.localhost\0x", 16)) == -1);
}

TEST_CASE("A name with several ports leads, without one, to the first of them, until that is gone") {
    RouteTable table;
    table.set_hosts("b", {"a.test:9000"}, false);
    table.set_hosts("a", {"a.test:8000"}, false);
    table.set_upstream("b", 0, at(2));
    table.set_upstream("a", 0, at(1));
    CHECK(ask(table, "a.test") == 1);
    table.forget("a");
    CHECK(ask(table, "a.test") == 2);
    CHECK(ask(table, "a.test:8000") == -1);
    table.set_hosts("c", {"a.test"}, false);
    CHECK(ask(table, "a.test") == 0);
    CHECK(ask(table, "a.test:9000") == 2);
    table.forget("c");
    table.forget("b");
    CHECK(ask(table, "a.test") == -1);
}

TEST_CASE("The generation rises with each change of the table and with nothing else") {
    RouteTable table;
    std::uint64_t before = table.generation();
    const auto rises = [&] { return std::exchange(before, table.generation()) != table.generation(); };

    table.set_upstream("web", 0, at(1));  // no hostname yet: not in the table
    CHECK_FALSE(rises());
    table.set_hosts("web", {"web.test"}, false);
    CHECK(rises());
    CHECK(ask(table, "web.test") == 1);
    table.set_hosts("web", {"web.test"}, false);
    CHECK_FALSE(rises());
    table.set_upstream("web", 0, at(1));
    CHECK_FALSE(rises());
    ask(table, "web.test");
    CHECK_FALSE(rises());
    table.set_upstream("web", 0, at(2));
    CHECK(rises());
    table.set_upstream("web", 1, std::nullopt);
    CHECK_FALSE(rises());
    table.set_upstream("web", 0, std::nullopt);
    CHECK(rises());
    CHECK(ask(table, "web.test") == 0);
    table.set_hosts("web", {"other.test"}, false);
    CHECK(rises());
    CHECK(ask(table, "web.test") == -1);
    table.set_hosts("web", {}, false);
    CHECK(rises());
    table.set_upstream("web", 0, at(3));
    CHECK_FALSE(rises());
    table.forget("web");
    CHECK_FALSE(rises());
    table.forget("never there");
    CHECK_FALSE(rises());
}

TEST_CASE("Replicas take turns, however many come and go") {
    RouteTable table;
    table.set_hosts("web", {"web.test"}, false);
    for (const std::uint32_t replica : {2U, 0U, 1U})
        table.set_upstream("web", replica, at(static_cast<std::uint16_t>(100 + replica), replica));
    std::vector<int> seen;
    for (int i = 0; i < 6; ++i) seen.push_back(ask(table, "web.test"));
    CHECK(seen == std::vector<int>{100, 101, 102, 100, 101, 102});
    table.set_upstream("web", 1, std::nullopt);
    for (int i = 0; i < 4; ++i) CHECK(ask(table, "web.test") != 101);
    REQUIRE(table.rows().size() == 1);
    CHECK(table.rows()[0].upstreams == std::vector<Upstream>{at(100), at(102, 2)});
}

TEST_CASE("A hostname that moves to another instance leads there, and stays when its old owner goes") {
    RouteTable table;
    table.set_hosts("old", {"shop.test"}, false);
    table.set_upstream("old", 0, at(1));
    table.set_hosts("new", {"shop.test"}, true);
    table.set_upstream("new", 0, at(2));
    CHECK(ask(table, "shop.test") == 2);
    CHECK(table.find("shop.test").on_demand);
    table.set_hosts("old", {}, false);
    CHECK(ask(table, "shop.test") == 2);
    table.forget("old");
    CHECK(ask(table, "shop.test") == 2);
    // And back again, though its list did not change.
    table.set_hosts("old", {"shop.test"}, false);
    table.set_hosts("new", {"shop.test"}, true);
    table.set_hosts("old", {"shop.test"}, false);
    CHECK(ask(table, "shop.test") == 0);
}

TEST_CASE("The rows are sorted by hostname, and one row is the same as in the whole") {
    RouteTable table;
    table.set_hosts("b", {"z.test", "a.test"}, false);
    table.set_hosts("a", {"m.test"}, false);
    table.set_upstream("b", 0, at(7));
    const auto rows = table.rows();
    REQUIRE(rows.size() == 3);
    CHECK(rows[0].hostname == "a.test");
    CHECK(rows[1].hostname == "m.test");
    CHECK(rows[1].upstreams.empty());
    CHECK(rows[2].hostname == "z.test");
    CHECK(table.row("Z.test:1") == rows[2]);
    CHECK_FALSE(table.row("y.test"));
}

}  // namespace pmctl::test
