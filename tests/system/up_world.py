"""A pmctl up of the test's own, and its lines."""

import subprocess

from harness import PMCTL, SystemTest, deadline


class UpTest(SystemTest):
    def two(self):
        world = self.world()
        world.configure(
            f"""[instances.web]
command = {world.puppet('web', 'say hello-from-web', 'listen')}
[instances.api]
command = {world.puppet('api', 'say hello-from-api', 'listen')}
"""
        )
        self.addCleanup(world.ctl, "down", "--now", status=None)
        return world

    def up(self, world, *args, **kwargs):
        process = subprocess.Popen(
            [PMCTL, "--config", world.config_path, "up", *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=world.environment(),
            **kwargs,
        )
        self.addCleanup(process.stdout.close)
        return process

    def lines_until(self, lines, *words):
        missing = set(words)
        return self.lines_until_none_is(missing, lines, lambda line: {word for word in missing if word in line})

    def lines_until_none_is(self, missing, lines, found):
        """What comes until all that is missing was found: `found` tells which of it a line has."""
        seen = []
        until = deadline()
        while missing:
            line = lines.next(until)
            self.assertIsNotNone(line, f"{missing} never came: {seen[-40:]}")
            seen.append(line)
            missing -= found(line)
        return seen

    def lines_until_one_of(self, lines, *words):
        seen = []
        until = deadline()
        while not seen or not any(word in seen[-1] for word in words):
            line = lines.next(until)
            self.assertIsNotNone(line, f"none of {words} came: {seen[-40:]}")
            seen.append(line)
        return seen
