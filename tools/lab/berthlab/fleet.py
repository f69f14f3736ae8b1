# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemons of a lab: berthd beside the hosts, one agent in each host; kept by pid and start time."""

import json
import os
import signal
import subprocess
import time

from .lab import Lab
from .record import LabError


def start_time(pid):
    """Field 22 of /proc/PID/stat, None when the process is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            rest = f.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if rest[0] == "Z" else int(rest[19])


def rss_bytes(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


class Daemon:
    """One process; `host` None = beside the hosts."""

    def __init__(self, fleet, name, host, argv):
        self.fleet, self.name, self.host, self.argv = fleet, name, host, argv
        tag = name if host is None else f"{name}-{host}"
        self.pid_file = os.path.join(fleet.var, "run", tag + ".pid")
        self.log_file = os.path.join(fleet.var, "log", tag + ".log")

    def pid(self):
        """Its pid when it lives, else None."""
        try:
            with open(self.pid_file, encoding="ascii") as f:
                pid, began = (int(x) for x in f.read().split())
        except (OSError, ValueError):
            return None
        return pid if start_time(pid) == began else None

    def start(self):
        """Starts it unless it lives; true when it had to."""
        if self.pid():
            return False
        for path in (self.pid_file, self.log_file):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(self.log_file, "ab") as log, open(os.devnull, "rb") as null:
            how = {"stdin": null, "stdout": log, "stderr": log, "start_new_session": True, "close_fds": True}
            env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
            if self.host is None:
                child = subprocess.Popen(self.argv, env=env, **how)
            else:
                child = self.fleet.lab.popen(self.host, self.argv, env=env, **how)
        with open(self.pid_file, "w", encoding="ascii") as f:
            f.write(f"{child.pid} {start_time(child.pid)}\n")
        self.child = child
        return True

    def died(self):
        """Exit status of what start() made, when it has ended already."""
        child = getattr(self, "child", None)
        return None if child is None else child.poll()

    def log_tail(self):
        try:
            with open(self.log_file, encoding="utf-8", errors="replace") as f:
                return "".join(f.readlines()[-15:])
        except OSError:
            return ""

    def stop(self, timeout=10.0):
        """SIGTERM, then SIGKILL; true when it lived."""
        pid = self.pid()
        if not pid:
            return False
        began = start_time(pid)
        for signum in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.kill(pid, signum)
            except ProcessLookupError:
                break
            end = time.monotonic() + timeout
            while start_time(pid) == began and time.monotonic() < end:
                child = getattr(self, "child", None)
                if child is not None:
                    child.poll()
                time.sleep(0.02)
            if start_time(pid) != began:
                break
        try:
            os.unlink(self.pid_file)
        except FileNotFoundError:
            pass
        return True


class Fleet:
    """A lab and its daemons."""

    def __init__(self, lab=None, build=None):
        self.lab = lab or Lab()
        self.var = self.lab.var
        self.build = build or os.path.join(self.lab.root, "build", "release", "bin")
        self.facts = self.lab.info(16)

    def bin(self, name):
        return os.path.join(self.build, name)

    @property
    def url(self):
        return f"https://127.0.0.1:{self.facts['api_port']}"

    @property
    def state(self):
        return os.path.join(self.var, "controller")

    def controller(self):
        return Daemon(self, "berthd", None, [self.bin("berthd"), "--config", os.path.join(self.var, "berthd.conf"), "run"])

    def agent(self, host):
        return Daemon(self, "agent", host, [self.bin("berth-agent"), "--config", self.agent_conf(host), "run"])

    def agent_conf(self, host):
        return os.path.join(self.var, f"agent-{host}.conf")

    def host_facts(self, host):
        return next(h for h in self.facts["hosts"] if h["name"] == host)

    def known_hosts(self):
        """Hosts that an agent was ever configured for."""
        return [h["name"] for h in self.facts["hosts"] if os.path.exists(self.agent_conf(h["name"]))]

    def write_controller_conf(self):
        f = self.facts
        self._write(os.path.join(self.var, "berthd.conf"), {
            "listen": f"127.0.0.1,{f['controller_address']}",
            "api_port": f["api_port"],
            "agent_port": f["agent_port"],
            "state_dir": self.state,
            "server_names": f"localhost,127.0.0.1,{f['controller_address']}",
        })

    def write_agent_conf(self, host, extra=None):
        h = self.host_facts(host)
        conf = {
            "name": host,
            "state_dir": h["state_dir"],
            "run_dir": h["run_dir"],
            "helper_dir": self.build,
            "id_base": h["id_base"],
            "id_count": h["id_count"],
            "cgroup_parent": h["cgroup_parent"].lstrip("/"),
            "uplink": h["uplink"],
            "sysctls": "set",
            # A lab is for trying things: the brake of production would hold the third purge.
            "brake_deletes": 100000,
            "brake_purges": 100000,
            "trash_time": "1s",
        }
        conf.update(extra or {})
        self._write(self.agent_conf(host), conf)

    @staticmethod
    def _write(path, conf):
        text = "".join(f"{k} = {v}\n" for k, v in conf.items())
        try:
            with open(path, encoding="utf-8") as f:
                if f.read() == text:
                    return
        except OSError:
            pass
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(path + ".new", path)

    # ---- the operator's hands ----

    def environment(self):
        env = dict(os.environ)
        with open(os.path.join(self.state, "operator.token"), encoding="ascii") as f:
            token = f.read().strip()
        env.update(BERTH_URL=self.url, BERTH_TOKEN=token, BERTH_CACERT=self.ca_file(),
                   PATH=f"{self.build}:{os.environ.get('PATH', '/usr/sbin:/usr/bin:/sbin:/bin')}")
        return env

    def ca_file(self):
        for name in ("ca.crt", "pki/ca.crt", "keys/ca.crt"):
            path = os.path.join(self.state, name)
            if os.path.exists(path):
                return path
        return os.path.join(self.state, "ca.crt")

    def berth(self, *args, check=True):
        """The CLI; returns CompletedProcess with text."""
        done = subprocess.run([self.bin("berth"), *args], env=self.environment(), capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False)
        if check and done.returncode != 0:
            raise LabError(f"berth {' '.join(args)}: {done.stderr.strip() or done.stdout.strip()}")
        return done

    def berth_json(self, *args):
        return json.loads(self.berth(*args, "-o", "json").stdout)

    def ps(self):
        """Rows of ./dev ps: daemons, then helpers by the host whose run directory they serve."""
        rows = []
        for daemon in [self.controller(), *(self.agent(h) for h in self.known_hosts())]:
            pid = daemon.pid()
            if pid:
                rows.append({"name": daemon.name, "host": daemon.host, "pid": pid, "rss_bytes": rss_bytes(pid)})
        rows.extend(self._helpers())
        return rows

    def _helpers(self):
        nets = {}
        for host in self.known_hosts():
            path = self.host_facts(host)["namespaces"]["net"]
            try:
                st = os.stat(path)
            except OSError:
                continue
            nets[(st.st_dev, st.st_ino)] = host
        for pid in (int(p) for p in os.listdir("/proc") if p.isdigit()):
            try:
                with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as f:
                    name = f.read().strip()
                if not name.startswith("berth-") or name == "berth-agent":
                    continue
                st = os.stat(f"/proc/{pid}/ns/net")
            except OSError:
                continue
            host = nets.get((st.st_dev, st.st_ino))
            if host:
                yield {"name": name, "host": host, "pid": pid, "rss_bytes": rss_bytes(pid)}
