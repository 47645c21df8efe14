"""Updates without a gap: what serves meanwhile, what is said of one that fails, and sockets that are kept."""

import http.client
import json
import os

from harness import BUILD, CAP, SystemTest, main
from load import Load

DEMO_APP = os.path.join(BUILD, "tests", "tools", "pmctl-demo-app")


class Update(SystemTest):
    def configure(self, world, *flags, keys=""):
        words = "".join(f', "{flag}"' for flag in flags)
        world.configure(f"[instances.web]\ncommand = [\"{DEMO_APP}\"{words}]\n{keys}\n")

    def begin(self, keys=""):
        world = self.world()
        self.configure(world, keys=keys)
        world.start()
        world.ctl("wait", "--for", "healthy")
        return world

    def ask(self, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CAP)
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def test_the_new_process_takes_over_and_the_old_one_goes(self):
        world = self.begin()
        before = world.row("web")
        self.configure(world, "--startup-delay", "100ms")
        outcome = world.ctl("reload")
        self.assertIn("replace", outcome.out)
        after = world.row("web")
        self.assertNotEqual((after["pid"], after["port"]), (before["pid"], before["port"]))
        self.assertEqual((after["update"], after["spec"], after["restarts"]), (None, "current", 0))
        world.until(lambda: not os.path.exists(f"/proc/{before['pid']}"), "the old one's end")
        story = world.ctl("why", "web").out
        self.assertIn("update: the new process starts", story)
        self.assertIn("updated: the new process", story)

    def test_one_that_fails_leaves_the_old_one_and_says_why(self):
        world = self.begin()
        before = world.row("web")
        self.configure(world, "--no-such-flag")
        outcome = world.ctl("reload", status=1)
        self.assertIn("failed update: the new process", outcome.err)
        self.assertIn("no-such-flag", outcome.err)  # its last lines
        after = world.row("web")
        self.assertEqual((after["pid"], after["state"], after["spec"]), (before["pid"], "Running", "stale"))
        self.assertEqual(after["update"]["state"], "failed")
        self.assertEqual(self.ask(after["port"]), 200)
        self.assertIn("update", world.ctl("status", "web").out)
        # Nothing has changed: it is not tried again, and said to be as it is.
        again = world.ctl("reload", "--json", status=1)
        self.assertEqual([each["action"] for each in json.loads(again.out)["changes"]], ["keep"])
        self.assertFalse(json.loads(again.out)["converged"])
        world.ctl("wait", "--for", "converged", status=3)
        self.assertEqual(world.row("web")["pid"], before["pid"])
        self.configure(world)
        world.ctl("reload")
        after = world.row("web")
        self.assertEqual((after["pid"], after["update"], after["spec"]), (before["pid"], None, "current"))

    def test_a_rolling_restart_is_served_all_the_time_or_refused(self):
        world = self.begin()
        before = world.row("web")
        world.ctl("restart", "--rolling", "web")
        self.assertNotEqual(world.row("web")["pid"], before["pid"])
        self.configure(world, keys="update.strategy = 'recreate'")
        world.ctl("reload")
        refused = world.ctl("restart", "--rolling", "web", status=1)
        self.assertIn('update.strategy = "recreate"', refused.err)

    def test_a_socket_that_is_kept_refuses_nobody_in_a_restart(self):
        world = self.begin("socket_activation = true\nupdate.strategy = 'recreate'")
        port = world.row("web")["port"]
        with Load(lambda: self.ask(port)) as load:
            for _ in range(3):
                load.more(10)
                before = world.row("web")["pid"]
                world.ctl("restart", "web")
                self.assertNotEqual(world.row("web")["pid"], before)
                self.assertEqual(world.row("web")["port"], port)
            load.more(10)
        self.assertEqual(load.bad, [])

    def test_a_fixed_port_is_served_by_one_or_the_other_where_its_socket_is_kept(self):
        world = self.world()
        port = world.last_port  # of the range: nobody else's
        keys = f"port = {port}\nsocket_activation = true"
        self.configure(world, keys=keys)
        world.start()
        world.ctl("wait", "--for", "healthy")
        with Load(lambda: self.ask(port)) as load:
            for number in range(3):
                load.more(10)
                before = world.row("web")
                # It takes connections late, and the other one all the time until then.
                self.configure(world, "--startup-delay", f"{200 + number}ms", keys=keys)
                self.assertIn("replace", world.ctl("reload").out)
                after = world.row("web")
                self.assertNotEqual(after["pid"], before["pid"])
                self.assertEqual((after["port"], after["restarts"], after["update"]), (port, 0, None))
            load.more(10)
            # One that never answers is not taken for healthy because the other one does.
            before = world.row("web")["pid"]
            self.configure(world, "--startup-delay", "1h", keys=keys + '\nupdate.timeout = "1s"')
            self.assertIn("did not converge", world.ctl("reload", status=1).err)
            self.assertEqual(world.row("web")["pid"], before)
            self.assertEqual(world.row("web")["update"]["state"], "failed")
            load.more(10)
        self.assertEqual(load.bad, [])
        self.assertIn("updated: the new process", world.ctl("why", "web").out)

    def test_stop_ends_an_update_and_all_that_it_started(self):
        world = self.begin()
        self.configure(world, "--startup-delay", "1h")
        world.ctl("reload", "--no-wait")
        world.until(lambda: any("the new process starts" in text for text in world.event_texts("web")), "a candidate")
        world.ctl("stop", "web")
        row = world.row("web")
        self.assertEqual((row["state"], row["pid"], row["update"]), ("Stopped", None, None))
        self.assertNotIn("web", world.ctl("ports").out)


if __name__ == "__main__":
    main()
