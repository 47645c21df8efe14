"""A reload restarts what changed and nothing else; an invalid file changes nothing."""

import json
import os
import signal

from harness import SystemTest, main


class Reload(SystemTest):
    def two(self, world, web="", api=""):
        world.configure(
            f"""# two of them
[instances.web]
command = {world.puppet('web', 'listen')}
{web}
[instances.api]
command = {world.puppet('api', 'listen')}
{api}
"""
        )

    def changes(self, outcome):
        return {c["instance"]: c["action"] for c in json.loads(outcome.out)["changes"]}

    def running(self):
        world = self.world()
        self.two(world)
        world.start()
        world.ctl("wait", "--for", "healthy")
        return world, {row["name"]: row["pid"] for row in world.rows()}

    def pids(self, world):
        return {row["name"]: row["pid"] for row in world.rows()}

    def test_nothing_changed_keeps_everything(self):
        world, pids = self.running()
        with open(world.config_path, "a", encoding="utf-8") as file:
            file.write("# a comment\n")
        outcome = world.ctl("reload", "--json")
        self.assertEqual(self.changes(outcome), {"api": "keep", "web": "keep"})
        self.assertTrue(json.loads(outcome.out)["converged"])
        self.assertEqual(self.pids(world), pids)

    def test_a_changed_environment_replaces_that_one_alone(self):
        world, pids = self.running()
        self.two(world, web='env = { MODE = "new" }')
        plan = world.ctl("reload", "--dry-run", "--json")
        self.assertEqual(self.changes(plan), {"api": "keep", "web": "replace"})
        self.assertEqual(self.pids(world), pids)
        world.ctl("plan", "--exit-code", status=3)
        outcome = world.ctl("reload")
        self.assertIn("replace", outcome.out)
        after = self.pids(world)
        self.assertEqual(after["api"], pids["api"])
        self.assertNotEqual(after["web"], pids["web"])
        world.ctl("plan", "--exit-code", status=0)

    def test_a_health_interval_is_applied_live(self):
        world, pids = self.running()
        self.two(world, api='health.interval = "1s"')
        self.assertEqual(self.changes(world.ctl("reload", "--json")), {"api": "update", "web": "keep"})
        self.assertEqual(self.pids(world), pids)
        self.assertIn("1s", world.ctl("config", "api").out)

    def test_added_and_removed_ones_start_and_stop(self):
        world, pids = self.running()
        world.configure(
            f"""[instances.web]
command = {world.puppet('web', 'listen')}
[instances.new]
command = {world.puppet('new', 'listen')}
"""
        )
        outcome = world.ctl("reload", "--json")
        self.assertEqual(self.changes(outcome), {"api": "stop", "new": "start", "web": "keep"})
        after = self.pids(world)
        self.assertEqual(sorted(after), ["new", "web"])
        self.assertEqual(after["web"], pids["web"])

    def test_what_is_removed_has_ended_when_it_has_converged(self):
        world = self.world()
        world.configure(
            f"""[instances.web]
health.kind = "none"
stop_timeout = "1s"
command = {world.puppet('web', 'ignore TERM')}
"""
        )
        world.start()
        world.report("web").wait("ready")
        pid = world.row("web")["pid"]
        world.configure("")
        world.ctl("reload")
        self.assertFalse(os.path.exists(f"/proc/{pid}"))

    def test_an_invalid_file_changes_nothing_and_names_all_problems(self):
        world, pids = self.running()
        self.two(world, web='comand = ["x"]', api='health.interval = "5 parsecs"')
        outcome = world.ctl("reload", status=2)
        self.assertIn("'comand'", outcome.err)
        self.assertIn("command", outcome.err)
        self.assertIn("5 parsecs", outcome.err)
        self.assertIn("pmctl.toml:", outcome.err)
        self.assertEqual(self.pids(world), pids)
        world.process.send_signal(signal.SIGHUP)
        world.until(lambda: any("5 parsecs" in text for text in world.event_texts()), "the refused reload's event")
        self.assertEqual(self.pids(world), pids)

    def test_hup_reloads(self):
        world, pids = self.running()
        self.two(world, web='env = { MODE = "new" }')
        world.process.send_signal(signal.SIGHUP)
        world.until(lambda: (r := world.row("web"))["state"] == "Running" and r["pid"] != pids["web"])
        self.assertEqual(world.row("api")["pid"], pids["api"])

    def test_one_that_does_not_come_up_is_named_and_the_status_is_1(self):
        world, _ = self.running()
        world.configure(
            f"""[instances.web]
command = {world.puppet('web', 'listen')}
[instances.api]
command = {world.puppet('api', 'exit 9')}
"""
        )
        outcome = world.ctl("reload", status=1)
        self.assertIn("api", outcome.err)
        self.assertIn("exited with 9", outcome.err)

    def test_scaling_touches_the_others_not_and_a_reload_takes_it_back(self):
        world, pids = self.running()
        world.ctl("scale", "web=3")
        after = self.pids(world)
        self.assertEqual(sorted(after), ["api", "web:0", "web:1", "web:2"])
        self.assertEqual(after["web:0"], pids["web"])
        world.ctl("reload")
        self.assertEqual(self.pids(world), pids)


if __name__ == "__main__":
    main()
