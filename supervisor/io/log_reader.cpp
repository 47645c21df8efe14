#include "supervisor/io/log_reader.hpp"

#include <memory>
#include <optional>
#include <queue>

#include "shared/size.hpp"
#include "supervisor/io/log_cursor.hpp"
#include "supervisor/io/log_view.hpp"

namespace pmctl {

namespace {

struct Source {
    std::string name;
    std::string log_name;
    std::unique_ptr<LogView> view;
    std::uint64_t before = 0;     // position in front of `line`
    std::optional<CriLine> line;  // the next one
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

std::uint64_t first_position(LogView& view, const LogsRequest& request, StreamChoice streams) {
    std::uint64_t position = view.begin();
    if (request.since) position = view.find_time(*request.since);
    if (request.lines) position = std::max(position, view.find_last(*request.lines, streams));
    return position;
}

// The length of the well-formed sequence at the beginning of `bytes`, 0 for none.
std::size_t utf8_length(std::string_view bytes) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80) return 1;
    const std::size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                               : lead >= 0xE0 && lead <= 0xEF ? 3
                               : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                              : 0;
    if (length == 0 || bytes.size() < length) return 0;
    const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (byte(1) < low || byte(1) > high) return 0;
    for (std::size_t i = 2; i < length; ++i) {
        if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
    }
    return length;
}

}  // namespace

std::string valid_utf8(std::string_view bytes) {
    std::string text;
    text.reserve(bytes.size());
    while (!bytes.empty()) {
        const std::size_t length = utf8_length(bytes);
        if (length == 0) {
            text += "\xEF\xBF\xBD";
            bytes.remove_prefix(1);
            continue;
        }
        text.append(bytes.substr(0, length));
        bytes.remove_prefix(length);
    }
    return text;
}

Result<LogsReply> read_log_lines(const std::string& folder,
                                 const std::vector<std::pair<std::string, std::string>>& names,
                                 const LogsRequest& request) {
    const auto cursor = parse_log_cursor(request.cursor);
    if (!cursor) return tl::unexpected(cursor.error());
    const StreamChoice streams{request.want_stdout, request.want_stderr};
    LogsReply reply;
    std::vector<Source> sources;
    for (const auto& [name, log_name] : names) {
        Source source{name, log_name, std::make_unique<LogView>(folder + "/" + log_name), 0, std::nullopt};
        LogView& view = *source.view;
        const auto known = cursor->find(log_name);
        std::uint64_t position = 0;
        if (known != cursor->end()) {
            position = known->second;
            if (position < view.begin()) {
                reply.warnings.push_back("'" + name + "': " + format_size(view.begin() - position) +
                                         " were rotated away before they were read");
            }
        } else if (request.cursor.empty()) {
            position = first_position(view, request, streams);
        }
        view.seek(position);
        source.before = view.position();
        source.line = view.next(streams);
        sources.push_back(std::move(source));
    }

    std::priority_queue<std::size_t, std::vector<std::size_t>, Later> queue(Later{sources});
    for (std::size_t i = 0; i < sources.size(); ++i) {
        if (sources[i].line) queue.push(i);
    }
    std::size_t bytes = 0;
    while (!queue.empty() && bytes < log_reply_bytes) {
        Source& source = sources[queue.top()];
        const std::size_t index = queue.top();
        queue.pop();
        const CriLine& line = *source.line;
        reply.lines.push_back(
            {source.name, line.at, line.stream == LogStream::Err, line.partial, valid_utf8(line.text)});
        bytes += line.text.size() + 64;  // and what JSON puts around it
        source.before = source.view->position();
        source.line = source.view->next(streams);
        if (source.line) queue.push(index);
    }
    LogCursor next;
    for (const Source& source : sources) {
        next[source.log_name] = source.line ? source.before : source.view->position();
        if (source.line) reply.more = true;
        if (source.view->unreadable() > 0) {
            reply.warnings.push_back("'" + source.name + "': " + std::to_string(source.view->unreadable()) +
                                     " lines of its log are not in the CRI format and were left out");
        }
    }
    reply.cursor = to_text(next);
    return reply;
}

}  // namespace pmctl
