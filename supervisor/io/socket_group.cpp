#include "supervisor/io/socket_group.hpp"

#include <grp.h>

#include <charconv>

namespace pmctl {

Result<std::optional<gid_t>> find_socket_group(const std::string& name) {
    if (name.empty()) return std::nullopt;
    gid_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc{} && end == name.data() + name.size()) return number;
    const group* found = ::getgrnam(name.c_str());  // before any other thread is there
    if (found == nullptr) {
        return fail(ErrorKind::Invalid, "[supervisor] socket_group: there is no group '" + name + "'");
    }
    return found->gr_gid;
}

}  // namespace pmctl
