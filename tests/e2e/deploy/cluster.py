"""The manifests against the published schemas, and what they say to each other and to countersign."""

import os
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import yaml
from checks import check, finish

folder, secrets = map(Path, sys.argv[1:])
documents = list(yaml.safe_load_all((folder / "countersign.yaml").read_text(encoding="utf-8")))
for one in documents:
    try:
        fault = None
        kubernetes_validate.validate(one, "1.29", strict=True)
    except kubernetes_validate.ValidationError as error:
        fault = error.message
    check(f"{one['kind']} is one", fault is None, fault)


def the(kind):
    return next(one for one in documents if one["kind"] == kind)


pod = the("Deployment")["spec"]["template"]
container = pod["spec"]["containers"][0]
labels = pod["metadata"]["labels"]
selectors = [
    the("Deployment")["spec"]["selector"]["matchLabels"],
    the("Service")["spec"]["selector"],
    the("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    the("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
]
check("everything means the same pods", all(selector == labels for selector in selectors), selectors)
ports = {port["name"] for port in container["ports"]}
probed = {container[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
check("probes ask ports that there are", probed <= ports and the("Service")["spec"]["ports"][0]["targetPort"] in ports, ports)

settings = dict(the("ConfigMap")["data"])
mounted = container["volumeMounts"][0]["mountPath"]
named = {Path(value).name for name, value in settings.items() if name.endswith("_FILE") and value.startswith(mounted)}
kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
check("each secret that is read is made", named == set(kustomization["secretGenerator"][0]["files"]), named)
check("what is listed is shipped", all((folder / name).exists() for name in kustomization["resources"]))
for name in named:
    made = subprocess.run([os.environ["BIN"], "keygen"], capture_output=True, text=True, check=True)
    (secrets / f"cluster-{name}").write_text(made.stdout, encoding="utf-8")
environment = {name: value.replace(f"{mounted}/", f"{secrets}/cluster-") for name, value in settings.items()}
judged = subprocess.run([os.environ["BIN"], "check", "--quiet"], env=environment, capture_output=True, text=True)
check("countersign takes the settings", judged.returncode == 0, judged.stdout + judged.stderr)
finish()
