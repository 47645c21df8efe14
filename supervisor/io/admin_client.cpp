#include "supervisor/io/admin_client.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "shared/text_file.hpp"
#include "supervisor/io/admin_answer.hpp"
#include "supervisor/io/admin_url.hpp"
#include "supervisor/io/http_connection.hpp"
#include "supervisor/io/printable.hpp"
#include "supervisor/io/secret_file.hpp"

namespace pmctl {

namespace {

constexpr std::uint64_t max_ca_bytes = std::uint64_t{4}
                                       << 20;  // the system's store has a quarter of a megabyte
constexpr std::size_t max_etag_bytes = 1024;
constexpr std::size_t max_excerpt_bytes = 190;  // of the service's words; "..." may follow

// Fit for a header, and for the store.
bool is_plain_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}
bool is_usable_etag(const std::string& etag) {
    return !etag.empty() && etag.size() <= max_etag_bytes && is_plain_ascii(etag);
}

std::string without(std::string text, const std::string& secret) {
    constexpr std::string_view mask = "***";
    std::string kept;
    std::size_t from = 0;
    for (std::size_t at = 0; (at = text.find(secret, from)) != std::string::npos; from = at + secret.size())
        kept.append(text, from, at - from).append(mask);
    return from == 0 ? text : kept.append(text, from);
}

// ": <the first line>", or nothing where the service says nothing that can be shown.
std::string excerpt(std::string_view body, const std::string& secret) {
    body.remove_prefix(std::min(body.find_first_not_of(" \t\r\n"), body.size()));
    const std::string line(body.substr(0, body.find('\n')));
    // Before it is cut, which might leave a part of the secret.
    const std::string text = short_text(without(line, secret), max_excerpt_bytes);
    return text.empty() ? text : ": " + text;
}

AdminResult failed(std::string why) {
    AdminResult result;
    result.kind = AdminResult::Kind::Failed;
    result.error = std::move(why);
    return result;
}

AdminResult read_success(const AdminCall& call, const HttpReply& reply) {
    AdminResult result;
    switch (call.kind) {
        case AdminCall::Kind::Fetch: {
            auto answer = parse_admin_answer(reply.body);
            if (!answer) return failed(std::move(answer.error().message));
            result.kind = AdminResult::Kind::Answer;
            result.answer = std::move(*answer);
            if (is_usable_etag(reply.etag)) result.etag = reply.etag;
            return result;
        }
        case AdminCall::Kind::Poll: {
            auto event = parse_admin_event(reply.body);
            if (!event) return failed(std::move(event.error().message));
            result.kind = AdminResult::Kind::Event;
            result.event = event->id;
            result.version = std::move(event->version);
            return result;
        }
    }
    return result;
}

AdminResult read_reply(const AdminCall& call, const HttpReply& reply, const std::string& secret) {
    const std::string status = "HTTP " + std::to_string(reply.status);
    if (reply.status == 200) return read_success(call, reply);
    AdminResult result = failed(status + excerpt(reply.body, secret));
    if (reply.status == 401 || reply.status == 403) {
        result.kind = AdminResult::Kind::Refused;
    } else if (reply.status == 404) {
        result.kind = AdminResult::Kind::NotFound;
    } else if (reply.status == 304) {
        const bool is_asked_for = call.kind == AdminCall::Kind::Poll || is_usable_etag(call.etag);
        if (!is_asked_for) return failed("HTTP 304, though the request was not conditional");
        result.kind = AdminResult::Kind::NotModified;
        result.error.clear();
    } else if (reply.status >= 300 && reply.status < 400 && !reply.location.empty()) {
        result.error = status + ": redirects to '" +
                       escaped(without(reply.location, secret), max_excerpt_bytes) +
                       "', which is not followed";
    }
    return result;
}

std::string request_text(const AdminCall& call, const AdminUrl& url, const AdminAccess& access) {
    std::string text = "GET " + url.prefix;
    switch (call.kind) {
        case AdminCall::Kind::Fetch: text += "/api/applications"; break;
        case AdminCall::Kind::Poll: text += "/api/poll?e=" + std::to_string(call.event); break;
    }
    text += " HTTP/1.1\r\nHost: " + url.authority();
    text += "\r\nUser-Agent: pmctld/" PMCTL_VERSION "\r\nAccept: application/json\r\nAuthorization: Bearer " +
            access.secret + "\r\nX-Internal-Secret: " + access.secret + "\r\n";
    if (!access.application_id.empty()) text += "X-Application-Id: " + access.application_id + "\r\n";
    if (call.kind == AdminCall::Kind::Fetch && is_usable_etag(call.etag))
        text += "If-None-Match: " + call.etag + "\r\n";
    return text + "Connection: keep-alive\r\n\r\n";
}

}  // namespace

