// What a supervisor that replaces its own program leaves to the next one: descriptors that stay open over the
// exec, and what they are. The rest is in the store, as after a kill. When to do it is main's and upgrade's.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "shared/result.hpp"
#include "supervisor/io/descriptor.hpp"
#include "supervisor/io/limits.hpp"

namespace pmctl {

struct Handover {
    std::string version;  // of the program that hands over
    // From before this process got more for itself.
    ChildDefaults child_defaults;
    Descriptor pid_file;                            // locked
    Descriptor state_lock;                          // locked
    Descriptor http;                                // listens for the HTTP API; -1: it does not
    std::string http_from;                          // the [http] listen that it was opened for
    Descriptor control;                             // listens at the control socket's path
    std::vector<Descriptor> clients;                // of that socket, which have said hello and no more
    std::map<std::uint16_t, Descriptor> listeners;  // of socket_activation, by port
    std::vector<Descriptor> streams;  // FIFOs, open so that what waits in them outlives their writers
};

// A copy of `fd` that stays open over an exec. -1: there is none left.
Descriptor copy_for_exec(int fd);

// A descriptor, open over an exec, that read_handover takes. Lines of text: "listener FD PORT" and so on.
// Error: no memory, or no descriptor left.
Result<Descriptor> write_handover(const Handover& handover);
// Its descriptors are closed at an exec again. Lines of a kind that this program does not know are passed
// over. Error: `fd` is none of these, or names what is not open.
Result<Handover> read_handover(int fd);

}  // namespace pmctl
