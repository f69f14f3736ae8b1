# SPDX-License-Identifier: GPL-2.0-or-later
"""What a lab is called and what it has been given: ports, id ranges, addresses.

The record lives in VAR/lab/lab.json. While a lab is up a copy lies in REGISTRY, so that other labs
of the machine stay away from what it has, and so that it can be ended with its VAR gone.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import socket

from . import kernel

REGISTRY = "/run/berth-labs"
MAX_HOSTS = 16

# Id ranges: slots of 1,024 x 65,536 ids; slot 15 starts at 1,006,632,960, slot 59 ends at 4,026,531,839.
ID_SLOT = 1024 * 65536
ID_SLOT_FIRST = 15
ID_SLOT_COUNT = 45

FIRST_PORTS = (8443, 8444)
# Below the default ephemeral range, so that no outgoing connection sits on the port.
PORT_LOW = 20000
PORT_PAIRS = 6383

NAME_RE = re.compile(r"bt[a-z0-9]{1,8}")


class LabError(Exception):
    """A lab cannot do what was asked; the text is for people."""


def hash_of(*words):
    return int(hashlib.sha256("\0".join(str(w) for w in words).encode()).hexdigest(), 16)


def default_name(root):
    return "bt" + hashlib.sha256(os.path.abspath(root).encode()).hexdigest()[:6]


def check_name(name):
    if not NAME_RE.fullmatch(name):
        raise LabError(f"lab name {name!r}: wanted bt and 1 to 8 of a-z0-9")
    return name


@contextlib.contextmanager
def locked(path):
    """Holds an flock on path; the file may be unlinked by the holder (see forget_lock)."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    while True:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # another lab has just removed the empty folder
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            continue
        fcntl.flock(fd, fcntl.LOCK_EX)
        if _same_file(fd, path):
            break
        os.close(fd)
    os.set_inheritable(fd, True)  # only children started with close_fds=False take it along
    try:
        yield
    finally:
        os.close(fd)


def _same_file(fd, path):
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    mine = os.fstat(fd)
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


def lock_path(name):
    return f"{REGISTRY}/{name}.lock"


def machine_lock():
    return locked(f"{REGISTRY}/machine.lock")


def write_json(path, data):
    """Replaces path whole, or not at all."""
    temp = f"{path}.{os.getpid()}.new"
    with open(temp, "w", encoding="utf-8") as f:
        json.dump(data, f, indent=1, sort_keys=True)
        f.write("\n")
        f.flush()
        os.fsync(f.fileno())
    os.rename(temp, path)


def read_json(path):
    try:
        with open(path, encoding="utf-8") as f:
            data = json.load(f)
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def live_labs(but=None):
    """Records of the labs that are up on this machine, by name."""
    found = {}
    try:
        names = os.listdir(REGISTRY)
    except FileNotFoundError:
        return found
    boot = kernel.boot_id()
    for entry in sorted(names):
        name, ext = os.path.splitext(entry)
        if ext != ".json" or name == but:
            continue
        data = read_json(f"{REGISTRY}/{entry}")
        if data and data.get("boot_id") == boot:
            found[name] = data
    return found


def registered(name):
    """The copy of a lab that is up, or None."""
    data = read_json(f"{REGISTRY}/{name}.json")
    return data if data and data.get("boot_id") == kernel.boot_id() else None


def publish(record):
    os.makedirs(REGISTRY, mode=0o755, exist_ok=True)
    write_json(f"{REGISTRY}/{record['name']}.json", record)


def withdraw(name):
    """Takes the lab's record out of the registry, half-written ones of a killed `up` too."""
    for entry in os.listdir(REGISTRY):
        if entry == f"{name}.json" or (entry.startswith(f"{name}.json.") and entry.endswith(".new")):
            os.unlink(f"{REGISTRY}/{entry}")


def forget_lock(name):
    """Called by the lock's holder, last thing."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(lock_path(name))


def tidy_registry():
    """Removes the folder when no lab is left in it."""
    with machine_lock():
        if os.listdir(REGISTRY) == ["machine.lock"]:
            os.unlink(f"{REGISTRY}/machine.lock")
    with contextlib.suppress(OSError):
        os.rmdir(REGISTRY)


def _port_free(port):
    with contextlib.closing(socket.socket()) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("", port))
        except OSError:
            return False
    return True


def _pick_ports(name, labs):
    taken = {p for lab in labs.values() for p in (lab["api_port"], lab["agent_port"])}

    def free(pair):
        return not taken & set(pair) and all(_port_free(p) for p in pair)

    if not labs and free(FIRST_PORTS):
        return FIRST_PORTS
    start = hash_of(name, "ports")
    for i in range(PORT_PAIRS):
        low = PORT_LOW + 2 * ((start + i) % PORT_PAIRS)
        if free((low, low + 1)):
            return low, low + 1
    raise LabError("no two free ports left for the controller")


def _used_octets():
    """Third octets of 198.19.0.0/16 that routes or addresses of this machine mention."""
    text = kernel.try_read("/proc/net/fib_trie", "")
    return {int(x) for x in re.findall(r"\b198\.19\.(\d+)\.\d+", text)}


def _pick_octet(name, labs):
    taken = {lab["mgmt_octet"] for lab in labs.values()} | _used_octets()
    start = hash_of(name, "mgmt")
    for i in range(254):
        octet = 1 + (start + i) % 254
        if octet not in taken:
            return octet
    raise LabError("no /24 of 198.19.0.0/16 is left for the management links")


def _pick_slot(name, number, taken):
    start = hash_of(name, "ids", number)
    for i in range(ID_SLOT_COUNT):
        slot = ID_SLOT_FIRST + (start + i) % ID_SLOT_COUNT
        if slot not in taken:
            return slot
    raise LabError("no id range is left on this machine: end a lab first")


def _give_slots(record, count, labs):
    mine = record["id_slots"]
    taken = {s for lab in labs.values() for s in lab["id_slots"].values()} | set(mine.values())
    for number in range(1, count + 1):
        if str(number) not in mine:
            mine[str(number)] = _pick_slot(record["name"], number, taken)
            taken.add(mine[str(number)])


def _usable(record, labs):
    """May a lab that was down keep the ports and the /24 that it had?"""
    ports = {record["api_port"], record["agent_port"]}
    for lab in labs.values():
        if ports & {lab["api_port"], lab["agent_port"]} or lab["mgmt_octet"] == record["mgmt_octet"]:
            return False
    return record["mgmt_octet"] not in _used_octets() and all(_port_free(p) for p in ports)


def allocate(name, root, var, hosts):
    """The record for `hosts` hosts: what was given before, completed. Needs the machine lock.

    Id ranges outlive `down`: files on disk carry them.
    """
    labs = live_labs(but=name)
    live = registered(name)
    old = live or read_json(f"{var}/lab/lab.json")
    record = {"name": name, "id_slots": {}, "hosts": 0}
    if live and live["var"] != var and os.path.ismount(f"{live['var']}/lab/ns"):
        raise LabError(f"lab {name} is up with {live['var']}")
    if old and old.get("name") == name:
        record.update(old)
    record.update(root=root, var=var)
    record["hosts"] = max(hosts, record["hosts"] if live else 0)
    if not live:
        record.update(boot_id=kernel.boot_id(), sysctls={}, controllers=[])
        record.pop("loops", None)
    if "api_port" not in record or (not live and not _usable(record, labs)):
        record["api_port"], record["agent_port"] = _pick_ports(name, labs)
        record["mgmt_octet"] = _pick_octet(name, labs)
    _give_slots(record, hosts, labs)
    return record
