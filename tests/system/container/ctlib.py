# SPDX-License-Identifier: GPL-2.0-or-later
"""Drives berth-container as an agent does: frames on descriptor 3. Everything that a World makes carries
its name and is removed by close(), after a failure too."""

import array
import atexit
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import uuid as uuid_module

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.environ.get("BERTH_ROOT") or os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
BUILD = os.environ.get("BERTH_BUILD") or os.path.join(ROOT, "build", "release", "bin")
HELPER = os.environ.get("BERTH_CONTAINER") or os.path.join(BUILD, "berth-container")
CACHE = os.path.join(ROOT, "var", "cache", "roots")
MIB = 1 << 20


class Skip(Exception):
    """Raised by a test that cannot be run here; the text is the reason."""


class Refused(Exception):
    """The helper answered err."""

    def __init__(self, err):
        super().__init__(f"{err['code']}: {err.get('message')} (step {err.get('step')})")
        self.code, self.message, self.step = err["code"], err.get("message", ""), err.get("step")


def expect(condition, text):
    if not condition:
        raise AssertionError(text)


def same(got, wanted, what):
    expect(got == wanted, f"{what}: {got!r} instead of {wanted!r}")


def wait_until(what, timeout, text="condition"):
    end = time.monotonic() + timeout
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{text}: not within {timeout} s")
        time.sleep(0.005)


def run(world, cases):
    """Runs each (name, function) and prints TAP; a function may return a note. The instances of one
    are ended before the next."""
    failed = 0
    print(f"1..{len(cases)}")
    for number, (name, work) in enumerate(cases, 1):
        begin = time.monotonic()
        try:
            note = work()
        except Skip as e:
            print(f"ok {number} - {name} # SKIP {e}", flush=True)
            continue
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {number} - {name}")
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            sys.stdout.flush()
            world.end_all()
            continue
        world.end_all()
        took = round((time.monotonic() - begin) * 1000)
        print(f"ok {number} - {name}", flush=True)
        print(f"# {took} ms" + (f"; {note}" if note else ""), flush=True)
    return 1 if failed else 0


# --- frames -------------------------------------------------------------------------------------

def send_frame(sock, obj):
    data = json.dumps(obj).encode()
    sock.sendall(len(data).to_bytes(4, "big") + data)


class Reader:
    def __init__(self, sock):
        self.sock, self.buf, self.fds = sock, b"", []

    def frame(self, timeout=30):
        """The next frame, None at the end."""
        self.sock.settimeout(timeout)
        while True:
            if len(self.buf) >= 4:
                n = int.from_bytes(self.buf[:4], "big")
                if len(self.buf) >= 4 + n:
                    obj = json.loads(self.buf[4:4 + n])
                    self.buf = self.buf[4 + n:]
                    return obj
            data, ancillary, _, _ = self.sock.recvmsg(65536, socket.CMSG_LEN(64))
            for level, kind, blob in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    a = array.array("i")
                    a.frombytes(blob[:len(blob) - len(blob) % a.itemsize])
                    self.fds.extend(a)
            if not data:
                return None
            self.buf += data


class Verb:
    """A running helper process."""

    def __init__(self, op, uuid, request, netns=None):
        ours, theirs = socket.socketpair()
        argv = [HELPER, op, uuid]
        if netns:
            argv = ["nsenter", f"--net=/run/netns/{netns}", "--"] + argv

        def prepare():
            fd = theirs.fileno()
            if fd != 3:
                os.dup2(fd, 3)
            else:
                os.set_inheritable(3, True)
        self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     close_fds=False, preexec_fn=prepare,
                                     cwd="/")  # pylint: disable=subprocess-popen-preexec-fn
        theirs.close()
        self.sock, self.reader = ours, Reader(ours)
        send_frame(ours, dict(request, op=op))

    def reply(self, timeout=30):
        got = self.reader.frame(timeout)
        if got is None:
            raise AssertionError(f"no reply, exit status {self.proc.wait(5)}")
        if "err" in got:
            self.close()
            raise Refused(got["err"])
        return got["ok"] if "ok" in got else got

    def fds(self):
        got, self.reader.fds = self.reader.fds, []
        return got

    def close(self):
        self.sock.close()
        for fd in self.fds():
            os.close(fd)

    def end(self, timeout=20):
        self.close()
        return self.proc.wait(timeout)


