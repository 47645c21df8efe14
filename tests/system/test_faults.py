"""System calls that fail, a clock that jumps, a supervisor that is stopped for a while: nothing is lost, nothing is
started twice, nobody spins, and all is well again when the fault is gone."""

import contextlib
import datetime
import os
import re
import select
import signal
import socket
import time

from failing_calls import FailingCalls
from harness import BUILD, CAP, SystemTest, deadline, left, main

DEMO_APP = os.path.join(BUILD, "tests", "tools", "pmctl-demo-app")

# call, error, each so manieth, below which folder of the world
FAULTS = [
    ("clone", "EAGAIN", 1, ""),
    ("clone", "ENOMEM", 2, ""),
    ("open", "EMFILE", 1, ""),
    ("open", "ENFILE", 3, ""),
    ("open", "ENOSPC", 1, "state/logs"),
    ("open", "EIO", 1, "run/fifo"),
    ("write", "ENOSPC", 1, "state/logs"),
    ("write", "ENOSPC", 1, "state/state.db"),
    ("write", "EIO", 2, "state"),
    ("sync", "EIO", 1, "state"),
    ("mkfifo", "ENOSPC", 1, ""),
    ("epoll_ctl", "ENOSPC", 2, ""),
    ("epoll_ctl", "ENOMEM", 1, ""),
    ("bind", "EADDRINUSE", 1, ""),
    ("bind", "EACCES", 1, ""),
    ("accept", "EMFILE", 2, ""),
    ("accept", "ECONNABORTED", 2, ""),
    ("pipe", "EMFILE", 1, ""),
    ("tee", "ENOMEM", 2, ""),
    ("splice", "ENOMEM", 2, ""),
    ("socket", "EMFILE", 1, ""),
    ("socket", "ENOBUFS", 2, ""),
    ("open", "EMFILE", 1, "/proc"),
]

# Wake-ups of the loop in a third of a second, which is what a passive command takes: a loop that spins has 10^5.
MOST_WAKES = 3000

CONFIG = """[defaults]
restart.backoff_initial = "20ms"
restart.backoff_max = "100ms"
restart.circuit_failures = 1000000
health.interval = "50ms"
health.retry_interval = "20ms"
[instances.web]
command = ["DEMO"]
hostname = "web.test"
[instances.kept]
command = ["DEMO"]
socket_activation = true
[instances.probed]
port = "none"
command = ["/bin/sleep", "1000"]
health = { kind = "exec", command = ["/bin/true"] }
[instances.spare]
port = "none"
health.kind = "none"
command = ["/bin/sleep", "1000"]
[instances.talks]
port = "none"
health.kind = "none"
command = ["/bin/sh", "-c", "n=0; while read -r line < GATE; do n=$((n+1)); echo line $n; done"]
restart.policy = "never"
"""

CRASHING = """[instances.crashes]
port = "none"
health.kind = "none"
command = ["/bin/false"]
"""

# What it starts is in a session of its own, which no signal to its group reaches.
ORPHANS = """[defaults]
restart.backoff_initial = "20ms"
[instances.parent]
port = "none"
health.kind = "none"
command = ["/bin/sh", "-c", "setsid /bin/sleep 4321 & exec /bin/sleep 1000"]
"""


HEALTHY = ("web", "kept", "probed", "spare", "talks")


