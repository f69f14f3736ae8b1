# SPDX-License-Identifier: GPL-2.0-or-later
"""The image `tiny`: busybox-static, an init of our own, the files that every guest has.

The same inputs give the same bytes: names sorted, owner root, one fixed time.
"""

import io
import os
import subprocess
import tarfile

HERE = os.path.dirname(os.path.realpath(__file__))
BUSYBOX = "/bin/busybox"
SOURCES = [os.path.join(HERE, "tiny", name) for name in ("init.c", "ping.c")]
FILES = os.path.join(HERE, "tiny/files")
MTIME = 1704067200  # 2024-01-01

CFLAGS = ["-std=c17", "-static", "-O2", "-s", "-Wall", "-Wextra", "-Wshadow", "-Wconversion",
          "-Wformat=2", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wvla", "-Werror", "-I", os.path.dirname(os.path.dirname(HERE))]

# No init but ours, and no package tools that know nothing of this system.
LEFT_OUT = {"init", "linuxrc", "dpkg", "dpkg-deb", "rpm", "rpm2cpio"}

FOLDERS = {
    "dev": 0o755, "etc": 0o755, "etc/network": 0o755, "etc/tiny": 0o755, "home": 0o755,
    "mnt": 0o755, "proc": 0o555, "root": 0o700, "run": 0o755, "sys": 0o555, "tmp": 0o1777,
    "usr/local/bin": 0o755, "usr/local/sbin": 0o755, "var/log": 0o755, "var/tmp": 0o1777,
    "var/www": 0o755,
}
MODES = {"etc/shadow": 0o640, "etc/udhcpc/default.script": 0o755}
SHADOW_GID = 42


def _file_paths():
    found = []
    for folder, _, names in os.walk(FILES):
        found += [os.path.join(folder, name) for name in names]
    return sorted(found)


def inputs():
    return SOURCES + [os.path.join(HERE, "tiny/ping.h"), BUSYBOX] + _file_paths()


class Tree:
    """Members of the archive by path."""

    def __init__(self):
        self.members = {}

    def folder(self, path, mode=0o755):
        parent = os.path.dirname(path)
        if parent and parent not in self.members:
            self.folder(parent)
        info = tarfile.TarInfo(path)
        info.type = tarfile.DIRTYPE
        info.mode = mode
        self.members[path] = (info, None)

    def file(self, path, data, mode=0o644, gid=0):
        parent = os.path.dirname(path)
        if parent not in self.members:
            self.folder(parent)
        info = tarfile.TarInfo(path)
        info.size = len(data)
        info.mode = mode
        info.gid = gid
        self.members[path] = (info, data)

    def link(self, path, target):
        parent = os.path.dirname(path)
        if parent not in self.members:
            self.folder(parent)
        info = tarfile.TarInfo(path)
        info.type = tarfile.SYMTYPE
        info.mode = 0o777
        info.linkname = target
        self.members[path] = (info, None)

    def write(self, out):
        with tarfile.open(out, "w", format=tarfile.USTAR_FORMAT) as tar:
            for path in sorted(self.members):
                info, data = self.members[path]
                info.name = "./" + path
                info.mtime = MTIME
                tar.addfile(info, io.BytesIO(data) if data is not None else None)


def _read(path):
    with open(path, "rb") as f:
        return f.read()


def _applets():
    out = subprocess.run([BUSYBOX, "--list-full"], check=True, capture_output=True, text=True)
    return [p for p in out.stdout.split() if os.path.basename(p) not in LEFT_OUT]


def make(work):
    """Builds in the empty folder `work`; returns the archive's path there."""
    init = os.path.join(work, "init")
    subprocess.run(["gcc", *CFLAGS, "-o", init, *SOURCES], check=True)
    tree = Tree()
    for path, mode in FOLDERS.items():
        tree.folder(path, mode)
    for path in _file_paths():
        name = os.path.relpath(path, FILES)
        tree.file(name, _read(path), MODES.get(name, 0o644),
                  SHADOW_GID if name == "etc/shadow" else 0)
    tree.file("etc/machine-id", b"", 0o444)
    tree.file("sbin/init", _read(init), 0o755)
    tree.file("bin/busybox", _read(BUSYBOX), 0o755)
    for name in ("ping", "ping6"):
        tree.link(f"bin/{name}", "../sbin/init")
    for applet in _applets():
        if applet not in tree.members:
            up = "../" * applet.count("/")
            target = "busybox" if os.path.dirname(applet) == "bin" else f"{up}bin/busybox"
            tree.link(applet, target)
    out = os.path.join(work, "tiny.tar")
    tree.write(out)
    return out
