#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Budgets of docs/STYLE.md, counted with universal-ctags: length of functions and files, parameters, labels,
mutable globals, documented prototypes, and the median function. `--list` also shows what is over the wanted size,
and deep nesting. Prints findings; exit status 1 if there are any."""
import collections
import json
import re
import statistics
import subprocess
import sys

import checklib

FUNCTION_HARD, FUNCTION_WANTED, MEDIAN_BELOW = 100, 60, 20
FILE_HARD, FILE_WANTED = 800, 500
HEADER_HARD, HEADER_WANTED = 400, 300
PARAMETERS, LABELS, NESTING = 5, 1, 3
# Too few functions make no median.
MEDIAN_MIN_FUNCTIONS = 20


class Source:
    """One C file: its lines, and the same lines with comments and literals blanked."""

    def __init__(self, top, name):
        self.name = name
        text = checklib.text_of(top, name)
        self.lines = text.split("\n")
        self.code = checklib.blanked(text).split("\n")
        self.product = checklib.in_trees(name, checklib.PRODUCT)

    def length(self):
        return len(self.lines) - (not self.lines[-1])


def tags_of(top, names):
    """ctags' rows by file, in order of line."""
    command = ["ctags", "--languages=C", "--langmap=C:.c.h", "--kinds-C=fpvxL", "--fields=+neSZKtz",
               "--output-format=json", "--sort=no", "-L", "-", "-o", "-"]
    printed = subprocess.run(command, input="\n".join(names), check=True, cwd=top, text=True,
                             stdout=subprocess.PIPE).stdout
    tags = collections.defaultdict(list)
    for line in printed.splitlines():
        tag = json.loads(line)
        tags[tag["path"]].append(tag)
    return tags


def parameters(signature):
    """How many parameters "(int a, ...)" has. The variable part and the error at the end, which every function
    that can fail has (docs/decisions/0010-parameters.md), are not counted."""
    depth, count, inner = 0, 1, signature.strip()[1:-1].strip()
    inner = re.sub(r",?\s*struct bt_err\s*\*\s*(\w+)?$", "", inner)
    if inner in ("", "void"):
        return 0
    for char in inner:
        depth += (char in "([") - (char in ")]")
        count += char == "," and depth == 0
    return count - inner.rstrip().endswith("...")


def statement_start(source, line):
    """First line (from 1) of the declaration whose name stands on @line, over a struct body before the name too."""
    if source.code[line - 1].lstrip().startswith("}"):
        text = source.code[line - 1].split("=")[0]
        depth = text.count("}") - text.count("{")
        while depth > 0 and line > 1:
            line -= 1
            depth += source.code[line - 1].count("}") - source.code[line - 1].count("{")
    while line > 1:
        above = source.code[line - 2].strip()
        if not above or above[-1] in ";{}" or above.startswith("#"):
            break
        line -= 1
    return line


def documented(source, line):
    """Does a comment of its own end right above @line?"""
    above = line - 2
    if above < 0 or not source.lines[above].rstrip().endswith("*/"):
        return False
    while above >= 0 and "/*" not in source.lines[above]:
        above -= 1
    return source.lines[above].lstrip().startswith("/*") and "SPDX" not in source.lines[above]


def is_const(declared):
    """Is the object const, given the text in front of its name? For pointers the last `*` counts."""
    return re.search(r"\bconst\b", declared.rsplit("*", 1)[-1]) is not None


def check_parameters(source, tag, findings):
    count = parameters(tag.get("signature", "()"))
    if count > PARAMETERS:
        findings.add("params", source.name, tag["line"], tag["name"],
                     f"{tag['name']}() has {count} parameters, at most {PARAMETERS}: hand over a struct")


