"""Visitors of a site behind nginx."""

import os
import re
from pathlib import Path

from checks import check, finish
from proxied import (
    Corpus,
    Site,
    a_login_that_is_down,
    a_service_that_is_down,
    answers_of_the_login,
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


def one_request_id(name, values, headers):
    ids = values("X-Request-Id")
    check(f"{name}: one sound request id", len(ids) == 1 and re.fullmatch("[0-9a-f]{32}", ids[0]), headers)


usual = Site("USUAL", os.environ["USUAL"], cookie)
careless = Site("CARELESS", os.environ["CARELESS"], cookie)
for proxy in (usual, careless):
    honest(proxy, lambda visitor: f"Zoë 王 {visitor}")
    answers_of_the_login(proxy)
    dishonest(proxy, CORPUS)
    one_connection_many_visitors(proxy)
    echo = Site(f"{proxy.name}_ECHO", os.environ[f"{proxy.name}_ECHO"], cookie, echo=True)
    what_arrives(echo, CORPUS, one_request_id)
past_the_proxy(Site("SERVICE", os.environ["SERVICE"], cookie), CORPUS)
a_service_that_is_down(usual, int(os.environ["SERVICE_PID"]))
a_login_that_is_down(usual, int(os.environ["LOGIN_PID"]))
the_proof_stays(CORPUS)
finish()
