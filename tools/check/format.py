#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""clang-format over our C (.clang-format). `--fix` writes the files; `--fix FILE...` only those."""
import collections
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

import checklib

BATCH = 8


def run(top, names, fix):
    mode = ["-i"] if fix else ["--dry-run", "-Werror"]
    result = subprocess.run(["clang-format", *mode, *names], cwd=top, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)
    places = dict.fromkeys(re.findall(r"^(\S+?):(\d+):\d+: (?:error|warning)", result.stdout, re.M))
    if result.returncode and not places:
        return [result.stdout.strip()]
    lines = collections.defaultdict(list)
    for name, line in places:
        lines[name].append(line)
    return [f"{name}:{there[0]}: {len(there)} lines" for name, there in lines.items()]


def main():
    fix = "--fix" in sys.argv
    top = pathlib.Path(__file__).resolve().parents[2] if fix else checklib.root()
    named = [os.path.relpath(a, top) for a in sys.argv[1:] if not a.startswith("-")] if fix else []
    names = named or checklib.c_files(top)
    batches = [names[i:i + BATCH] for i in range(0, len(names), BATCH)]
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = [line for batch in pool.map(lambda b: run(top, b, fix), batches) for line in batch]
    for line in found:
        print(f"{line} not as clang-format writes it (tools/check/format.py --fix) [format]")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
