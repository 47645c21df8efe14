"""The HTTP API of the real supervisor: routes follow what happens, over TCP and a Unix socket."""

import http.client
import json
import os
import socket
import threading

from harness import CAP, SystemTest, deadline, left, main


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=CAP)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(CAP)
        self.sock.connect(self.path)


def get(connection, target, headers=None):
    connection.request("GET", target, headers=headers or {})
    return answer_of(connection)


def answer_of(connection):
    answer = connection.getresponse()
    return answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read().decode()


class Http(SystemTest):
    def served(self, config, unix=False):
        """A world whose API listens, and a connection to it."""
        world = self.world(port_count=20)
        port = world.first_port + 30
        world.http = "unix:" + world.path("api") if unix else f"127.0.0.1:{port}"
        world.configure(config(world))
        world.start()
        connection = (
            UnixConnection(world.path("api")) if unix else http.client.HTTPConnection("127.0.0.1", port, timeout=CAP)
        )
        self.addCleanup(connection.close)
        return world, connection

    @staticmethod
    def web(world, more=""):
        return f'[instances.web]\nhostname = "shop.localhost"\ncommand = {world.puppet("web", "listen")}\n{more}'

    @staticmethod
    def hold(connection, etag):
        connection.request("GET", "/v1/routes?wait=30s", headers={"If-None-Match": etag})

    def follow(self, connection, etag, wished, held=False):
        """Held requests for the table until it is as wished; `held`: the first one is on its way."""
        until = deadline()
        while True:
            self.assertGreater(left(until), 0, "the table never is as wished")
            if not held:
                self.hold(connection, etag)
            held = False
            status, headers, body = answer_of(connection)
            if status == 200:
                etag = headers["etag"]
                routes = json.loads(body)["routes"]
                if wished(routes):
                    return etag, routes

    def test_the_table_follows_start_crash_stop_and_start(self):
        world, api = self.served(self.web)
        up = lambda routes: bool(routes[0]["upstreams"])
        etag, routes = self.follow(api, '""', up)
        row = world.row("web")
        self.assertEqual(routes[0]["upstreams"][0]["upstream"], f"127.0.0.1:{row['port']}")
        status, headers, body = get(api, "/v1/routes/SHOP.localhost.")
        self.assertEqual((status, headers["x-upstream"]), (200, f"127.0.0.1:{row['port']}"))
        self.assertEqual(json.loads(body)["instance"], "web")

        self.hold(api, etag)  # before it: the next process may be there before another request
        os.kill(row["pid"], 9)
        etag, _ = self.follow(api, etag, lambda routes: not up(routes), held=True)
        etag, _ = self.follow(api, etag, up)
        self.assertNotEqual(world.row("web")["pid"], row["pid"])

        world.ctl("stop", "web")
        status, headers, _ = get(api, "/v1/routes/shop.localhost")
        self.assertEqual((status, headers["retry-after"]), (503, "1"))
        etag, _ = self.follow(api, etag, lambda routes: not up(routes))
        self.assertIn("-", world.ctl("routes", "shop.localhost", status=3).out)
        world.ctl("start", "web")
        self.follow(api, etag, up)
        self.assertEqual(get(api, "/v1/routes/other.localhost")[0], 404)
        self.assertEqual(
            json.loads(world.ctl("routes", "--json").out)["routes"][0]["upstream"],
            f"127.0.0.1:{world.row('web')['port']}",
        )
        world.ctl("routes", "other.localhost", status=4)

    def test_on_demand_starts_once_for_many_questions(self):
        world, api = self.served(lambda w: self.web(w, "on_demand = true\n"))
        self.assertEqual(get(api, "/readyz")[0], 200)
        self.assertEqual(world.row("web")["state"], "Stopped")
        answers = []

        def ask():
            mine = http.client.HTTPConnection("127.0.0.1", api.port, timeout=CAP)
            answers.append(get(mine, "/v1/resolve", {"X-Forwarded-Host": "shop.localhost"})[0])
            mine.close()

        threads = [threading.Thread(target=ask) for _ in range(50)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        self.assertEqual(answers, [200] * 50)
        starts = [text for text in world.event_texts("web") if "Starting (pid" in text]
        self.assertEqual(len(starts), 1, starts)

    def test_idle_time_stops_it_again(self):
        world, api = self.served(lambda w: self.web(w, 'on_demand = true\nidle_timeout = "300ms"\n'))
        self.assertEqual(get(api, "/v1/routes/shop.localhost")[0], 200)
        self.assertIn("idle", world.until_state("web", "Stopped")["reason"])
        self.assertEqual(get(api, "/v1/routes/shop.localhost")[0], 200)

    def test_a_unix_socket_serves_state_metrics_and_events(self):
        world, api = self.served(self.web, unix=True)
        world.until_state("web", "Running")
        self.assertEqual(get(api, "/healthz")[0], 200)
        status, _, body = get(api, "/v1/instances/web")
        shown = json.loads(body)
        self.assertEqual((status, shown[0]["name"], shown[0]["state"]), (200, "web", "Running"))
        self.assertEqual(set(shown[0]), set(world.row("web")))
        status, headers, body = get(api, "/metrics")
        self.assertEqual(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        self.assertIn('pmctl_instance_state{instance="web",name="web",state="Running"} 1\n', body)
        stream = UnixConnection(world.path("api"))
        self.addCleanup(stream.close)
        stream.request("GET", "/v1/events", headers={"Last-Event-ID": "0"})
        answer = stream.getresponse()
        self.assertEqual(answer.getheader("Content-Type"), "text/event-stream")
        numbers = []
        world.ctl("stop", "web")
        while True:
            line = answer.readline().decode()
            self.assertNotEqual(line, "", "the stream ended")
            if line.startswith("data: "):
                event = json.loads(line[6:])
                numbers.append(event["number"])
                if event["name"] == "web" and "Stopping → Stopped" in event["text"]:
                    break
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))

    def test_a_port_that_is_taken_is_an_event_and_no_end(self):
        world = self.world(port_count=20)
        port = world.first_port + 30
        stranger = socket.socket()
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        world.http = f"127.0.0.1:{port}"
        world.configure(self.web(world))
        world.start()
        world.until_state("web", "Running")
        held = [text for text in world.event_texts() if "cannot listen" in text]
        self.assertEqual(len(held), 1)
        self.assertIn(f"it is held by pid {os.getpid()}", held[0])
        stranger.close()
        world.until(lambda: any("listens on" in text for text in world.event_texts()), "the port")


if __name__ == "__main__":
    main()
