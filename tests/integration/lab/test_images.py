#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 600
"""The images, booted by liblxc's own tools in a lab host: what a guest of Berth will find in them."""

import contextlib
import filecmp
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path[:0] = [os.path.join(ROOT, "tools/lab"), os.path.dirname(os.path.abspath(__file__))]

# pylint: disable=wrong-import-position
from berthlab import Lab, kernel  # noqa: E402
from tap import Skip, expect, run  # noqa: E402

BUILD = os.path.join(ROOT, "tools/images/build")
NAME = f"btti{os.getpid() % 100000}"
TMP = tempfile.mkdtemp(prefix="berth-image-test-")
LAB = Lab(NAME, f"{TMP}/var")
BRIDGE = "test0"
RUNS = 5

# Sends an echo request every millisecond; prints when the first answer came.
PINGER = """
import os, select, socket, struct, sys, time
address, limit_s = sys.argv[1], float(sys.argv[2])
six = ":" in address
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW,
                  socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
mark = os.urandom(8)
body = struct.pack("!HH", os.getpid() & 0xffff, 1) + mark
head = struct.pack("!BBH", 128 if six else 8, 0, 0)
total = sum(struct.unpack("!8H", head + body + b""))
while total >> 16:
    total = (total & 0xffff) + (total >> 16)
if not six:
    head = struct.pack("!BBH", 8, 0, ~total & 0xffff)
end = time.monotonic() + limit_s
print("ready", flush=True)
while time.monotonic() < end:
    try:
        s.sendto(head + body, (address, 0))
    except OSError:
        pass
    if select.select([s], [], [], 0.001)[0]:
        packet = s.recv(2048)
        if mark in packet and packet[0 if six else 20] == (129 if six else 0):
            print(time.monotonic())
            sys.exit(0)
sys.exit(1)
"""

# An id-mapped view of argv[1] mounted on argv[2], ids 0..65535 shown as argv[3].., mount_setattr(2).
# Not by `lxc.rootfs.options = idmap=container`: liblxc 5.0.2 forgets that when a guest reboots.
IDMAP = """
import ctypes, os, struct, sys
source, target, base = sys.argv[1].encode(), sys.argv[2].encode(), int(sys.argv[3])
libc = ctypes.CDLL(None, use_errno=True)
def call(*args):
    result = libc.syscall(*args)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(args[0]))
    return result
hold_r, hold_w = os.pipe()
ready_r, ready_w = os.pipe()
pid = os.fork()
if pid == 0:
    os.close(hold_w)
    libc.unshare(0x10000000)  # CLONE_NEWUSER
    os.write(ready_w, b"x")
    os.read(hold_r, 1)
    os._exit(0)
os.read(ready_r, 1)
for kind in ("uid", "gid"):
    with open(f"/proc/{pid}/{kind}_map", "w") as f:
        f.write(f"0 {base} 65536")
user = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
tree = call(428, -100, ctypes.c_char_p(source), 1 | 0o2000000)  # open_tree: clone, cloexec
attr = ctypes.create_string_buffer(struct.pack("QQQQ", 0x100000, 0, 0, user))
call(442, tree, ctypes.c_char_p(b""), 0x1000, attr, 32)  # mount_setattr: idmap
call(429, tree, ctypes.c_char_p(b""), -100, ctypes.c_char_p(target), 4)  # move_mount
os.close(hold_w)
os.waitpid(pid, 0)
"""

CONFIG = """
lxc.rootfs.path = dir:{path}/root
lxc.uts.name = {name}
lxc.arch = x86_64
lxc.idmap = u 0 {base} 65536
lxc.idmap = g 0 {base} 65536
lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed
lxc.autodev = 1
lxc.tty.max = 0
lxc.net.0.type = phys
lxc.net.0.link = p{name}
lxc.net.0.name = eth0
lxc.net.0.flags = up
lxc.hook.start-host = {path}/addresses
lxc.cgroup.relative = 1
lxc.signal.halt = {halt}
lxc.cap.drop = sys_module sys_rawio sys_time mac_admin mac_override syslog audit_control
lxc.cap.drop = wake_alarm block_suspend {drop}
lxc.console.logfile = {path}/console.log
lxc.log.file = {path}/lxc.log
lxc.log.level = INFO
"""

