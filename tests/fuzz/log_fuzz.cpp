// libFuzzer: what a program writes comes back from its log byte for byte, whatever it is; a line that is none
// is known to be none; of what waits in a FIFO nothing is dropped that is not in the log, wherever a kill
// fell; and a reader's place is read as it was written.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/io/cri_format.hpp"
#include "supervisor/io/log_cursor.hpp"
#include "supervisor/io/log_seam.hpp"
#include "tests/fuzz/must.hpp"

using pmctl::test::must;

namespace {

const pmctl::WallTime moment{std::chrono::hours(400'000)};

// The lines of these bytes, written with so much room at a time.
std::string encoded(std::string_view bytes, std::size_t room, pmctl::WallTime at = moment) {
    std::string lines;
    std::vector<char> into(room);
    while (!bytes.empty()) {
        const pmctl::CriBatch batch = pmctl::encode_cri(bytes, at, pmctl::LogStream::Err, into);
        must(batch.size <= into.size() && batch.taken <= bytes.size());
        if (batch.taken == 0) return lines;  // there is no room for a character
        lines.append(into.data(), batch.size);
        bytes.remove_prefix(batch.taken);
    }
    return lines;
}

std::string decoded(std::string_view lines) {
    std::string bytes;
    while (!lines.empty()) {
        const auto end = lines.find('\n');
        must(end != std::string_view::npos);
        const auto line = pmctl::parse_cri(lines.substr(0, end));
        must(line && line->at == moment && line->stream == pmctl::LogStream::Err);
        bytes += line->text;
        if (!line->partial) bytes += '\n';
        lines.remove_prefix(end + 1);
    }
    return bytes;
}

// Longer than a certain repeat, and no part of it comes twice: every few bytes of the input stand behind a
// number of their own, and have no digits themselves.
std::string without_repeats(std::string_view text) {
    constexpr std::size_t enough = 3 * pmctl::certain_repeat;
    constexpr std::size_t step = 48;
    std::string said;
    for (std::size_t i = 0; said.size() < enough; ++i) {
        said += std::to_string(10'000'000 + i);
        const std::size_t from = text.empty() ? 0 : i * step % text.size();
        for (const char c : text.substr(from, step))
            said += c >= '0' && c <= '9' ? static_cast<char>(c - '0' + 'a') : c;
    }
    return said;
}

// A program's output that was logged in two reads; a kill fell somewhere into the second one's writing, or
// into taking it out of the FIFO. None of it may be lost.
void must_lose_nothing(std::string_view input) {
    if (input.size() < 6) return;
    const auto number = [&](std::size_t i) {
        return static_cast<std::size_t>(static_cast<unsigned char>(input[i])) * 256 +
               static_cast<unsigned char>(input[i + 1]);
    };
    const std::string said = without_repeats(input.substr(6));
    const std::size_t first = number(0) % pmctl::certain_repeat;
    const std::size_t second = first + 1 + number(2) % (said.size() - first);
    const std::string before = encoded(std::string_view(said).substr(0, first), 4096);
    const std::string last = encoded(std::string_view(said).substr(first, second - first), 4096,
                                     moment + std::chrono::milliseconds(1));
    const bool all_written = number(4) % 2 == 0;
    const std::size_t written = all_written ? last.size() : number(4) % last.size();
    const std::size_t taken = all_written ? first + number(4) % (second - first + 1) : first;
    const std::string log = before + last.substr(0, written);
    const std::string_view fifo = std::string_view(said).substr(taken);

    const pmctl::LogSeam seam = pmctl::find_seam(log, fifo, pmctl::LogStream::Err);
    must(seam.repeated <= fifo.size() && seam.torn <= log.size());
    const std::string_view kept = std::string_view(log).substr(0, log.size() - seam.torn);
    const std::size_t logged = pmctl::raw_size(kept.substr(0, kept.rfind('\n') + 1));
    must(taken + seam.repeated <= logged);
    // So long a repetition is certain, and is not logged twice.
    if (all_written && second - taken >= pmctl::certain_repeat) must(seam.repeated == second - taken);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto line = pmctl::parse_cri(text)) {
        const auto untimed = pmctl::parse_cri_untimed(text);
        must(untimed && untimed->text == line->text && untimed->partial == line->partial);
        must(pmctl::cri_time(text) == line->at);
    }
    const std::string lines = encoded(text, 64 + size % 4096);
    must(decoded(lines) == text);
    must(pmctl::raw_size(lines) == size);

    // The input's first half is in the log, the rest waits with as much before it as was not taken out.
    const std::string log = encoded(text.substr(0, size / 2), 4096);
    const std::string_view fifo = text.substr(size / 4);
    const pmctl::LogSeam seam = pmctl::find_seam(log, fifo, pmctl::LogStream::Err);
    must(seam.repeated <= fifo.size() && seam.torn <= log.size());
    const std::string logged = decoded(std::string_view(log).substr(0, log.size() - seam.torn));
    must(logged.ends_with(fifo.substr(0, seam.repeated)));
    must_lose_nothing(text);

    if (const auto cursor = pmctl::parse_log_cursor(text)) {
        const auto again = pmctl::parse_log_cursor(pmctl::to_text(*cursor));
        must(again && *again == *cursor);
    }
    return 0;
}
