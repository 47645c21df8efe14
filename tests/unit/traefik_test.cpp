// The document for Traefik's HTTP provider, held to its published form: the dynamic configuration of the file
// provider (https://doc.traefik.io/traefik/providers/http/), with what its decoder refuses.
#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <string>

#include "supervisor/core/route_documents.hpp"

namespace json = boost::json;
using namespace pmctl;

namespace {

// What Traefik would say against it, "" for nothing.
std::string refused(const std::string& document) {
    const json::value parsed = json::parse(document);
    const json::object& root = parsed.as_object();
    if (root.empty()) return "";  // no configuration at all is one
    if (root.size() != 1 || !root.contains("http")) return "unknown section";
    const json::object& http = root.at("http").as_object();
    for (const auto& [key, value] : http) {
        if (key != "routers" && key != "services") return "field not found, node: " + std::string(key);
        if (value.as_object().empty()) return std::string(key) + " cannot be a standalone element";
    }
    const json::object& services = http.at("services").as_object();
    for (const auto& [name, service] : services) {
        if (name.find('@') != json::string_view::npos) return "a name with a provider in it";
        const json::object& balancer = service.as_object().at("loadBalancer").as_object();
        if (service.as_object().size() != 1 || balancer.size() != 1) return "field not found in a service";
        for (const json::value& server : balancer.at("servers").as_array()) {
            if (server.as_object().size() != 1) return "field not found in a server";
            if (!server.at("url").as_string().starts_with("http://127.0.0.1:")) return "no url";
        }
    }
    for (const auto& [name, router] : http.at("routers").as_object()) {
        if (name.find('@') != json::string_view::npos) return "a name with a provider in it";
        const json::object& fields = router.as_object();
        if (fields.size() != 2) return "field not found in a router";
        // Host takes names without ports: the port of the Host header is not looked at.
        const std::string rule(fields.at("rule").as_string());
        if (!rule.starts_with("Host(`") || !rule.ends_with("`)") || rule.find(':') != std::string::npos)
            return "rule: " + rule;
        if (!services.contains(fields.at("service").as_string())) return "the service does not exist";
    }
    return "";
}

}  // namespace

TEST_CASE("What Traefik reads is what its HTTP provider takes") {
    const Upstream one{"web", 0, 30000};
    const Upstream two{"web:1", 1, 30001};
    CHECK(refused(traefik_document({})) == "");
    CHECK(refused(traefik_document({{"web.test", "web", {one}}})) == "");
    CHECK(refused(traefik_document({{"web.test", "web", {}}})) == "");
    CHECK(refused(traefik_document({{"a.test", "web", {one, two}},
                                    {"b.test:8443", "web", {one, two}},
                                    {"b.test", "other", {}},
                                    {"c.test:1", "x.y:z", {one}}})) == "");
}

TEST_CASE("The check finds what is wrong") {
    const auto with = [](const std::string& host, const std::string& service) {
        return R"j({"http":{"routers":{"a":{"rule":"Host(`)j" + host + R"j(`)","service":")j" + service +
               R"j("}},"services":{"s":{"loadBalancer":{"servers":[]}}}}})j";
    };
    CHECK(refused(with("a", "s")) == "");
    CHECK(refused(with("a:1", "s")) == "rule: Host(`a:1`)");
    CHECK(refused(with("a", "t")) == "the service does not exist");
    CHECK(refused(R"j({"http":{"routers":{},"services":{}}})j") == "routers cannot be a standalone element");
}
