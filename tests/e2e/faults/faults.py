"""Each fault, what visitors see of it, and the line that tells the operator; one driver for all of them.

While a fault lasts, whoever is logged in is known or told of an outage with Retry-After, as the table says, and nothing else:
nobody is taken for logged out, and nobody gets in who was not. When it is over everybody is known again, with nobody's help, and
the audit log holds every token that anybody got.
"""

import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Lock

import checks
from crowd import Crowd
from service import WORK
from stages import Alone, AtProvider, Balanced, Bearing, Clocked, Healthcare, Hosted, OnPostgres, OnRedis, OnSqlite
from visiting import frozen, until

# How many stages are on at the same time: each is quiet for most of its time.
AT_ONCE = 4


@dataclass
class Fault:
    """One row. `sees` must be seen by some visitor, `may` can be; `known` is what everybody else sees."""

    name: str
    visitor: str
    strike: Callable
    mend: Callable
    says: str = ""
    back: str = ""
    sees: set = field(default_factory=set)
    may: set = field(default_factory=set)
    newcomer: int = 0
    lasts: float = 1.0
    waits: bool = False
    heals: bool = False
    repeats: bool = False


def nothing(_stage):
    pass


def freeze(stage):
    stage.ice = frozen(stage.server.processes())
    stage.ice.__enter__()


def thaw(stage):
    stage.ice.__exit__(None, None, None)


def slow(delay, server):
    def strike(stage):
        getattr(stage, server).delay = delay

    return strike


def command(*words):
    return lambda stage: stage.command(*words)


def sql(*statements):
    return lambda stage: stage.sql(*statements)


def sent(number):
    return lambda stage: stage.signal(number)


def kill_and_wait(stage):
    stage.service.process.kill()
    stage.service.process.wait()


def hold_up(which):
    return lambda stage: getattr(stage.service, which).flows.clear()


def let_flow(which):
    return lambda stage: getattr(stage.service, which).flows.set()


def shut(which):
    return lambda stage: getattr(stage.service, which).close()


def restart(stage):
    stage.signal(signal.SIGTERM)
    stage.restart()


STORE_DOWN, STORE_BACK = "the session store is down", "the session store is back"
OUTAGE = "503 upstream_unavailable with Retry-After; the page keeps its token"
NOTHING = "nothing"
STORE_AWAY = {"sees": {"outage"}, "newcomer": 503, "says": STORE_DOWN, "back": STORE_BACK}
SINK_FULL, SINK_BACK = "the audit log takes no records; they wait", "the audit log takes records again"
SOURCE_AWAY = {"sees": {"outage"}, "says": "the session endpoint is down", "back": "the session endpoint is back"}
VENDOR_AWAY = {"sees": {"outage"}, "says": "the vendor is down", "back": "the vendor is back"}