class Faults(SystemTest):
    def begin(self, more=""):
        world = self.world(supervisor='log_level = "warn"')
        world.http = f"unix:{world.path('api.sock')}"
        os.mkfifo(world.path("gate"))
        world.configure(CONFIG.replace("DEMO", DEMO_APP).replace("GATE", world.path("gate")) + more)
        calls = FailingCalls(world.path("calls"))
        self.addCleanup(calls.close)
        world.start(env=calls.environment())
        world.ctl("wait", "--for", "healthy", *HEALTHY)
        # Somebody always has the gate open, so that its reader never sees its end.
        gate = os.open(world.path("gate"), os.O_RDWR)
        self.addCleanup(os.close, gate)
        self.said = 0
        return world, calls, gate

    def say(self, gate):
        """One more line in the log of 'talks'; one byte at a time, as its shell reads it."""
        self.said += 1
        os.write(gate, b"x\n")

    def act(self, world, gate, row):
        """What happens on a bad day; how it ends is not asked."""
        self.say(gate)
        question = self.question(world)
        if row and row["pid"]:
            os.kill(row["pid"], signal.SIGKILL)
        world.ctl("scale", "spare=2", "--timeout", "200ms", status=None)
        world.ctl("restart", "kept", "--timeout", "200ms", status=None)
        world.ctl("reload", "--timeout", "200ms", status=None)
        world.ctl("stop", "probed", "--timeout", "200ms", status=None)
        world.ctl("start", "probed", "--timeout", "200ms", status=None)
        world.ctl("logs", "-n", "1", "web", status=None)
        return question

    def question(self, world):
        """A request of the HTTP API, on its way."""
        peer = socket.socket(socket.AF_UNIX)
        self.addCleanup(peer.close)
        peer.settimeout(CAP)
        peer.connect(world.path("api.sock"))
        with contextlib.suppress(BrokenPipeError):  # it cannot be watched, and was let go
            peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: api\r\n\r\n")
        return peer

    def processes(self, world):
        """Processes of the demo app that are this world's, by name of their run."""
        found = []
        for pid in world.own_processes():
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as command, open(f"/proc/{pid}/environ", "rb") as env:
                    if DEMO_APP.encode() in command.read():
                        tag = re.search(rb"INSTANCE_ID=([^\0]*)", env.read())
                        found.append(tag.group(1).decode() if tag else "?")
            except OSError:
                continue
        return sorted(found)

    def assert_calm(self, world, calls, what):
        before, begun = calls.calls("epoll_wait"), time.monotonic()
        world.ctl("wait", "--for", "stopped", "talks", "--timeout", "300ms", status=6)
        thirds = max(1, (time.monotonic() - begun) * 3)
        self.assertLess(calls.calls("epoll_wait") - before, MOST_WAKES * thirds, f"{what}: the loop spins")

    def heal(self, world, what):
        outcome = world.ctl("wait", "--for", "healthy", *HEALTHY, status=None)
        self.assertEqual(outcome.status, 0, f"{what}: {outcome}\n{world.log_tail()}")

    def test_each_call_that_fails(self):
        world, calls, gate = self.begin(CRASHING)
        supervisor = world.process.pid
        talker = world.row("talks")["pid"]
        for call, error, every, folder in FAULTS:
            what = f"{call}: {error}, each {every}. {folder}"
            with self.subTest(what):
                row = world.row("web")
                calls.fail(call, error, every, os.path.join(world.folder, folder) if folder else "")
                question = self.act(world, gate, row)
                # It is there, and says how things are, all the time.
                self.assertIn(world.ctl("status", status=None).status, (0, 3), what)
                self.assertIsNone(world.process.poll(), f"{what}\n{world.log_tail()}")
                self.assert_calm(world, calls, what)
                failures = calls.work(call)
                self.heal(world, what)
                # Whoever was not let in at once waits, and is answered; one who cannot be watched is let go.
                if call != "epoll_ctl":
                    self.assertIn(b"200 OK", question.recv(4096))
                world.ctl("scale", "spare=1")
                # What crashes is still started again each time.
                crashes = world.row("crashes")["restarts"]
                world.until(lambda before=crashes: world.row("crashes")["restarts"] > before, f"{what}: another crash")
                self.assertEqual(world.row("talks")["pid"], talker)
                self.assertEqual(self.processes(world), ["kept", "web"])
                self.assertGreater(failures, 0, f"{what}: it was never called")
        self.assertEqual(world.process.pid, supervisor)
        # Nothing of what was written is lost, or there twice.
        lines = [f"line {n}" for n in range(1, self.said + 1)]
        world.until(lambda: world.ctl("logs", "talks").out.count("\n") >= len(lines), "the lines")
        self.assertEqual([line.split("| ")[-1] for line in world.ctl("logs", "talks").out.split("\n") if line], lines)
        # And what was asked last is what the next supervisor knows.
        world.ctl("stop", "probed")
        world.process.send_signal(signal.SIGKILL)
        world.process.wait()
        world.start(env=calls.environment())
        self.assertEqual(world.row("probed")["wanted"], "stopped")

    def test_a_log_that_cannot_be_rotated_waits_and_loses_nothing(self):
        world, calls, gate = self.begin('[instances.talks.log]\nmax_size = "4KiB"\nmax_files = 100\n')
        calls.fail("rename", "EIO", 1, world.path("state", "logs"))
        count = 600  # some 26 KB
        os.write(gate, b"x\n" * count)
        until = deadline()
        while calls.failures("rename") == 0:
            self.assertGreater(left(until), 0, "it was never to be rotated")
            world.row("talks")
        self.assert_calm(world, calls, "rename")
        self.assertTrue(any("rename" in text for text in world.event_texts()), world.event_texts())
        folder = world.path("state", "logs", "talks")
        for stream in os.scandir(folder):
            files = [stream] if stream.is_file() else list(os.scandir(stream.path))
            self.assertLessEqual(max(file.stat().st_size for file in files), 4096)
        calls.work("rename")
        with world.following("logs", "-f", "talks") as lines:
            said = [(lines.next(deadline()) or "").split("| ")[-1] for _ in range(count)]
        self.assertEqual(said, [f"line {n}" for n in range(1, count + 1)])

    def test_an_upgrade_that_cannot_be_done_leaves_all_as_it_is(self):
        world, calls, gate = self.begin()
        before = self.known(world)
        for call, error, words in (
            ("memfd", "EMFILE", "Too many open files"),
            ("exec", "ENOMEM", "Cannot allocate memory"),
            ("clone", "EAGAIN", "Resource temporarily unavailable"),
        ):
            with self.subTest(call):
                calls.fail(call, error)
                outcome = world.ctl("upgrade", status=1)
                self.assertIn(words, outcome.err)
                self.assertGreater(calls.work(call), 0)
                self.assertEqual(self.known(world), before)
                self.assertIn(b"200 OK", self.question(world).recv(4096))
                self.say(gate)
                pid = world.row("spare")["pid"]
                os.kill(pid, signal.SIGKILL)
                world.until(lambda ended=pid: world.row("spare")["pid"] not in (None, ended), "another run")
                before = self.known(world)
        world.ctl("upgrade")
        self.assertEqual([row["pid"] for row in self.known(world)], [row["pid"] for row in before])

    def orphans(self, world):
        """Processes of this world that began a session of their own within the run of 'parent'."""
        found = []
        for pid in world.own_processes():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as command:
                if command.read() == b"/bin/sleep\x004321\0":
                    found.append(pid)
        return found

    def test_what_a_run_leaves_is_ended_though_it_could_not_be_looked_at(self):
        world = self.world(supervisor='log_level = "warn"')
        world.configure(ORPHANS)
        calls = FailingCalls(world.path("calls"))
        self.addCleanup(calls.close)
        world.start(env=calls.environment())
        world.until(lambda: len(self.orphans(world)) == 1, "the orphan")
        for what in ("/proc/{orphan}/environ", "/proc/self/task/"):
            with self.subTest(what):
                [orphan] = self.orphans(world)
                ended = os.pidfd_open(orphan)
                self.addCleanup(os.close, ended)
                calls.fail("open", "EMFILE", 1, what.format(orphan=orphan))
                pid = world.row("parent")["pid"]
                os.kill(pid, signal.SIGKILL)
                world.until(lambda before=pid: (world.row("parent")["pid"] or before) != before, "another run")
                until = deadline()
                while calls.failures("open") == 0:
                    self.assertGreater(left(until), 0, "nobody looked")
                    world.row("parent")
                # Nobody else's end is what has it look again.
                calls.work("open")
                ready, _, _ = select.select([ended], [], [], CAP)
                self.assertTrue(ready, f"{what}: pid {orphan} outlives its run")
                world.until(lambda: len(self.orphans(world)) == 1, "one orphan, of the run that is")

    def test_the_next_supervisor_starts_nothing_beside_what_it_cannot_look_at(self):
        world, calls, _ = self.begin()
        pids = {row["name"]: row["pid"] for row in world.rows()}
        for name, pid in pids.items():
            with open(f"/proc/{pid}/environ", "rb") as env:
                text = env.read()
            for word in (b"LD_PRELOAD", b"PMCTL_TEST_CALLS"):
                self.assertNotIn(word, text, f"{name}: the faults are the supervisor's alone")
        for error in ("EMFILE", "ENOMEM", None):
            world.process.send_signal(signal.SIGKILL)
            world.process.wait()
            if error:
                calls.fail("pidfd", error)
            world.start(env=calls.environment())
            if error:
                self.assertGreater(calls.work("pidfd"), 0)
                self.assertEqual([row["pid"] for row in world.rows() if row["pid"]], [])
            self.assertEqual(self.processes(world), ["kept", "web"])
            for pid in pids.values():
                os.kill(pid, 0)
        # The one after it goes on with all of them.
        world.ctl("wait", "--for", "healthy")
        self.assertEqual({row["name"]: row["pid"] for row in world.rows()}, pids)

    def answer(self, world, what):
        """What the HTTP interface says, once it is open."""
        until = deadline()
        while True:
            try:
                return self.question(world).recv(4096)
            except (ConnectionRefusedError, FileNotFoundError):
                self.assertGreater(left(until), 0, f"{what}: it is not opened any more\n{world.log_tail()}")
                world.row("parent")

    def test_a_start_without_timers_ends_with_the_reason_or_heals(self):
        world = self.world(ORPHANS)
        world.http = f"unix:{world.path('api.sock')}"
        world.configure(ORPHANS)
        calls = FailingCalls(world.path("calls"))
        self.addCleanup(calls.close)
        refused = 0
        for nth in range(1, 100):  # each of those that a start takes fails once
            calls.fail("timer", "EMFILE", calls.calls("timer") + nth)
            try:
                world.start(env=calls.environment())
            except AssertionError:
                refused += 1
                self.assertEqual(world.process.returncode, 1, world.log_tail())
                self.assertIn("Too many open files", world.log().strip().split("\n")[-1])
                self.assertEqual(world.own_processes(), [], f"timer {nth}")
                continue
            failures = calls.work("timer")
            world.ctl("wait", "--for", "healthy")
            self.assertIn(b"200 OK", self.answer(world, f"timer {nth}"))
            self.assertEqual(world.stop(), 0, world.log_tail())
            if failures == 0:
                break
        self.assertEqual(failures, 0)
        self.assertGreater(refused, 0)

    def known(self, world):
        keys = ("name", "state", "pid", "port", "restarts", "wanted")
        return [{key: row[key] for key in keys} for row in world.rows()]

    def hours_since_epoch(self, text):
        return datetime.datetime.fromisoformat(text[:19] + "+00:00").timestamp() / 3600

    def test_a_clock_that_jumps_by_a_day_changes_nothing(self):
        world, calls, gate = self.begin()
        before = self.known(world)
        day = 24 * 3600
        for offset in (day, -day, 0):
            calls.set_clock(offset)
            checks = world.row("web")["health"]["checked_at"]
            world.ctl("wait", "--for", "healthy")
            # The next check comes when it would have come, whatever the clock says.
            until = deadline()
            while world.row("web")["health"]["checked_at"] == checks:
                self.assertGreater(left(until), 0, "no check any more")
            hours = self.hours_since_epoch(world.row("web")["health"]["checked_at"])
            self.assertLess(abs(hours - offset / 3600 - time.time() / 3600), 2, "its clock did not jump")
            self.say(gate)
            world.ctl("signal", "WINCH", "kept")
            self.assertEqual(self.known(world), before)
        numbers = [int(line.split('"number":')[1].split(",")[0]) for line in world.ctl("events", "--json").out.split("\n") if line]
        self.assertEqual(numbers, sorted(numbers))
        world.until(lambda: world.ctl("logs", "talks").out.count("\n") >= 3, "the lines")
        said = [line.split("| ")[-1] for line in world.ctl("logs", "talks").out.split("\n") if line]
        self.assertEqual(sorted(said), ["line 1", "line 2", "line 3"])

    def test_a_supervisor_that_is_stopped_for_a_while_blames_nobody(self):
        world, _, gate = self.begin()
        before = self.known(world)
        for _ in range(2):
            world.process.send_signal(signal.SIGSTOP)
            # Sixty checks' time: what it slept through is what is tested.
            select.select([], [], [], 3)
            self.say(gate)
            world.process.send_signal(signal.SIGCONT)
            world.ctl("wait", "--for", "healthy")
            self.assertEqual(self.known(world), before)
        self.assertEqual([text for text in world.event_texts() if "Unhealthy" in text], [])


if __name__ == "__main__":
    main()
