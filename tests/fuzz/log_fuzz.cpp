// libFuzzer: what a program writes comes back from its log byte for byte, whatever it is; a line that is none
// is known to be none; and of what waits in a FIFO nothing is dropped that is not in the log.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/io/cri_format.hpp"
#include "supervisor/io/log_seam.hpp"
#include "tests/fuzz/must.hpp"

using pmctl::test::must;

namespace {

const pmctl::WallTime moment{std::chrono::hours(400'000)};

// The lines of these bytes, written with so much room at a time.
std::string encoded(std::string_view bytes, std::size_t room) {
    std::string lines;
    std::vector<char> into(room);
    while (!bytes.empty()) {
        const pmctl::CriBatch batch = pmctl::encode_cri(bytes, moment, pmctl::LogStream::Err, into);
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
    return 0;
}
