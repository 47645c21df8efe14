// What a start or a reload needed and a supervisor at rest does not: gives it back to the machine. Who
// decides when that is, is left to the caller.
#pragma once

namespace pmctl {

// Returns free memory of the heap (malloc_trim(3)), and drops the pages of program and libraries from this
// process; those that are needed again are found in the page cache at the cost of a minor fault. Loading,
// relocating and parsing touch most of them, a supervisor at rest some 100. Not to be called often: it takes
// about a millisecond.
void give_back_memory();

}  // namespace pmctl
