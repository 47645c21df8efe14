"""The other side of tests/tools/failing_calls.cpp: which of pmctld's system calls fail, and how often they were made."""

import errno
import mmap
import os
import struct
import subprocess

from harness import BUILD, PMCTLD

LIBRARY = os.path.join(BUILD, "tests", "tools", "libfailing_calls.so")
CALLS = (
    *("open", "write", "mkfifo", "epoll_ctl", "epoll_wait", "bind", "accept", "sync", "clone", "pipe", "timer", "tee"),
    *("splice", "socket", "pidfd", "rename", "memfd", "exec"),
)
SLOT = struct.Struct("=iiQQ")  # error, every, calls, failures
OFFSET = struct.Struct("=q")
PREFIX_SIZE = 256


def sanitizers():
    """The run-time libraries of sanitizers have to be loaded before all others."""
    text = subprocess.run(["ldd", PMCTLD], capture_output=True, text=True, check=True).stdout
    return [line.split()[2] for line in text.split("\n") if "libasan" in line]


class FailingCalls:
    def __init__(self, path):
        self.path = path
        size = len(CALLS) * SLOT.size + OFFSET.size + PREFIX_SIZE
        with open(path, "wb") as file:
            file.truncate(size)
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), size)

    def environment(self):
        return {"PMCTL_TEST_CALLS": self.path, "LD_PRELOAD": ":".join([*sanitizers(), LIBRARY])}

    def at(self, call):
        return CALLS.index(call) * SLOT.size

    def fail(self, call, error, every=1, prefix=""):
        assert len(prefix) < PREFIX_SIZE
        start = len(CALLS) * SLOT.size + OFFSET.size
        self.memory[start : start + PREFIX_SIZE] = prefix.encode().ljust(PREFIX_SIZE, b"\0")
        _, _, calls, _ = SLOT.unpack_from(self.memory, self.at(call))
        SLOT.pack_into(self.memory, self.at(call), getattr(errno, error), every, calls, 0)

    def work(self, call):
        """It does again; how often it failed."""
        _, _, calls, failures = SLOT.unpack_from(self.memory, self.at(call))
        SLOT.pack_into(self.memory, self.at(call), 0, 0, calls, failures)
        return failures

    def failures(self, call):
        return SLOT.unpack_from(self.memory, self.at(call))[3]

    def calls(self, call):
        return SLOT.unpack_from(self.memory, self.at(call))[2]

    def set_clock(self, seconds):
        OFFSET.pack_into(self.memory, len(CALLS) * SLOT.size, seconds)

    def close(self):
        self.memory.close()
