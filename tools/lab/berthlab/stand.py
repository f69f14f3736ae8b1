# SPDX-License-Identifier: GPL-2.0-or-later
"""From nothing to a first VPS, each step only as far as it is missing."""

import filecmp
import hashlib
import os
import re
import subprocess
import time

from .fleet import write_if_new
from .record import LabError

# Stop signals: what the image's init takes for "power off".
IMAGES = {"tiny": ("tiny.tar", "SIGPWR"), "debian-12": ("debian-12.tar.zst", "SIGRTMIN+3")}
PLANS = {
    "nano": ["--cpus", "1", "--cpu-limit", "1", "--memory", "128M", "--disk", "1G"],
    "small": ["--cpus", "1", "--cpu-limit", "1", "--memory", "512M", "--disk", "5G"],
    "medium": ["--cpus", "2", "--cpu-limit", "2", "--memory", "1G", "--disk", "10G"],
}
OVERCOMMIT = ["--overcommit-cpu", "100", "--overcommit-disk", "20", "--overcommit-memory", "1"]
# What agents check and only the machine has (docs/decisions/0034): key, least value that will do,
# value to set. unprivileged_bpf_disabled = 1 could not be taken back before a reboot; 2 can.
SYSCTLS = [("kernel.kptr_restrict", 2, "2"), ("kernel.dmesg_restrict", 1, "1"),
           ("kernel.perf_event_paranoid", 3, "3"), ("kernel.unprivileged_bpf_disabled", 1, "2")]
READY_S = 30


def quiet(_text):
    pass


