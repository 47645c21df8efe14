#include "supervisor/io/peer_check.hpp"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <vector>

namespace pmctl {

namespace {

bool is_member(uid_t uid, gid_t group) {
    passwd entry{};
    passwd* found = nullptr;
    std::vector<char> text(16384);
    if (::getpwuid_r(uid, &entry, text.data(), text.size(), &found) != 0 || found == nullptr) return false;
    std::vector<gid_t> groups(64);
    int count = static_cast<int>(groups.size());
    if (::getgrouplist(entry.pw_name, entry.pw_gid, groups.data(), &count) < 0) {
        groups.resize(static_cast<std::size_t>(count));
        if (::getgrouplist(entry.pw_name, entry.pw_gid, groups.data(), &count) < 0) return false;
    }
    groups.resize(static_cast<std::size_t>(count));
    return std::find(groups.begin(), groups.end(), group) != groups.end();
}

}  // namespace

bool PeerCheck::allows(uid_t uid, gid_t gid, TimePoint now) {
    if (uid == own_uid_ || uid == 0) return true;
    if (!group_) return false;
    return gid == *group_ || look_up(uid, now).is_member;
}

bool PeerCheck::first_refusal(uid_t uid, TimePoint now) {
    Known& known = look_up(uid, now);
    return !std::exchange(known.told, true);
}

PeerCheck::Known& PeerCheck::look_up(uid_t uid, TimePoint now) {
    if (known_.size() > most) known_.clear();
    Known& known = known_[uid];
    if (known.until <= now) known = {group_ && is_member(uid, *group_), false, now + memory};
    return known;
}

}  // namespace pmctl
