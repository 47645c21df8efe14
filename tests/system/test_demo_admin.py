"""pmctl-demo-admin by itself: the wire protocol, the commands, and each fault as it is promised."""

import http.client
import json
import os
import socket
import ssl
import subprocess
import unittest

import harness
from demo_admin import DEMO_ADMIN, SECRET, DemoAdmin, make_certificate, trusting
from harness import CAP

WEB = {"instanceId": "web", "appId": "demo/web", "displayName": "web", "hostName": ""}


class DemoAdminTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.admin = DemoAdmin()
        self.addCleanup(self.admin.close)


class Changes(DemoAdminTest):
    def test_what_is_added_changed_and_removed_is_what_it_answers(self):
        admin = self.admin.serve()
        self.assertEqual(admin.applications(), [])
        self.assertEqual(admin.change("add", "web", "--app", "demo/web"), "added 'web' (event 1)\n")
        self.assertEqual(admin.applications(), [WEB])
        admin.change(
            "add", "all", "--app", "a/b", "--name", 'A "name"', "--hostname", "a.localhost:8443", "--db-name", "d",
            "--env", "K=V=W", "--env", "EMPTY=", "--replicas", "3", "--enabled", "false", "--version", "1.2")  # fmt: skip
        full = {
            "instanceId": "all", "appId": "a/b", "displayName": 'A "name"', "hostName": "a.localhost:8443",
            "dbName": "d", "env": {"K": "V=W", "EMPTY": ""}, "replicas": 3, "enabled": False, "version": "1.2",
        }  # fmt: skip
        self.assertEqual(admin.applications(), [full, WEB])
        admin.change("set", "all", "--env", "K", "--env", "NEW=1", "--replicas=-4", "--enabled", "", "--version", "")
        full.update(env={"EMPTY": "", "NEW": "1"}, replicas=-4)
        del full["enabled"], full["version"]
        self.assertEqual(admin.applications(), [full, WEB])
        self.assertEqual(json.loads(admin.change("list", "--json"))["applications"], [full, WEB])
        self.assertIn("a.localhost:8443", admin.change("list"))
        self.assertEqual(admin.change("remove", "web", "all"), "removed 'web' (event 4)\nremoved 'all' (event 5)\n")
        self.assertEqual(admin.applications(), [])

    def test_what_cannot_be_done_changes_nothing_and_is_said(self):
        admin = self.admin

        def refused(status, said, *arguments):
            done = admin.run(*arguments, "--db", admin.db)
            self.assertEqual(done.returncode, status, done)
            self.assertIn(said, done.stderr)
            self.assertTrue(done.stderr.startswith("pmctl-demo-admin: "), done.stderr)

        refused(4, "is not there; 'serve' and 'add' make it", "list")
        admin.change("add", "web", "--app", "demo/web")
        refused(1, "'web' is there already", "add", "web", "--app", "x")
        refused(4, "'nobody' is not there", "set", "nobody", "--version", "1")
        refused(4, "'nobody' is not there", "remove", "web", "nobody")
        refused(2, "--replicas: 'many' is no number", "set", "web", "--replicas", "many")
        refused(2, "--enabled: 'yes' is neither", "set", "web", "--enabled", "yes")
        refused(2, "--env: '=x' has no name", "set", "web", "--env", "=x")
        refused(2, "--count: 'x' is no number", "add", "y", "--app", "x", "--count", "x")
        refused(2, "'boom' is no fault", "faults", "cut,boom")
        refused(2, "fault 'delay'", "faults", "delay=soon")
        refused(2, "--app is required", "add", "y")
        refused(2, "--nonsense", "list", "--nonsense")
        refused(2, "no port", "serve")
        refused(2, "--hold", "serve", "--port", "0", "--hold", "long")
        refused(2, "--tls-cert", "serve", "--port", "0", "--tls-key", "x")
        refused(1, "'/nothing'", "serve", "--port", "0", "--tls-cert", "/nothing", "--tls-key", "/nothing")
        refused(2, "is no IP address", "serve", "--port", "0", "--address", "here")
        self.assertEqual(json.loads(admin.change("list", "--json"))["applications"], [WEB])
        admin.serve()
        self.assertEqual(admin.poll(1)["id"], 1)

    def test_a_burst_is_as_many_events(self):
        admin = self.admin.serve()
        admin.change("add", "many", "--app", "x", "--count", "50", "--hostname", "h{}.localhost", "--env", "N={}")
        found = {one["instanceId"]: one for one in admin.applications()}
        self.assertEqual(len(found), 50)
        self.assertEqual(found["many-49"]["hostName"], "h49.localhost")
        self.assertEqual(found["many-7"]["env"], {"N": "7"})
        self.assertEqual(admin.poll(50)["id"], 50)

    def test_two_that_begin_with_a_new_database_do_not_hinder_each_other(self):
        commands = [
            subprocess.Popen(
                [DEMO_ADMIN, "add", f"app{i}", "--app", "x", "--count", "20", "--db", self.admin.db],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )
            for i in range(4)
        ]  # fmt: skip
        for command in commands:
            said, _ = command.communicate(timeout=CAP)
            self.assertEqual(command.returncode, 0, said)
        self.assertEqual(len(json.loads(self.admin.change("list", "--json"))["applications"]), 80)
        self.admin.serve()
        self.assertEqual(self.admin.poll(1)["id"], 80)

    def test_what_it_knows_outlasts_it(self):
        admin = self.admin.serve()
        admin.change("add", "web", "--app", "demo/web")
        admin.change("faults", "duplicate")
        self.assertEqual(admin.stop(), 0)
        admin.change("add", "more", "--app", "demo/web")
        admin.serve()
        self.assertEqual(len(admin.applications()), 3)
        self.assertEqual(admin.poll(1)["id"], 2)
        self.assertEqual(admin.stop(), 0)
        admin.serve("--faults", "none")
        self.assertEqual(len(admin.applications()), 2)

    def test_the_environment_names_database_and_port(self):
        done = self.admin.run("add", "web", "--app", "x", DEMO_ADMIN_DB=self.admin.db)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn(f"made '{self.admin.db}'", done.stderr)
        self.assertIn("web", self.admin.change("list"))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            done = self.admin.run("serve", DEMO_ADMIN_DB=self.admin.db, PORT=str(taken.getsockname()[1]))
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("Address already in use", done.stderr)