class Stand:
    def __init__(self, fleet, say=quiet):
        self.fleet = fleet
        self.say = say

    @staticmethod
    def wait_for(what, test, daemon=None, seconds=READY_S):
        end = time.monotonic() + seconds
        while not test():
            if daemon is not None and not daemon.pid():
                raise LabError(f"{what}: {daemon.tag} has ended\n{daemon.log_tail()}")
            if time.monotonic() > end:
                log = f"\n{daemon.log_tail()}" if daemon else ""
                raise LabError(f"{what}: not within {seconds} s{log}")
            time.sleep(0.05)

    # ---- machine, hosts ----

    def lab_up(self, count):
        made = self.fleet.lab.up(hosts=count)
        self.fleet.refresh()
        if made:
            self.say("hosts and links: " + ", ".join(made))

    def sysctls(self):
        for key, least, value in SYSCTLS:
            path = "/proc/sys/" + key.replace(".", "/")
            try:
                with open(path, encoding="ascii") as f:
                    now = int(f.read())
            except (OSError, ValueError):
                continue
            if now < least:
                self.fleet.lab.sysctl(key, value)

    # ---- controller ----

    def controller(self):
        fleet = self.fleet
        fleet.write_controller_conf()
        daemon = fleet.controller()
        if daemon.start():
            self.say("starting the controller")

        def answers():
            return os.path.exists(fleet.token_file) and \
                fleet.berth("setting", "list", check=False).returncode == 0

        self.wait_for("controller", answers, daemon)

    def env_file(self):
        env = self.fleet.environment()
        lines = [f"export {k}='{env[k]}'" for k in ("BERTH_URL", "BERTH_TOKEN", "BERTH_CACERT")]
        path = f"case \":$PATH:\" in *\":{self.fleet.build}:\"*) ;; " \
               f"*) export PATH='{self.fleet.build}':\"$PATH\" ;; esac"
        write_if_new(os.path.join(self.fleet.var, "env"), "\n".join([*lines, path]) + "\n", 0o600)

    def names(self, noun, *args):
        return {o["name"] for o in self.fleet.berth_json(noun, "list", *args)}

    def basics(self):
        berth = self.fleet.berth
        if "lab" not in self.names("location"):
            berth("location", "create", "lab")
        if "demo" not in self.names("tenant"):
            berth("tenant", "create", "demo")
        settings = {s["key"]: s["value"] for s in self.fleet.berth_json("setting", "list")}
        if not settings.get("default_tenant"):
            berth("setting", "set", "default_tenant", "demo")
        plans = self.names("plan")
        for name, flags in PLANS.items():
            if name not in plans:
                berth("plan", "create", name, *flags)

    # ---- images ----

    def _built(self, name, file):
        path = os.path.join(self.fleet.cache, file)
        os.makedirs(self.fleet.cache, exist_ok=True)
        tool = os.path.join(self.fleet.lab.root, "tools", "images", "build")
        var = os.path.dirname(self.fleet.cache)
        if not os.path.exists(path):
            self.say(f"building the image {name} (once)")
        done = subprocess.run([tool, name, path, "--var", var], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LabError(f"image {name}: {done.stderr.strip()[-2000:]}")
        return path

    def images(self, wanted=tuple(IMAGES)):
        have = {}
        for image in self.fleet.berth_json("image", "list"):
            if image["state"] == "ready":
                have.setdefault(image["name"], set()).update(k["sha256"] for k in image["kinds"])
        for name in wanted:
            file, stop_signal = IMAGES[name]
            path = self._built(name, file)
            if file_sha256(path) not in have.get(name, ()):
                self.say(f"importing the image {name}")
                self.fleet.berth("image", "import", name, path, "--stop-signal", stop_signal)

    # ---- agents ----

    def _joined(self, host):
        """Has it joined this controller, or one with the same keys?"""
        state = self.fleet.host_facts(host)["state_dir"]
        ca = os.path.join(state, "ca.crt")
        return os.path.exists(os.path.join(state, "link")) and os.path.exists(ca) and \
            filecmp.cmp(ca, self.fleet.ca_file, shallow=False)

    def join(self, host):
        fleet = self.fleet
        if self._joined(host):
            return
        self.say(f"{host} joins")
        fleet.agent(host).stop()
        token = fleet.berth_json("join-token", "create", host, "--location", "lab")["token"]
        url = f"https://{fleet.facts['controller_address']}:{fleet.facts['api_port']}"
        argv = [fleet.bin("berth-agent"), "--config", fleet.agent_conf(host), "join", url, token]
        done = fleet.lab.run(host, argv, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise LabError(f"{host}: {done.stderr.strip()}")

    def host_row(self, host):
        return next((h for h in self.fleet.berth_json("host", "list") if h["name"] == host), None)

    def agent(self, host):
        """False when the host waits to be adopted."""
        fleet = self.fleet
        fleet.write_agent_conf(host)
        self.join(host)
        daemon = fleet.agent(host)
        if daemon.start():
            self.say(f"starting the agent of {host}")
        there = ("online", "joining", "draining", "maintenance", "fenced")
        self.wait_for(f"agent of {host}", lambda: (self.host_row(host) or {}).get("state") in there,
                      daemon, 60)
        return self.host_row(host)["state"] != "joining"

    def sale(self, host):
        """How much of it is sold, and its addresses."""
        fleet = self.fleet
        overcommit = self.host_row(host)["overcommit"]
        if all(overcommit.get(k) is None for k in ("cpu_milli", "memory_milli", "disk_milli")):
            fleet.berth("host", "set", host, *OVERCOMMIT)
        pools = self.names("pool")
        facts = fleet.host_facts(host)
        suffix = "" if host == "h1" else f"-{host}"
        for family in ("4", "6"):
            name = f"public{family}{suffix}"
            if name not in pools:
                fleet.berth("pool", "create", name, "--cidr", facts[f"pool{family}"], "--host", host)

    # ---- the first instance ----

    def first(self):
        """Once in the life of a database: what was deleted on purpose does not come back."""
        fleet = self.fleet
        if fleet.berth_json("instance", "list", "--deleted") or fleet.berth_json("orphan", "list"):
            return
        if any(t["action"] == "create" for t in fleet.berth_json("task", "list")):
            return
        self.say("creating the instance first")
        fleet.berth("instance", "create", "first", "--plan", "small", "--image", "debian-12")

    def wanted_hosts(self, count):
        known = {int(re.sub(r"\D", "", h)) for h in self.fleet.known_hosts()}
        return [f"h{n}" for n in sorted(known | set(range(1, count + 1)))]


def file_sha256(path):
    """Kept beside the file: hashing a hundred megabytes at every `up` would cost half of its time."""
    st = os.stat(path)
    mark = f"{st.st_size} {st.st_mtime_ns}"
    note = path + ".sha256"
    try:
        with open(note, encoding="ascii") as f:
            known, _, seen = f.read().strip().partition(" ")
        if seen == mark:
            return known
    except OSError:
        pass
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while chunk := f.read(1 << 20):
            h.update(chunk)
    write_if_new(note, f"{h.hexdigest()} {mark}\n", 0o644)
    return h.hexdigest()