TABLE = {
    partial(OnRedis, "redis"): [
        Fault("Redis is killed", OUTAGE, lambda s: s.server.kill(), lambda s: s.server.start(), **STORE_AWAY),
        Fault("Redis is frozen", OUTAGE, freeze, thaw, **STORE_AWAY),
        Fault(
            "Redis is full",
            "who is logged in: nothing; who logs in: 503",
            command("CONFIG SET maxmemory 1"),
            command("CONFIG SET maxmemory 0"),
            newcomer=503,
            says=STORE_DOWN,
            back=STORE_BACK,
        ),
        Fault(
            "Redis is read-only",
            "who is logged in: nothing; who logs in: 503",
            command("REPLICAOF 127.0.0.1 1"),
            command("REPLICAOF NO ONE"),
            newcomer=503,
            says=STORE_DOWN,
            back=STORE_BACK,
        ),
        Fault(
            "Redis is restarted empty",
            "401 login_required: the sessions are gone, and a login makes a new one",
            lambda s: s.empty(),
            lambda s: s.log_everybody_in(),
            sees={"nobody"},
            may={"outage"},
            newcomer=303,
            says="the session store has lost what was kept in it",
        ),
    ],
    partial(OnPostgres, "postgres"): [
        Fault("PostgreSQL is restarted", OUTAGE, lambda s: s.server.kill(), lambda s: s.server.start(), **STORE_AWAY),
        Fault(
            "PostgreSQL is out of connections",
            OUTAGE,
            sql(
                "alter role chat connection limit 0",
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'chat'",
            ),
            sql("alter role chat connection limit -1"),
            **STORE_AWAY,
        ),
        Fault("PostgreSQL is locked", OUTAGE, lambda s: s.lock(), lambda s: s.unlock(), **STORE_AWAY),
    ],
    partial(OnSqlite, "sqlite"): [
        Fault(
            "SQLite cannot be written to (disk full, read-only)",
            "who is logged in: nothing; who logs in: 503",
            lambda s: s.fill(),
            lambda s: s.clear(),
            newcomer=503,
            says=STORE_DOWN,
            back=STORE_BACK,
        ),
        Fault(
            "SQLite's file is deleted",
            "nothing, until the process ends",
            lambda s: s.delete(),
            nothing,
            says="the session store's file was deleted or replaced",
        ),
    ],
    partial(AtProvider, "provider"): [
        Fault(
            "the identity provider is down",
            "who is logged in: nothing; who logs in: a page that says so, 503",
            lambda s: s.provider.stop(),
            lambda s: s.provider.start(),
            newcomer=503,
            says="the identity provider is down",
            back="the identity provider is back",
        ),
    ],
    partial(Bearing, "keys"): [
        Fault(
            "keys are rotated with overlap",
            "503 with Retry-After for at most half a minute, if keys were fetched just before",
            lambda s: s.rotate(overlap=True),
            nothing,
            may={"outage"},
        ),
        Fault(
            "keys are rotated without overlap",
            "tokens of the withdrawn key: 401, the page fetches a new one; others as above",
            lambda s: s.rotate(overlap=False),
            lambda s: s.renew(),
            sees={"nobody"},
            may={"outage"},
            says="the token was refused: no key answers to its kid",
            repeats=True,
        ),
    ],
    partial(Hosted, "endpoint"): [
        Fault("the session endpoint is down", OUTAGE, lambda s: s.site.stop(), lambda s: s.site.start(), **SOURCE_AWAY),
        Fault("the session endpoint hangs", OUTAGE, slow(4.0, "site"), slow(0.0, "site"), **SOURCE_AWAY),
    ],
    partial(Healthcare, "vendor"): [
        Fault(
            "Direct Line is down", OUTAGE, lambda s: s.direct_line.stop(), lambda s: s.direct_line.start(), **VENDOR_AWAY
        ),
        Fault("Direct Line hangs", OUTAGE, slow(12.0, "direct_line"), slow(0.0, "direct_line"), **VENDOR_AWAY),
    ],
    partial(Alone, "alone"): [
        Fault("the disk is full", NOTHING, lambda s: s.fill(), lambda s: s.clear(), says=SINK_FULL, back=SINK_BACK),
        Fault(
            "descriptors are exhausted",
            "they wait; connections that are open are served",
            lambda s: s.take_descriptors(),
            lambda s: s.give_descriptors(),
            may={"outage", "silence"},
            says="no connection can be accepted",
            back="connections can be accepted again",
            waits=True,
        ),
        Fault("SIGHUP", NOTHING, sent(signal.SIGHUP), nothing, says="asked to read and open everything anew"),
        Fault("SIGSTOP", "they wait", sent(signal.SIGSTOP), sent(signal.SIGCONT), lasts=2.0, waits=True),
        Fault(
            "SIGTERM",
            "what was asked is answered; then nobody, until there is a process again",
            sent(signal.SIGTERM),
            lambda s: s.restart(),
            sees={"silence"},
            says="stopping: finishing the requests in flight",
            back="listening",
        ),
    ],
    partial(Alone, "required", AUDIT_REQUIRED="true"): [
        Fault(
            "the disk is full, and records are required",
            "503 with Retry-After: no token without its record",
            lambda s: s.fill(),
            lambda s: s.clear(),
            sees={"outage"},
            says=SINK_FULL,
            back=SINK_BACK,
        ),
    ],
    partial(Alone, "streams", AUDIT_LOG="stdout"): [
        Fault("stderr is blocked", NOTHING, hold_up("errors"), let_flow("errors"), lasts=2.0),
        Fault(
            "stdout is blocked",
            NOTHING,
            hold_up("output"),
            let_flow("output"),
            says="the audit log is blocked; records wait",
            back=SINK_BACK,
        ),
        Fault("stderr is closed", NOTHING, shut("errors"), restart, lasts=2.0, may={"silence"}),
    ],
    partial(Alone, "withheld", AUDIT_LOG="stdout", AUDIT_REQUIRED="true"): [
        Fault(
            "stdout is closed, and records are required",
            "503 with Retry-After: no token without its record",
            shut("output"),
            restart,
            sees={"outage"},
            may={"silence"},
            says=SINK_FULL,
        ),
    ],
    partial(Clocked, "clock"): [
        Fault(
            "the clock is stepped, a day forward and back again",
            "401 for as long as the clock says that the session has ended; nobody has lost it afterwards",
            lambda s: s.step("+1d"),
            lambda s: s.step("+0"),
            sees={"nobody"},
            says="the machine's clock was set",
            back="the machine's clock was set",
        ),
    ],
    partial(Balanced, "balanced"): [
        Fault(
            "one of two replicas is killed",
            "nothing, or once 502 or 503 with Retry-After",
            kill_and_wait,
            lambda s: s.service.__enter__(),
            may={"outage"},
            says="is DOWN",
            back="is UP",
            heals=True,
        ),
    ],
}