# Addresses from outside, as the agent sets them: the right broadcast and proto static, or
# systemd-networkd takes them for foreign ones. The ping groups are the host's ids of the guest's 0..65535.
ADDRESSES = """#!/bin/sh
in="/usr/bin/nsenter -t $LXC_PID -n /usr/sbin/ip"
exec 2>>{path}/hook.log
$in link set dev eth0 up
$in addr add {four}/20 brd + dev eth0
$in addr add {six}/64 dev eth0 nodad
$in route add default via 198.18.0.1 proto static
$in route add default via fe80::1 dev eth0 proto static
range="{base} {last}"
/usr/bin/nsenter -t $LXC_PID -n /bin/sh -c "echo $range >/proc/sys/net/ipv4/ping_group_range"
exit 0
"""

NETWORK = """[Match]
Name=eth0
[Network]
LinkLocalAddressing=ipv6
IPv6AcceptRA=no
[Address]
Address={four}/20
[Address]
Address={six}/64
DuplicateAddressDetection=none
[Route]
Gateway=198.18.0.1
[Route]
Gateway=fe80::1
"""


def sh(host, script, **kwargs):
    done = LAB.run(host, ["sh", "-ec", script], **kwargs)
    expect(done.returncode == 0, f"{host}: {done.stdout}{done.stderr}")
    return done.stdout


class Guest:
    """One container in h1, started by lxc-start in the foreground."""

    def __init__(self, name, image, number, halt, drop=""):
        self.name, self.number = name, number
        self.path = f"{TMP}/guests/{name}"
        self.four, self.six = f"198.18.0.{number}", f"2001:db8:1:{number}::1"
        self.mac = f"02:be:00:00:00:{number:02x}"
        self.base = LAB.info()["hosts"][0]["id_base"] + 65536 * number
        self.monitor = None
        self.root = f"{self.path}/rootfs"
        os.makedirs(self.root)
        subprocess.run(["tar", "--xattrs", "--xattrs-include=*", "-xf", image, "-C", self.root],
                       check=True)
        self.put("config", CONFIG.format(path=self.path, name=name, base=self.base, halt=halt,
                                         drop=drop), self.path)
        self.put("addresses", ADDRESSES.format(path=self.path, four=self.four, six=self.six,
                                               base=self.base, last=self.base + 65535),
                 self.path, 0o755)
        os.mkdir(f"{self.path}/root")
        done = LAB.run("h1", ["/usr/bin/python3", "-c", IDMAP, self.root, f"{self.path}/root",
                              str(self.base)])
        expect(done.returncode == 0, f"id-mapped mount: {done.stderr}")
        self.put("etc/hostname", name + "\n")

    def put(self, name, text, folder=None, mode=0o644):
        path = os.path.join(folder or self.root, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)

    def wire(self):
        """The port does not outlive a network namespace that dies, so it is made for each start."""
        sh("h1", f"""
            ip link del dev v{self.name} 2>/dev/null || true
            ip link add v{self.name} type veth peer name p{self.name} address {self.mac}
            ip link set dev v{self.name} master {BRIDGE} up
            ip neigh replace {self.four} lladdr {self.mac} nud permanent dev {BRIDGE}
            ip neigh replace {self.six} lladdr {self.mac} nud permanent dev {BRIDGE}
            ip route replace {self.six}/64 dev {BRIDGE}""")

    def lxc(self, tool, *args, **kwargs):
        return LAB.run("h1", [f"/usr/bin/lxc-{tool}", "-P", f"{TMP}/guests", "-n", self.name, *args],
                       env={"PATH": "/nonexistent"}, **kwargs)

    def start(self, watch=()):
        """Starts; returns the ms to the first answer of each watched address."""
        self.wire()
        pingers = [LAB.popen("wan", ["/usr/bin/python3", "-c", PINGER, address, "20"],
                             stdout=subprocess.PIPE, text=True) for address in watch]
        for p in pingers:
            p.stdout.readline()
        began = time.monotonic()
        self.monitor = LAB.popen("h1", ["/usr/bin/lxc-start", "-P", f"{TMP}/guests", "-n", self.name,
                                        "-F"], env={"PATH": "/nonexistent"},
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        times = []
        for address, p in zip(watch, pingers):
            out, _ = p.communicate()
            expect(p.returncode == 0, f"{self.name}: no answer from {address}")
            times.append((float(out) - began) * 1000)
        return times

    def run(self, *argv):
        done = self.lxc("attach", "--clear-env", "--", *argv)
        return done.returncode, done.stdout + done.stderr

    def ok(self, *argv):
        code, text = self.run(*argv)
        expect(code == 0, f"{' '.join(argv)}: {text}")
        return text

    def pid(self):
        return self.lxc("info", "-pH").stdout.strip()

    def wait_end(self, timeout_s=20):
        """ms until the monitor has ended."""
        began = time.monotonic()
        self.monitor.wait(timeout_s)
        return (time.monotonic() - began) * 1000

    def stop_by(self, act):
        began = time.monotonic()
        act()
        self.monitor.wait(20)
        return (time.monotonic() - began) * 1000

    def end(self):
        if self.monitor and self.monitor.poll() is None:
            self.lxc("stop", "-k")
            self.monitor.wait(20)
        LAB.run("h1", ["umount", "-l", f"{self.path}/root"])


@contextlib.contextmanager
def guest(*args, **kwargs):
    g = Guest(*args, **kwargs)
    try:
        yield g
    except AssertionError:
        for name in ("lxc.log", "hook.log", "console.log"):
            lines = kernel.try_read(f"{g.path}/{name}", "").splitlines()
            lines = [x for x in lines if " INFO " not in x and " NOTICE " not in x and x.strip()]
            print("".join(f"# {name}: {line}\n" for line in lines[-10:]), end="")
        raise
    finally:
        g.end()
        shutil.rmtree(g.path, ignore_errors=True)


def built(name, ext):
    out = f"{TMP}/{name}{ext}"
    if not os.path.exists(out):
        done = subprocess.run([BUILD, name, out], capture_output=True, text=True, check=False)
        expect(done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:])
    return out


