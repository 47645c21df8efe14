#include "shared/protocol.hpp"

#include <array>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <concepts>
#include <type_traits>

#include "shared/json_text.hpp"
#include "shared/protocol_fields.hpp"

namespace pmctl {

namespace json = boost::json;

namespace {

// In the order of the variants.
constexpr std::array<std::string_view, std::variant_size_v<Request>> methods = {
    "hello",  "status", "describe", "start",  "stop",  "restart", "reload", "logs",   "events", "why",
    "config", "ports",  "scale",    "signal", "reset", "down",    "admin",  "routes", "report", "upgrade"};
constexpr std::array<std::string_view, std::variant_size_v<Reply>> types = {
    "hello", "status", "describe", "action", "reload", "logs",  "events",
    "why",   "config", "ports",    "admin",  "routes", "report"};
constexpr std::array<std::string_view, 3> outlooks = {"settled", "pending", "stuck"};
constexpr std::array<std::string_view, 7> kinds = {"failed",      "invalid", "unsettled", "not_found",
                                                   "unavailable", "timeout", "denied"};

template <class T>
concept Integer = std::integral<T> && !std::same_as<T, bool>;

class Writer {
  public:
    explicit Writer(std::string& out) : out_(out) {}

    template <class T>
    void operator()(std::string_view key, const T& value) {
        out_.key(key);
        write(value);
    }
    template <class T>
    void need(std::string_view key, const T& value) {
        (*this)(key, value);
    }
    void milliseconds(std::string_view key, Duration value) {
        (*this)(key, std::chrono::ceil<std::chrono::milliseconds>(value).count());
    }
    void bytes(std::string_view key, std::string_view base64_key, const std::string& value) {
        (*this)(key, value);
        if (!is_utf8(value)) (*this)(base64_key, to_base64(value));
    }
    template <class T>
    void write_object(const T& value) {
        out_.begin_object();
        fields(*this, value);
        out_.end_object();
    }
    JsonWriter& text() { return out_; }

  private:
    void write(bool value) { out_.boolean(value); }
    template <Integer T>
    void write(T value) {
        if constexpr (std::is_signed_v<T>) {
            out_.number(std::int64_t{value});
        } else {
            out_.number(std::uint64_t{value});
        }
    }
    void write(const std::string& value) { out_.string(value); }
    void write(Duration value) { out_.number(std::int64_t{value.count()}); }
    void write(WallTime value) { out_.string(format_rfc3339(value, 9)); }
    void write(Outlook value) { out_.string(outlooks.at(static_cast<std::size_t>(value))); }
    template <class T>
    void write(const std::optional<T>& value) {
        value ? write(*value) : out_.null();
    }
    template <class T>
    void write(const std::vector<T>& values) {
        out_.begin_array();
        for (const T& each : values) write(each);
        out_.end_array();
    }
    void write(const std::pair<std::string, std::string>& value) {
        write(std::vector<std::string>{value.first, value.second});
    }
    template <class T>
    void write(const std::map<std::string, T>& values) {
        out_.begin_object();
        for (const auto& [key, value] : values) (*this)(key, value);
        out_.end_object();
    }
    template <class T>
        requires std::is_class_v<T>
    void write(const T& value) {
        write_object(value);
    }

    JsonWriter out_;
};

class Reader {
  public:
    // The first thing that is wrong is said in `problem`.
    Reader(const json::object& from, std::string& problem) : from_(from), problem_(problem) {}

    template <class T>
    void operator()(std::string_view key, T& into) {
        const json::value* value = from_.if_contains(key);
        if (value == nullptr || value->is_null()) return;
        if (!read(*value, into)) blame(key, "has a wrong type or value");
    }
    template <class T>
    void need(std::string_view key, T& into) {
        const json::value* value = from_.if_contains(key);
        if (value == nullptr || value->is_null()) return blame(key, "is missing");
        (*this)(key, into);
    }
    void milliseconds(std::string_view key, Duration& into) {
        std::int64_t count = 0;
        (*this)(key, count);
        constexpr std::int64_t year = 365LL * 24 * 3600 * 1000;
        if (count < 0 || count > year) return blame(key, "is not between 0 and a year");
        into = std::chrono::milliseconds(count);
    }
    void bytes(std::string_view key, std::string_view base64_key, std::string& into) {
        (*this)(key, into);
        std::string coded;
        (*this)(base64_key, coded);
        if (!coded.empty() && !from_base64(coded, into)) blame(base64_key, "is no base64");
    }

