"""depends_on: starts wait for health, stops go the other way round, `down` leaves nothing."""

import json
import os

from harness import CAP, SystemTest, main


class Order(SystemTest):
    def chain(self, world, db_steps=("listen",)):
        world.configure(
            f"""[instances.db]
command = {world.puppet('db', *db_steps)}
[instances.api]
depends_on = ["db"]
command = {world.puppet('api', 'listen')}
[instances.web]
depends_on = ["api"]
command = {world.puppet('web', 'listen')}
"""
        )

    def times(self, world, text):
        lines = world.ctl("events", "--json", "-n", "1000").out.split("\n")
        events = [json.loads(line) for line in lines if line]
        return [event["name"] for event in events if text in event["text"]]

    def test_each_starts_when_what_it_needs_is_healthy(self):
        world = self.world()
        gate = world.path("gate")
        self.chain(world, (f"gate {gate}", "listen"))
        world.start()
        world.report("db").wait("request")
        row = world.row("web")
        self.assertEqual(row["state"], "Stopped")
        self.assertIn("'api'", row["reason"])
        self.assertEqual(world.report("api").lines(), [])
        world.write("gate", "")
        world.ctl("wait", "--for", "healthy", "--timeout", f"{CAP:.0f}s")
        self.assertEqual(self.times(world, "→ Running"), ["db", "api", "web"])

    def test_a_stop_of_all_goes_the_other_way_round(self):
        world = self.world()
        self.chain(world)
        world.start()
        world.ctl("wait", "--for", "healthy", "--timeout", f"{CAP:.0f}s")
        world.ctl("stop", "--all")
        self.assertEqual(self.times(world, "→ Stopping"), ["web", "api", "db"])
        self.assertEqual({row["state"] for row in world.rows()}, {"Stopped"})
        world.ctl("start", "web")
        self.assertEqual({row["state"] for row in world.rows()}, {"Running"})

    def test_a_circle_is_named_and_nothing_starts(self):
        world = self.world()
        world.configure(
            f"""[instances.a]
depends_on = ["b"]
command = {world.puppet('a', 'listen')}
[instances.b]
depends_on = ["a"]
command = {world.puppet('b', 'listen')}
"""
        )
        outcome = world.ctl("validate", world.config_path, status=2)
        self.assertIn("a → b → a", outcome.err)

    def test_a_stop_outlasts_the_supervisor(self):
        world = self.world()
        self.chain(world)
        world.start()
        world.ctl("wait", "--for", "healthy", "--timeout", f"{CAP:.0f}s")
        world.ctl("stop", "web")
        self.assertEqual(world.stop(), 0)
        world.start()
        world.ctl("wait", "--for", "healthy", "--timeout", f"{CAP:.0f}s", "db", "api")
        row = world.row("web")
        self.assertEqual((row["state"], row["wanted"]), ("Stopped", "stopped"))
        self.assertIn("operator", row["reason"])

    def test_down_stops_everything_and_the_supervisor(self):
        world = self.world()
        self.chain(world)
        world.start()
        world.ctl("wait", "--for", "healthy", "--timeout", f"{CAP:.0f}s")
        world.ctl("down")
        self.assertEqual(world.process.wait(CAP), 0)
        self.assertEqual(world.own_processes(), [])
        self.assertFalse(os.path.exists(world.path("run", "pmctld.sock")))
        world.ctl("status", status=5)

    def test_a_killed_supervisor_is_followed_by_one_without_a_second_copy(self):
        world = self.world()
        self.chain(world)
        world.start()
        world.ctl("wait", "--for", "healthy", "--timeout", f"{CAP:.0f}s")
        world.process.kill()
        world.process.wait()
        world.start()
        world.ctl("wait", "--for", "healthy", "--timeout", f"{CAP:.0f}s")
        own = [pid for pid in world.own_processes() if pid != world.process.pid]
        self.assertEqual(sorted(own), sorted(row["pid"] for row in world.rows()))


if __name__ == "__main__":
    main()
