// Which hostname leads where: hostname → upstreams, as a numbered table. Which runs may be in it, and when
// one leaves it, is the Supervisor's to say; how it is shown to proxies is route_documents.hpp's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace pmctl {

// Where a run listens, on loopback.
struct Upstream {
    std::string name;  // of the replica, as shown
    std::uint32_t replica = 0;
    std::uint16_t port = 0;

    bool operator==(const Upstream&) const = default;
};

// Every upstream is at this address.
constexpr std::string_view upstream_address = "127.0.0.1";

// What is known of a hostname. The pointers are good until the table changes.
struct RouteFound {
    const std::string* hostname = nullptr;  // as configured; null: nobody has it
    const std::string* instance = nullptr;
    const Upstream* upstream = nullptr;  // null: none is healthy
    bool on_demand = false;              // the Supervisor wants to hear of the question
};

// One hostname with all that it leads to.
struct RouteRow {
    std::string hostname;
    std::string instance;
    std::vector<Upstream> upstreams;  // by replica; empty: known, none is healthy

    bool operator==(const RouteRow&) const = default;
};

class RouteTable {
  public:
    // Rises with each change of what rows() says, and with nothing else.
    std::uint64_t generation() const { return generation_; }
    std::size_t size() const { return hosts_.size(); }

    // The hostnames of an instance, in place of those it had: lower case, no final dot, a port after a colon
    // where one was configured. A hostname is with the instance that was given it last.
    void set_hosts(const std::string& instance, const std::vector<std::string>& hostnames, bool on_demand);
    // Where one replica of it is to be reached; nothing: nowhere.
    void set_upstream(const std::string& instance, std::uint32_t replica,
                      const std::optional<Upstream>& upstream);
    void forget(const std::string& instance);

    // `host` as a client sends it: in any case, with or without a final dot. One that was configured with a
    // port is found with that port and with none, one without a port with any. Several replicas take turns.
    // What this costs does not grow with the table.
    RouteFound find(std::string_view host);
    // Those of one host alone, however many replicas there are.
    std::optional<RouteRow> row(std::string_view host) const;
    std::vector<RouteRow> rows() const;  // by hostname

  private:
    struct Entry {
        std::string instance;
        std::vector<std::string> hostnames;
        std::vector<Upstream> upstreams;  // by replica
        std::size_t turn = 0;
        bool on_demand = false;
    };
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
    };
    template <class Value>
    using Table = std::unordered_map<std::string, Value, Hash, std::equal_to<>>;

    void drop_host(const Entry& entry, const std::string& hostname);
    // The place of the configured name that this host means; end() for none.
    Table<Entry*>::const_iterator place_of(std::string_view host) const;

    std::uint64_t generation_ = 1;
    Table<Entry> entries_;  // by instance
    Table<Entry*> hosts_;
    Table<std::set<std::string>> with_ports_;  // "a.example" → {"a.example:8443"}
};

}  // namespace pmctl
