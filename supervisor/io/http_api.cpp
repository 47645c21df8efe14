#include "supervisor/io/http_api.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "supervisor/core/route_documents.hpp"
#include "supervisor/io/event_streams.hpp"
#include "supervisor/io/http_query.hpp"
#include "supervisor/io/http_server.hpp"
#include "supervisor/io/process_figures.hpp"
#include "supervisor/io/route_readers.hpp"
#include "supervisor/io/timer.hpp"
#include "supervisor/metrics.hpp"
#include "supervisor/views.hpp"

namespace pmctl {

namespace {

constexpr Duration first_retry = std::chrono::seconds(1);
constexpr Duration last_retry = std::chrono::seconds(30);
constexpr std::string_view text_type = "text/plain; charset=utf-8";
constexpr std::string_view metrics_type = "text/plain; version=0.0.4; charset=utf-8";

// Forms of the route table.
enum class Form { Routes, Traefik, Haproxy, Prometheus };
constexpr std::size_t forms = 4;

std::string_view type_of(Form form) {
    return form == Form::Haproxy ? text_type : "application/json";
}

std::string document(Form form, const RouteTable& table) {
    switch (form) {
        case Form::Routes: return routes_document(table.rows(), table.generation());
        case Form::Traefik: return traefik_document(table.rows());
        case Form::Haproxy: return haproxy_document(table.rows());
        case Form::Prometheus: return prometheus_document(table.rows());
    }
    return "";
}

// Who asks for the table to lead requests by it, as far as it says. Prometheus leads nobody.
std::string reader_of(const HttpRequest& request, Form form) {
    if (form == Form::Prometheus) return "";
    return fmt::format("{} {} {}", request.path, query_value(request.query, "reader").value_or(""),
                       request.user_agent);
}

HttpResponse plain(int status, std::string body) {
    return {status, text_type, "", std::move(body), nullptr};
}

// A question for one host. For nginx' auth_request, which knows 2xx, 401 and 403 alone, a missing route has
// those.
struct Question {
    std::string host;
    bool auth_request = false;
};

HttpResponse answer_to(const Question& question, const RouteFound& found, std::uint64_t generation) {
    if (found.upstream != nullptr) {
        HttpResponse response;
        response.body = route_document(found, generation);
        response.headers = fmt::format("X-Upstream: {}:{}\r\n{}", upstream_address, found.upstream->port,
                                       question.auth_request ? "X-Route-Status: 200\r\n" : "");
        return response;
    }
    const bool known = found.hostname != nullptr;
    const int status = question.auth_request ? (known ? 403 : 401) : (known ? 503 : 404);
    HttpResponse response =
        known ? http_error(status, fmt::format("'{}' is not healthy at the moment", *found.instance))
              : http_error(status, "no instance has this hostname");
    if (question.auth_request)
        response.headers += known ? "X-Route-Status: 503\r\n" : "X-Route-Status: 404\r\n";
    if (known) response.headers += "Retry-After: 1\r\n";
    return response;
}

}  // namespace

struct HttpApi::Inner {
    using Ticket = HttpServer::Ticket;
    // A request that waits for the table to change.
    struct Waiting {
        Form form = Form::Routes;
        std::string reader;  // "" for one that leads nobody
    };
    struct Cached {
        std::uint64_t generation = 0;  // 0: none
        std::shared_ptr<const std::string> text;
    };

    Inner(Loop& loop, Supervisor& supervisor, Effects& effects, HttpApiSettings settings,
          std::function<void(const std::string&)> tell)
        : loop_(loop),
          supervisor_(supervisor),
          effects_(effects),
          settings_(std::move(settings)),
          tell_(std::move(tell)),
          started_(Loop::now()),
          timer_(loop, [this] { open(); }) {}

    void open();
    void asked(Ticket ticket, const HttpRequest& request);
    void time_is_up(Ticket ticket);
    void lost(Ticket ticket);
    void changed();

