"""Instances of the admin service: they come, change and go with it, and stay when it fails, whatever it does."""

import json
import os

from demo_admin import SECRET, DemoAdmin, make_certificate
from harness import BUILD, SystemTest, main

DEMO_APP = os.path.join(BUILD, "tests", "tools", "pmctl-demo-app")
SLEEP = '["/bin/sleep", "1000"]'


class Admin(SystemTest):
    def service(self, *options, port=0):
        admin = DemoAdmin()
        self.addCleanup(admin.close)
        return admin.serve(*options, port=port)

    def configured(self, world, admin, more="", scheme="http", host="127.0.0.1", keys=""):
        secret = world.write("secret", SECRET + "\n")
        os.chmod(secret, 0o600)
        world.configure(
            f"""
[admin]
url = "{scheme}://{host}:{admin.port}"
secret_file = "{secret}"
{keys}
[apps."*"]
command = {SLEEP}
port = "none"
[apps."demo/web"]
command = ["{DEMO_APP}"]
{more}"""
        )
        return world

    def world_with(self, admin, more="", **how):
        world = self.configured(self.world(), admin, more, **how)
        return world.start()

    def gone(self, world, name):
        return world.until(lambda: world.row(name) is None, f"'{name}' gone")

    def admin_text(self, world):
        return world.ctl("admin", status=None).out

    # What it is for

    def test_an_instance_comes_changes_and_goes_with_the_service(self):
        admin = self.service()
        world = self.world_with(admin)
        self.assertEqual(world.rows(), [])
        admin.change("add", "login", "--app", "demo/web", "--hostname", "Login.localhost:8443", "--db-name", "db1")
        row = world.until_state("login", "Running")
        self.assertEqual((row["origin"], row["app"]), ("admin", "demo/web"))
        self.assertEqual(row["hostnames"], ["login.localhost:8443"])
        with open(f"/proc/{row['pid']}/environ", "rb") as file:
            env = file.read().split(b"\0")
        self.assertIn(b"DB_NAME=db1", env)
        self.assertFalse([each for each in env if SECRET.encode() in each])

        admin.change("set", "login", "--hostname", "other.localhost")  # of no process's concern
        world.until(lambda: world.row("login")["hostnames"] == ["other.localhost"], "the new hostname")
        self.assertEqual(world.row("login")["pid"], row["pid"])
        admin.change("set", "login", "--version", "2")  # a new process
        world.until(lambda: world.row("login")["pid"] not in (None, row["pid"]), "another process")
        world.until_state("login", "Running")
        admin.change("remove", "login")
        self.gone(world, "login")

    def test_what_the_file_says_of_an_instance_wins_until_it_no_longer_does(self):
        admin = self.service()
        admin.change("add", "web", "--app", "x", "--env", "A=admin", "--env", "B=admin", "--hostname", "a.localhost")
        more = '[instances.web]\nhostname = "file.localhost"\nenv.A = "file"\n'
        world = self.world_with(admin, more)
        row = world.until_state("web", "Running")
        self.assertEqual((row["origin"], row["hostnames"]), ("both", ["file.localhost"]))
        values = {}
        for line in world.ctl("config", "web").out.splitlines():
            key, _, rest = line.partition(" = ")
            values[key.removeprefix("instances.web.")] = [each.strip() for each in rest.rsplit("#", 1)]
        self.assertEqual(values["env.A"][0], '"file"')
        self.assertRegex(values["env.A"][1], r"pmctl\.toml:\d+$")
        self.assertEqual(values["env.B"], ['"admin"', "admin event 1"])
        self.assertEqual(values["stop_timeout"][1], "default")

        self.configured(world, admin)
        plan = json.loads(world.ctl("reload", "--dry-run", "--json").out)
        self.assertEqual([(each["instance"], each["action"]) for each in plan["changes"]], [("web", "replace")])
        self.assertEqual(world.row("web")["pid"], row["pid"])
        world.ctl("reload")
        after = world.row("web")
        self.assertEqual((after["origin"], after["hostnames"]), ("admin", ["a.localhost"]))

    def test_an_edit_that_is_not_reloaded_does_not_come_with_an_event(self):
        admin = self.service()
        world = self.world_with(admin, f"[instances.own]\nport = 'none'\ncommand = {SLEEP}\n")
        world.until_state("own", "Running")
        self.configured(world, admin)
        admin.change("add", "other", "--app", "x")
        world.until_state("other", "Running")
        self.assertEqual(world.row("own")["state"], "Running")
        world.ctl("reload")
        self.gone(world, "own")
        self.assertEqual(world.row("other")["state"], "Running")

    def test_a_burst_of_a_thousand_is_few_fetches(self):
        admin = self.service()
        world = self.world_with(admin, '[apps."off"]\nautostart = false\ncommand = ["/bin/true"]\nport = "none"\n')
        admin.change("add", "x", "--app", "off", "--count", "1000")
        world.until(lambda: len(world.rows()) == 1000, "a thousand instances")
        self.assertLess(admin.count("GET /api/applications"), 20)

    # What is not allowed

    def test_an_entry_that_cannot_be_is_left_out_and_the_others_are_there(self):
        admin = self.service()
        for arguments in (
            ("good", "--app", "x", "--hostname", "good.localhost"),
            ("../../etc", "--app", "x"),
            ("claims", "--app", "x", "--hostname", "file.localhost"),
            ("path", "--app", "../x"),
            ("many", "--app", "x", "--replicas=-1"),
        ):
            admin.change("add", *arguments)
        more = f'[instances.own]\nport = "none"\nhostname = "file.localhost"\ncommand = {SLEEP}\n'
        world = self.world_with(admin, more)
        world.until_state("good", "Running")
        self.assertEqual({row["name"] for row in world.rows()}, {"good", "own"})
        told = self.admin_text(world)
        for word in ("claims", "path", "many", "file.localhost"):
            self.assertIn(word, told)
        texts = " ".join(world.event_texts())
        self.assertIn("file.localhost", texts)

    # When it fails

    def test_each_fault_leaves_the_last_good_state_in_force_and_heals(self):
        admin = self.service()
        admin.change("add", "web", "--app", "x")
        world = self.world_with(admin)
        pid = world.until_state("web", "Running")["pid"]
        number = 0
        for fault in ("garbage", "cut", "500", "redirect", "duplicate", "huge", "lower-id"):
            with self.subTest(fault):
                number += 1
                asked = admin.count("GET /api/applications")
                admin.change("faults", fault)
                admin.change("add", f"new{number}", "--app", "x")
                world.until(lambda: admin.count("GET /api/applications") > asked, "a fetch that fails")
                self.assertEqual(world.row("web")["pid"], pid)
                admin.change("faults", "none")
                world.until_state(f"new{number}", "Running")
        self.assertEqual(world.row("web")["pid"], pid)

    def test_a_service_that_is_gone_is_said_and_missed_by_nobody(self):
        world = self.world(port_count=38)
        port = world.last_port + 1  # it stays ours while nobody listens
        admin = self.service(port=port)
        admin.change("add", "web", "--app", "x")
        self.configured(world, admin).start()
        pid = world.until_state("web", "Running")["pid"]
        admin.stop()
        notice = world.until(
            lambda: "unreachable" in (done := world.ctl("status")).out + done.err and done.out + done.err, "the notice"
        )
        minute = r"(\d{4}-\d\d-\d\d )?\d\d:\d\d"  # with the date where midnight lies between
        self.assertRegex(notice, f"admin: unreachable since {minute}.* using the state of {minute}")
        self.assertEqual(world.row("web")["pid"], pid)
        # Also a supervisor that starts without it has what there was.
        self.assertEqual(world.stop(), 0)
        world.start()
        world.until_state("web", "Running")
        admin.change("add", "later", "--app", "x")
        admin.serve(port=port)
        world.until_state("later", "Running")
        self.assertNotIn("unreachable", (done := world.ctl("status")).out + done.err)

    def test_a_wrong_secret_is_one_event_and_few_calls(self):
        admin = self.service()
        admin.change("add", "web", "--app", "x")
        world = self.configured(self.world(), admin)
        world.write("secret", "not-the-secret")
        world.start()
        world.until(lambda: any("401" in text for text in world.event_texts()), "the event")
        self.assertEqual(sum("401" in text for text in world.event_texts()), 1)
        self.assertLess(admin.count("GET /api/"), 8)
        world.write("secret", SECRET)
        world.ctl("reload", "--no-wait", status=None)
        world.until_state("web", "Running")

    def test_the_removal_of_most_is_done_only_when_it_is_said_twice(self):
        admin = self.service()
        for name in "abcde":
            admin.change("add", name, "--app", "x")
        world = self.world_with(admin)
        world.until(lambda: sum(row["state"] == "Running" for row in world.rows()) == 5, "all five")
        fetched = admin.count("GET /api/applications")
        admin.change("remove", "a", "b", "c", "d")
        world.until(lambda: {row["name"] for row in world.rows()} == {"e"}, "the four gone")
        admin.until_count("GET /api/applications", fetched + 2)
        texts = world.event_texts()
        held = next(i for i, text in enumerate(texts) if "removes 4 of 5 instances at once" in text)
        gone = next(i for i, text in enumerate(texts) if "stop: removed by the admin service" in text)
        self.assertLess(held, gone)

    def test_a_service_without_polls_is_fetched_by_interval(self):
        admin = self.service("--no-poll", "--etag")
        world = self.world_with(admin, keys='poll_interval = "100ms"')
        admin.change("add", "web", "--app", "x")
        world.until_state("web", "Running")
        admin.change("remove", "web")
        self.gone(world, "web")

    # TLS, and the service as an instance

    def test_a_private_authority_is_trusted_where_it_is_named_and_no_other(self):
        world = self.world()
        cert, key = make_certificate(world.folder)
        other, _ = make_certificate(world.folder, "other")
        admin = self.service("--tls-cert", cert, "--tls-key", key)
        admin.change("add", "web", "--app", "x")
        self.configured(world, admin, scheme="https", host="localhost", keys=f'ca_file = "{other}"')
        world.start()
        world.until(lambda: any("certificate" in text for text in world.event_texts()), "the refusal")
        self.assertEqual(world.rows(), [])
        self.configured(world, admin, scheme="https", host="localhost", keys=f'ca_file = "{cert}"')
        world.ctl("reload", status=None)
        world.until_state("web", "Running")

    def test_the_service_may_be_an_instance_and_is_followed(self):
        world = self.world()
        secret = world.write("secret", SECRET)
        os.chmod(secret, 0o600)
        admin = DemoAdmin(world.folder)
        admin.change("add", "web", "--app", "x")
        program = os.path.join(BUILD, "tests", "tools", "pmctl-demo-admin")
        world.configure(
            f"""
[admin]
instance = "admin"
secret_file = "{secret}"
[apps."*"]
command = {SLEEP}
port = "none"
[instances.admin]
command = ["{program}", "serve", "--db", "{admin.db}"]
pass_internal_secret = true
"""
        )
        world.start()
        world.until_state("web", "Running")
        before = world.row("admin")
        world.ctl("restart", "admin")
        self.assertNotEqual(world.row("admin")["pid"], before["pid"])
        admin.change("add", "more", "--app", "x")
        world.until_state("more", "Running")

    def test_the_secret_is_nowhere_to_be_seen(self):
        admin = self.service()
        admin.change("add", "web", "--app", "x")
        world = self.configured(self.world(supervisor='log_level = "trace"'), admin)
        world.start()
        world.until_state("web", "Running")
        shown = []
        for words in (
            ("status",), ("status", "web"), ("status", "--json"), ("admin",), ("admin", "--json"), ("config",),
            ("config", "--show-secrets"), ("config", "web", "--show-secrets"), ("events", "-n", "1000"),
            ("events", "--json", "-n", "1000"), ("why", "web"), ("ports",), ("plan",), ("reload", "--json"),
            ("logs", "--all"), ("validate",),
        ):  # fmt: skip
            done = world.ctl(*words, status=None)
            shown.append(done.out + done.err)
        admin.change("faults", "401")
        admin.change("add", "more", "--app", "x")
        world.until(lambda: any("401" in text for text in world.event_texts()), "the refusal")
        shown.append(world.ctl("admin", status=None).out)
        with open(f"/proc/{world.process.pid}/cmdline", encoding="utf-8") as file:
            shown.append(file.read())
        world.stop()
        shown.append(world.log())
        for folder, _, names in os.walk(world.path("state")):
            for name in names:
                with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                    shown.append(file.read())
        self.assertTrue(all(SECRET not in text for text in shown))
        self.assertTrue(any("web" in text for text in shown))


if __name__ == "__main__":
    main()
