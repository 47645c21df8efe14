#!/usr/bin/env python3
"""What we show works: every configuration in etc/, in the README and in pmctl.toml(5) is valid.

Usage: examples.py PMCTLD
"""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
pmctld = sys.argv[1]
problems = []


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def validate(what, path):
    done = subprocess.run(
        [pmctld, "--validate", path],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "DEMO_ADMIN_SECRET": "as etc/quickstart makes one", "ADMIN_SECRET": "another"},
        check=False,
    )
    if done.returncode != 0:
        problems.append(f"{what}: status {done.returncode}: {done.stdout}{done.stderr}")


for name in ("etc/pmctl.toml", "etc/demo/pmctl.toml"):
    validate(name, os.path.join(ROOT, name))

texts = [("README.md", text) for text in re.findall(r"(?ms)^```toml\n(.*?)^```", read("README.md"))]
# Of the manual: those that begin with a table.
for text in re.findall(r"(?ms)^\.Bd -literal[^\n]*\n(.*?)^\.Ed", read("man/pmctl.toml.5")):
    if text.startswith("["):
        texts.append(("man/pmctl.toml.5", text.replace(r"\(dq", '"')))
if len(texts) < 3:
    problems.append("the examples of README.md and man/pmctl.toml.5 are not found")
for name, text in texts:
    # Of a user that may not be here.
    text = re.sub(r'(?m)^user = .*$', "", text)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "pmctl.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        validate(f"{name}:\n{text}", path)

print("\n".join(problems) or f"{len(texts) + 2} examples are valid")
sys.exit(1 if problems else 0)
