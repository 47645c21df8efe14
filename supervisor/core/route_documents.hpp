// The route table in the forms that its readers take: pmctl's own JSON, Traefik's HTTP provider, HAProxy's
// maps, Prometheus' HTTP discovery. Sorted and the same to the byte for the same table, since readers compare
// hashes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "supervisor/core/routes.hpp"

namespace pmctl {

// "127.0.0.1:30001".
std::string upstream_text(std::uint16_t port);

// {"hostname","instance","address","port","upstream","generation"}
std::string route_document(const RouteFound& found, std::uint64_t generation);
// {"generation","routes":[{"hostname","instance","upstreams":[{"name","address","port","upstream"}]}]}
std::string routes_document(const std::vector<RouteRow>& rows, std::uint64_t generation);
// A router a host and a service an instance; one that has no healthy run has no servers, which Traefik
// answers with 503. Its Host() rules know no ports: of several that differ in that alone the first one
// counts.
std::string traefik_document(const std::vector<RouteRow>& rows);
// "shop.localhost 30001" a line, 0 where none is healthy; a host that was configured with a port is there
// without it as well.
std::string haproxy_document(const std::vector<RouteRow>& rows);
// One target group a replica, with the labels __meta_pmctl_instance, _name and _hostnames (with commas).
std::string prometheus_document(const std::vector<RouteRow>& rows);

}  // namespace pmctl
