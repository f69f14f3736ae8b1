#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Plain text: no paths of one machine, no debt without a number, no tabs in C, an end to the last line."""
import re
import sys

import checklib

# Put together so that this file does not find itself.
MACHINE_PATH = re.compile(r"(?<![\w.}%])/wo" r"rk/|\.\./sha" r"red\b|/tmp/br" r"ief\b")
DEBT = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b(?!\(#\d+\))")
BINARY = (".png", ".ico", ".woff2", ".gz", ".xz", ".zst", ".der", ".sqlite")
# Inputs of fuzzers are arbitrary bytes; the licence text is not ours.
FOREIGN = ("tests/fuzz/corpus/", "LICENSE")
LONGEST_LINE = 400


def check_lines(name, text, findings):
    c_file = name.endswith((".c", ".h", ".def"))
    for number, line in enumerate(text.split("\n"), 1):
        if MACHINE_PATH.search(line):
            findings.add("path", name, number, name, "a path of one machine")
        if DEBT.search(line):
            findings.add("debt", name, number, name, "debt carries the number of its issue: FIX" "ME(#12)")
        if c_file and "\t" in line:
            findings.add("tab", name, number, name, "a tab")
        if line.endswith((" ", "\t")) and not name.endswith(".md"):
            findings.add("trailing", name, number, name, "blanks at the end of the line")
        if c_file and len(line) > LONGEST_LINE:
            findings.add("long", name, number, name, f"{len(line)} columns")


def main():
    top = checklib.root()
    findings = checklib.Findings(top, ("path", "debt", "tab", "trailing", "long", "newline", "python"))
    for name in checklib.tracked(top):
        if name.startswith(FOREIGN) or name.endswith(BINARY):
            continue
        text = checklib.text_of(top, name)
        check_lines(name, text, findings)
        if text and (not text.endswith("\n") or text.endswith("\n\n")):
            findings.add("newline", name, text.count("\n") + 1, name, "ends with exactly one newline")
        line = checklib.shebang(top, name)
        if "python" in line and line != "#!/usr/bin/python3":
            findings.add("python", name, 1, name, "Debian's Python by its path: #!/usr/bin/python3")
    return findings.finish()


if __name__ == "__main__":
    sys.exit(main())
