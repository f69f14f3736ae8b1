# SPDX-License-Identifier: GPL-2.0-or-later
"""A host = mount, network, UTS and cgroup namespaces, pinned by bind mounts, no process needed.

The pins lie on a private tmpfs whose source is the lab's name; file systems made inside a host have
the source LAB/HOST. Both can be found in mountinfo when every other trace is gone.
"""

import contextlib
import errno
import os
import shutil
import signal
import socket

from . import cgroups, kernel

# Order of entering: the mount namespace last, the others are opened by path before.
KINDS = {
    "cgroup": kernel.CLONE_NEWCGROUP,
    "uts": kernel.CLONE_NEWUTS,
    "net": kernel.CLONE_NEWNET,
    "mnt": kernel.CLONE_NEWNS,
}
ALL_KINDS = sum(KINDS.values())

# Folders that belong to one host: a copy of each is bound over it when the machine has it.
PRIVATE_DIRS = ("/etc/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt",
                "/var/lib/lxc", "/var/cache/lxc")


def pin_dir(var):
    return f"{var}/lab/ns"


def pin_path(var, host, kind):
    return f"{var}/lab/ns/{host}/{kind}"


def mount_pin_dir(lab, var):
    """Private: the kernel binds a mount namespace onto nothing else."""
    path = pin_dir(var)
    os.makedirs(path, exist_ok=True)
    path = os.path.realpath(path)
    if not any(m.point == path and m.source == lab for m in kernel.mounts()):
        kernel.mount(lab, path, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC,
                     "mode=0700,size=64k")
        kernel.mount(None, path, None, kernel.MS_PRIVATE)


def pinned(var, host):
    """Are all four namespaces there?"""
    points = {m.point for m in kernel.mounts() if m.fstype == "nsfs"}
    return all(os.path.realpath(pin_path(var, host, k)) in points for k in KINDS)


def _drop_foreign_mounts():
    """A new mount namespace has copies of all labs' pins, which would keep their hosts alive."""
    for m in reversed(kernel.mounts()):
        if m.fstype == "nsfs" or (m.fstype == "tmpfs" and m.point.endswith("/lab/ns")):
            with contextlib.suppress(OSError):
                kernel.umount(m.point)


def _mount_cgroups(found, source):
    """Mounted inside the new cgroup namespace: its root becomes the root that is seen."""
    top = "/sys/fs/cgroup"
    if len(found) == 1 and found[0].v2 and found[0].point == top:
        kernel.mount("cgroup2", top, "cgroup2")
        return
    kernel.mount(source, top, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC,
                 "mode=0755")
    for h in found:
        if not h.point.startswith(top + "/"):
            continue
        os.makedirs(h.point)
        kernel.mount("cgroup2" if h.v2 else "cgroup", h.point, "cgroup2" if h.v2 else "cgroup", 0,
                     h.mount_data())
        name = os.path.basename(h.point)
        for alias in name.split(","):
            if alias != name:
                os.symlink(name, f"{top}/{alias}")


def _mount_sys(source):
    """A fresh sysfs shows the devices of this network namespace."""
    found = cgroups.hierarchies()
    with contextlib.suppress(OSError):
        kernel.umount("/sys")
    kernel.mount("sysfs", "/sys", "sysfs",
                 kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    _mount_cgroups(found, source)


def _mount_run(source):
    kernel.mount(source, "/run", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=0755")
    os.mkdir("/run/lock", 0o1777)
    os.chmod("/run/lock", 0o1777)


def _bind_private_dirs(own):
    for path in PRIVATE_DIRS:
        if not os.path.isdir(path) or os.path.islink(path):
            continue
        copy = own + path
        if not os.path.isdir(copy):
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            temp = f"{copy}.new"
            shutil.rmtree(temp, ignore_errors=True)
            if path.startswith("/etc/"):
                shutil.copytree(path, temp, symlinks=True)
            else:
                os.mkdir(temp)
            shutil.copystat(path, temp)
            os.rename(temp, copy)
        kernel.mount(copy, path, None, kernel.MS_BIND)


def _become_host(lab, var, host):
    """In the child that is to be pinned; when this returns the host's inside is whole."""
    cgroups.enter(lab, host, "")
    kernel.unshare(ALL_KINDS)
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    _drop_foreign_mounts()
    socket.sethostname(host)
    _mount_sys(f"{lab}/{host}")
    _mount_run(f"{lab}/{host}")
    _bind_private_dirs(f"{var}/lab/private/{host}")


def _pin(pid, var, host):
    os.makedirs(f"{pin_dir(var)}/{host}", exist_ok=True)
    for kind in KINDS:
        path = pin_path(var, host, kind)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o400))
        kernel.mount(f"/proc/{pid}/ns/{kind}", path, None, kernel.MS_BIND)


