"""The running service, as a page, a widget's server and whoever revokes ask it."""

import http.client
import json
import os
from urllib.parse import urlencode

PROOF, CALLER, REVOKER = (os.environ[name] for name in ("PROOF", "CALLER", "REVOKER"))


class Listener:
    """One connection that is kept."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address, timeout=20)

    def post(self, path, headers, fields=None):
        body = urlencode(fields) if fields else ""
        form = {"Content-Type": "application/x-www-form-urlencoded"} if fields else {}
        self.connection.request("POST", path, body, {**form, **headers})
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())


public, admin = Listener(os.environ["PUBLIC"]), Listener(os.environ["ADMIN"])


def token(widget, subject):
    identity = {"X-Countersign-Proof": PROOF, "X-Forwarded-User": subject, "Sec-Fetch-Site": "same-origin"}
    status, answer = public.post(f"/token/{widget}", identity)
    return (status, answer.get("token"))


def introspect(widget, text):
    return public.post(f"/introspect/{widget}", {"Authorization": f"Bearer {CALLER}"}, {"token": text})


def revoke(subject, secret=REVOKER, path="/revocations"):
    return admin.post(path, {"Authorization": f"Bearer {secret}"}, {"subject": subject})