class Polls(DemoAdminTest):
    def test_a_held_poll_is_answered_by_a_change(self):
        admin = self.admin.serve()
        first, second = admin.begin_poll(1), admin.begin_poll(1)
        admin.change("add", "web", "--app", "demo/web")
        for poll in (first, second):
            answer = admin.end_poll(poll)
            self.assertEqual(answer["id"], 1)
            self.assertIsInstance(answer["version"], str)
        self.assertEqual(admin.poll(1)["id"], 1)
        held = admin.begin_poll(2)
        admin.change("set", "web", "--version", "2")
        self.assertEqual(admin.end_poll(held)["id"], 2)
        held = admin.begin_poll(3)
        admin.change("remove", "web")
        self.assertEqual(admin.end_poll(held)["id"], 3)

    def test_a_poll_whose_time_is_over_is_a_304_and_its_connection_goes_on(self):
        admin = self.admin.serve("--hold", "50ms")
        connection = admin.connect()
        self.addCleanup(connection.close)
        for _ in range(2):
            connection.request("GET", "/api/poll?e=1", headers=admin.headers())
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.read()), (304, b""))
            self.assertIn("text/plain", answer.headers["Content-Type"])
        admin.change("add", "web", "--app", "demo/web")
        connection.request("GET", "/api/applications", headers=admin.headers())
        self.assertEqual(connection.getresponse().status, 200)

    def test_an_id_that_there_never_was_shows_a_reset(self):
        admin = self.admin.serve()
        admin.change("add", "web", "--app", "demo/web", "--count", "5")
        held = admin.begin_poll(6)
        self.assertIn("the newest was 5", admin.change("reset-events"))
        self.assertEqual(admin.end_poll(held)["id"], 1)
        admin.change("set", "web-0", "--version", "2")
        self.assertEqual(admin.poll(2)["id"], 2)
        self.assertEqual(len(admin.applications()), 5)

    def test_a_poll_without_a_number_and_a_service_without_polls(self):
        admin = self.admin.serve()
        for query in ("", "?e=", "?e=-1", "?e=1x", "?x=1"):
            status, headers, body = admin.ask("/api/poll" + query)
            self.assertEqual(status, 400, query)
            self.assertIn("text/plain", headers["Content-Type"])
            self.assertIn(b"/api/poll?e=N", body)
        admin.stop()
        admin.serve("--no-poll")
        self.assertEqual(admin.poll(1), 404)
        self.assertEqual(admin.applications(), [])

    def test_term_ends_it_though_polls_are_held(self):
        admin = self.admin.serve()
        polls = [admin.begin_poll(1) for _ in range(3)]
        idle = admin.connect()
        idle.connect()
        self.addCleanup(idle.close)
        self.assertEqual(admin.stop(), 0)
        self.assertEqual(admin.seen.count("GET /api/poll?e=1 304"), 3)
        self.assertEqual([admin.end_poll(poll) for poll in polls], [304] * 3)
        self.assertEqual(idle.sock.recv(1), b"")

    def test_who_hangs_up_is_not_kept(self):
        admin = self.admin.serve()
        admin.begin_poll(1).close()
        # Its turn is over before that of the next.
        held = admin.begin_poll(1)
        admin.change("add", "web", "--app", "demo/web")
        self.assertEqual(admin.end_poll(held)["id"], 1)
        self.assertEqual(admin.stop(), 0)
        self.assertEqual(admin.seen.count("GET /api/poll?e=1 200"), 1)

    def test_two_hundred_polls_at_once_hold_up_nobody(self):
        admin = self.admin.serve()
        polls = [admin.begin_poll(1) for _ in range(200)]
        self.assertEqual(admin.applications(), [])
        admin.change("add", "web", "--app", "demo/web")
        self.assertEqual({admin.end_poll(poll)["id"] for poll in polls}, {1})


