"""Reads compose.yaml as an operator's eyes would, and hands countersign's part of it to countersign."""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from checks import check, finish

compose_file, dockerfile, secrets = map(Path, sys.argv[1:])
site = yaml.safe_load(compose_file.read_text())
services = site["services"]
countersign = services["countersign"]


def environment():
    """What the process would find: the image's settings, then the service's, with the secrets where they are here."""
    block = re.search(r"^ENV ((?:.*\\\n)*.*)$", dockerfile.read_text(), re.MULTILINE)[1]
    image = dict(pair.split("=", 1) for pair in re.sub(r"\\\n", " ", block).split())
    given = {"SITE": "https://www.example.org"}
    own = {
        name: re.sub(r"\$\{(\w+)[^}]*\}", lambda m: given[m[1]], str(value)).replace("/run/secrets", str(secrets))
        for name, value in countersign["environment"].items()
    }
    return image | own


ended = subprocess.run([os.environ["BIN"], "check"], env=environment(), capture_output=True, text=True, check=False)
check("countersign calls its part of compose.yaml a good configuration", ended.returncode == 0, ended.stderr)
check("and warns of nothing", "Warning" not in ended.stdout, ended.stdout)
published = [name for name, service in services.items() if service.get("ports")]
check(
    "only nginx is published, on loopback",
    published == ["nginx"] and services["nginx"]["ports"] == ["127.0.0.1:8000:8000"],
)
check("countersign has no way out", countersign["networks"] == ["inside"] and site["networks"]["inside"]["internal"])
check(
    "countersign can write nothing and may do nothing", countersign["read_only"] and countersign["cap_drop"] == ["ALL"]
)
grace = int(countersign["stop_grace_period"].removesuffix("s"))
check("requests in flight get their thirty seconds", grace > 30, grace)
named = {name for service in services.values() for name in service.get("secrets", [])}
check("every secret that is used is defined, and every one defined is used", named == set(site["secrets"]), named)
mounted = [volume.split(":")[0] for volume in services["nginx"]["volumes"]]
shipped = [path for path in mounted if not path.startswith("./secrets/")]
missing = [path for path in shipped if not (compose_file.parent / path).exists()]
check("every file that is mounted is shipped", not missing, missing)
snippets = compose_file.parent / "../proxies/nginx"
# Of what a location includes, the proof alone is not shipped.
text = (snippets / "countersign.conf").read_text(encoding="utf-8")
included = {"countersign.conf", *re.findall(r"^  include countersign/(\S+);", text, re.MULTILINE)} - {"proof.conf"}
check("every part of the nginx snippet is mounted", included <= {Path(path).name for path in mounted}, included)
pinned = [name for name, s in services.items() if name != "countersign" and not re.search(r":v?\d+\.\d+", s["image"])]
check("images are named with their version", not pinned, pinned)
finish()
