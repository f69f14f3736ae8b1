# SPDX-License-Identifier: GPL-2.0-or-later
"""A host, two guests and the outside world as network namespaces, with agent/net at work in the host.

Every name carries this process's id. Sockets are made inside a namespace and then used from here
(setns in this thread, back at once), so one process sends as a guest and listens everywhere.
"""

import ctypes
import os
import select
import socket
import subprocess
import time

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
BRIDGE_MAC = "02:62:74:00:00:01"
LIBC = ctypes.CDLL(None, use_errno=True)


def run(*argv, check=True):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _setns(fd):
    if LIBC.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    def __init__(self, name):
        self.name = name
        run("ip", "netns", "add", name)
        self.fd = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *argv, check=True):
        return run("ip", "netns", "exec", self.name, *argv, check=check)

    def batch(self, text):
        done = subprocess.run(["ip", "-n", self.name, "-batch", "-"], input=text, text=True,
                              capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)

    def sysctl(self, key, value):
        self.within(lambda: _write(f"/proc/sys/{key}", value))

    def within(self, work):
        """work() with this thread in the namespace."""
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(self.fd)
            try:
                return work()
            finally:
                _setns(own)
        finally:
            os.close(own)

    def raw(self, link):
        """Every frame of a link, both ways."""
        def work():
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
            s.bind((link, ETH_P_ALL))
            return s
        return self.within(work)

    def ping(self, address, count=1, wait=2):
        done = subprocess.run(
            ["ip", "netns", "exec", self.name, "ping", "-n", "-q", "-i", "0.2", "-c", str(count),
             "-W", str(wait), address], capture_output=True, text=True, check=False)
        return done.returncode == 0

    def delete(self):
        os.close(self.fd)
        run("ip", "netns", "del", self.name, check=False)


def _write(path, value):
    with open(path, "w", encoding="ascii") as f:
        f.write(value)


class Listener:
    """Frames with a marker, by place."""

    def __init__(self, places):
        self.socks = {ns.raw(link): name for name, (ns, link) in places.items()}

    def drain(self, settle_s):
        """All frames until nothing came for settle_s: {place: [bytes]}; what a place sent itself is left out."""
        found = {name: [] for name in self.socks.values()}
        end = time.monotonic() + settle_s
        while True:
            left = end - time.monotonic()
            ready = select.select(list(self.socks), [], [], max(left, 0))[0]
            if not ready and left <= 0:
                return found
            for s in ready:
                data, address = s.recvfrom(65536)
                if address[2] != socket.PACKET_OUTGOING:
                    found[self.socks[s]].append(data)
                    end = max(end, time.monotonic() + settle_s)

    def close(self):
        for s in self.socks:
            s.close()


class Tool:
    """net_tool in the host's namespace: an agent's network that may be killed and started again."""

    def __init__(self, ns):
        build = os.environ.get("BERTH_BUILD", os.path.join(os.getcwd(), "build/release/bin"))
        self.child = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{ns.name}", os.path.join(build, "net_tool")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()

    def answer(self):
        """Lines before the answer, and the answer's words."""
        lines = []
        while True:
            line = self.child.stdout.readline()
            if not line:
                raise RuntimeError(f"net_tool ended ({self.child.wait()})")
            words = line.split()
            if words[0] == "ok":
                return lines, words[1:]
            if words[0] == "error":
                raise RuntimeError(line.strip())
            lines.append(line.strip())

    def call(self, line):
        self.send(line)
        return self.answer()

    def end(self):
        self.child.stdin.close()
        rc = self.child.wait(timeout=60)
        self.child.stdout.close()
        if rc != 0:
            raise RuntimeError(f"net_tool ended with {rc}")

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        for f in (self.child.stdin, self.child.stdout):
            try:
                f.close()
            except BrokenPipeError:
                pass


