"""Tokens per second over real sockets, against a bare handler; memory after a million of them; time from exec to ready.

The server has one core to itself and the load another, and the two servers take turns, so that whatever else the
machine does falls on both alike. On a busy machine even the ratio of requests is noise; the ratio of the processor time
that each request took is what it would be on a quiet one.
"""

import argparse
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple
from urllib.request import Request, urlopen

BENCH = Path(__file__).parent
PROOF = os.environ["PROOF"]
AIMS = {"ratio": 0.70, "resident": 24.0, "ready": 50.0}

args = argparse.ArgumentParser()
args.add_argument("--seconds", type=int, default=8, help="length of one run")
args.add_argument("--rounds", type=int, default=5, help="runs of each server")
args.add_argument("--tokens", type=int, default=1_000_000, help="tokens before memory is read")
args.add_argument("--starts", type=int, default=20, help="starts to be timed")
args.add_argument("--connections", type=int, default=64)
args.add_argument("--strict", action="store_true", help="fail when an aim is missed")
args = args.parse_args()

# The second core is the server's, the first the load's; on a machine with one core nothing is pinned.
cores = sorted(os.sched_getaffinity(0))
SERVER, LOAD = (["taskset", "-c", str(cores[1])], ["taskset", "-c", str(cores[0])]) if len(cores) > 1 else ([], [])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def settings(port, admin):
    return {
        **{name: value for name, value in os.environ.items() if name == "AUDIT_LOG"},
        "LISTEN": f"127.0.0.1:{port}",
        "ADMIN_LISTEN": f"127.0.0.1:{admin}",
        "PUBLIC_URL": "https://www.example.org",
        "RATE_LIMIT_VISITOR": "1000000/s",
        "SESSION_SOURCES": "forwarded",
        "FORWARDED_CONVENTION": "oauth2-proxy",
        "FORWARDED_PROOF_SECRET": PROOF,
        "WIDGET_PRESET": "medchat",
        "WIDGET_SECRET": os.environ["WIDGET_KEY"],
    }


class Run(NamedTuple):
    """Requests per second, percentiles and processor time of one request in microseconds, and how many requests."""

    rate: float
    p50: float
    p99: float
    cost: float
    requests: int


class Server:
    """A pinned process on a port of its own. Its output is written and thrown away: the audit log is on."""

    def __init__(self, command, port, env=None):
        self.port = port
        self.process = subprocess.Popen(
            [*SERVER, *command], env=env and {**env, "PATH": os.environ["PATH"]}, stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.01)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)

    def processor_seconds(self):
        """User and system time of all threads so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def load(self, seconds):
        """One run of wrk."""
        before = self.processor_seconds()
        url = f"http://127.0.0.1:{self.port}"
        wrk = ["wrk", "-t1", f"-c{args.connections}", f"-d{seconds}s", "-s", str(BENCH / "visitors.lua"), url]
        ran = subprocess.run([*LOAD, *wrk], capture_output=True, text=True, check=True)
        result = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+)", ran.stdout)
        requests, micros, p50, p99, errors = map(int, result.groups())
        if errors or not requests:
            sys.exit(f"the load met {errors} errors:\n{ran.stdout}{ran.stderr}")
        cost = (self.processor_seconds() - before) * 1e6 / requests
        return Run(requests * 1e6 / micros, p50, p99, cost, requests)

    def resident_mib(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


def countersign():
    port, admin = free_port(), free_port()
    return Server([os.environ["BIN"], "serve"], port, settings(port, admin))


def sample_answer(port):
    headers = {
        "X-Countersign-Proof": PROOF,
        "X-Forwarded-User": "patient00001",
        "X-Forwarded-Preferred-Username": "Zoe Mueller 00001",
        "X-Forwarded-Email": "zoe00001@example.org",
        "Sec-Fetch-Site": "same-origin",
    }
    with urlopen(Request(f"http://127.0.0.1:{port}/token", headers=headers)) as answer:
        return answer.read().decode()


def row(name, run):
    latency = f"p50 {run.p50 / 1000:6.2f} ms   p99 {run.p99 / 1000:6.2f} ms"
    print(f"  {name:18} {run.rate:>9,.0f} /s   {latency}   {run.cost:5.1f} us of processor each", flush=True)


def verdict(name, value, text, met):
    missed = "" if met else f"   MISSED (aim {AIMS[name]})"
    print(f"{text}{missed}", flush=True)
    return met


def throughput(ours):
    bare = Server([os.environ["BARE"], f"127.0.0.1:{(port := free_port())}", sample_answer(ours.port)], port)
    print(f"GET /token, forwarded and HS256, {args.connections} connections, {args.seconds} s a run", flush=True)
    ours.load(1), bare.load(1)
    runs = {"bare": [], "countersign": []}
    for _ in range(args.rounds):
        for name, server in (("bare", bare), ("countersign", ours)):
            runs[name].append(server.load(args.seconds))
            row(name, runs[name][-1])
    bare.stop()
    pairs = list(zip(runs["countersign"], runs["bare"], strict=True))
    for name, all_runs in runs.items():
        row(f"{name}, median", Run(*(statistics.median(column) for column in zip(*all_runs, strict=True))))
    by_rate = sorted(mine.rate / other.rate for mine, other in pairs)
    by_cost = sorted(other.cost / mine.cost for mine, other in pairs)
    print(f"ratio by requests {statistics.median(by_rate):.2f}, from {by_rate[0]:.2f} to {by_rate[-1]:.2f}")
    ratio = statistics.median(by_cost)
    text = f"ratio by processor time {ratio:.2f}, from {by_cost[0]:.2f} to {by_cost[-1]:.2f}"
    return verdict("ratio", ratio, text, ratio >= AIMS["ratio"]), sum(run.requests for run in runs["countersign"])


def memory(ours, made):
    while made < args.tokens:
        made += ours.load(2).requests
    resident = ours.resident_mib()
    return verdict(
        "resident", resident, f"resident {resident:.1f} MiB after {made:,} tokens", resident <= AIMS["resident"]
    )


def start():
    """Milliseconds from exec until the service says that it is ready."""
    port, admin = free_port(), free_port()
    began = time.perf_counter()
    process = subprocess.Popen(
        [os.environ["BIN"], "serve"], env=settings(port, admin), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    ready = False
    while not ready and time.perf_counter() - began < 30:
        try:
            with socket.create_connection(("127.0.0.1", admin), timeout=5) as stream:
                stream.sendall(b"GET /ready HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                ready = stream.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            time.sleep(0.0005)
    took = (time.perf_counter() - began) * 1000
    process.kill()
    process.wait()
    return took if ready else sys.exit("the service did not become ready")


def starting():
    times = sorted(start() for _ in range(args.starts))
    middle = statistics.median(times)
    text = f"ready {middle:.1f} ms after exec, from {times[0]:.1f} to {times[-1]:.1f} over {len(times)} starts"
    return verdict("ready", middle, text, middle <= AIMS["ready"])


service = countersign()
try:
    fast, made = throughput(service)
    small = memory(service, made)
finally:
    service.stop()
prompt = starting()
sys.exit(0 if fast and small and prompt or not args.strict else 1)
