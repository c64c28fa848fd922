"""A stop loses no request that had begun, and is a stop."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from checks import check, finish
from service import FETCH, Service, free_port, identity, read_answer, request, status_of


class SlowSessions(BaseHTTPRequestHandler):
    """The host's session endpoint, which takes its time."""

    protocol_version = "HTTP/1.1"
    delay = 0.8

    def do_GET(self):
        time.sleep(self.delay)
        body = b'{"sub": "alice", "name": "Alice"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Sessions(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


def everyone(count, act):
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(act, range(count)))


def slow_requests_are_waited_for():
    sessions = Sessions(("127.0.0.1", free_port()), SlowSessions)
    threading.Thread(target=sessions.serve_forever, daemon=True).start()
    settings = {
        "SESSION_SOURCES": "upstream",
        "FORWARDED_CONVENTION": None,
        "FORWARDED_PROOF_SECRET": None,
        "UPSTREAM_SESSION_URL": f"http://127.0.0.1:{sessions.server_port}/me",
        "UPSTREAM_SESSION_COOKIES": "site",
        "UPSTREAM_ALLOW_HTTP": "true",
    }
    with Service("slow", **settings) as service:
        sent = threading.Barrier(33)

        def ask(i):
            with service.connect() as stream:
                stream.sendall(request(f"{FETCH}Cookie: site=visitor{i}\r\n"))
                sent.wait()
                return status_of(read_answer(stream))

        with ThreadPoolExecutor(32) as pool:
            answers = [pool.submit(ask, i) for i in range(32)]
            sent.wait()
            time.sleep(0.2)
            service.terminate()
            statuses = [answer.result() for answer in answers]
        check("requests that wait for the host's session are answered", statuses == [200] * 32, statuses)
        check("and then the process ends well", service.process.wait(timeout=40) == 0)
    sessions.shutdown()


def begun_requests_are_answered():
    """Connections are open and requests are written right up to the signal, so some of them are still in the kernel."""
    lost, total = [], 0
    for _ in range(8):
        with Service("begun") as service:
            streams = [service.connect() for _ in range(200)]
            for stream in streams:
                stream.sendall(request(FETCH + identity()))
            service.terminate()
            for stream in streams:
                total += 1
                try:
                    status = status_of(read_answer(stream))
                except OSError as problem:
                    status = problem
                if status != 200:
                    lost.append(status)
                stream.close()
            ended = service.process.wait(timeout=40)
            if ended != 0:
                lost.append(f"exit code {ended}")
    check(f"of {total} requests that were written before the signal, none is lost", not lost, lost[:5] + [len(lost)])


def kept_connections_are_answered():
    """A request on a connection that has been used before, sent at the moment of the signal."""
    lost, total = [], 0
    for _ in range(4):
        with Service("kept") as service:
            streams = [service.connect() for _ in range(100)]
            for stream in streams:
                stream.sendall(request(FETCH + identity()))
                read_answer(stream)
            for stream in streams:
                stream.sendall(request(FETCH + identity()))
            service.terminate()
            for stream in streams:
                total += 1
                try:
                    status = status_of(read_answer(stream))
                except OSError as problem:
                    status = problem
                if status != 200:
                    lost.append(status)
                stream.close()
            service.process.wait(timeout=40)
    check(f"of {total} requests on kept connections, none is lost", not lost, lost[:5] + [len(lost)])


def a_stop_ends_under_load():
    """Visitors keep coming while the service stops: those who got in are answered, and the stop still comes to an end."""
    with Service("load") as service:
        stop = threading.Event()
        outcomes = []

        def visit(_):
            while not stop.is_set():
                try:
                    stream = service.connect(timeout=10)
                except OSError:
                    outcomes.append("refused")
                    time.sleep(0.01)
                    continue
                before = time.monotonic()
                try:
                    with stream:
                        stream.sendall(request(FETCH + identity()))
                        outcomes.append((before, status_of(read_answer(stream))))
                except OSError as problem:
                    outcomes.append((before, problem))

        with ThreadPoolExecutor(8) as pool:
            for i in range(8):
                pool.submit(visit, i)
            time.sleep(1)
            signalled = time.monotonic()
            service.terminate()
            try:
                ended = service.process.wait(timeout=20)
            except Exception as problem:
                ended = problem
            stop.set()
        begun = [o for o in outcomes if o != "refused" and o[0] < signalled]
        lost = [o for o in begun if o[1] != 200]
        check("a stop under load comes to its end", ended == 0, ended)
        check(
            f"of {len(begun)} requests that began before it, none is lost", begun and not lost, lost[:5] + [len(lost)]
        )


def an_idle_connection_does_not_hold_the_stop():
    with Service("idle") as service:
        silent = service.connect()
        kept = service.connect()
        kept.sendall(request(FETCH + identity()))
        read_answer(kept)
        half = service.connect()
        half.sendall(b"GET /token HTTP/1.1\r\nHost: ")
        time.sleep(0.3)
        service.terminate()
        began = time.monotonic()
        ended = service.process.wait(timeout=40)
        took = time.monotonic() - began
        check(
            "silent, kept and half-sent connections do not hold a stop for its whole grace",
            ended == 0 and took < 20,
            took,
        )
        for stream in (silent, kept, half):
            stream.close()


def the_listener_is_released():
    with Service("release") as service:
        service.terminate()
        service.process.wait(timeout=40)
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", service.port))
        check("the address is free at once for the next process", True)


slow_requests_are_waited_for()
begun_requests_are_answered()
kept_connections_are_answered()
a_stop_ends_under_load()
an_idle_connection_does_not_hold_the_stop()
the_listener_is_released()
finish()
