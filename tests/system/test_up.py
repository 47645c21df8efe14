"""pmctl up, as a developer runs it: in front, in the background, attached."""

import contextlib
import os
import pty
import re
import signal
import subprocess

from harness import BUILD, CAP, PMCTL, LineStream, deadline, main
from up_world import UpTest

DEMO_APP = os.path.join(BUILD, "tests", "tools", "pmctl-demo-app")


class Up(UpTest):
    def test_named_ones_alone_are_started_whatever_kind_of_name_it_is(self):
        world = self.world()
        world.configure(
            f"""[defaults]
health.kind = "none"
[instances.db]
command = {world.puppet('db')}
[instances.web]
group = "front"
depends_on = ["db"]
command = {world.puppet('web')}
[instances.tool]
autostart = false
command = {world.puppet('tool')}
[instances.other]
command = {world.puppet('other')}
"""
        )
        self.addCleanup(world.ctl, "down", "--now", status=None)

        def states():
            return {row["name"]: row["state"] for row in world.rows()}

        world.ctl("up", "-d", "@front", "t*")
        self.assertEqual(
            states(), {"db": "Running", "web": "Running", "tool": "Running", "other": "Stopped"}
        )
        # Others by name, on one that runs.
        world.ctl("stop", "tool")
        world.ctl("up", "-d", "tool")
        self.assertEqual(states()["tool"], "Running")
        self.assertEqual(states()["other"], "Stopped")
        # Without a name: all that the configuration starts.
        world.ctl("up", "-d")
        self.assertEqual(states()["other"], "Running")
        world.ctl("down")
        # A name that means nothing leaves no supervisor behind.
        self.assertIn("did you mean 'other'?", world.ctl("up", "-d", "othre", status=4).err)
        self.assertEqual(world.own_processes(), [])

    def test_detached_it_returns_when_all_are_healthy(self):
        world = self.two()
        outcome = world.ctl("up", "-d")
        self.assertIn("web", outcome.out)
        self.assertEqual({row["state"] for row in world.rows()}, {"Running"})
        world.ctl("up", "-d")  # again: nothing to do
        self.assertEqual({row["restarts"] for row in world.rows()}, {0})
        # The supervisor's last words in a crash would not be lost.
        with open(world.path("run", "pmctld.pid"), encoding="utf-8") as file:
            stderr = os.readlink(f"/proc/{int(file.read())}/fd/2")
        self.assertEqual(stderr, world.path("run", "pmctld.log"))
        world.ctl("down")
        world.ctl("status", status=5)

    def test_detached_it_names_what_does_not_become_healthy(self):
        world = self.world()
        world.configure(
            f"[instances.web]\ncommand = {world.puppet('web', 'complain no-database', 'exit 3')}\n"
        )
        self.addCleanup(world.ctl, "down", "--now", status=None)
        outcome = world.ctl("up", "-d", status=1)
        self.assertIn("exited with 3", outcome.err)
        self.assertIn("no-database", outcome.out + outcome.err)

    def test_an_invalid_configuration_is_shown_and_starts_nothing(self):
        world = self.world("[instances.web]\ncomand = ['x']\n")
        outcome = world.ctl("up", "-d", status=2)
        self.assertIn("comand", outcome.err)
        self.assertEqual(world.own_processes(), [])

    def test_a_second_up_attaches_and_ctrl_c_then_only_detaches(self):
        world = self.two()
        world.ctl("up", "-d")
        process = self.up(world)
        lines = LineStream(process.stdout.fileno())
        self.lines_until(lines, "attached")
        world.ctl("restart", "web")
        self.lines_until(lines, "hello-from-web")
        process.send_signal(signal.SIGINT)
        process.wait(CAP)
        world.ctl("status")

    @staticmethod
    def number(line):
        """(name, number) of a line of --log-rate. What stands before it is the half of one that a kill cut in two."""
        match = re.search(r"^(web:[01])  \| .*?line (\d+) \(\d+\)$", line)
        return (match[1], int(match[2])) if match else None

    def numbers(self, seen):
        found = {"web:0": [], "web:1": []}
        for name, number in filter(None, map(self.number, seen)):
            found[name].append(number)
        return found

    def numbers_until(self, lines, number):
        """What comes until both have written the line of that number."""
        missing = {("web:0", number), ("web:1", number)}
        return self.lines_until_none_is(missing, lines, lambda line: {self.number(line)})

    def supervisor(self, world):
        with open(world.path("run", "pmctld.pid"), encoding="utf-8") as file:
            return int(file.read())

    def test_a_supervisor_that_is_killed_is_started_again_and_nothing_is_lost(self):
        world = self.world(f'[instances.web]\nreplicas = 2\ncommand = ["{DEMO_APP}", "--log-rate", "200"]\n')
        self.addCleanup(world.ctl, "down", "--now", status=None)
        process = self.up(world)
        lines = LineStream(process.stdout.fileno())
        seen = self.numbers_until(lines, 20)
        world.ctl("wait", "--for", "healthy")
        children = {row["name"]: row["pid"] for row in world.rows()}
        for _ in range(2):
            os.kill(self.supervisor(world), signal.SIGKILL)
            seen += self.lines_until(lines, "pmctl: the supervisor was killed by signal 9 (SIGKILL); started again, its 2 instances kept running")
            self.assertEqual({row["name"]: row["pid"] for row in world.rows()}, children)
            last = max(max(each) for each in self.numbers(seen).values())
            seen += self.numbers_until(lines, last + 100)
        world.ctl("down")
        while (line := lines.next(deadline())) is not None:
            seen.append(line)
        self.assertEqual(process.wait(CAP), 0)
        self.assertEqual(world.own_processes(), [])
        for name, numbers in self.numbers(seen).items():
            steps = list(zip([0, *numbers], numbers))
            self.assertEqual([(last, number) for last, number in steps if number > last + 1], [], f"{name}: lost")
            # Each kill may have doubled what is short: log_seam.hpp.
            doubled = [(last, number) for last, number in steps if number <= last]
            self.assertLessEqual(len(doubled), 2, f"{name}: {doubled}")

    def test_a_supervisor_that_keeps_crashing_is_given_up_and_what_runs_stays(self):
        world = self.two()
        process = self.up(world)
        lines = LineStream(process.stdout.fileno())
        self.lines_until(lines, "hello-from-web", "hello-from-api")
        world.ctl("wait", "--for", "healthy")
        children = {row["pid"] for row in world.rows()}
        # The fifth, unless the machine is so slow that the first ones were over a minute ago.
        for _ in range(20):
            os.kill(self.supervisor(world), signal.SIGABRT)
            seen = self.lines_until_one_of(lines, "(SIGABRT); started again", "5 times within a minute")
            if "5 times within a minute" in seen[-1]:
                break
        self.assertIn("5 times within a minute", seen[-1])
        self.assertIn(world.path("run", "pmctld.log"), seen[-1])
        self.assertEqual(process.wait(CAP), 5)
        self.assertEqual(set(world.own_processes()), children)
        world.ctl("up", "-d")  # as it advises
        self.assertEqual({row["pid"] for row in world.rows()}, children)

    def test_what_the_next_supervisor_refuses_is_said(self):
        world = self.two()
        process = self.up(world)
        lines = LineStream(process.stdout.fileno())
        self.lines_until(lines, "hello-from-web", "hello-from-api")
        with open(world.config_path, encoding="utf-8") as file:
            valid = file.read()
        world.write("pmctl.toml", valid + "comand = 1\n")
        os.kill(self.supervisor(world), signal.SIGKILL)
        self.lines_until(lines, "cannot be started again")
        self.assertEqual(process.wait(CAP), 5)
        self.assertEqual(len(world.own_processes()), 2)
        world.write("pmctl.toml", valid)
        world.ctl("up", "-d")

    def test_ctrl_c_before_the_next_one_is_there_stops_everything(self):
        world = self.two()
        process = self.up(world)
        lines = LineStream(process.stdout.fileno())
        self.lines_until(lines, "hello-from-web", "hello-from-api")
        for _ in range(3):  # the more of them, the longer it waits
            os.kill(self.supervisor(world), signal.SIGKILL)
            self.lines_until(lines, "started again")
        os.kill(self.supervisor(world), signal.SIGKILL)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(CAP), 0)
        self.assertEqual(world.own_processes(), [])

    def test_attached_it_goes_on_with_the_next_supervisor(self):
        world = self.two()
        owner = self.up(world)
        owners_lines = LineStream(owner.stdout.fileno())
        self.lines_until(owners_lines, "hello-from-web", "hello-from-api")
        guest = self.up(world)
        lines = LineStream(guest.stdout.fileno())
        self.lines_until(lines, "attached")
        self.assertIsNone(guest.poll())
        os.kill(self.supervisor(world), signal.SIGKILL)
        self.lines_until(owners_lines, "started again")
        self.lines_until(lines, "has died", "the next supervisor is there")
        world.ctl("restart", "web")
        self.lines_until(lines, "hello-from-web")
        world.ctl("down")
        self.assertEqual(owner.wait(CAP), 0)
        self.assertEqual(guest.wait(CAP), 5)

    def test_it_goes_on_with_a_supervisor_that_is_upgraded(self):
        world = self.two()
        process = self.up(world)
        lines = LineStream(process.stdout.fileno())
        self.lines_until(lines, "hello-from-web", "hello-from-api")
        world.ctl("wait", "--for", "healthy")
        world.ctl("upgrade")
        seen = self.lines_until(lines, "goes on where")
        world.ctl("restart", "web")
        seen += self.lines_until(lines, "hello-from-web")
        self.assertFalse([line for line in seen if line.startswith("pmctl: ")])
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(CAP), 0)
        self.assertEqual(world.own_processes(), [])

    def test_what_an_operator_has_stopped_stays_so_and_is_named(self):
        world = self.two()
        world.ctl("up", "-d")
        world.ctl("stop", "web")
        world.ctl("down")
        outcome = world.ctl("up", "-d")
        self.assertIn("stopped by an operator, and stays so until: pmctl start web\n", outcome.err)
        self.assertEqual(world.row("web")["state"], "Stopped")
        world.ctl("start", "web")
        self.assertEqual(world.ctl("up", "-d").err, "")

    def test_only_the_named_ones_and_what_they_need_are_started(self):
        world = self.two()
        world.ctl("up", "-d", "api")
        states = {row["name"]: row["state"] for row in world.rows()}
        self.assertEqual(states, {"api": "Running", "web": "Stopped"})

    def test_on_a_terminal_it_has_colours_and_not_with_no_color(self):
        world = self.two()
        world.ctl("up", "-d")
        for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
            ours, theirs = pty.openpty()
            subprocess.run(
                [PMCTL, "--config", world.config_path, "status"],
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                env=world.environment({"TERM": "xterm-256color", **env}),
                timeout=CAP,
                check=False,
            )
            os.close(theirs)
            text = ""
            with contextlib.suppress(OSError):  # EIO: that was all
                while True:
                    text += os.read(ours, 65536).decode()
            os.close(ours)
            self.assertIn("Running", text)
            self.assertEqual("\x1b[" in text, coloured, text)


if __name__ == "__main__":
    main()