struct AdminClient::Inner {
    // One kind's calls.
    struct Lane {
        std::unique_ptr<HttpConnection> connection;
        std::uint64_t turn = 0;  // of the call under way: what was posted for an earlier one says nothing
    };

    Inner(Loop& with, Replied on_reply) : loop(with), replied(std::move(on_reply)) {}

    Lane& lane_of(AdminCall::Kind kind) {
        switch (kind) {
            case AdminCall::Kind::Fetch: return fetch;
            case AdminCall::Kind::Poll: return poll;
        }
        return fetch;
    }

    // An answer without a request, in a later turn.
    void refuse(Lane& lane, std::uint64_t number, std::string why) {
        loop.later([this, alive = std::weak_ptr<const char>(life), &lane, turn = lane.turn, number,
                    result = failed(std::move(why))] {
            if (alive.expired() || lane.turn != turn) return;
            reply(number, result);
        });
    }

    void reply(std::uint64_t number, AdminResult result) const {
        // A copy: `this` may be gone before the call returns.
        const Replied to = replied;
        to(number, std::move(result));
    }

    Loop& loop;
    Replied replied;
    std::optional<AdminAccess> access;
    std::string ca_text;
    Lane fetch;
    Lane poll;
    std::shared_ptr<const char> life = std::make_shared<const char>('\0');
};

AdminClient::AdminClient(Loop& loop, Replied replied)
    : inner_(std::make_unique<Inner>(loop, std::move(replied))) {}

AdminClient::~AdminClient() = default;

Result<void> AdminClient::set(const AdminAccess& access) {
    if (auto good = check_secret(access.secret); !good) return good;
    if (!is_plain_ascii(access.application_id))
        return fail(ErrorKind::Invalid, "'admin.application_id' has a character that no header can hold");
    std::string ca_text;
    if (!access.ca_file.empty() && !access.insecure) {
        auto text = read_text_file(access.ca_file, max_ca_bytes);
        if (!text) return tl::unexpected(std::move(text.error()));
        if (text->empty())
            return fail(ErrorKind::Invalid, "'" + access.ca_file + "' holds no certificate (PEM)");
        ca_text = std::move(*text);
    }
    if (inner_->access == access && inner_->ca_text == ca_text) return {};
    auto tls = make_tls_context(ca_text, access.insecure);
    if (!tls) return fail(tls.error().kind, "'" + access.ca_file + "' " + tls.error().message);
    inner_->access = access;
    inner_->ca_text = std::move(ca_text);
    for (Inner::Lane* lane : {&inner_->fetch, &inner_->poll}) {
        ++lane->turn;
        lane->connection = std::make_unique<HttpConnection>(inner_->loop, *tls);
    }
    return {};
}

void AdminClient::call(const AdminCall& call) {
    Inner& inner = *inner_;
    Inner::Lane& lane = inner.lane_of(call.kind);
    ++lane.turn;
    if (!inner.access) return inner.refuse(lane, call.number, "the access to the service is not set up");
    lane.connection->drop();
    const auto url = parse_admin_url(call.url);
    if (!url) return inner.refuse(lane, call.number, url.error().message);
    lane.connection->get({url->is_tls, url->host, url->port}, request_text(call, *url, *inner.access),
                         call.timeout,
                         [inner = inner_.get(), call, secret = inner.access->secret,
                          began = Loop::now().steady](Result<HttpReply> reply) {
                             AdminResult result = reply ? read_reply(call, *reply, secret)
                                                        : failed(std::move(reply.error().message));
                             result.error = without(std::move(result.error), secret);
                             result.latency = Loop::now().steady - began;
                             inner->reply(call.number, std::move(result));
                         });
}

void AdminClient::drop() {
    for (Inner::Lane* lane : {&inner_->fetch, &inner_->poll}) {
        ++lane->turn;
        if (lane->connection) lane->connection->drop();
    }
}

}  // namespace pmctl
