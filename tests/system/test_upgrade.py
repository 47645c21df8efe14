"""`pmctl upgrade`: another program takes over in the same process, and nobody notices; one that cannot is refused."""

import datetime
import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import threading
import time

from harness import BUILD, CAP, PMCTLD, SystemTest, deadline, main
from load import Load

DEMO_APP = os.path.join(BUILD, "tests", "tools", "pmctl-demo-app")


class Upgrade(SystemTest):
    def begin(self, config, program=PMCTLD):
        world = self.world()
        world.http = f"unix:{world.path('api.sock')}"
        world.program = program
        world.configure(config.replace("DEMO", DEMO_APP))
        world.start()
        return world

    def resolve(self, world, host):
        """The status of a question of a new connection."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(CAP)
            peer.connect(world.path("api.sock"))
            connection = http.client.HTTPConnection("api")
            connection.sock = peer
            begun, asked = time.monotonic(), None
            try:
                connection.request("GET", "/v1/resolve", headers={"Host": host})
                asked = time.monotonic()
                return connection.getresponse().status
            except (OSError, http.client.HTTPException):
                # A door that closes waits for those that have come in, 20 ms: not for who says nothing so long.
                if (asked or time.monotonic()) - begun < 0.015:
                    raise
        return self.resolve(world, host)

    def known(self, world):
        keys = ("name", "state", "pid", "port", "restarts", "started_at", "spec", "wanted")
        return [{key: row[key] for key in keys} for row in world.rows()]

    def descriptors(self, world):
        return len(os.listdir(f"/proc/{world.process.pid}/fd"))

    def test_nobody_notices(self):
        world = self.begin(
            """[defaults]
command = ["DEMO"]
[instances.web]
hostname = "web.test"
replicas = 2
[instances.kept]
socket_activation = true
[instances.stopped]
"""
        )
        world.ctl("stop", "stopped")
        world.ctl("wait", "--for", "healthy", "web", "kept")
        before = self.known(world)
        with world.following("events", "-f", "-n", "1", "--json") as events:
            with Load(lambda: self.resolve(world, "web.test"), clients=2) as load:
                load.more(20)
                counts = []
                for _ in range(4):
                    outcome = world.ctl("--json", "upgrade")
                    self.assertEqual(json.loads(outcome.out)["pid"], world.process.pid)
                    self.assertEqual(world.ctl("wait", "--for", "healthy", "web", "kept").status, 0)
                    self.assertEqual(self.known(world), before)
                    load.more(20)
                    counts.append(self.descriptors(world))
            self.assertEqual(load.bad, [])
            # What the first program was asked is answered by the last one.
            world.ctl("restart", "kept")
            seen = []
            while not any("Stopping" in text for text in seen):
                line = events.next(deadline())
                self.assertIsNotNone(line, seen)
                event = json.loads(line)
                if event["name"] == "kept":
                    seen.append(event["text"])
        self.assertLessEqual(max(counts) - min(counts), 8, counts)
        # Children are still children: their ends come with a status.
        os.kill(world.row("web:0")["pid"], signal.SIGKILL)
        world.until(lambda: any("killed by SIGKILL" in text for text in world.event_texts("web:0")), "the end")
        world.ctl("wait", "--for", "healthy", "web", "kept")

    def test_no_command_is_lost(self):
        world = self.begin("[instances.web]\ncommand = ['/bin/sleep', '1000']\nhealth.kind = 'none'\nport = 'none'\n")
        over = threading.Event()
        done = []

        def restart():
            while not over.is_set():
                done.append(world.ctl("restart", "web", status=None))

        threads = [threading.Thread(target=restart) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(12):
                world.ctl("upgrade")
        finally:
            over.set()
            for thread in threads:
                thread.join()
        self.assertEqual([outcome for outcome in done if outcome.status != 0], [])
        self.assertGreater(len(done), len(threads))

    def test_a_crash_loop_a_job_and_a_kept_socket_go_on_where_they_were(self):
        world = self.begin(
            """[defaults]
