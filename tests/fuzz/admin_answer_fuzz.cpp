// libFuzzer: whatever the admin service sends, or the store holds, is a value or an error; and a value that
// was taken comes back from the snapshot's text as it was.
#include <cstdint>
#include <string_view>

#include "supervisor/io/admin_answer.hpp"
#include "tests/fuzz/must.hpp"

using pmctl::test::is_one_line;
using pmctl::test::must;

namespace {

void must_come_back(const pmctl::AdminSnapshot& snapshot) {
    const auto back = pmctl::parse_admin_snapshot(pmctl::admin_snapshot_text(snapshot));
    must(back.has_value() && *back == snapshot);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto answer = pmctl::parse_admin_answer(text)) {
        for (const pmctl::AdminOmission& each : answer->left_out)
            must(is_one_line(each.id) && is_one_line(each.reason));
        pmctl::AdminSnapshot snapshot;
        snapshot.entries = answer->entries;
        must_come_back(snapshot);
    } else {
        must(is_one_line(answer.error().message));
    }
    if (const auto event = pmctl::parse_admin_event(text)) {
        must(event->version.empty() || is_one_line(event->version));
    } else {
        must(is_one_line(event.error().message));
    }
    if (const auto snapshot = pmctl::parse_admin_snapshot(text)) must_come_back(*snapshot);
    return 0;
}
