"""Peers that mean harm, or are broken: many at once, slow ones, endless ones. The owner is served all the time, what
is held for them is bounded, and when they go nothing of them is left."""

import contextlib
import os
import resource
import select
import socket
import subprocess

from harness import CAP, PMCTL, SystemTest, deadline, left, main

# nng's greeting of a REQ socket, and the head of a message over IPC: the SP protocol's RFC drafts.
GREETING = b"\0SP\0\0\x30\0\0"
GIB = 1 << 30

# Resident memory that strangers may cost: sanitizers keep what was freed for a while, 256 MiB of it.
MOST_GROWTH_KIB = 400 << 10


class Peers(SystemTest):
    def setUp(self):
        super().setUp()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < 4096:
            self.skipTest("a thousand peers take more descriptors than may be had here")
        if soft != resource.RLIM_INFINITY and soft < 4096:
            resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))

    def begin(self):
        world = self.world("[instances.web]\nhealth.kind='none'\nport='none'\ncommand = ['/bin/sleep', '1000']\n")
        world.http = f"unix:{world.path('api.sock')}"
        world.configure("[instances.web]\nhealth.kind='none'\nport='none'\ncommand = ['/bin/sleep', '1000']\n")
        world.start()
        world.ctl("wait", "--for", "healthy")
        return world

    def connect(self, path):
        peer = socket.socket(socket.AF_UNIX)
        self.addCleanup(peer.close)
        peer.settimeout(CAP)
        peer.connect(path)
        return peer

    def control(self, world):
        return self.connect(world.path("run", "pmctld.sock"))

    def api(self, world):
        return self.connect(world.path("api.sock"))

    def kib(self, world):
        with open(f"/proc/{world.process.pid}/status", encoding="utf-8") as file:
            return int(next(line for line in file if line.startswith("VmRSS")).split()[1])

    def descriptors(self, world):
        return len(os.listdir(f"/proc/{world.process.pid}/fd"))

    def stream(self, peer, first, piece, size):
        """Sends so much unless the other side hangs up; what it took."""
        sent = 0
        with contextlib.suppress(OSError):
            peer.sendall(first)
            while sent < size:
                peer.sendall(piece)
                sent += len(piece)
        return sent

    def gone(self, peer):
        """The other side has closed this connection, whatever it said before."""
        with contextlib.suppress(OSError):
            while peer.recv(65536):
                pass

    def served(self, world, pid):
        self.assertEqual(world.row("web")["pid"], pid)
        self.assertEqual(world.ctl("status", "web").status, 0)

    def back_to(self, world, count, what):
        """Nothing says when a descriptor is closed: it is looked at until then."""
        until = deadline()
        while (found := self.descriptors(world)) > count:
            self.assertGreater(left(until), 0, f"{what}: {found} descriptors, {count} before")
            select.select([], [], [], 0.02)

    def test_a_thousand_at_once_that_say_nothing_or_a_byte(self):
        world = self.begin()
        pid = world.row("web")["pid"]
        before, memory = self.descriptors(world), self.kib(world)
        peers = []
        for number in range(1000):
            peer = self.control(world) if number % 2 else self.api(world)
            if number % 4 >= 2:
                peer.sendall(GREETING[:1] if number % 2 else b"G")
            peers.append(peer)
            if number % 250 == 0:
                self.served(world, pid)
        self.served(world, pid)
        self.assertLess(self.kib(world) - memory, MOST_GROWTH_KIB)
        for peer in peers:
            peer.close()
        self.served(world, pid)
        self.back_to(world, before + 4, "a thousand peers")

    def test_one_who_sends_a_gibibyte_is_hung_up_on(self):
        world = self.begin()
        pid = world.row("web")["pid"]
        before, memory = self.descriptors(world), self.kib(world)
        endless = [
            ("a message", self.control(world), GREETING + b"\x01" + GIB.to_bytes(8, "big")),
            ("no greeting", self.control(world), b"x" * 8),
            ("a message over the limit by one", self.control(world), GREETING + b"\x01" + ((1 << 20) + 1).to_bytes(8, "big")),
            ("a header", self.api(world), b"GET / HTTP/1.1\r\nHost: a\r\nX: "),
            ("a body", self.api(world), b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % GIB),
            ("a target", self.api(world), b"GET /"),
        ]
        for what, peer, first in endless:
            sent = self.stream(peer, first, b"x" * 65536, GIB)
            self.assertLess(sent, 64 << 20, f"{what}: it was taken")
            self.gone(peer)
            peer.close()
            self.served(world, pid)
        self.assertLess(self.kib(world) - memory, MOST_GROWTH_KIB)
        self.back_to(world, before + 4, "endless peers")

    def test_those_that_ask_and_never_read_are_held_up_alone(self):
        world = self.begin()
        pid = world.row("web")["pid"]
        before, memory = self.descriptors(world), self.kib(world)
        text = b'{"jsonrpc":"2.0","id":1,"method":"config","params":{}}'
        peers = []
        for _ in range(20):
            peer = self.control(world)
            peer.sendall(GREETING)
            peer.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for number in range(2000):
                    body = (0x80000000 + number).to_bytes(4, "big") + text
                    peer.send(b"\x01" + len(body).to_bytes(8, "big") + body)
            peers.append(peer)
            peer = self.api(world)
            peer.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(2000):
                    peer.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            peers.append(peer)
            self.served(world, pid)
        self.assertLess(self.kib(world) - memory, MOST_GROWTH_KIB)
        for peer in peers:
            peer.close()
        self.served(world, pid)
        self.back_to(world, before + 4, "peers that do not read")

    def test_those_that_leave_in_the_middle_of_a_long_reply_leave_nothing(self):
        one = "[instances.web]\nhealth.kind='none'\nport='none'\ncommand = ['/bin/sleep', '1000']\n"
        world = self.world(one + "[instances.many]\nautostart=false\nreplicas=1000\nport='none'\ncommand=['/bin/true']\n")
        world.start()
        pid = world.row("web")["pid"]
        before = self.descriptors(world)
        body = b'\x80\0\0\1{"jsonrpc":"2.0","id":1,"method":"status","params":{}}'
        request = GREETING + b"\x01" + len(body).to_bytes(8, "big") + body
        for number in range(100):
            peer = self.control(world)
            peer.sendall(request)
            heard = 0
            while heard < 2000 * number:
                piece = peer.recv(65536)
                self.assertNotEqual(piece, b"")
                heard += len(piece)
            peer.close()
        self.served(world, pid)
        self.back_to(world, before + 4, "peers that left")

    def test_another_user_who_reaches_the_socket_is_refused_by_its_name(self):
        if os.getuid() != 0:
            self.skipTest("being another user takes root")
        world = self.world(supervisor='socket_mode = "0666"')
        world.configure("[instances.web]\nhealth.kind='none'\nport='none'\ncommand = ['/bin/sleep', '1000']\n")
        world.start()
        pid = world.row("web")["pid"]
        # As an operator might by mistake: then the kernel's word on who asks is what counts.
        os.chmod(world.path("run"), 0o711)
        for command in (["status"], ["stop", "web"], ["down"]):
            done = subprocess.run(
                [PMCTL, "--socket", world.path("run", "pmctld.sock"), *command],
                capture_output=True,
                text=True,
                user=65534,
                group=65534,
                extra_groups=[],
                env=world.environment(),
                timeout=CAP,
                check=False,
            )
            self.assertEqual(done.returncode, 7, done.stderr)
            self.assertIn("user 65534 may not control this supervisor", done.stderr)
        self.assertEqual(world.row("web")["pid"], pid)
        self.assertTrue(any("refused a request of uid 65534" in text for text in world.event_texts()))


if __name__ == "__main__":
    main()