def tiny_image():
    return built("tiny", ".tar")


def debian_image():
    return built("debian-12", ".tar.zst")


def need_lxc():
    if not os.path.exists("/usr/bin/lxc-start"):
        raise Skip("the tools of package lxc are not installed")


# -- tiny ----------------------------------------------------------------------------------------


def test_tiny_same_bytes():
    outs = []
    times = []
    for i in range(2):
        outs.append(f"{TMP}/tiny{i}.tar")
        began = time.monotonic()
        subprocess.run([BUILD, "tiny", outs[i], "--var", f"{TMP}/build{i}"], check=True)
        times.append(time.monotonic() - began)
    expect(filecmp.cmp(outs[0], outs[1], shallow=False), "two builds differ")
    expect(min(times) < 2, f"a build takes {min(times):.1f} s")
    with tarfile.open(outs[0]) as tar:
        names = tar.getnames()
        expect(names == sorted(names), "members are not sorted")
        expect(len({m.mtime for m in tar}) == 1, "times differ")
        expect({m.uid for m in tar} == {0}, "owners")
        for path in ("sbin/init", "etc/passwd", "etc/shadow", "etc/group", "etc/hostname", "etc/hosts",
                     "etc/resolv.conf", "bin/busybox"):
            expect(tar.getmember("./" + path).isfile(), f"{path} is not a plain file")
        for path in ("bin/sh", "bin/ping", "usr/bin/nc", "usr/sbin/httpd", "sbin/udhcpc", "sbin/ip",
                     "usr/bin/wget", "bin/vi", "sbin/poweroff", "sbin/reboot"):
            expect(f"./{path}" in names, f"{path} is missing")
        expect("root:*:" in tar.extractfile("./etc/shadow").read().decode(), "root is not locked")
    return f"{min(times) * 1000:.0f} ms, {os.path.getsize(outs[0])} bytes"


def test_tiny_starts_fast():
    need_lxc()
    times = []
    with guest("t1", tiny_image(), 11, "SIGPWR") as g:
        for _ in range(RUNS):
            times.append(g.start((g.four, g.six)))
            g.lxc("stop")
            g.wait_end()
    four, six = min(t[0] for t in times), min(t[1] for t in times)
    expect(four < 100 and six < 100, f"best of {RUNS}: v4 {four:.0f} ms, v6 {six:.0f} ms")
    return f"first ping, best of {RUNS}: v4 {four:.0f} ms, v6 {six:.0f} ms"


