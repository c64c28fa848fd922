"""What a fault happens to: a service, what it stands on, and who asks it."""

import hmac
import json
import os
import re
import resource
import shlex
import signal
import socket
import subprocess
import threading
import time
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jwt
from crowd import Asker
from cryptography.hazmat.primitives.asymmetric import ec
from service import PROOF, WORK, Service, free_port
from visiting import MOUNT, Postgres, Redis, Visitor, until

VISITORS = 5
AUDIT_KEY = os.environ["AUDIT_KEY"]
NAVIGATES = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html"}
NOT_FORWARDED = {"FORWARDED_CONVENTION": None, "FORWARDED_PROOF_SECRET": None}
BY_PASSWORD = {
    **NOT_FORWARDED,
    "SESSION_SOURCES": "login",
    "LOGIN": "accounts",
    "ACCOUNTS_FILE": str(WORK / "accounts.jsonl"),
}


class Pipe:
    """A pipe that is copied into a file, until somebody holds it up or closes it."""

    def __init__(self, path):
        self.reader, self.writer = os.pipe()
        self.path, self.flows = path, threading.Event()
        self.flows.set()
        threading.Thread(target=self.copy, daemon=True).start()

    def copy(self):
        with self.path.open("ab", buffering=0) as file:
            while True:
                self.flows.wait()
                try:
                    part = os.read(self.reader, 4096)
                except OSError:
                    return
                if not part:
                    return
                file.write(part)

    def close(self):
        self.flows.clear()
        time.sleep(0.1)
        os.close(self.reader)


class Piped(Service):
    """A service whose output goes into pipes: no limit on files and no full disk keeps its log from being read."""

    def popen_options(self):
        self.output, self.errors = Pipe(WORK / f"{self.name}.audit"), Pipe(self.log)
        return {"stdout": self.output.writer, "stderr": self.errors.writer}

    def __init__(self, name, **settings):
        self.name = name
        super().__init__(name, **settings)

    def __enter__(self):
        try:
            return super().__enter__()
        finally:
            os.close(self.output.writer)
            os.close(self.errors.writer)

    def limit(self, what, soft):
        """Sets a soft limit of the process, and says what it was."""
        before = resource.prlimit(self.process.pid, what)
        resource.prlimit(self.process.pid, what, (soft, before[1]))
        return before[0]


class Stage:
    """A service with visitors that a proxy vouches for."""

    settings = {}
    patience = 6.0

    def __init__(self, name, **settings):
        self.name, self.stack, self.askers = name, ExitStack(), []
        self.given = settings

    def __enter__(self):
        self.prepare()
        settings = {"PUBLIC_URL": f"https://www.example.org{MOUNT}", "AUDIT_KEY": AUDIT_KEY, "LOG_LEVEL": "info"}
        self.services = [self.stack.enter_context(s) for s in self.made(settings | self.settings | self.given)]
        self.service = self.services[0]
        self.askers = self.visitors() + self.strangers()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def prepare(self):
        """Starts what the service stands on."""

    def made(self, settings):
        return [Piped(self.name, **settings)]

    def visitors(self):
        names = [f"visitor{number}" for number in range(1, VISITORS + 1)]
        return [Asker(name, lambda name=name: vouched(name)) for name in names]

    def strangers(self):
        wrong = {**vouched("visitor1"), "X-Countersign-Proof": "not this"}
        return [Asker(None, dict), Asker(None, lambda: wrong)]

    def port(self, _turn):
        return self.service.port

    def log(self):
        return "".join(service.log.read_text() for service in self.services)

    def signal(self, number):
        self.service.process.send_signal(number)

    def restart(self):
        """As a supervisor does when the process has ended."""
        self.service.process.wait(timeout=60)
        self.service.__enter__()

    def records(self):
        """The names of all tokens that the audit logs hold."""
        logs = [WORK / f"{service.name}.audit" for service in self.services]
        lines = [json.loads(line) for log in logs for line in log.read_text().splitlines()]
        return {line.get("token_hash") or line.get("jti") for line in lines}

    def unrecorded(self):
        """Tokens that visitors hold and the audit logs do not know."""
        records = self.records()
        tokens = [token for asker in self.askers for token in asker.tokens]
        return [token for token in tokens if token_name(token) not in records], len(tokens)


