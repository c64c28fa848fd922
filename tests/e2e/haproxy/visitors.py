"""Visitors of a site behind HAProxy."""

import os
import re
from pathlib import Path

from checks import check, finish
from proxied import (
    FETCH,
    Corpus,
    Site,
    a_service_that_is_down,
    dishonest,
    honest,
    instances,
    one_connection_many_visitors,
    spellings,
    the_proof_stays,
)


def cookie(visitor):
    return f"session={visitor}"


NAMES = re.findall(r"^proxy_set_header (\S+)", Path(os.environ["NAMES"]).read_text(), re.MULTILINE)
CORPUS = Corpus(NAMES, "X-Auth-Request-User", os.environ["PROOF"])


def nothing_of_it_arrives(site):
    lies = [(spelling, CORPUS.lie) for name in NAMES for spelling in dict.fromkeys(spellings(name))]
    lies += [("Forwarded", "for=10.9.9.9"), ("X-Forwarded-For", "10.9.9.9")]
    # HAProxy takes a hundred headers.
    for begin in range(0, len(lies), 50):
        headers = site.ask(lies[begin : begin + 50], visitor="alice").json()["headers"]
        told = [header for header in headers if CORPUS.lie in header[1] or "10.9.9.9" in header[1]]
        check(f"{site.name}: no lie of {begin} to {begin + 50} arrives", not told, told)
    check(f"{site.name}: one proof", instances(headers, "X-Countersign-Proof") == [CORPUS.proof], headers)
    check(f"{site.name}: the peer's address", instances(headers, "X-Forwarded-For") == ["127.0.0.1"], headers)
    untouched = all(instances(headers, name) == [value] for name, value in FETCH)
    check(f"{site.name}: Fetch Metadata and the visitor's cookie untouched", untouched and instances(headers, "Cookie"), headers)


haproxy = Site("HAPROXY", os.environ["HAPROXY"], cookie)
honest(haproxy, lambda visitor: f"Zoë 王 {visitor}")
dishonest(haproxy, CORPUS)
one_connection_many_visitors(haproxy)
nothing_of_it_arrives(Site("HAPROXY_ECHO", os.environ["HAPROXY_ECHO"], cookie, echo=True))
a_service_that_is_down(haproxy, int(os.environ["SERVICE_PID"]))
the_proof_stays(CORPUS)
finish()
