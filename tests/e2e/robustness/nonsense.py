"""Ten thousand bad requests of every kind leave the memory flat and the service answering."""

import itertools
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor

from checks import check, finish
from service import FETCH, PROOF, Service, identity, read_answer, request, status_of

COUNT = 10_000
GOOD = request(FETCH + identity())
CLIENT_HELLO = bytes.fromhex("160301007c010000780303") + bytes(range(32)) + bytes(85)
H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)


def kinds():
    """Every kind, each as a function of a number, so that no two requests are alike: what is kept of one would add up."""
    proof = f"X-Countersign-Proof: {PROOF}\r\n"
    user = "X-Forwarded-User"
    heads = {
        "nobody": lambda n: f"{FETCH}X-Request-Id: {n}\r\n",
        "wrong proof": lambda n: f"{FETCH}X-Countersign-Proof: {n:043}\r\n{user}: u{n}\r\n",
        "no proof": lambda n: f"{FETCH}{user}: u{n}\r\n",
        "empty identity": lambda n: f"{FETCH}{proof}{user}: \r\nX-N: {n}\r\n",
        "two identities": lambda n: f"{FETCH}{proof}{user}: u{n}\r\n{user}: v{n}\r\n",
        "joined identities": lambda n: f"{FETCH}{proof}{user}: u{n},v{n}\r\n",
        "underscore alias": lambda n: f"{FETCH}{proof}X_Forwarded_User: u{n}\r\n",
        "dot alias": lambda n: f"{FETCH}{proof}x.forwarded.user: u{n}\r\n",
        "hop by hop": lambda n: f"{FETCH}{proof}{user}: u{n}\r\nConnection: {user}\r\n",
        "trailer": lambda n: f"{FETCH}{proof}{user}: u{n}\r\nTrailer: {user}\r\n",
        "not UTF-8": lambda n: f"{FETCH}{proof}{user}: u{n}\xff\xfe\r\n",
        "bidi": lambda n: f"{FETCH}{proof}{user}: u{n}\xe2\x80\xae\r\n",
        "long identity": lambda n: f"{FETCH}{proof}{user}: {n:0300}\r\n",
        "cross site": lambda n: f"Sec-Fetch-Site: cross-site\r\nOrigin: https://evil{n}.example\r\n{identity()}",
        "navigation": lambda n: f"Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n{identity(f'u{n}')}",
        "no origin": lambda n: identity(f"u{n}"),
        "null origin": lambda n: f"Origin: null\r\n{identity(f'u{n}')}",
        "many headers": lambda n: FETCH + "".join(f"X-{n}-{i}: {i}\r\n" for i in range(150)),
        "large headers": lambda n: f"{FETCH}X-Large: {n}{'a' * 20_000}\r\n",
        "huge headers": lambda n: f"{FETCH}X-Huge: {n}{'a' * 80_000}\r\n",
        "many cookies": lambda n: f"{FETCH}Cookie: " + "; ".join(f"c{n}{i}=1" for i in range(500)) + "\r\n",
        "form": lambda n: f"{FETCH}{identity()}Content-Type: application/x-www-form-urlencoded\r\nX-N: {n}\r\n",
        "huge body": lambda n: f"{FETCH}{identity()}Content-Type: application/json\r\nContent-Length: {10_000 + n}\r\n",
        "two lengths": lambda n: f"{FETCH}Content-Length: {n}\r\nContent-Length: {n + 1}\r\n",
        "length and chunks": lambda n: f"{FETCH}Content-Length: {n}\r\nTransfer-Encoding: chunked\r\n",
        "odd encoding": lambda n: f"{FETCH}Transfer-Encoding: x{n}\r\n",
        "header without name": lambda n: f": {n}\r\n",
        "header with NUL": lambda n: f"X-N: {n}\x00\r\n",
        "header with space": lambda n: f"X N: {n}\r\n",
        "folded header": lambda n: f"X-N: {n}\r\n more\r\n",
        "long request id": lambda n: f"{FETCH}X-Request-Id: {n}{'r' * 5000}\r\n",
    }
    for name, head in heads.items():
        yield name, lambda n, head=head: request(head(n))
    paths = [
        "/token/w{}",
        "/token/../token{}",
        "/%74oken{}",
        "//token{}",
        "/token;{}",
        "/admin{}",
        "/metrics?{}",
        "*",
        "/t" * 4000,
    ]
    for path in paths:
        yield f"path {path[:16]}", lambda n, path=path: request(FETCH + identity(), path=path.format(n))
    for method in ("PUT", "DELETE", "TRACE", "CONNECT", "BREW", "G\x01T", "x" * 200):
        yield f"method {method[:8]!r}", lambda n, method=method: request(FETCH + identity(f"u{n}"), method=method)
    yield "OPTIONS from nowhere", lambda n: request(f"Origin: https://evil{n}.example\r\n", method="OPTIONS")
    yield "TLS", lambda n: CLIENT_HELLO
    yield "HTTP/2", lambda n: H2_PREFACE
    yield "HTTP/0.9", lambda n: b"GET /token\r\n\r\n"
    yield "HTTP/9.9", lambda n: b"GET /token HTTP/9.9\r\n\r\n"
    yield "garbage", lambda n: struct.pack(">Q", n * 0x9E3779B97F4A7C15 % 2**64) * 200
    yield "newlines", lambda n: b"\r\n" * 1000
    yield "half a head", lambda n: b"GET /token HTTP/1.1\r\nHost: h%d" % n
    yield "nothing", lambda n: b""


