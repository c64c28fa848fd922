"""TLS by openssl's certificates and curl's eyes: who gets in, whom headers are believed from, and a rotation under load."""

import os
import shutil
import signal
import ssl
import subprocess
import threading
import time

from checks import check, finish
from service import FETCH, WORK, Service, read_answer, request, status_of

PKI = WORK / "pki"
WHO = "X-Forwarded-User: alice\r\nX-Forwarded-Preferred-Username: Alice\r\n"
GOOD = request(FETCH + WHO)


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def authority(name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
            "-keyout", PKI / f"{name}.key", "-out", PKI / f"{name}.pem")


def certificate(name, by, alternative, days=2):
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
            "-keyout", PKI / f"{name}.key", "-out", PKI / f"{name}.csr")
    (PKI / f"{name}.ext").write_text(f"subjectAltName={alternative}\n")
    openssl("x509", "-req", "-days", str(days), "-in", PKI / f"{name}.csr", "-CA", PKI / f"{by}.pem", "-CAkey", PKI / f"{by}.key",
            "-CAcreateserial", "-extfile", PKI / f"{name}.ext", "-out", PKI / f"{name}.pem")


def put(source, target):
    """As orchestrators do: the new file takes the old one's name in one step."""
    fresh = target.with_suffix(".new")
    shutil.copy(source, fresh)
    os.replace(fresh, target)


def curl(service, *words, scheme="https"):
    """curl's exit code and the status that it saw."""
    command = ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--max-time", "20", "--noproxy", "*",
               "--cacert", PKI / "site.pem", *words]
    for line in (FETCH + WHO).split("\r\n"):
        command += ["--header", line] if line else []
    ran = subprocess.run([*map(str, command), f"{scheme}://localhost:{service.port}/token"], capture_output=True, text=True)
    return ran.returncode, ran.stdout


def showing(name):
    return "--cert", PKI / f"{name}.pem", "--key", PKI / f"{name}.key"


def context_of(name):
    context = ssl.create_default_context(cafile=PKI / "site.pem")
    if name:
        context.load_cert_chain(PKI / f"{name}.pem", PKI / f"{name}.key")
    return context


def serial(service, name):
    """Which certificate a new connection is shown."""
    with context_of(name).wrap_socket(service.connect(), server_hostname="localhost") as stream:
        return int(stream.getpeercert()["serialNumber"], 16)


def serial_of(name):
    ran = subprocess.run(["openssl", "x509", "-noout", "-serial", "-in", PKI / f"{name}.pem"], check=True, capture_output=True, text=True)
    return int(ran.stdout.strip().split("=")[1], 16)


def settings_with(**more):
    cert, key = PKI / "live.pem", PKI / "live.key"
    put(PKI / "first.pem", cert)
    put(PKI / "first.key", key)
    return {"TLS_CERT_FILE": str(cert), "TLS_KEY_FILE": str(key), "FORWARDED_PROOF_SECRET": None} | more


def who_gets_in():
    settings = settings_with(TLS_CLIENT_CA_FILE=str(PKI / "proxies.pem"), TLS_CLIENT_NAMES="proxy.internal")
    with Service("mutual", **settings) as service:
        check("the proxy's certificate proves where identity headers come from", curl(service, *showing("proxy")) == (0, "200"))
        for name, who in (("other", "a name that is not asked for"), ("foreign", "another authority")):
            code, status = curl(service, *showing(name))
            check(f"a certificate of {who} gets nobody in", code != 0 and status == "000", (code, status))
        code, status = curl(service)
        check("neither does none", code != 0 and status == "000", (code, status))
        code, status = curl(service, scheme="http")
        check("plain HTTP is no way around it", status != "200", (code, status))
        log = service.log.read_text()
        check("the log says why", "TLS_CLIENT_NAMES" in log and log.count("no TLS came about") >= 3, log[-2000:])
        check("HTTP/1.1 is agreed on", b"HTTP/1.1 200" in ask(service, "proxy"))
    settings = settings_with(FORWARDED_PROOF_SECRET=os.environ["PROOF"])
    with Service("server-only", **settings) as service:
        secret = ("--header", f"X-Countersign-Proof: {os.environ['PROOF']}")
        check("without TLS_CLIENT_CA nobody is asked for a certificate", curl(service, *secret) == (0, "200"))
        check("and one that is shown all the same proves nothing", curl(service, *showing("proxy")) == (0, "401"))


