# SPDX-License-Identifier: GPL-2.0-or-later
"""Class Lab: development hosts h1..hN and `wan` on this machine."""

import contextlib
import os
import signal
import subprocess

from . import cgroups, kernel, machine, namespaces, record, wires
from .record import LabError

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


class Lab:
    """One lab. Two labs need different names and different var folders.

    As a context manager it always ends itself:
        with Lab("bttest1", tmp) as lab:
            lab.up(hosts=2)
            lab.run("h1", ["ping", "-c1", "192.0.2.1"])
    """

    def __init__(self, name=None, var=None, root=None):
        self.root = os.path.abspath(root or ROOT)
        self.var = os.path.abspath(var or os.path.join(self.root, "var"))
        self.name = record.check_name(name or os.environ.get("BERTH_LAB")
                                      or record.default_name(self.root))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.down()

    # -- record ------------------------------------------------------------------------------

    def _save(self, rec):
        os.makedirs(f"{self.var}/lab", exist_ok=True)
        record.publish(rec)
        record.write_json(f"{self.var}/lab/lab.json", rec)

    def _begin(self, hosts):
        """Reserves what the lab needs and says so on disk before the kernel is touched."""
        with record.machine_lock():
            rec = record.allocate(self.name, self.root, self.var, hosts)
            if "loops" not in rec:  # not up yet: what labs share is handed on to it
                others = record.live_labs(but=self.name)
                rec["loops"] = machine.first_loops(others)
                rec["controllers"] = [c for x in others.values() for c in x["controllers"]]
            rec["controllers"] = sorted(set(rec["controllers"] + cgroups.missing_controllers()))
            self._save(rec)
        return rec

    def record(self):
        """The record of the lab if it is up, else None."""
        return record.registered(self.name)

    def _live(self):
        rec = self.record()
        if rec is None:
            raise LabError(f"lab {self.name} is not up")
        return rec

    # -- up ----------------------------------------------------------------------------------

    def up(self, hosts=1):
        """Makes or repairs wan and h1..hN; returns the names of what had to be made or mended.
        Hosts beyond N that are up stay."""
        if os.geteuid() != 0:
            raise LabError("a lab needs root")
        if not 1 <= hosts <= record.MAX_HOSTS:
            raise LabError(f"1 to {record.MAX_HOSTS} hosts")
        with record.locked(record.lock_path(self.name)):
            rec = self._begin(hosts)
            numbers = range(1, rec["hosts"] + 1)
            namespaces.mount_pin_dir(self.name, self.var)
            changed = self._ensure_namespaces([wires.WAN] + [f"h{n}" for n in numbers])
            changed += self._ensure_wires(rec, numbers)
        return sorted(set(changed))

    def _ensure_namespaces(self, names):
        made = []
        for host in names:
            cgroups.ensure(self.name, host)
            if not namespaces.pinned(self.var, host):
                self._make_host(host)
                made.append(host)
            cgroups.delegate(self.name, host)
        return made

    def _make_host(self, host):
        """A host without its namespaces is a dead one: what still runs of it goes first."""
        group = f"{self.name}/{host}"
        if not kernel.wait_until(lambda: not cgroups.kill(group), 10):
            raise LabError(f"processes of the old {host} do not end")
        cgroups.remove(group)
        cgroups.ensure(self.name, host)
        self._forget_wires(host)
        namespaces.make(self.name, self.var, host)

    def _forget_wires(self, host):
        """Ends of links into namespaces that are about to be replaced: the kernel would take them
        away too, but later."""
        if host == wires.WAN:
            return
        wires.delete_link(wires.Net(None), wires.mgmt_link(self.name, wires.host_number(host)))
        if namespaces.pinned(self.var, wires.WAN):
            wires.delete_link(wires.wan_net(self.name, self.var, []), host)

    def _ensure_wires(self, rec, numbers):
        octet = rec["mgmt_octet"]
        wan = wires.wan_net(self.name, self.var, numbers)
        root = wires.root_net(self.name, self.var, octet, numbers)
        hosts = {n: wires.host_net(self.name, self.var, octet, n) for n in numbers}
        changed = []
        wires.apply_sysctls(wan)
        for n, net in hosts.items():
            wires.apply_sysctls(net)
            wires.drop_half_wires(net, {wires.UPLINK: (wan, f"h{n}"),
                                        wires.MGMT: (root, wires.mgmt_link(self.name, n))})
        if wires.apply(wan) | wires.apply_wan_filter(self.name, wan, numbers):
            changed.append(wires.WAN)
        if wires.apply(root):
            changed.append("mgmt")
        for n, net in hosts.items():
            if wires.apply(net) | wires.apply_host_filter(net, octet, n):
                changed.append(f"h{n}")
        return changed

    # -- down --------------------------------------------------------------------------------

    def down(self):
        """Ends all of it, whole or in pieces; a lab that is not there is no error."""
        if os.geteuid() != 0:
            raise LabError("a lab needs root")
        with record.locked(record.lock_path(self.name)):
            rec = self.record() or {}
            self._end_processes()
            wires.remove_links(self.name)
            namespaces.remove_pins(self.name)
            left = cgroups.remove(self.name)
            with record.machine_lock():
                others = record.live_labs(but=self.name)
                left += machine.restore_sysctls(rec, others)
                if not others:
                    cgroups.give_back_controllers(rec.get("controllers", []))
                machine.remove_loops(rec)
                record.withdraw(self.name)
            record.forget_lock(self.name)
        record.tidy_registry()
        if left:
            raise LabError("left behind: " + ", ".join(left))

    def _end_processes(self):
        me = os.getpid()
        if me in cgroups.members(self.name) or namespaces.members(self.name, [me]):
            raise LabError("a lab cannot be ended from inside")

        def ended():
            left = cgroups.kill(self.name) | namespaces.members(self.name)
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not left

        if not kernel.wait_until(ended, 10):
            pids = cgroups.members(self.name) | namespaces.members(self.name)
            raise LabError("processes do not end: " + " ".join(map(str, sorted(pids))))

    # -- use ---------------------------------------------------------------------------------

    def enter(self, host):
        """Moves the calling process into a host for good."""
        if not namespaces.pinned(self.var, host):
            raise LabError(f"lab {self.name} has no {host}: is it up?")
        namespaces.enter(self.name, self.var, host)

    def popen(self, host, argv, **kwargs):
        """subprocess.Popen inside a host."""
        if not namespaces.pinned(self.var, host):
            raise LabError(f"lab {self.name} has no {host}: is it up?")
        return subprocess.Popen(argv, preexec_fn=lambda: self.enter(host), **kwargs)

    def run(self, host, argv, **kwargs):
        """subprocess.run inside a host; text and captured output unless told otherwise."""
        kwargs.setdefault("text", True)
        if not {"stdout", "stderr", "capture_output"} & kwargs.keys():
            kwargs["capture_output"] = True
        kwargs.setdefault("check", False)
        return subprocess.run(argv, preexec_fn=lambda: self.enter(host), **kwargs)

    def sysctl(self, key, value):
        """Sets a sysctl of the machine; `down` of the last lab that set it puts the old one back."""
        key = key.replace("/", ".")
        with record.locked(record.lock_path(self.name)), record.machine_lock():
            rec = self._live()
            act = machine.set_sysctl(rec, key, str(value), record.live_labs(but=self.name))
            self._save(rec)
            if act:
                act()

    def foreign_macs(self):
        """{"h1": frames with a foreign source MAC that left h1's uplink}"""
        self._live()
        return wires.foreign_macs(self.var)

    # -- info --------------------------------------------------------------------------------

    def _host_info(self, rec, n):
        host = f"h{n}"
        return {
            "name": host,
            "number": n,
            "up": namespaces.pinned(self.var, host),
            "id_base": rec["id_slots"][str(n)] * record.ID_SLOT,
            "id_count": record.ID_SLOT,
            "mgmt_link": wires.MGMT,
            "mgmt_address": f"198.19.{rec['mgmt_octet']}.{10 + n}",
            "uplink": wires.UPLINK,
            "uplink_mac": wires.mac(self.name, 1, n),
            "uplink_address4": f"192.0.2.{10 + n}/24",
            "uplink_address6": f"2001:db8:ffff::{10 + n}/64",
            "pool4": f"198.18.{16 * (n - 1)}.0/20",
            "pool6": f"2001:db8:{n}::/48",
            "cgroup_parent": "/berth-instances",
            "state_dir": f"{self.var}/{host}",
            "run_dir": "/run/berth",
            "namespaces": {k: namespaces.pin_path(self.var, host, k) for k in namespaces.KINDS},
            "cgroups": [f"{h.point}/{self.name}/{host}" for h in cgroups.hierarchies()],
        }

    def info(self, hosts=1):
        """The lab as a dict: what is up, or what the next `up --hosts N` would take."""
        live = self.record()
        with record.machine_lock():
            rec = live or record.allocate(self.name, self.root, self.var, hosts)
        return {
            "name": self.name,
            "up": live is not None,
            "root": self.root,
            "var": self.var,
            "api_port": rec["api_port"],
            "agent_port": rec["agent_port"],
            "controller_address": f"198.19.{rec['mgmt_octet']}.1",
            "mgmt_net": f"198.19.{rec['mgmt_octet']}.0/24",
            "sysctls": rec["sysctls"],
            "wan": {
                "name": wires.WAN,
                "bridge": wires.BRIDGE,
                "address4": "192.0.2.1/24",
                "address6": "2001:db8:ffff::1/64",
                "shared4": "203.0.113.0/24",
                "shared4_gateway": "203.0.113.1",
                "namespaces": {k: namespaces.pin_path(self.var, wires.WAN, k)
                               for k in namespaces.KINDS},
            },
            "hosts": [self._host_info(rec, n) for n in range(1, rec["hosts"] + 1)],
        }