# What is no request yet, and so gets no answer: the client gives up.
GIVES_UP = {"half a head", "nothing", "newlines", "TLS"}


def send(service, name, raw, n):
    """Sends one bad request, sometimes in pieces, sometimes hanging up in the middle; the status it was answered with."""
    try:
        with service.connect() as stream:
            if n % 7 == 0 and len(raw) > 10:
                stream.sendall(raw[: len(raw) // 2])
                raw = raw[len(raw) // 2 :]
            stream.sendall(raw)
            if name in GIVES_UP:
                return None
            if n % 11 == 0:
                # Reset instead of a farewell.
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return None
            return status_of(read_answer(stream))
    except OSError:
        return None


def flood(service, count, start):
    named = list(kinds())
    work = list(itertools.islice(itertools.cycle(named), count))

    def one(item):
        n, (name, make) = item
        return name, send(service, name, make(n), n)

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(one, enumerate(work, start)))


def settled(measure, limit, patience=40):
    """The measure once it is at the limit or below, or when patience ends."""
    deadline = time.monotonic() + patience
    while (value := measure()) > limit and time.monotonic() < deadline:
        time.sleep(0.2)
    return value


with Service("nonsense", RATE_LIMIT_VISITOR="60/m") as service:
    first = service.ask(GOOD)
    check("a good request is answered before", status_of(first) == 200, first)
    flood(service, 3_000, 0)
    before, files = service.resident_kib(), service.descriptors()
    outcomes = flood(service, COUNT, 3_000)
    after = settled(service.resident_kib, before + 2048)
    open_files = settled(service.descriptors, files + 2)
    granted = sorted({name for name, status in outcomes if status is not None and status < 400})
    broken = sorted({(name, status) for name, status in outcomes if status is not None and status >= 500})
    answered = sum(status is not None for _, status in outcomes)
    print(f"    {COUNT} bad requests, {answered} answered; resident {before} KiB before, {after} KiB after")
    check("not one of ten thousand bad requests is granted", not granted, granted)
    check("not one of them is our fault", not broken, broken)
    check("all of them are answered that are requests, and wait for it", answered > COUNT * 0.8, answered)
    check("the memory is flat", after - before <= 4096, f"{before} -> {after} KiB")
    check("no connection is left open", open_files <= files + 4, f"{files} -> {open_files}")
    check("a good request is answered after", status_of(service.ask(GOOD)) == 200)
    log = service.log.read_text(errors="replace")
    check("nothing panicked", "panicked" not in log, log[-2000:])
finish()
