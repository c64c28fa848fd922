"""More connections than there are places: everybody else is served or told to come again, and the log says what happens."""

import re
import resource
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from checks import check, finish
from service import FETCH, Service, identity, read_answer, request, status_of

GOOD = request(FETCH + identity())
# As soon as that, on a machine that is busy with other tests.
SOON = 5


@contextmanager
def crowd(service, count, says=b"", source="127.0.0.2"):
    """So many connections from one address, each of which has sent this and rests."""
    streams = []
    try:
        for _ in range(count):
            stream = socket.create_connection(("127.0.0.1", service.port), timeout=20, source_address=(source, 0))
            streams.append(stream)
            if says:
                try:
                    stream.sendall(says)
                except OSError:
                    pass  # turned away already
        yield streams
    finally:
        for stream in streams:
            stream.close()


def metric(service, series):
    found = re.search(rf"^{re.escape(series)} (\d+)$", service.admin_text("/metrics"), re.MULTILINE)
    return int(found[1]) if found else None


def served_within(service, seconds):
    """After how long somebody who tries again, as answers ask for, is served; and what was answered until then."""
    began, others = time.monotonic(), set()
    while time.monotonic() - began < seconds:
        try:
            status = status_of(service.ask(GOOD))
        except OSError as problem:
            status = type(problem).__name__
        if status == 200:
            return time.monotonic() - began, others
        others.add(status)
        time.sleep(0.1)
    return None, others


def ten_thousand_rest():
    with Service("ten-thousand", CONNECTIONS_PER_ADDRESS="100000", CONNECTION_IDLE="1h") as service:
        with crowd(service, 10_000):
            took, others = served_within(service, 30)
            check("ten thousand resting connections do not keep a visitor out", took is not None, (took, others))
            check("who came too early was told to come again", others <= {503}, others)
            began = time.monotonic()
            ready = service.admin_text("/ready").startswith("HTTP/1.1 200") and time.monotonic() - began < SOON
            check("the admin listener answers meanwhile", ready)
            check("turning away is counted", (metric(service, 'countersign_http_shed_total{reason="full"}') or 0) > 1000)
            check("the limit is a metric", metric(service, "countersign_http_connections_limit") == 4096)
        took, _ = served_within(service, SOON)
        check("and is over with the crowd", took is not None, took)
        log = service.log.read_text()
        begun, over = log.count("every place for a connection is taken"), log.count("there are places for connections again")
        check("the log says when places ran out and when there were some again", 1 <= over <= begun <= 20, (begun, over))


def the_answer_is_fast_and_whole():
    with Service("full", CONNECTIONS_MAX="4", CONNECTION_IDLE="1h", REQUEST_HEAD_TIMEOUT="1m") as service:
        with crowd(service, 3, says=b"GET /token HTTP/1.1\r\nHost: "), crowd(service, 1, says=b"G"):
            began = time.monotonic()
            with service.connect() as stream:
                answer = read_answer(stream)
            took = time.monotonic() - began
            wanted = (b"HTTP/1.1 503 ", b"\r\nretry-after: 2\r\n", b"\r\nconnection: close\r\n", b'"code":"overloaded"')
            check("who finds no place is told so at once, before a word", all(w in answer for w in wanted), answer)
            check("and fast", took < 1, took)


def one_address_holds_its_own():
    settings = {"CONNECTIONS_MAX": "100", "CONNECTIONS_PER_ADDRESS": "20"}
    with Service("address", TRUSTED_PROXIES="127.0.0.1", **settings) as service:
        with crowd(service, 200) as streams:
            answers = [status_of(service.ask(GOOD)) for _ in range(20)]
            check("one address that holds places keeps nobody out", answers == [200] * 20, answers)
            check("it has its share", (metric(service, "countersign_http_connections") or 0) <= 21)
            check("what is over is answered 503", status_of(read_answer(streams[-1])) == 503)
            held = metric(service, 'countersign_http_shed_total{reason="address"}')
            check("and counted", held == 180, held)
        said = [line for line in service.log.read_text().splitlines() if "holds as many connections as it may" in line]
        check("the log says so once, and not whose address it is", len(said) == 1 and "127.0.0.2" not in said[0], said)
    for name, proxies in [("trusted", "127.0.0.0/8"), ("unnamed", None)]:
        with Service(name, TRUSTED_PROXIES=proxies, **settings) as service, crowd(service, 60):
            # A connection is there for us before the service has taken it.
            deadline = time.monotonic() + 10
            while (held := metric(service, "countersign_http_connections") or 0) < 60 and time.monotonic() < deadline:
                time.sleep(0.05)
            check(f"a proxy that is {name} may hold more", held >= 60, held)


