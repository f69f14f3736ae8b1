#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""embed_sql.py SYMBOL OUT.c FILE.sql...: migrations as one constant C table, in order of their numbers."""
import hashlib
import os
import sys


def literal(text):
    rows = []
    for line in text.splitlines(keepends=True):
        body = line.rstrip("\n").replace("\\", "\\\\").replace('"', '\\"')
        rows.append('    "%s%s"' % (body, "\\n" if line.endswith("\n") else ""))
    return "\n".join(rows) or '    ""'


def main():
    symbol, out, files = sys.argv[1], sys.argv[2], sorted(sys.argv[3:])
    rows = []
    for i, path in enumerate(files, 1):
        name = os.path.basename(path)[:-4]
        if int(name[:4]) != i:
            sys.exit(f"{path}: migration numbers must run 0001, 0002, ... without gaps")
        text = open(path, encoding="utf-8").read()
        digest = hashlib.sha256(text.encode()).hexdigest()
        rows.append('{%d, "%s", "%s",\n%s},' % (i, name, digest, literal(text)))
    body = '#include "db/core/db_migrate.h"\n\nconst struct db_migration %s[] = {\n%s\n{0}};\n' % (
        symbol, "\n".join(rows))
    os.makedirs(os.path.dirname(out), exist_ok=True)
    with open(out, "w", encoding="utf-8") as f:
        f.write(body)


main()
