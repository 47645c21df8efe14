"""pmctl-demo-admin for tests: starts one, changes it, asks it, and counts what it was asked."""

import json
import os
import signal
import ssl
import subprocess
import tempfile
import threading
import http.client

from harness import BUILD, CAP

DEMO_ADMIN = os.path.join(BUILD, "tests", "tools", "pmctl-demo-admin")
SECRET = "the-secret-of-the-tests"


class DemoAdmin:
    """One database, and at most one process that serves it."""

    def __init__(self, folder=None):
        self.own_folder = None
        if folder is None:
            self.own_folder = tempfile.TemporaryDirectory(prefix="pmctl-test-admin-")
            folder = self.own_folder.name
        self.folder = folder
        self.db = os.path.join(folder, "demo-admin.db")
        self.process = None
        self.seen, self.told = [], 0  # lines of its log, and how many of them `until` has passed
        self.news = threading.Condition()
        self.tls = None

    def environment(self, **more):
        env = {name: value for name, value in os.environ.items() if name not in ("PORT", "DEMO_ADMIN_DB")}
        return {**env, "INTERNAL_SECRET": SECRET, **more}

    def serve(self, *options, port=0):
        self.process = subprocess.Popen(
            [DEMO_ADMIN, "serve", "--db", self.db, "--port", str(port), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.environment(),
        )
        self.seen, self.told = [], 0
        self.reader = threading.Thread(target=self.read, args=(self.process.stdout,))
        self.reader.start()
        self.port = int(self.until("listening on").rsplit(":", 1)[1])
        self.until("the store is")
        return self

    def read(self, log):
        """Its log as it comes, until it ends."""
        for line in log:
            with self.news:
                self.seen.append(line.decode(errors="replace").rstrip("\n"))
                self.news.notify_all()

    def until(self, text, cap=None):
        """The next line of its log with `text`."""

        def found():
            while self.told < len(self.seen):
                self.told += 1
                if text in self.seen[self.told - 1]:
                    return self.seen[self.told - 1]
            return None

        with self.news:
            line = self.news.wait_for(found, CAP if cap is None else cap)
        if line is None:
            raise AssertionError(f"no line with '{text}', but {self.seen}")
        return line

    def count(self, text):
        """How many lines have `text`."""
        with self.news:
            return sum(text in line for line in self.seen)

    def until_count(self, text, count):
        with self.news:
            if not self.news.wait_for(lambda: sum(text in line for line in self.seen) >= count, CAP):
                raise AssertionError(f"no {count} lines with '{text}', but {self.seen}")

    def stop(self, number=signal.SIGTERM):
        """Its exit status; what it said last is in `seen`."""
        self.process.send_signal(number)
        return self.await_end()

    def await_end(self):
        status = self.process.wait(CAP)
        self.reader.join(CAP)
        self.process.stdout.close()
        self.process = None
        return status

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.await_end()
        if self.own_folder is not None:
            self.own_folder.cleanup()

    def run(self, *arguments, **env):
        """A command, whatever comes of it."""
        return subprocess.run(
            [DEMO_ADMIN, *arguments],
            cwd=self.folder,
            env=self.environment(**env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CAP,
            check=False,
        )

    def change(self, command, *arguments):
        """A command that must succeed; what it said."""
        done = self.run(command, "--db", self.db, *arguments)
        if done.returncode != 0:
            raise AssertionError(f"{command} {arguments}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    # Asking

    def connect(self):
        if self.tls is not None:
            return http.client.HTTPSConnection("localhost", self.port, timeout=CAP, context=self.tls)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=CAP)

    @staticmethod
    def headers(secret=SECRET, **more):
        return {**({"Authorization": f"Bearer {secret}"} if secret else {}), **more}

    def ask(self, path, headers=None):
        """(status, headers, body) of a connection of its own."""
        connection = self.connect()
        try:
            connection.request("GET", path, headers=self.headers() if headers is None else headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def applications(self):
        status, _, body = self.ask("/api/applications")
        if status != 200:
            raise AssertionError(f"status {status}: {body}")
        return json.loads(body)["applications"]

    def poll(self, event):
        status, _, body = self.ask(f"/api/poll?e={event}")
        return json.loads(body) if status == 200 else status

    def begin_poll(self, event):
        """A connection with a poll that is held."""
        connection = self.connect()
        connection.request("GET", f"/api/poll?e={event}", headers=self.headers())
        self.until(f"held /api/poll?e={event}")
        return connection

    @staticmethod
    def end_poll(connection):
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return json.loads(body) if answer.status == 200 else answer.status


def make_certificate(folder, name="localhost"):
    """(certificate, key) of a private authority of one."""
    cert, key = os.path.join(folder, name + ".crt"), os.path.join(folder, name + ".key")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", key, "-out", cert, "-days", "2", "-subj", f"/CN={name}",
         "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1"],
        check=True, capture_output=True, stdin=subprocess.DEVNULL,
    )
    return cert, key


def trusting(cert):
    context = ssl.create_default_context(cafile=cert)
    return context
