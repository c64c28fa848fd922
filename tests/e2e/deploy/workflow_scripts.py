"""Prints the commands of workflows, one function each, for a linter of shell scripts."""

import sys

import yaml

for number, path in enumerate(sys.argv[1:]):
    with open(path, encoding="utf-8") as file:
        jobs = yaml.safe_load(file)["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    for place, script in enumerate(step["run"] for step in steps if "run" in step):
        print(f"step_{number}_{place}() {{\n{script}\n}}")
