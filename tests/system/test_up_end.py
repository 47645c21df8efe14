"""How pmctl up in front ends, and takes with it what it has started: Ctrl-C, its terminal, its reader."""

import os
import signal

from harness import CAP, LineStream, main
from up_world import UpTest


class UpEnd(UpTest):
    def test_in_front_it_shows_the_logs_and_ctrl_c_stops_everything(self):
        world = self.two()
        process = self.up(world)
        lines = LineStream(process.stdout.fileno())
        seen = self.lines_until(lines, "hello-from-web", "hello-from-api")
        self.assertFalse(any("\x1b" in line for line in seen), "escape codes in a pipe")
        world.ctl("wait", "--for", "healthy", "--timeout", f"{CAP:.0f}s")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(CAP), 0)
        world.ctl("status", status=5)
        self.assertEqual(world.own_processes(), [])

    def test_a_terminal_that_is_closed_leaves_nothing_running(self):
        world = self.two()
        process = self.up(world)
        self.lines_until(LineStream(process.stdout.fileno()), "hello-from-web", "hello-from-api")
        process.send_signal(signal.SIGHUP)
        self.assertEqual(process.wait(CAP), 0)
        world.ctl("status", status=5)
        self.assertEqual(world.own_processes(), [])

    def test_both_hang_ups_of_a_closed_terminal_together_ask_gracefully(self):
        world = self.world()
        gate, saved = world.path("gate"), world.path("saved")
        os.mkfifo(gate)
        server = f"trap 'echo ending; read go < {gate}; : > {saved}; exit' TERM; echo up; while :; do read never < {gate}; done"
        world.write("server.sh", server)
        world.configure(f"[instances.web]\nhealth.kind='none'\ncommand = ['sh', '{world.path('server.sh')}']\n")
        self.addCleanup(world.ctl, "down", "--now", status=None)
        process = self.up(world)
        lines = LineStream(process.stdout.fileno())
        self.lines_until(lines, "up")
        process.send_signal(signal.SIGHUP)
        self.lines_until(lines, "ending")
        process.send_signal(signal.SIGHUP)

        def taken():
            with open(f"/proc/{process.pid}/status", encoding="utf-8") as file:
                status = dict(line.rstrip("\n").split(":", 1) for line in file)
            return int(status["ShdPnd"], 16) & 1 << signal.SIGHUP - 1 == 0

        world.until(taken, "the second one to be taken")
        world.ctl("status", status=None)  # what came of it has been heard, too
        with open(gate, "w", encoding="utf-8") as file:
            file.write("go\n")
        self.assertEqual(process.wait(CAP), 0)
        self.assertTrue(os.path.exists(saved))
        self.assertEqual(world.own_processes(), [])

    def test_under_nohup_it_goes_on(self):
        world = self.two()
        process = self.up(world, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        lines = LineStream(process.stdout.fileno())
        self.lines_until(lines, "hello-from-web", "hello-from-api")
        process.send_signal(signal.SIGHUP)
        world.ctl("restart", "web")
        self.lines_until(lines, "hello-from-web")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(CAP), 0)
        self.assertEqual(world.own_processes(), [])

    def test_a_reader_that_goes_away_leaves_nothing_running(self):
        world = self.two()
        process = self.up(world)
        self.lines_until(LineStream(process.stdout.fileno()), "hello-from-web", "hello-from-api")
        process.stdout.close()
        world.ctl("restart", "web", status=None)  # something to tell
        self.assertEqual(process.wait(CAP), 0)
        world.ctl("status", status=5)
        self.assertEqual(world.own_processes(), [])

    def test_a_second_ctrl_c_does_not_wait(self):
        world = self.world()
        world.configure(
            f"[instances.web]\nhealth.kind='none'\nstop_timeout='1h'\ncommand = {world.puppet('web', 'ignore TERM', 'say up')}\n"
        )
        process = self.up(world)
        lines = LineStream(process.stdout.fileno())
        self.lines_until(lines, "up")
        world.report("web").wait("ready")
        process.send_signal(signal.SIGINT)
        world.report("web").wait("signal")
        process.send_signal(signal.SIGINT)
        process.wait(CAP)
        self.assertEqual(world.own_processes(), [])


if __name__ == "__main__":
    main()
