#include "supervisor/core/route_documents.hpp"

#include <fmt/format.h>

#include <iterator>
#include <map>

namespace pmctl {

namespace {

// Ids and hostnames are of letters, digits, "-", "_", "." and ":" (names.hpp): JSON takes them as they are.

std::string without_port(const std::string& hostname) {
    return hostname.substr(0, hostname.find(':'));
}

// By the name that a reader without ports knows: the exact one if there is one, else the first.
std::map<std::string, const RouteRow*> by_bare_name(const std::vector<RouteRow>& rows) {
    std::map<std::string, const RouteRow*> found;
    for (const RouteRow& row : rows) {
        const std::string name = without_port(row.hostname);
        const auto [place, is_new] = found.emplace(name, &row);
        if (!is_new && row.hostname == name) place->second = &row;
    }
    return found;
}

}  // namespace

std::string upstream_text(std::uint16_t port) {
    return fmt::format("{}:{}", upstream_address, port);
}

std::string route_document(const RouteFound& found, std::uint64_t generation) {
    return fmt::format(
        R"({{"hostname":"{}","instance":"{}","address":"{}","port":{},"upstream":"{}:{}","generation":{}}})"
        "\n",
        *found.hostname, *found.instance, upstream_address, found.upstream->port, upstream_address,
        found.upstream->port, generation);
}

std::string routes_document(const std::vector<RouteRow>& rows, std::uint64_t generation) {
    std::string out = fmt::format(R"({{"generation":{},"routes":[)", generation);
    const auto into = std::back_inserter(out);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const RouteRow& row = rows[i];
        fmt::format_to(into, R"({}{{"hostname":"{}","instance":"{}","upstreams":[)", i == 0 ? "" : ",",
                       row.hostname, row.instance);
        for (std::size_t j = 0; j < row.upstreams.size(); ++j) {
            const Upstream& each = row.upstreams[j];
            fmt::format_to(into, R"({}{{"name":"{}","address":"{}","port":{},"upstream":"{}:{}"}})",
                           j == 0 ? "" : ",", each.name, upstream_address, each.port, upstream_address,
                           each.port);
        }
        out += "]}";
    }
    return out += "]}\n";
}

std::string traefik_document(const std::vector<RouteRow>& rows) {
    // Traefik refuses an empty map ("routers cannot be a standalone element"), and keeps what it had.
    if (rows.empty()) return "{}\n";
    std::string routers;
    std::map<std::string, const RouteRow*> services;
    for (const auto& [name, row] : by_bare_name(rows)) {
        fmt::format_to(std::back_inserter(routers), R"j({}"{}":{{"rule":"Host(`{}`)","service":"{}"}})j",
                       routers.empty() ? "" : ",", name, name, row->instance);
        services.emplace(row->instance, row);
    }
    std::string out = fmt::format(R"({{"http":{{"routers":{{{}}},"services":{{)", routers);
    const char* comma = "";
    for (const auto& [instance, row] : services) {
        fmt::format_to(std::back_inserter(out), R"({}"{}":{{"loadBalancer":{{"servers":[)", comma, instance);
        comma = ",";
        for (std::size_t i = 0; i < row->upstreams.size(); ++i) {
            fmt::format_to(std::back_inserter(out), R"({}{{"url":"http://{}:{}"}})", i == 0 ? "" : ",",
                           upstream_address, row->upstreams[i].port);
        }
        out += "]}}";
    }
    return out += "}}}\n";
}

std::string haproxy_document(const std::vector<RouteRow>& rows) {
    std::map<std::string, const RouteRow*> names = by_bare_name(rows);
    for (const RouteRow& row : rows) names[row.hostname] = &row;
    std::string out;
    for (const auto& [name, row] : names) {
        fmt::format_to(std::back_inserter(out), "{} {}\n", name,
                       row->upstreams.empty() ? 0 : row->upstreams.front().port);
    }
    return out;
}

std::string prometheus_document(const std::vector<RouteRow>& rows) {
    struct Served {
        const RouteRow* row;
        std::string hostnames;
    };
    std::map<std::string, Served> instances;
    for (const RouteRow& row : rows) {
        Served& served = instances.try_emplace(row.instance, Served{&row, ""}).first->second;
        served.hostnames += (served.hostnames.empty() ? "" : ",") + row.hostname;
    }
    std::string out = "[";
    const char* comma = "";
    for (const auto& [instance, served] : instances) {
        for (const Upstream& each : served.row->upstreams) {
            fmt::format_to(
                std::back_inserter(out),
                R"({}{{"targets":["{}:{}"],"labels":{{"__meta_pmctl_hostnames":"{}","__meta_pmctl_instance":"{}","__meta_pmctl_name":"{}"}}}})",
                comma, upstream_address, each.port, served.hostnames, instance, each.name);
            comma = ",";
        }
    }
    return out += "]\n";
}

}  // namespace pmctl