# --- images -------------------------------------------------------------------------------------

IMAGE_EXT = {"tiny": ".tar", "debian-12": ".tar.zst"}


def image_tree(name):
    """Directory of the unpacked image, ids from 0; kept between runs by the recipe's hash."""
    os.makedirs(CACHE, exist_ok=True)
    tar = os.path.join(CACHE, name + IMAGE_EXT[name])
    subprocess.run([os.path.join(ROOT, "tools/images/build"), name, tar], check=True)
    st = os.stat(tar)
    tree = os.path.join(CACHE, f"{name}-{st.st_size}-{st.st_mtime_ns}")
    if not os.path.isdir(tree):
        for old in os.listdir(CACHE):
            if old.startswith(name + "-"):
                shutil.rmtree(os.path.join(CACHE, old), ignore_errors=True)
        temp = tempfile.mkdtemp(dir=CACHE)
        subprocess.run(["tar", "-xf", tar, "-C", temp, "--numeric-owner", "--xattrs",
                        "--xattrs-include=*"], check=True)
        os.chmod(temp, 0o755)
        os.rename(temp, tree)
    return tree


# --- kernel lists -------------------------------------------------------------------------------

def cgroup_mounts():
    found = {}
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        for line in f:
            left, _, right = line.partition(" - ")
            kind, _, options = right.split(" ", 2)
            if kind in ("cgroup", "cgroup2") and left.split()[3] == "/":
                found.setdefault(options.strip() + kind, (left.split()[4], options.strip()))
    return list(found.values())


def cgroup_dir(controller, path):
    """Directory of @path in the hierarchy that limits @controller."""
    mounts = cgroup_mounts()
    for point, options in mounts:
        if controller in options.split(","):
            return point + path
    return mounts[0][0] + path


def loops_of(path):
    found = []
    for name in os.listdir("/sys/block"):
        with contextlib.suppress(OSError), open(f"/sys/block/{name}/loop/backing_file",
                                                encoding="utf-8") as f:
            if f.read().startswith(path):
                found.append(name)
    return found


def processes_with(text):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as f:
            if text.encode() in f.read() and int(pid) != os.getpid():
                found.append(int(pid))
    return found


def remove_empty_dirs(path):
    """liblxc keeps a directory for locks of each of its paths."""
    while path not in ("/", "/run"):
        try:
            os.rmdir(path)
        except FileNotFoundError:
            pass
        except OSError:
            return
        path = os.path.dirname(path)


