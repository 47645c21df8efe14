#!/usr/bin/env python3
"""The rules of the README that can be read off a text: length of files, opening comments, nothing left for
later, no sleeping in tests, no base class but Effects."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LONGEST = 400
problems = []

for top in ("cli", "shared", "supervisor", "tests", "etc", "man", "README.md"):
    path = os.path.join(ROOT, top)
    found = [path] if os.path.isfile(path) else [
        os.path.join(folder, name)
        for folder, folders, names in os.walk(path)
        if "__pycache__" not in folder and "/tests/fuzz/corpus" not in folder  # bytes, not texts
        for name in names
    ]
    for file in sorted(found):
        name = os.path.relpath(file, ROOT)
        if name == os.path.relpath(os.path.abspath(__file__), ROOT):
            continue
        with open(file, encoding="utf-8") as opened:
            text = opened.read()
        lines = text.splitlines()
        is_cpp = name.endswith((".cpp", ".hpp"))
        is_code = is_cpp or name.endswith((".py", ".sh")) or text.startswith("#!")
        if is_code and len(lines) > LONGEST:
            problems.append(f"{name}: {len(lines)} lines, over {LONGEST}: two subjects?")
        for number, line in enumerate(lines, 1):
            if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
                problems.append(f"{name}:{number}: left for later: {line.strip()}")
            # A benchmark is no test: that nothing happens for ten seconds takes ten seconds to measure.
            is_test = name.startswith("tests/") and not name.startswith("tests/bench/")
            if is_test and re.search(
                r"\b(sleep_for|sleep_until|usleep|nanosleep)\b|(?<![\w.])sleep\(|\btime\.sleep\(|^\s*sleep ", line
            ):
                problems.append(f"{name}:{number}: sleeps: wait for an event with a cap")
            if is_cpp and re.search(r"\busing namespace std;", line):
                problems.append(f"{name}:{number}: using namespace std")
        if name.endswith(".hpp"):
            if not lines or not lines[0].startswith("// "):
                problems.append(f"{name}: does not open with what it is")
            if "#pragma once" not in text:
                problems.append(f"{name}: no #pragma once")
        if is_cpp and not name.startswith("tests/"):
            # A library may ask for a base of its own ('spdlog::…'), a visitor for its parts ('F...').
            for match in re.finditer(
                r"(?<!enum )\b(?:class|struct) (\w+)(?: final)? : (?:public |private )?([\w:.]+)", text
            ):
                if match.group(2) != "Effects" and not re.search(r"::|\.\.\.", match.group(2)):
                    problems.append(f"{name}: '{match.group(1)}' inherits '{match.group(2)}': Effects alone is a base")

print("\n".join(problems) or "house rules hold")
sys.exit(1 if problems else 0)