def test_tiny_stops_fast():
    need_lxc()
    stops, offs = [], []
    with guest("t2", tiny_image(), 12, "SIGPWR") as g:
        for _ in range(RUNS):
            g.start((g.four,))
            stops.append(g.stop_by(lambda: g.lxc("stop")))
            g.start((g.four,))
            offs.append(g.stop_by(lambda: g.lxc("attach", "--clear-env", "--", "/sbin/poweroff")))
        g.start((g.four,))
        g.ok("/bin/sh", "-c", "(trap '' TERM HUP; while :; do sleep 9; done) >/dev/null 2>&1 &")
        stubborn = g.stop_by(lambda: g.lxc("stop"))
        expect(50 <= stubborn < 400, f"with a process that ignores TERM: {stubborn:.0f} ms")
        for signo in ("RTMIN+3", "USR1", "USR2", "PWR"):
            g.start((g.four,))
            os.kill(int(g.pid()), signal_number(signo))
            expect(g.wait_end(5) < 2000, f"SIG{signo} does not end it")
    expect(min(stops) < 100 and min(offs) < 100, f"stop {min(stops):.0f} ms, poweroff {min(offs):.0f}")
    return (f"best of {RUNS}: stop {min(stops):.0f} ms, poweroff typed inside {min(offs):.0f} ms, with a "
            f"process that ignores TERM {stubborn:.0f} ms")


def signal_number(name):
    import signal  # pylint: disable=import-outside-toplevel
    if name.startswith("RTMIN+"):
        return signal.SIGRTMIN + int(name[6:])
    return getattr(signal, f"SIG{name}")


def test_tiny_reboots():
    need_lxc()
    with guest("t3", tiny_image(), 13, "SIGPWR") as g:
        g.start((g.four,))
        g.ok("/bin/sh", "-c", "echo gone >/run/mark; echo kept >/root/mark; sleep 1000 >/dev/null 2>&1 &")
        for how in (lambda: g.run("/sbin/reboot"), lambda: os.kill(int(g.pid()), signal_number("INT"))):
            before = g.pid()
            how()
            expect(kernel.wait_until(lambda old=before: g.pid() not in ("", old, "-1"), 5), "reboot")
            expect(g.monitor.poll() is None, "the monitor ended")
        expect(g.ok("/bin/cat", "/root/mark") == "kept\n", "the root was lost")
        expect(g.run("/bin/cat", "/run/mark")[0] != 0, "/run outlived the reboot")
        expect(g.ok("/sbin/ip", "-4", "addr", "show", "eth0").count(g.four) == 1, "address")


def test_tiny_inside():
    need_lxc()
    with guest("t4", tiny_image(), 14, "SIGPWR") as g:
        g.start((g.four,))
        expect(g.ok("/bin/hostname") == "t4\n", "host name")
        g.ok("/bin/ping", "-c1", "-W2", "192.0.2.1")
        g.ok("/bin/ping", "-c1", "-W2", "2001:db8:ffff::1")
        g.ok("/bin/ping", "-c1", "-W2", "127.0.0.1")
        g.ok("/bin/sh", "-c", "touch /etc/tiny/httpd; kill -HUP 1")
        time.sleep(0.2)
        page = sh("wan", f"exec 3<>/dev/null; curl -sf http://{g.four}/ || wget -qO- http://{g.four}/")
        expect("It works" in page, f"page {page!r}")
        g.ok("/usr/bin/killall", "httpd")
        time.sleep(1.5)
        g.ok("/usr/bin/wget", "-qO-", "http://127.0.0.1/")
        # Orphans are reaped, and a shell is on the console.
        g.ok("/bin/sh", "-c", "for i in 1 2 3 4 5; do (sleep 0.1 &) ; done; sleep 0.4")
        states = g.ok("/bin/ps", "-o", "pid,stat,args")
        expect(" Z" not in states, f"zombies: {states}")
        expect("-sh" in states, f"no shell on the console: {states}")
        free = g.ok("/bin/sh", "-c", "cat /proc/[0-9]*/status | grep VmRSS")
        return f"VmRSS {'+'.join(line.split()[1] for line in free.splitlines()[:2])} KiB (init, shell)"


