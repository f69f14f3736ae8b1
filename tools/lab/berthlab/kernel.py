# SPDX-License-Identifier: GPL-2.0-or-later
"""System calls and kernel lists that Python 3.11 has no call for."""

import ctypes
import os
import time

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWNET = 0x40000000

MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18

MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong,
                        ctypes.c_char_p)


def _check(result, what):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def unshare(flags):
    _check(_libc.unshare(flags), "unshare")


def setns(fd, kind):
    _check(_libc.setns(fd, kind), "setns")


def mount(source, target, fstype=None, flags=0, data=None):
    args = [x.encode() if x is not None else None for x in (source, target, fstype, data)]
    _check(_libc.mount(args[0], args[1], args[2], flags, args[3]), f"mount {target}")


def umount(target):
    _check(_libc.umount2(target.encode(), MNT_DETACH | UMOUNT_NOFOLLOW), f"umount {target}")


def die_with_parent(sig):
    """See prctl(2). A parent that died before the call is the caller's to notice."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, sig, 0, 0, 0), "prctl")


def _unescape(field):
    """Undoes the octal escapes of proc(5) mountinfo."""
    if "\\" not in field:
        return field
    out = field.encode().decode("unicode_escape")
    return out.encode("latin-1").decode("utf-8", "surrogateescape")


class Mount:
    """One line of mountinfo, proc_pid_mountinfo(5)."""

    def __init__(self, line):
        left, _, right = line.rstrip("\n").partition(" - ")
        head = left.split(" ")
        tail = right.split(" ")
        self.device = head[2]
        self.root = _unescape(head[3])
        self.point = _unescape(head[4])
        self.fstype = tail[0]
        self.source = _unescape(tail[1])
        self.options = tail[2].split(",") if len(tail) > 2 else []


def mounts(pid="self"):
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape") as f:
        return [Mount(line) for line in f]


def read(path):
    with open(path, encoding="utf-8", errors="surrogateescape") as f:
        return f.read()


def write(path, text):
    """One write(2): the kernel's control files take nothing else."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def try_read(path, absent=None):
    try:
        return read(path)
    except OSError:
        return absent


def boot_id():
    return read("/proc/sys/kernel/random/boot_id").strip()


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def wait_until(test, timeout_s, step_s=0.01):
    """True as soon as test() is true, False after timeout_s."""
    end = time.monotonic() + timeout_s
    while not test():
        if time.monotonic() >= end:
            return False
        time.sleep(step_s)
    return True
