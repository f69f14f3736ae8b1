#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""shellcheck over every shell script."""
import subprocess
import sys

import checklib

# Functions handed over as words ("check NAME function") look unreachable to it (SC2317).
EXCLUDED = "SC2317"


def main():
    top = checklib.root()
    names = [n for n in checklib.tracked(top) if checklib.is_shell(top, n)]
    if not names:
        return 0
    command = ["shellcheck", "--format=gcc", "--external-sources", f"--exclude={EXCLUDED}", *names]
    return subprocess.run(command, cwd=top).returncode and 1


if __name__ == "__main__":
    sys.exit(main())