class World:
    """A host's share of things: run directory, disks, control groups, network namespace."""

    def __init__(self, network=True):
        self.name = f"ctt{os.getpid()}"
        self.dir = tempfile.mkdtemp(prefix="berth-ct-", dir="/var/tmp")
        os.chmod(self.dir, 0o755)
        # As /run of a host: a tmpfs.
        self.run_dir = tempfile.mkdtemp(prefix="berth-ct-", dir="/dev/shm")
        os.chmod(self.run_dir, 0o711)
        self.parent = f"/{self.name}"
        self.netns = self.name if network else None
        self.next_base = 600_000_000 + (os.getpid() % 1000) * 65536 * 16
        self.instances = []
        self.verbs = []
        self.loops = set(n for n in os.listdir("/dev") if n.startswith("loop"))
        atexit.register(self.close)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        if network:
            self.make_network()

    def inside(self, *argv, **more):
        """Runs a program in the host's network namespace."""
        return subprocess.run(["nsenter", f"--net=/run/netns/{self.netns}", "--", *argv], check=False,
                              capture_output=True, text=True, **more)

    def ping(self, address, count=1):
        """Do all answers come?"""
        return self.inside("ping", "-c", str(count), "-i", "0.05", "-W", "1", address).returncode == 0

    def ip(self, *args):
        subprocess.run(["ip", "-n", self.netns, *args], check=True)

    def make_network(self):
        subprocess.run(["ip", "netns", "add", self.netns], check=True)
        self.ip("link", "set", "lo", "up")
        self.ip("link", "add", "br0", "type", "bridge", "forward_delay", "0")
        subprocess.run(["ip", "netns", "exec", self.netns, "sysctl", "-qw",
                        "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
                        "net.ipv6.conf.br0.accept_dad=0"], check=True)
        self.ip("addr", "add", "198.18.0.1/20", "dev", "br0")
        self.ip("addr", "add", "fe80::1/64", "dev", "br0", "nodad")
        self.ip("link", "set", "br0", "up")

    def port(self, n):
        """A veth pair: host end on the bridge; returns the peer's name."""
        host, peer = f"bt{n}h", f"bt{n}p"
        self.ip("link", "add", host, "type", "veth", "peer", "name", peer)
        self.ip("link", "set", host, "master", "br0", "up")
        self.ip("route", "replace", f"2001:db8:1:{n:x}::/64", "dev", "br0")
        return peer

    def port_again(self, instance):
        """The kernel deletes a pair whose end dies with its network namespace: made again."""
        n = instance.number
        names = self.inside("ip", "-o", "link").stdout
        if f"bt{n}p" not in names:
            if f"bt{n}h" in names:
                self.ip("link", "del", f"bt{n}h")
            self.port(n)

    def instance(self, image="tiny", **more):
        return Instance(self, image, **more)

    def verb(self, op, uuid, request):
        v = Verb(op, uuid, dict(request, run_dir=self.run_dir), self.netns)
        self.verbs.append(v)
        return v

    def call(self, op, uuid, timeout=30, **request):
        """One verb from request to end; returns its ok."""
        v = self.verb(op, uuid, request)
        try:
            return v.reply(timeout)
        finally:
            v.end()

    def left(self):
        """What is still there of this world's instances."""
        found = []
        for point, _ in cgroup_mounts():
            for path, dirs, _ in os.walk(point + self.parent):
                found += [os.path.join(path, d) for d in dirs if d != "monitors"]
        found += loops_of(self.dir)
        with open("/proc/self/mountinfo", encoding="utf-8") as f:
            found += [line for line in f if self.dir in line or self.run_dir in line]
        found += [f"process {p}" for i in self.instances for p in processes_with(i.uuid)]
        return found

    def end_all(self):
        for i in self.instances:
            if os.path.isdir(f"{self.run_dir}/{i.uuid}"):
                with contextlib.suppress(Exception):
                    self.call("stop", i.uuid, stop={"how": "kill", "timeout_ms": 5000})

    def kill_all(self):
        self.end_all()
        for point, _ in cgroup_mounts():
            for path, _, _ in os.walk(point + self.parent, topdown=False):
                with contextlib.suppress(OSError), open(f"{path}/freezer.state", "w",
                                                        encoding="utf-8") as f:
                    f.write("THAWED")
                with contextlib.suppress(OSError), open(f"{path}/cgroup.procs",
                                                        encoding="utf-8") as f:
                    for pid in f.read().split():
                        os.kill(int(pid), signal.SIGKILL)

    def remove_groups(self):
        for _ in range(100):
            left = False
            for point, _ in cgroup_mounts():
                for path, _, _ in os.walk(point + self.parent, topdown=False):
                    try:
                        os.rmdir(path)
                    except OSError:
                        left = True
            if not left:
                return
            time.sleep(0.02)

    def close(self):
        atexit.unregister(self.close)
        self.kill_all()
        for v in self.verbs:
            with contextlib.suppress(Exception):
                v.sock.close()
                v.proc.wait(5)
        self.remove_groups()
        if self.netns:
            subprocess.run(["ip", "netns", "del", self.netns], check=False)
        for _ in range(50):
            if not loops_of(self.dir):
                break
            time.sleep(0.05)
        shutil.rmtree(self.dir, ignore_errors=True)
        shutil.rmtree(self.run_dir, ignore_errors=True)
        remove_empty_dirs(f"/run/lxc/lock{self.run_dir}")
        self.remove_loop_nodes()

    def remove_loop_nodes(self):
        """Nodes that were added for us stay until they are removed, loop(4)."""
        with open("/dev/loop-control", "rb") as control:
            for name in os.listdir("/dev"):
                if name.startswith("loop") and name[4:].isdigit() and name not in self.loops:
                    with contextlib.suppress(OSError):
                        fcntl.ioctl(control, 0x4C81, int(name[4:]))