def token_name(token):
    claims = jwt.decode(token, options={"verify_signature": False})
    return claims.get("jti") or hmac.new(AUDIT_KEY.encode(), token.encode(), "sha256").hexdigest()[:32]


def vouched(name):
    return {
        "X-Countersign-Proof": PROOF,
        "X-Forwarded-User": name,
        "X-Forwarded-Preferred-Username": "Visitor",
        "X-Forwarded-Email": f"{name}@example.org",
    }


class Login(Stage):
    """Visitors who have logged in; one who had, and whose cookie somebody has kept; one who makes cookies up."""

    settings = BY_PASSWORD

    def visitors(self):
        self.people = [Visitor(number) for number in range(1, VISITORS + 1)]
        self.log_everybody_in()
        return [Asker(person.name, lambda person=person: cookies(person)) for person in self.people]

    def log_everybody_in(self):
        for person in self.people:
            person.cookies = {}
            self.log_in(person)

    def log_in(self, person):
        person.log_in(self.service)

    def strangers(self):
        gone, inventor = Visitor(VISITORS + 1), Visitor(VISITORS + 2)
        self.log_in(gone)
        kept = dict(gone.cookies)
        if not gone.log_out(self.service):
            raise RuntimeError("nobody can log out")
        gone.cookies, inventor.cookies = kept, {name: value[::-1] for name, value in kept.items()}
        return [Asker(None, dict), Asker(None, lambda: cookies(gone)), Asker(None, lambda: cookies(inventor))]

    def newcomer(self):
        """The status with which somebody who logs in now is received."""
        person = Visitor(VISITORS + 3)
        try:
            self.log_in(person)
        except RuntimeError as refused:
            return int(re.search(r"log in: (\d+)", str(refused))[1])
        return 303


def cookies(person):
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in person.cookies.items())}


class OnRedis(Login):
    def prepare(self):
        self.server = Redis()
        self.stack.callback(self.server.kill)
        until(10, lambda: self.command("PING") == b"+PONG\r\n")
        self.given["SESSION_STORE"] = self.server.url

    def command(self, *words):
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=5) as stream:
            stream.sendall(" ".join(words).encode() + b"\r\n")
            return stream.recv(4096)

    def empty(self):
        self.server.kill()
        for path in sorted(self.server.folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        self.server.start()


class OnPostgres(Login):
    def prepare(self):
        self.server = Postgres()
        self.sql("create role chat login", "create database chat owner chat")
        self.given["SESSION_STORE"] = self.server.url.replace("postgres@", "chat@").replace("/postgres", "/chat")

    def psql(self, *options):
        program = next(word for word in self.server.control if word.endswith("/pg_ctl"))
        return [str(Path(program).parent / "psql"), "-q", "-v", "ON_ERROR_STOP=1", self.server.url, *options]

    def sql(self, *statements):
        for statement in statements:
            subprocess.run(self.psql("-c", statement), check=True, stdout=subprocess.DEVNULL)

    def lock(self):
        database = self.server.url.replace("/postgres", "/chat") + "?application_name=locker"
        statement = "begin; lock table countersign_sessions in access exclusive mode; select pg_sleep(60)"
        command = [word if word != self.server.url else database for word in self.psql("-c", statement)]
        self.locker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def unlock(self):
        self.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'locker'")
        self.locker.wait()


class OnSqlite(Login):
    def prepare(self):
        self.folder = WORK / "sqlite"
        self.given |= {"SESSION_STORE": f"sqlite:{self.folder}/sessions.db", "AUDIT_LOG": "stdout"}

    def fill(self):
        self.before = self.service.limit(resource.RLIMIT_FSIZE, 0)

    def clear(self):
        self.service.limit(resource.RLIMIT_FSIZE, self.before)

    def delete(self):
        for path in self.folder.iterdir():
            path.unlink()


class Server:
    """A server of somebody else's on one port, that can be taken away and brought back."""

    def __init__(self, answer):
        self.port, self.answer, self.server = free_port(), answer, None
        self.delay = 0.0
        self.start()

    def start(self):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                size = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(size).decode()
                time.sleep(outer.delay)
                status, answer = outer.answer(self.path, self.headers, body)
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # who asked has hung up, and that is meant
        threading.Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def address(self, path=""):
        return f"http://127.0.0.1:{self.port}{path}"


class Provider(Server):
    """An identity provider that believes everybody: a code is the nonce and the name, and what it publishes is `keys`."""

    def __init__(self):
        self.signs, self.keys = None, {}
        self.rotate()
        super().__init__(self.reply)

    def rotate(self, overlap=False):
        self.signs = f"key-{len(self.keys) + time.monotonic()}"
        fresh = {self.signs: ec.generate_private_key(ec.SECP256R1())}
        self.keys = (self.keys if overlap else {}) | fresh

    def reply(self, path, _headers, body):
        if path.startswith("/.well-known"):
            return 200, {
                "issuer": self.address(),
                "authorization_endpoint": self.address("/authorize"),
                "token_endpoint": self.address("/token"),
                "jwks_uri": self.address("/jwks"),
            }
        if path == "/jwks":
            jwks = [json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())) for key in self.keys.values()]
            return 200, {"keys": [jwk | {"kid": kid, "use": "sig"} for kid, jwk in zip(self.keys, jwks)]}
        nonce, name = parse_qs(body)["code"][0].split(" ")
        token = self.token(name, aud="chat", nonce=nonce)
        return 200, {"token_type": "Bearer", "access_token": "at", "expires_in": 300, "id_token": token}

    def token(self, name, **claims):
        now = int(time.time())
        claims = {"iss": self.address(), "sub": name, "name": "Visitor", "iat": now, "exp": now + 3600} | claims
        return jwt.encode(claims, self.keys[self.signs], "ES256", {"kid": self.signs, "typ": "at+jwt" if "nonce" not in claims else "JWT"})


