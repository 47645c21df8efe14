#include "supervisor/io/log_reader.hpp"

#include <algorithm>
#include <memory>
#include <queue>

#include "shared/json_text.hpp"
#include "supervisor/io/log_cursor.hpp"
#include "supervisor/io/log_view.hpp"

namespace pmctl {

namespace {

struct Source {
    std::string name;
    std::string log_name;
    std::unique_ptr<LogView> view;  // none where there is nothing new
    std::uint64_t before = 0;       // position in front of `line`
    std::optional<CriLine> line;    // the next one
};

// The earliest line first; of two of the same moment the source that was named first.
struct Later {
    const std::vector<Source>& sources;
    bool operator()(std::size_t a, std::size_t b) const {
        const WallTime time_a = sources[a].line->at;
        const WallTime time_b = sources[b].line->at;
        return time_a != time_b ? time_a > time_b : a > b;
    }
};

std::uint64_t first_position(const LogView& view, const LogsRequest& request, StreamChoice streams) {
    std::uint64_t position = view.begin();
    if (request.since) position = view.find_time(*request.since);
    if (request.lines) position = std::max(position, view.find_last(*request.lines, streams));
    return position;
}

// What a line takes in JSON: its text, escaped, in base64 besides where it is no UTF-8, and what is around.
std::size_t cost_of(const Source& source) {
    const std::string_view text = source.line->text;
    const auto escaped = static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\';
    }));
    const std::size_t plain = 110 + source.name.size() + text.size() + 5 * escaped;
    return is_utf8(text) ? plain : plain + text.size() * 10 / 3;
}

void advance(Source& source, const LogsRequest& request, StreamChoice streams) {
    do {
        source.before = source.view->position();
        source.line = source.view->next(streams);
    } while (source.line && request.since && source.line->at < *request.since);
}

void add_warnings(const Source& source, std::vector<std::string>& warnings) {
    const LogView& view = *source.view;
    const std::string who = "'" + source.name + "': ";
    if (view.replaced()) warnings.push_back(who + "its log began anew");
    if (view.lost() > 0)
        warnings.push_back(who + std::to_string(view.lost()) +
                           " bytes were rotated away before they were read");
    if (view.unreadable() > 0) {
        warnings.push_back(who + std::to_string(view.unreadable()) +
                           " lines of its log are not in the CRI format and were left out");
    }
}

}  // namespace

Result<LogsReply> read_log_lines(const std::string& folder,
                                 const std::vector<std::pair<std::string, std::string>>& names,
                                 const LogsRequest& request, const KnownLogEnd& known_end) {
    const auto cursor = parse_log_cursor(request.cursor);
    if (!cursor) return tl::unexpected(cursor.error());
    const StreamChoice streams{request.want_stdout, request.want_stderr};
    std::vector<Source> sources;
    for (const auto& [name, log_name] : names) {
        Source source{name, log_name, nullptr, 0, std::nullopt};
        const auto known = cursor->find(log_name);
        if (known != cursor->end() && known_end && known_end(log_name) == known->second) {
            source.before = known->second;
            sources.push_back(std::move(source));
            continue;
        }
        source.view = std::make_unique<LogView>(std::string(folder).append("/").append(log_name));
        if (!source.view->fault().empty()) {
            if (known == cursor->end()) return fail("cannot read the log of " + source.view->fault());
            source.before = known->second;
            source.view.reset();
            sources.push_back(std::move(source));
            continue;
        }
        if (known != cursor->end()) {
            source.view->seek(known->second);
        } else if (request.cursor.empty()) {
            source.view->seek(first_position(*source.view, request, streams));
        }
        advance(source, request, streams);
        if (!source.line && !source.view->fault().empty() && request.cursor.empty())
            return fail("cannot read the log of " + source.view->fault());
        sources.push_back(std::move(source));
    }

    LogsReply reply;
    std::priority_queue<std::size_t, std::vector<std::size_t>, Later> queue(Later{sources});
    for (std::size_t i = 0; i < sources.size(); ++i) {
        if (sources[i].line) queue.push(i);
    }
    std::size_t bytes = 0;
    while (!queue.empty()) {
        const std::size_t index = queue.top();
        Source& source = sources[index];
        bytes += cost_of(source);
        if (bytes > log_reply_bytes && !reply.lines.empty()) break;
        queue.pop();
        const CriLine& line = *source.line;
        reply.lines.push_back(
            {source.name, line.at, line.stream == LogStream::Err, line.partial, std::string(line.text)});
        advance(source, request, streams);
        if (source.line) queue.push(index);
    }
    LogCursor next = *cursor;  // also of a name that is not there now, and may come back
    for (const Source& source : sources) {
        next[source.log_name] = source.line || !source.view ? source.before : source.view->position();
        if (source.line) reply.more = true;
        if (source.view) add_warnings(source, reply.warnings);
    }
    reply.cursor = to_text(next);
    return reply;
}

}  // namespace pmctl
