#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Words that our C does not use, and where an exception is. Prints findings; exit status 1 if there are any."""
import re
import sys

import checklib

# rule name: (pattern, why, trees or files where it is allowed)
CALLS = {
    "unbounded": (r"strcpy|stpcpy|strcat|sprintf|vsprintf|gets|strtok|scanf|sscanf|fscanf",
                  "no bound or hidden state: common/base/str.h, buf.h", ()),
    "number": (r"ato[filq]|atoll|strto(?:l|ll|ul|ull|imax|umax|d|f|ld)",
               "numbers are parsed in common/base/str", ("common/base/str.c",)),
    "shell": (r"system|popen|wordexp", "no shell: spawn with an argument vector", ("tests", "tools")),
    "stack": (r"alloca|vfork", "unbounded stack, or a shared one", ()),
    "fork": (r"fork|clone", "threaded programs spawn helpers (common/loop)", ("runtime", "tests", "tools")),
    "path": (r"realpath", "a path checked is not the path opened: bt_openat2 family in common/base/fd.h", ()),
    "random": (r"s?rand|s?random|drand48|rand_r", "struct bt_random of common/base/world.h", ("tests", "tools")),
    "tempname": (r"tmpnam|tempnam|mktemp", "a name is not a file: mkstemp, O_TMPFILE", ()),
    "malloc": (r"malloc|calloc|realloc|reallocarray|strdup|strndup|v?asprintf",
               "bt_xmalloc family, which cannot fail (docs/decisions/0002)", ("common/base", "tests", "tools")),
    "signal": (r"signal", "sigaction, or the loop's signals", ("tests", "tools")),
}
TEXTS = {
    "typedef": (r"^\s*typedef\s+(?:struct|union|enum)\b", "no typedef for structs and enums", ()),
    "line-comment": (r"^(?:[^\"\n]|\"(?:\\.|[^\"\\\n])*\")*?(?<!:)//", "comments are /* */", ()),
}


def allowed_here(name, places):
    return any(name == place or name.startswith(place + "/") for place in places)


def scan(name, text, pattern, rule, row, findings):
    """Report each match of @pattern; the exception is named after what was found."""
    for match in pattern.finditer(text):
        line = text.count("\n", 0, match.end()) + 1
        found = match[1] if pattern.groups else rule
        findings.add(rule, name, line, found, f"{found}: {row[1]}")


def main():
    top = checklib.root()
    findings = checklib.Findings(top, tuple(CALLS) + tuple(TEXTS))
    calls = {rule: re.compile(rf"(?<![\w.>])({row[0]})\s*\(") for rule, row in CALLS.items()}
    texts = {rule: re.compile(row[0], re.M) for rule, row in TEXTS.items()}
    for name in checklib.c_files(top):
        raw = checklib.text_of(top, name)
        code = checklib.blanked(raw)
        no_blocks = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m[0]), raw, flags=re.S)
        for rule, row in CALLS.items():
            if not allowed_here(name, row[2]):
                scan(name, code, calls[rule], rule, row, findings)
        scan(name, code, texts["typedef"], "typedef", TEXTS["typedef"], findings)
        scan(name, no_blocks, texts["line-comment"], "line-comment", TEXTS["line-comment"], findings)
    return findings.finish()


if __name__ == "__main__":
    sys.exit(main())
