"""User-space instructions from exec to ready, and for each token by source and mechanism, counted under callgrind.

They hardly depend on what else the machine does, so one commit can be compared with another. Two caveats: system calls
are not counted, and valgrind has no SHA extensions, so hashing counts for more than it costs.
"""

import argparse
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

PROOF = os.environ["PROOF"]
AIMS = {"ready": 20_000_000, "forwarded HS256": 48_000}

args = argparse.ArgumentParser()
args.add_argument("--requests", type=int, default=2000, help="requests that are counted, on one connection")
args.add_argument("--strict", action="store_true", help="fail when an aim is missed")
args = args.parse_args()

BROWSER = {
    "Host": "www.example.org",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "*/*",
    "Accept-Language": "en-GB,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Referer": "https://www.example.org/patients",
    "Cookie": "sid=9f86d081884c7d659a2feaa0c55ad015",
    "Sec-Fetch-Dest": "empty",
    "Sec-Fetch-Mode": "cors",
    "Sec-Fetch-Site": "same-origin",
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
}
PROXY = {
    "X-Countersign-Proof": PROOF,
    "X-Forwarded-User": "patient00001",
    "X-Forwarded-Preferred-Username": "Zoe Mueller 00001",
    "X-Forwarded-Email": "zoe00001@example.org",
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Endpoint(http.server.BaseHTTPRequestHandler):
    """A host's session endpoint."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):  # noqa: N802
        body = b'{"sub":"patient00001","name":"Zoe Mueller 00001","email":"zoe00001@example.org"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Counted:
    """A process under callgrind; each look says how many instructions there were since the last one."""

    def __init__(self, command, env, folder):
        self.out = Path(folder) / "callgrind.out"
        self.parts = 0
        valgrind = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={self.out}", *command]
        self.process = subprocess.Popen(
            valgrind, env={**env, "PATH": os.environ["PATH"]}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def look(self):
        self.parts += 1
        subprocess.run(["callgrind_control", "--dump", str(self.process.pid)], check=True, capture_output=True)
        part = Path(f"{self.out}.{self.parts}")
        while not (part.exists() and (total := re.search(r"^totals: (\d+)", part.read_text(), re.M))):
            time.sleep(0.05)
        return int(total[1])

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=120)


def wait_for(answers, process):
    deadline = time.monotonic() + 120
    while not answers():
        if time.monotonic() > deadline or process.poll() is not None:
            sys.exit("the counted process did not start")
        time.sleep(0.05)


def takes_connections(port):
    def answers():
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    return answers


def is_ready(admin):
    def answers():
        try:
            return urlopen(f"http://127.0.0.1:{admin}/ready").status == 200
        except URLError:
            return False

    return answers


def ask(port, headers, times):
    """The same request again and again, on one connection."""
    text = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"GET /token HTTP/1.1\r\n{text}\r\n".encode()
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        answers = connection.makefile("rb")
        for _ in range(times):
            connection.sendall(request)
            status = answers.readline()
            if b" 200 " not in status:
                sys.exit(f"a request was answered with {status!r}")
            length = 0
            while (line := answers.readline().strip()):
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            answers.read(length)


def per_request(counted, port, headers):
    ask(port, headers, 300)
    counted.look()
    ask(port, headers, args.requests)
    return counted.look() / args.requests


def service(folder, changes):
    port, admin = free_port(), free_port()
    env = {
        "LISTEN": f"127.0.0.1:{port}",
        "ADMIN_LISTEN": f"127.0.0.1:{admin}",
        "PUBLIC_URL": "https://www.example.org",
        "RATE_LIMIT_VISITOR": "1000000/s",
        "TRUSTED_PROXIES": "127.0.0.1",
        "AUDIT_LOG": f"{folder}/audit.jsonl",
        "AUDIT_KEY": PROOF[::-1],
        "SESSION_SOURCES": "forwarded",
        "FORWARDED_CONVENTION": "oauth2-proxy",
        "FORWARDED_PROOF_SECRET": PROOF,
        "WIDGET_PRESET": "medchat",
        "WIDGET_SECRET": os.environ["WIDGET_KEY"],
        **changes,
    }
    env = {name: value for name, value in env.items() if value}
    counted = Counted([os.environ["BIN"], "serve"], env, folder)
    wait_for(is_ready(admin), counted.process)
    return counted, port


def cases(endpoint, key):
    userinfo = {"WIDGET_PRESET": "userinfo", "WIDGET_SECRET": "", "WIDGET_AUDIENCE": "https://chat.example.org"}
    no_proxy = {"FORWARDED_CONVENTION": "", "FORWARDED_PROOF_SECRET": ""}
    upstream = {"SESSION_SOURCES": "upstream", "UPSTREAM_SESSION_URL": endpoint, "UPSTREAM_SESSION_COOKIES": "sid", **no_proxy}
    return {
        "forwarded HS256": ({}, {**BROWSER, **PROXY}),
        "forwarded ES256": ({**userinfo, "WIDGET_ALGORITHM": "ES256", "WIDGET_PRIVATE_KEY": key}, {**BROWSER, **PROXY}),
        "upstream HS256": (upstream, BROWSER),
    }


def say(name, count):
    aim = AIMS.get(name)
    missed = aim is not None and count > aim
    print(f"  {name:18} {count:>12,.0f}" + (f"   MISSED (aim {aim:,})" if missed else ""), flush=True)
    return not missed


def main():
    met = True
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        bare = Counted([os.environ["BARE"], f"127.0.0.1:{port}", json.dumps({"token": "x" * 400})], {}, folder)
        wait_for(takes_connections(port), bare.process)
        print("Instructions of each request, in user space:")
        say("bare handler", per_request(bare, port, BROWSER))
        bare.stop()
    host = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=host.serve_forever, daemon=True).start()
    keygen = [os.environ["BIN"], "keygen", "--algorithm", "ES256"]
    key = subprocess.run(keygen, check=True, capture_output=True, text=True).stdout
    ready = None
    for name, (changes, headers) in cases(f"http://127.0.0.1:{host.server_port}/session", key).items():
        with tempfile.TemporaryDirectory() as folder:
            counted, port = service(folder, changes)
            ready = ready or counted.look()
            met &= say(name, per_request(counted, port, headers))
            counted.stop()
    print("Instructions from exec to ready:")
    met &= say("ready", ready)
    return met or not args.strict


sys.exit(0 if main() else 1)
