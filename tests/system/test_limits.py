"""Limits by cgroup v2, where this machine has controllers to give (root, and a tree with memory, cpu and pids)."""

import contextlib
import os
import select

from harness import CAP, SystemTest, main

ROOT = "/sys/fs/cgroup"
CONTROLLERS = {"memory", "cpu", "pids"}


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def folders_upwards():
    """The cgroup of this test, what it is in, and so on to the root of the tree."""
    own = next((line[3:].strip() for line in read("/proc/self/cgroup").split("\n") if line.startswith("0::")), "/")
    while own != "/":
        yield ROOT + own
        own = os.path.dirname(own)
    yield ROOT


class Limits(SystemTest):
    def delegated_group(self):
        """A new cgroup as a service manager would make it for the supervisor: empty, with all controllers."""
        for folder in folders_upwards():
            group = os.path.join(folder, f"pmctl-test-{os.getpid()}")
            try:
                os.mkdir(group)
                has = CONTROLLERS <= set(read(group, "cgroup.controllers").split())
            except OSError:
                has = False
            if has:
                self.addCleanup(self.remove, group)
                return group
            with contextlib.suppress(OSError):
                os.rmdir(group)
        return self.skipTest("there is no cgroup v2 tree here that gives memory, cpu and pids")

    def remove(self, group):
        """Below it there is nothing but empty groups once the supervisor has ended."""
        for name, _, _ in os.walk(group, topdown=False):
            os.rmdir(name)

    def start(self, world, group):
        """The supervisor in that group; in the leaf of it where an earlier one has divided it."""
        leaf = os.path.join(group, "supervisor")

        def join():
            with open(os.path.join(leaf if os.path.exists(leaf) else group, "cgroup.procs"), "w", encoding="utf-8") as file:
                file.write("0")

        return world.start(preexec=join)

    def group_of(self, world, name):
        own = read("/proc", str(world.row(name)["pid"]), "cgroup").strip()
        return ROOT + own.split("::", 1)[1]

    def test_each_limit_is_in_force_for_the_run_alone(self):
        group = self.delegated_group()
        world = self.world(
            """
[defaults]
health.kind = "none"
[instances.free]
command = ["sleep", "1000"]
[instances.web]
command = ["sleep", "1000"]
limits = { memory = "64MiB", cpu = 1.5, tasks = 10 }
"""
        )
        self.start(world, group)
        own = self.group_of(world, "web")
        self.assertEqual(os.path.dirname(own), group)
        self.assertEqual(read(own, "memory.max"), f"{64 << 20}\n")
        self.assertEqual(read(own, "cpu.max"), "150000 100000\n")
        self.assertEqual(read(own, "pids.max"), "10\n")
        self.assertEqual(self.group_of(world, "free"), os.path.join(group, "supervisor"))
        self.assertNotIn("not in force", world.log())
        # Its group goes with it.
        world.ctl("stop", "web")
        self.assertFalse(os.path.exists(own))

    def test_what_is_not_delegated_is_named_and_the_rest_is_in_force(self):
        outer = self.delegated_group()
        with open(os.path.join(outer, "cgroup.subtree_control"), "w", encoding="utf-8") as file:
            file.write("+memory")
        group = os.path.join(outer, "part")
        os.mkdir(group)
        world = self.world(
            """
[instances.web]
health.kind = "none"
command = ["sleep", "1000"]
limits = { memory = "64MiB", cpu = 1.5, tasks = 10 }
"""
        )
        self.start(world, group)
        own = self.group_of(world, "web")
        self.assertEqual(read(own, "memory.max"), f"{64 << 20}\n")
        self.assertIn(f"limits of cpu and tasks are not in force: '{group}' lacks controllers: cpu, pids", world.log())

    def test_who_takes_too_much_memory_is_killed_and_the_reason_shown(self):
        group = self.delegated_group()
        # tail keeps the last line, and /dev/zero is a line without an end.
        world = self.world(
            """
[instances.hog]
health.kind = "none"
command = ["tail", "/dev/zero"]
limits.memory = "16MiB"
restart.policy = "never"
"""
        )
        self.start(world, group)
        self.assertIn("out of memory: limits.memory was reached", world.until_state("hog", "Failed")["reason"])

    def test_a_death_that_nobody_saw_has_its_reason_too(self):
        group = self.delegated_group()
        world = self.world()
        os.mkfifo(world.path("gate"))
        world.configure(
            f"""
[instances.hog]
health.kind = "none"
command = ["sh", "-c", "read line < {world.path("gate")}; exec tail /dev/zero"]
limits.memory = "16MiB"
restart.policy = "never"
"""
        )
        self.start(world, group)
        hog = os.pidfd_open(world.row("hog")["pid"])
        self.addCleanup(os.close, hog)
        world.process.kill()
        world.process.wait(CAP)
        with open(world.path("gate"), "w", encoding="utf-8") as gate:
            gate.write("\n")
        self.assertTrue(select.select([hog], [], [], CAP)[0])
        self.start(world, group)
        self.assertIn("out of memory: limits.memory was reached", world.until_state("hog", "Failed")["reason"])

    def test_a_fork_bomb_ends_at_the_limit_of_tasks_and_all_of_it_goes(self):
        group = self.delegated_group()
        world = self.world(
            """
[instances.bomb]
health.kind = "none"
command = ["sh", "-c", "while :; do sleep 1000 & done"]
limits.tasks = 8
restart.policy = "never"
"""
        )
        self.start(world, group)
        world.until_state("bomb", "Failed")
        self.assertIn("fork", world.ctl("logs", "bomb").out.lower())
        world.ctl("down")
        world.process.wait(CAP)
        self.assertEqual([name for name in os.listdir(group) if name.startswith("run-")], [])


if __name__ == "__main__":
    main()
