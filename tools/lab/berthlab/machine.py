# SPDX-License-Identifier: GPL-2.0-or-later
"""What is global to the machine and is put back at the end: sysctls and loop device nodes."""

import contextlib
import fcntl
import os
import re

from . import kernel, record

LOOP_CTL_REMOVE = 0x4C81  # linux/loop.h


def _key_path(key):
    path = os.path.normpath("/proc/sys/" + key.replace(".", "/"))
    if not path.startswith("/proc/sys/") or not os.path.isfile(path):
        raise record.LabError(f"no such sysctl: {key}")
    return path


def first_value(key, labs):
    """The value from before any lab that is up, or None."""
    for lab in labs.values():
        if key in lab.get("sysctls", {}):
            return lab["sysctls"][key]
    return None


def set_sysctl(rec, key, value, labs):
    """Writes the value; the first old one is kept in rec (the caller saves it before, too)."""
    path = _key_path(key)
    now = kernel.read(path).strip()
    if key not in rec["sysctls"]:
        old = first_value(key, labs)
        rec["sysctls"][key] = now if old is None else old
    if now == value:
        return None
    return lambda: kernel.write(path, value)


def restore_sysctls(rec, labs):
    """Puts back what no other lab still wants; returns the keys that would not go back."""
    stuck = []
    for key, old in rec.get("sysctls", {}).items():
        if first_value(key, labs) is not None:
            continue
        try:
            path = _key_path(key)
            if kernel.read(path).strip() != old:
                kernel.write(path, old)
        except (OSError, record.LabError):
            stuck.append(key)
    return stuck


def loops():
    return sorted(int(m.group(1)) for m in map(re.compile(r"loop(\d+)$").match, os.listdir("/dev"))
                  if m)


def first_loops(labs):
    """The nodes from before any lab that is up: labs side by side share one list."""
    for lab in labs.values():
        if "loops" in lab:
            return lab["loops"]
    return loops()


def remove_loops(rec):
    """Removes nodes that came after the list was made and are bound to nothing."""
    if "loops" not in rec:
        return
    new = [n for n in loops() if n not in rec["loops"]]
    if not new:
        return
    with contextlib.suppress(OSError):
        fd = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
        try:
            for number in new:
                with contextlib.suppress(OSError):  # EBUSY: bound or open
                    fcntl.ioctl(fd, LOOP_CTL_REMOVE, number)
        finally:
            os.close(fd)
