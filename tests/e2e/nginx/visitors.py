"""Visitors of a site behind nginx: honest ones, and one who would like to be somebody else."""

import base64
import json
import os
import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from checks import check, finish

PORTS = {name: int(os.environ[name]) for name in ("USUAL", "CARELESS", "USUAL_ECHO", "CARELESS_ECHO", "SERVICE")}
PROOF = os.environ["PROOF"]
NAMES = re.findall(r"^proxy_set_header (\S+)", Path(os.environ["NAMES"]).read_text(), re.MULTILINE)
TOKEN = "/chat-identity/token"
FETCH = [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty")]
seen_by_browsers = bytearray()


class Answer:
    def __init__(self, raw):
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ")[1])
        self.headers = [tuple(line.split(": ", 1)) for line in lines[1:] if ": " in line]

    def header(self, name):
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self):
        return json.loads(self.body)

    def visitor(self):
        """Whom the token is about; None when there is no token."""
        if self.status != 200:
            return None
        payload = self.json()["token"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return bytes.fromhex(claims["external_id"]).decode()

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body!r}"


def read_answer(stream):
    raw = bytearray()
    while b"\r\n\r\n" not in raw:
        raw += stream.recv(65536) or _ended(raw)
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", raw)
    chunked = re.search(rb"(?i)\r\ntransfer-encoding: *chunked", raw)
    while True:
        head, _, body = bytes(raw).partition(b"\r\n\r\n")
        if length and len(body) >= int(length[1]) or chunked and body.endswith(b"0\r\n\r\n") or not (length or chunked):
            break
        raw += stream.recv(65536) or _ended(raw)
    if chunked:
        body = b"".join(re.findall(rb"[0-9a-fA-F]+\r\n(.+?)\r\n", body, re.DOTALL))
    return Answer(head + b"\r\n\r\n" + body)


def _ended(raw):
    raise ConnectionError(f"the connection ended after {bytes(raw)!r}")


