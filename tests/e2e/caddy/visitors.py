"""Visitors of a site behind Caddy."""

import os
import re
from pathlib import Path

from checks import finish
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


NAMES = re.findall(r"^request_header -(\S+)", Path(os.environ["NAMES"]).read_text(), re.MULTILINE)
CORPUS = Corpus(NAMES, "Remote-User", os.environ["PROOF"])

caddy = Site("CADDY", os.environ["CADDY"], cookie)
honest(caddy, lambda visitor: f"Zoë 王 {visitor}")
answers_of_the_login(caddy, redirected=(401, "login_required"))
dishonest(caddy, CORPUS)
one_connection_many_visitors(caddy)
what_arrives(Site("CADDY_ECHO", os.environ["CADDY_ECHO"], cookie, echo=True), CORPUS)
past_the_proxy(Site("SERVICE", os.environ["SERVICE"], cookie), CORPUS)
a_service_that_is_down(caddy, int(os.environ["SERVICE_PID"]))
a_login_that_is_down(caddy, int(os.environ["LOGIN_PID"]))
the_proof_stays(CORPUS)
finish()