  private:
    void blame(std::string_view key, std::string_view what) {
        if (problem_.empty()) problem_ = "'" + std::string(key) + "' " + std::string(what);
    }

    static bool read(const json::value& from, bool& into) {
        if (!from.is_bool()) return false;
        into = from.get_bool();
        return true;
    }
    template <Integer T>
    static bool read(const json::value& from, T& into) {
        if (!from.is_int64() && !from.is_uint64()) return false;
        json::error_code error;
        const T number = from.to_number<T>(error);
        if (error) return false;
        into = number;
        return true;
    }
    static bool read(const json::value& from, std::string& into) {
        if (!from.is_string()) return false;
        into = std::string_view(from.get_string());
        return true;
    }
    static bool read(const json::value& from, Duration& into) {
        std::int64_t count = 0;
        if (!read(from, count)) return false;
        into = Duration(count);
        return true;
    }
    static bool read(const json::value& from, WallTime& into) {
        if (!from.is_string()) return false;
        const auto time = parse_rfc3339(std::string_view(from.get_string()));
        if (time) into = *time;
        return time.has_value();
    }
    static bool read(const json::value& from, Outlook& into) {
        if (!from.is_string()) return false;
        for (std::size_t i = 0; i < outlooks.size(); ++i) {
            if (outlooks.at(i) != std::string_view(from.get_string())) continue;
            into = static_cast<Outlook>(i);
            return true;
        }
        return false;
    }
    template <class T>
    bool read(const json::value& from, std::optional<T>& into) {
        return read(from, into.emplace());
    }
    template <class T>
    bool read(const json::value& from, std::vector<T>& into) {
        if (!from.is_array()) return false;
        const json::array& values = from.get_array();
        into.clear();
        into.resize(values.size());
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (!read(values[i], into[i])) return false;
        }
        return true;
    }
    bool read(const json::value& from, std::pair<std::string, std::string>& into) {
        std::vector<std::string> both;
        if (!read(from, both) || both.size() != 2) return false;
        into = {std::move(both[0]), std::move(both[1])};
        return true;
    }
    template <class T>
    bool read(const json::value& from, std::map<std::string, T>& into) {
        if (!from.is_object()) return false;
        into.clear();
        for (const auto& each : from.get_object()) {
            if (!read(each.value(), into[std::string(each.key())])) return false;
        }
        return true;
    }
    template <class T>
        requires std::is_class_v<T>
    bool read(const json::value& from, T& into) {
        if (!from.is_object()) return false;
        Reader inner(from.get_object(), problem_);
        fields(inner, into);
        return problem_.empty();
    }

    const json::object& from_;
    std::string& problem_;
};

void begin(JsonWriter& out, std::optional<std::uint64_t> id) {
    out.begin_object();
    out.key("jsonrpc");
    out.string("2.0");
    out.key("id");
    id ? out.number(*id) : out.null();
}

std::string error_text(std::optional<std::uint64_t> id, int code, const Error& error) {
    std::string text;
    JsonWriter out(text);
    begin(out, id);
    out.key("error");
    out.begin_object();
    out.key("code");
    out.number(std::int64_t{code});
    out.key("message");
    out.string(error.message);
    out.key("data");
    out.begin_object();
    out.key("kind");
    out.string(kinds.at(static_cast<std::size_t>(error.kind)));
    out.key("exit");
    out.number(std::int64_t{exit_status(error.kind)});
    out.end_object();
    out.end_object();
    out.end_object();
    return text;
}

// Reads the fields into the alternative of `Variant` that `index` says.
template <class Variant, std::size_t I = 0>
Variant read_variant(std::size_t index, const json::object& from, std::string& problem) {
    if constexpr (I < std::variant_size_v<Variant>) {
        if (index != I) return read_variant<Variant, I + 1>(index, from, problem);
        std::variant_alternative_t<I, Variant> message;
        Reader reader(from, problem);
        fields(reader, message);
        return message;
    } else {
        return {};
    }
}

template <std::size_t N>
std::size_t index_in(const std::array<std::string_view, N>& names, std::string_view name) {
    std::size_t index = 0;
    while (index < N && names.at(index) != name) ++index;
    return index;
}

std::string_view text_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                  : std::string_view();
}

std::optional<std::uint64_t> id_of(const json::object& object) {
    const json::value* value = object.if_contains("id");
    if (value == nullptr || (!value->is_int64() && !value->is_uint64())) return std::nullopt;
    json::error_code error;
    const auto id = value->to_number<std::uint64_t>(error);
    return error ? std::nullopt : std::optional(id);
}

