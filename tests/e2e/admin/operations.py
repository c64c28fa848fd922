"""Metrics, readiness, the description of the routes, and what the log says of an outage."""

import http.server
import json
import os
import re
import subprocess
import threading
import time
from pathlib import Path

from checks import check, finish
from openapi_spec_validator import OpenAPIV31SpecValidator
from service import FETCH, Service, identity, request, status_of

GOOD = request(FETCH + identity())


def metrics_are_as_prometheus_wants_them():
    with Service("metrics") as service:
        before = service.admin_text("/metrics").partition("\r\n\r\n")[2]
        answer = service.ask(GOOD)
        check("the answer names its request", b"\r\nx-request-id: " in answer.lower(), answer[:300])
        service.ask(request(FETCH, path="/nowhere"))
        service.ask(b"GARBAGE\r\n\r\n")
        text = service.admin_text("/metrics").partition("\r\n\r\n")[2]
        linted = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        check("promtool finds nothing", linted.returncode == 0 and not linted.stderr, linted.stderr)
        series = lambda exposition: {line.rpartition(" ")[0] for line in exposition.splitlines() if line[0] != "#"}
        fresh = {name for name in series(text) - series(before) if not re.search("tokens_refused|logins", name)}
        check("every series is there from the start", not fresh, sorted(fresh)[:5])
        buckets = re.findall(r"^(\w+)_bucket\{", text, re.M)
        whole = {name for name in buckets if re.search(rf"^{name}_bucket\{{le=\"\+Inf\"", text, re.M)}
        check("every histogram ends with +Inf", buckets and set(buckets) == whole, sorted(set(buckets) - whole))
        for wanted in [
            'countersign_http_requests_total{route="token",status="200"} 1',
            'countersign_http_requests_total{route="none",status="404"} 1',
            "countersign_build_info{",
            "process_start_time_seconds ",
            'countersign_source_seconds_count{source="forwarded"} 1',
            'countersign_key_changed_timestamp_seconds{setting="WIDGET_SECRET",fingerprint="',
        ]:
            check(f"{wanted} is there", wanted in text, text if "KEY" in wanted else "")
        described = json.loads(service.admin_text("/openapi.json").partition("\r\n\r\n")[2])
        faults = [fault.message for fault in OpenAPIV31SpecValidator(described).iter_errors()]
        check("the description is valid OpenAPI 3.1", not faults, faults[:3])
        check("and lists the routes", "/token" in described["paths"] and "/session" in described["paths"])


OBSERVABILITY = Path(os.environ["ROOT"]) / "deploy" / "observability"


def what_watches_it_names_what_it_has():
    with Service("watched") as service:
        service.ask(GOOD)
        service.ask(request(FETCH))
        text = service.admin_text("/metrics").partition("\r\n\r\n")[2]
    # Seen by others: refusals and logins once there are some, and where there is TLS (tests/e2e/tls), when its certificates end.
    elsewhere = {"tokens_refused_total", "logins_total", "certificate_not_after_timestamp_seconds"}
    there = set(re.findall(r"^# TYPE (\w+)", text, re.M)) | {f"countersign_{name}" for name in elsewhere}
    rules = (OBSERVABILITY / "alerts.yml").read_text(encoding="utf-8")
    panels = json.loads((OBSERVABILITY / "dashboard.json").read_text(encoding="utf-8"))["panels"]
    queries = "\n".join([rules] + [target["expr"] for panel in panels for target in panel["targets"]])
    named = {re.sub("_bucket$", "", name) for name in re.findall(r"\b(?:countersign|process)_\w+", queries)}
    check("alerts and dashboard name metrics that there are", named and named <= there, sorted(named - there))
    for wanted in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        ran = subprocess.run(["promtool", *wanted], cwd=OBSERVABILITY, capture_output=True, text=True)
        check(f"promtool {wanted[0]}s the alerts", ran.returncode == 0, ran.stdout + ran.stderr)
    alerts, tested = re.findall(r"alert: (\w+)", rules), (OBSERVABILITY / "alerts_test.yml").read_text(encoding="utf-8")
    guide = (OBSERVABILITY / "README.md").read_text(encoding="utf-8")
    left_out = [name for name in alerts if f"alertname: {name}" not in tested or f"| `{name}` |" not in guide]
    check("each alert has a test and a line of what to do", alerts and not left_out, left_out)


def readiness_says_no_from_the_beginning_of_a_stop():
    with Service("drain", SHUTDOWN_DELAY="2s") as service:
        service.terminate()
        deadline = time.monotonic() + 5
        while "503" not in service.admin_text("/ready")[:16] and time.monotonic() < deadline:
            time.sleep(0.02)
        ready = service.admin_text("/ready")
        check("readiness says what it waits for", "waiting for stopping" in ready, ready)
        check("while visitors are still served", status_of(service.ask(GOOD)) == 200)
        check("and it ends in time", service.process.wait(timeout=20) == 0)


class Endpoint(http.server.BaseHTTPRequestHandler):
    heard = []

    def do_GET(self):
        self.heard.append(self.headers.get("X-Request-Id"))
        body = json.dumps({"id": "alice", "name": "Alice"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def an_outage_has_two_lines():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = {
        "SESSION_SOURCES": "upstream",
        "FORWARDED_CONVENTION": None,
        "FORWARDED_PROOF_SECRET": None,
        "UPSTREAM_SESSION_URL": f"http://127.0.0.1:{port}/me",
        "UPSTREAM_SESSION_COOKIES": "sid",
        "UPSTREAM_SUBJECT": "/id",
        "UPSTREAM_NAME": "/name",
        "UPSTREAM_CACHE": "0s",
    }
    with Service("outage", **settings) as service:
        ask = lambda name: status_of(service.ask(request(FETCH + f"Cookie: sid=abc\r\nX-Request-Id: {name}\r\n")))
        check("the endpoint vouches", ask("visit-1") == 200, service.log.read_text())
        check("and is told which request it is asked for", Endpoint.heard[-1:] == ["visit-1"], Endpoint.heard)
        server.shutdown()
        server.server_close()
        check("an outage is a 503", [ask("visit-2"), ask("visit-3")] == [503, 503])
        text = service.admin_text("/metrics")
        down = f'countersign_dependency_up{{dependency="session endpoint",host="127.0.0.1"}} 0'
        check("the metric says so", down in text, [line for line in text.splitlines() if "dependency" in line])
        again = http.server.ThreadingHTTPServer(("127.0.0.1", port), Endpoint)
        threading.Thread(target=again.serve_forever, daemon=True).start()
        deadline = time.monotonic() + 15
        while ask("visit-4") != 200 and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(0.5)
        log = service.log.read_text()
        gone = [line for line in log.splitlines() if "the session endpoint is down" in line]
        back = [line for line in log.splitlines() if "the session endpoint is back" in line]
        check("one line says that it is down, with host, cause and effect", len(gone) == 1, log)
        named = [word in gone[0] for word in ["127.0.0.1", "refused", "503", "visit-2"]] if gone else []
        check("and which request found out", all(named), gone)
        check("one says that it is back, and how many were turned away", len(back) == 1 and "turned_away=" in back[0], log)
        again.shutdown()


metrics_are_as_prometheus_wants_them()
what_watches_it_names_what_it_has()
readiness_says_no_from_the_beginning_of_a_stop()
an_outage_has_two_lines()
finish()
