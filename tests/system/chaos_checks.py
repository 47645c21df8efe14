"""What tests/chaos looks at from outside: every line in the logs, and what is left when all is over."""

import contextlib
import os
import re
import select
import socket
import stat
import time


class LogAudit:
    """The lines of pmctl-demo-app --log-rate in the log files of some names: each of a process once, in order."""

    # What stands before it is the half line of a read that a kill cut in two.
    LINE = re.compile(rb"line (\d+) \((\d+)\)$")

    def __init__(self, folder, names):
        self.folder = folder
        self.position = dict.fromkeys(names, 0)
        self.begun = dict.fromkeys(names, b"")
        self.last = {}  # (name, pid): the number of its last line
        self.held = contextlib.ExitStack()
        self.lines = 0
        self.doubled = 0

    def files(self, name):
        """[(first byte's place in the whole log, path)], oldest first: rotated ones are named by their place."""
        folder = os.path.join(self.folder, name)
        rotated = sorted(each for each in os.listdir(folder) if re.fullmatch(r"\d{20}\.log", each))
        found = [(int(each[:20]), os.path.join(folder, each)) for each in rotated]
        current = found[-1][0] + os.path.getsize(found[-1][1]) if found else 0
        return [*found, (current, os.path.join(folder, "current"))]

    def opened(self, name):
        """[(first byte's place, file)], all of one moment: no rotation came between."""
        while True:
            found = self.files(name)
            with contextlib.ExitStack() as stack:
                files = [(begin, stack.enter_context(open(path, "rb"))) for begin, path in found]
                if self.files(name) == found:
                    self.held = stack.pop_all()
                    return files

    def new_bytes(self, name):
        try:
            files = self.opened(name)
        except FileNotFoundError:
            return  # not there yet, or just being rotated: at the next look
        with self.held:
            for begin, file in files:
                end = self.position[name]
                if end < begin:
                    raise AssertionError(f"the log of '{name}' has no bytes from {end} to {begin}")
                file.seek(end - begin)
                piece = file.read()
                # A record that is being written is the next look's.
                whole = piece.rfind(b"\n") + 1
                self.position[name] += whole
                yield piece[:whole]

    def look(self, kills):
        """Reads on. `kills`: of the supervisor since the last look; each may have doubled one stretch of a log."""
        for name in self.position:
            seams = kills
            for piece in self.new_bytes(name):
                for record in piece.splitlines():
                    tag, text = record.split(b" ", 3)[2:]
                    text, self.begun[name] = self.begun[name] + text, b""
                    if tag == b"P":
                        self.begun[name] = text
                    elif match := self.LINE.search(text):
                        seams -= self.take(name, int(match[2]), int(match[1]), seams)

    def take(self, name, pid, number, seams):
        """1 where this is the beginning of what is there already."""
        last = self.last.get((name, pid), 0)
        self.last[name, pid] = number
        self.lines += 1
        if number == last + 1:
            return 0
        if number > last:
            raise AssertionError(f"'{name}', process {pid}: line {number} after {last}: lost")
        if seams == 0:
            raise AssertionError(f"'{name}', process {pid}: line {number} after {last}: doubled, and no supervisor was killed")
        self.doubled += last + 1 - number
        return 1

    def await_more(self, writers, until):
        """Until each of `writers`, {(name, pid)}, has written on."""
        before = {each: self.last.get(each, 0) for each in writers}
        while late := [each for each in writers if self.last.get(each, 0) <= before[each]]:
            alive = [each for each in late if os.path.exists(f"/proc/{each[1]}")]
            if not alive:
                return
            if time.monotonic() > until:
                raise AssertionError(f"nothing comes any longer from {alive}")
            select.select([], [], [], 0.02)
            self.look(0)


def leftovers(world):
    """What a supervisor that ended in order has left and should not have, in words."""
    found = [f"process {pid}" for pid in world.own_processes()]
    for folder, _, names in os.walk(world.path("run")):
        found += [os.path.join(folder, name) for name in names]
    for folder, _, names in os.walk(world.path("state")):
        for name in names:
            path = os.path.join(folder, name)
            known = name.startswith("state.db") or name == "current" or name.endswith(".log")
            if not known or not stat.S_ISREG(os.lstat(path).st_mode):
                found.append(path)
    for port in range(world.first_port, world.last_port + 2):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                found.append(f"port {port}: {error}")
    return found
