#include "cli/follow.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "cli/output.hpp"

namespace pmctl {

namespace {

constexpr Duration longest_ask = std::chrono::seconds(30);
// Beyond, all rows are asked for: a request of many names costs the supervisor a look through them for each
// row.
constexpr std::size_t most_names = 100;
constexpr std::size_t most_failures = 10;  // shown with their logs

std::string word_on(const Waiting::Item& item) {
    if (item.gone) return "'" + item.name + "' is no longer configured";
    if (item.row.name.empty()) return "'" + item.name + "'";
    return what_is_wrong(item.row);
}

// In a reply with all rows, what has none is gone.
void add_gone(const Waiting& waiting, StatusReply& reply) {
    std::unordered_set<std::string_view> there;
    for (const StatusRow& row : reply.rows) there.insert(row.name);
    for (std::string& name : waiting.open_names()) {
        if (!there.contains(name)) reply.gone.push_back(std::move(name));
    }
}

std::string words_on(const Waiting& waiting, Verdict verdict) {
    std::string text;
    for (const Waiting::Item& item : waiting.items()) {
        if (item.verdict == verdict) text += (text.empty() ? "" : "; ") + word_on(item);
    }
    return text;
}

// What is under way changes yet, and that is told: first only the others are looked at, where they are few.
// Their rows, or nothing where everything is to be looked at.
std::optional<StatusReply> first_look(Client& client, const Waiting& waiting) {
    // On another connection another program may answer, whose generations are others.
    if (waiting.asked_at() == 0 || client.connections() > 1) return std::nullopt;
    StatusRequest request;
    request.targets.names = waiting.names_at_rest();
    StatusReply none;
    none.generation = waiting.asked_at();
    if (request.targets.names.empty()) return none;
    if (request.targets.names.size() > most_names) return std::nullopt;
    auto reply = client.ask_for<StatusReply>(request);
    if (!reply) return std::nullopt;  // one may be gone; all that there is tells which
    if (client.connections() > 1) return std::nullopt;
    reply->generation = waiting.asked_at();
    return std::move(*reply);
}

}  // namespace

Result<void> follow(Client& client, Waiting& waiting, std::optional<Duration> timeout,
                    const std::function<void(const std::vector<const Waiting::Item*>&)>& decided) {
    const Duration limit = timeout.value_or(default_timeout);
    const auto until = std::chrono::steady_clock::now() + limit;
    StatusRequest request;
    if (waiting.items().size() <= most_names) request.targets.names = waiting.names();
    const auto take = [&](const StatusReply& reply) {
        std::vector<const Waiting::Item*> now;
        for (const std::size_t index : waiting.update(reply)) now.push_back(&waiting.items()[index]);
        if (!now.empty()) decided(now);
        request.since = reply.generation;
    };
    if (const auto looked = first_look(client, waiting)) take(*looked);
    while (!waiting.is_over()) {
        const Duration left =
            limit == Duration::zero() ? longest_ask : until - std::chrono::steady_clock::now();
        const bool time_is_up = request.since != 0 && left <= Duration::zero();
        // What is told then is what is: not all of it need have been seen.
        if (time_is_up) request.since = 0;
        request.wait = request.since == 0 ? Duration::zero() : std::min(left, longest_ask);
        const std::uint64_t before = client.connections();
        auto reply = client.ask_for<StatusReply>(request);
        // Another program was asked, for everything: the number says nothing to it.
        if (client.connections() != before) request.since = 0;
        if (!reply && reply.error().kind == ErrorKind::NotFound && !request.targets.names.empty()) {
            // One of them was gone before it could be asked about: then all that there is tells which.
            request.targets.names.clear();
            reply = client.ask_for<StatusReply>(request);
        }
        if (!reply) return tl::unexpected(reply.error());
        if (request.since == 0) add_gone(waiting, *reply);
        take(*reply);
        if (time_is_up && !waiting.is_over()) {
            return fail(ErrorKind::Timeout, "timed out after " + format_duration(limit) + ": " +
                                                words_on(waiting, Verdict::Open));
        }
    }
    return {};
}

Error failure_of(const Waiting& waiting) {
    return {ErrorKind::Failed, words_on(waiting, Verdict::Failed)};
}

void tell_failures(Session& session, Client& client, const Waiting& waiting) {
    std::size_t told = 0;
    for (const Waiting::Item& item : waiting.items()) {
        if (item.verdict != Verdict::Failed) continue;
        session.say(word_on(item));
        if (item.gone || ++told > most_failures) continue;
        LogsRequest request;
        request.targets.names = {item.name};
        request.lines = 5;
        std::string text;
        if (const auto logs = client.ask_for<LogsReply>(request)) {
            for (const LogLine& line : logs->lines) text += "  | " + printable(line.text) + "\n";
        }
        if (!text.empty()) session.say("its last lines:\n" + text.substr(0, text.size() - 1));
        session.say("more: pmctl why " + item.name);
    }
}

Result<int> follow_and_tell(Session& session, Client& client, Waiting& waiting) {
    const bool json = session.args().json;
    const auto print = [&](const std::vector<const Waiting::Item*>& decided) {
        for (const Waiting::Item* item : decided) {
            if (json || item->verdict != Verdict::Done) continue;
            session.print(item->gone ? item->name + "  gone\n" : outcome_line(item->row, session.style()));
        }
        session.flush();
    };
    const auto over = follow(client, waiting, session.args().timeout, print);
    if (json) session.print(status_json(waiting.rows()) + "\n");
    if (!over) {
        // What failed while the rest was waited for is not to be left unsaid.
        if (!json) tell_failures(session, client, waiting);
        return tl::unexpected(over.error());
    }
    if (!waiting.has_failed()) return 0;
    if (json) return tl::unexpected(failure_of(waiting));
    tell_failures(session, client, waiting);
    return exit_status(ErrorKind::Failed);
}

}  // namespace pmctl
