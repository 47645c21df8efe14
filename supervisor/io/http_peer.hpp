// One client of the HTTP server: its bytes in and out. When it is asked, answered and given up is
// http_server's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "supervisor/io/http_requests.hpp"
#include "supervisor/io/http_server.hpp"

namespace pmctl {

struct HttpPeer {
    enum class State {
        Reading,    // its next request, or part of it
        Asked,      // an answer is due, now or later
        Streaming,  // events until it goes
        Ending,     // the last answer was sent: until it has taken notice
    };

    HttpServer::Ticket ticket = 0;
    int fd = -1;  // -1: gone
    State state = State::Reading;
    HttpRequests requests;
    std::string in;
    std::string out;
    std::shared_ptr<const std::string> shared;  // sent after `out`
    std::size_t sent = 0;                       // of both
    std::size_t ignored = 0;                    // bytes that came with Ending
    bool head = false;                          // the request that is being answered
    bool keep_alive = true;
    bool ends = false;       // when all is sent
    bool half_gone = false;  // it sends no more
    bool taking = false;     // its requests are being taken: what is sent waits for the end of that
    std::uint32_t watched = 0;
    TimePoint progress{};                   // when it last read or wrote something
    TimePoint deadline = TimePoint::max();  // what it is of depends on the state
    TimePoint look_at = TimePoint::max();   // its place among those that are looked at

    std::size_t backlog() const { return out.size() + (shared ? shared->size() : 0) - sent; }
};

// What a peer may still send when it has been told that it is over, before it is hung up on.
constexpr std::size_t max_ignored_bytes = std::size_t{1} << 20;

// Reads what is there, into `in`. False: there is no one any longer, or nobody who listens.
bool receive(HttpPeer& peer);
// Sends what the socket takes. False: there is no one any longer.
bool send_some(HttpPeer& peer);
// The answer as it goes over the wire, behind what waits already. `now`: for its Date.
void add_answer(HttpPeer& peer, const HttpResponse& response, WallTime now);
// The beginning of an answer that the end of the connection ends.
void add_stream_head(HttpPeer& peer, WallTime now);

}  // namespace pmctl