class Guest:
    """One instance: its port in the host, its eth0 in a namespace of its own."""

    def __init__(self, number):
        self.number = number
        self.uuid = f"{number:08x}-1111-4111-8111-111111111111"
        self.mac = f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
        self.v4 = f"198.18.{number >> 8}.{number & 255}"
        self.v6 = f"2001:db8:1:{number:x}::1"
        self.prefix6 = f"2001:db8:1:{number:x}"
        self.ns = self.port = self.peer = None

    def spec(self):
        return f"{self.uuid} {self.mac} {self.v4}/20,198.18.0.1 {self.v6}/64,fe80::1"

    def move_in(self, ns, host):
        """What the engine does: the peer goes into the guest and becomes eth0."""
        self.ns = ns
        run("ip", "-n", host.name, "link", "set", self.peer, "netns", ns.name)
        ns.sysctl("net/ipv6/conf/default/accept_dad", "0")
        ns.sysctl("net/ipv6/conf/all/accept_dad", "0")
        ns.batch(f"link set {self.peer} name eth0\n"
                 f"addr add {self.v4}/20 dev eth0\n"
                 f"addr add {self.v6}/64 dev eth0 nodad\n"
                 "link set eth0 up\n"
                 "route add default via 198.18.0.1\n"
                 "route add default via fe80::1 dev eth0\n")


class Lab:
    def __init__(self):
        self.tag = f"btnet{os.getpid()}"
        self.all = []
        self.tools = []
        try:
            self.host = self.namespace("h")
            self.wan = self.namespace("w")
            self.mgmt = self.namespace("m")
            self.uplink()
            self.tool = self.start_tool()
        except BaseException:
            self.close()
            raise

    def namespace(self, name):
        ns = Namespace(f"{self.tag}{name}")
        self.all.append(ns)
        return ns

    def uplink(self):
        for ns in (self.host, self.wan):
            for family in ("all", "default"):
                ns.sysctl(f"net/ipv6/conf/{family}/accept_dad", "0")
        run("ip", "-n", self.wan.name, "link", "add", "h1", "type", "veth", "peer", "name", "wan0",
            "netns", self.host.name)
        self.wan.batch("addr add 192.0.2.1/24 dev h1\naddr add 2001:db8:ffff::1/64 dev h1 nodad\n"
                       "link set h1 up\n")
        self.host.batch("addr add 192.0.2.11/24 dev wan0\n"
                        "addr add 2001:db8:ffff::11/64 dev wan0 nodad\n"
                        "link set wan0 up\nroute add default via 192.0.2.1\n"
                        "route add default via 2001:db8:ffff::1\n"
                        "route add unreachable 198.18.0.0/20 metric 4096\n"
                        "route add unreachable 2001:db8:1::/48 metric 4096\n")
        self.wan.batch("route add 198.18.0.0/20 via 192.0.2.11\n"
                       "route add 2001:db8:1::/48 via 2001:db8:ffff::11\n")
        # A management link: what instances must never reach.
        run("ip", "-n", self.mgmt.name, "link", "add", "m0", "type", "veth", "peer", "name",
            "mgmt0", "netns", self.host.name)
        self.mgmt.batch("addr add 198.19.9.1/24 dev m0\nlink set m0 up\n"
                        "route add 198.18.0.0/20 via 198.19.9.11\n")
        self.host.batch("addr add 198.19.9.11/24 dev mgmt0\nlink set mgmt0 up\n")

    def start_tool(self):
        tool = Tool(self.host)
        self.tools.append(tool)
        tool.call("setup mgmt0 198.18.0.1")
        return tool

    def restart_tool(self):
        self.tool.kill()
        self.tool = self.start_tool()

    def guest(self, number):
        g = Guest(number)
        _, words = self.tool.call(f"ensure {g.spec()}")
        g.port, g.peer = words[0], words[1]
        g.move_in(self.namespace(f"g{number}"), self.host)
        return g

    def close(self):
        for tool in self.tools:
            tool.kill()
        for ns in self.all:
            ns.delete()
