// Which names are allowed: ids, application ids, hostnames, environment variables. Rules alone; messages are
// made where they are known to be wrong.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pmctl {

// [A-Za-z0-9._:-]{1,128}, and neither "." nor "..", since ids name folders.
bool is_instance_id(std::string_view id);
// "web" of "web:1", which a second replica of "web" would be called; "" of what no replica has for a name.
std::string_view replica_stem(std::string_view id);
// An id, or "" for no group.
bool is_group_name(std::string_view name);
// 1 to 255 printable characters with no empty component, no "." or ".." among them and no leading "/"; and
// not
// "*", which is no application but the template of all others.
bool is_app_id(std::string_view id);
// [A-Za-z_][A-Za-z0-9_]*, as POSIX has it, and "." and "-" within, which many programs use.
bool is_variable_name(std::string_view name);
// Lower case and without the final dot: labels of letters, digits, "-" and "_", up to 63 bytes each and 253
// in all (RFC 1123), and a port after a colon where one is given. Nothing for what is no hostname.
std::optional<std::string> hostname_of(std::string_view text);

}  // namespace pmctl
