# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemons of a lab: berthd beside the hosts, one agent in each host."""

import hashlib
import json
import os
import re
import signal
import subprocess
import time

from .lab import Lab
from .record import LabError

ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


def start_time(pid):
    """Field 22 of /proc/PID/stat, None when the process is gone or a zombie. A killed process whose
    first thread is a zombie already holds its files until its other threads have ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            rest = f.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if rest[0] == "Z" and int(rest[17]) <= 1 else int(rest[19])


def rss_bytes(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
            found = re.search(r"^VmRSS:\s+(\d+)", f.read(), re.M)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def cmdline(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def all_pids():
    return [int(p) for p in os.listdir("/proc") if p.isdigit()]


class Daemon:
    """One process, known by its command line; `host` None = beside the hosts.

    The pid file holds pid, start time and what it was started from: a binary or a configuration
    that has changed since makes it outdated."""

    def __init__(self, fleet, name, host, argv):
        self.fleet, self.name, self.host, self.argv = fleet, name, host, argv
        self.tag = name if host is None else f"{name}-{host}"
        self.pid_file = os.path.join(fleet.var, "run", self.tag + ".pid")
        self.log_file = os.path.join(fleet.var, "log", self.tag + ".log")
        self.child = None

    def _recorded(self):
        try:
            with open(self.pid_file, encoding="ascii") as f:
                pid, began, source = f.read().split()
            return int(pid), int(began), source
        except (OSError, ValueError):
            return None, None, None

    def _is_it(self, pid):
        """By what it was told to do: its binary may have been built anew, in another folder."""
        argv = cmdline(pid)
        return argv[1:] == self.argv[1:] and \
            os.path.basename(argv[0]) == os.path.basename(self.argv[0]) and \
            start_time(pid) is not None

    def pid(self):
        """Its pid when it lives, else None."""
        pid, began, _ = self._recorded()
        if pid and start_time(pid) == began:
            return pid
        return next((p for p in all_pids() if self._is_it(p)), None)

    def _source(self):
        h = hashlib.sha256()
        st = os.stat(self.argv[0])
        h.update(f"{st.st_dev} {st.st_ino} {st.st_mtime_ns}".encode())
        for path in self.argv[1:]:
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    h.update(f.read())
        return h.hexdigest()

    def outdated(self):
        return self.pid() is not None and self._recorded()[2] != self._source()

    def start(self):
        """Starts it unless it lives as it should; true when it had to."""
        if self.outdated():
            self.stop()
        if self.pid():
            return False
        for path in (self.pid_file, self.log_file):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        source = self._source()
        with open(self.log_file, "ab") as log, open(os.devnull, "rb") as null:
            how = {"stdin": null, "stdout": log, "stderr": log, "start_new_session": True,
                   "close_fds": True, "env": {**ENV, **self.fleet.daemon_env}}
            if self.host is None:
                self.child = subprocess.Popen(self.argv, **how)
            else:
                self.child = self.fleet.lab.popen(self.host, self.argv, **how)
        with open(self.pid_file, "w", encoding="ascii") as f:
            f.write(f"{self.child.pid} {start_time(self.child.pid) or 0} {source}\n")
        return True

    def log_tail(self):
        try:
            with open(self.log_file, encoding="utf-8", errors="replace") as f:
                return "".join(f.readlines()[-15:])
        except OSError:
            return ""

    def gone(self, pid, began, timeout_s):
        end = time.monotonic() + timeout_s
        while start_time(pid) == began:
            if time.monotonic() >= end:
                return False
            if self.child is not None:
                self.child.poll()
            time.sleep(0.01)
        return True

    def stop(self, timeout_s=15.0):
        """SIGTERM, then SIGKILL; true when it lived."""
        return self.kill(signal.SIGTERM, timeout_s)

    def kill(self, signum=signal.SIGKILL, timeout_s=15.0):
        pid = self.pid()
        if not pid:
            return False
        began = start_time(pid)
        for sig in (signum, signal.SIGKILL):
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                break
            if self.gone(pid, began, timeout_s):
                break
        if self.child is not None:
            self.child.poll()
        try:
            os.unlink(self.pid_file)
        except FileNotFoundError:
            pass
        return True


class Fleet:
    """A lab and its daemons.

    agent_extra, controller_extra: more lines of their configuration; daemon_env: more environment.
    """

    def __init__(self, lab=None, build=None):
        self.lab = lab or Lab(var=os.environ.get("BERTH_VAR"))
        self.var = self.lab.var
        self.build = build or os.path.join(self.lab.root, "build", "release", "bin")
        self.cache = os.environ.get("BERTH_CACHE") or os.path.join(self.var, "cache")
        self.agent_extra, self.controller_extra, self.daemon_env = {}, {}, {}
        self.refresh()

    def refresh(self):
        """What the lab has been given may have changed."""
        self.facts = self.lab.info(16)

    def bin(self, name):
        return os.path.join(self.build, name)

    @property
    def url(self):
        return f"https://127.0.0.1:{self.facts['api_port']}"

    @property
    def state(self):
        return os.path.join(self.var, "controller")

    @property
    def ca_file(self):
        return os.path.join(self.state, "pki", "ca.crt")

    @property
    def token_file(self):
        return os.path.join(self.state, "operator.token")

    def controller(self):
        conf = os.path.join(self.var, "berthd.conf")
        return Daemon(self, "berthd", None, [self.bin("berthd"), "run", "--config", conf])

    def agent(self, host):
        argv = [self.bin("berth-agent"), "--config", self.agent_conf(host), "run"]
        return Daemon(self, "agent", host, argv)

    def agent_conf(self, host):
        return os.path.join(self.var, f"agent-{host}.conf")

    def host_facts(self, host):
        return next(h for h in self.facts["hosts"] if h["name"] == host)

    def known_hosts(self):
        """Hosts that an agent was ever configured for."""
        return [h["name"] for h in self.facts["hosts"] if os.path.exists(self.agent_conf(h["name"]))]

    def write_controller_conf(self):
        f = self.facts
        conf = {
            "listen": f"127.0.0.1, {f['controller_address']}",
            "api_port": f["api_port"],
            "agent_port": f["agent_port"],
            "state_dir": self.state,
            "server_names": f"localhost, 127.0.0.1, {f['controller_address']}",
            **self.controller_extra,
        }
        self._write(os.path.join(self.var, "berthd.conf"), conf)

    def write_agent_conf(self, host):
        h = self.host_facts(host)
        f = self.facts
        conf = {
            "name": host,
            "controller": f"wss://{f['controller_address']}:{f['agent_port']}/agent/v1",
            "state_dir": h["state_dir"],
            "run_dir": h["run_dir"],
            "helper_dir": self.build,
            "id_base": h["id_base"],
            "id_count": h["id_count"],
            "cgroup_parent": h["cgroup_parent"].lstrip("/"),
            "uplink": h["uplink"],
            # The machine's settings are the lab's to change, which puts them back.
            "sysctls": "check",
            # A lab is for trying things: the brake of production would hold the third purge.
            "brake_deletes": 1000000,
            "brake_purges": 1000000,
            "trash_time": "0s",
            **self.agent_extra,
        }
        self._write(self.agent_conf(host), conf)

    @staticmethod
    def _write(path, conf):
        write_if_new(path, "".join(f"{k} = {v}\n" for k, v in conf.items()), 0o644)

    # ---- the operator's hands ----

    def environment(self):
        env = dict(os.environ)
        with open(self.token_file, encoding="ascii") as f:
            token = f.read().strip()
        env.update(BERTH_URL=self.url, BERTH_TOKEN=token, BERTH_CACERT=self.ca_file,
                   PATH=f"{self.build}:{os.environ.get('PATH', ENV['PATH'])}")
        return env

    def berth(self, *args, check=True, timeout=None):
        """The CLI; returns CompletedProcess with text."""
        done = subprocess.run([self.bin("berth"), *args], env=self.environment(), timeout=timeout,
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if check and done.returncode != 0:
            text = done.stderr.strip() or done.stdout.strip()
            raise LabError(f"berth {' '.join(args)}: exit {done.returncode}: {text}")
        return done

    def berth_json(self, *args):
        return json.loads(self.berth(*args, "-o", "json").stdout)

    # ---- what runs ----

    def ps(self):
        """Rows of ./dev ps: daemons, then helpers and monitors by their host."""
        rows = []
        for daemon in [self.controller(), *(self.agent(h) for h in self.known_hosts())]:
            pid = daemon.pid()
            if pid:
                rows.append(self._row(daemon.name, daemon.host, pid))
        return rows + list(self._helpers())

    @staticmethod
    def _row(name, host, pid):
        return {"name": name, "host": host, "pid": pid, "rss_bytes": rss_bytes(pid)}

    def _helpers(self):
        nets = {}
        for host in self.known_hosts():
            try:
                st = os.stat(self.host_facts(host)["namespaces"]["net"])
            except OSError:
                continue
            nets[st.st_ino] = host
        for pid in all_pids():
            try:
                exe = os.path.basename(os.readlink(f"/proc/{pid}/exe")).removesuffix(" (deleted)")
                if not exe.startswith("berth-") or exe == "berth-agent":
                    continue
                host = nets.get(os.stat(f"/proc/{pid}/ns/net").st_ino)
            except OSError:
                continue
            if host:
                yield self._row(exe, host, pid)


def write_if_new(path, text, mode):
    """Replaces the file when its text differs; true when it did."""
    try:
        with open(path, encoding="utf-8") as f:
            if f.read() == text:
                return False
    except OSError:
        pass
    os.makedirs(os.path.dirname(path), exist_ok=True)
    fd = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "w", encoding="utf-8") as f:
        os.fchmod(f.fileno(), mode)
        f.write(text)
    os.rename(path + ".new", path)
    return True
