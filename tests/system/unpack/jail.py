# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the built berth-unpack as an agent does: socket at 3, archive at 4, target directory at 5."""

import hashlib
import json
import os
import socket
import stat
import struct
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.environ.get("BERTH_BUILD", os.path.join(ROOT, "build/release/bin"))
PROGRAM = os.path.join(BUILD, "berth-unpack")
DEFAULT = {"max_bytes": 1 << 33, "max_files": 100000}


def _place(fds):
    """In the child: @fds become 3, 4, 5."""
    high = [os.dup2(fd, 20 + i) for i, fd in enumerate(fds)]
    for i, fd in enumerate(high):
        os.dup2(fd, 3 + i)
        os.close(fd)


class Run:
    """One berth-unpack: started with its request sent; wait() gives (reply, exit status)."""

    def __init__(self, archive_fd, target, request=None, mode="unpack"):
        ours, theirs = socket.socketpair()
        target_fd = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
        fds = [theirs.fileno(), archive_fd, target_fd]
        self.stderr = tempfile.TemporaryFile()
        self.process = subprocess.Popen([PROGRAM, mode], stdin=subprocess.DEVNULL, stdout=self.stderr, stderr=self.stderr,
                                        close_fds=False, env={}, preexec_fn=lambda: _place(fds))
        theirs.close()
        os.close(target_fd)
        text = json.dumps(request or DEFAULT).encode()
        ours.sendall(struct.pack(">I", len(text)) + text)
        self.socket = ours

    def wait(self, timeout=120):
        self.socket.settimeout(timeout)
        data = b""
        while True:
            try:
                more = self.socket.recv(65536)
            except ConnectionError:
                more = b""
            if not more:
                break
            data += more
        status = self.process.wait(timeout)
        self.socket.close()
        reply = json.loads(data[4:4 + struct.unpack(">I", data[:4])[0]]) if len(data) > 4 else None
        return reply, status

    def said(self):
        self.stderr.seek(0)
        return self.stderr.read().decode(errors="replace")


def walk(path):
    """Every path below @path, itself first. os.walk recurses, and hostile trees are deep."""
    todo = [path]
    while todo:
        here = todo.pop()
        yield here
        if stat.S_ISDIR(os.lstat(here).st_mode):
            todo += [os.path.join(here, name) for name in os.listdir(here)]


def describe(path):
    """Everything of a tree that an escape could change, as a dict of lines."""
    out = {}
    for full in walk(path):
        st = os.lstat(full)
        line = [oct(st.st_mode), st.st_uid, st.st_gid, st.st_nlink, st.st_ino, st.st_mtime_ns]
        if stat.S_ISREG(st.st_mode):
            with open(full, "rb") as f:
                line.append(hashlib.sha256(f.read()).hexdigest())
        if stat.S_ISLNK(st.st_mode):
            line.append(os.readlink(full))
        line.append(sorted(os.listxattr(full, follow_symlinks=False)))
        out[full] = line
    return out


class World:
    """A directory with a canary tree outside and an empty target."""

    def __init__(self):
        self.base = tempfile.mkdtemp(prefix="berth-unpack-")
        self.outside = os.path.join(self.base, "outside")
        self.target = os.path.join(self.base, "in/root")
        os.makedirs(os.path.join(self.outside, "dir"))
        for name in ("canary", "dir/deep"):
            with open(os.path.join(self.outside, name), "w", encoding="ascii") as f:
                f.write("untouched\n")
        os.symlink("canary", os.path.join(self.outside, "link"))
        os.makedirs(self.target)
        self.before = describe(self.outside)
        self.names = set(os.listdir(self.base)) | set(os.listdir(os.path.join(self.base, "in")))

    def unpack(self, data, request=None):
        path = os.path.join(self.base, "archive")
        with open(path, "wb") as f:
            f.write(data)
        fd = os.open(path, os.O_RDONLY)
        os.unlink(path)
        try:
            run = Run(fd, self.target, request)
        finally:
            os.close(fd)
        reply, status = run.wait()
        return reply, status, run.said()

    def harm(self):
        """What changed outside, and what must never be inside; "" = nothing."""
        if describe(self.outside) != self.before:
            return "the tree outside has changed"
        names = set(os.listdir(self.base)) | set(os.listdir(os.path.join(self.base, "in")))
        if names != self.names:
            return f"there is something new beside the target: {names - self.names}"
        for full in walk(self.target):
            mode = os.lstat(full).st_mode
            if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
                return f"a device node: {full!r}"
            bad = [x for x in os.listxattr(full, follow_symlinks=False)
                   if not x.startswith("user.") and x != "security.capability"]
            if bad:
                return f"{full!r} has {bad}"
        return ""

    def at(self, name):
        return os.path.join(self.target, name)

    def close(self):
        subprocess.run(["rm", "-rf", "--", self.base], check=True)  # shutil.rmtree recurses: too deep for it
