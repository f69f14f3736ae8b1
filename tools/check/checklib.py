# SPDX-License-Identifier: GPL-2.0-or-later
"""What the checkers of this folder share: the files to look at, findings, C without its comments."""
import os
import pathlib
import re
import subprocess
import sys

SKIPPED_FOLDERS = {".git", "build", "var", "node_modules", "__pycache__"}
# Our C: each checker says which of these trees it judges.
PRODUCT = ("common", "proto", "db", "controller", "agent", "runtime", "cli")
COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def root():
    """The tree to check: the first argument, or the checkout this file lies in."""
    args = [a for a in sys.argv[1:] if not a.startswith("-")]
    return pathlib.Path(args[0] if args else pathlib.Path(__file__).parents[2]).resolve()


def tracked(top):
    """Paths relative to @top, sorted: what git tracks, or every file where there is no git."""
    if (top / ".git").exists():
        listed = subprocess.run(["git", "-c", f"safe.directory={top}", "-C", top, "ls-files", "-z"],
                                check=True, stdout=subprocess.PIPE).stdout.decode()
        names = [n for n in listed.split("\0") if n]
    else:
        names = []
        for folder, folders, files in os.walk(top):
            folders[:] = [f for f in folders if f not in SKIPPED_FOLDERS]
            names += [os.path.relpath(os.path.join(folder, f), top) for f in files]
    return sorted(n for n in names if (top / n).is_file() and not (top / n).is_symlink())


def in_trees(name, trees):
    return name.split("/", 1)[0] in trees


def c_files(top, trees=None, suffixes=(".c", ".h")):
    return [n for n in tracked(top) if n.endswith(suffixes) and (trees is None or in_trees(n, trees))]


def text_of(top, name):
    return (top / name).read_text(errors="replace")


def shebang(top, name):
    with open(top / name, "rb") as f:
        line = f.readline(200)
    return line.decode(errors="replace").strip() if line.startswith(b"#!") else ""


def is_shell(top, name):
    return name.endswith(".sh") or re.search(r"\b(ba|da)?sh$", shebang(top, name)) is not None


def is_python(top, name):
    return name.endswith(".py") or "python" in shebang(top, name)


def blanked(text, keep_strings=False):
    """@text with comments (and the inside of literals) turned to spaces; lines and columns stay."""
    def blank(match):
        found = match[0]
        if found[0] in "\"'":
            if keep_strings:
                return found
            return found[0] + " " * (len(found) - 2) + found[-1]
        return re.sub(r"[^\n]", " ", found)
    return COMMENT_OR_STRING.sub(blank, text)


class Findings:
    """Collects `path:line: text`, takes exceptions from tools/check/allow.txt, prints, gives the exit status."""

    def __init__(self, top, rules):
        self.found = []
        self.rules = rules
        self.allowed = self.read_allowed(top)
        self.used = set()

    def read_allowed(self, top):
        path = top / "tools/check/allow.txt"
        allowed = {}
        if not path.exists():
            return allowed
        for number, line in enumerate(path.read_text().splitlines(), 1):
            words = line.split("#", 1)[0].split(None, 3)
            if not words or words[0] not in self.rules:
                continue
            if len(words) < 4:
                self.found.append(f"tools/check/allow.txt:{number}: needs: RULE PATH NAME REASON")
                continue
            allowed[tuple(words[:3])] = number
        return allowed

    def add(self, rule, path, line, name, text):
        """One finding of @rule about @name (a function, a header ...), unless allow.txt has that row."""
        if (rule, path, name) in self.allowed:
            self.used.add((rule, path, name))
        else:
            self.found.append(f"{path}:{line}: {text} [{rule}]")

    def finish(self):
        for row in sorted(set(self.allowed) - self.used):
            self.found.append(f"tools/check/allow.txt:{self.allowed[row]}: not needed any more: {' '.join(row)}")
        for line in self.found:
            print(line)
        return 1 if self.found else 0
