"""Visitors with browsers who log in with local accounts, and the servers on which their sessions are kept."""

import atexit
import base64
import json
import os
import re
import shlex
import signal
import subprocess
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

from service import free_port

WORK = Path(os.environ["WORK"])
MOUNT = "/chat-identity"
FETCH = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}


class Visitor:
    """One visitor's browser."""

    def __init__(self, number):
        self.name, self.password, self.cookies = f"visitor{number}", f"a password of {number}", {}

    def ask(self, service, path, method="GET", headers=None, form=None):
        """Status, headers and body of an answer; its cookies are kept."""
        connection = HTTPConnection("127.0.0.1", service.port, timeout=20)
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {**FETCH, **({"Cookie": cookie} if cookie else {}), **(headers or {})}
        if form is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, MOUNT + path, urlencode(form) if form is not None else None, sent)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie", []):
            self.keep(line)
        return answer.status, answer.headers, body

    def keep(self, line):
        pair, *attributes = line.split("; ")
        name, value = pair.split("=", 1)
        if "max-age=0" in [attribute.lower() for attribute in attributes]:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value

    def log_in(self, at, then=None):
        """Through the form, as a person would; `then` is the replica to which the form is sent."""
        navigates = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        _, _, page = self.ask(at, "/login", headers={**navigates, "Accept": "text/html"})
        state = re.search(r'name="state" value="([^"]+)"', page.decode())[1]
        form = {"state": state, "username": self.name, "password": self.password}
        status, _, page = self.ask(then or at, "/login/password", "POST", navigates, form)
        if status != 303:
            raise RuntimeError(f"{self.name} cannot log in: {status} {page!r}")

    def log_out(self, at):
        return self.ask(at, "/logout", "POST")[0] == 200

    def is_known(self, at):
        """Whether /session and /token both know this visitor."""
        status, _, body = self.ask(at, "/session")
        return status == 200 and json.loads(body)["logged_in"] and self.who(at) == self.name

    def is_nobody(self, at):
        status, _, body = self.ask(at, "/session")
        return status == 200 and not json.loads(body)["logged_in"] and self.ask(at, "/token")[0] == 401

    def who(self, at):
        status, _, body = self.ask(at, "/token")
        return subject(body) if status == 200 else None


def subject(body):
    payload = json.loads(body)["token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return bytes.fromhex(claims["external_id"]).decode()


def until(seconds, condition):
    """Whether the condition comes true in time; nobody answering is not yet."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return True
        except OSError:
            pass
        time.sleep(0.02)
    return False


class Redis:
    """A Redis that remembers: appendonly, and written before it answers."""

    name = "Redis"

    def __init__(self):
        self.port, self.process = free_port(), None
        self.folder = WORK / f"redis-{self.port}"
        self.url = f"redis://127.0.0.1:{self.port}"
        self.start()
        atexit.register(self.kill)

    def start(self):
        self.folder.mkdir(exist_ok=True)
        options = f"--port {self.port} --bind 127.0.0.1 --save '' --appendonly yes --appendfsync always --dir {self.folder}"
        with (WORK / "redis-durable.log").open("ab") as log:
            self.process = subprocess.Popen(["redis-server", *shlex.split(options)], stdout=log, stderr=log)

    def processes(self):
        return [self.process.pid]

    def kill(self):
        self.process.kill()
        self.process.wait()


class Postgres:
    """The PostgreSQL of this step, which is up already."""

    name = "PostgreSQL"

    def __init__(self):
        self.url, self.control = os.environ["POSTGRES_URL"], shlex.split(os.environ["PG_CTL"])
        self.data = Path(self.control[self.control.index("-D") + 1])

    def start(self):
        options = (self.data / "postmaster.opts").read_text().split(" ", 1)[1].replace('"', "").split()
        options = " ".join(option for option in options if option != "-D" and option != str(self.data))
        subprocess.run([*self.control, "-o", options, "start"], check=True, stdout=subprocess.DEVNULL)

    def processes(self):
        master = int((self.data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        return [master, *map(int, children)]

    def kill(self):
        subprocess.run([*self.control, "-m", "immediate", "stop"], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def frozen(pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