    void on_question(Ticket ticket, Question question);
    void on_table(Ticket ticket, const HttpRequest& request, Form form);
    void on_events(Ticket ticket, const HttpRequest& request);
    HttpResponse instances(const std::optional<std::string>& id) const;
    HttpResponse table(Form form);
    HttpResponse metrics();
    std::string etag_prefix() const;
    std::string etag() const;
    // It has what it names, and may have been the last one to get it.
    void note_reader(const std::string& reader, const HttpRequest& request);

    Loop& loop_;
    Supervisor& supervisor_;
    Effects& effects_;
    HttpApiSettings settings_;
    std::function<void(const std::string&)> tell_;
    Now started_;
    Timer timer_;
    Duration retry_{};
    Descriptor listening_;  // until the server has it
    std::optional<HttpServer> server_;
    std::array<Cached, forms> cached_;
    std::map<Ticket, Waiting> waiting_;  // for the table to change
    RouteReaders readers_;
    std::map<Ticket, Question> questions_;  // for a run to be healthy
    std::optional<EventStreams> streams_;
    std::uint64_t told_generation_ = 0;
};

void HttpApi::Inner::open() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    // Runs need descriptors, too.
    HttpServer::Limits limits;
    limits.connections = std::min<std::size_t>(limits.connections, limit.rlim_cur / 4);
    auto server = HttpServer::listen(
        loop_, settings_.listen, limits,
        {[this](Ticket ticket, const HttpRequest& request) { asked(ticket, request); },
         [this](Ticket ticket) { time_is_up(ticket); }, [this](Ticket ticket) { lost(ticket); },
         [this](Ticket ticket) { streams_->drained(ticket); }},
        std::move(listening_));
    if (!server) {
        if (retry_ == Duration::zero()) tell_(server.error().message + "; trying again until it can");
        retry_ = std::clamp(retry_ * 2, first_retry, last_retry);
        return timer_.set(Loop::now().steady + retry_);
    }
    server_.emplace(std::move(*server));
    streams_.emplace(*server_, supervisor_.journal());
    told_generation_ = supervisor_.routes().generation();
    if (std::exchange(retry_, Duration::zero()) != Duration::zero())
        tell_("[http] listens on '" + settings_.listen + "' now");
}

void HttpApi::Inner::asked(Ticket ticket, const HttpRequest& request) {
    const std::string_view path = request.path;
    const auto rest_of = [&](std::string_view prefix) {
        return path.starts_with(prefix) ? percent_decoded(path.substr(prefix.size())) : std::nullopt;
    };
    if (path == "/v1/resolve") {
        const std::string_view host = request.forwarded_host.empty() ? request.host : request.forwarded_host;
        // A chain of proxies: the first one is the client's.
        return on_question(ticket, {std::string(host.substr(0, host.find(','))),
                                    query_value(request.query, "auth_request").value_or("0") == "1"});
    }
    if (const auto host = rest_of("/v1/routes/")) return on_question(ticket, {*host, false});
    if (path == "/v1/routes") return on_table(ticket, request, Form::Routes);
    if (path == "/v1/proxies/traefik") return on_table(ticket, request, Form::Traefik);
    if (path == "/v1/proxies/haproxy.map") return on_table(ticket, request, Form::Haproxy);
    if (path == "/v1/sd/prometheus") return on_table(ticket, request, Form::Prometheus);
    if (path == "/v1/events") return on_events(ticket, request);
    if (path == "/v1/instances") return server_->reply(ticket, instances(std::nullopt));
    if (const auto id = rest_of("/v1/instances/")) return server_->reply(ticket, instances(id));
    if (path == "/metrics") return server_->reply(ticket, metrics());
    if (path == "/healthz") return server_->reply(ticket, plain(200, "ok\n"));
    if (path == "/readyz") {
        const char* why_not = !supervisor_.applied()    ? "the first configuration is being applied\n"
                              : supervisor_.finishing() ? "the supervisor is stopping\n"
                                                        : nullptr;
        return server_->reply(ticket, why_not == nullptr ? plain(200, "ok\n") : plain(503, why_not));
    }
    server_->reply(ticket, http_error(404, "there is nothing here; pmctld(8) lists the paths"));
}

