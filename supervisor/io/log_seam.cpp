#include "supervisor/io/log_seam.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <vector>

#include "supervisor/io/log_file.hpp"

namespace pmctl {

namespace {

// Time and stream: ` F ` or ` P ` follows.
constexpr std::size_t key_length = cri_prefix_length - 3;

std::string raw_text(const CriLine& line) {
    std::string text(line.text);
    if (!line.partial) text += '\n';
    return text;
}

// The raw text of one stream at the end of `lines`: of the last moment, and as much again from before.
struct LastRead {
    std::string read;
    std::string before;
};

LastRead last_read(std::string_view lines, std::string_view key, LogStream stream) {
    std::vector<CriLine> newest_first;
    std::size_t of_read = 0;  // lines
    std::size_t read_bytes = 0;
    std::size_t before_bytes = 0;
    while (!lines.empty() && (of_read == newest_first.size() || before_bytes < read_bytes)) {
        const std::size_t newline =
            lines.size() < 2 ? std::string_view::npos : lines.rfind('\n', lines.size() - 2);
        const std::size_t start = newline == std::string_view::npos ? 0 : newline + 1;
        const std::string_view text = lines.substr(start, lines.size() - start - 1);
        lines.remove_suffix(lines.size() - start);
        const auto line = parse_cri(text);
        const bool of_stream = line && line->stream == stream;
        if (of_read == newest_first.size()) {
            if (of_stream && text.starts_with(key)) {
                newest_first.push_back(*line);
                ++of_read;
                read_bytes += line->text.size() + 1;
                continue;
            }
            if (of_read == 0) break;
        }
        if (!of_stream) continue;
        newest_first.push_back(*line);
        before_bytes += line->text.size() + 1;
    }
    LastRead found;
    for (std::size_t i = newest_first.size(); i > 0; --i)
        (i > of_read ? found.before : found.read) += raw_text(newest_first[i - 1]);
    return found;
}

// The length of the longest end of `text` that `other` begins with (Knuth, Morris and Pratt).
std::size_t longest_common_end(std::string_view text, std::string_view other) {
    other = other.substr(0, text.size());
    if (other.empty()) return 0;
    std::vector<std::uint32_t> border(other.size(), 0);
    for (std::size_t i = 1, matched = 0; i < other.size(); ++i) {
        while (matched > 0 && other[i] != other[matched]) matched = border[matched - 1];
        if (other[i] == other[matched]) ++matched;
        border[i] = static_cast<std::uint32_t>(matched);
    }
    std::size_t matched = 0;
    for (const char c : text) {
        if (matched == other.size()) matched = border[matched - 1];
        while (matched > 0 && c != other[matched]) matched = border[matched - 1];
        if (c == other[matched]) ++matched;
    }
    return matched;
}

}  // namespace

LogSeam find_seam(std::string_view log_end, std::string_view fifo_begin, LogStream stream) {
    const std::size_t newline = log_end.rfind('\n');
    const std::size_t whole = newline == std::string_view::npos ? 0 : newline + 1;
    const std::string_view lines = log_end.substr(0, whole);
    const std::string_view torn = log_end.substr(whole);

    if (torn.size() >= key_length) {
        const std::string_view key = torn.substr(0, key_length);
        const auto line = parse_cri(std::string(key) + " F ");
        if (!line || line->stream != stream) return {};
        const std::string_view text = torn.substr(std::min(torn.size(), cri_prefix_length));
        const std::string read = last_read(lines, key, stream).read;
        if (!fifo_begin.starts_with(read + std::string(text))) return {};
        return {read.size(), torn.size()};
    }
    if (lines.empty()) return {};
    const std::size_t before_last =
        lines.size() < 2 ? std::string_view::npos : lines.rfind('\n', lines.size() - 2);
    const std::string_view last_line =
        lines.substr(before_last == std::string_view::npos ? 0 : before_last + 1);
    const LastRead last = last_read(lines, last_line.substr(0, key_length), stream);
    const std::size_t repeated = longest_common_end(last.read, fifo_begin);
    if (repeated < certain_repeat) return {};
    const std::string all = last.before + last.read;
    const std::string_view text = std::string_view(all).substr(all.size() - repeated);
    const bool said_before = all.find(text) != all.size() - repeated;
    const bool says_itself_again = text.find(text.substr(0, repeated / 2), 1) != std::string_view::npos;
    return {said_before || says_itself_again ? 0 : repeated, 0};
}

Result<std::string> end_of_log(const std::string& folder, std::size_t size) {
    const auto rotated = rotated_logs(folder);
    if (!rotated) return tl::unexpected(rotated.error());
    std::string text;
    const auto put_before = [&](const std::string& path) -> Result<void> {
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 && errno == ENOENT) return {};
        if (fd < 0) return fail("'" + path + "': " + std::strerror(errno));
        struct stat status{};
        ::fstat(fd, &status);
        const auto there = static_cast<std::size_t>(std::max<off_t>(status.st_size, 0));
        std::string part(std::min(there, size - text.size()), '\0');
        const ssize_t got = ::pread(fd, part.data(), part.size(), static_cast<off_t>(there - part.size()));
        ::close(fd);
        if (got == static_cast<ssize_t>(part.size())) text.insert(0, part);
        return {};
    };
    if (auto read = put_before(current_log_path(folder)); !read) return tl::unexpected(read.error());
    if (!rotated->empty() && text.size() < size) {
        const std::string newest = rotated_log_path(folder, rotated->back().begin);
        if (auto read = put_before(newest); !read) return tl::unexpected(read.error());
    }
    return text;
}

}  // namespace pmctl
