"""Made-up tokens, judged by the service and by PyJWT, which share no code. What counts here must count there; what counts there and
not here must be of a kind that is refused on purpose."""

import json
import os
import random
import subprocess
import time
from collections import Counter
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.utils import base64url_encode

from checks import check, finish
from service import introspect, token

# Over POST /introspect a case takes milliseconds. For millions, `countersign verify --lines` is asked, which is the same verifier.
STREAM, BATCH = bool(os.environ.get("STREAM")), 500
CASES, SEED = int(os.environ.get("CASES", "4000")), int(os.environ.get("SEED", "1"))
PAIR = load_pem_private_key(Path(os.environ["KEY"]).read_bytes(), None)
SHARED = os.environ["SHARED"].encode()
SIGNS = {"shared": ("HS256", SHARED), "public": ("ES256", PAIR)}
VERIFIES = {"shared": SHARED, "public": PAIR.public_key()}
STRANGERS = {"shared": b"a stranger's secret of thirty-two bytes", "public": ec.generate_private_key(ec.SECP256R1())}
HEADERS = {widget: jwt.get_unverified_header(token(widget, "template")[1]) for widget in SIGNS}
RULES = {"issuer": "clinic", "audience": "chat", "leeway": 30, "options": {"require": ["iss", "aud", "iat", "exp", "jti"]}}


def part(value):
    text = value if isinstance(value, str) else json.dumps(value)
    return base64url_encode(text.encode()).decode()


def signed(widget, header, claims, key=None):
    """A token of these texts, whatever they are."""
    algorithm, own = SIGNS[widget]
    text = f"{part(header)}.{part(claims)}"
    implementation = jwt.get_algorithm_by_name(algorithm)
    signature = implementation.sign(text.encode(), implementation.prepare_key(key or own))
    return f"{text}.{base64url_encode(signature).decode()}"


def made(chance, widget):
    """The kind of a case, and its token."""
    now = int(time.time())
    header = dict(HEADERS[widget])
    claims = {"iss": "clinic", "aud": "chat", "sub": "patient", "iat": now - 5, "exp": now + 600, "jti": str(chance.random())}
    kind = chance.choice(list(KINDS))
    return kind, KINDS[kind](chance, widget, header, claims)


def left_out(chance, widget, header, claims):
    for name in chance.sample(list(claims), chance.randint(0, 2)):
        del claims[name]
    return signed(widget, header, claims)


def other_value(chance, widget, header, claims):
    values = {
        "iss": ["clinic", "Clinic", "", None, ["clinic"], 1],
        "aud": ["chat", "mail", ["chat"], ["mail", "chat"], ["mail"], [], None, {"chat": 1}, ["chat", 7]],
        "sub": ["patient", "", 4711, None, ["patient"]],
        "jti": ["one", 7, None, ["one"]],
    }
    name = chance.choice(list(values))
    claims[name] = chance.choice(values[name])
    return signed(widget, header, claims)


def other_time(chance, widget, header, claims):
    name = chance.choice(["exp", "iat", "nbf"])
    claims[name] = int(time.time()) + chance.choice([-86400, -600, -120, 120, 600, 86400])
    return signed(widget, header, claims)


def odd_time(chance, widget, header, claims):
    name = chance.choice(["exp", "iat", "nbf"])
    now = int(time.time()) + (600 if name == "exp" else -600)
    claims[name] = chance.choice([str(now), now + 0.5, float(now), -now, now * 1000, True, None, [now], {}])
    return signed(widget, header, claims)


def stranger(_, widget, header, claims):
    return signed(widget, header, claims, STRANGERS[widget])


def other_header(chance, widget, header, claims):
    more = [{"typ": "at+jwt"}, {"typ": 1}, {"cty": "JWT"}, {"kid": "another"}, {"kid": 7}, {"crit": ["exp"]}, {"zip": "DEF"}, {"b64": True}]
    header.update(chance.choice(more))
    return signed(widget, header, claims)


def other_algorithm(chance, widget, header, claims):
    header["alg"] = chance.choice(["none", "None", "HS256", "HS512", "ES256", "ES384", "RS256", "", None, 1])
    return signed(widget, header, claims)


