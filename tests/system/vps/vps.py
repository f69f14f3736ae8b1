# SPDX-License-Identifier: GPL-2.0-or-later
"""A lab of its own with controller, agents and real instances, as `./dev up` makes it."""

import json
import os
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path[:0] = [os.path.join(ROOT, "tests/integration/fleet"), os.path.join(ROOT, "tests/integration/lab")]

# pylint: disable=wrong-import-position
from tap import Skip, expect, run  # noqa: E402,F401
from testsite import Site  # noqa: E402

IMAGES = ("tiny", "debian-12")


class Vps(Site):
    def __init__(self, letter, hosts=1, images=IMAGES, agent=None, controller=None):
        super().__init__(letter, hosts, controller)
        self.fleet.agent_extra = dict(agent or {})
        self.fleet.cache = os.environ.get("BERTH_CACHE") or os.path.join(ROOT, "var/cache")
        self.images = images

    def start(self):
        self.stand.lab_up(len(self.hosts))
        self.stand.sysctls()
        self.stand.controller()
        self.stand.basics()
        for host in self.hosts:
            self.stand.agent(host)
            self.stand.sale(host)
        self.stand.images(self.images)
        self.api = self.client()

    # ---- hands ----

    def berth(self, *args, **kwargs):
        return self.fleet.berth(*args, **kwargs)

    def show(self, name):
        return self.fleet.berth_json("instance", "show", name)

    def create(self, name, plan="nano", image="tiny", *flags):
        return self.fleet.berth_json("instance", "create", name, "--plan", plan, "--image", image, *flags)

    def exec(self, name, *argv, check=True, timeout=60, **kwargs):
        """CompletedProcess of a command in the instance."""
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        done = subprocess.run([self.fleet.bin("berth"), "exec", name, "--", *argv], text=True, check=False,
                              env=self.fleet.environment(), capture_output=True, timeout=timeout, **kwargs)
        if check:
            expect(done.returncode == 0, f"{name}: {argv}: exit {done.returncode}: "
                   f"{done.stdout[-500:]}{done.stderr[-500:]}")
        return done

    def sh(self, name, script, **kwargs):
        return self.exec(name, "sh", "-c", script, **kwargs)

    def wan(self, *argv, **kwargs):
        return self.lab.run("wan", list(argv), **kwargs)

    def wait_state(self, name, state, seconds=10):
        self.api.wait_until(f"instances/{name}", lambda a: a.json().get("state") == state, seconds)

    def doctor(self):
        return self.api.items("doctor")

    def init_pid(self, uuid):
        """The init of an instance as this machine numbers it: of the processes in its control groups the one
        that is PID 1 inside."""
        for pid in (int(p) for p in os.listdir("/proc") if p.isdigit()):
            try:
                with open(f"/proc/{pid}/cgroup", encoding="ascii", errors="replace") as f:
                    if uuid not in f.read():
                        continue
                with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
                    inside = next(line.split() for line in f if line.startswith("NSpid:"))
            except (OSError, StopIteration):
                continue
            if len(inside) > 2 and inside[-1] == "1":
                return pid
        return None


def address(instance, family):
    return next(a["address"] for a in instance["addresses"] if a["family"] == family)


def addresses(instance):
    return [a["address"] for a in instance["addresses"]]


# Answers to an echo request every 20 ms; at its end it prints sent and received.
PINGER = """
import os, select, signal, socket, struct, sys, time
address, step_s = sys.argv[1], float(sys.argv[2])
six = ":" in address
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW,
                  socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
mark = os.getpid() & 0xffff
def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff
def request(seq):
    head = struct.pack("!BBHHH", 128 if six else 8, 0, 0, mark, seq & 0xffff)
    if not six:
        head = struct.pack("!BBHHH", 8, 0, checksum(head), mark, seq & 0xffff)
    return head
running = True
def end(*_):
    global running
    running = False
signal.signal(signal.SIGTERM, end)
sent, got, worst, last = 0, set(), 0.0, time.monotonic()
begin = last
next_at = begin
print("begin", flush=True)
stop_at = None
while stop_at is None or time.monotonic() < stop_at:
    if not running and stop_at is None:
        stop_at = time.monotonic() + 1
    now = time.monotonic()
    if stop_at is None and now >= next_at:
        try:
            s.sendto(request(sent), (address, 0))
        except OSError:
            pass
        sent += 1
        next_at += step_s
    if select.select([s], [], [], max(0, min(next_at - time.monotonic(), 0.05)))[0]:
        data = s.recv(2048)
        icmp = data if six else data[(data[0] & 15) * 4:]
        kind, _, _, ident, seq = struct.unpack("!BBHHH", icmp[:8])
        if kind == (129 if six else 0) and ident == mark:
            if not got:
                print("first", time.monotonic() - begin, flush=True)
            got.add(seq)
            now = time.monotonic()
            worst, last = max(worst, now - last), now
print("sent", sent, "got", len(got), "worst_ms", round(worst * 1000), flush=True)
"""


class Pinger:
    """Pings from `wan` until it is ended."""

    def __init__(self, vps, target, step_s=0.02):
        self.process = vps.lab.popen("wan", ["/usr/bin/python3", "-c", PINGER, target, str(step_s)],
                                     stdout=subprocess.PIPE, text=True)
        expect(self.process.stdout.readline() == "begin\n", "the pinger does not start")

    def first_s(self, timeout=30):
        """Seconds from its start to the first answer."""
        timer = threading.Timer(timeout, self.process.kill)
        timer.start()
        line = self.process.stdout.readline().split()
        timer.cancel()
        expect(line and line[0] == "first", "no answer")
        return float(line[1])

    def end(self):
        """(sent, received, longest silence in ms)"""
        self.process.terminate()
        words = self.process.stdout.read().split()
        self.process.wait()
        at = words.index("sent")
        return int(words[at + 1]), int(words[at + 3]), int(words[at + 5])


def median(values):
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def main(vps, names):
    """Runs every test_* of a module over one lab; exits."""
    cases = [((f.__doc__ or n.removeprefix("test_").replace("_", " ")).split("\n")[0], f)
             for n, f in list(names.items()) if n.startswith("test_")]
    with vps:
        status = run(cases)
        if status:
            vps.logs()
    sys.exit(status)


def load(text):
    return json.loads(text)


def now_ms():
    return time.time() * 1000
