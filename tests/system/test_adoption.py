"""A supervisor that is killed takes nothing with it: the next one goes on with what runs."""

import contextlib
import http.client
import os
import signal
import sqlite3

from harness import BUILD, CAP, SystemTest, main

DEMO_APP = os.path.join(BUILD, "tests", "tools", "pmctl-demo-app")


class Adoption(SystemTest):
    def begin(self, config):
        world = self.world()
        world.configure(config.replace("DEMO", DEMO_APP))
        world.start()
        world.ctl("wait", "--for", "healthy")
        return world

    def ask(self, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CAP)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status
        finally:
            connection.close()

    def known(self, row):
        return {key: row[key] for key in ("name", "pid", "port", "restarts", "started_at", "spec")}

    def killed(self, world):
        """The supervisor dies at once, and is waited for."""
        world.process.send_signal(signal.SIGKILL)
        world.process.wait()

    def test_everything_goes_on_and_is_looked_after(self):
        world = self.begin('[defaults]\ncommand = ["DEMO"]\n[instances.web]\nreplicas = 2\n[instances.api]\n')
        os.kill(world.row("api")["pid"], signal.SIGKILL)
        world.until(lambda: world.row("api")["restarts"] == 1, "a restart")
        world.ctl("wait", "--for", "healthy")
        before = [self.known(row) for row in world.rows()]
        for _ in range(3):
            self.killed(world)
            for row in before:
                self.assertEqual(self.ask(row["port"]), 200)
            world.start()
            world.ctl("wait", "--for", "healthy")
            self.assertEqual([self.known(row) for row in world.rows()], before)
        # The end of an adopted process is noticed and told with its status.
        victim = world.row("web:0")["pid"]
        os.kill(victim, signal.SIGKILL)
        world.until(lambda: world.row("web:0")["pid"] not in (None, victim), "a replacement")
        self.assertEqual(world.row("web:0")["exit_status"], None)
        world.until(
            lambda: any("killed by SIGKILL" in text or "exit status unknown" in text for text in world.event_texts("web:0")),
            "the reason",
        )

    def test_what_changed_and_what_ended_meanwhile(self):
        text = """[defaults]
command = ["DEMO"]
[instances.same]
[instances.changed]
env = { RELEASE = "1" }
[instances.gone]
[instances.crashed]
[instances.stopped]
"""
        world = self.begin(text)
        world.ctl("stop", "stopped")
        before = {row["name"]: row for row in world.rows()}
        self.killed(world)
        os.kill(before["crashed"]["pid"], signal.SIGKILL)
        world.configure(text.replace('"1"', '"2"').replace("[instances.gone]\n", "").replace("DEMO", DEMO_APP))
        world.start()
        world.ctl("wait", "--for", "converged")
        after = {row["name"]: row for row in world.rows()}
        self.assertEqual(self.known(after["same"]), self.known(before["same"]))
        self.assertNotEqual(after["changed"]["pid"], before["changed"]["pid"])
        self.assertEqual(after["changed"]["spec"], "current")
        self.assertNotEqual(after["crashed"]["pid"], before["crashed"]["pid"])
        self.assertEqual(after["crashed"]["restarts"], 1)
        self.assertEqual(after["stopped"]["state"], "Stopped")
        world.until(lambda: not os.path.exists(f"/proc/{before['gone']['pid']}/exe"), "the end of what is gone")

    def test_a_lost_store_costs_nothing_that_runs(self):
        world = self.begin('[defaults]\ncommand = ["DEMO"]\n[instances.web]\nreplicas = 2\n')
        before = [(row["name"], row["pid"], row["port"]) for row in world.rows()]
        self.killed(world)
        os.unlink(world.path("state", "state.db-wal"))
        with open(world.path("state", "state.db"), "wb") as file:
            file.write(b"this is no database" * 100)
        world.start()
        world.ctl("wait", "--for", "healthy")
        self.assertEqual([(row["name"], row["pid"], row["port"]) for row in world.rows()], before)
        self.assertTrue(any(name.startswith("state.db.damaged-") for name in os.listdir(world.path("state"))))

    def test_no_line_is_lost_over_the_death(self):
        world = self.begin('[instances.web]\ncommand = ["DEMO", "--log-rate", "2000"]\n')
        pid = world.row("web")["pid"]
        for _ in range(3):
            world.until(lambda: len(world.ctl("logs", "-n", "200", "web").out.splitlines()) == 200, "lines")
            self.killed(world)
            world.start()
            world.ctl("wait", "--for", "healthy")
        self.assertEqual(world.row("web")["pid"], pid)
        world.ctl("stop", "web")
        numbers = []
        for line in world.ctl("logs", "web").out.splitlines():
            words = [word for word in line.split() if word.isdigit()]
            if "line" in line and words:
                numbers.append(int(words[-1]))
        self.assertGreater(len(numbers), 600)
        missing = set(range(numbers[0], numbers[-1] + 1)) - set(numbers)
        self.assertEqual(missing, set())

    def test_the_store_knows_each_run_before_it_matters(self):
        world = self.begin('[instances.web]\ncommand = ["DEMO"]\n')
        row = world.row("web")
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
        expected = [("web", row["pid"], row["port"], "current", 1, boot)]
        question = "SELECT instance, pid, port, role, was_healthy, boot_id FROM runs"
        path = world.path("state", "state.db")
        # That it was healthy is written a little later, by a thread of its own.
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            world.until(lambda: db.execute(question).fetchall() == expected, "all of the run in the store")
        self.killed(world)
        with contextlib.closing(sqlite3.connect(path)) as db:
            self.assertEqual(db.execute(question).fetchall(), expected)
        world.start()


if __name__ == "__main__":
    main()
