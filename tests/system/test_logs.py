"""pmctl logs: everything, in order, once, through rotations and while it is written."""

import json
import os
import subprocess
import tempfile

from harness import CAP, SystemTest, deadline, main

LINES = 200_000


class Logs(SystemTest):
    def test_both_streams_are_kept_and_can_be_chosen(self):
        world = self.world()
        world.configure(
            f"""[instances.web]
health.kind = "none"
command = {world.puppet('web', 'say to-out', 'complain to-err', 'say more')}
"""
        )
        world.start()
        world.report("web").wait("ready")
        world.ctl("stop", "web")
        self.assertEqual(world.ctl("logs", "--stdout", "web").out.split(), ["to-out", "more"])
        self.assertEqual(world.ctl("logs", "--stderr", "web").out.split(), ["to-err"])
        self.assertEqual(sorted(world.ctl("logs", "web").out.split()), ["more", "to-err", "to-out"])
        self.assertEqual(world.ctl("logs", "-n", "1", "--stdout", "web").out.split(), ["more"])
        with open(world.path("state", "logs", "web", "current"), encoding="utf-8") as file:
            for line in file:
                self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) [FP] ")

    def test_a_program_of_another_user_may_open_its_output_by_name(self):
        if os.getuid() != 0:
            self.skipTest("being another user takes root")
        world = self.world(
            """[instances.web]
health.kind = "none"
restart.policy = "never"
user = "nobody"
working_dir = "/"
command = ["/bin/sh", "-c", "echo by-name > /dev/stdout; echo another > /dev/stderr"]
"""
        )
        world.start()
        world.ctl("wait", "--for", "stopped", "web", "--timeout", f"{CAP:.0f}s")
        self.assertEqual(world.ctl("logs", "--stdout", "web").out.split(), ["by-name"])
        self.assertEqual(world.ctl("logs", "--stderr", "web").out.split(), ["another"])

    def test_numbered_lines_at_full_speed_come_once_and_in_order_through_many_rotations(self):
        world = self.world()
        go = world.path("go")
        world.configure(
            f"""[instances.web]
health.kind = "none"
log.max_size = "256KiB"
log.max_files = 200
command = {world.puppet('web', f'wait {go}', f'lines {LINES}', 'say END')}
"""
        )
        world.start()
        world.report("web").wait("started")
        with world.following("logs", "-f", "web") as lines:
            world.write("go", "")
            seen = []
            while True:
                if len(seen) % 10_000 == 0:
                    until = deadline()  # anew: it is to go on, not to be fast
                line = lines.next(until)
                self.assertIsNotNone(line, f"only {len(seen)} lines came")
                if line.endswith("END"):
                    break
                seen.append(line)
        numbers = [int("".join(c for c in line.split()[-1] if c.isdigit())) for line in seen]
        self.assertEqual(len(numbers), LINES)
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + LINES)))
        rotated = os.listdir(world.path("state", "logs", "web"))
        self.assertGreater(len(rotated), 10)
        # And once more from the files alone.
        world.ctl("stop", "web")
        self.assertEqual(len(world.ctl("logs", "web", cap=120).out.split("\n")), LINES + 2)

    def test_a_line_of_ten_megabytes_without_a_newline_arrives_whole(self):
        world = self.world()
        world.configure(
            f"[instances.web]\nhealth.kind = 'none'\nlog.max_size = '64MiB'\ncommand = {world.puppet('web', f'long-line {10 << 20}')}\n"
        )
        world.start()
        world.report("web").wait("long-line")
        world.ctl("stop", "web")
        out = world.ctl("logs", "web", cap=120).out
        self.assertEqual(len(out.strip("\n")), 10 << 20)

    def test_several_are_interleaved_by_time_with_their_names(self):
        world = self.world()
        go = world.path("go")
        world.configure(
            f"""[defaults]
health.kind = "none"
[instances.a]
command = {world.puppet('a', 'say first')}
[instances.b]
command = {world.puppet('b', f'wait {go}', 'say second')}
"""
        )
        world.start()
        world.report("a").wait("ready")
        world.write("go", "")
        world.report("b").wait("ready")
        world.ctl("stop", "--all")
        lines = [json.loads(line) for line in world.ctl("logs", "--json", "a", "b").out.split("\n") if line]
        self.assertEqual([(line["name"], line["text"]) for line in lines], [("a", "first"), ("b", "second")])

    def test_what_one_wrote_that_is_no_longer_configured_can_be_read(self):
        world = self.world()
        old = f"[instances.old]\nhealth.kind = 'none'\nreplicas = 2\ncommand = {world.puppet('old', 'say hello')}\n"
        new = f"[instances.new]\nhealth.kind = 'none'\ncommand = {world.puppet('new')}\n"
        world.configure(old + new)
        world.start()
        world.report("old").wait("ready", count=2)
        world.configure(new)
        world.ctl("reload")
        self.assertEqual([row["name"] for row in world.rows()], ["new"])
        self.assertEqual(sorted(world.ctl("logs", "old").out.splitlines()), ["old   | hello", "old:1 | hello"])
        self.assertIn("Stopping → Stopped", world.ctl("events", "old").out)
        self.assertEqual(world.ctl("logs", "old", "old:0", "old:1").out.count("hello"), 2)
        self.assertIn("hello", world.ctl("logs", "old:0").out)
        world.ctl("logs", "odl", status=4)
        world.ctl("logs", "../logs/old", status=4)

    def test_a_full_disk_makes_writers_wait_and_loses_nothing(self):
        if os.getuid() != 0:
            self.skipTest("mounting a small disk takes root")
        world = self.world()
        os.makedirs(world.path("state", "logs"))
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "none", world.path("state", "logs")], capture_output=True, check=False
        )
        if mounted.returncode != 0:
            self.skipTest("no tmpfs can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", world.path("state", "logs")], capture_output=True, check=False)
        filler = world.path("state", "logs", "filler")
        with open(filler, "wb") as file:
            file.write(b"x" * (700 << 10))
        count = 20_000
        world.configure(
            f"[instances.web]\nhealth.kind = 'none'\ncommand = {world.puppet('web', f'lines {count}', 'say END')}\n"
        )
        world.start()
        world.until(lambda: any("No space left" in text for text in world.event_texts()), "the full disk's event")
        world.ctl("status", "web")
        os.unlink(filler)
        world.report("web").wait("ready", cap=60)
        world.until(lambda: any("can be written again" in text for text in world.event_texts()), "writing again")
        world.ctl("stop", "web")
        lines = world.ctl("logs", "web").out.split()
        self.assertEqual(lines[-1], "END")


if __name__ == "__main__":
    main()
