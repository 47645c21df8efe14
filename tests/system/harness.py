"""The ring of the real binaries: a World is one supervisor with its own folder, socket and port range.

Every wait is for an event (a line of `pmctl events -f`, of a puppet's report, the end of a process) and has a cap.
The binaries are found through PMCTL_BUILD, which meson sets.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = os.environ.get("PMCTL_BUILD", "build")
PMCTL = os.path.join(BUILD, "cli", "pmctl")
PMCTLD = os.path.join(BUILD, "supervisor", "pmctld")
PUPPET = os.path.join(BUILD, "tests", "tools", "puppet")
CAP = float(os.environ.get("PMCTL_TEST_CAP", "100"))  # seconds; under a sanitizer and load everything is slow

PORTS_EACH = 40
FIRST_PORT = 21000


def deadline(cap=None):
    return time.monotonic() + (CAP if cap is None else cap)


def left(until):
    return max(0.0, until - time.monotonic())


class PortSlot:
    """A range of ports that no other test has while this process lives."""

    def __init__(self):
        folder = os.path.join(tempfile.gettempdir(), f"pmctl-test-ports-{os.getuid()}")
        os.makedirs(folder, exist_ok=True)
        for number in range(200):
            self.file = open(os.path.join(folder, str(number)), "w")
            try:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self.file.close()
                continue
            self.first = FIRST_PORT + number * PORTS_EACH
            return
        raise RuntimeError("no free slot of ports")

    def close(self):
        self.file.close()


class LineStream:
    """The lines of a descriptor as they come."""

    def __init__(self, fd):
        self.fd = fd
        self.rest = b""

    def next(self, until):
        """The next line, or None at the end or when the time is up."""
        while b"\n" not in self.rest:
            ready, _, _ = select.select([self.fd], [], [], left(until))
            if not ready:
                return None
            piece = os.read(self.fd, 65536)
            if not piece:
                return None
            self.rest += piece
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode(errors="replace")


class Report:
    """What a puppet reports, waited for by inotify(7)."""

    IN_MODIFY, IN_CREATE, IN_MOVED_TO = 0x2, 0x100, 0x80
    libc = ctypes.CDLL(None, use_errno=True)

    def __init__(self, path):
        self.path = path
        self.watch = self.libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        folder = os.path.dirname(path).encode()
        self.libc.inotify_add_watch(self.watch, folder, self.IN_MODIFY | self.IN_CREATE | self.IN_MOVED_TO)

    def lines(self):
        try:
            with open(self.path, encoding="utf-8") as file:
                return [line for line in file.read().split("\n") if line]
        except FileNotFoundError:
            return []

    def wait(self, word, count=1, cap=None):
        """Until `count` lines begin with `word`; the last of them."""
        until = deadline(cap)
        while True:
            found = [line for line in self.lines() if line.startswith(word)]
            if len(found) >= count:
                return found[count - 1]
            ready, _, _ = select.select([self.watch], [], [], left(until))
            if not ready:
                raise AssertionError(f"no {count} x '{word}' in {self.path}: {self.lines()}")
            os.read(self.watch, 65536)

    def close(self):
        os.close(self.watch)


class Outcome:
    def __init__(self, done):
        self.status = done.returncode
        self.out = done.stdout
        self.err = done.stderr

    def __repr__(self):
        return f"status {self.status}\n--- out\n{self.out}\n--- err\n{self.err}"


class World:
    def __init__(self, config="", supervisor="", port_count=PORTS_EACH):
        self.folder = tempfile.mkdtemp(prefix="pmctl-test-")
        os.chmod(self.folder, 0o755)
        self.slot = PortSlot()
        self.first_port = self.slot.first
        self.last_port = self.slot.first + port_count - 1
        self.supervisor_keys = supervisor
        self.http = ""  # [http] listen
        self.config_path = os.path.join(self.folder, "pmctl.toml")
        self.process = None
        self.program = PMCTLD
        self.reports = {}
        self.configure(config)

    # Files and names

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def report(self, name):
        if name not in self.reports:
            self.reports[name] = Report(self.path(name + ".report"))
        return self.reports[name]

    def puppet(self, name, *steps):
        """A `command` for TOML that runs the puppet with these steps and reports as `name`."""
        return json.dumps([PUPPET, "--report", self.path(name + ".report"), *steps])

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def configure(self, config):
        """Writes the configuration: the instances, with this world's folders and ports put before them."""
        self.write(
            "pmctl.toml",
            f"""
[supervisor]
runtime_dir = "{self.path("run")}"
state_dir = "{self.path("state")}"
{self.supervisor_keys}
[ports]
range = "{self.first_port}-{self.last_port}"
[http]
listen = "{self.http}"
{config}""",
        )

    # The programs

    def environment(self, extra=None):
        env = dict(os.environ)
        for name in ("PMCTL_CONFIG", "PMCTL_SOCKET", "NOTIFY_SOCKET", "NO_COLOR"):
            env.pop(name, None)
        env.update(extra or {})
        return env

    def start(self, *flags, env=None, cap=None, user=None, preexec=None):
        """pmctld in the background; returns when it says that it is ready."""
        ready, told = os.pipe()
        self.log_path = self.path("pmctld.log")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "--config", self.config_path, "--ready-fd", str(told), *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[told],
                env=self.environment(env),
                user=user,
                preexec_fn=preexec,
            )
        os.close(told)
        line = LineStream(ready).next(deadline(cap))
        os.close(ready)
        if line != "ready":
            self.process.wait(CAP)
            raise AssertionError(f"pmctld did not become ready, status {self.process.returncode}:\n{self.log()}")
        return self

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def ctl(self, *args, status=0, cap=None, env=None, stdin=None):
        """Runs pmctl; `status` is what it has to exit with, None for any."""
        done = subprocess.run(
            [PMCTL, "--config", self.config_path, *args],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=CAP if cap is None else cap,
            env=self.environment(env),
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            check=False,
        )
        outcome = Outcome(done)
        if status is not None and outcome.status != status:
            raise AssertionError(f"pmctl {' '.join(args)}: wanted {status}, got {outcome}\n--- supervisor\n{self.log_tail()}")
        return outcome

    def log_tail(self):
        try:
            return "\n".join(self.log().split("\n")[-40:])
        except (OSError, AttributeError):
            return ""

    def rows(self, *targets):
        return json.loads(self.ctl("status", "--json", *targets, status=None).out or "[]")

    def row(self, name):
        rows = [row for row in self.rows() if row["name"] == name]
        return rows[0] if rows else None

    @contextlib.contextmanager
    def following(self, *args):
        """The lines of a command that follows, as a LineStream."""
        process = subprocess.Popen(
            [PMCTL, "--config", self.config_path, *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self.environment(),
        )
        try:
            yield LineStream(process.stdout.fileno())
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def until(self, condition, what="the condition", cap=None):
        """Until `condition()` is true; asked anew after each event of the supervisor."""
        until = deadline(cap)
        with self.following("events", "-f", "-n", "1", "--json") as events:
            while True:
                value = condition()
                if value:
                    return value
                if events.next(until) is None:
                    value = condition()
                    if value:
                        return value
                    raise AssertionError(f"{what} never came: {json.dumps(self.rows(), indent=1)}\n{self.log_tail()}")

    def until_state(self, name, state, cap=None):
        def reached():
            row = self.row(name)
            return row if row and row["state"] == state else None

        return self.until(reached, f"'{name}' {state}", cap)

    def event_texts(self, name=None):
        lines = self.ctl("events", "--json", "-n", "1000").out.split("\n")
        events = [json.loads(line) for line in lines if line]
        return [event["text"] for event in events if name is None or event["name"] == name]

    # The end

    def stop(self, cap=None):
        """TERM to the supervisor; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(CAP if cap is None else cap)

    def own_processes(self):
        """Processes, zombies too, whose environment or command names this world's folder."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            if int(pid) == os.getpid():
                continue
            try:
                with open(f"/proc/{pid}/environ", "rb") as env, open(f"/proc/{pid}/cmdline", "rb") as command:
                    text = env.read() + command.read()
            except OSError:
                continue
            if self.folder.encode() in text:
                found.append(int(pid))
        return found

    def close(self):
        """Ends everything; complains about what was left behind."""
        problems = []
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
                try:
                    self.process.wait(CAP)
                except subprocess.TimeoutExpired:
                    problems.append("the supervisor did not end by SIGTERM:\n" + self.log_tail())
                    self.process.kill()
                    self.process.wait()
            log = self.log()
            for word in ("AddressSanitizer", "runtime error:", "LeakSanitizer", "a bug"):
                if word in log:
                    problems.append(f"'{word}' in the supervisor's log:\n{log[-6000:]}")
            for pid in self.own_processes():
                with contextlib.suppress(OSError):
                    with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
                        problems.append(f"process {pid} was left: {file.read()}")
                    os.kill(pid, signal.SIGKILL)
        for report in self.reports.values():
            report.close()
        self.slot.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if problems:
            raise AssertionError("\n".join(problems))


class SystemTest(unittest.TestCase):
    """Gives each test its World; leftovers fail the test."""

    maxDiff = None

    def world(self, config="", **kwargs):
        world = World(config, **kwargs)
        self.addCleanup(world.close)
        return world


def main():
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]], verbosity=2)