def flipped(chance, widget, header, claims):
    """One bit of what is signed, or of the signature."""
    pieces = [bytearray(jwt.utils.base64url_decode(piece)) for piece in signed(widget, header, claims).split(".")]
    piece = chance.choice(pieces)
    piece[chance.randrange(len(piece))] ^= 1 << chance.randrange(8)
    return ".".join(base64url_encode(bytes(piece)).decode() for piece in pieces)


def twice(chance, widget, header, claims):
    name = chance.choice(list(claims))
    text = json.dumps(claims)
    return signed(widget, header, f'{{"{name}": {json.dumps(chance.choice([claims[name], "other", 1]))}, {text[1:]}')


def mangled(chance, widget, header, claims):
    """Characters put in, taken out or changed."""
    text = list(signed(widget, header, claims))
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(text))
        text[at : at + chance.randint(0, 1)] = chance.choice(["", ".", "=", " ", "\n", "+", "/", "-", "_", "A", "é", "%"])
    return "".join(text)


def as_it_is(_, widget, header, claims):
    return signed(widget, header, claims)


KINDS = {make.__name__: make for make in (
    as_it_is, left_out, other_value, other_time, odd_time, stranger, other_header, other_algorithm, flipped, twice, mangled)}
# Where we are stricter: names that stand twice, other kinds of token, unknown keys, times that are no numbers, and text that is not
# to the letter what was signed.
STRICTER = {"twice", "other_header", "odd_time", "mangled"}


def counts_for_pyjwt(widget, text):
    try:
        jwt.decode(text, VERIFIES[widget], algorithms=[SIGNS[widget][0]], **RULES)
    except Exception:  # a reader that breaks has not accepted it
        return False
    return True


def asked(cases):
    """What the service says of each."""
    said = (introspect(widget, text) for widget, _, text in cases)
    return [answer["active"] if status == 200 else status for status, answer in said]


def streamed(cases):
    """What `countersign verify --lines` says of each."""
    said = {}
    for widget, process in PROCESSES.items():
        process.stdin.write("".join(f"{text}\n" for of, _, text in cases if of == widget))
        process.stdin.flush()
    for widget, process in PROCESSES.items():
        said[widget] = [process.stdout.readline() == "holds\n" for of, _, _ in cases if of == widget]
    return [said[widget].pop(0) for widget, _, _ in cases]


def batches(chance):
    for begin in range(0, CASES, BATCH):
        batch = []
        while len(batch) < min(BATCH, CASES - begin):
            # Signatures with key pairs cost the most by far.
            widget = chance.choices(list(SIGNS), [24, 1] if STREAM else [1, 1])[0]
            kind, text = made(chance, widget)
            if not (STREAM and "\n" in text):
                batch.append((widget, kind, text))
        yield batch


def listening(widget):
    line = [os.environ["BIN"], "verify", "--lines", "--env-file", os.environ["ENV_FILE"], "--widget", widget]
    return subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


PROCESSES = {widget: listening(widget) for widget in SIGNS} if STREAM else {}
seen, differ = Counter(), []
for batch in batches(random.Random(SEED)):
    for (widget, kind, text), ours in zip(batch, streamed(batch) if STREAM else asked(batch)):
        theirs = counts_for_pyjwt(widget, text)
        seen[kind, ours] += 1
        if ours not in (True, False) or ours != theirs and (ours or kind not in STRICTER):
            differ.append((kind, widget, ours, theirs, text))
for process in PROCESSES.values():
    process.stdin.close()
    process.wait(timeout=20)

check(f"{CASES} made-up tokens (seed {SEED}) count for PyJWT where they count here", not differ, differ[:3])
check("every kind was tried", {kind for kind, _ in seen} == set(KINDS) or CASES < 500, seen)
check("tokens as the service makes them count", seen["as_it_is", True] > 0 and not seen["as_it_is", False], seen)
check("no token of a stranger's key and none with a flipped bit counts", not seen["stranger", True] + seen["flipped", True], seen)
finish()
