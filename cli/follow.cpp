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

}  // namespace

Result<void> follow(Client& client, Waiting& waiting, std::optional<Duration> timeout,
                    const std::function<void(const Waiting::Item&)>& decided) {
    const Duration limit = timeout.value_or(default_timeout);
    const auto until = std::chrono::steady_clock::now() + limit;
    StatusRequest request;
    if (waiting.items().size() <= most_names) request.targets.names = waiting.names();
    while (!waiting.is_over()) {
        auto reply = client.ask_for<StatusReply>(request);
        if (!reply && reply.error().kind == ErrorKind::NotFound && !request.targets.names.empty()) {
            // One of them was gone before it could be asked about: then all that there is tells which.
            request.targets.names.clear();
            continue;
        }
        if (!reply) return tl::unexpected(reply.error());
        if (request.since == 0) add_gone(waiting, *reply);
        for (const std::size_t index : waiting.update(*reply)) decided(waiting.items()[index]);
        request.since = reply->generation;
        const Duration left =
            limit == Duration::zero() ? longest_ask : until - std::chrono::steady_clock::now();
        if (waiting.is_over()) break;
        if (left <= Duration::zero()) {
            return fail(ErrorKind::Timeout, "timed out after " + format_duration(limit) + ": " +
                                                words_on(waiting, Verdict::Open));
        }
        request.wait = std::min(left, longest_ask);
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
    const auto over = follow(client, waiting, session.args().timeout, [&](const Waiting::Item& item) {
        if (json || item.verdict != Verdict::Done) return;
        session.print(item.gone ? item.name + "  gone\n" : outcome_line(item.row, session.style()));
        session.flush();
    });
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
