"""PyJWT's verdict on tokens of every algorithm."""

import base64
import os
from datetime import timedelta
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from checks import check, finish, holds, refused

ISSUER, AUDIENCE = os.environ["ISSUER"], os.environ["AUDIENCE"]
REQUIRED = {"require": ["iss", "aud", "sub", "iat", "nbf", "exp", "jti"]}
DECODE = {
    "utf8": str.encode,
    "hex": bytes.fromhex,
    "base64": base64.b64decode,
}
WHO = {"sub": "patient-4711", "name": "Zoë 王", "email": "zoe@example.org"}
GROUPS = {"minted": ["patients", "staff, night"], "fetched": ["patients"]}


def cases():
    lines = Path(os.environ["CASES"]).read_text().splitlines()
    for algorithm, encoding, key, other, minted, fetched in zip(*[iter(lines)] * 6, strict=True):
        yield algorithm, encoding, Path(key).read_text().strip(), Path(other).read_text().strip(), minted, fetched


def own_key(algorithm, encoding, text, token):
    """What the widget's server would verify with: the shared secret, or the service's published key of this token."""
    if encoding:
        return DECODE[encoding](text)
    return jwt.PyJWKClient(os.environ["JWKS_URL"]).get_signing_key_from_jwt(token).key


def stranger_key(encoding, text):
    return DECODE[encoding](text) if encoding else load_pem_private_key(text.encode(), None).public_key()


def tampered(token):
    """The same token for somebody else, under the old signature."""
    head, payload, signature = token.split(".")
    claims = jwt.utils.base64url_decode(payload).replace(b"patient-4711", b"patient-4712")
    return ".".join([head, jwt.utils.base64url_encode(claims).decode(), signature])


def unsigned(token):
    return jwt.encode(jwt.decode(token, options={"verify_signature": False}), None, algorithm="none")


def judge(algorithm, source, token, key, other):
    def decode(token=token, key=key, algorithms=(algorithm,), issuer=ISSUER, audience=AUDIENCE, **rest):
        rules = {"algorithms": list(algorithms), "issuer": issuer, "audience": audience, "options": REQUIRED, **rest}
        return jwt.decode(token, key, **rules)

    # PyJWT takes no other time than now, but a negative leeway looks from six minutes ahead; iat stays out of it.
    later = {"leeway": timedelta(minutes=-6), "options": {**REQUIRED, "verify_iat": False, "verify_nbf": False}}

    name = f"PyJWT, {algorithm}, {source}"
    with holds(f"{name}: the token holds"):
        claims = decode()
        check(f"{name}: it says who", {k: claims.get(k) for k in WHO} == WHO, claims)
        check(f"{name}: groups keep their commas", claims["groups"] == GROUPS[source], claims["groups"])
        check(f"{name}: it lives five minutes", 295 <= claims["exp"] - claims["iat"] <= 310, claims)
        check(f"{name}: it is named", len(claims["jti"]) >= 16, claims["jti"])
    refused(f"{name}: another issuer is refused", jwt.InvalidIssuerError, lambda: decode(issuer="https://evil.example"))
    refused(
        f"{name}: another audience is refused",
        jwt.InvalidAudienceError,
        lambda: decode(audience="https://evil.example"),
    )
    refused(f"{name}: it ends", jwt.ExpiredSignatureError, lambda: decode(**later))
    refused(f"{name}: a changed payload is refused", jwt.InvalidSignatureError, lambda: decode(tampered(token)))
    refused(f"{name}: another key is refused", jwt.InvalidSignatureError, lambda: decode(key=other))
    others = [a for a in ("HS256", "RS256", "ES256", "EdDSA") if a != algorithm]
    refused(f"{name}: another algorithm is refused", jwt.InvalidAlgorithmError, lambda: decode(algorithms=others))
    refused(f"{name}: no signature is refused", jwt.InvalidAlgorithmError, lambda: decode(unsigned(token)))


for algorithm, encoding, key, other, minted, fetched in cases():
    for source, token in (("minted", minted), ("fetched", fetched)):
        judge(algorithm, source, token, own_key(algorithm, encoding, key, token), stranger_key(encoding, other))
finish()
