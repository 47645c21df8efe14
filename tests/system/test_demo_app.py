"""pmctl-demo-app by itself: what the quick start and its users rely on."""

import os
import signal
import socket
import subprocess
import threading
import unittest

from harness import BUILD, CAP, LineStream, PortSlot, deadline

DEMO_APP = os.path.join(BUILD, "tests", "tools", "pmctl-demo-app")


class DemoApp(unittest.TestCase):
    def setUp(self):
        self.slot = PortSlot()
        self.addCleanup(self.slot.close)

    def start(self, *options, until="listening", env=None, **more):
        self.process = subprocess.Popen(
            [DEMO_APP, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PORT": str(self.slot.first), **(env or {})},
            **more,
        )
        self.addCleanup(self.process.stdout.close)
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)
        self.lines = LineStream(self.process.stdout.fileno())
        self.until(until)

    def until(self, text):
        end = deadline()
        seen = []
        while (line := self.lines.next(end)) is not None:
            seen.append(line)
            if text in line:
                return line
        self.fail(f"no line with '{text}', but {seen}")

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.slot.first), timeout=CAP)
        self.addCleanup(connection.close)
        return connection

    @staticmethod
    def read_until_closed(connection):
        text = b""
        while piece := connection.recv(65536):
            text += piece
        return text.decode()

    def ask(self, request):
        connection = self.connect()
        connection.sendall(request.encode())
        return self.read_until_closed(connection)

    def test_says_that_it_is_well_and_who_it_is(self):
        self.start(env={"INSTANCE_ID": 'sh"op', "REPLICA": "1"})
        status = self.ask("GET /api/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.assertIn("200 OK", status)
        self.assertIn('{"status":"ok","instance":"sh\\"op","replica":"1"', status)
        self.assertIn("instance  sh\"op", self.ask("GET / HTTP/1.0\r\n\r\n"))
        self.assertIn("404", self.ask("GET /nothing HTTP/1.0\r\n\r\n"))
        self.assertIn("405", self.ask("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"))
        self.assertIn("400", self.ask("\x16\x03\x01 nonsense\r\n\r\n"))
        self.assertIn("431", self.ask("GET / HTTP/1.1\r\n" + "x" * 20000))

    def test_a_connection_takes_several_requests_also_at_once_and_in_pieces(self):
        self.start()
        connection = self.connect()
        for byte in b"GET / HTTP/1.1\r\n\r\n":
            connection.sendall(bytes([byte]))
        connection.sendall(b"HEAD /api/status HTTP/1.1\r\n\r\nGET /x HTTP/1.1\r\nConnection: close\r\n\r\n")
        answers = self.read_until_closed(connection)
        self.assertEqual(answers.count("HTTP/1.1 "), 3)
        self.assertEqual(answers.count('{"status"'), 0)  # HEAD has no body
        self.assertIn("404", answers)

    def test_many_at_once_are_all_answered_while_one_says_nothing(self):
        self.start()
        self.connect()
        answers = []

        def one():
            answers.append(self.ask("GET /api/status HTTP/1.0\r\n\r\n"))

        threads = [threading.Thread(target=one) for _ in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(CAP)
        self.assertEqual(sum("200 OK" in answer for answer in answers), 100)

    def test_term_ends_it_with_0_though_a_connection_is_open(self):
        self.start()
        connection = self.connect()
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        self.assertIn(b"200 OK", connection.recv(65536))
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(CAP), 0)
        self.assertEqual(connection.recv(1), b"")

    def test_listens_on_a_socket_that_was_handed_over(self):
        listener = socket.create_server(("127.0.0.1", self.slot.first))
        self.addCleanup(listener.close)
        # The pid is known in the child alone: a shell says it, and becomes the program.
        process = subprocess.Popen(
            ["sh", "-c", 'exec env LISTEN_PID=$$ LISTEN_FDS=1 "$0" 3<&"$1"', DEMO_APP, str(listener.fileno())],
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if name != "PORT"},
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertIn("handed over", LineStream(process.stdout.fileno()).next(deadline()))
        self.assertIn("200 OK", self.ask("GET /api/status HTTP/1.0\r\n\r\n"))

    def test_crashes_hangs_and_ignores_when_it_is_told_to(self):
        self.start("--crash-after", "1ms", "--exit-code", "7", until="something terrible")
        self.assertEqual(self.process.wait(CAP), 7)
        self.start("--ignore-term")
        self.process.send_signal(signal.SIGTERM)
        self.until("SIGTERM: ignored")
        self.process.send_signal(signal.SIGINT)
        self.assertEqual(self.process.wait(CAP), 0)
        self.start("--hang-after", "1ms", until="nothing is answered")
        self.connect().sendall(b"GET / HTTP/1.0\r\n\r\n")
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(CAP), 0)

    def test_writes_numbered_lines(self):
        self.start("--log-rate", "100000")
        numbers = [int(self.until("line ").split()[1]) for _ in range(1000)]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + 1000)))

    def test_a_port_that_is_taken_and_a_wrong_option_are_said(self):
        listener = socket.create_server(("127.0.0.1", self.slot.first))
        self.addCleanup(listener.close)
        self.start(until="Address already in use")
        self.assertEqual(self.process.wait(CAP), 1)
        self.start("--crash-after", "5", until="--crash-after")
        self.assertEqual(self.process.wait(CAP), 2)


if __name__ == "__main__":
    unittest.main()
