#include "tests/tools/demo_admin_service.hpp"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <array>
#include <charconv>
#include <string_view>

#include "shared/json_text.hpp"

namespace pmctl {

namespace {

constexpr std::size_t huge_bytes = (std::size_t{16} << 20) + 1;  // one more than a supervisor takes
constexpr std::string_view garbage = "\x01\xfe<html>this is not { JSON at all\xff\n";
constexpr std::string_view json_type = "application/json";

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

Digest digest(std::string_view text) {
    Digest result{};
    ::SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), result.data());
    return result;
}

std::string entity_tag(std::string_view body) {
    constexpr std::string_view digits = "0123456789abcdef";
    constexpr std::size_t bytes = 8;
    const Digest whole = digest(body);
    std::string tag = "\"";
    for (std::size_t i = 0; i < bytes; ++i) {
        tag += digits[whole.at(i) >> 4U];
        tag += digits[whole.at(i) & 0xfU];
    }
    return tag + '"';
}

// RFC 9110, section 13.1.2: a list of tags, or "*"; weak and strong ones are the same here.
bool names_tag(std::string_view list, std::string_view tag) {
    return list == "*" || list.find(tag) != std::string_view::npos;
}

std::string event_json(std::uint64_t id) {
    std::string text;
    JsonWriter json(text);
    json.begin_object();
    json.key("id");
    json.number(id);
    json.key("version");
    json.string(PMCTL_VERSION);
    json.end_object();
    return text + '\n';
}

// N of "e=N", other parameters around it allowed.
std::optional<std::uint64_t> wanted_event(std::string_view query) {
    while (!query.empty()) {
        const auto end = query.find('&');
        std::string_view one = query.substr(0, end);
        query = end == std::string_view::npos ? std::string_view{} : query.substr(end + 1);
        if (!one.starts_with("e=")) continue;
        one.remove_prefix(2);
        std::uint64_t number = 0;
        const auto [stop, error] = std::from_chars(one.data(), one.data() + one.size(), number);
        if (error == std::errc{} && stop == one.data() + one.size()) return number;
    }
    return std::nullopt;
}

void write_entry(JsonWriter& json, const DemoApplication& application) {
    const auto text = [&json](std::string_view key, std::string_view value) {
        json.key(key);
        json.string(value);
    };
    json.begin_object();
    text("instanceId", application.id);
    text("appId", application.app);
    text("displayName", application.name);
    text("hostName", application.hostname);
    if (application.db_name) text("dbName", *application.db_name);
    if (!application.env.empty()) {
        json.key("env");
        json.begin_object();
        for (const auto& [name, value] : application.env) text(name, value);
        json.end_object();
    }
    if (application.replicas) {
        json.key("replicas");
        json.number(*application.replicas);
    }
    if (application.enabled) {
        json.key("enabled");
        json.boolean(*application.enabled);
    }
    if (application.version) text("version", *application.version);
    json.end_object();
}

}  // namespace

std::string applications_json(const std::vector<DemoApplication>& applications) {
    std::string text;
    JsonWriter json(text);
    json.begin_object();
    json.key("applications");
    json.begin_array();
    for (const DemoApplication& application : applications) write_entry(json, application);
    json.end_array();
    json.end_object();
    return text + '\n';
}