def head_bombs():
    """Heads of sixty thousand bytes that never end."""
    with Service("bombs", CONNECTIONS_PER_ADDRESS="4096", REQUEST_HEADS_MEMORY="8388608") as service:
        before = service.resident_kib()
        bomb = b"GET /token HTTP/1.1\r\nHost: www.example.org\r\nX-Bomb: " + b"a" * 60_000
        with crowd(service, 2000, says=bomb) as streams:
            deadline, shed = time.monotonic() + SOON, 0
            while time.monotonic() < deadline and shed < 1500:
                shed = metric(service, 'countersign_http_shed_total{reason="memory"}') or 0
            grown = service.resident_kib() - before
            check("two thousand unfinished heads take no more than they may", grown < 64 * 1024, f"{grown} KiB")
            check("those that find no room are turned away", shed >= 1500, shed)
            answer = read_answer(streams[-1])
            check("with 503", status_of(answer) == 503 and b'"code":"overloaded"' in answer, answer)
            check("whole heads are served meanwhile", status_of(service.ask(GOOD)) == 200)
        deadline = time.monotonic() + SOON
        while time.monotonic() < deadline and metric(service, "countersign_http_head_bytes"):
            time.sleep(0.1)
        check("and the memory is given back", metric(service, "countersign_http_head_bytes") == 0)


def limit_of(service):
    line = Path(f"/proc/{service.process.pid}/limits").read_text().split("Max open files")[1].split()
    return int(line[0]), int(line[1])


def descriptors_run_out():
    """The soft limit is raised to the hard one; then somebody takes the descriptors away from the running process."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    settings = {"CONNECTIONS_PER_ADDRESS": "4096", "CONNECTION_IDLE": "1h", "REQUEST_HEAD_TIMEOUT": "1m"}
    with Service("descriptors", **settings).started_by(["prlimit", f"--nofile=1024:{hard}"]) as service:
        now = limit_of(service)
        check("the soft limit of open files is raised at the start", now == (hard, hard), now)
        most = service.descriptors() + 50
        subprocess.run(["prlimit", f"--pid={service.process.pid}", f"--nofile={most}:{most}"], check=True)
        with crowd(service, 200):
            time.sleep(1)
            before = cpu_seconds(service)
            time.sleep(1)
            busy = cpu_seconds(service) - before
            check("without descriptors the service does not spin", busy < 0.5, busy)
        took, _ = served_within(service, 20)
        check("and serves again when there are some", took is not None, took)
        # Descriptors come back one by one, so the last of them may be short once more: the next who comes ends that.
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            log = service.log.read_text()
            said = log.count("no connection can be accepted"), log.count("connections can be accepted again")
            if said[0] == said[1]:
                break
            served_within(service, SOON)
        check("the log says once that there were none, and once that there are", said[0] == said[1] >= 1 and said[0] < 8, said)
        check("and names the setting", "LimitNOFILE" in log)


def few_descriptors_are_shared():
    """A hard limit below CONNECTIONS_MAX: visitors do not take the admin listener's."""
    service = Service("few", CONNECTIONS_PER_ADDRESS="4096", CONNECTION_IDLE="1h", REQUEST_HEAD_TIMEOUT="1m")
    command = ["prlimit", "--nofile=256:256"]
    with service.started_by(command), crowd(service, 300):
        ready = service.admin_text("/ready").startswith("HTTP/1.1 200")
        check("the admin listener keeps descriptors of its own", ready)
        check("and the log says how many places there are", "CONNECTIONS_MAX does not fit" in service.log.read_text())
        took, others = served_within(service, SOON)
        check("visitors are served, or told to come again", took is not None or others <= {503}, (took, others))


def cpu_seconds(service):
    fields = Path(f"/proc/{service.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


ten_thousand_rest()
the_answer_is_fast_and_whole()
one_address_holds_its_own()
head_bombs()
descriptors_run_out()
few_descriptors_are_shared()
finish()
