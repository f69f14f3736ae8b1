#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Include levels and third-party walls, from levels.conf. Prints findings; exit status 1 if there are any."""
import fnmatch
import pathlib
import re
import sys

import checklib

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.M)
CONF = pathlib.Path(__file__).with_name("levels.conf")


class House:
    """The table of levels.conf."""

    def __init__(self, path):
        self.folders, self.top, self.walls = {}, [], []
        section = None
        for line in path.read_text().splitlines():
            line = line.split("#", 1)[0].strip()
            if line.startswith("["):
                section = line
            elif line and section == "[folders]":
                folder, level, *trees = line.split()
                self.folders[folder] = (int(level), trees)
            elif line and section == "[top]":
                self.top.append(line)
            elif line and section == "[walls]":
                headers, _, folders = line.partition(" : ")
                self.walls.append((headers.split(), folders.split()))

    def folder_of(self, name):
        """The longest row that @name lies below; None if the house has no such room."""
        parts = name.split("/")[:-1]
        while parts:
            if "/".join(parts) in self.folders:
                return "/".join(parts)
            parts.pop()
        return None

    def is_top(self, name):
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.top)


def below(folder, tree):
    return folder == tree or folder.startswith(tree + "/")


def ours_refused(house, name, target):
    """Why file @name must not include our header @target; None if it may."""
    mine, theirs = house.folder_of(name), house.folder_of(target)
    if theirs is None:
        return f"{target} lies outside the house"
    if mine == theirs:
        return None
    level, trees = house.folders[mine]
    if house.is_top(name):
        trees = trees + [name.split("/", 1)[0]]
    if not any(below(theirs, tree) for tree in trees):
        return f"{mine} never includes {theirs}"
    if not house.is_top(name) and house.folders[theirs][0] >= level:
        return f"{mine} (level {level}) includes only lower levels, {theirs} is {house.folders[theirs][0]}"
    return None


def wall_refused(house, name, header):
    """Why @name must not include the foreign @header. The first row of [walls] that names the header decides."""
    for patterns, folders in house.walls:
        if any(fnmatch.fnmatchcase(header, pattern) for pattern in patterns):
            if any(below(name.rsplit("/", 1)[0], folder) for folder in folders):
                return None
            return f"<{header}> only in {', '.join(folders)}"
    return None


def check_file(top, house, name, findings):
    text = checklib.blanked(checklib.text_of(top, name), keep_strings=True)
    product = checklib.in_trees(name, checklib.PRODUCT)
    if product and house.folder_of(name) is None:
        findings.add("level", name, 1, name, "this folder is not in tools/check/levels.conf")
        return
    for match in INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        quoted, angled = match[1], match[2]
        if quoted and not (top / quoted).is_file():
            findings.add("level", name, line, quoted, f'"{quoted}" is no file of ours: write paths from the root')
        elif quoted and product:
            refused = ours_refused(house, name, quoted)
            if refused:
                findings.add("level", name, line, quoted, refused)
        elif angled and product:
            refused = wall_refused(house, name, angled)
            if refused:
                findings.add("wall", name, line, angled, refused)


def main():
    top = checklib.root()
    findings = checklib.Findings(top, ("level", "wall"))
    house = House(CONF)
    for name in checklib.c_files(top, suffixes=(".c", ".h", ".def")):
        check_file(top, house, name, findings)
    return findings.finish()


if __name__ == "__main__":
    sys.exit(main())
