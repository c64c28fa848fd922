"""Connections that waste our time are closed; those that a proxy keeps for later are not."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

from checks import check, finish
from service import FETCH, Service, identity, read_answer, request, status_of

GOOD = request(FETCH + identity())
# Ten seconds is what a request's head may take; twice that and more is a generous deadline on a busy machine.
DEADLINE = 30


def ends_within(stream, seconds):
    """Whether the other side ends the connection, and after how long."""
    began = time.monotonic()
    stream.settimeout(seconds)
    try:
        while stream.recv(4096):
            pass
    except TimeoutError:
        return None
    except OSError:
        pass  # a reset is an end too
    return time.monotonic() - began


def silent(service):
    with service.connect() as stream:
        took = ends_within(stream, DEADLINE)
    return "a connection that says nothing is closed", took is not None, took


def half_sent(service):
    with service.connect() as stream:
        stream.sendall(b"GET /token HTTP/1.1\r\nHost: www.example.org\r\nX-Slow: ")
        took = ends_within(stream, DEADLINE)
    return "a half-sent head is closed", took is not None, took


def trickling(service):
    """A byte now and then: the wait is for the whole head, not for the next byte."""
    began = time.monotonic()
    with service.connect() as stream:
        stream.settimeout(0.5)
        stream.sendall(b"GET /token HTTP/1.1\r\nX-Slow: ")
        while time.monotonic() - began < DEADLINE:
            try:
                stream.sendall(b"a")
                if not stream.recv(1):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    took = time.monotonic() - began
    return "a head that trickles in is closed", took < DEADLINE, took


def second_half_sent(service):
    """On a connection that has proven itself, too."""
    with service.connect() as stream:
        stream.sendall(GOOD)
        read_answer(stream)
        stream.sendall(b"GET /tok")
        took = ends_within(stream, DEADLINE)
    return "a half-sent second request is closed", took is not None, took


def promised_body(service):
    with service.connect() as stream:
        stream.sendall(
            request(FETCH + identity() + "Content-Type: application/json\r\nContent-Length: 100\r\n", method="POST")
        )
        answer = read_answer(stream)
    return "a body that never comes does not hold the answer", status_of(answer) == 200, answer


def kept(service):
    """As a proxy's connection pool does: a request, a rest that is longer than a head may take, and another."""
    with service.connect() as stream:
        stream.sendall(GOOD)
        first = status_of(read_answer(stream))
        time.sleep(14)
        stream.sendall(GOOD)
        second = status_of(read_answer(stream))
    return "a kept connection may rest longer than a head may take", (first, second) == (200, 200), (first, second)


def crowded(service):
    """While hundreds say nothing, others are served."""
    crowd = [service.connect() for _ in range(500)]
    answers = [status_of(service.ask(GOOD)) for _ in range(50)]
    for stream in crowd:
        stream.close()
    return "five hundred silent connections keep nobody from being served", answers == [200] * 50, answers


def unread(service):
    """Asks and asks, and never reads an answer: it may fill its own buffers, not our memory."""
    before = service.resident_kib()
    with service.connect() as stream:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stream.settimeout(2)
        try:
            for _ in range(20_000):
                stream.sendall(GOOD)
        except OSError:
            pass
        grown = service.resident_kib() - before
    return "who never reads gets no more than buffers", grown < 8 * 1024, f"{grown} KiB"


with Service("patience") as service:
    parts = [silent, half_sent, trickling, second_half_sent, promised_body, kept, crowded]
    with ThreadPoolExecutor(len(parts)) as pool:
        for result in pool.map(lambda part: part(service), parts):
            check(*result)
    check(*unread(service))
    check("and the service still answers", status_of(service.ask(GOOD)) == 200)
finish()
