#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Generated files that are committed are what their generators write now: asks tools/gen/check, where there is one."""
import os
import subprocess
import sys

import checklib


def main():
    top = checklib.root()
    check = top / "tools/gen/check"
    if not check.exists():
        return 0
    if not os.access(check, os.X_OK):
        print("tools/gen/check: not executable [fresh]")
        return 1
    result = subprocess.run([check], cwd=top, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode:
        print(result.stdout, end="")
        print("tools/gen/check: generated files are stale [fresh]")
    return 1 if result.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