def test_tiny_strict():
    """Without CAP_NET_RAW and CAP_NET_ADMIN: ping works all the same."""
    need_lxc()
    with guest("t5", tiny_image(), 15, "SIGPWR", "net_raw net_admin") as g:
        g.start((g.four,))
        g.ok("/bin/ping", "-c1", "-W2", "192.0.2.1")
        g.ok("/bin/ping", "-c1", "-W2", "2001:db8:ffff::1")


# -- debian-12 -----------------------------------------------------------------------------------


def prepare_debian(g):
    g.put("etc/systemd/network/10-eth0.network", NETWORK.format(four=g.four, six=g.six))
    for kind in ("ed25519", "ecdsa"):
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-t", kind, "-f",
                        f"{g.root}/etc/ssh/ssh_host_{kind}_key"], check=True)
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-f", f"{g.path}/key"], check=True)
    g.put("root/.ssh/authorized_keys", kernel.read(f"{g.path}/key.pub"), mode=0o600)


def banner_ms(g, began):
    """ms until sshd says its name; asked for from wan."""
    script = ("import socket, time, sys\n"
              "while True:\n"
              "    try:\n"
              f"        s = socket.create_connection(('{g.four}', 22), 1)\n"
              "        if s.recv(4) == b'SSH-': break\n"
              "    except OSError: time.sleep(0.005)\n"
              "print(time.monotonic())\n")
    out = LAB.run("wan", ["/usr/bin/python3", "-c", script], timeout=20).stdout
    return (float(out) - began) * 1000


def failed_units(g):
    return g.run("/bin/systemctl", "--failed", "--no-legend", "--plain")[1]


def wait_running(g):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        code, text = g.run("/bin/systemctl", "is-system-running", "--wait")
        if code == 0 or "degraded" in text:
            break
        time.sleep(0.02)
    expect(text.strip() == "running", f"{text.strip()}: {failed_units(g)}")


def test_debian_content():
    image = debian_image()
    root = f"{TMP}/look"
    os.makedirs(root)
    subprocess.run(["tar", "--xattrs", "--xattrs-include=*", "-xf", image, "-C", root], check=True)
    try:
        keys = [x for x in os.listdir(f"{root}/etc/ssh") if x.startswith("ssh_host_")]
        expect(keys == [], f"host keys {keys}")
        expect(os.path.getsize(f"{root}/etc/machine-id") == 0, "machine-id is not empty")
        expect(os.listdir(f"{root}/dev") == [], "device nodes")
        shadow = kernel.read(f"{root}/etc/shadow")
        expect("root:*:" in shadow, "root is not locked")
        for name in ("hostname", "hosts", "resolv.conf"):
            path = f"{root}/etc/{name}"
            expect(os.path.isfile(path) and not os.path.islink(path), f"{name} is not a plain file")
        sources = kernel.read(f"{root}/etc/apt/sources.list")
        expect("bookworm-security" in sources, sources)
        expect("99mmdebstrap" not in os.listdir(f"{root}/etc/apt/apt.conf.d"), "apt configuration")
        expect(os.getxattr(f"{root}/usr/bin/ping", "security.capability"), "ping's capability")
        for tool in ("sshd", "nft", "ip", "curl", "nc", "sudo", "ss"):
            expect(any(os.path.lexists(f"{root}/{d}/{tool}")
                       for d in ("usr/bin", "usr/sbin", "bin", "sbin")), f"{tool} is missing")
    finally:
        shutil.rmtree(root)
    return f"{os.path.getsize(image) >> 20} MiB"


