"""What tests/chaos looks at from outside: every line in the logs, and what is left when all is over."""

import contextlib
import json
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
        self.most = {}  # and the greatest that there was
        self.seams = dict.fromkeys(names, 0)  # kills of the supervisor since the log was read
        self.again = {name: set() for name in names}  # pids that began anew in the doubled stretch that goes on
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

    def new_bytes(self, name, files):
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
            self.seams[name] += kills
            try:
                files = self.opened(name)
            except FileNotFoundError:
                continue  # not there yet, or just being rotated: at the next look
            for piece in self.new_bytes(name, files):
                for record in piece.splitlines():
                    tag, text = record.split(b" ", 3)[2:]
                    text, self.begun[name] = self.begun[name] + text, b""
                    if tag == b"P":
                        self.begun[name] = text
                    elif match := self.LINE.search(text):
                        self.take(name, int(match[2]), int(match[1]))
            self.seams[name] = 0

    def take(self, name, pid, number):
        last, most = self.last.get((name, pid), 0), self.most.get((name, pid), 0)
        self.last[name, pid] = number
        self.most[name, pid] = max(most, number)
        self.lines += 1
        if number > last + 1:
            raise AssertionError(f"'{name}', process {pid}: line {number} after {last}: lost")
        again = self.again[name]
        if number > most:
            again.clear()  # a new line: what was doubled is over
        if number == last + 1:
            return
        # A doubled stretch may have lines of several processes: each begins anew in it, once.
        if not again or pid in again:
            if self.seams[name] == 0:
                raise AssertionError(f"'{name}', process {pid}: line {number} after {last}: doubled, and no supervisor was killed")
            self.seams[name] -= 1
            again.clear()
        again.add(pid)
        self.doubled += last + 1 - number

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


def tagged(world):
    """{pid: environment} of every process on this machine that has the tag of a run of this world."""
    found = {}
    for pid in world.own_processes():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                pairs = [item.partition(b"=") for item in file.read().split(b"\0") if item]
        except OSError:
            continue
        env = {key.decode(): value.decode(errors="replace") for key, _, value in pairs}
        if "INSTANCE_ID" in env and "PMCTL_RUN" in env:
            found[pid] = env
    return found


def leaders(world):
    """The pids of the runs themselves: each is the last word of its own tag. The tag is also that of the helper that
    LSan clones at the end of a program, which without it would spin for ever."""
    return sorted(pid for pid, env in tagged(world).items() if env["PMCTL_RUN"].rpartition(" ")[2] == str(pid))


def events(world, count):
    lines = world.ctl("events", "--json", "-n", str(count)).out.split("\n")
    return [json.loads(line) for line in lines if line]


def newest_event(world):
    return max((event["number"] for event in events(world, 1)), default=0)


def became_running(world, since):
    """The pids that were found healthy, by the events after number `since`."""
    texts = [event["text"] for event in events(world, 1000) if event["number"] > since]
    return {int(match[1]) for text in texts if (match := re.search(r"→ Running \(pid (\d+)", text))}


def leftovers(world):
    """What a supervisor that ended in order has left and should not have, in words."""
    found = [f"process {pid}" for pid in world.own_processes()]
    for folder, _, names in os.walk(world.path("run")):
        found += [os.path.join(folder, name) for name in names]
    for folder, _, names in os.walk(world.path("state")):
        for name in names:
            path = os.path.join(folder, name)
            known = name.startswith("state.db") or name in ("current", "lock") or name.endswith(".log")
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