Error read_error(const json::object& error) {
    Error found;
    found.message = std::string(text_of(error, "message"));
    const json::value* data = error.if_contains("data");
    if (data != nullptr && data->is_object()) {
        const std::size_t kind = index_in(kinds, text_of(data->get_object(), "kind"));
        if (kind < kinds.size()) found.kind = static_cast<ErrorKind>(kind);
    }
    return found;
}

}  // namespace

std::string_view name_of(const Request& request) {
    return methods.at(request.index());
}

std::string to_text(std::uint64_t id, const Request& request) {
    std::string text;
    Writer writer(text);
    begin(writer.text(), id);
    writer.text().key("method");
    writer.text().string(name_of(request));
    writer.text().key("params");
    std::visit([&](const auto& each) { writer.write_object(each); }, request);
    writer.text().end_object();
    return text;
}

std::string to_text(std::uint64_t id, const Reply& reply) {
    std::string text;
    Writer writer(text);
    begin(writer.text(), id);
    writer.text().key("result");
    writer.text().begin_object();
    writer("type", std::string(types.at(reply.index())));
    std::visit([&](const auto& each) { fields(writer, each); }, reply);
    writer.text().end_object();
    writer.text().end_object();
    return text;
}

std::string error_text(std::uint64_t id, const Error& error) {
    return error_text(id, -32000 - exit_status(error.kind), error);
}

std::string to_text(const Refusal& refusal) {
    return error_text(refusal.id, refusal.code, {ErrorKind::Invalid, refusal.message});
}

tl::expected<IncomingRequest, Refusal> parse_request(std::string_view text) {
    const auto refuse = [](std::optional<std::uint64_t> id, int code, std::string message) {
        return tl::unexpected<Refusal>(Refusal{id, code, std::move(message)});
    };
    json::monotonic_resource memory;
    json::error_code error;
    const json::value value = json::parse(text, error, &memory);
    if (error) return refuse(std::nullopt, Refusal::no_json, "the request is no JSON: " + error.message());
    if (!value.is_object())
        return refuse(std::nullopt, Refusal::no_request, "a request is one JSON object (no batch)");
    const json::object& object = value.get_object();
    const auto id = id_of(object);
    if (!id) return refuse(id, Refusal::no_request, "a request has an \"id\", a whole number from 0 up");
    if (text_of(object, "jsonrpc") != "2.0") return refuse(id, Refusal::no_request, "\"jsonrpc\" is \"2.0\"");
    const std::string_view method = text_of(object, "method");
    const std::size_t index = index_in(methods, method);
    if (index == methods.size()) {
        return refuse(id, Refusal::no_method,
                      "unknown method '" + std::string(method.substr(0, 64)) +
                          "': this supervisor speaks version " + std::to_string(protocol_version) +
                          " of the protocol");
    }
    const json::object none;
    const json::value* params = object.if_contains("params");
    if (params != nullptr && !params->is_object())
        return refuse(id, Refusal::wrong_params, "\"params\" is an object");
    std::string problem;
    Request request = read_variant<Request>(index, params == nullptr ? none : params->get_object(), problem);
    if (!problem.empty())
        return refuse(id, Refusal::wrong_params, "params of '" + std::string(method) + "': " + problem);
    return IncomingRequest{*id, std::move(request)};
}

Result<Reply> parse_reply(std::string_view text, std::uint64_t id) {
    const auto strange = [](const std::string& what) {
        return fail("the supervisor's answer is not understood: " + what);
    };
    json::monotonic_resource memory;
    json::error_code error;
    const json::value value = json::parse(text, error, &memory);
    if (error) return strange(error.message());
    if (!value.is_object()) return strange("no object");
    const json::object& object = value.get_object();
    if (const json::value* failure = object.if_contains("error");
        failure != nullptr && failure->is_object()) {
        Error found = read_error(failure->get_object());
        if (found.message.empty()) return strange("an error that does not say which");
        return tl::unexpected(std::move(found));
    }
    if (id_of(object) != id) return strange("it answers another request");
    const json::value* result = object.if_contains("result");
    if (result == nullptr || !result->is_object()) return strange("no result");
    const std::size_t index = index_in(types, text_of(result->get_object(), "type"));
    if (index == types.size()) return strange("unknown type");
    std::string problem;
    Reply reply = read_variant<Reply>(index, result->get_object(), problem);
    if (!problem.empty()) return strange(problem);
    return reply;
}

}  // namespace pmctl
