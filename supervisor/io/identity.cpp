#include "supervisor/io/identity.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>

namespace pmctl {

namespace {

constexpr std::size_t first_buffer = 4096;
constexpr std::size_t largest_buffer = std::size_t{4} << 20;  // a group of very many members

// A number that is all digits and below (uid_t)-1, which setresuid(2) takes for "leave it".
std::optional<std::uint32_t> as_number(const std::string& text) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number == UINT32_MAX) return std::nullopt;
    return number;
}

// Calls one of the get..._r(3) with a buffer that grows until it fits. 0, or an errno.
template <class Call>
int with_buffer(std::vector<char>& buffer, Call&& call) {
    buffer.resize(first_buffer);
    int error = call();
    while (error == ERANGE && buffer.size() < largest_buffer) {
        buffer.resize(buffer.size() * 2);
        error = call();
    }
    return error;
}

Result<void> look_up_user(const std::string& user, Identity& into, bool& has_entry) {
    passwd record{};
    passwd* found = nullptr;
    std::vector<char> buffer;
    const auto number = as_number(user);
    const int error = with_buffer(buffer, [&] {
        return number ? ::getpwuid_r(*number, &record, buffer.data(), buffer.size(), &found)
                      : ::getpwnam_r(user.c_str(), &record, buffer.data(), buffer.size(), &found);
    });
    has_entry = found != nullptr;
    if (has_entry) {
        into.uid = found->pw_uid;
        into.gid = found->pw_gid;
        into.name = found->pw_name;
        into.home = found->pw_dir;
        into.shell = found->pw_shell;
        return {};
    }
    if (number) {
        into.uid = *number;
        return {};
    }
    // getpwnam(3) lists what "not found" may look like.
    if (error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM) {
        return fail(fmt::format("user '{}': no such user", user));
    }
    return fail(fmt::format("user '{}': {}", user, std::strerror(error)));
}

Result<gid_t> look_up_group(const std::string& group) {
    if (const auto number = as_number(group)) return *number;
    ::group record{};
    ::group* found = nullptr;
    std::vector<char> buffer;
    const int error = with_buffer(
        buffer, [&] { return ::getgrnam_r(group.c_str(), &record, buffer.data(), buffer.size(), &found); });
    if (found != nullptr) return found->gr_gid;
    if (error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM) {
        return fail(fmt::format("group '{}': no such group", group));
    }
    return fail(fmt::format("group '{}': {}", group, std::strerror(error)));
}

std::vector<gid_t> supplementary_groups(const std::string& name, gid_t gid) {
    if (name.empty()) return {gid};
    std::vector<gid_t> groups(32);
    int count = static_cast<int>(groups.size());
    while (::getgrouplist(name.c_str(), gid, groups.data(), &count) < 0) {
        groups.resize(std::max<std::size_t>(static_cast<std::size_t>(count), groups.size() * 2));
        count = static_cast<int>(groups.size());
    }
    groups.resize(static_cast<std::size_t>(count));
    return groups;
}

Result<Identity> look_up(const std::string& user, const std::string& group) {
    Identity identity;
    if (!group.empty()) {
        const auto gid = look_up_group(group);
        if (!gid) return tl::unexpected(gid.error());
        identity.set_gid = true;
        identity.gid = *gid;
    }
    if (user.empty()) return identity;

    const gid_t wished = identity.gid;
    bool has_entry = false;
    if (const auto found = look_up_user(user, identity, has_entry); !found) {
        return tl::unexpected(found.error());
    }
    if (identity.set_gid) identity.gid = wished;
    if (!has_entry && !identity.set_gid) {
        return fail(
            fmt::format("user '{}': no such user in the password database, so 'group_id' must be set", user));
    }
    // A supervisor that runs as this user already may not call setgroups(2), and need not.
    if (::geteuid() != 0 && identity.uid == ::geteuid() && identity.gid == ::getegid()) {
        identity.set_gid = false;
        return identity;
    }
    identity.set_uid = identity.set_gid = identity.set_groups = true;
    identity.groups = supplementary_groups(identity.name, identity.gid);
    return identity;
}

}  // namespace

Result<const Identity*> Identities::find(const std::string& user, const std::string& group, TimePoint now) {
    Entry& entry = entries_[{user, group}];
    if (now < entry.until) return &entry.identity;
    auto identity = look_up(user, group);
    if (!identity) {
        entries_.erase({user, group});
        return tl::unexpected(identity.error());
    }
    entry = {std::move(*identity), now + keep};
    return &entry.identity;
}

}  // namespace pmctl