void HttpApi::Inner::on_question(Ticket ticket, Question question) {
    while (question.host.ends_with(' ')) question.host.pop_back();
    if (question.host.empty())
        return server_->reply(ticket, http_error(400, "for which host? say it in X-Forwarded-Host or Host"));
    const RouteAnswer answer = supervisor_.ask_route(question.host, Loop::now());
    if (answer.found.upstream == nullptr && answer.hold_until != TimePoint{}) {
        questions_[ticket] = std::move(question);
        return server_->hold(ticket, answer.hold_until);
    }
    server_->reply(ticket, answer_to(question, answer.found, supervisor_.routes().generation()));
}

void HttpApi::Inner::on_table(Ticket ticket, const HttpRequest& request, Form form) {
    Duration wait{};
    if (const auto text = query_value(request.query, "wait")) {
        const auto parsed = parse_duration(*text);
        if (!parsed || *parsed < Duration::zero())
            return server_->reply(
                ticket, http_error(400, "wait = '" + *text + "': a duration such as 30s is wanted"));
        wait = std::min(*parsed, max_wait);
    }
    const std::string reader = reader_of(request, form);
    if (!reader.empty()) note_reader(reader, request);
    if (!matches_etag(request.if_none_match, etag())) {
        readers_.answered(reader, supervisor_.routes().generation(), Loop::now().steady);
        return server_->reply(ticket, table(form));
    }
    if (wait == Duration::zero() || supervisor_.finishing()) {
        HttpResponse same;
        same.status = 304;
        same.headers = "ETag: " + etag() + "\r\n";
        return server_->reply(ticket, same);
    }
    const TimePoint until = Loop::now().steady + wait;
    readers_.held(reader, until);
    waiting_[ticket] = {form, reader};
    server_->hold(ticket, until);
}

void HttpApi::Inner::on_events(Ticket ticket, const HttpRequest& request) {
    const auto number = [](std::string_view text) -> std::optional<std::uint64_t> {
        if (text.empty() || text.size() > 18) return std::nullopt;
        std::uint64_t value = 0;
        for (const char c : text) {
            if (c < '0' || c > '9') return std::nullopt;
            value = value * 10 + static_cast<std::uint64_t>(c - '0');
        }
        return value;
    };
    const auto last = query_value(request.query, "last");
    const auto from = number(request.last_event_id);
    if ((!request.last_event_id.empty() && !from) || (last && !number(*last)))
        return server_->reply(ticket, http_error(400, "Last-Event-ID and 'last' are numbers"));
    if (!server_->stream(ticket)) return;
    streams_->add(ticket, from, last ? *number(*last) : 0);
}

HttpResponse HttpApi::Inner::instances(const std::optional<std::string>& id) const {
    Targets targets;
    if (id) targets.names.push_back(*id);
    const auto members = supervisor_.roster().resolve(targets, true);
    if (!members) return http_error(404, members.error().message);
    const Now now = Loop::now();
    const GroupLimits& limits = effects_.group_limits();
    std::vector<StatusRow> rows;
    for (const Member* each : *members) rows.push_back(row_of(supervisor_, *each, limits, now));
    HttpResponse response;
    response.body = status_json(rows) + "\n";
    return response;
}

// Another supervisor counts anew, and its table may be another with the same number.
std::string HttpApi::Inner::etag_prefix() const {
    return fmt::format("\"{:x}-", started_.wall.time_since_epoch().count());
}

std::string HttpApi::Inner::etag() const {
    return fmt::format("{}{}\"", etag_prefix(), supervisor_.routes().generation());
}