def make(lab, var, host):
    """Makes and pins the namespaces of one host. Killed anywhere it leaves pins and groups only.

    A mount namespace can be bound only into an older one, and newer kernels number namespaces from
    a batch per CPU: where this process is not in the machine's first one, only some CPUs will do.
    """
    for cpu in [None] + sorted(os.sched_getaffinity(0)):
        unpin(var, host)
        try:
            _make_on(cpu, lab, var, host)
            return
        except OSError as e:
            if e.errno != errno.EINVAL:
                raise
            refused = e
    raise refused


def _make_on(cpu, lab, var, host):
    parent = os.getpid()
    ready_r, ready_w = os.pipe()
    done_r, done_w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ready_r)
        os.close(done_w)
        status = b"?"
        try:
            kernel.die_with_parent(signal.SIGKILL)
            if cpu is not None:
                os.sched_setaffinity(0, {cpu})
            if os.getppid() == parent:
                _become_host(lab, var, host)
                status = b""
        except BaseException as e:  # pylint: disable=broad-except
            status = str(e).encode()
        finally:
            os.write(ready_w, b"ok" if not status else b"!" + status)
            os.close(ready_w)
            os.read(done_r, 1)
            os._exit(0)
    os.close(ready_w)
    os.close(done_r)
    try:
        answer = os.read(ready_r, 4096)
        if answer != b"ok":
            raise OSError(f"host {host}: {answer[1:].decode(errors='replace') or 'its maker died'}")
        _pin(pid, var, host)
    finally:
        os.close(ready_r)
        os.close(done_w)
        os.waitpid(pid, 0)


def unpin(var, host):
    own = os.path.realpath(f"{pin_dir(var)}/{host}") + "/"
    for m in reversed(kernel.mounts()):
        if m.fstype == "nsfs" and m.point.startswith(own):
            kernel.umount(m.point)


def pin_dirs(lab):
    """Mount points of the lab's pins, wherever they are."""
    return [m.point for m in kernel.mounts() if m.fstype == "tmpfs" and m.source == lab]


def inodes(lab):
    """{(kind, inode)} of the pinned namespaces: what /proc/PID/ns/KIND of a member links to."""
    found = set()
    tops = tuple(p + "/" for p in pin_dirs(lab))
    for m in kernel.mounts():
        if tops and m.fstype == "nsfs" and m.point.startswith(tops):
            kind, _, inode = m.root.partition(":")
            found.add((kind, inode.strip("[]")))
    return found


def _lives_in(pid, wanted, mark):
    for kind in KINDS:
        try:
            name, _, inode = os.readlink(f"/proc/{pid}/ns/{kind}").partition(":")
        except OSError:
            return False
        if (name, inode.strip("[]")) in wanted:
            return True
    return mark in kernel.try_read(f"/proc/{pid}/mountinfo", "")


def members(lab, candidates=None):
    """Processes inside the lab's namespaces, or in ones that were derived from them."""
    wanted = inodes(lab)
    return {pid for pid in candidates or kernel.pids() if _lives_in(pid, wanted, f" {lab}/")}


def remove_pins(lab):
    """Both the pins and the file system that holds them."""
    for top in reversed(pin_dirs(lab)):
        for m in reversed(kernel.mounts()):
            if m.point.startswith(top + "/"):
                with contextlib.suppress(OSError):
                    kernel.umount(m.point)
        with contextlib.suppress(OSError):
            kernel.umount(top)


def enter(lab, var, host):
    """Moves the calling (single-threaded) process into the host: groups, then namespaces."""
    fds = {}
    try:
        for kind in KINDS:
            fds[kind] = os.open(pin_path(var, host, kind), os.O_RDONLY | os.O_CLOEXEC)
        cgroups.enter(lab, host)
        where = os.getcwd()
        for kind, flag in KINDS.items():
            kernel.setns(fds[kind], flag)
    finally:
        for fd in fds.values():
            os.close(fd)
    try:
        os.chdir(where)
    except OSError:
        os.chdir("/")
