"""Start, health, stop, crash: one process and what is left of it."""

import json
import os
import signal

from harness import CAP, SystemTest, main


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Lifecycle(SystemTest):
    def test_a_healthy_program_is_running_and_status_says_so(self):
        world = self.world()
        world.configure(f"[instances.web]\nhostname = 'shop.localhost'\ncommand = {world.puppet('web', 'listen')}\n")
        world.start()
        world.ctl("wait", "--for", "healthy", "--timeout", f"{CAP:.0f}s", "web")
        row = world.row("web")
        self.assertEqual(row["state"], "Running")
        self.assertEqual(row["wanted"], "running")
        self.assertEqual(row["hostnames"], ["shop.localhost"])
        self.assertTrue(row["health"]["ok"])
        self.assertGreaterEqual(row["port"], world.first_port)
        self.assertLessEqual(row["port"], world.last_port)
        self.assertEqual(row["restarts"], 0)
        self.assertIsNone(row["exit_status"])
        world.ctl("status", "web", status=0)

    def test_the_gate_opens_and_only_then_it_is_running(self):
        world = self.world()
        gate = world.path("gate")
        world.configure(f"[instances.web]\ncommand = {world.puppet('web', f'gate {gate}', 'listen')}\n")
        world.start()
        world.report("web").wait("request")
        world.ctl("status", "web", status=3)
        self.assertEqual(world.row("web")["state"], "Starting")
        world.write("gate", "")
        world.until_state("web", "Running")

    def test_stop_ends_the_group_with_term_and_start_brings_it_back(self):
        world = self.world()
        world.configure(f"[instances.web]\ncommand = {world.puppet('web', 'child', 'listen')}\n")
        world.start()
        child = int(world.report("web").wait("child").split()[1])
        world.until_state("web", "Running")
        world.ctl("stop", "web")
        world.report("web").wait("signal")
        row = world.row("web")
        self.assertEqual((row["state"], row["wanted"], row["pid"]), ("Stopped", "stopped", None))
        self.assertFalse(alive(child))
        world.ctl("status", "web", status=3)
        world.ctl("start", "web")
        self.assertEqual(world.row("web")["state"], "Running")

    def test_one_that_ignores_term_is_killed_after_its_stop_timeout(self):
        world = self.world()
        world.configure(
            f"""[instances.web]
stop_timeout = "2s"
health.kind = "none"
command = {world.puppet('web', 'ignore TERM', 'child ignore-term', 'daemon ignore-term')}
"""
        )
        world.start()
        pids = [int(world.report("web").wait(word).split()[1]) for word in ("started", "child", "daemon")]
        ends = [os.pidfd_open(pid) for pid in pids]
        for end in ends:
            self.addCleanup(os.close, end)
        world.ctl("stop", "web")
        self.assertEqual(world.row("web")["exit_status"], {"signal": "SIGKILL"})
        self.assertIn("signal TERM", world.report("web").lines())
        for end in ends:
            self.wait_readable(end)

    def test_a_server_whose_shell_ends_at_once_has_time_to_save(self):
        world = self.world()
        ready, saved = world.path("ready"), world.path("saved")
        save = world.path("save.py")
        world.write("save.py", f"open({saved!r}, 'w').write('all')\n")
        # As in a run.sh that starts its server without exec; the server takes longer than the shell to end.
        server = f"trap 'python3 {save}; exit' TERM; : > {ready}; while :; do read never < {world.path('gate')}; done"
        os.mkfifo(world.path("gate"))
        world.write("server.sh", server)
        run = f"trap 'exit 0' TERM; sh {world.path('server.sh')} & while :; do wait; done"
        world.configure(f"[instances.web]\nhealth.kind = 'none'\ncommand = {json.dumps(['sh', '-c', run])}\n")
        world.start()
        world.until(lambda: os.path.exists(ready), "the server")
        world.ctl("stop", "web")
        with open(saved, encoding="utf-8") as file:
            self.assertEqual(file.read(), "all")
        self.assertEqual(world.row("web")["exit_status"], {"code": 0})

    def test_nothing_of_a_run_outlives_the_supervisor(self):
        world = self.world()
        world.configure(
            f"""[instances.web]
stop_timeout = "200ms"
health.kind = "none"
command = {world.puppet('web', 'ignore TERM', 'child ignore-term', 'daemon ignore-term', 'daemon')}
"""
        )
        world.start()
        world.report("web").wait("daemon", count=2)
        self.assertEqual(world.stop(), 0)
        self.assertEqual(world.own_processes(), [])

    def test_a_daemon_that_left_its_session_is_not_left_behind(self):
        world = self.world()
        world.configure(f"[instances.web]\nhealth.kind = 'none'\ncommand = {world.puppet('web', 'daemon')}\n")
        world.start()
        daemon = int(world.report("web").wait("daemon").split()[1])
        # A pidfd tells of its end; the supervisor, which is its reaper, sees that it goes.
        handle = os.pidfd_open(daemon)
        self.addCleanup(os.close, handle)
        world.ctl("stop", "web")
        self.wait_readable(handle)

    def wait_readable(self, fd):
        import select

        self.assertTrue(select.select([fd], [], [], 20)[0], "the process did not end")

    def test_a_crash_is_answered_by_another_start(self):
        world = self.world()
        world.configure(f"[instances.web]\ncommand = {world.puppet('web', 'listen')}\n")
        world.start()
        first = world.until_state("web", "Running")
        os.kill(first["pid"], signal.SIGKILL)
        world.report("web").wait("started", count=2)
        second = world.until(lambda: (r := world.row("web"))["pid"] != first["pid"] and r["state"] == "Running" and r)
        self.assertEqual(second["restarts"], 1)
        self.assertTrue(any("killed by SIGKILL" in text for text in world.event_texts("web")))
        self.assertEqual(second["port"], first["port"])

    def test_one_that_crashes_at_once_backs_off_and_its_circuit_opens(self):
        world = self.world()
        world.configure(
            f"""[instances.web]
command = {world.puppet('web', 'exit 7')}
restart.backoff_initial = "10ms"
restart.backoff_max = "20ms"
restart.circuit_failures = 3
"""
        )
        world.start()
        row = world.until(lambda: (r := world.row("web")) and "circuit open" in r["reason"] and r, "an open circuit")
        self.assertEqual(row["state"], "Failed")
        self.assertEqual(row["exit_status"], {"code": 7})
        self.assertIsNotNone(row["next_start_at"])
        self.assertEqual(len([x for x in world.report("web").lines() if x.startswith("started")]), 3)
        world.ctl("reset", "web")
        world.report("web").wait("started", count=4)

    def test_one_that_hangs_is_unhealthy_then_replaced(self):
        world = self.world()
        go = world.path("hang-now")
        world.configure(
            f"""[instances.web]
command = {world.puppet('web', 'listen', f'wait {go}', 'hang')}
health.interval = "50ms"
health.retry_interval = "50ms"
health.timeout = "200ms"
"""
        )
        world.start()
        first = world.until_state("web", "Running")
        world.write("hang-now", "")
        world.report("web").wait("started", count=2)
        texts = world.event_texts("web")
        self.assertTrue(any("Unhealthy" in text for text in texts), texts)
        self.assertTrue(any("no answer within 200ms" in text for text in texts), texts)
        self.assertNotEqual(world.row("web")["pid"], first["pid"])

    def test_one_that_is_never_healthy_counts_as_a_failed_start(self):
        world = self.world()
        world.configure(
            f"""[instances.web]
command = {world.puppet('web', 'answer 503', 'listen')}
health.startup_timeout = "2s"
"""
        )
        world.start()

        # Where it was slow to listen, the last check may have been refused.
        def failed_by_503():
            row = world.row("web")
            return row if row["state"] == "Failed" and "HTTP 503" in row["reason"] else None

        self.assertIn("not healthy within 2s", world.until(failed_by_503, "a failed start")["reason"])

    def test_policies_decide_what_follows_an_exit(self):
        world = self.world()
        exits = world.puppet
        world.configure(
            f"""[defaults]
health.kind = "none"
[instances.once]
restart.policy = "never"
command = {exits('once', 'exit 0')}
[instances.broken]
restart.policy = "never"
command = {exits('broken', 'exit 3')}
[instances.done]
restart.policy = "on-failure"
command = {exits('done', 'exit 0')}
"""
        )
        world.start()
        world.until(lambda: [world.row(n)["state"] for n in ("once", "broken", "done")] == ["Stopped", "Failed", "Stopped"])
        for name in ("once", "broken", "done"):
            self.assertEqual(len([x for x in world.report(name).lines() if x.startswith("started")]), 1)

    def test_the_child_gets_a_clean_environment_and_what_was_configured(self):
        import json

        world = self.world()
        world.write("more.env", "FROM_FILE=file\nBOTH=file\n")
        world.configure(
            f"""[instances.web]
hostname = "Shop.Localhost"
health.kind = "none"
umask = "0027"
env_file = "more.env"
env = {{ BOTH = "env", SAYS = "$$5 on ${{PORT}} for ${{INSTANCE_ID}}" }}
limits.open_files = 77
command = {world.puppet('web', 'dump ' + world.path('dump.json'), 'listen')}
"""
        )
        world.start(env={"OUTER": "kept", "PMCTL_SECRET_THING": "no"})
        world.report("web").wait("dumped")
        with open(world.path("dump.json"), encoding="utf-8") as file:
            dump = json.load(file)
        env = dump["environment"] if "environment" in dump else dump["env"]
        port = str(world.row("web")["port"])
        for name, value in {
            "OUTER": "kept",
            "PORT": port,
            "HOST": "shop.localhost",
            "INSTANCE_ID": "web",
            "REPLICA": "0",
            "FROM_FILE": "file",
            "BOTH": "env",
            "SAYS": f"$5 on {port} for web",
        }.items():
            self.assertEqual(env.get(name), value, name)
        self.assertNotIn("PMCTL_SECRET_THING", env)
        self.assertNotIn("NOTIFY_SOCKET", env)
        self.assertNotIn("INTERNAL_SECRET", env)

    def oom_score(self, pid):
        with open(f"/proc/{pid}/oom_score_adj", encoding="utf-8") as file:
            return int(file.read())

    def test_where_memory_runs_out_children_go_before_the_supervisor(self):
        world = self.world()
        world.configure(f"[instances.web]\ncommand = {world.puppet('web', 'listen')}\n")
        begun = max(300, self.oom_score("self"))  # raising is everybody's right

        def begin_with_a_score():
            with open("/proc/self/oom_score_adj", "w", encoding="utf-8") as file:
                file.write(str(begun))

        world.start(preexec=begin_with_a_score)
        world.ctl("wait", "--for", "healthy")
        own = self.oom_score(world.process.pid)
        self.assertIn(own, (-900, begun))
        children = begun if own == -900 else min(begun + 100, 1000)
        self.assertEqual(self.oom_score(world.row("web")["pid"]), children)
        # One that goes on remembers what it was begun with.
        world.ctl("upgrade")
        self.assertEqual(self.oom_score(world.process.pid), own)
        world.ctl("restart", "web")
        self.assertEqual(self.oom_score(world.row("web")["pid"]), children)


if __name__ == "__main__":
    main()