def ask(service, name):
    with context_of(name).wrap_socket(service.connect(), server_hostname="localhost") as stream:
        stream.sendall(GOOD)
        return read_answer(stream)


def what_does_not_start():
    cases = {
        "TLS alone is no proof of origin": (settings_with(), "TLS_CLIENT_CA"),
        "a key of another certificate is named": (settings_with(TLS_KEY_FILE=str(PKI / "proxy.key"), TLS_CLIENT_CA_FILE=str(PKI / "proxies.pem")), "do not belong together"),
        "a certificate without a key is named": (settings_with(TLS_KEY_FILE=None), "TLS_KEY"),
        "so are authorities without a certificate of one's own": ({"TLS_CLIENT_CA_FILE": str(PKI / "proxies.pem")}, "needs TLS_CERT"),
    }
    for name, (settings, says) in cases.items():
        service = Service("wrong", **settings)
        ran = subprocess.run([os.environ["BIN"], "check"], env=service.settings, capture_output=True, text=True)
        check(name, ran.returncode == 2 and says in ran.stderr + ran.stdout, ran.stderr)


def reload_until(service, holds):
    service.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return False


def days_left(service):
    series = 'countersign_certificate_not_after_timestamp_seconds{setting="TLS_CERT"} '
    return (int(service.admin_text("/metrics").partition(series)[2].split()[0]) - time.time()) / 86400


def a_rotation_loses_nothing():
    settings = settings_with(TLS_CLIENT_CA_FILE=str(PKI / "proxies.pem"))
    with Service("rotation", **settings) as service:
        said = "holds a certificate that ends on"
        checked = subprocess.run([os.environ["BIN"], "check", "--quiet"], env=service.settings, capture_output=True, text=True)
        check("check says that the first certificate soon ends", f"TLS_CERT: {said}" in checked.stdout, checked)
        check("and so does the log", f"TLS_CERT {said}" in service.log.read_text())
        check("and a metric says when", 1 < days_left(service) <= 2, days_left(service))
        stop, failed, served = threading.Event(), [], []

        def fresh():
            while not stop.is_set():
                note(lambda: ask(service, "proxy"))

        def kept():
            with context_of("proxy").wrap_socket(service.connect(), server_hostname="localhost") as stream:
                while not stop.is_set():
                    note(lambda: (stream.sendall(GOOD), read_answer(stream))[1])
                    time.sleep(0.005)

        def note(act):
            try:
                answer = act()
                (served if status_of(answer) == 200 else failed).append(answer)
            except OSError as problem:
                failed.append(problem)

        threads = [threading.Thread(target=act) for act in (fresh, fresh, kept, kept)]
        for thread in threads:
            thread.start()
        try:
            check("at first the first certificate is shown", serial(service, "proxy") == serial_of("first"))
            put(PKI / "second.pem", PKI / "live.pem")
            refused = reload_until(service, lambda: "changed files were refused" in service.log.read_text())
            check("a certificate whose key has not come yet is not used", refused and serial(service, "proxy") == serial_of("first"))
            put(PKI / "second.key", PKI / "live.key")
            check("once both are there, the second one is shown", reload_until(service, lambda: serial(service, "proxy") == serial_of("second")))
            check("the metric knows it", days_left(service) > 300, days_left(service))
            time.sleep(1)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        check(f"of {len(served)} requests meanwhile none failed", len(served) > 100 and not failed, failed[:3])


PKI.mkdir()
for name in ("site", "proxies", "elsewhere"):
    authority(name)
for name, days in (("first", 2), ("second", 400)):
    certificate(name, "site", "DNS:localhost,IP:127.0.0.1", days)
certificate("proxy", "proxies", "DNS:proxy.internal")
certificate("other", "proxies", "DNS:laptop.internal")
certificate("foreign", "elsewhere", "DNS:proxy.internal")
who_gets_in()
what_does_not_start()
a_rotation_loses_nothing()
finish()
