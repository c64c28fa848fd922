"""A subject's tokens count until somebody revokes them, by either way; everybody else's go on counting."""

import os
import subprocess

from checks import check, finish
from service import introspect, revoke, token


def by_command(subject, *more):
    line = [os.environ["BIN"], "revoke", "--env-file", os.environ["ENV_FILE"], "--subject", subject, "--reason", "a test", *more]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def by_endpoint(subject):
    return revoke(subject)


LIFTS = {by_command: lambda subject: by_command(subject, "--lift"), by_endpoint: lambda subject: revoke(subject, path="/revocations/lift")}
for name, way in (("the command", by_command), ("the admin listener", by_endpoint)):
    subject = f"patient-{way.__name__}"
    held = {widget: token(widget, subject)[1] for widget in ("shared", "public")}
    others = token("shared", "somebody-else")[1]
    for widget, text in held.items():
        status, said = introspect(widget, text)
        check(f"{name}: a token of {widget} counts before", status == 200 and said["active"] and said["sub"] == subject, said)
    done = way(subject)
    for widget, text in held.items():
        seen = introspect(widget, text)
        check(f"{name}: a token of {widget} counts no longer", seen == (200, {"active": False}), (done, seen))
    status, _ = token("shared", subject)
    check(f"{name}: no token is renewed", status == 401, status)
    check(f"{name}: nobody else notices", introspect("shared", others)[1]["active"] is True)
    done = LIFTS[way](subject)
    check(f"{name}: who was revoked by mistake is let back in", token("shared", subject)[0] == 200, done)
    check(f"{name}: and no token from before counts", introspect("shared", held["shared"]) == (200, {"active": False}))

check("who shows another secret revokes nothing", revoke("somebody-else", "x" * 43)[0] == 401)
finish()