def request(method, path, headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: www.example.org", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def ask(where, headers=(), visitor=None, path=TOKEN, method="GET", fetch=True):
    session = [("Cookie", f"other=1; session={visitor}")] if visitor else []
    with socket.create_connection(("127.0.0.1", PORTS[where]), timeout=20) as stream:
        stream.sendall(request(method, path, [*(FETCH if fetch else []), *session, *headers]))
        answer = read_answer(stream)
    if not where.endswith("_ECHO"):
        seen_by_browsers.extend(repr(answer).encode())
    return answer


def spellings(name):
    yield name
    yield name.upper()
    yield name.replace("-", "_")
    yield name.replace("-", ".")
    if "-" in name:
        yield name.replace("-", "_", 1)


def tricks():
    """Every way to say `mallory` that the advisories of such proxies tell of."""
    for name in NAMES:
        for spelling in dict.fromkeys(spellings(name)):
            yield spelling, [(spelling, "mallory")]
    user = "X-Auth-Request-User"
    yield "two instances", [(user, "mallory"), (user, "mallory")]
    yield "an alias before the name", [("X_Auth_Request_User", "mallory"), (user, "mallory")]
    yield "an empty value and a full one", [(user, ""), (user, "mallory")]
    yield "Connection naming the identity", [("Connection", f"{user}, close"), (user, "mallory")]
    yield "Connection naming the proof", [("Connection", "X-Countersign-Proof")]
    yield "Connection naming both", [("Connection", f"keep-alive, {user}, X-Countersign-Proof"), (user, "mallory")]
    yield "Trailer naming the identity", [("Trailer", user), (user, "mallory")]
    yield "a guessed proof", [("X-Countersign-Proof", "x" * 43), (user, "mallory")]
    yield "the real proof", [("X-Countersign-Proof", PROOF), (user, "mallory")]
    yield (
        "an address of the house",
        [("X-Forwarded-For", "127.0.0.1"), ("Forwarded", "for=127.0.0.1"), (user, "mallory")],
    )
    yield (
        "another address to the login",
        [("X-Forwarded-Uri", "/public"), ("X-Original-URL", "http://x/"), (user, "mallory")],
    )
    yield "a space before the colon", [(f"{user} ", "mallory")]


def honest_visitors(where):
    answer = ask(where, visitor="alice")
    check(f"{where}: a logged-in visitor gets a token", answer.visitor() == "alice", answer)
    claims = answer.json()["token"].split(".")[1]
    check(
        f"{where}: the name is whole, whatever its letters",
        "Zoë 王 alice".encode() in base64.urlsafe_b64decode(claims + "=="),
    )
    check(f"{where}: POST works alike", ask(where, visitor="bob", method="POST").visitor() == "bob")
    nobody = ask(where)
    check(
        f"{where}: nobody is told to log in", nobody.status == 401 and nobody.json()["code"] == "login_required", nobody
    )
    check(
        f"{where}: in JSON, never stored, without a pop-up",
        [nobody.header(h) for h in ("Content-Type", "Cache-Control", "WWW-Authenticate")]
        == ["application/problem+json", "no-store", None],
        nobody,
    )
    ended = ask(where, visitor="ended")
    check(
        f"{where}: a refusal that names somebody names nobody",
        ended.status == 401 and ended.json()["code"] == "login_required",
        ended,
    )
    barred = ask(where, visitor="barred")
    check(
        f"{where}: who may not use the site is told so",
        barred.status == 403 and barred.json()["code"] == "forbidden",
        barred,
    )
    odd = ask(where, visitor="redirected")
    check(
        f"{where}: an odd answer of the login is an outage",
        odd.status == 503 and odd.json()["code"] == "upstream_unavailable",
        odd,
    )
    renewed = ask(where, visitor="renewed")
    check(
        f"{where}: a renewed session reaches the browser",
        "session=renewed" in (renewed.header("Set-Cookie") or ""),
        renewed,
    )
    keys = ask(where, path="/chat-identity/.well-known/jwks.json", fetch=False)
    check(f"{where}: the key set needs no login", keys.status == 200 and keys.json() == {"keys": []}, keys)
    preflight = ask(
        where,
        [("Origin", "https://app.example.org"), ("Access-Control-Request-Method", "POST")],
        method="OPTIONS",
        fetch=False,
    )
    check(
        f"{where}: a listed page's preflight needs no login",
        preflight.status == 204 and preflight.header("Access-Control-Allow-Origin") == "https://app.example.org",
        preflight,
    )
    foreign = ask(
        where, [("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")], visitor="alice", fetch=False
    )
    check(
        f"{where}: what the browser says of the page arrives",
        foreign.status == 403 and foreign.json()["code"] == "origin_refused",
        foreign,
    )


def dishonest_visitors(where):
    for trick, headers in tricks():
        answer = ask(where, headers)
        check(
            f"{where}: not logged in, {trick}: nobody",
            answer.status in (400, 401) and b"token" not in answer.body.lower(),
            answer,
        )
        answer = ask(where, headers, visitor="alice")
        check(
            f"{where}: logged in, {trick}: still herself", answer.status == 400 or answer.visitor() == "alice", answer
        )


def instances(headers, name):
    return [value for key, value in headers if key.lower() == name.lower()]


def what_arrives(where):
    """The very headers that countersign would be handed."""
    lies = [(name, "mallory") for name in NAMES]
    lies += [
        ("Forwarded", "for=10.9.9.9"),
        ("X-Forwarded-For", "10.9.9.9"),
        ("Authorization", "Bearer mine"),
        ("Connection", "X-Countersign-Proof"),
    ]
    for visitor in ("alice", None):
        answer = ask(where, lies, visitor=visitor)
        headers = answer.json()
        values = partial(instances, headers)
        name = f"{where}, {visitor or 'nobody'}"
        check(f"{name}: no lie arrives", not [h for h in headers if "mallory" in h[1] or "10.9.9.9" in h[1]], headers)
        check(
            f"{name}: the visitor's id once or not at all",
            values("X-Auth-Request-User") == ([visitor] if visitor else []),
            headers,
        )
        check(f"{name}: one proof", values("X-Countersign-Proof") == [PROOF], headers)
        check(
            f"{name}: the peer's address",
            values("X-Forwarded-For") == ["127.0.0.1"] and not values("Forwarded"),
            headers,
        )
        check(f"{name}: no cookie and no credential", not values("Cookie") + values("Authorization"), headers)
        check(f"{name}: Fetch Metadata untouched", all(values(key) == [value] for key, value in FETCH), headers)
        check(
            f"{name}: one sound request id",
            len(values("X-Request-Id")) == 1 and re.fullmatch("[0-9a-f]{32}", values("X-Request-Id")[0]),
            headers,
        )


def one_connection_many_visitors(where):
    with socket.create_connection(("127.0.0.1", PORTS[where]), timeout=20) as stream:
        seen = []
        for visitor in ("alice", None, "bob", None, "alice"):
            session = [("Cookie", f"session={visitor}")] if visitor else []
            stream.sendall(request("GET", TOKEN, [*FETCH, *session]))
            seen.append(read_answer(stream).visitor())
    check(f"{where}: nothing stays on a kept connection", seen == ["alice", None, "bob", None, "alice"], seen)
    visitors = [None if i % 5 == 0 else f"visitor{i % 37}" for i in range(400)]
    with ThreadPoolExecutor(16) as pool:
        got = list(pool.map(lambda visitor: ask(where, visitor=visitor).visitor(), visitors))
    check(f"{where}: four hundred at once, everybody is himself", got == visitors)


def past_the_proxy():
    for name, headers in (
        ("identity alone", []),
        ("a wrong proof", [("X-Countersign-Proof", "x" * 43)]),
        ("an empty proof", [("X-Countersign-Proof", "")]),
        ("a proof cut short", [("X-Countersign-Proof", PROOF[:-1])]),
        ("an address of the house", [("X-Forwarded-For", "127.0.0.1")]),
    ):
        answer = ask("SERVICE", [("X-Auth-Request-User", "mallory"), *headers])
        check(
            f"past the proxy, {name}: nobody",
            answer.status == 401 and answer.json()["code"] == "login_required",
            answer,
        )


def outages():
    os.kill(int(os.environ["LOGIN_PID"]), signal.SIGKILL)
    time.sleep(0.2)
    answer = ask("USUAL", visitor="alice")
    check(
        "a login that is down is an outage, not a logout",
        answer.status == 503
        and answer.json()["code"] == "upstream_unavailable"
        and answer.header("Retry-After") is not None,
        answer,
    )


for proxy in ("USUAL", "CARELESS"):
    honest_visitors(proxy)
    dishonest_visitors(proxy)
    one_connection_many_visitors(proxy)
    what_arrives(f"{proxy}_ECHO")
past_the_proxy()
outages()
check("the proof never reaches a browser", seen_by_browsers and PROOF.encode() not in seen_by_browsers)
finish()
