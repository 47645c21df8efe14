#include "supervisor/io/event_streams.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "shared/json_text.hpp"

namespace pmctl {

namespace {

constexpr std::size_t pushed_at_once = 200;  // then it is to read before it gets more

// The HTML standard, section 9.2.6; the text has no line feeds, since JSON escapes them.
void add_event(std::string& out, const Event& event) {
    out += "id: " + std::to_string(event.number) + "\nevent: " + event.kind + "\ndata: ";
    JsonWriter json(out);
    json.begin_object();
    json.key("number");
    json.number(event.number);
    json.key("at");
    json.string(format_rfc3339(event.at, 3));
    json.key("name");
    json.string_or_null(event.name);
    json.key("kind");
    json.string(event.kind);
    json.key("text");
    json.string(event.text);
    json.end_object();
    out += "\n\n";
}

}  // namespace

const std::string& EventStreams::text_after(std::uint64_t cursor) {
    if (from_ == cursor && known_ == journal_.last_number()) return text_;
    from_ = to_ = cursor;
    known_ = journal_.last_number();
    text_.clear();
    for (const Event* event :
         journal_.after(cursor, pushed_at_once, false, [](const Event&) { return true; })) {
        add_event(text_, *event);
        to_ = event->number;
    }
    return text_;
}

bool EventStreams::push(HttpServer::Ticket ticket, Follower& follower) {
    const std::string& text = text_after(follower.cursor);
    if (text.empty()) return false;
    follower.cursor = to_;
    follower.reads = false;
    server_.push(ticket, text);  // `follower` may be gone now
    return true;
}

void EventStreams::add(HttpServer::Ticket ticket, std::optional<std::uint64_t> after, std::uint64_t last) {
    const std::uint64_t newest = journal_.last_number();
    Follower& follower = cursors_[ticket];
    // A number that is yet to come is of a state that is no more.
    follower.cursor = after ? std::min(*after, newest) : newest - std::min(newest, last);
    // Even if there is nothing to say it is to know that it is heard.
    if (!push(ticket, follower)) server_.push(ticket, ":\n\n");
}

void EventStreams::changed() {
    std::vector<HttpServer::Ticket> tickets;
    tickets.reserve(cursors_.size());
    for (const auto& [ticket, follower] : cursors_) {
        if (follower.reads && follower.cursor < journal_.last_number()) tickets.push_back(ticket);
    }
    for (const auto ticket : tickets) {
        const auto place = cursors_.find(ticket);
        if (place != cursors_.end()) push(ticket, place->second);
    }
}

void EventStreams::drained(HttpServer::Ticket ticket) {
    const auto place = cursors_.find(ticket);
    if (place == cursors_.end()) return;
    place->second.reads = true;
    if (place->second.cursor < journal_.last_number()) push(ticket, place->second);
}

}  // namespace pmctl
