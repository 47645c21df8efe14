// {"form":1,"event":42,"etag":"…","fetched_at":"…","entries":[{"id":"…","event":41,"fields":{KEY:VALUE}}]}
// with a VALUE as JSON has it, but for {"double":"0.5"}: not every reader of JSON numbers is exact.
#include <algorithm>
#include <array>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "shared/json_text.hpp"
#include "supervisor/io/admin_answer.hpp"
#include "supervisor/io/json_document.hpp"

namespace pmctl {

namespace json = boost::json;

namespace {

constexpr std::uint64_t form = 1;
// A thousand variables of each of max_admin_entries; memory is bounded by what the store holds.
constexpr JsonLimits limits = {8, std::numeric_limits<std::size_t>::max()};

struct ValueWriter {
    JsonWriter& out;

    void operator()(const std::string& value) const { out.string(value); }
    void operator()(std::int64_t value) const { out.number(value); }
    void operator()(bool value) const { out.boolean(value); }
    void operator()(double value) const {
        std::array<char, 32> digits{};
        const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
        out.begin_object();
        out.key("double");
        out.string({digits.data(), static_cast<std::size_t>(end - digits.data())});
        out.end_object();
    }
    void operator()(const std::vector<std::string>& value) const {
        out.begin_array();
        for (const std::string& each : value) out.string(each);
        out.end_array();
    }
};

std::string text_of(const json::value& from) {
    return {from.get_string().data(), from.get_string().size()};
}

std::optional<double> double_of(const json::object& from) {
    const json::value* coded = from.if_contains("double");
    if (coded == nullptr || !coded->is_string() || from.size() != 1) return std::nullopt;
    const std::string text = text_of(*coded);
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::optional<Value> value_of(const json::value& from) {
    switch (from.kind()) {
        case json::kind::bool_: return from.get_bool();
        case json::kind::int64: return from.get_int64();
        case json::kind::string: return text_of(from);
        case json::kind::object: return double_of(from.get_object());
        case json::kind::array: {
            std::vector<std::string> list;
            for (const json::value& each : from.get_array()) {
                if (!each.is_string()) return std::nullopt;
                list.push_back(text_of(each));
            }
            return list;
        }
        case json::kind::null:
        case json::kind::uint64:
        case json::kind::double_: return std::nullopt;
    }
    return std::nullopt;
}

const json::value* member(const json::value& from, std::string_view key) {
    return from.is_object() ? from.get_object().if_contains(key) : nullptr;
}
bool read(const json::value* from, std::string& into) {
    if (from == nullptr || !from->is_string()) return false;
    into = text_of(*from);
    return true;
}
bool read(const json::value* from, std::uint64_t& into) {
    if (from == nullptr || !(from->is_int64() || from->is_uint64())) return false;
    if (from->is_int64() && from->get_int64() < 0) return false;
    into = from->is_uint64() ? from->get_uint64() : static_cast<std::uint64_t>(from->get_int64());
    return true;
}

// Whether each is greater than the one before it.
template <class T, class Key>
bool is_ordered(const std::vector<T>& items, Key key) {
    return std::adjacent_find(items.begin(), items.end(),
                              [&](const T& a, const T& b) { return key(a) >= key(b); }) == items.end();
}

Result<AdminEntry> read_entry(const json::value& from) {
    AdminEntry entry;
    if (!read(member(from, "id"), entry.id)) return fail("an entry has no 'id'");
    const std::string where = " of the entry '" + entry.id + "'";
    if (!read(member(from, "event"), entry.event)) return fail("'event'" + where + " is missing or wrong");
    const json::value* fields = member(from, "fields");
    if (fields == nullptr || !fields->is_object()) return fail("'fields'" + where + " is missing or wrong");
    for (const auto& each : fields->get_object()) {
        AdminField field{std::string(each.key().data(), each.key().size()), {}};
        auto value = value_of(each.value());
        if (!value) return fail("'" + field.key + "'" + where + " is wrong");
        field.value = std::move(*value);
        entry.fields.push_back(std::move(field));
    }
    if (!is_ordered(entry.fields, [](const AdminField& field) -> const std::string& { return field.key; }))
        return fail("'fields'" + where + " is not in order");
    return entry;
}

}  // namespace

std::string admin_snapshot_text(const AdminSnapshot& snapshot) {
    std::string text;
    JsonWriter out(text);
    out.begin_object();
    out.key("form");
    out.number(form);
    out.key("event");
    out.number(snapshot.event);
    out.key("etag");
    out.string(snapshot.etag);
    out.key("fetched_at");
    out.string(format_rfc3339(snapshot.fetched_at, 9));
    out.key("entries");
    out.begin_array();
    for (const AdminEntry& entry : snapshot.entries) {
        out.begin_object();
        out.key("id");
        out.string(entry.id);
        out.key("event");
        out.number(entry.event);
        out.key("fields");
        out.begin_object();
        for (const AdminField& field : entry.fields) {
            out.key(field.key);
            std::visit(ValueWriter{out}, field.value);
        }
        out.end_object();
        out.end_object();
    }
    out.end_array();
    out.end_object();
    return text;
}

Result<AdminSnapshot> parse_admin_snapshot(std::string_view text) {
    json::monotonic_resource memory;
    json::value document(&memory);
    if (const auto parsed = parse_json_document(text, limits, document); !parsed)
        return fail("no valid JSON: " + parsed.error().message);
    std::uint64_t found = 0;
    if (!read(member(document, "form"), found)) return fail("no snapshot of an admin service's state");
    if (found != form)
        return fail("of another form (" + std::to_string(found) + ") than this version writes");
    AdminSnapshot snapshot;
    if (!read(member(document, "event"), snapshot.event)) return fail("'event' is missing or wrong");
    if (!read(member(document, "etag"), snapshot.etag)) return fail("'etag' is missing or wrong");
    std::string time;
    if (!read(member(document, "fetched_at"), time)) return fail("'fetched_at' is missing or wrong");
    const auto fetched_at = parse_rfc3339(time);
    if (!fetched_at) return fail("'fetched_at': " + fetched_at.error().message);
    snapshot.fetched_at = *fetched_at;
    const json::value* entries = member(document, "entries");
    if (entries == nullptr || !entries->is_array()) return fail("'entries' is missing or wrong");
    for (const json::value& each : entries->get_array()) {
        auto entry = read_entry(each);
        if (!entry) return tl::unexpected(std::move(entry.error()));
        snapshot.entries.push_back(std::move(*entry));
    }
    if (!is_ordered(snapshot.entries, [](const AdminEntry& entry) -> const std::string& { return entry.id; }))
        return fail("'entries' is not in order");
    return snapshot;
}

}  // namespace pmctl
