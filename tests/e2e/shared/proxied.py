"""Visitors of a site behind a proxy, whichever proxy it is: honest ones, and one who would like to be somebody else.

H-1 to H-10 and O-8: what the proxy and we must do together.
"""

import base64
import json
import os
import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from checks import check
from together import Together

# A login may bind its sessions to the name under which the site was visited.
HOST = os.environ.get("SITE_HOST", "www.example.org")
MOUNT = "/chat-identity"
TOKEN = f"{MOUNT}/token"
FETCH = [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty")]
seen_by_browsers = bytearray()


def subject(token):
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return bytes.fromhex(claims["external_id"]).decode()


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
        return subject(self.json()["token"]) if self.status == 200 else None

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


def request(method, path, headers, body=b""):
    length = [("Content-Length", str(len(body)))] if body else []
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", *(f"{name}: {value}" for name, value in [*headers, *length])]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Site:
    """One address that browsers reach, and how it knows its visitors: `cookie` makes the cookie of somebody logged in."""

    def __init__(self, name, port, cookie, echo=False):
        self.name, self.port, self.cookie, self.echo = name, int(port), cookie, echo

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def who(self, visitor):
        return [("Cookie", f"other=1; {self.cookie(visitor)}")] if visitor else []

    def ask(self, headers=(), visitor=None, path=TOKEN, method="GET", fetch=True, body=b""):
        all_headers = [*(FETCH if fetch else []), *self.who(visitor), *headers]
        with self.connect() as stream:
            stream.sendall(request(method, path, all_headers, body))
            answer = read_answer(stream)
        self.saw(repr(answer).encode())
        return answer

    def say(self, wire, patience=1.5):
        """Everything that comes back to these bytes: until the other side closes, or rests after it has answered."""
        raw = bytearray()
        with self.connect() as stream:
            stream.sendall(wire)
            stream.settimeout(patience)
            try:
                while some := stream.recv(65536):
                    raw += some
                    stream.settimeout(0.15)
            except (TimeoutError, ConnectionError):
                pass
        self.saw(raw)
        return bytes(raw)

    def saw(self, raw):
        if not self.echo:
            seen_by_browsers.extend(raw)


class Corpus:
    """Every way to say `mallory` that the advisories of such proxies tell of.

    `names` are the headers that the shipped snippet takes away; `user` is the one that says who it is, in `encoding`.
    """

    def __init__(self, names, user, proof, encoding=str):
        self.names, self.user, self.proof, self.encoding = names, user, proof, encoding
        self.lie = encoding("mallory")

    def headers(self):
        for name in self.names:
            for spelling in dict.fromkeys(spellings(name)):
                yield spelling, [(spelling, self.lie)]
        user, alias = self.user, other_spelling(self.user)
        yield "two instances", [(user, self.lie), (user, self.lie)]
        yield "an alias before the name", [(alias, self.lie), (user, self.lie)]
        yield "an empty value and a full one", [(user, ""), (user, self.lie)]
        yield "Connection naming the identity", [("Connection", f"{user}, close"), (user, self.lie)]
        yield "Connection naming the proof", [("Connection", "X-Countersign-Proof")]
        yield "Connection naming both", [("Connection", f"keep-alive, {user}, X-Countersign-Proof"), (user, self.lie)]
        yield "Connection twice", [("Connection", "keep-alive"), ("Connection", user), (user, self.lie)]
        yield "Connection naming an alias", [("Connection", f"close, {alias}"), (alias, self.lie)]
        yield "Proxy-Connection naming the proof", [("Proxy-Connection", "X-Countersign-Proof"), (user, self.lie)]
        yield "Trailer naming the identity", [("Trailer", user), (user, self.lie)]
        yield "a guessed proof", [("X-Countersign-Proof", "x" * 43), (user, self.lie)]
        yield "the real proof", [("X-Countersign-Proof", self.proof), (user, self.lie)]
        yield "the real proof under an alias", [("X_Countersign_Proof", self.proof), (alias, self.lie)]
        yield "the real proof twice", [("X-Countersign-Proof", self.proof)] * 2 + [(user, self.lie)] * 2
        yield (
            "an address of the house",
            [("X-Forwarded-For", "127.0.0.1"), ("Forwarded", "for=127.0.0.1"), (user, self.lie)],
        )
        yield (
            "another address to the login",
            [("X-Forwarded-Uri", "/public"), ("X-Original-URL", "http://x/"), (user, self.lie)],
        )
        yield (
            "another site, scheme and method to the login",
            [("X-Forwarded-Host", "x"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Method", "OPTIONS")],
        )
        yield "a rewritten address", [("X-Rewrite-URL", f"{MOUNT}/token"), ("X-HTTP-Method-Override", "POST")]
        yield "credentials", [("Authorization", "Bearer mallory"), ("Proxy-Authorization", "Basic bWFsbG9yeTo=")]
        yield "a space before the colon", [(f"{user} ", self.lie)]
        yield "a tab before the colon", [(f"{user}\t", self.lie)]

    def paths(self):
        user = self.user
        for path in (
            f"{MOUNT}/%2e%2e{TOKEN}",
            f"{MOUNT}/%2e%2e%2f{TOKEN[1:]}",
            f"{MOUNT}/..%2f..{TOKEN}",
            f"{MOUNT}/.%2e/token",
            f"{MOUNT}/./token",
            f"{MOUNT}/x/../token",
            f"/x/..{TOKEN}",
            f"/x/%2e%2e{TOKEN}",
            f"/%63hat-identity/token",
            f"{MOUNT}%2ftoken",
            f"{MOUNT}/%74oken",
            f"/{TOKEN}",
            f"//{HOST}{TOKEN}",
            f"{MOUNT}//token",
            f"{TOKEN}/",
            f"{TOKEN};x=1",
            f"{TOKEN}%00",
            f"{TOKEN}%0d%0a{user}:%20{self.lie}",
            f"{TOKEN}%20HTTP/1.1%0d%0a{user}:%20{self.lie}%0d%0a",
            f"{TOKEN}?{user}={self.lie}&X-Countersign-Proof={self.proof}",
            f"{TOKEN}%3f",
            f"{TOKEN}#x",
            f"{MOUNT}\\token",
            f"{MOUNT.upper()}/token",
            "/_countersign/login",
            "/oauth2/auth",
            f"http://{HOST}{TOKEN}",
            f"HTTP://{HOST}{TOKEN}",
            f"http://mallory@{HOST}{TOKEN}",
            f"http://127.0.0.1{TOKEN}",
            f"http:{TOKEN}",
            f"https://{HOST}:443/x/..{TOKEN}",
            "*",
        ):
            yield f"GET {path}", path

    def torn(self, head):
        """Requests that two parsers may read differently. `head` is what an honest request of the visitor would hold.

        The request in the body knows the proof: if ever it is taken for a request of its own, somebody is mallory.
        """
        user, get, post = self.user, f"GET {TOKEN} HTTP/1.1\r\n", f"POST {TOKEN} HTTP/1.1\r\n"
        fetch = "".join(f"{name}: {value}\r\n" for name, value in FETCH)
        inner = f"{get}Host: {HOST}\r\n{fetch}{user}: {self.lie}\r\nX-Countersign-Proof: {self.proof}\r\n\r\n"
        lie = f"{user}: {self.lie}\r\n"
        size = len(inner)
        yield "a folded line that looks like an identity", f"{get}{head}X-Fold: a\r\n {lie}\r\n"
        yield "a folded identity", f"{get}{head}{user}:\r\n {self.lie}\r\n\r\n"
        yield "a folded proof", f"{get}{head}{lie}X-Countersign-Proof:\r\n\t{self.proof}\r\n\r\n"
        yield "a space before the first header", f"{get} {lie}{head}\r\n"
        yield "a bare LF before the identity", f"{get}{head}X-A: b\n{lie}\r\n"
        yield "a bare CR before the identity", f"{get}{head}X-A: b\r{lie}\r\n"
        yield "a NUL in the identity", f"{get}{head}{user}: {self.lie}\0\r\n\r\n"
        yield "a NUL in its name", f"{get}{head}{user}\0: {self.lie}\r\n\r\n"
        yield "an identity that starts with a colon", f"{get}{head}:{lie}\r\n"
        yield "an empty name", f"{get}{head}: mallory\r\n\r\n"
        yield "a name in quotes", f'{get}{head}"{user}": {self.lie}\r\n\r\n'
        yield "an identity after the end of the head", f"{get}{head}\r\n{lie}\r\n"
        yield "only bare LFs", f"{get}{head}{lie}\r\n".replace("\r\n", "\n")
        yield "two requests at once", f"{get}{head}\r\n{get}Host: {HOST}\r\n{fetch}{lie}\r\n"
        yield "two Hosts", f"{get}Host: 127.0.0.1\r\n{head}{lie}\r\n"
        yield "no Host", f"{get}{head}{lie}\r\n".replace(f"Host: {HOST}\r\n", "")
        yield "HTTP/1.0", f"{get}{head}{lie}\r\n".replace("HTTP/1.1", "HTTP/1.0")
        yield "HTTP/0.9", f"GET {TOKEN}\r\n"
        yield "HTTP/2.0 in words", f"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{inner}"
        yield "an upgrade to HTTP/2", (
            f"{get}{head}{lie}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n{inner}"
        )
        yield "an upgrade to a WebSocket", (
            f"{get}{head}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n\r\n{inner}"
        )
        for hops in ("", "Max-Forwards: 0\r\n"):
            yield f"TRACE {hops!r}", f"TRACE {TOKEN} HTTP/1.1\r\n{head}{hops}{lie}\r\n"
            yield f"OPTIONS {hops!r}", f"OPTIONS {TOKEN} HTTP/1.1\r\n{head}{hops}{lie}\r\n"
        yield "CONNECT", f"CONNECT 127.0.0.1:80 HTTP/1.1\r\n{head}\r\n{inner}"
        yield "a request as the body of a GET", f"{get}{head}Content-Length: {size}\r\n\r\n{inner}"
        yield "a request as the body of a POST", f"{post}{head}Content-Length: {size}\r\n\r\n{inner}"
        yield "a body that is said to be empty", f"{post}{head}Content-Length: 0\r\n\r\n{inner}"
        yield "Expect", f"{post}{head}Expect: 100-continue\r\nContent-Length: {size}\r\n\r\n{inner}"
        yield "an odd Expect", f"{post}{head}Expect: 100-continue, x\r\nContent-Length: {size}\r\n\r\n{inner}"
        for first, second in ((0, size), (size, 0)):
            lengths = f"Content-Length: {first}\r\nContent-Length: {second}\r\n"
            yield f"lengths {first} and {second}", f"{post}{head}{lengths}\r\n{inner}"
        for length in (f"+{size}", f"0x{size:x}", f"0, {size}", f"{size} ", "-1", "", "18446744073709551616"):
            yield f"a length of {length!r}", f"{post}{head}Content-Length: {length}\r\n\r\n{inner}"
        empty = f"0\r\n\r\n{inner}"
        for coding in (
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: identity",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: CHUNKED",
            'Transfer-Encoding: "chunked"',
            "Transfer-Encoding: chunked;x=1",
            "Transfer-Encoding:\tchunked",
            "Transfer-Encoding:\x0bchunked",
            "Transfer-Encoding : chunked",
            " Transfer-Encoding: chunked",
            "Transfer-Encoding:\r\n chunked",
            "X-A: b\nTransfer-Encoding: chunked",
            "Transfer_Encoding: chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: \r\nTransfer-Encoding: chunked",
            "TE: trailers, chunked\r\nConnection: TE",
        ):
            # Once for a reader who believes the length, and once for one who believes the coding.
            yield f"{coding!r} and a length", f"{post}{head}{coding}\r\nContent-Length: {len(empty)}\r\n\r\n{empty}"
            yield f"{coding!r} and a short length", f"{post}{head}{coding}\r\nContent-Length: 3\r\n\r\n{empty}"
        yield "chunks in HTTP/1.0", f"{post}{head}Transfer-Encoding: chunked\r\n\r\n{empty}".replace("1.1", "1.0", 1)
        for chunks in (
            f"0\r\n{lie}\r\n",
            f"0\r\n{lie}X-Countersign-Proof: {self.proof}\r\n\r\n",
            f"0;a={'b' * 9}\n\r\n\r\n{inner}",
            f"0\n\n{inner}",
            f"00000000000000000\r\n\r\n{inner}",
            f"0x0\r\n\r\n{inner}",
            f"-0\r\n\r\n{inner}",
            f"1\r\nab0\r\n\r\n{inner}",
            f"1\r\na\n0\r\n\r\n{inner}",
            f"10000000000000001\r\na\r\n0\r\n\r\n{inner}",
        ):
            start = chunks[:12]
            yield f"chunks that begin with {start!r}", f"{post}{head}Transfer-Encoding: chunked\r\n\r\n{chunks}"
        yield "a trailer announced and sent", (
            f"{post}{head}Transfer-Encoding: chunked\r\nTrailer: {user}\r\nTE: trailers\r\n\r\n0\r\n{lie}\r\n"
        )


def spellings(name):
    yield name
    yield name.upper()
    yield name.lower()
    for separator in "_-.":
        yield re.sub("[-_]", separator, name)
    if "-" in name:
        yield name.replace("-", "_", 1)
    if "_" in name:
        yield name.replace("_", "-", 1)


def other_spelling(name):
    return name.translate(str.maketrans("-_", "_-"))


def honest(site, name_of=None):
    """What every proxy owes those who do not lie. `name_of` is the display name that the login knows of a visitor."""
    where = site.name
    answer = site.ask(visitor="alice")
    check(f"{where}: a logged-in visitor gets a token", answer.visitor() == "alice", answer)
    if name_of:
        claims = answer.json()["token"].split(".")[1]
        whole = name_of("alice").encode() in base64.urlsafe_b64decode(claims + "==")
        check(f"{where}: the name is whole, whatever its letters", whole, claims)
    check(f"{where}: POST works alike", site.ask(visitor="bob", method="POST").visitor() == "bob")
    nobody = site.ask()
    check(
        f"{where}: nobody is told to log in", nobody.status == 401 and nobody.json()["code"] == "login_required", nobody
    )
    check(
        f"{where}: in JSON, never stored, without a pop-up",
        [nobody.header(h) for h in ("Content-Type", "Cache-Control", "WWW-Authenticate")]
        == ["application/problem+json", "no-store", None],
        nobody,
    )
    keys = site.ask(path=f"{MOUNT}/.well-known/jwks.json", fetch=False)
    check(f"{where}: the key set needs no login", keys.status == 200 and keys.json() == {"keys": []}, keys)
    preflight = site.ask(
        [("Origin", "https://app.example.org"), ("Access-Control-Request-Method", "POST")],
        method="OPTIONS",
        fetch=False,
    )
    check(
        f"{where}: a listed page's preflight needs no login",
        preflight.status == 204 and preflight.header("Access-Control-Allow-Origin") == "https://app.example.org",
        preflight,
    )
    foreign = site.ask(
        [("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")], visitor="alice", fetch=False
    )
    check(
        f"{where}: what the browser says of the page arrives",
        foreign.status == 403 and foreign.json()["code"] == "origin_refused",
        foreign,
    )


def answers_of_the_login(site, redirected=(503, "upstream_unavailable")):
    """What login.py says of its more particular visitors, and whether a redirect is an answer or an outage."""
    where = site.name
    ended = site.ask(visitor="ended")
    check(
        f"{where}: a refusal that names somebody names nobody",
        ended.status == 401 and ended.json()["code"] == "login_required",
        ended,
    )
    barred = site.ask(visitor="barred")
    check(
        f"{where}: who may not use the site is told so",
        barred.status == 403 and barred.json()["code"] == "forbidden",
        barred,
    )
    odd = site.ask(visitor="redirected")
    check(
        f"{where}: a redirect of the login is told as {redirected[1]}",
        (odd.status, odd.json()["code"]) == redirected,
        odd,
    )
    broken = site.ask(visitor="broken")
    check(
        f"{where}: an error of the login is an outage",
        broken.status == 503 and broken.json()["code"] == "upstream_unavailable",
        broken,
    )
    renewed = site.ask(visitor="renewed")
    check(
        f"{where}: a renewed session reaches the browser",
        "session=renewed" in (renewed.header("Set-Cookie") or ""),
        renewed,
    )


def named(raw):
    """Whom the tokens in some bytes are about."""
    return {subject(token) for token in re.findall(r'"token":"([^"]+)"', raw.decode("latin-1"))}


def dishonest(site, corpus):
    where = site.name
    for trick, headers in corpus.headers():
        answer = site.ask(headers)
        check(
            f"{where}: not logged in, {trick}: nobody",
            answer.status in (400, 401) and b"token" not in answer.body.lower(),
            answer,
        )
        answer = site.ask(headers, visitor="alice")
        herself = answer.status == 400 or answer.visitor() == "alice"
        check(f"{where}: logged in, {trick}: still herself", herself, answer)
    lie = [(corpus.user, corpus.lie)]
    wires = {visitor: list(corpus.torn(head(site, visitor))) for visitor in (None, "alice")}
    for visitor, cases in wires.items():
        for trick, path in corpus.paths():
            cases.append((trick, request("GET", path, [*FETCH, *site.who(visitor), *lie]).decode()))
    with Crowd(site) as crowd, ThreadPoolExecutor(12) as pool:
        for visitor, cases in wires.items():
            answers = pool.map(lambda case: site.say(case[1].encode("latin-1")), cases)
            for (trick, _), raw in zip(cases, answers):
                whose = "logged in" if visitor else "not logged in"
                nobody_else = named(raw) <= {visitor}
                check(f"{where}: {whose}, {trick}: nobody else", nobody_else, raw)
    check(
        f"{where}: all the while everybody else is himself",
        crowd.asked >= 40 and not crowd.wrong,
        (crowd.asked, crowd.wrong[:3]),
    )
    answer = site.ask(visitor="alice")
    check(f"{where}: afterwards as well", answer.visitor() == "alice", answer)


def head(site, visitor):
    lines = [("Host", HOST), *FETCH, *site.who(visitor)]
    return "".join(f"{name}: {value}\r\n" for name, value in lines)


class Crowd(Together):
    """Honest visitors who come and go over the connections that somebody tries to tear."""

    def __init__(self, site):
        super().__init__(self.come_and_go, ("bob", None))
        self.site, self.asked, self.wrong = site, 0, []

    def come_and_go(self, visitor):
        while not self.over.is_set():
            answer = self.site.ask(visitor=visitor)
            self.asked += 1
            if answer.visitor() != visitor or answer.status not in (200, 401):
                self.wrong.append(answer)
            time.sleep(0.005)


def instances(headers, name):
    return [value for key, value in headers if key.lower() == name.lower()]


def what_arrives(site, corpus, also=None):
    """The very headers that countersign would be handed, asked of an echo in its place."""
    lies = [(name, corpus.lie) for name in corpus.names]
    lies += [
        ("Forwarded", "for=10.9.9.9"),
        ("X-Forwarded-For", "10.9.9.9"),
        ("Authorization", "Bearer mine"),
        ("Connection", "X-Countersign-Proof"),
    ]
    for visitor in ("alice", None):
        headers = site.ask(lies, visitor=visitor).json()["headers"]
        values = partial(instances, headers)
        name = f"{site.name}, {visitor or 'nobody'}"
        told = [h for h in headers if corpus.lie in h[1] or "10.9.9.9" in h[1]]
        check(f"{name}: no lie arrives", not told, headers)
        check(
            f"{name}: the visitor's id once or not at all",
            values(corpus.user) == ([corpus.encoding(visitor)] if visitor else []),
            headers,
        )
        check(f"{name}: one proof", values("X-Countersign-Proof") == [corpus.proof], headers)
        check(
            f"{name}: the peer's address",
            values("X-Forwarded-For") == ["127.0.0.1"] and not values("Forwarded"),
            headers,
        )
        check(f"{name}: no cookie and no credential", not values("Cookie") + values("Authorization"), headers)
        check(f"{name}: Fetch Metadata untouched", all(values(key) == [value] for key, value in FETCH), headers)
        if also:
            also(name, values, headers)
    body = b'{"connectorToken":"x","renewal":"y"}'
    for visitor in ("alice", None):
        json_type = [("Content-Type", "application/json")]
        seen = site.ask(json_type, visitor=visitor, path=f"{MOUNT}/refresh/x", method="POST", body=body).json()
        check(f"{site.name}, {visitor or 'nobody'}: the body of a renewal arrives", seen["body"] == body.decode(), seen)


def one_connection_many_visitors(site, everybody=None):
    seen, order = [], ("alice", None, "bob", None, "alice")
    with site.connect() as stream:
        for visitor in order:
            stream.sendall(request("GET", TOKEN, [*FETCH, *site.who(visitor)]))
            seen.append(read_answer(stream).visitor())
    check(f"{site.name}: nothing stays on a kept connection", seen == list(order), seen)
    everybody = everybody or [f"visitor{i}" for i in range(37)]
    visitors = [None if i % 5 == 0 else everybody[i % len(everybody)] for i in range(400)]
    with ThreadPoolExecutor(16) as pool:
        got = list(pool.map(lambda visitor: site.ask(visitor=visitor).visitor(), visitors))
    check(f"{site.name}: four hundred at once, everybody is himself", got == visitors)


def past_the_proxy(service, corpus):
    for name, headers in (
        ("identity alone", []),
        ("a wrong proof", [("X-Countersign-Proof", "x" * 43)]),
        ("an empty proof", [("X-Countersign-Proof", "")]),
        ("a proof cut short", [("X-Countersign-Proof", corpus.proof[:-1])]),
        ("an address of the house", [("X-Forwarded-For", "127.0.0.1")]),
    ):
        answer = service.ask([(corpus.user, corpus.lie), *headers])
        check(
            f"past the proxy, {name}: nobody",
            answer.status == 401 and answer.json()["code"] == "login_required",
            answer,
        )


def a_login_that_is_down(site, pid):
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)
    answer = site.ask(visitor="alice")
    check(
        "a login that is down is an outage, not a logout",
        answer.status == 503
        and answer.json()["code"] == "upstream_unavailable"
        and answer.header("Retry-After") is not None,
        answer,
    )


def a_service_that_is_down(site, pid):
    os.kill(pid, signal.SIGKILL)
    answer = site.ask(visitor="alice")
    for _ in range(50):
        if answer.status != 200:
            break
        answer = site.ask(visitor="alice")
    check(
        f"{site.name}: a countersign that is down is an outage, not a logout",
        answer.status in (502, 503) and answer.json()["code"] == "upstream_unavailable",
        answer,
    )
    check(
        f"{site.name}: in JSON, never stored, to be asked again",
        [answer.header(h) for h in ("Content-Type", "Cache-Control", "Retry-After")]
        == ["application/problem+json", "no-store", "2"],
        answer,
    )


def the_proof_stays(corpus):
    shown = corpus.proof.encode() in seen_by_browsers
    check("the proof never reaches a browser", seen_by_browsers and not shown)