printing = Lock()


class Report:
    """Lines of one stage, printed together."""

    def __init__(self):
        self.lines = []

    def check(self, sentence, holds, seen=None):
        self.lines.append((sentence, bool(holds), seen))

    def print(self):
        with printing:
            for line in self.lines:
                checks.check(*line)


def play(report, stage, crowd, fault):
    """One fault: it strikes, is seen and said, and is over."""
    logged, began = len(stage.log()), time.monotonic()
    fault.strike(stage)
    struck = time.monotonic()
    time.sleep(fault.lasts)
    seen = until(75, lambda: fault.sees <= crowd.answered(struck))
    report.check(f"{fault.name}: {fault.visitor}", seen, crowd.answered(struck))
    if fault.newcomer:
        received = {stage.newcomer() for _ in range(4)}
        report.check(f"{fault.name}: who logs in is answered {fault.newcomer}", received == {fault.newcomer}, received)
    if fault.says:
        said = until(75, lambda: fault.says in stage.log()[logged:])
        report.check(f"{fault.name}: the log says '{fault.says}'", said, stage.log()[logged:][-600:])
    if fault.heals:
        report.check(f"{fault.name}: everybody is known before it is mended", until(20, crowd.are_known))
    over = len(stage.log())
    fault.mend(stage)
    report.check(f"{fault.name}: everybody is known again", until(60, crowd.are_known), crowd.answered(struck))
    if fault.newcomer:
        received = stage.newcomer()
        report.check(f"{fault.name}: and so is who logs in", received == 303, received)
    if fault.back:
        said = until(75, lambda: fault.back in stage.log()[over:])
        report.check(f"{fault.name}: the log says '{fault.back}'", said, stage.log()[over:][-600:])
    wrong = crowd.answered(began) - fault.sees - fault.may - {"known"}
    report.check(f"{fault.name}: no visitor sees anything else", not wrong, wrong)
    let_in = crowd.answered(began, strangers=True) - {"nobody", "outage", "silence"}
    report.check(f"{fault.name}: and no stranger is let in", not let_in, let_in)
    if not fault.waits:
        slowest = crowd.slowest(began)
        report.check(f"{fault.name}: nobody waits longer than {stage.patience} s", slowest < stage.patience, slowest)
    lines = [line for line in (fault.says, fault.back) if line]
    said = [stage.log()[logged:].count(line) for line in lines]
    report.check(f"{fault.name}: and the log does not repeat itself", fault.repeats or all(count <= 3 for count in said), said)


def on(make, faults):
    report = Report()
    began = time.monotonic()
    try:
        with make() as stage:
            with Crowd(stage) as crowd:
                report.check(f"{stage.name}: everybody is known", until(20, crowd.are_known), crowd.answered(0))
                for fault in faults:
                    play(report, stage, crowd, fault)
            until(5, lambda: not stage.unrecorded()[0])
            missing, all_of_them = stage.unrecorded()
            report.check(f"{stage.name}: all {all_of_them} tokens are in the audit log", not missing, len(missing))
            chain(report, stage)
    except Exception:
        report.check(f"{make.args[0]}: the stage holds", False, traceback.format_exc(limit=-4))
    print(f"# {make.args[0]}: {time.monotonic() - began:.0f} s", flush=True)
    report.print()


def chain(report, stage):
    for service in stage.services:
        command = [os.environ["BIN"], "audit", "verify", str(WORK / f"{service.name}.audit")]
        environment = {"AUDIT_KEY": service.settings["AUDIT_KEY"]}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        report.check(f"{service.name}: the audit log's chain holds", done.returncode == 0, done.stdout + done.stderr)


def main():
    wanted = set(sys.argv[1:])
    rows = [(make, faults) for make, faults in TABLE.items() if not wanted or make.args[0] in wanted]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(on, *row) for row in rows]:
            done.result()
    checks.finish()


main()
