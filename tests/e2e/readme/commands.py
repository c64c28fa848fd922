"""Runs every block of shell in the README, in order, each where the one before it ended."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path

from checks import check, finish

ROOT, WORK, BIN = (Path(os.environ[name]) for name in ("ROOT", "WORK", "BIN"))
README = (ROOT / "README.md").read_text()
LISTEN = f"127.0.0.1:{os.environ['PUBLIC_PORT']}"
CLONE, HOME = WORK / "clone", WORK / "home"
# What keeps running until it is stopped, and what it prints once it is there.
SERVICES = {"cargo run -- demo": "http://", "countersign serve --env-file .env": "listening"}
# The other steps of the tests are what this runs.
ELSEWHERE = "tests/run --fast"


def clone():
    """Copies what is in the repository, or would be with the next commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (CLONE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, CLONE / name)
    HOME.mkdir()


def environment():
    kept = {name: os.environ[name] for name in ("NO_PROXY", "no_proxy", "BIN") if name in os.environ}
    paths = [str(HOME / ".cargo/bin"), str(ROOT / "tests/e2e/readme"), os.environ["PATH"]]
    return kept | {
        "HOME": str(HOME),
        "PATH": ":".join(paths),
        "CARGO": shutil.which("cargo"),
        "CARGO_HOME": os.environ.get("CARGO_HOME", os.path.expanduser("~/.cargo")),
        "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", os.path.expanduser("~/.rustup")),
        "LISTEN": LISTEN,
        "ADMIN_LISTEN": f"127.0.0.1:{os.environ['ADMIN_PORT']}",
    }


class Shell:
    """A terminal: remembers the folder it is in, and what it left running."""

    def __init__(self):
        self.folder, self.env, self.running = CLONE, environment(), []

    def run(self, block):
        *lines, last = block.strip().splitlines()
        if last in SERVICES:
            done = self.finish("\n".join(lines)) if lines else (0, "")
            return done if done[0] else self.start(last)
        return self.finish(block)

    def finish(self, text):
        text = f"cd '{self.folder}'\n{text.replace('127.0.0.1:8080', LISTEN)}\npwd >'{WORK}/pwd'"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
        )
        if done.returncode == 0:
            self.folder = Path((WORK / "pwd").read_text().strip())
        return done.returncode, done.stdout

    def start(self, line):
        log = WORK / f"service-{len(self.running)}.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {line}"], cwd=self.folder, env=self.env,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )
        self.running.append(process)
        for _ in range(600):
            if SERVICES[line] in log.read_text() or process.poll() is not None:
                break
            time.sleep(0.05)
        return process.poll() or 0, log.read_text()

    def stop(self):
        for process in self.running:
            process.send_signal(signal.SIGTERM)
        for process in self.running:
            check(f"{process.args[-1][5:]}: it ends when told to", process.wait(timeout=30) == 0, process.returncode)


clone()
shell = Shell()
blocks = re.findall(r"^```sh\n(.*?)^```$", README, re.M | re.S)
check("the README shows commands", len(blocks) >= 8, len(blocks))
said = ""
for block in blocks:
    if block.strip() == ELSEWHERE:
        steps = subprocess.run(["tests/run", "--list"], cwd=CLONE, capture_output=True, text=True)
        check(f"{ELSEWHERE}: it is there to be run", "e2e/readme" in steps.stdout, steps)
        continue
    code, output = shell.run(block)
    said += output
    check(block.strip().splitlines()[0], code == 0, output[-2000:])
check("a visitor's token was made and verified", "4711" in said or "34373131" in said, said[-2000:])
check("no warning was heeded too late", "Warning" not in said, said[-2000:])
secrets = [path for name in ("proof", "medchat", "pseudonym", "signing.pem", "accounts.jsonl") for path in CLONE.rglob(name)]
mine = [stat.S_IMODE(path.stat().st_mode) == 0o600 for path in secrets if path.is_file() and "e2e" not in path.parts]
check("only you can read what is secret", len(mine) >= 5 and all(mine), [str(path) for path in secrets])
for text in re.findall(r"^```json\n(.*?)^```$", README, re.M | re.S):
    check("what is shown as JSON is JSON", isinstance(json.loads(text), dict))
shell.stop()
finish()