void HttpApi::Inner::note_reader(const std::string& reader, const HttpRequest& request) {
    readers_.asked(reader, generation_in(request.if_none_match, etag_prefix()), Loop::now().steady);
    // Once this request has been answered: what follows from it may change the table again.
    if (supervisor_.draining()) loop_.later([this] { supervisor_.routes_read(Loop::now()); });
}

HttpResponse HttpApi::Inner::table(Form form) {
    const RouteTable& routes = supervisor_.routes();
    Cached& cached = cached_.at(static_cast<std::size_t>(form));
    if (cached.generation != routes.generation())
        cached = {routes.generation(), std::make_shared<const std::string>(document(form, routes))};
    return {200, type_of(form), "ETag: " + etag() + "\r\nCache-Control: no-cache\r\n", "", cached.text};
}

HttpResponse HttpApi::Inner::metrics() {
    ProcessFigures figures = process_figures();
    figures.started_at = started_.wall;
    figures.http_connections = server_->connections();
    figures.route_readers = readers_.size();
    figures.routes_seen = readers_.seen_by_all(Loop::now().steady);
    return {200, metrics_type, "", metrics_of(supervisor_, figures, settings_.version, Loop::now()), nullptr};
}

void HttpApi::Inner::time_is_up(Ticket ticket) {
    if (waiting_.erase(ticket) != 0) {
        HttpResponse same;
        same.status = 304;
        same.headers = "ETag: " + etag() + "\r\n";
        return server_->reply(ticket, same);
    }
    const auto place = questions_.find(ticket);
    if (place == questions_.end()) return;
    const Question question = std::move(place->second);
    questions_.erase(place);
    const RouteAnswer answer = supervisor_.ask_route(question.host, Loop::now());
    server_->reply(ticket, answer_to(question, answer.found, supervisor_.routes().generation()));
}

void HttpApi::Inner::lost(Ticket ticket) {
    waiting_.erase(ticket);
    questions_.erase(ticket);
    streams_->forget(ticket);
}

void HttpApi::Inner::changed() {
    if (!server_) return;
    streams_->changed();
    const std::uint64_t generation = supervisor_.routes().generation();
    const bool moved = std::exchange(told_generation_, generation) != generation;
    if (moved || supervisor_.finishing()) {
        for (const auto& [ticket, each] : std::exchange(waiting_, {})) {
            readers_.answered(each.reader, generation, Loop::now().steady);
            server_->reply(ticket, table(each.form));
        }
    }
    if (questions_.empty()) return;
    // One that cannot come any more (an operator's stop, a reload) is answered as well.
    for (auto& [ticket, question] : std::exchange(questions_, {})) on_question(ticket, std::move(question));
}

HttpApi::HttpApi(Loop& loop, Supervisor& supervisor, Effects& effects, HttpApiSettings settings,
                 std::function<void(const std::string&)> tell, Descriptor listening)
    : inner_(std::make_unique<Inner>(loop, supervisor, effects, std::move(settings), std::move(tell))) {
    inner_->listening_ = std::move(listening);
    if (!inner_->settings_.listen.empty()) inner_->open();
}

HttpApi::~HttpApi() = default;

void HttpApi::changed() {
    inner_->changed();
}

std::uint16_t HttpApi::port() const {
    return inner_->server_ ? inner_->server_->port() : std::uint16_t{0};
}

void HttpApi::let_in(bool open) {
    if (inner_->server_) inner_->server_->let_in(open);
}

int HttpApi::listening() const {
    return inner_->server_ ? inner_->server_->listening() : -1;
}

std::uint64_t HttpApi::routes_seen() const {
    return inner_->readers_.seen_by_all(Loop::now().steady);
}

std::size_t HttpApi::held() const {
    return inner_->waiting_.size() + inner_->questions_.size();
}

}  // namespace pmctl
