# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's control groups: /LAB/HOST in every hierarchy, v1, v2 and hybrid.

/LAB/HOST is the root of the host's cgroup namespace. Programs of the host live in its child
SERVICES: under v2 a group with processes of its own may not give controllers to its children.
"""

import contextlib
import errno
import os
import signal

from . import kernel

SERVICES = "services"
V2_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "pids")


class Hierarchy:
    def __init__(self, mount):
        self.point = mount.point
        self.v2 = mount.fstype == "cgroup2"
        self.controllers = [o for o in mount.options if o not in ("rw", "ro", "none", "xattr")
                            and not o.startswith(("release_agent=", "nsdelegate", "memory_"))]

    def mount_data(self):
        """What mounts this hierarchy again, cgroups(7)."""
        if self.v2:
            return None
        named = all(c.startswith("name=") for c in self.controllers)
        return ",".join((["none"] if named else []) + self.controllers)


def hierarchies():
    found = {}
    for m in kernel.mounts():
        if m.fstype in ("cgroup", "cgroup2") and m.device not in found:
            found[m.device] = Hierarchy(m)
    return list(found.values())


def _mkdir(path):
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o755)


def _prepare_cpuset(path, parent):
    """A v1 cpuset takes no task before it has cpus and memory nodes, cpusets(7)."""
    if kernel.read(f"{path}/cgroup.clone_children").strip() != "1":
        kernel.write(f"{path}/cgroup.clone_children", "1")
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not kernel.read(f"{path}/{name}").strip():
            kernel.write(f"{path}/{name}", kernel.read(f"{parent}/{name}").strip())


def _missing_controllers(path):
    have = kernel.read(f"{path}/cgroup.controllers").split()
    on = kernel.read(f"{path}/cgroup.subtree_control").split()
    return [name for name in V2_CONTROLLERS if name in have and name not in on]


def _enable_controllers(path):
    """Gives path's children all controllers that it has."""
    for name in _missing_controllers(path):
        with contextlib.suppress(OSError):
            kernel.write(f"{path}/cgroup.subtree_control", f"+{name}")


def missing_controllers():
    """The v2 controllers that `ensure` will switch on at the root of the tree."""
    return [name for h in hierarchies() if h.v2 for name in _missing_controllers(h.point)]


def _make(hierarchy, path, parent):
    _mkdir(path)
    if "cpuset" in hierarchy.controllers and not hierarchy.v2:
        _prepare_cpuset(path, parent)
    use = kernel.try_read(f"{path}/memory.use_hierarchy")
    if use is not None and use.strip() == "0":
        kernel.write(f"{path}/memory.use_hierarchy", "1")


def ensure(lab, host):
    """Makes the groups that are missing."""
    for h in hierarchies():
        path = h.point
        if h.v2:
            _enable_controllers(path)
        for part in (lab, host, SERVICES):
            _make(h, f"{path}/{part}", path)
            path = f"{path}/{part}"
            if h.v2 and part == lab:
                _enable_controllers(path)


def delegate(lab, host):
    """Lets the host give its controllers on. Not before its namespaces are made: no process may
    enter a v2 group that does so, and the maker must."""
    for h in hierarchies():
        if h.v2:
            _enable_controllers(f"{h.point}/{lab}/{host}")


def give_back_controllers(names):
    for h in hierarchies():
        if not h.v2:
            continue
        for name in names:
            with contextlib.suppress(OSError):
                kernel.write(f"{h.point}/cgroup.subtree_control", f"-{name}")


def enter(lab, host, leaf=SERVICES):
    """Moves the calling process; "" as leaf = the root of the host's namespace."""
    for h in hierarchies():
        kernel.write(os.path.join(h.point, lab, host, leaf, "cgroup.procs"), "0")


# Below, `group` is LAB or LAB/HOST.


def _tree(group):
    """Every group of the tree in every hierarchy, children before parents."""
    for h in hierarchies():
        for path, _, _ in os.walk(f"{h.point}/{group}", topdown=False):
            yield h, path


def members(group):
    found = set()
    for _, path in _tree(group):
        found.update(int(x) for x in (kernel.try_read(f"{path}/cgroup.procs", "")).split())
    found.discard(0)  # a process that this pid namespace cannot see
    return found


def thaw(group):
    """A frozen v1 group does not die of SIGKILL, cgroup-v1/freezer-subsystem."""
    for _, path in _tree(group):
        state = kernel.try_read(f"{path}/freezer.state")
        if state is not None and state.strip() != "THAWED":
            with contextlib.suppress(OSError):
                kernel.write(f"{path}/freezer.state", "THAWED")


def kill(group):
    """SIGKILL to all members; the v2 tree does it in one step where the kernel can. Returns the
    ones that there were: call it until it is empty."""
    thaw(group)
    for h in hierarchies():
        if h.v2:
            with contextlib.suppress(OSError):
                kernel.write(f"{h.point}/{group}/cgroup.kill", "1")
    found = members(group)
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return found


def remove(group):
    """Removes the emptied groups; returns the paths that would not go."""
    left = []

    def once():
        left.clear()
        for _, path in _tree(group):
            try:
                os.rmdir(path)
            except OSError as e:
                if e.errno != errno.ENOENT:
                    left.append(path)
        return not left

    kernel.wait_until(once, 5)
    return left
