// Which process has the other end of a connection of this machine: where several take theirs from one
// listening socket, the port does not tell. Made for the moments of an update: it reads much of /proc.
#pragma once

#include <sys/types.h>

namespace pmctl {

// Does a process of this session (setsid(2): the pid of its leader) have the other end of this TCP
// connection? False where that cannot be told. From the inode of /proc/net/tcp and the links of /proc/PID/fd
// (proc(5)).
bool session_has_other_end(pid_t session, int connection);

}  // namespace pmctl