def test_debian_boots():
    need_lxc()
    with guest("d1", debian_image(), 21, "SIGRTMIN+3") as g:
        prepare_debian(g)
        began = time.monotonic()
        four, six = g.start((g.four, g.six))
        ssh = banner_ms(g, began)
        wait_running(g)
        up = (time.monotonic() - began) * 1000
        expect(ssh < 2000 and up < 5000, f"ssh {ssh:.0f} ms, running {up:.0f} ms")
        log = g.ok("/bin/journalctl", "-b", "-u", "systemd-networkd", "-o", "cat", "--no-pager")
        expect("Failed to configure" not in log and "Assertion" not in log, log)
        expect(kernel.wait_until(lambda: " configured" in g.run(
            "/bin/networkctl", "--no-legend", "list", "eth0")[1], 5, 0.1), "networkd: not configured")
        routes = g.ok("/bin/ip", "route", "show", "default")
        expect(routes.count("default") == 1, f"default routes: {routes}")
        expect(g.ok("/bin/hostname") == "d1\n", "host name")
        for address in ("198.18.0.1", "192.0.2.1", "2001:db8:ffff::1"):
            g.ok("/bin/ping", "-c1", "-W2", "-n", address)
            g.ok("/usr/sbin/runuser", "-u", "nobody", "--", "/bin/ping", "-c1", "-W2", "-n", address)
        done = LAB.run("wan", ["ssh", "-n", "-i", f"{g.path}/key", "-o", "StrictHostKeyChecking=no", "-o",
                               "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", f"root@{g.six}",
                               "id -u; systemctl is-active ssh"])
        expect(done.stdout == "0\nactive\n", f"ssh: {done.stdout}{done.stderr}")
        rss = g.ok("/bin/ps", "axo", "rss=")
        stop = g.stop_by(lambda: g.lxc("stop"))
        expect(stop < 5000, f"stop {stop:.0f} ms")
    return (f"ping v4 {four:.0f} ms, v6 {six:.0f} ms, ssh banner {ssh:.0f} ms, running {up:.0f} ms, "
            f"stop {stop:.0f} ms, sum of RSS {sum(map(int, rss.split())) >> 10} MiB")


def test_debian_reboots():
    need_lxc()
    with guest("d2", debian_image(), 22, "SIGRTMIN+3") as g:
        prepare_debian(g)
        g.start((g.four,))
        wait_running(g)
        ids = [g.ok("/bin/cat", "/etc/machine-id")]
        before = g.pid()
        g.run("/sbin/reboot")
        expect(kernel.wait_until(lambda: g.pid() not in ("", before, "-1"), 10), "reboot")
        wait_running(g)
        ids.append(g.ok("/bin/cat", "/etc/machine-id"))
        expect(ids[0] == ids[1] and len(ids[0]) == 33, f"machine-id {ids}")
        took = g.stop_by(lambda: g.run("/sbin/poweroff"))
        expect(took < 5000, f"poweroff {took:.0f} ms")
    return f"poweroff typed inside {took:.0f} ms"


def test_debian_strict():
    need_lxc()
    with guest("d3", debian_image(), 23, "SIGRTMIN+3", "net_raw net_admin") as g:
        prepare_debian(g)
        g.start((g.four, g.six))
        wait_running(g)
        g.ok("/bin/ping", "-c1", "-W2", "-n", "192.0.2.1")
        g.ok("/usr/sbin/runuser", "-u", "nobody", "--", "/bin/ping", "-c1", "-W2", "-n", "192.0.2.1")


CASES = [
    ("tiny: the same bytes each time, all that is promised in it", test_tiny_same_bytes),
    ("tiny: answers ping over both families within 100 ms", test_tiny_starts_fast),
    ("tiny: stops within 100 ms of a signal or a poweroff inside", test_tiny_stops_fast),
    ("tiny: reboots", test_tiny_reboots),
    ("tiny: ping, httpd, console shell, no zombies", test_tiny_inside),
    ("tiny: without net_raw and net_admin", test_tiny_strict),
    ("debian-12: no identity, all that is promised in it", test_debian_content),
    ("debian-12: reaches running, ssh, ping, networkd agrees with the host", test_debian_boots),
    ("debian-12: reboots and powers off from inside", test_debian_reboots),
    ("debian-12: without net_raw and net_admin", test_debian_strict),
]


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP a lab needs root")
        return 0
    os.chmod(TMP, 0o755)  # container roots pass through it
    os.mkdir(f"{TMP}/guests", 0o755)
    try:
        with LAB:
            LAB.up(hosts=1)
            sh("h1", f"""
                ip link add {BRIDGE} type bridge forward_delay 0 mcast_snooping 0
                ip addr add 198.18.0.1/20 dev {BRIDGE}
                ip addr add fe80::1/64 dev {BRIDGE} nodad
                ip link set {BRIDGE} up""")
            return run(CASES)
    finally:
        shutil.rmtree(TMP, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
