// May this user ask? Own uid, root, or a member of the socket's group, with a short memory, since the group
// file may be a slow one.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>

#include "shared/time.hpp"

namespace pmctl {

class PeerCheck {
  public:
    PeerCheck(uid_t own_uid, std::optional<gid_t> group) : own_uid_(own_uid), group_(group) {}

    bool allows(uid_t uid, gid_t gid, TimePoint now);
    // Has this refused uid not been told of lately? Then it is noted as told.
    bool first_refusal(uid_t uid, TimePoint now);

  private:
    static constexpr Duration memory = std::chrono::seconds(10);
    static constexpr std::size_t most = 1024;  // uids remembered; beyond it all is forgotten
    struct Known {
        bool is_member = false;
        bool told = false;
        TimePoint until{};
    };
    Known& look_up(uid_t uid, TimePoint now);

    uid_t own_uid_;
    std::optional<gid_t> group_;
    std::map<uid_t, Known> known_;
};

}  // namespace pmctl
