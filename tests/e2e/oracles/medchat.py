"""MedChat's token, field by field against https://docs.medchatapp.com/docs/jsonwebtoken-passthrough-2.

The document: HS256 under the base64url-decoded secret of the Developer page; `name` and `external_id` required, `email`
optional, at most 200 characters each; `external_id` alphanumeric; `iat` and `exp` in POSIX seconds; four hours in the
sample.
"""

import os
import re
import subprocess
import time

import jwt

from checks import check, finish

SECRET = jwt.utils.base64url_decode(os.environ["MEDCHAT_SECRET"])
DOCUMENTED = {"name": str, "email": str, "external_id": str, "iat": int, "exp": int}
FOUR_HOURS = 4 * 60 * 60


def mint(*visitor):
    command = [os.environ["BIN"], "mint", "--env-file", os.environ["ENV_FILE"]]
    command += ["--widget", "medchat", "--yes-really-mint", "--reason", "test", *visitor]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def claims_of(*visitor):
    return jwt.decode(mint(*visitor).stdout.strip(), SECRET, algorithms=["HS256"])


def refuses(sentence, *visitor):
    ended = mint(*visitor)
    told = ended.stdout + ended.stderr
    check(sentence, ended.returncode == 1 and "." not in ended.stdout.strip() and "external_id" in told, told)


token = mint("--subject", "4711abc", "--name", "Zoë Müller", "--email", "zoe@example.org").stdout.strip()
claims = jwt.decode(token, SECRET, algorithms=["HS256"])
now = time.time()
check(
    "the header says HS256 and JWT and nothing else", jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
)
check("the claims are the documented ones and no others", set(claims) == set(DOCUMENTED), claims)
check("each has the documented type", all(type(claims[k]) is kind for k, kind in DOCUMENTED.items()), claims)
check("name is the display name", claims["name"] == "Zoë Müller", claims["name"])
check("email is the address", claims["email"] == "zoe@example.org", claims["email"])
check("external_id is the visitor's id", claims["external_id"] == "4711abc", claims["external_id"])
check("iat is now in seconds, a little in the past", now - 30 <= claims["iat"] <= now, claims["iat"])
check("exp is four hours from now", abs(claims["exp"] - now - FOUR_HOURS) <= 10, claims["exp"])

long = claims_of("--subject", "7", "--name", "Ä" * 300)
check("a long name is cut at 200 characters, not bytes", long["name"] == "Ä" * 200, len(long["name"]))
check("no address, no email claim", "email" not in long, long)
check(
    "no name, the address stands in", claims_of("--subject", "7", "--email", "a@example.org")["name"] == "a@example.org"
)
check(
    "200 alphanumeric characters are an id",
    claims_of("--subject", "a" * 200, "--name", "A")["external_id"] == "a" * 200,
)
refuses("201 characters are refused, never cut", "--subject", "a" * 201, "--name", "A")
refuses("an id that is not alphanumeric is refused", "--subject", "7b0c-11", "--name", "A")
check("ids are ASCII", re.fullmatch("[A-Za-z0-9]{1,200}", claims["external_id"]) is not None)
check("a visitor without name and address is refused", mint("--subject", "7").returncode == 1)
finish()
