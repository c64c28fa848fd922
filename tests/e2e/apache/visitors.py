"""Visitors of a site behind Apache httpd and mod_auth_openidc."""

import base64
import json
import os
import re
from pathlib import Path

from checks import check, finish
from proxied import (
    Corpus,
    Site,
    a_service_that_is_down,
    dishonest,
    honest,
    one_connection_many_visitors,
    past_the_proxy,
    the_proof_stays,
    what_arrives,
)

WORK = Path(os.environ["WORK"])
NAMES = re.findall(r"^RequestHeader unset (\S+) +early$", Path(os.environ["NAMES"]).read_text(), re.MULTILINE)


def base64url(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


CORPUS = Corpus(NAMES, "OIDC_CLAIM_sub", os.environ["PROOF"], base64url)


def site(name, echo=False):
    port = os.environ[name]
    cookies = json.loads((WORK / f"visitors-{port}.json").read_text())
    return Site(name, port, cookies.__getitem__, echo)


def only_what_is_read(name, values, headers):
    credentials = [h for h in headers if re.search("token|payload|userinfo", h[0], re.IGNORECASE)]
    check(f"{name}: no token of the provider", not credentials, headers)
    check(f"{name}: nothing that Apache speaks of itself", not values("X-Forwarded-User"), headers)


def sessions_that_nobody_has(site):
    genuine = re.search("mod_auth_openidc_session=([^;]+)", site.cookie("alice"))[1]
    for what, value in (
        ("a session made up", "00000000-0000-4000-8000-000000000000"),
        ("a session cut short", genuine[:-1]),
        ("an empty session", ""),
        ("a session under another cookie's name", None),
        ("a path for a session", "../../alice"),
    ):
        cookie = f"session={genuine}" if value is None else f"mod_auth_openidc_session={value}"
        answer = site.ask([("Cookie", cookie)])
        check(f"{site.name}: {what} is nobody's", answer.status == 401, answer)


apache = site("APACHE")
honest(apache, lambda visitor: f"Zoë 王 {visitor}")
dishonest(apache, CORPUS)
sessions_that_nobody_has(apache)
one_connection_many_visitors(apache, ["alice", "bob", "carol"])
what_arrives(site("APACHE_ECHO", echo=True), CORPUS, only_what_is_read)
past_the_proxy(Site("SERVICE", os.environ["SERVICE"], str), CORPUS)
a_service_that_is_down(apache, int(os.environ["SERVICE_PID"]))
the_proof_stays(CORPUS)
finish()
