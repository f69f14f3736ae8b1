#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each source file says its licence: C in its first line, scripts and build files in the first two."""
import sys

import checklib

LICENCE = "SPDX-License-Identifier: GPL-2.0-or-later"


def wants(top, name):
    """The form that the licence line has in file @name, None where none is needed."""
    if name.endswith((".c", ".h", ".def", ".ts", ".css")):
        return f"/* {LICENCE} */"
    if name.endswith((".cmake", ".py", ".sh")) or name.endswith("CMakeLists.txt") or checklib.shebang(top, name):
        return f"# {LICENCE}"
    return None


def main():
    top = checklib.root()
    findings = checklib.Findings(top, ("spdx",))
    for name in checklib.tracked(top):
        wanted = wants(top, name)
        if wanted is None:
            continue
        lines = checklib.text_of(top, name).split("\n")
        if wanted not in lines[:1 if wanted.startswith("/*") else 2]:
            findings.add("spdx", name, 1, name, f"begins with: {wanted}")
    return findings.finish()


if __name__ == "__main__":
    sys.exit(main())
