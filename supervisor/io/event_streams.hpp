// Followers of the events over HTTP, as server-sent events: what happened after the last one that each has.
// The connections are http_server's, the events the Journal's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "supervisor/io/http_server.hpp"
#include "supervisor/journal.hpp"

namespace pmctl {

class EventStreams {
  public:
    // Both outlive this; `server` may be moved before the first add, not afterwards.
    EventStreams(HttpServer& server, const Journal& journal) : server_(server), journal_(journal) {}

    // A new follower: of all that is known after event `after`, or of the last `last` ones and what follows.
    void add(HttpServer::Ticket ticket, std::optional<std::uint64_t> after, std::uint64_t last);
    void forget(HttpServer::Ticket ticket) { cursors_.erase(ticket); }
    // There may be a new event.
    void changed();
    // It has read all that was pushed.
    void drained(HttpServer::Ticket ticket);

  private:
    struct Follower {
        std::uint64_t cursor = 0;
        bool reads = true;  // what was pushed last has gone out
    };
    // True: there was something.
    bool push(HttpServer::Ticket ticket, Follower& follower);
    const std::string& text_after(std::uint64_t cursor);

    HttpServer& server_;
    const Journal& journal_;
    std::map<HttpServer::Ticket, Follower> cursors_;
    // Most followers are at the same place: what comes after `from` up to `to`.
    std::uint64_t from_ = 0;
    std::uint64_t to_ = 0;
    std::uint64_t known_ = 0;  // the last event when the text was made
    std::string text_;
};

}  // namespace pmctl
