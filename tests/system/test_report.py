"""What `pmctl report` tells of a crash, a stop, a reload and a supervisor that was away."""

import datetime
import json
import os
import signal

from harness import CAP, SystemTest, main


class ReportOf(SystemTest):
    def report(self, world, *args):
        return json.loads(world.ctl("report", "--json", *args).out)

    def row(self, report, name):
        return next(row for row in report["instances"] if row["name"] == name)

    def milliseconds(self, begin, end):
        times = [datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (begin, end)]
        return (times[1] - times[0]).total_seconds() * 1000

    def worlds(self):
        world = self.world()
        config = f"""
[instances.web]
command = {world.puppet('web', 'listen')}
[instances.job]
health.kind = "none"
command = {world.puppet('job')}
"""
        world.configure(config)
        return world, config

    def test_a_crash_a_stop_and_a_reload_are_told(self):
        world, config = self.worlds()
        world.start()
        world.ctl("wait", "--for", "healthy", "--timeout", f"{CAP:.0f}s")
        pid = world.report("web").wait("started").split()[1]
        os.kill(int(pid), signal.SIGKILL)
        world.report("web").wait("started", count=2)
        world.ctl("wait", "--for", "healthy", "--timeout", f"{CAP:.0f}s", "web")
        world.ctl("stop", "job")
        world.configure(config + f"[instances.late]\nhealth.kind = 'none'\ncommand = {world.puppet('late')}\n")
        world.ctl("reload")

        report = self.report(world)
        self.assertEqual([row["name"] for row in report["instances"]], ["job", "late", "web"])
        web = self.row(report, "web")
        self.assertEqual(web["failures"], 1)
        self.assertEqual(web["recovery"]["count"], 1)
        self.assertGreater(web["recovery"]["worst_ms"], 0)
        self.assertGreater(web["wanted_ms"], web["running_ms"])
        self.assertTrue(0 < web["availability"] < 1, web)
        self.assertIsNone(web["missed_since"])
        job = self.row(report, "job")
        self.assertEqual((job["failures"], job["recovery"]["count"], job["recovery"]["mean_ms"]), (0, 0, None))
        self.assertLess(job["wanted_ms"], web["wanted_ms"])
        self.assertIsNone(job["missed_since"])
        self.assertEqual(report["all"]["failures"], 1)
        self.assertEqual(report["configuration"]["count"], 1)
        self.assertGreater(report["supervisor"]["resident_bytes"], 1 << 20)
        self.assertGreater(report["supervisor"]["cpu_share"], 0)
        self.assertGreater(report["covered_since"], report["since"])
        self.assertEqual(
            report["aims"], {"availability": 0.999, "recovery_ms": 30000, "cpu_share": 0.05, "configuration_ms": 5000}
        )
        # A stopped one is wanted no longer.
        self.assertEqual(self.row(self.report(world), "job")["wanted_ms"], job["wanted_ms"])

        text = world.ctl("report", "--since", "1h", "web").out
        self.assertIn("nothing is known of the time before", text)
        self.assertIn("at least 99.9 %", text)
        self.assertIn("\nweb ", text)
        self.assertNotIn("job", text)
        world.ctl("report", "nobody", status=4)
        world.ctl("report", "--since", "soon", status=2)
        world.ctl("report", "--since", "2999-01-01", status=2)
        world.ctl("report", "--since", "2200-01-01", status=2)

    def test_the_history_outlasts_the_supervisor_and_its_absence_is_not_watched(self):
        world, _ = self.worlds()
        world.start()
        world.ctl("wait", "--for", "healthy", "--timeout", f"{CAP:.0f}s")
        world.ctl("stop", "job")
        before = self.report(world)
        self.assertEqual(before["not_watched_ms"], 0)
        self.assertEqual(world.stop(), 0)
        world.start()
        world.ctl("wait", "--for", "healthy", "--timeout", f"{CAP:.0f}s", "web")
        after = self.report(world)
        self.assertEqual(after["covered_since"], before["covered_since"])
        self.assertGreater(after["not_watched_ms"], 0)
        web = self.row(after, "web")
        self.assertGreater(web["wanted_ms"], self.row(before, "web")["wanted_ms"])
        self.assertEqual((web["failures"], web["recovery"]["count"]), (0, 0))
        self.assertEqual(self.row(after, "job")["wanted_ms"], self.row(before, "job")["wanted_ms"])
        self.assertIn("in which no supervisor ran", world.ctl("report").out)

    def test_what_an_adopted_process_did_while_nobody_watched_counts_neither_way(self):
        world, _ = self.worlds()
        world.start()
        world.ctl("wait", "--for", "healthy", "--timeout", f"{CAP:.0f}s")
        before = self.report(world)
        world.process.kill()
        world.process.wait()
        world.start()
        world.ctl("wait", "--for", "healthy", "--timeout", f"{CAP:.0f}s")
        self.assertEqual(len([line for line in world.report("web").lines() if line.startswith("started")]), 1)
        after = self.report(world)
        self.assertGreater(after["not_watched_ms"], 0)
        for row in after["instances"]:
            self.assertEqual((row["failures"], row["recovery"]["count"], row["missed_since"]), (0, 0, None), row)
            watched = self.milliseconds(after["covered_since"], after["until"]) - after["not_watched_ms"]
            self.assertLessEqual(row["wanted_ms"], watched + 1)
        self.assertEqual(after["covered_since"], before["covered_since"])


if __name__ == "__main__":
    main()
