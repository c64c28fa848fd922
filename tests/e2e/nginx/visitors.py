"""Visitors of a site behind nginx."""

import os
import re
import signal
import time
from pathlib import Path

from checks import check, finish
from proxied import (
    Corpus,
    Site,
    dishonest,
    honest,
    one_connection_many_visitors,
    past_the_proxy,
    the_proof_stays,
    what_arrives,
)


def cookie(visitor):
    return f"session={visitor}"


NAMES = re.findall(r"^proxy_set_header (\S+)", Path(os.environ["NAMES"]).read_text(), re.MULTILINE)
CORPUS = Corpus(NAMES, "X-Auth-Request-User", os.environ["PROOF"])


def what_only_this_login_says(site):
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
        f"{where}: an odd answer of the login is an outage",
        odd.status == 503 and odd.json()["code"] == "upstream_unavailable",
        odd,
    )
    renewed = site.ask(visitor="renewed")
    check(
        f"{where}: a renewed session reaches the browser",
        "session=renewed" in (renewed.header("Set-Cookie") or ""),
        renewed,
    )


def one_request_id(name, values, headers):
    ids = values("X-Request-Id")
    check(f"{name}: one sound request id", len(ids) == 1 and re.fullmatch("[0-9a-f]{32}", ids[0]), headers)


def outages(site):
    os.kill(int(os.environ["LOGIN_PID"]), signal.SIGKILL)
    time.sleep(0.2)
    answer = site.ask(visitor="alice")
    check(
        "a login that is down is an outage, not a logout",
        answer.status == 503
        and answer.json()["code"] == "upstream_unavailable"
        and answer.header("Retry-After") is not None,
        answer,
    )


usual = Site("USUAL", os.environ["USUAL"], cookie)
careless = Site("CARELESS", os.environ["CARELESS"], cookie)
for proxy in (usual, careless):
    honest(proxy, lambda visitor: f"Zoë 王 {visitor}")
    what_only_this_login_says(proxy)
    dishonest(proxy, CORPUS)
    one_connection_many_visitors(proxy)
    echo = Site(f"{proxy.name}_ECHO", os.environ[f"{proxy.name}_ECHO"], cookie, echo=True)
    what_arrives(echo, CORPUS, one_request_id)
past_the_proxy(Site("SERVICE", os.environ["SERVICE"], cookie), CORPUS)
outages(usual)
the_proof_stays(CORPUS)
finish()
