"""Visitors who log in with local accounts, while processes are killed and stores are taken away."""

import json
import os
import time
from contextlib import ExitStack
from pathlib import Path

from checks import check, finish
from service import Service
from together import Together
from visiting import MOUNT, Postgres, Redis, Visitor, frozen, subject, until

WORK = Path(os.environ["WORK"])
CROWD = 16
# The store's deadline is two seconds; the rest is this machine's.
PATIENCE = 5.0


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


class Crowd(Together):
    """Visitors who ask without pause whether they are logged in, and for a token, at one replica and the other."""

    def __init__(self, visitors, replicas):
        super().__init__(self.keep_asking, visitors)
        self.replicas, self.answers = replicas, []

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