class AtProvider(Login):
    def prepare(self):
        self.provider = Provider()
        self.given |= {
            "ACCOUNTS_FILE": None,
            "SESSION_STORE": "memory",
            "LOGIN": "oidc",
            "OIDC_ISSUER": self.provider.address(),
            "OIDC_CLIENT_ID": "chat",
            "OIDC_CLIENT_SECRET": PROOF,
        }

    def log_in(self, person):
        status, headers, page = person.ask(self.service, "/login", headers=NAVIGATES)
        if status == 303:
            asked = parse_qs(urlsplit(headers["Location"]).query)
            code = f"{asked['nonce'][0]}%20{person.name}"
            back = f"/login/callback?state={asked['state'][0]}&code={code}&iss={self.provider.address()}"
            status, _, page = person.ask(self.service, back, headers=NAVIGATES | {"Sec-Fetch-Site": "cross-site"})
        if status not in (200, 303):
            raise RuntimeError(f"cannot log in: {status} {page!r}")


class Bearing(Stage):
    settings = {**NOT_FORWARDED, "SESSION_SOURCES": "bearer", "BEARER_AUDIENCE": "chat"}

    def prepare(self):
        self.provider, self.tokens = Provider(), {}
        self.given |= {"BEARER_ISSUER": self.provider.address(), "BEARER_JWKS_URL": self.provider.address("/jwks")}

    def visitors(self):
        names = [f"visitor{number}" for number in range(1, VISITORS + 1)]
        self.renew(names)
        return [Asker(name, lambda name=name: {"Authorization": f"Bearer {self.tokens[name]}"}) for name in names]

    def strangers(self):
        forger = Provider.__new__(Provider)
        forger.port, forger.keys, forger.signs = self.provider.port, {}, None
        forger.rotate()
        key = ec.generate_private_key(ec.SECP256R1())

        def forged():
            forger.keys, forger.signs = {self.provider.signs: key}, self.provider.signs
            return {"Authorization": f"Bearer {forger.token('visitor1', aud='chat')}"}

        return [Asker(None, forged), Asker(None, dict)]

    def renew(self, names=None):
        for name in names or list(self.tokens):
            self.tokens[name] = self.provider.token(name, aud="chat")

    def rotate(self, overlap):
        self.provider.rotate(overlap)
        self.renew(list(self.tokens)[:2])


