#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""shellcheck over every shell script."""
import subprocess
import sys

import checklib


def main():
    top = checklib.root()
    names = [n for n in checklib.tracked(top) if checklib.is_shell(top, n)]
    if not names:
        return 0
    return subprocess.run(["shellcheck", "--format=gcc", "--external-sources", *names], cwd=top).returncode and 1


if __name__ == "__main__":
    sys.exit(main())
