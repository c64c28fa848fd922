"""Killed without warning, the service starts again where it was; a second one does not push the first aside."""

import json
import os
import socket
import stat
import subprocess
from pathlib import Path

from checks import check, finish
from service import FETCH, WORK, Service, identity, read_answer, request, status_of

GOOD = request(FETCH + identity())


def again_on_tcp():
    service = Service("restart")
    for _ in range(3):
        with service:
            answers = [status_of(service.ask(GOOD)) for _ in range(20)]
            check("it answers after it was killed", answers == [200] * 20, answers)
            service.process.kill()
            service.process.wait()
    lines = (WORK / "restart.audit").read_text().splitlines()
    whole = [json.loads(line) for line in lines]
    issued = [line for line in whole if line.get("outcome") == "issued"]
    check("its audit log holds every token's record across the kills", len(issued) == 60, len(issued))


def again_on_a_unix_socket():
    path = Path("/tmp") / f"countersign-{os.getpid()}.sock"
    service = Service("unix", LISTEN=f"unix:{path}", FORWARDED_PROOF_SECRET=None)

    def ask():
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(20)
            stream.connect(str(path))
            stream.sendall(request(FETCH + "X-Forwarded-User: alice\r\nX-Forwarded-Preferred-Username: Alice\r\n"))
            return status_of(read_answer(stream))

    with service:
        check("a Unix socket is proof enough", ask() == 200)
        check(
            "and only the owner and the group may open it",
            stat.S_IMODE(path.stat().st_mode) == 0o660,
            oct(path.stat().st_mode),
        )
        rival = subprocess.run(
            [os.environ["BIN"], "serve"], env=service.settings, capture_output=True, text=True, timeout=30
        )
        told = rival.stdout + rival.stderr
        check("a second service does not take the socket away", rival.returncode == 1 and str(path) in told, told)
        check("and the first still answers on it", ask() == 200)
        service.process.kill()
        service.process.wait()
        check("a kill leaves the socket's file behind", path.exists())
    with service:
        check("and the next start takes it over", ask() == 200)
        service.terminate()
        service.process.wait(timeout=40)
        check("a stop takes the file away", not path.exists())


def one_address_one_service():
    with Service("first") as first:
        rival = subprocess.run(
            [os.environ["BIN"], "serve"], env=first.settings, capture_output=True, text=True, timeout=30
        )
        told = rival.stdout + rival.stderr
        check("a taken address is named", rival.returncode == 1 and f"127.0.0.1:{first.port}" in told, told)
        check("and the first service goes on", status_of(first.ask(GOOD)) == 200)


again_on_tcp()
again_on_a_unix_socket()
one_address_one_service()
finish()
