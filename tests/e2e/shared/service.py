"""One countersign process, and plain sockets to talk to it."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

WORK = Path(os.environ["WORK"])
PROOF = os.environ["PROOF"]
FETCH = "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n"


def identity(subject="alice"):
    return f"X-Countersign-Proof: {PROOF}\r\nX-Forwarded-User: {subject}\r\nX-Forwarded-Preferred-Username: Alice\r\n"


def request(headers="", method="GET", path="/token"):
    return f"{method} {path} HTTP/1.1\r\nHost: www.example.org\r\n{headers}\r\n".encode("latin-1")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Service:
    """Starts a service and waits until it is ready. Ends it, one way or another, when the block ends."""

    def __init__(self, name, **settings):
        self.port, self.admin = free_port(), free_port()
        self.log = WORK / f"{name}.log"
        base = {
            "LISTEN": f"127.0.0.1:{self.port}",
            "ADMIN_LISTEN": f"127.0.0.1:{self.admin}",
            "AUDIT_LOG": str(WORK / f"{name}.audit"),
            "RATE_LIMIT_VISITOR": "off",
            "SESSION_SOURCES": "forwarded",
            "FORWARDED_CONVENTION": "oauth2-proxy",
            "FORWARDED_PROOF_SECRET": PROOF,
            "WIDGET_PRESET": "medchat",
            "WIDGET_SUBJECT": "hex",
            "WIDGET_SECRET": os.environ["WIDGET_KEY"],
        }
        self.settings = {name: value for name, value in (base | settings).items() if value is not None}
        self.command = []

    def started_by(self, command):
        """Lets this command start it."""
        self.command = command
        return self

    def popen_options(self):
        """What else the process is started with."""
        return {}

    def __enter__(self):
        with self.log.open("ab") as log:
            command = [*self.command, os.environ["BIN"], "serve"]
            options = {"env": self.settings, "stdout": log, "stderr": log} | self.popen_options()
            self.process = subprocess.Popen(command, **options)
        self.wait_until_ready()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def wait_until_ready(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self.admin), timeout=5) as stream:
                    stream.sendall(request(path="/ready", headers="Connection: close\r\n"))
                    if stream.recv(64).startswith(b"HTTP/1.1 200"):
                        return
            except OSError:
                pass
            if self.process.poll() is not None:
                raise RuntimeError(f"the service ended: {self.log.read_text()}")
            time.sleep(0.01)
        raise RuntimeError(f"the service did not become ready: {self.log.read_text()}")

    def connect(self, timeout=20):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def ask(self, raw):
        """One request on a connection of its own; the whole answer, empty when the connection ends without one."""
        with self.connect() as stream:
            stream.sendall(raw)
            return read_answer(stream)

    def admin_text(self, path):
        with socket.create_connection(("127.0.0.1", self.admin), timeout=20) as stream:
            stream.sendall(request(path=path, headers="Connection: close\r\n").replace(b"www.example.org", b"localhost"))
            return read_answer(stream).decode()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def resident_kib(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])

    def descriptors(self):
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


def read_answer(stream):
    raw = b""
    while True:
        head, end, body = raw.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if end and len(body) >= int(length[1] if length else 0):
            return raw
        part = stream.recv(65536)
        if not part:
            return raw
        raw += part


def status_of(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None
