"""What a service manager hears from the service, and the sockets it may open for it."""

import os
import signal
import socket
import time

from checks import check, finish
from service import FETCH, WORK, Service, identity, read_answer, request, status_of

GOOD = request(FETCH + identity())


class Manager:
    """The socket that a service reports to."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(15)

    def hears(self, word, but=b"WATCHDOG=1"):
        """The next message that is not about being alive."""
        while True:
            message = self.socket.recv(4096)
            if message != but:
                return word in message.splitlines(), message


def reports(name, address, setting):
    manager = Manager(address)
    with Service(f"notify-{name}", NOTIFY_SOCKET=setting, SHUTDOWN_DELAY="1s", SHUTDOWN_GRACE="2m") as service:
        check(f"it says that it serves ({name})", *manager.hears(b"READY=1"))
        check("and does", status_of(service.ask(GOOD)) == 200)
        service.process.send_signal(signal.SIGHUP)
        said, message = manager.hears(b"RELOADING=1")
        check("that it reloads, and when", said and b"MONOTONIC_USEC=" in message, message)
        check("and that it has reloaded", *manager.hears(b"READY=1"))
        service.terminate()
        said, message = manager.hears(b"STOPPING=1")
        check("that it stops", said, message)
        check("and how long that may take", b"EXTEND_TIMEOUT_USEC=131000000" in message, message)
        check("it ends well", service.process.wait(timeout=40) == 0)


def says_that_it_is_alive():
    address = str(WORK / "alive")
    manager = Manager(address)
    with Service("watchdog", NOTIFY_SOCKET=address, WATCHDOG_USEC="400000") as service:
        beats, until = 0, time.monotonic() + 2
        while time.monotonic() < until:
            beats += manager.socket.recv(4096) == b"WATCHDOG=1"
        check("it says that it is alive, twice as often as is asked for", 6 <= beats <= 12, beats)
        service.process.send_signal(signal.SIGSTOP)
        manager.socket.settimeout(1)
        silent = False
        try:
            while manager.socket.recv(4096):
                pass
        except TimeoutError:
            silent = True
        service.process.send_signal(signal.SIGCONT)
        check("a service that hangs does not", silent)
    other = str(WORK / "other")
    manager = Manager(other)
    with Service("not-ours", NOTIFY_SOCKET=other, WATCHDOG_USEC="100000", WATCHDOG_PID="1"):
        manager.socket.settimeout(1)
        messages = []
        try:
            while True:
                messages.append(manager.socket.recv(4096))
        except TimeoutError:
            pass
        check("a watchdog of another process is not ours", b"WATCHDOG=1" not in messages, messages)


class Activated(Service):
    """A service that is handed sockets, the first as descriptor 3."""

    def __init__(self, name, sockets, **settings):
        super().__init__(name, LISTEN_FDS=str(len(sockets)), **settings)
        self.handed = [handed.fileno() for handed in sockets]
        moves = " ".join(f"{3 + at}<&{number}" for at, number in enumerate(self.handed))
        self.command = ["bash", "-c", f'export LISTEN_PID=$$; exec "$0" "$@" {moves}']

    def popen_options(self):
        return {"pass_fds": self.handed}


def listening(address, family=socket.AF_INET):
    stream = socket.socket(family)
    stream.bind(address)
    stream.listen(64)
    return stream


def takes_over_a_port():
    public = listening(("127.0.0.1", 0))
    port = public.getsockname()[1]
    with Activated("activated", [public], LISTEN=f"127.0.0.1:{port}") as service:
        service.port = port
        check("it serves on the socket that it is handed", status_of(service.ask(GOOD)) == 200)
        service.terminate()
        service.process.wait(timeout=40)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as waiting:
        waiting.sendall(GOOD)
        with Activated("activated-again", [public], LISTEN=f"127.0.0.1:{port}"):
            check("who comes during a restart waits and is answered", status_of(read_answer(waiting)) == 200)


def takes_over_both_listeners():
    public, admin = listening(("127.0.0.1", 0)), listening(("127.0.0.1", 0))
    settings = {"LISTEN_FDNAMES": "countersign.socket:admin"}
    service = Activated("both", [public, admin], **settings)
    service.port, service.admin = public.getsockname()[1], admin.getsockname()[1]
    with service:
        check("the socket that is called admin is the admin listener's", "HTTP/1.1 200" in service.admin_text("/live"))
        check("the other one is for visitors", status_of(service.ask(GOOD)) == 200)


def takes_over_a_unix_socket():
    path = str(WORK / "http.sock")
    handed = listening(path, socket.AF_UNIX)
    settings = {"LISTEN": f"unix:{path}", "FORWARDED_PROOF_SECRET": None}
    with Activated("unix", [handed], **settings) as service:
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(path)
            stream.sendall(request(FETCH + "X-Forwarded-User: alice\r\nX-Forwarded-Preferred-Username: Alice\r\n"))
            check("a Unix socket proves where headers come from, whoever opened it", status_of(read_answer(stream)) == 200)
        service.terminate()
        service.process.wait(timeout=40)
    check("and is not removed: it is not ours", os.path.exists(path))


def refuses_another_kind():
    path = str(WORK / "http.sock")
    handed = listening(("127.0.0.1", 0))
    service = Activated("kind", [handed], LISTEN=f"unix:{path}.other", FORWARDED_PROOF_SECRET=None)
    try:
        with service:
            pass
        check("a socket of another kind than LISTEN says is refused", False)
    except RuntimeError as ended:
        check("a socket of another kind than LISTEN says is refused", "hands over a TCP socket" in str(ended), ended)


reports("a path", str(WORK / "notify"), str(WORK / "notify"))
reports("an abstract name", f"\0countersign-{os.getpid()}", f"@countersign-{os.getpid()}")
says_that_it_is_alive()
takes_over_a_port()
takes_over_both_listeners()
takes_over_a_unix_socket()
refuses_another_kind()
finish()
