"""Visitors who log in with local accounts, while processes are killed and stores are taken away."""

import atexit
import base64
import json
import os
import re
import shlex
import signal
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

from checks import check, finish
from service import Service, free_port

WORK = Path(os.environ["WORK"])
MOUNT = "/chat-identity"
FETCH = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
CROWD = 16
# The store's deadline is two seconds; the rest is this machine's.
PATIENCE = 5.0


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


def replica(name, store):
    return Service(
        name,
        PUBLIC_URL=f"https://www.example.org{MOUNT}",
        AUDIT_LOG="off",
        SESSION_SOURCES="login",
        FORWARDED_CONVENTION=None,
        FORWARDED_PROOF_SECRET=None,
        LOGIN="accounts",
        ACCOUNTS_FILE=str(WORK / "accounts.jsonl"),
        SESSION_STORE=store,
    )


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
        self.url = f"redis://127.0.0.1:{self.port}"
        self.start()
        atexit.register(self.kill)

    def start(self):
        folder = WORK / "redis"
        folder.mkdir(exist_ok=True)
        options = f"--port {self.port} --bind 127.0.0.1 --save '' --appendonly yes --appendfsync always --dir {folder}"
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
    url = os.environ["TEST_POSTGRES_URL"]
    control = shlex.split(os.environ["PG_CTL"])
    data = Path(control[control.index("-D") + 1])

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


class Crowd:
    """Visitors who ask without pause whether they are logged in, and for a token, at one replica and the other."""

    def __init__(self, visitors, replicas):
        self.replicas, self.answers, self.over = replicas, [], threading.Event()
        self.threads = [threading.Thread(target=self.keep_asking, args=[visitor]) for visitor in visitors]

    def keep_asking(self, visitor):
        turn = 0
        while not self.over.is_set():
            turn += 1
            at, path = self.replicas[turn // 2 % len(self.replicas)], ("/session", "/token")[turn % 2]
            began = time.monotonic()
            try:
                what = verdict(visitor, path, *visitor.ask(at, path))
            except OSError as error:
                what = f"{path}: {error!r}"
            ended = time.monotonic()
            self.answers.append((began, ended, what))
            if what != "known":
                time.sleep(0.01)

    def during(self, least):
        """Waits for this many questions that are both asked and answered from now on, and says what the answers were."""
        start, end = time.monotonic(), time.monotonic() + 60
        while time.monotonic() < end:
            whole = [what for began, _, what in self.answers[:] if began > start]
            if len(whole) >= least:
                return whole
            time.sleep(0.02)
        return ["nobody answers"]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


def verdict(visitor, path, status, headers, body):
    """`known`, `outage`, or whatever else it was that nobody should ever see."""
    if status == 503:
        told = json.loads(body)["code"] == "upstream_unavailable" and headers["Retry-After"] is not None
        return "outage" if told else f"{path}: an odd outage: {body!r}"
    if status == 200 and path == "/session" and json.loads(body)["logged_in"]:
        return "known"
    if status == 200 and path == "/token" and subject(body) == visitor.name:
        return "known"
    return f"{path}: {status} {body!r}"


@contextmanager
def frozen(pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def kill_and_start(service):
    service.process.kill()
    service.process.wait()
    service.__enter__()


def a_process_that_is_killed(where, service, visitors, stranger):
    kill_and_start(service)
    check(f"{where}: a killed process forgets nobody", all(visitor.is_known(service) for visitor in visitors))
    check(f"{where}: and revives nobody who had logged out", stranger.is_nobody(service))


def two_replicas(where, first, second):
    visitor = Visitor(1)
    visitor.log_in(first, then=second)
    check(f"{where}: a login may begin at one replica and end at the other", visitor.is_known(first))
    check(f"{where}: and holds at both", visitor.is_known(second))
    stolen = Visitor(1)
    stolen.cookies = dict(visitor.cookies)
    check(f"{where}: a logout at one", visitor.log_out(second) and visitor.is_nobody(second))
    check(f"{where}: is a logout at the other, at once, whoever kept the cookie", stolen.is_nobody(first))
    other = Visitor(1)
    other.log_in(second)
    check(f"{where}: the old cookie stays worthless after the next login", stolen.is_nobody(first))
    check(f"{where}: and the new one is good at once", other.is_known(first))


def a_store_that_goes_away(server, replicas, visitors):
    where, everybody = server.name, lambda: all(v.is_known(at) for at in replicas for v in visitors)
    with Crowd(visitors, replicas) as crowd:
        seen = crowd.during(100)
        check(f"{where}, under load: everybody is known", set(seen) == {"known"}, set(seen))
        server.kill()
        seen = crowd.during(2 * CROWD)
        check(f"{where}, stopped: every answer is an outage, not a logout", set(seen) == {"outage"}, set(seen))
        server.start()
        check(f"{where}, started again: everybody is known again", until(20, everybody))
        seen = crowd.during(100)
        check(f"{where}, started again: and stays so", set(seen) == {"known"}, set(seen))
        with frozen(server.processes()):
            seen = crowd.during(2 * CROWD)
        check(f"{where}, frozen: every answer is an outage, not a wait", set(seen) == {"outage"}, set(seen))
        check(f"{where}, thawed: everybody is known again", until(20, everybody))
        seen = crowd.during(100)
        check(f"{where}, thawed: and stays so", set(seen) == {"known"}, set(seen))
    slowest = max(ended - began for began, ended, _ in crowd.answers)
    check(f"{where}: no answer took longer than {PATIENCE} s", slowest < PATIENCE, slowest)
    wrong = {what for _, _, what in crowd.answers} - {"known", "outage"}
    check(f"{where}: of {CROWD} visitors' answers none was anything else", not wrong, wrong)


def on_a_server(server):
    with ExitStack() as stack:
        replicas = [stack.enter_context(replica(f"{server.name}-{i}", server.url)) for i in (1, 2)]
        two_replicas(server.name, *replicas)
        visitors = [Visitor(number) for number in range(1, CROWD + 1)]
        for number, visitor in enumerate(visitors):
            visitor.log_in(replicas[number % 2])
        stranger = Visitor(2)
        stranger.log_in(replicas[0])
        kept = dict(stranger.cookies)
        stranger.log_out(replicas[1])
        stranger.cookies = kept
        a_process_that_is_killed(server.name, replicas[0], visitors, stranger)
        a_store_that_goes_away(server, replicas, visitors)
        check(f"{server.name}: who had logged out stays so through all of it", stranger.is_nobody(replicas[1]))


def on_a_file():
    store = f"sqlite:{WORK}/sessions.db"
    with replica("SQLite", store) as service:
        # As when a new process takes over from an old one.
        with replica("SQLite-2", store) as other:
            two_replicas("SQLite, two processes", service, other)
        visitors = [Visitor(number) for number in range(1, 6)]
        for visitor in visitors:
            visitor.log_in(service)
        stranger = Visitor(6)
        stranger.log_in(service)
        kept = dict(stranger.cookies)
        check("SQLite: a logout ends the session", stranger.log_out(service) and stranger.is_nobody(service))
        stranger.cookies = kept
        a_process_that_is_killed("SQLite", service, visitors, stranger)
        with Crowd(visitors, [service]) as crowd:
            crowd.during(50)
            kill_and_start(service)
            seen = crowd.during(50)
        check("SQLite: killed in the middle of its work, it forgets nobody either", set(seen) == {"known"}, set(seen))


on_a_file()
on_a_server(Redis())
on_a_server(Postgres())
finish()
