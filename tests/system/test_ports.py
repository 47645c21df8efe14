"""Ports: out of the range, never a taken one, and what happens when there is none."""

import socket

from harness import CAP, SystemTest, main


def listener(port, host="127.0.0.1"):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen()
    return sock


class Ports(SystemTest):
    def test_a_port_that_a_stranger_holds_is_passed_over(self):
        world = self.world()
        world.configure(f"[instances.web]\ncommand = {world.puppet('web', 'listen')}\n")
        stranger = listener(world.first_port)
        self.addCleanup(stranger.close)
        world.start()
        self.assertEqual(world.until_state("web", "Running")["port"], world.first_port + 1)
        self.assertIn(str(world.first_port + 1), world.ctl("ports").out)

    def test_a_range_that_is_used_up_is_said_and_heals(self):
        world = self.world(port_count=2)
        world.configure(
            "".join(f"[instances.{n}]\ncommand = {world.puppet(n, 'listen')}\n" for n in ("a", "b", "c"))
        )
        world.start()
        row = world.until_state("c", "Failed")
        self.assertIn(f"no free port in {world.first_port}-{world.first_port + 1}", row["reason"])
        world.ctl("status", "c", status=3)
        world.ctl("stop", "a")
        world.until_state("c", "Running")

    def test_a_child_whose_port_was_taken_gets_another_at_once(self):
        world = self.world()
        gate = world.path("gate")
        world.configure(
            f"""[instances.web]
command = {world.puppet('web', f'wait {gate}', 'listen')}
"""
        )
        world.start()
        world.report("web").wait("started")
        stranger = listener(world.row("web")["port"])
        self.addCleanup(stranger.close)
        world.write("gate", "")
        row = world.until_state("web", "Running")
        self.assertNotEqual(row["port"], stranger.getsockname()[1])
        self.assertTrue(any("is held by" in text for text in world.event_texts("web")))

    def test_a_fixed_port_that_a_stranger_holds_names_the_stranger(self):
        world = self.world()
        port = world.last_port
        stranger = listener(port)
        world.configure(f"[instances.web]\nport = {port}\nrestart.backoff_initial = '50ms'\ncommand = {world.puppet('web', 'listen')}\n")
        world.start()
        row = world.until_state("web", "Failed")
        self.assertIn(f"port {port} is held by pid ", row["reason"])
        stranger.close()
        world.until_state("web", "Running")

    def test_a_kept_socket_refuses_nobody_while_the_program_restarts(self):
        world = self.world()
        world.configure(f"[instances.web]\nsocket_activation = true\ncommand = {world.puppet('web', 'listen')}\n")
        world.start()
        first = world.until_state("web", "Running")
        world.ctl("restart", "--no-wait", "web")
        with socket.create_connection(("127.0.0.1", first["port"]), timeout=CAP) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            self.assertTrue(connection.recv(100).startswith(b"HTTP/1."))


if __name__ == "__main__":
    main()
