"""The system around it: sd_notify, signals, PID 1 of a container."""

import os
import shutil
import signal
import socket
import subprocess

from harness import CAP, PMCTLD, LineStream, SystemTest, deadline, main


class Integration(SystemTest):
    def notified(self, world):
        path = world.path("notify.sock")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.bind(path)
        sock.settimeout(30)
        self.addCleanup(sock.close)
        return sock, {"NOTIFY_SOCKET": path}

    def until_told(self, sock, word):
        while True:
            text = sock.recv(4096).decode()
            if word in text.split("\n"):
                return text

    def test_the_service_manager_is_told_of_each_stage(self):
        world = self.world(f"[instances.web]\nhealth.kind='none'\ncommand = ['/bin/sleep', '1000']\n")
        sock, env = self.notified(world)
        world.start(env=env)
        self.until_told(sock, "READY=1")
        world.process.send_signal(signal.SIGHUP)
        self.assertIn("MONOTONIC_USEC=", self.until_told(sock, "RELOADING=1"))
        self.until_told(sock, "READY=1")
        world.process.send_signal(signal.SIGTERM)
        self.until_told(sock, "STOPPING=1")
        self.assertEqual(world.process.wait(CAP), 0)

    def test_the_watchdog_is_fed(self):
        world = self.world("")
        sock, env = self.notified(world)
        env["WATCHDOG_USEC"] = "200000"
        world.start(env=env)
        self.until_told(sock, "WATCHDOG=1")
        self.until_told(sock, "WATCHDOG=1")

    def test_a_second_term_does_not_wait_for_anyone(self):
        world = self.world()
        world.configure(
            f"[instances.web]\nhealth.kind='none'\nstop_timeout = '1h'\ncommand = {world.puppet('web', 'ignore TERM')}\n"
        )
        world.start()
        world.report("web").wait("ready")
        world.process.send_signal(signal.SIGTERM)
        world.report("web").wait("signal")
        self.assertIsNone(world.process.poll())
        world.process.send_signal(signal.SIGTERM)
        self.assertEqual(world.process.wait(CAP), 0)

    def test_its_log_file_is_opened_again_by_usr1_and_has_a_bound(self):
        world = self.world("[instances.web]\nhealth.kind='none'\ncommand = ['/bin/sleep', '1000']\n")
        log = world.path("own.log")
        world.start("--log-file", log)
        os.rename(log, log + ".old")
        with world.following("events", "-f", "-n", "1", "--json") as events:
            self.assertIsNotNone(events.next(deadline()))
            world.process.send_signal(signal.SIGUSR1)
            # Signals come in order, and this one is told.
            world.process.send_signal(signal.SIGHUP)
            world.ctl("restart", "web")
        world.stop()
        with open(log, encoding="utf-8") as file:
            self.assertIn("'web': Running → Stopping", file.read())
        self.assertTrue(os.path.getsize(log + ".old") > 0)
        with open(log, "ab") as file:
            file.truncate(10 << 20)
        world.start("--log-file", log)
        world.stop()
        self.assertGreater(os.path.getsize(log + ".1"), 10 << 20)
        self.assertLess(os.path.getsize(log), 1 << 20)

    def test_as_pid_1_it_reaps_what_it_never_started(self):
        if os.getuid() != 0 or shutil.which("unshare") is None:
            self.skipTest("a PID namespace takes root and unshare")
        if subprocess.run(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "true"], check=False, capture_output=True).returncode != 0:
            self.skipTest("no PID namespace can be had here")
        world = self.world()
        # A shell whose child outlives it: an orphan that ends later, of nobody's run.
        world.configure(
            f"""[instances.web]
health.kind = "none"
restart.policy = "never"
command = {world.puppet('web', 'daemon', 'exit 0')}
"""
        )
        ready, told = os.pipe()
        process = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", PMCTLD, "--config", world.config_path, "--ready-fd", str(told)],
            pass_fds=[told],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=world.environment(),
        )
        os.close(told)
        self.assertEqual(LineStream(ready).next(deadline()), "ready")
        os.close(ready)
        world.report("web").wait("exit")
        world.until(lambda: (r := world.row("web")) and r["state"] == "Stopped")
        world.ctl("down")
        process.wait(CAP)

    def test_it_runs_without_a_home_and_with_little_environment(self):
        world = self.world("[instances.web]\nhealth.kind='none'\ncommand = ['/bin/sleep', '1000']\n")
        done = subprocess.run(
            [PMCTLD, "--validate", world.config_path], env={}, capture_output=True, text=True, check=False, timeout=30
        )
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    main()
