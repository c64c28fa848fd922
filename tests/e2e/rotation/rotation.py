"""Every step of `countersign keys rotate` while eight visitors ask without a pause, and a verifier that knows the published keys."""

import base64
import json
import os
import re
import subprocess
import time

import jwt
from checks import check, finish
from service import FETCH, PROOF, WORK, Service, read_answer, request, status_of
from together import Together

VISITORS = 8


class Proxy:
    """What stands in front of the service: its secret can be changed like that of a real one."""

    secret = PROOF

    def headers(self, visitor):
        return (
            f"{FETCH}X-Countersign-Proof: {self.secret}\r\nX-Forwarded-User: visitor{visitor}\r\n"
            f"X-Forwarded-Preferred-Username: Visitor\r\nX-Forwarded-Email: v{visitor}@example.org\r\n"
        )


def body_of(answer):
    return json.loads(answer.partition(b"\r\n\r\n")[2])


class Crowd(Together):
    """Visitors who ask one after the other; what they got, with the time at which they had asked for it."""

    def __init__(self, service, proxy):
        super().__init__(self.visit, range(VISITORS))
        self.service, self.proxy = service, proxy
        self.tokens, self.failed = [], []

    def visit(self, visitor):
        with self.service.connect() as stream:
            while not self.over.is_set():
                asked = time.time()
                stream.sendall(request(self.proxy.headers(visitor)))
                answer = read_answer(stream)
                if status_of(answer) == 200:
                    self.tokens.append((asked, body_of(answer)["token"]))
                else:
                    self.failed.append(answer[:300])

    def since(self, moment):
        return [token for asked, token in self.tokens if asked >= moment]


def rotate(service, setting, *options):
    command = [os.environ["BIN"], "keys", "rotate", setting, "--reason", "a test", *options]
    done = subprocess.run(command, env=service.settings, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)


def reloads(service):
    text = service.admin_text("/metrics")
    return int(re.search(r'config_reloads_total\{outcome="applied"\} (\d+)', text)[1])


def step(service, setting, *options):
    """Takes one step, and waits until the service has read it."""
    before = reloads(service)
    rotate(service, setting, *options)
    deadline = time.monotonic() + 30
    while reloads(service) == before:
        if time.monotonic() > deadline:
            raise RuntimeError("the step was not read")
        time.sleep(0.05)
    time.sleep(0.3)
    return time.time()


def files(name, setting, text, *others):
    place = WORK / name
    place.mkdir()
    (place / "key").write_text(text)
    (place / "key").chmod(0o600)
    named = {f"{setting}_FILE": str(place / "key"), setting: None}
    return named | {f"{setting}{other}_FILE": str(place / f"key{other}") for other in others}


def keygen(*options):
    return subprocess.run([os.environ["BIN"], "keygen", *options], capture_output=True, text=True, check=True).stdout


def published(service):
    answer = service.ask(request(path="/.well-known/jwks.json"))
    return {key["kid"]: jwt.PyJWK(key) for key in body_of(answer)["keys"]}


def kid(token):
    return jwt.get_unverified_header(token)["kid"]


def holds(token, keys):
    jwt.decode(token, keys[kid(token)], algorithms=["ES256"], audience="https://chat.example.org")


def a_key_pair():
    settings = files("pair", "WIDGET_PRIVATE_KEY", keygen("--algorithm", "ES256"), "_NEXT", "_PREVIOUS") | {
        "WIDGET_PRESET": "userinfo",
        "WIDGET_SECRET": None,
        "WIDGET_SUBJECT": None,
        "WIDGET_ALGORITHM": "ES256",
        "WIDGET_AUDIENCE": "https://chat.example.org",
        "PUBLIC_URL": "https://www.example.org",
        "AUDIT_KEY": os.environ["AUDIT_KEY"],
    }
    with Service("pair", **settings) as service, Crowd(service, Proxy()) as crowd:
        time.sleep(0.3)
        (first,) = published(service)
        step(service, "WIDGET_PRIVATE_KEY")
        ahead = published(service)
        switched = step(service, "WIDGET_PRIVATE_KEY", "--now")
        after = published(service)
        time.sleep(0.3)
        ended = step(service, "WIDGET_PRIVATE_KEY", "--now")
        time.sleep(0.3)
        alone = published(service)
    (second,) = alone
    check("the next key is published before it signs", set(ahead) == {first, second}, ahead)
    check("the key before is published after it has signed", set(after) == {first, second}, after)
    check("no request fails while a key pair is rotated", crowd.tokens and not crowd.failed, crowd.failed[:2])
    old = [token for token in crowd.since(switched) if kid(token) == first]
    check("no token is of the key before after the switch", crowd.since(switched) and not old, len(old))
    for _, token in crowd.tokens:
        holds(token, ahead)
    check(f"who has the published keys believes each of {len(crowd.tokens)} tokens", True)
    for token in crowd.since(ended):
        holds(token, alone)
    check("and those of the end with the last key alone", len(crowd.since(ended)) > 0)


def signed_by(token, secret):
    try:
        jwt.decode(token, secret, algorithms=["HS256"], options={"verify_aud": False})
    except jwt.InvalidSignatureError:
        return False
    return True


def a_secret_that_changes_at_a_moment():
    first = keygen()
    settings = files("secret", "WIDGET_SECRET", first, "_NEXT", "_NEXT_AT") | {"AUDIT_KEY": os.environ["AUDIT_KEY"]}
    with Service("secret", **settings) as service, Crowd(service, Proxy()) as crowd:
        moment = int(time.time()) + 15
        read = step(service, "WIDGET_SECRET", "--at", str(moment))
        second = (WORK / "secret" / "key_NEXT").read_text()
        while time.time() < moment + 1:
            time.sleep(0.05)
        step(service, "WIDGET_SECRET")
        time.sleep(0.3)
    keys = [base64.urlsafe_b64decode(text.strip() + "==") for text in (first, second)]
    check("no request fails while a shared secret is rotated", crowd.tokens and not crowd.failed, crowd.failed[:2])
    before = [token for asked, token in crowd.tokens if asked < moment - 1]
    after = crowd.since(moment + 0.1)
    check("the step was read before its moment", read < moment, moment - read)
    check("until the moment all tokens are of the secret before", all(signed_by(token, keys[0]) for token in before))
    check("from the moment on all are of the next one", after and all(signed_by(token, keys[1]) for token in after))


def a_proxys_secret():
    proxy = Proxy()
    settings = files("proof", "FORWARDED_PROOF_SECRET", PROOF, "_NEXT") | {"AUDIT_KEY": os.environ["AUDIT_KEY"]}
    with Service("proof", **settings) as service, Crowd(service, proxy) as crowd:
        step(service, "FORWARDED_PROOF_SECRET")
        time.sleep(0.3)
        proxy.secret = (WORK / "proof" / "key_NEXT").read_text().strip()
        time.sleep(0.5)
        step(service, "FORWARDED_PROOF_SECRET")
        time.sleep(0.3)
        old = status_of(service.ask(request(Proxy().headers(1))))
    check("no request fails while a proxy's secret is rotated", crowd.tokens and not crowd.failed, crowd.failed[:2])
    check("and the secret before proves nothing any more", old == 401, old)


a_key_pair()
a_secret_that_changes_at_a_moment()
a_proxys_secret()
finish()
