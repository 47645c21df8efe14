// Who follows the route table, and up to which generation each of them has it: what a run that has left the
// routes waits for before it is told to end. Readers are known by what they say of themselves; asking and
// answering is http_api's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>

#include "shared/time.hpp"

namespace pmctl {

class RouteReaders {
  public:
    // A reader that has not been seen for so long has gone: more than the longest held request, and twelve
    // times the interval at which Traefik polls (pollInterval, 5s).
    static constexpr Duration patience = std::chrono::seconds(60);
    // Beyond it the one that was seen longest ago is forgotten.
    static constexpr std::size_t most = 1024;
    static constexpr std::uint64_t all = std::numeric_limits<std::uint64_t>::max();

    // `reader` asks for the table. `has`: the generation that it says to have (If-None-Match); nothing where
    // it says none. Who ever said so has applied what it names; of the others what they were sent counts.
    void asked(const std::string& reader, std::optional<std::uint64_t> has, TimePoint now);
    // Its request is held until then: so long it is there.
    void held(const std::string& reader, TimePoint until);
    void answered(const std::string& reader, std::uint64_t generation, TimePoint now);

    // The lowest generation that any of them has; `all` where nobody follows.
    std::uint64_t seen_by_all(TimePoint now);
    std::size_t size() const { return readers_.size(); }

  private:
    struct Reader {
        std::uint64_t generation = 0;
        bool confirms = false;
        TimePoint gone_at{};
    };

    void forget_gone(TimePoint now);

    std::map<std::string, Reader> readers_;
};

// The generation in an entity tag of this table, "PREFIX-42" with its quotes, weak or not; nothing in another
// one.
std::optional<std::uint64_t> generation_in(std::string_view if_none_match, std::string_view prefix);

}  // namespace pmctl
