"""Requests without a pause, while something else goes on."""

import http.client
import select
import threading
import time

from harness import deadline, left


class Load:
    """Clients that ask without a pause, each on a connection of its own, until they are told to stop."""

    def __init__(self, ask, clients=4):
        self.ask = ask
        self.over = threading.Event()
        self.good = 0
        self.bad = []
        self.bad_begun = []  # when each of those was begun, by time.monotonic()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def run(self):
        while not self.over.is_set():
            begun = time.monotonic()
            try:
                found = self.ask()
            except (OSError, http.client.HTTPException) as error:
                found = repr(error)
            with self.lock:
                if found == 200:
                    self.good += 1
                else:
                    self.bad.append(found)
                    self.bad_begun.append(begun)

    def more(self, count, cap=None):
        """Waits until so many more requests were answered."""
        wanted = self.good + count
        until = deadline(cap)
        bad = len(self.bad)
        while self.good < wanted and len(self.bad) == bad:
            assert left(until) > 0, "the load stands still"
            select.select([], [], [], 0.01)