health.kind = "none"
port = "none"
[instances.loop]
command = ["/bin/false"]
restart.backoff_initial = "1h"
restart.backoff_max = "1h"
[instances.job]
command = ["/bin/true"]
restart.policy = "on-failure"
[instances.late]
port = "auto"
socket_activation = true
command = ["/bin/false"]
restart.backoff_initial = "1h"
restart.backoff_max = "1h"
"""
        )
        world.until(lambda: world.row("loop")["next_start_at"] and world.row("late")["next_start_at"], "the pause")
        world.until(lambda: "not started again" in world.row("job")["reason"], "the job's end")
        keys = ("name", "state", "restarts", "next_start_at", "port")
        before = [[row[key] for key in keys] for row in world.rows()]
        port = world.row("late")["port"]

        def same():
            after = [[row[key] for key in keys] for row in world.rows()]
            for was, now in zip(before, after, strict=True):
                # The same moment, but for what two readings of two clocks differ.
                self.assertEqual(was[:3] + was[4:], now[:3] + now[4:])
                self.assertEqual(was[3] is None, now[3] is None)
                if was[3] is not None:
                    moments = [datetime.datetime.fromisoformat(each[3].replace("Z", "+00:00")) for each in (was, now)]
                    self.assertLess(abs(moments[0] - moments[1]), datetime.timedelta(seconds=1), (was, now))
            with socket.create_connection(("127.0.0.1", port), timeout=CAP):
                pass  # it waits for the program

        same()
        world.ctl("upgrade")
        same()
        world.process.send_signal(signal.SIGKILL)
        world.process.wait()
        world.start()
        same()
        # An orderly end is one: what comes after it begins anew.
        world.stop()
        world.start()
        world.until(lambda: "not started again" in world.row("job")["reason"], "the job's next end")
        starts = [text for text in world.event_texts("job") if "→ Running" in text]
        self.assertEqual(len(starts), 2)

    def test_what_cannot_take_over_is_refused_and_changes_nothing(self):
        folder = self.world()  # for the link alone
        link = folder.path("pmctld")
        os.symlink(os.path.abspath(PMCTLD), link)
        world = self.begin("[instances.web]\ncommand = [\"DEMO\"]\n", program=link)
        world.ctl("wait", "--for", "healthy")
        before = self.known(world)

        def refused(*words):
            said = world.ctl("upgrade", status=1).err
            for word in words:
                self.assertIn(word, said)
            self.assertEqual(self.known(world), before)

        broken = folder.write("broken", "#!/bin/sh\necho libfoo.so.7: cannot open shared object file >&2\nexit 127\n")
        os.chmod(broken, 0o755)
        for program, word in ((broken, "libfoo.so.7"), ("/bin/false", "exited with 1"), ("/nowhere", "/nowhere")):
            os.remove(link)
            os.symlink(program, link)
            refused("cannot take over", word if program != "/nowhere" else link)
        os.remove(link)
        os.symlink(os.path.abspath(PMCTLD), link)
        world.configure("[instances.web]\ncomand = []\n")
        self.assertIn("comand", world.ctl("upgrade", status=2).err)
        world.supervisor_keys = f'log_level = "info"\nstate_dir = "{world.path("other")}"'
        text = f'[instances.web]\ncommand = ["{DEMO_APP}"]\n'
        world.configure(text)
        with open(world.config_path, encoding="utf-8") as file:
            moved = file.read().replace(f'state_dir = "{world.path("state")}"\n', "", 1)
        world.write("pmctl.toml", moved)
        refused("state_dir has changed")
        world.supervisor_keys = ""
        world.configure(text)
        world.ctl("upgrade")
        world.ctl("wait", "--for", "healthy")
        self.assertEqual(self.known(world), before)

    def test_who_is_given_time_to_end_is_not_cut_short(self):
        world = self.world()
        gate, saved, ready = world.path("gate"), world.path("saved"), world.path("ready")
        os.mkfifo(gate)
        member = f"trap '' TERM; : > {ready}; read go < {gate}; : > {saved}"
        leader = f"trap 'exit 0' TERM; ({member}) & while :; do wait; done"
        world.configure(f"[instances.web]\nhealth.kind = 'none'\ncommand = {json.dumps(['sh', '-c', leader])}\n")
        world.start()
        world.until(lambda: os.path.exists(ready), "the member")
        pid = world.row("web")["pid"]
        world.ctl("stop", "--no-wait", "web")
        world.until(lambda: not os.path.exists(f"/proc/{pid}"), "the end of the leader")
        self.assertEqual(world.row("web")["state"], "Stopping")
        upgrade = threading.Thread(target=lambda: world.ctl("upgrade"))
        upgrade.start()
        self.addCleanup(upgrade.join)
        world.until(lambda: any("when those that stop have ended" in text for text in world.event_texts()), "the wait")
        with open(gate, "w", encoding="utf-8") as file:
            file.write("go\n")
        upgrade.join()
        self.assertTrue(any("goes on where" in text for text in world.event_texts()))
        self.assertTrue(os.path.exists(saved))
        self.assertEqual(world.row("web")["state"], "Stopped")

    def test_a_store_of_a_newer_program_is_not_taken_over(self):
        world = self.begin("[instances.web]\ncommand = [\"DEMO\"]\n")
        world.stop()

        def check(status):
            done = subprocess.run(
                [PMCTLD, "--config", world.config_path, "--check-upgrade"],
                capture_output=True,
                text=True,
                env=world.environment(),
                timeout=CAP,
                check=False,
            )
            self.assertEqual(done.returncode, status, done.stderr)
            return done.stdout + done.stderr

        self.assertIn("can go on", check(0))
        with sqlite3.connect(world.path("state", "state.db")) as store:
            store.execute("PRAGMA user_version = 99")
        store.close()
        self.assertIn("newer", check(1))
        world.write("pmctl.toml", "[instances.web]\n")
        self.assertIn("1 problem", check(2))
        self.assertTrue(os.path.exists(world.path("state", "state.db")))


if __name__ == "__main__":
    main()
