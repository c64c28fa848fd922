"""People who ask without pause, and what each of their answers means to them."""

import json
import time
from http.client import HTTPConnection, HTTPException

from together import Together
from visiting import FETCH, MOUNT, subject

# A visitor reads, too: load enough to meet a fault at every step, and little enough to share a machine with others.
PAUSE = 0.02


class Asker:
    """Somebody in front of a page, who is `name`, or nobody."""

    def __init__(self, name, headers, is_of=None):
        self.name, self.headers, self.is_of = name, headers, is_of or (lambda body, name: subject(body) == name)
        self.tokens = []

    def ask(self, port, path):
        """What the answer to this means: `known`, `nobody`, `outage`, `silence`, or what nobody should ever see."""
        connection = HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("GET", MOUNT + path, headers={**FETCH, **self.headers()})
            answer = connection.getresponse()
            return self.meaning(path, answer.status, answer.headers, answer.read())
        except (OSError, HTTPException):
            return "silence"
        finally:
            connection.close()

    def meaning(self, path, status, headers, body):
        if status in (502, 503, 504):
            return "outage" if headers["Retry-After"] and "code" in json.loads(body) else f"an odd outage: {body!r}"
        if status == 401 or status == 200 and path == "/session" and not json.loads(body)["logged_in"]:
            return "nobody"
        if status != 200 or self.name is None:
            return f"{path}: {status} {body!r}"
        if path == "/session":
            return "known"
        self.tokens.append(json.loads(body)["token"])
        return "known" if self.is_of(body, self.name) else f"a token of somebody else: {body!r}"


class Crowd(Together):
    """All of them at once, until the block ends."""

    def __init__(self, stage):
        super().__init__(self.keep_asking, stage.askers)
        self.stage, self.answers = stage, []

    def keep_asking(self, asker):
        turn = 0
        while not self.over.is_set():
            turn += 1
            began = time.monotonic()
            what = asker.ask(self.stage.port(turn // 2), ("/session", "/token")[turn % 2])
            self.answers.append((began, time.monotonic(), asker, what))
            time.sleep(PAUSE)

    def answered(self, since, until=float("inf"), strangers=False):
        """Every meaning of what was asked between these moments, to visitors or to strangers."""
        rows = [row for row in self.answers[:] if since <= row[0] < until and (row[2].name is None) == strangers]
        return {what for _, _, _, what in rows}

    def are_known(self):
        """Whether every visitor, asking from now on, is known: three times each."""
        start, end = time.monotonic(), time.monotonic() + 10
        visitors = {asker for asker in self.stage.askers if asker.name}
        while time.monotonic() < end:
            rows = [row for row in self.answers[:] if row[0] > start and row[2].name]
            if any(row[3] != "known" for row in rows):
                return False
            if all(sum(row[2] is visitor for row in rows) >= 3 for visitor in visitors):
                return True
            time.sleep(0.05)
        return False

    def slowest(self, since):
        return max((ended - began for began, ended, _, _ in self.answers[:] if began >= since), default=0)
