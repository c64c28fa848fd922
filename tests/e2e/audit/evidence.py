"""What the audit log knows after the process was killed, the disk was full, and standard output was blocked."""

import hmac
import json
import os
import resource
import signal
import subprocess
import threading
import time
from pathlib import Path

import jsonschema
from checks import check, finish
from service import FETCH, WORK, Service, identity, read_answer, request, status_of

KEY = os.environ["AUDIT_KEY"]
SCHEMA = json.loads((Path(__file__).parents[3] / "deploy/audit.schema.json").read_text())
GOOD = request(FETCH + identity())


def audit(*words):
    environment = {"AUDIT_KEY": KEY}
    return subprocess.run([os.environ["BIN"], "audit", *words], env=environment, capture_output=True, text=True)


def holds(log):
    verified = audit("verify", str(log))
    check("its chain holds", verified.returncode == 0, verified.stdout + verified.stderr)


def records(log):
    return [json.loads(line) for line in log.read_text().splitlines()]


def token_id(answer):
    """What the log calls a token without an id."""
    token = json.loads(answer.partition(b"\r\n\r\n")[2])["token"]
    return hmac.new(KEY.encode(), token.encode(), "sha256").hexdigest()[:32]


def hold_up(service, seen):
    """Asks for tokens on one connection until it breaks."""
    try:
        with service.connect(timeout=5) as stream:
            while True:
                stream.sendall(GOOD)
                answer = read_answer(stream)
                if status_of(answer) != 200:
                    return
                seen.append(token_id(answer))
    except (OSError, ValueError, KeyError):
        return


def killed_under_load():
    service = Service("killed", AUDIT_KEY=KEY)
    log, seen = WORK / "killed.audit", []
    for _ in range(3):
        with service:
            visitors = [threading.Thread(target=hold_up, args=(service, seen)) for _ in range(16)]
            for visitor in visitors:
                visitor.start()
            time.sleep(0.7)
            service.process.kill()
            for visitor in visitors:
                visitor.join()
    known = {record.get("token_hash") for record in records(log)}
    missing = [token for token in seen if token not in known]
    check("many tokens were handed out", len(seen) > 100, len(seen))
    check("each of them has its record, although the process was killed", not missing, len(missing))
    holds(log)
    text = log.read_text()
    lines = text.splitlines(keepends=True)
    log.write_text("".join(lines[:50] + lines[51:]))
    broken = audit("verify", str(log))
    check("a record that is taken out is missed", broken.returncode == 1 and "line 51" in broken.stdout, broken.stdout)
    log.write_text(text)


def every_kind_fits_the_schema():
    service = Service("kinds", AUDIT_KEY=KEY, LOG_LEVEL="info")
    log = WORK / "kinds.audit"
    with service:
        service.ask(GOOD)
        service.ask(request(FETCH))
        service.ask(request(FETCH + identity(), method="PUT"))
        service.process.send_signal(signal.SIGHUP)
        mint = ["mint", "--yes-really-mint", "--subject", "alice", "--name", "A", "--reason", 'a "test"']
        subprocess.run([os.environ["BIN"], *mint], env=service.settings, check=True, capture_output=True)
        deadline = time.monotonic() + 20
        while '"reload"' not in log.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        log.rename(WORK / "kinds.audit.1")
        service.process.send_signal(signal.SIGHUP)
        while not log.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        service.terminate()
        service.process.wait(timeout=40)
    older = WORK / "kinds.audit.1"
    all_of_them = records(older) + records(log)
    kinds = {record["audit"] for record in all_of_them}
    check("start, reload, stop and operators' deeds are recorded", {"start", "token", "mint", "reload", "file", "stop"} <= kinds, kinds)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    faults = [f"{record['audit']}: {fault.message}" for record in all_of_them for fault in validator.iter_errors(record)]
    check("every record is as the schema says", not faults, faults[:3])
    both = audit("verify", str(log), str(older))
    check("the chain goes on from file to file", both.returncode == 0, both.stdout)
    shown = audit("show", "--subject", "alice", "--since", "1h", "--json", str(older), str(log))
    found = [json.loads(line) for line in shown.stdout.splitlines()]
    check("a person's records are found", {r["audit"] for r in found} == {"token", "mint"}, shown.stdout)


def on_a_full_disk(required):
    """A limit on the size of files stands in for the disk: both end in a short write."""
    name = f"full-{required}"
    log = WORK / f"{name}.audit"
    service = Service(name, AUDIT_KEY=KEY, AUDIT_REQUIRED=str(required).lower())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, before[1]))
    try:
        service.__enter__()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    try:
        statuses = [status_of(service.ask(GOOD)) for _ in range(40)]
        if required:
            check("where records are required, a full disk is a 503", statuses[-1] == 503, statuses)
        else:
            check("where they are not, tokens go on", statuses == [200] * 40, statuses)
        ready = service.admin_text("/ready")
        check("readiness says so", "audit" in ready, ready)
        check("so does the metric", "countersign_audit_up 0" in service.admin_text("/metrics"))
        whole = log.read_text()
        check("every line on the full disk is whole", whole.endswith("\n"), whole[-80:])
        issued = [record for record in records(log) if record.get("outcome") == "issued"]
        if required:
            check("and what was withheld is not recorded as issued", len(issued) == statuses.count(200), len(issued))
    finally:
        service.__exit__()
    holds(log)


killed_under_load()
every_kind_fits_the_schema()
for required in (True, False):
    on_a_full_disk(required)
finish()
