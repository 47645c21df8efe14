#!/usr/bin/env python3
"""The manual says what the programs do: options, commands, keys and defaults are the same in both.

Usage: documented.py options PROGRAM MAN_PAGE | settings LIST_SETTINGS MAN_PAGE | lint MAN_PAGE...
"""
import os
import re
import shutil
import subprocess
import sys

problems = []


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def output(*command):
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        problems.append(f"{' '.join(command)}: status {done.returncode}: {done.stderr}")
    return done.stdout


def long_options(help_text):
    """Of the lines that list options: the names that begin one."""
    found = set()
    for line in help_text.splitlines():
        start = re.match(r"\s+(-[^ ].*?)(?:  |$)", line)
        if start:
            found.update(re.findall(r"--([a-z][a-z-]*)", start.group(1)))
    return found


def commands(help_text):
    return re.findall(r"(?m)^  ([a-z][a-z-]+)\b", help_text)


def check_options(program, page):
    text = read(page)
    # Each use of the macro: '.Fl -config Ar file', '.Fl h , Fl -help'
    documented = set(re.findall(r"\bFl (?:\w , Fl )?-([a-z][a-z-]*)", text))
    help_text = output(program, "--help")
    offered = long_options(help_text)
    for command in commands(help_text):
        if not re.search(rf"\bCm {command}\b", text):
            problems.append(f"{page}: the command '{command}' is missing")
        offered |= long_options(output(program, command, "--help"))
    if not offered:
        problems.append(f"{program} --help: no options found")
    for name in sorted(offered - documented):
        problems.append(f"{page}: '--{name}' is missing, which {os.path.basename(program)} offers")
    for name in sorted(documented - offered):
        problems.append(f"{page}: '--{name}' is documented, but not offered")


def unescaped(text):
    return text.replace(r"\(dq", '"').replace(r"\&", "").replace(r"\-", "-").strip()


def check_settings(lister, page):
    prefixes = {
        "SUPERVISOR": "supervisor.", "PORTS": "ports.", "INSTANCES": "", "Health": "health.", "Restart": "restart.",
        "Update": "update.", "Log": "log.", "Limits": "limits.", "ADMIN AND HTTP": "admin.",
    }
    documented = {}
    prefix = None
    for line in read(page).splitlines():
        heading = re.match(r"\.S[hs] (.*)", line)
        if heading:
            prefix = prefixes.get(heading.group(1))
        item = re.match(r"\.It Ic (\w+) No = (Qq|Li)(.*)", line)
        if item and prefix is not None:
            value = unescaped(item.group(3))
            key = ("http." if item.group(1) == "listen" else prefix) + item.group(1)
            documented[key] = f'"{value}"' if item.group(2) == "Qq" else value
    known = dict(line.split("\t") for line in output(lister).splitlines())
    if not known:
        problems.append(f"{lister}: no settings")
    for key in sorted(known.keys() - documented.keys()):
        problems.append(f"{page}: the key '{key}' is missing")
    for key in sorted(documented.keys() - known.keys()):
        problems.append(f"{page}: the key '{key}' does not exist")
    for key in sorted(known.keys() & documented.keys()):
        if known[key] != documented[key]:
            problems.append(f"{page}: '{key}' has the default {known[key]}, not {documented[key]}")


def check_lint(*pages):
    if shutil.which("mandoc") is None:
        print("mandoc is not installed")
        sys.exit(77)  # skipped
    for page in pages:
        done = subprocess.run(["mandoc", "-Tlint", "-Wstyle", page], capture_output=True, text=True, check=False)
        for line in (done.stdout + done.stderr).splitlines():
            # The others may not be installed here.
            if "referenced manual not found" not in line:
                problems.append(line)


{"options": check_options, "settings": check_settings, "lint": check_lint}[sys.argv[1]](*sys.argv[2:])
print("\n".join(problems) or "the manual is right")
sys.exit(1 if problems else 0)
