"""Real proxies in front, with the examples of etc/proxies: routing by host name, crashes, 404 and 503."""

import http.client
import os
import select
import shutil
import subprocess
import time

from harness import BUILD, CAP, SystemTest, deadline, left, main
from load import Load

EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "etc", "proxies")
DEMO_APP = os.path.join(BUILD, "tests", "tools", "pmctl-demo-app")


class Proxies:
    """What each of them has to do; `begin` starts one in the world's folder."""

    program = ""
    asks_again = False  # for a request that it could not hand on at all
    drain = "2s"

    def setUp(self):
        # Where Debian has them, and not in the path of everybody.
        os.environ["PATH"] += ":/usr/sbin"
        if shutil.which(self.program) is None:
            self.skipTest(f"{self.program} is not installed")
        self.world_ = self.world(port_count=20)
        self.port = self.world_.first_port + 31
        self.api = f"127.0.0.1:{self.world_.first_port + 32}"
        self.world_.http = self.api
        self.configure(1)
        self.world_.start()
        self.world_.ctl("wait", "--for", "healthy")
        self.begin(self.world_)
        self.follows("shop.localhost", 200)

    def configure(self, release, replicas=1):
        self.world_.configure(
            f"""[defaults]
command = ["{DEMO_APP}"]
update.drain = "{self.drain}"
[instances.shop]
hostname = "shop.localhost"
replicas = {replicas}
env = {{ RELEASE = "{release}" }}
[instances.feed]
hostname = "feed.localhost"
"""
        )

    def example(self, world, name, *changes):
        """The example's own text in the world's folder, with its two addresses and `changes` changed."""
        with open(os.path.join(EXAMPLES, name), encoding="utf-8") as file:
            text = file.read()
        for before, after in ((":8080", f":{self.port}"), ("127.0.0.1:9180", self.api), *changes):
            self.assertTrue(before in text or before == "127.0.0.1:9180", before)
            text = text.replace(before, after)
        return world.write(name, text)

    def run_in(self, world, *command):
        process = subprocess.Popen(
            command,
            cwd=world.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": world.folder},
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)

    def ask(self, host, connection=None):
        own = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=CAP)
        try:
            own.request("GET", "/", headers={"Host": host})
            answer = own.getresponse()
            return answer.status, answer.read().decode(), answer.headers
        finally:
            if connection is None:
                own.close()

    def status(self, host):
        try:
            return self.ask(host)[0]
        except OSError:
            return None  # it does not listen yet

    def follows(self, host, status):
        """At once where the proxy asks for each request, a moment later where it is told, or still begins.

        These programs say nothing that could be waited for, so they are asked until then.
        """
        until = deadline()
        while (found := self.status(host)) != status:
            self.assertGreater(left(until), 0, f"{self.program}: {found} for {host}, not {status}")
            select.select([], [], [], 0.02)

    def test_it_routes_by_host_name_and_says_what_is_not_there(self):
        for host in ("shop", "feed"):
            status, body, _ = self.ask(f"{host}.localhost:8443")
            self.assertEqual(status, 200, body)
            self.assertIn(host, body)
        self.assertEqual(self.ask("other.localhost")[0], 404)
        self.world_.ctl("stop", "shop")
        self.follows("shop.localhost", 503)
        self.assertEqual(self.ask("shop.localhost")[2]["Retry-After"], "1")
        self.assertEqual(self.ask("feed.localhost")[0], 200)
        self.world_.ctl("start", "shop")
        self.follows("shop.localhost", 200)

    def test_updates_under_load_cost_no_request(self):
        world = self.world_
        with Load(lambda: self.status("shop.localhost") or "nobody listens") as load:
            for release in range(2, 7):
                load.more(20)
                before = world.row("shop")["pid"]
                self.configure(release)
                world.ctl("reload")
                self.assertNotEqual(world.row("shop")["pid"], before)
            load.more(20)
        self.assertEqual(load.bad, [])

    def test_a_rolling_restart_and_a_crash_of_one_of_two_are_hardly_seen(self):
        world = self.world_
        self.configure(1, replicas=2)
        world.ctl("reload")
        self.follows("shop.localhost", 200)
        with Load(lambda: self.status("shop.localhost") or "nobody listens") as load:
            load.more(20)
            world.ctl("restart", "--rolling", "shop")
            load.more(20)
        self.assertEqual(load.bad, [])
        with Load(lambda: self.status("shop.localhost") or "nobody listens", clients=2) as load:
            load.more(20)
            victim = world.row("shop:0")["pid"]
            os.kill(victim, 9)
            world.until(lambda: world.row("shop:0")["pid"] not in (None, victim), "a replacement")
            world.until_state("shop:0", "Running")
            running = time.monotonic()
            load.more(20)
        self.assertEqual([begun for begun in load.bad_begun if begun > running], [], load.bad)
        # Those that were on their way to it, one a client; where the proxy does not ask again, also those who
        # were led there before it was known.
        self.assertLessEqual(len(load.bad), 2 if self.asks_again else 2 * 2)

    def test_a_client_that_stays_is_served_again_after_a_crash(self):
        world = self.world_
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CAP)
        self.addCleanup(client.close)
        self.assertEqual(self.ask("shop.localhost", client)[0], 200)
        before = world.row("shop")
        os.kill(before["pid"], 9)
        world.until(lambda: world.row("shop")["pid"] not in (None, before["pid"]), "a replacement")
        world.until_state("shop", "Running")
        self.follows("shop.localhost", 200)
        self.assertEqual(self.ask("shop.localhost", client)[0], 200)


class Nginx(Proxies, SystemTest):
    program = "nginx"
    asks_again = True

    def begin(self, world):
        changes = [("worker_processes auto", "daemon off; worker_processes 1")]
        path = self.example(world, "nginx.conf", *changes)
        self.run_in(world, "nginx", "-p", world.folder, "-c", path, "-e", "stderr")


class Caddy(Proxies, SystemTest):
    program = "caddy"
    asks_again = True

    def begin(self, world):
        path = self.example(world, "Caddyfile")
        self.run_in(world, "caddy", "run", "--config", path, "--adapter", "caddyfile")


class Haproxy(Proxies, SystemTest):
    program = "haproxy"
    drain = "5s"  # it ends when the feed says that its map is the new one

    def begin(self, world):
        path = self.example(world, "haproxy.cfg")
        world.write("routes.map", "")
        self.run_in(world, "haproxy", "-db", "-f", path)
        self.run_in(world, os.path.join(EXAMPLES, "haproxy-feed"), "--api", f"http://{self.api}")


if __name__ == "__main__":
    main()
