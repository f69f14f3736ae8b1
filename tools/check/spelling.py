#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""codespell over our text; words that are right stand in spelling.txt."""
import pathlib
import subprocess
import sys

import checklib

WORDS = pathlib.Path(__file__).with_name("spelling.txt")
SKIPPED = ("LICENSE", "tests/fuzz/corpus/", "tools/check/spelling.txt")


def main():
    top = checklib.root()
    names = [n for n in checklib.tracked(top) if not n.startswith(SKIPPED)]
    if not names:
        return 0
    return subprocess.run(["codespell", "--ignore-words", WORDS, "--", *names], cwd=top).returncode and 1


if __name__ == "__main__":
    sys.exit(main())
