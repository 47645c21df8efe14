"""What goes wrong around pmctl: each has a clear message, an exit status, and nothing lost."""

import json
import os
import resource
import socket
import subprocess

from harness import CAP, PMCTL, PMCTLD, SystemTest, main


class BadInput(SystemTest):
    def failing(self, lines, expected):
        world = self.world()
        world.configure("[instances.web]\nhealth.kind = 'none'\nport = 'none'\n" + lines)
        world.start()
        row = world.until_state("web", "Failed")
        for text in expected if isinstance(expected, tuple) else (expected,):
            self.assertIn(text, row["reason"])
        world.ctl("status", "web", status=3)
        return world

    def test_a_command_that_does_not_exist(self):
        self.failing("command = ['/no/such/program']\n", "exec '/no/such/program': No such file or directory")

    def test_a_command_that_is_not_in_the_path(self):
        self.failing("command = ['no-such-program-at-all']\n", "no-such-program-at-all")

    def test_a_command_that_is_not_executable(self):
        world = self.world()
        plain = world.write("plain", "text")
        world.configure(f"[instances.web]\nhealth.kind = 'none'\ncommand = ['{plain}']\n")
        world.start()
        self.assertIn("Permission denied", world.until_state("web", "Failed")["reason"])

    def test_a_folder_that_is_missing(self):
        self.failing("command = ['/bin/true']\nworking_dir = '/no/such/folder'\n", "chdir '/no/such/folder'")

    def test_a_user_that_does_not_exist(self):
        self.failing("command = ['/bin/true']\nuser = 'nobody-at-all'\n", "nobody-at-all")

    def start_fails(self, world, status, *expected, env=None, preexec=None):
        done = subprocess.run(
            [PMCTLD, "--config", world.config_path],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=world.environment(env),
            preexec_fn=preexec,
            timeout=40,
            check=False,
        )
        self.assertEqual(done.returncode, status, done.stderr)
        for text in expected:
            self.assertIn(text, done.stderr)

    def test_an_invalid_file_starts_nothing_and_names_every_problem(self):
        world = self.world()
        world.configure("[instances.web]\ncomand = ['x']\nport = 99999999\n[instances.b]\napp = 'nope'\n")
        self.start_fails(world, 2, "comand", "99999999", "nope", "pmctl.toml:")
        self.assertFalse(os.path.exists(world.path("run")))

    def test_bytes_that_are_no_toml(self):
        world = self.world()
        for content, expected in (
            (b"\x00\x01", "NUL"),
            (b"[instances.web\n", "pmctl.toml:1"),
            (b"a = \xff\n", "UTF-8"),
        ):
            with open(world.config_path, "wb") as file:
                file.write(content)
            self.start_fails(world, 2, expected)

    def test_a_byte_order_mark_and_dos_line_ends_are_fine(self):
        world = self.world()
        world.configure("[instances.web]\ncommand = ['/bin/true']\n")
        with open(world.config_path, "rb") as file:
            text = file.read().replace(b"\n", b"\r\n")
        with open(world.config_path, "wb") as file:
            file.write(b"\xef\xbb\xbf" + text)
        world.ctl("validate", world.config_path)

    def test_a_second_supervisor_for_the_same_configuration(self):
        world = self.world()
        world.configure("[instances.web]\nhealth.kind='none'\ncommand = ['/bin/sleep', '1000']\n")
        world.start()
        world.until_state("web", "Running")
        self.start_fails(world, 1, "runs already", str(world.process.pid))
        world.ctl("status", "web")

    def test_a_second_supervisor_for_the_same_state(self):
        world, other = self.world(), self.world()
        world.configure("[instances.web]\nhealth.kind='none'\nport='none'\ncommand = ['/bin/sleep', '1000']\n")
        world.start()
        pid = world.row("web")["pid"]
        other.write(
            "pmctl.toml", f"[supervisor]\nruntime_dir = '{other.path('run')}'\nstate_dir = '{world.path('state')}'\n"
        )
        self.start_fails(other, 1, f"state_dir '{world.path('state')}' is another supervisor's (pid {world.process.pid})")
        self.assertEqual(world.row("web")["pid"], pid)
        # Also after an upgrade; and a dead one holds it no longer.
        world.ctl("upgrade")
        self.start_fails(other, 1, "is another supervisor's")
        world.process.kill()
        world.process.wait()
        other.start()

    def test_a_file_with_a_fault_does_not_hide_the_supervisor(self):
        world = self.world("[instances.web]\nhealth.kind='none'\nport='none'\ncommand = ['/bin/sleep', '1000']\n")
        world.start()
        world.configure("[instances.web]\ncommand = [\n")
        self.assertIn("web", world.ctl("status").out)
        world.ctl("stop", "web")
        world.ctl("reload", status=2)
        world.ctl("down")

    def test_a_socket_that_a_dead_one_left_is_no_obstacle(self):
        world = self.world()
        os.makedirs(world.path("run"), mode=0o700)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(world.path("run", "pmctld.sock"))
        world.ctl("status", status=5)
        world.start()
        world.ctl("status")

    def test_a_runtime_folder_of_somebody_else(self):
        if os.getuid() != 0:
            self.skipTest("giving a folder away takes root")
        world = self.world()
        os.makedirs(world.path("run"), mode=0o700)
        os.chown(world.path("run"), 12345, 12345)
        self.start_fails(world, 1, "12345")

    def test_a_damaged_store_is_set_aside_and_said(self):
        world = self.world()
        world.configure("[instances.web]\nhealth.kind='none'\ncommand = ['/bin/sleep', '1000']\n")
        os.makedirs(world.path("state"), mode=0o700)
        world.write("state/state.db", "this is no database, and never was one" * 100)
        world.start()
        world.until_state("web", "Running")
        self.assertTrue(any(name.startswith("state.db.damaged-") for name in os.listdir(world.path("state"))))
        self.assertTrue(any("damaged" in text for text in world.event_texts()))

    def test_no_descriptors_left_is_a_failure_that_heals(self):
        import resource

        world = self.world()
        steps = world.puppet("web", "listen")
        world.configure("".join(f"[instances.i{n}]\nhealth.kind='none'\nport='none'\ncommand = ['/bin/sleep', '1000']\n" for n in range(30)))
        del steps

        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80))

        world.start(preexec=few)
        row = world.until(lambda: next((r for r in world.rows() if r["state"] == "Failed"), None), "a failed start")
        self.assertIn("Too many open files", row["reason"])
        world.ctl("status", status=3)
        running = [r["name"] for r in world.rows() if r["state"] == "Running"]
        self.assertTrue(running)

    def test_what_is_wrong_can_be_read_by_a_program(self):
        world = self.world()
        world.configure("[instances.web]\ncomand = ['/bin/true']\nreplicas = -1\n")
        report = json.loads(world.ctl("--json", "validate", world.config_path, status=2).out)
        self.assertEqual((report["file"], report["valid"], report["instances"]), (world.config_path, False, None))
        with open(world.config_path, encoding="utf-8") as file:
            line = file.read().split("\n").index("comand = ['/bin/true']") + 1
        typo = next(each for each in report["problems"] if "did you mean 'command'?" in each["message"])
        self.assertEqual((typo["file"], typo["line"], typo["column"]), (world.config_path, line, 1))
        self.assertGreater(len(report["problems"]), 1)
        world.configure("[instances.web]\ncommand = ['/bin/true']\n")
        report = json.loads(world.ctl("--json", "validate", world.config_path).out)
        self.assertEqual(report, {"file": world.config_path, "valid": True, "instances": 1, "problems": []})
        self.assertEqual(list(json.loads(world.ctl("--json", "version").out)), ["version"])

    def test_names_in_other_scripts(self):
        world = self.world()
        world.configure('[instances."läden"]\ncommand = ["/bin/true"]\n')
        outcome = world.ctl("validate", world.config_path, status=2)
        self.assertIn("läden", outcome.err)
        world.configure(
            "[instances.web]\ndescription = 'магазин 店'\nhealth.kind='none'\ncommand = ['/bin/sh', '-c', 'echo grüße 店; sleep 1000']\n"
        )
        world.start()
        world.until(lambda: "grüße 店" in world.ctl("logs", "web").out or None, "the line")

    def test_ten_thousand_instances_are_read_and_shown(self):
        world = self.world()
        world.configure(
            "[defaults]\nautostart = false\nport = 'none'\nhealth.kind = 'none'\n"
            + "".join(f"[instances.i{n:05}]\ncommand = ['/bin/true']\n" for n in range(10_000))
        )
        world.ctl("validate", world.config_path, cap=120)
        world.start(cap=120)
        self.assertEqual(len(world.ctl("status", "-q", status=None, cap=120).out.split()), 10_000)
        world.ctl("reload", cap=120)

    def test_without_a_supervisor_every_command_says_so(self):
        world = self.world()
        for command in (["status"], ["stop", "web"], ["logs"], ["reload"], ["why", "web"], ["ports"], ["down"]):
            outcome = world.ctl(*command, status=5)
            self.assertIn("no supervisor", outcome.err)
            self.assertEqual(outcome.out, "")

    def test_typos_are_usage_errors_with_a_hint(self):
        world = self.world("[instances.web]\nhealth.kind='none'\ncommand = ['/bin/sleep', '1000']\n")
        world.start()
        self.assertIn("status", world.ctl("statsu", status=2).err)
        self.assertIn("web", world.ctl("stop", "wbe", status=4).err)
        world.ctl("status", "nothing-like-it", status=4)
        world.ctl("signal", "NOSIG", "web", status=2)
        world.ctl("stop", status=2)

    def test_another_user_is_refused(self):
        if os.getuid() != 0:
            self.skipTest("being another user takes root")
        world = self.world("[instances.web]\nhealth.kind='none'\ncommand = ['/bin/sleep', '1000']\n")
        world.start()
        os.chmod(world.folder, 0o755)
        done = subprocess.run(
            [PMCTL, "--socket", world.path("run", "pmctld.sock"), "status"],
            capture_output=True,
            text=True,
            user=65534,
            env=world.environment(),
            timeout=CAP,
            check=False,
        )
        self.assertEqual(done.returncode, 7, done.stderr)

    def test_a_refused_fork_is_named_and_tried_again(self):
        if os.getuid() != 0:
            self.skipTest("being another user takes root")
        world = self.world(
            """[instances.web]
health.kind = "none"
autostart = false
command = ["/bin/sleep", "1000"]
restart.backoff_initial = "50ms"
"""
        )
        user = 50_000 + os.getpid() % 10_000  # of whom nothing else runs: the limit counts a user's processes
        os.chown(world.folder, user, user)
        world.start(user=user)
        threads = len(os.listdir(f"/proc/{world.process.pid}/task"))
        world.stop()
        _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
        world.start(
            user=user, preexec=lambda: resource.setrlimit(resource.RLIMIT_NPROC, (threads, hard))
        )
        world.ctl("start", "web", "--no-wait")
        row = world.until(lambda: self.failed(world), "a refused start")
        self.assertIn("the limit on the number of processes is reached", row["reason"])
        lift = ["prlimit", f"--pid={world.process.pid}", f"--nproc={threads + 10}:"]
        subprocess.run(lift, user=user, group=0, check=True)
        world.until_state("web", "Running")

    def failed(self, world):
        row = world.row("web")
        return row if "clone" in row["reason"] else None


if __name__ == "__main__":
    main()
