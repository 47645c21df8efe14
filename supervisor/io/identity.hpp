// Who a child runs as: users and groups of the configuration, by name or number, looked up in the parent,
// since nothing between clone and exec may touch the password database. Switching is spawn's.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "shared/result.hpp"
#include "shared/time.hpp"

namespace pmctl {

struct Identity {
    bool set_groups = false;  // else those of the supervisor
    bool set_gid = false;
    bool set_uid = false;
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;  // as initgroups(3) would set them

    // For HOME, USER, LOGNAME and SHELL; "" where no user was named or nothing is known of it.
    std::string name;
    std::string home;
    std::string shell;
};

// The look-ups, remembered for `keep`, so that a storm of restarts asks the database once and a changed
// database is seen soon all the same.
class Identities {
  public:
    static constexpr Duration keep = std::chrono::seconds(10);

    // `user` and `group` as in SpawnRequest: "" is the supervisor's own and the user's own. The pointer holds
    // until the next call. Error: "user 'shop': no such user".
    Result<const Identity*> find(const std::string& user, const std::string& group, TimePoint now);

  private:
    struct Entry {
        Identity identity;
        TimePoint until{};
    };
    std::map<std::pair<std::string, std::string>, Entry> entries_;
};

}  // namespace pmctl