class Instance:
    def __init__(self, world, image, disk_bytes=128 * MIB, inodes=8192, port=True, **spec):
        self.world = world
        self.uuid = str(uuid_module.uuid4())
        self.number = len(world.instances) + 1
        world.instances.append(self)
        self.disk = f"{world.dir}/disk{self.number}"
        self.base = world.next_base
        world.next_base += 65536
        with open(self.disk, "wb") as f:
            f.truncate(disk_bytes)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-N", str(inodes), "-m", "0", "-E",
                        "lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0", self.disk], check=True)
        self.address = f"198.18.0.{self.number + 1}"
        self.address6 = f"2001:db8:1:{self.number:x}::1"
        self.spec = {
            "name": f"i{self.number}", "hostname": f"host{self.number}",
            "lower": image_tree(image),
            "upper": {"backend": "loop", "path": self.disk},
            "id_base": self.base, "id_count": 65536,
            "cgroup_parent": world.parent, "cgroup": self.uuid,
            "stop_signal": "SIGRTMIN+3",
            "limits": {"memory_bytes": 128 * MIB, "swap_bytes": 0, "pids": 200, "cpus": 1},
            "features": ["tun", "net_admin", "net_raw", "compat32"],
            "seed_id": self.uuid + "-0", "boot": 1, "files": [],
        }
        if world.netns and port:
            self.peer = world.port(self.number)
            self.spec["nics"] = [{
                "ifname": self.peer, "guest_name": "eth0",
                "mac": f"02:00:00:00:00:{self.number:02x}",
                "addresses": [{"address": self.address, "prefix": 20},
                              {"address": self.address6, "prefix": 64}],
                "gateway4": "198.18.0.1", "gateway6": "fe80::1"}]
        self.spec.update(spec)
        self.monitor = None

    def start(self, timeout=30, **spec):
        self.monitor = self.world.verb("run", self.uuid, {"run": dict(self.spec, **spec)})
        return self.monitor.reply(timeout)

    def call(self, op, timeout=30, **request):
        return self.world.call(op, self.uuid, timeout, **request)

    def stat(self):
        return self.call("stat")

    def stop(self, timeout_ms=10000):
        return self.call("stop", stop={"how": "signal", "timeout_ms": timeout_ms})

    def kill(self):
        return self.call("stop", stop={"how": "kill", "timeout_ms": 10000})

    def exec(self, *argv, timeout=60, data=b"", env=()):
        """Runs a command without a terminal; returns (status, out, err)."""
        v = self.world.verb("exec", self.uuid,
                            {"exec": {"argv": list(argv), "env": list(env), "tty": False}})
        v.reply(timeout)
        fin, fout, ferr = v.fds()
        if data:
            os.write(fin, data)
        os.close(fin)
        out, err = drain(fout, ferr, timeout)
        status = v.reader.frame(timeout)["exit"]["status"]
        v.end()
        return status, out, err

    def sh(self, script, timeout=60):
        """Shell script inside; its output, and it must succeed."""
        status, out, err = self.exec("/bin/sh", "-c", script, timeout=timeout)
        expect(status == 0, f"{script}: status {status}: {out} {err}")
        return out.decode().strip()

    def record(self, name):
        with open(f"{self.world.run_dir}/{self.uuid}/{name}", encoding="utf-8") as f:
            return json.load(f)

    def gone(self, timeout=15):
        """Waits for exit.json."""
        path = f"{self.world.run_dir}/{self.uuid}/exit.json"
        wait_until(lambda: os.path.exists(path), timeout, "exit.json")
        if self.monitor:
            self.monitor.end()
        return self.record("exit.json")


def drain(fout, ferr, timeout=60):
    fds = (fout, ferr)
    out = {fd: b"" for fd in fds}
    open_fds = set(fds)
    end = time.monotonic() + timeout
    while open_fds:
        ready, _, _ = select.select(list(open_fds), [], [], max(0, end - time.monotonic()))
        expect(ready, "output did not end")
        for fd in ready:
            data = os.read(fd, 65536)
            out[fd] += data
            if not data:
                open_fds.discard(fd)
                os.close(fd)
    return [out[fd] for fd in fds]