class Access(DemoAdminTest):
    def test_only_the_secret_opens_but_the_status_is_for_everybody(self):
        admin = self.admin.serve()
        for headers in (
            {}, {"Authorization": "Bearer x"}, {"Authorization": SECRET}, {"Authorization": f"Basic {SECRET}"},
            {"Authorization": f"Bearer {SECRET}x"}, {"Authorization": "Bearer "}, {"X-Internal-Secret": SECRET[:-1]},
        ):  # fmt: skip
            for path in ("/api/applications", "/api/poll?e=0"):
                status, answered, body = admin.ask(path, headers)
                self.assertEqual(status, 401, headers)
                self.assertIn("text/plain", answered["Content-Type"])
                self.assertNotIn(SECRET.encode(), body)
        self.assertEqual(admin.ask("/api/applications", {"X-Internal-Secret": SECRET})[0], 200)
        self.assertEqual(admin.ask("/api/applications", {"Authorization": f"Bearer {SECRET}"})[0], 200)
        status, _, body = admin.ask("/api/status", {})
        self.assertEqual((status, json.loads(body)), (200, {"status": "ok"}))
        self.assertEqual(admin.ask("/api/else", {})[0], 404)
        admin.stop()
        self.assertNotIn(SECRET, "\n".join(admin.seen))
        self.assertEqual(admin.seen.count("GET /api/applications 200"), 2)
        self.assertEqual(admin.seen.count("GET /api/applications 401"), 7)

    def test_where_the_secret_comes_from(self):
        admin = self.admin
        path = os.path.join(admin.folder, "secret")
        with open(path, "w", encoding="utf-8") as file:
            file.write("of the file\n")
        serve = ("serve", "--db", admin.db, "--port", "0")
        os.chmod(path, 0o640)
        done = admin.run(*serve, "--secret-file", path)
        self.assertEqual(done.returncode, 1)
        self.assertIn("chmod 600", done.stderr)
        os.chmod(path, 0o600)
        done = admin.run(*serve, INTERNAL_SECRET="")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--no-auth", done.stderr)
        done = admin.run(*serve, "--secret-env", "NOT_THERE")
        self.assertEqual(done.returncode, 2)
        self.assertIn("$NOT_THERE", done.stderr)
        admin.serve("--secret-file", path)
        self.assertEqual(admin.ask("/api/applications", admin.headers("of the file"))[0], 200)
        self.assertEqual(admin.ask("/api/applications")[0], 401)
        admin.stop()
        admin.serve("--no-auth")
        self.assertEqual(admin.ask("/api/applications", {})[0], 200)

    def test_tls_with_a_certificate_of_its_own(self):
        admin = self.admin
        cert, key = make_certificate(admin.folder)
        other, _ = make_certificate(os.path.dirname(cert), "elsewhere")
        admin.serve("--tls-cert", cert, "--tls-key", key)
        admin.tls = trusting(cert)
        self.assertEqual(admin.applications(), [])
        held = admin.begin_poll(1)
        admin.change("add", "web", "--app", "demo/web")
        self.assertEqual(admin.end_poll(held)["id"], 1)
        self.assertEqual(admin.applications(), [WEB])
        admin.change("faults", "cut")
        admin.until("faults from now on: cut")
        with self.assertRaises((http.client.IncompleteRead, ssl.SSLError, OSError)):
            admin.ask("/api/applications")
        admin.tls = trusting(other)
        with self.assertRaises(ssl.SSLCertVerificationError):
            admin.ask("/api/applications")
        admin.tls = trusting(cert)
        held = admin.begin_poll(2)
        self.assertEqual(admin.stop(), 0)
        self.assertEqual(admin.end_poll(held), 304)

    def test_what_is_no_request_is_refused_and_harms_nobody(self):
        admin = self.admin.serve()
        for text in (b"\x16\x03\x01 nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 40000 + b"\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", admin.port), timeout=CAP) as connection:
                connection.sendall(text)
                answer = b""
                while piece := connection.recv(65536):
                    answer += piece
                self.assertIn(b" 400 ", answer.split(b"\r\n")[0])
        connection = admin.connect()
        connection.request("POST", "/api/applications", body=b"x" * 100, headers=admin.headers())
        self.assertEqual(connection.getresponse().status, 405)
        connection.close()
        self.assertEqual(admin.applications(), [])


class Faults(DemoAdminTest):
    def setUp(self):
        super().setUp()
        self.admin.serve()
        self.admin.change("add", "web", "--app", "demo/web")

    def show(self, faults):
        self.admin.change("faults", faults)
        self.admin.until(f"faults from now on: {faults}")

    def test_statuses_take_both_calls_and_held_polls_too(self):
        admin = self.admin
        for fault, status in (("500", 500), ("401", 401), ("redirect", 302)):
            held = admin.begin_poll(2)
            self.show(fault)
            self.assertEqual(admin.end_poll(held), status)
            answered, headers, body = admin.ask("/api/applications")
            self.assertEqual(answered, status)
            self.assertIn("text/plain", headers["Content-Type"])
            self.assertTrue(body)
            self.assertEqual(headers["Location"], "/elsewhere" if fault == "redirect" else None)
            self.assertEqual(admin.ask("/api/status", {})[0], 200)
            self.show("none")
        self.assertEqual(admin.applications(), [WEB])

    def test_garbage_is_no_json(self):
        self.show("garbage")
        for path in ("/api/applications", "/api/poll?e=9"):
            status, _, body = self.admin.ask(path)
            self.assertEqual(status, 200)
            with self.assertRaises(ValueError):
                json.loads(body)

    def test_cut_promises_more_than_it_sends(self):
        self.show("cut")
        with self.assertRaises(http.client.IncompleteRead):
            self.admin.ask("/api/applications")
        self.assertEqual(self.admin.poll(1)["id"], 1)

    def test_delay_is_waited_for_by_each_answer(self):
        # An hour that is not waited for: who stops meanwhile answers at once.
        self.show("delay=1h")
        connection = self.admin.connect()
        connection.request("GET", "/api/applications", headers=self.admin.headers())
        self.assertEqual(self.admin.ask("/api/status", {})[0], 200)
        self.assertEqual(self.admin.stop(), 0)
        self.assertEqual(self.admin.end_poll(connection)["applications"], [WEB])
        self.admin.serve("--faults", "delay=1ms,500")
        self.assertEqual(self.admin.ask("/api/applications")[0], 500)

    def test_lower_id_answers_at_once_below_the_last_seen_one(self):
        held = self.admin.begin_poll(2)
        self.show("lower-id")
        self.assertEqual(self.admin.end_poll(held)["id"], 0)
        self.assertEqual(self.admin.poll(1000)["id"], 998)
        self.assertEqual(self.admin.poll(0)["id"], 0)

    def test_lists_that_are_not_to_be_believed(self):
        self.show("empty")
        self.assertEqual(self.admin.applications(), [])
        self.show("duplicate")
        self.assertEqual(self.admin.applications(), [WEB, WEB])
        self.show("empty,duplicate")
        first, second = self.admin.applications()
        self.assertEqual(first, second)
        self.show("huge")
        status, _, body = self.admin.ask("/api/applications")
        self.assertEqual(status, 200)
        self.assertGreater(len(body), 16 << 20)
        self.assertEqual(json.loads(body)["applications"], [WEB])

    def test_a_304_with_a_body_that_http_forbids(self):
        self.admin.stop()
        self.admin.serve("--hold", "1ms", "--faults", "stray-body")
        with socket.create_connection(("127.0.0.1", self.admin.port), timeout=CAP) as connection:
            connection.sendall(
                f"GET /api/poll?e=2 HTTP/1.1\r\nConnection: close\r\nX-Internal-Secret: {SECRET}\r\n\r\n".encode()
            )
            text = b""
            while piece := connection.recv(65536):
                text += piece
        head, body = text.split(b"\r\n\r\n")
        self.assertIn(b" 304 ", head)
        self.assertIn(b"Content-Length: 12", head)
        self.assertEqual(body, b"nothing new\n")

    def test_an_etag_spares_the_same_list(self):
        admin = self.admin
        self.assertIsNone(admin.ask("/api/applications")[1]["ETag"])
        admin.stop()
        admin.serve("--etag")
        tag = admin.ask("/api/applications")[1]["ETag"]
        headers = admin.headers(**{"If-None-Match": tag})
        status, answered, body = admin.ask("/api/applications", headers)
        self.assertEqual((status, answered["ETag"], body), (304, tag, b""))
        admin.change("set", "web", "--version", "2")
        status, answered, _ = admin.ask("/api/applications", headers)
        self.assertEqual(status, 200)
        self.assertNotEqual(answered["ETag"], tag)


if __name__ == "__main__":
    harness.main()