def check_function(source, tag, findings):
    first, last = tag["line"], tag.get("end", tag["line"])
    length = last - first + 1
    name = tag["name"]
    if length > FUNCTION_HARD:
        findings.add("lines", source.name, first, name, f"{name}() has {length} lines, at most {FUNCTION_HARD}")
    # What a header declares is judged there, once.
    if tag.get("file") or source.name.endswith(".h"):
        check_parameters(source, tag, findings)
    for number in range(first, last):
        local = re.match(r"^\s+static\s+([^=;(]*?)\b(\w+)\s*(?:\[[^=;]*)?[=;]", source.code[number])
        if local and not is_const(local[1]) and source.product:
            findings.add("global", source.name, number + 1, local[2], f"mutable static {local[2]} in {name}()")
    return length


def check_variable(source, tag, findings):
    line, name = tag["line"], tag["name"]
    start = statement_start(source, line)
    declared = re.sub(r"\{.*\}", "{}", " ".join(source.code[start - 1:line]).split("=")[0])
    found = re.search(rf"\b{re.escape(name)}\b", declared)
    # A tag that a macro made is not in the text: nothing to judge.
    if found and not is_const(declared[:found.start()]):
        findings.add("global", source.name, line, name, f"{name} is a mutable global: const, or a struct handed to init")


def check_file(source, tags, findings):
    limit = HEADER_HARD if source.name.endswith(".h") else FILE_HARD
    if source.length() > limit:
        findings.add("lines", source.name, 1, source.name, f"{source.length()} lines, at most {limit}")
    lengths = []
    for tag in tags:
        kind = tag["kind"]
        if kind == "function":
            lengths.append((check_function(source, tag, findings), source.name, tag["line"], tag["name"]))
        elif kind in ("variable", "externvar") and source.product:
            check_variable(source, tag, findings)
        if kind == "prototype":
            check_parameters(source, tag, findings)
        if kind in ("prototype", "function") and source.product and source.name.endswith(".h"):
            if not documented(source, statement_start(source, tag["line"])):
                findings.add("prototype", source.name, tag["line"], tag["name"],
                             f"{tag['name']}() has no comment directly above")
    check_labels(source, tags, findings)
    return lengths


def check_labels(source, tags, findings):
    """A ladder of labels in one function: cleanup attributes do that."""
    functions = [t for t in tags if t["kind"] == "function"]
    for function in functions:
        inside = [t for t in tags if t["kind"] == "label" and function["line"] < t["line"] <= function.get("end", 0)]
        if len(inside) > LABELS:
            findings.add("labels", source.name, function["line"], function["name"],
                         f"{function['name']}() has {len(inside)} goto labels: use cleanup attributes")


def show_wanted(sources, lengths):
    for length, path, line, name in sorted(lengths, reverse=True):
        if length > FUNCTION_WANTED:
            print(f"note: {path}:{line}: {name}() has {length} lines, {FUNCTION_WANTED} wanted")
    for source in sources:
        wanted = HEADER_WANTED if source.name.endswith(".h") else FILE_WANTED
        if source.length() > wanted:
            print(f"note: {source.name}: {source.length()} lines, {wanted} wanted")
        for number, line in enumerate(source.code, 1):
            if re.match(rf"^(?: {{4}}){{{NESTING + 1},}}(?:if|for|while|switch|do)\b", line):
                print(f"note: {source.name}:{number}: nested deeper than {NESTING}")


def main():
    top = checklib.root()
    findings = checklib.Findings(top, ("lines", "params", "labels", "global", "prototype"))
    names = checklib.c_files(top, checklib.PRODUCT + ("tests", "tools"))
    tags = tags_of(top, names) if names else {}
    sources = [Source(top, name) for name in names]
    lengths = []
    for source in sources:
        measured = check_file(source, tags.get(source.name, []), findings)
        lengths += measured if source.product else []
    if len(lengths) >= MEDIAN_MIN_FUNCTIONS:
        median = statistics.median(row[0] for row in lengths)
        if median >= MEDIAN_BELOW:
            findings.found.append(f"the median function has {median:g} lines, below {MEDIAN_BELOW} wanted")
        if "--list" in sys.argv:
            print(f"note: {len(lengths)} functions, median {median} lines")
    if "--list" in sys.argv:
        show_wanted(sources, lengths)
    return findings.finish()


if __name__ == "__main__":
    sys.exit(main())
