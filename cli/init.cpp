// `pmctl init`: a configuration to start from.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cli/commands.hpp"

namespace pmctl {

namespace {

constexpr std::string_view starter =
    R"toml(# What pmctl keeps running. Every key: pmctl.toml(5). Check it with: pmctl validate
# Then: pmctl up         start everything and follow it (Ctrl-C stops it)
#       pmctl up -d      start everything in the background; pmctl status, pmctl down

[defaults]                          # for all instances below
restart.policy = "always"           # always | on-failure | never

[instances.web]
description = "A first instance: replace its command by your program's"
command = ["python3", "-m", "http.server", "--bind", "127.0.0.1", "${PORT}"]
# port = "auto"                     # from [ports] range, handed over as $PORT; or a number, or "none"
# hostname = "web.localhost"
# env = { LOG_LEVEL = "info" }
# replicas = 2
# depends_on = ["db"]

[instances.web.health]
kind = "http"                       # http | tcp | exec | none
path = "/"                          # 2xx is healthy
# interval = "5s"

# [instances.worker]
# command = ["./worker"]
# port = "none"
# health.kind = "none"
)toml";

}  // namespace

Result<int> run_init(Session& session) {
    const bool force = session.args().force;
    const int fd = ::open("pmctl.toml", O_WRONLY | O_CREAT | O_CLOEXEC | (force ? O_TRUNC : O_EXCL), 0644);
    if (fd < 0 && errno == EEXIST) return fail("'pmctl.toml' is there already: --force replaces it");
    if (fd < 0) return fail(std::string("cannot write 'pmctl.toml': ") + std::strerror(errno));
    const ssize_t count = ::write(fd, starter.data(), starter.size());
    const int error = count == static_cast<ssize_t>(starter.size()) ? 0 : errno;
    if (::close(fd) != 0 || error != 0)
        return fail(std::string("cannot write 'pmctl.toml': ") + std::strerror(error != 0 ? error : errno));
    session.print("wrote pmctl.toml; next: pmctl validate, then pmctl up\n");
    return 0;
}

}  // namespace pmctl