class Hosted(Stage):
    """Behind a site that says by its own endpoint who is logged in."""

    settings = {**NOT_FORWARDED, "SESSION_SOURCES": "upstream", "UPSTREAM_SESSION_COOKIES": "site"}

    def prepare(self):
        self.site = Server(self.who)
        self.given["UPSTREAM_SESSION_URL"] = self.site.address("/me")

    def who(self, _path, headers, _body):
        known = re.fullmatch(r"site=(visitor\d)", headers["Cookie"] or "")
        return (200, {"sub": known[1], "name": "Visitor"}) if known else (401, {})

    def visitors(self):
        names = [f"visitor{number}" for number in range(1, VISITORS + 1)]
        return [Asker(name, lambda name=name: {"Cookie": f"site={name}"}) for name in names]

    def strangers(self):
        return [Asker(None, lambda: {"Cookie": "site=mallory"}), Asker(None, lambda: vouched("visitor1"))]


class Healthcare(Stage):
    """With conversations at a double of Direct Line."""

    def prepare(self):
        self.direct_line = Server(lambda *_: (200, {"conversationId": "c1", "token": "t1", "expires_in": 1800}))
        self.given |= {
            "WIDGET_PRESET": "healthcare-agent",
            "WIDGET_SUBJECT": None,
            "WIDGET_SECRET": None,
            "APP_SECRET": os.environ["WIDGET_KEY"],
            "WEBCHAT_SECRET": "a-web-chat-secret-of-a-double.0123456789abcdef",
            "PSEUDONYM_KEY": subprocess.run(
                [os.environ["BIN"], "keygen", "--kind", "pseudonym"], capture_output=True, text=True, check=True
            ).stdout.strip(),
            "WIDGET_DIRECTLINE_ENDPOINT": self.direct_line.address(),
            "WIDGET_DIRECTLINE_CUSTOM_HOST": "true",
        }

    def visitors(self):
        visitors = super().visitors()
        for visitor in visitors:
            visitor.is_of = lambda body, _: json.loads(body)["connectorToken"] == "t1"
        return visitors


class Alone(Stage):
    """The process itself, and the files it writes."""

    patience = 15.0

    def fill(self):
        size = (WORK / f"{self.name}.audit").stat().st_size
        self.before = self.service.limit(resource.RLIMIT_FSIZE, size)

    def clear(self):
        self.service.limit(resource.RLIMIT_FSIZE, self.before)

    def take_descriptors(self):
        self.before = self.service.limit(resource.RLIMIT_NOFILE, self.service.descriptors())

    def give_descriptors(self):
        self.service.limit(resource.RLIMIT_NOFILE, self.before)


class Clocked(Login):
    """With a clock that the test sets."""

    def prepare(self):
        self.wall = WORK / "wall"
        self.step("+0")
        self.given |= {
            "SESSION_STORE": "memory",
            "LD_PRELOAD": os.environ["FAKETIME"],
            "FAKETIME_TIMESTAMP_FILE": str(self.wall),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def step(self, by):
        fresh = self.wall.with_suffix(".new")
        fresh.write_text(by)
        fresh.rename(self.wall)


class Balanced(OnRedis):
    """Two replicas behind HAProxy, with the shipped backend and one more server in it."""

    def made(self, settings):
        return [Piped(f"{self.name}-{number}", **settings) for number in (1, 2)]

    def visitors(self):
        shipped = Path(os.environ["ROOT"], "deploy/proxies/haproxy/countersign.cfg").read_text()
        servers = "".join(
            f"  server replica{service.port} 127.0.0.1:{service.port} check port {service.admin} inter 200ms\n"
            for service in self.services
        )
        alone = re.search(r"^  server .*\n", shipped, re.MULTILINE)[0]
        backend = shipped.replace(alone, f"  option httpchk GET /ready\n  option redispatch 1\n  retries 3\n{servers}")
        self.front = free_port()
        site = (
            "defaults\n  mode http\n  timeout client 20s\n  timeout server 20s\n  timeout connect 2s\n"
            f"frontend www\n  bind 127.0.0.1:{self.front}\n  default_backend countersign\n"
        )
        config = WORK / "haproxy.cfg"
        config.write_text(site + backend)
        self.haproxy_log = WORK / "haproxy.log"
        with self.haproxy_log.open("wb") as log:
            proxy = subprocess.Popen(shlex.split(f"haproxy -db -f {config}"), stdout=log, stderr=log)
        self.stack.callback(proxy.wait)
        self.stack.callback(proxy.terminate)
        until(10, lambda: socket.create_connection(("127.0.0.1", self.front), timeout=1).close() is None)
        return super().visitors()

    def port(self, _turn):
        return self.front

    def log(self):
        return super().log() + self.haproxy_log.read_text()
