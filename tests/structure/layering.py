#!/usr/bin/env python3
"""Includes go one way: cli -> shared; supervisor/main -> io -> supervisor -> core -> shared. And what is only to
be included in few places is included there alone."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
problems = []


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def files(*tops):
    for top in tops:
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            for name in sorted(names):
                if name.endswith((".cpp", ".hpp")):
                    yield os.path.relpath(os.path.join(folder, name), ROOT)


def includes(name):
    return re.findall(r'^\s*#\s*include\s*([<"][^>"]+)[>"]', read(name), re.M)


def layer(name):
    for known in ("supervisor/core/", "supervisor/io/", "supervisor/", "shared/", "cli/"):
        if name.startswith(known):
            return known
    return name


# What the brain is made of: the build file says so, and links it without io.
brain = set(
    re.findall(
        r"'([^']+)\.cpp'",
        re.search(r"'pmctl_brain', files\((.*?)\)", read("supervisor/meson.build"), re.S).group(1),
    )
)
if not brain:
    problems.append("supervisor/meson.build: the files of pmctl_brain are not found")

# Which layers a layer may include.
allowed = {
    "shared/": {"shared/"},
    "cli/": {"shared/", "cli/"},
    "supervisor/core/": {"shared/", "supervisor/core/"},
    "supervisor/io/": {"shared/", "supervisor/core/", "supervisor/", "supervisor/io/"},
    "supervisor/": {"shared/", "supervisor/core/", "supervisor/", "supervisor/io/"},
}
# A library's headers, or the one of ours that has them, and the files that may include them.
places = {
    r"boost/(?!json)": r"supervisor/io/\w+\.cpp",
    r"boost/json": r"(supervisor/io/\w+\.cpp|shared/(protocol|status_json|json_)\w*\.[ch]pp)",
    r"nng/": r"cli/(nng_handles\.hpp|client\w*\.[ch]pp)",
    r"CLI/": r"(cli/arguments\w*\.cpp|supervisor/flags\.cpp)",
    r"toml\+\+/": r"shared/toml\.hpp",
    r"shared/toml\.hpp": r"(supervisor/core/config_\w+\.cpp|shared/control_path\.cpp)",
    r"sqlite3": r"supervisor/io/state_(db|columns|history)\.cpp",
    r"spdlog/": r"supervisor/\w+\.[ch]pp",
}
# The core knows no clock, no chance, no file, no thread.
not_in_core = re.compile(
    r"<(random|fstream|iostream|thread|mutex|condition_variable|future|atomic)$|<\w+\.h$|<(sys|net|linux)/"
)

for name in files("cli", "shared", "supervisor"):
    own = layer(name)
    is_brain = own == "supervisor/" and os.path.splitext(os.path.basename(name))[0] in brain
    for include in includes(name):
        target = include[1:]
        for headers, where in places.items():
            if re.match(headers, target) and not re.fullmatch(where, name):
                problems.append(f"{name}: '{target}' is not to be included here")
        if include[0] == '"':
            if "/" not in target:
                problems.append(f"{name}: '{target}' is to be named by its path from the top")
            elif layer(target) not in allowed[own]:
                problems.append(f"{name}: includes '{target}', which {own} must not know")
            elif is_brain and layer(target) == "supervisor/io/":
                problems.append(f"{name}: includes '{target}': the brain has no io")
            continue
        if own == "supervisor/core/" and not_in_core.search(include):
            problems.append(f"{name}: <{target}> in the core")
    if own == "supervisor/core/" and re.search(r"_clock::now\(|\bstd::rand\b|\bgetenv\(", read(name)):
        problems.append(f"{name}: the core asks the world for something")

print("\n".join(problems) or "include directions hold")
sys.exit(1 if problems else 0)