// Digests have one length, so that not even the length of the right one shows.
bool is_same_secret(std::string_view given, std::string_view wanted) {
    const Digest one = digest(given);
    const Digest other = digest(wanted);
    return CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

Result<void> DemoService::refresh() {
    const auto read = [this]() -> Result<void> {
        const auto newest = store_.newest_event();
        if (!newest) return tl::unexpected(newest.error());
        const auto list = store_.faults();
        if (!list) return tl::unexpected(list.error());
        const auto faults = parse_faults(*list);
        if (!faults) return tl::unexpected(faults.error());
        newest_event_ = *newest;
        fault_list_ = *list;
        faults_ = *faults;
        return {};
    }();
    trouble_ = read ? std::nullopt : std::optional(read.error());
    return read;
}

bool DemoService::is_allowed(const DemoQuestion& question) const {
    if (!rules_.secret) return true;
    constexpr std::string_view scheme = "Bearer ";
    const bool bears = question.authorization.starts_with(scheme);
    const bool by_bearer =
        bears &&
        is_same_secret(std::string_view(question.authorization).substr(scheme.size()), *rules_.secret);
    return by_bearer || is_same_secret(question.internal_secret, *rules_.secret);
}

DemoReply DemoService::plain(unsigned status, std::string text) const {
    return {.status = status, .body = std::move(text) + '\n', .delay = faults_.delay};
}

std::optional<DemoReply> DemoService::fault() const {
    if (trouble_) return plain(500, "the store: " + trouble_->message);
    if (faults_.broken) return plain(500, "a fault that was asked for");
    if (faults_.redirect) {
        DemoReply reply = plain(302, "look elsewhere");
        reply.location = "/elsewhere";
        return reply;
    }
    if (faults_.garbage) {
        DemoReply reply = plain(200, std::string(garbage));
        reply.type = json_type;
        return reply;
    }
    return std::nullopt;
}

std::optional<DemoReply> DemoService::answer(const DemoQuestion& question) {
    const std::string_view target = question.target;
    const auto mark = target.find('?');
    const std::string_view path = target.substr(0, mark);
    if (question.method != "GET") return plain(405, "GET only");
    // For who supervises this service: its faults are not that it is ill.
    if (path == "/api/status")
        return DemoReply{.body = "{\"status\":\"ok\"}\n", .type = std::string(json_type)};
    const bool is_poll = path == "/api/poll";
    if (!is_poll && path != "/api/applications")
        return plain(404, "here are /api/applications, /api/poll and /api/status");
    if (faults_.unauthorized || !is_allowed(question))
        return plain(401, "no secret, or a wrong one: 'Authorization: Bearer SECRET' or 'X-Internal-Secret'");
    if (is_poll && !rules_.with_poll) return plain(404, "there is no /api/poll");
    if (auto reply = fault()) return reply;
    if (is_poll) return poll(mark == std::string_view::npos ? std::string_view{} : target.substr(mark + 1));
    return applications(question);
}

DemoReply DemoService::applications(const DemoQuestion& question) {
    auto found = store_.applications();
    if (!found) return plain(500, "the store: " + found.error().message);
    if (faults_.empty) found->clear();
    if (faults_.duplicate) {
        // Where there is none to be doubled, one is made up.
        if (found->empty()) found->push_back({.id = "duplicate", .app = "duplicate", .name = "duplicate"});
        found->push_back(found->front());
    }
    DemoReply reply = plain(200, "");
    reply.type = json_type;
    reply.body = applications_json(*found);
    if (faults_.huge) reply.body.insert(reply.body.size() - 1, huge_bytes, ' ');  // valid but for its size
    reply.cut = faults_.cut;
    if (rules_.with_etag) {
        reply.etag = entity_tag(reply.body);
        if (names_tag(question.if_none_match, reply.etag)) {
            reply.status = 304;
            reply.body.clear();
            reply.cut = false;
        }
    }
    return reply;
}

std::optional<DemoReply> DemoService::poll(std::string_view query) const {
    const auto wanted = wanted_event(query);
    if (!wanted)
        return plain(400, "'e' is missing or no number: /api/poll?e=N, the last seen event's id + 1");
    // The last seen one is N - 1.
    if (faults_.lower_id) {
        DemoReply reply = plain(200, "");
        reply.type = json_type;
        reply.body = event_json(*wanted < 2 ? 0 : *wanted - 2);
        return reply;
    }
    // Who has seen more than there ever was has seen another store: this one was reset, which it would not
    // hear of before so many events have happened again.
    const bool is_ahead = *wanted > newest_event_ + 1;
    if (newest_event_ < *wanted && !is_ahead) return std::nullopt;
    DemoReply reply = plain(200, "");
    reply.type = json_type;
    reply.body = event_json(newest_event_);
    return reply;
}

DemoReply DemoService::hold_over() const {
    DemoReply reply = plain(304, "nothing new");
    reply.stray = faults_.stray_body;
    return reply;
}

}  // namespace pmctl
