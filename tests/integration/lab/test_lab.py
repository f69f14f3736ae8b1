#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab itself: what `up` makes, that it is mended, and that `down` leaves nothing."""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path[:0] = [os.path.join(ROOT, "tools/lab"), os.path.dirname(os.path.abspath(__file__))]

# pylint: disable=wrong-import-position
from berthlab import Lab, LabError, cgroups, kernel, namespaces, record  # noqa: E402
from tap import Skip, expect, run  # noqa: E402

TOOL = os.path.join(ROOT, "tools/lab/lab")
# Names are the test's own: a run beside another one, or beside `./dev up`, must not meet it.
NAME_A = f"btta{os.getpid() % 100000}"
NAME_B = f"bttb{os.getpid() % 100000}"
TMP = tempfile.mkdtemp(prefix="berth-lab-test-")


def lab_a():
    return Lab(NAME_A, f"{TMP}/a")


def lab_b():
    return Lab(NAME_B, f"{TMP}/b")


def traces(name):
    """Everything in the kernel that carries the lab's name or lives in it."""
    found = [f"link {x}" for x in os.listdir("/sys/class/net") if x.startswith(name)]
    pins = f"{TMP}/{name[3]}/"
    found += [f"mount {m.point}" for m in kernel.mounts()
              if m.source.startswith(name) or m.point.startswith(pins)]
    found += [f"cgroup {h.point}/{name}" for h in cgroups.hierarchies()
              if os.path.exists(f"{h.point}/{name}")]
    if os.path.exists(record.REGISTRY):
        found += [f"file {x}" for x in os.listdir(record.REGISTRY) if x.startswith(name)]
    return found


def live_namespaces():
    out = subprocess.run(["lsns", "-n", "-o", "NS"], capture_output=True, text=True, check=True)
    return set(out.stdout.split())


def expect_nothing(name):
    left = traces(name)
    expect(not left, "left behind: " + ", ".join(left))


@contextlib.contextmanager
def sleeper(lab, host):
    p = lab.popen(host, ["sleep", "100"]) if lab else subprocess.Popen(["sleep", "100"])
    try:
        yield p
    finally:
        p.kill()
        p.wait()


def ping(lab, host, address):
    done = lab.run(host, ["ping", "-c1", "-W2", "-n", address])
    expect(done.returncode == 0, f"{host} does not reach {address}: {done.stdout}{done.stderr}")


def test_up_and_ping():
    with lab_a() as lab:
        begin = time.monotonic()
        made = lab.up(hosts=2)
        took = time.monotonic() - begin
        expect({"wan", "h1", "h2"} <= set(made), f"made {made}")
        for address in ("192.0.2.1", "2001:db8:ffff::1", "192.0.2.12", "2001:db8:ffff::12",
                        lab.info()["controller_address"]):
            ping(lab, "h1", address)
        ping(lab, "wan", "192.0.2.11")
        expect(lab.run("h2", ["hostname"]).stdout == "h2\n", "host name")
        expect(lab.run("h2", ["ls", "/sys/class/net"]).stdout.split() == ["lo", "mgmt0", "wan0"],
               "sysfs is not the host's own")
    expect_nothing(NAME_A)
    return f"up {took * 1000:.0f} ms"


def test_second_up_changes_nothing():
    with lab_a() as lab:
        lab.up(hosts=2)
        before = {h: lab.run(h, ["ip", "-s", "-d", "addr"]).stdout.split("RX:")[0]
                  for h in ("wan", "h1")}
        info = lab.info()
        begin = time.monotonic()
        made = lab.up(hosts=2)
        took = time.monotonic() - begin
        expect(made == [], f"a second up made {made}")
        expect(took < 1, f"it took {took:.2f} s")
        expect(lab.info() == info, "the record changed")
        for h, text in before.items():
            now = lab.run(h, ["ip", "-s", "-d", "addr"]).stdout.split("RX:")[0]
            expect(now == text, f"{h} changed")
        expect(lab.up(hosts=1) == [] and len(lab.info()["hosts"]) == 2, "up with less ended a host")
        expect("h3" in lab.up(hosts=3), "up with more made none")
        ping(lab, "h3", "192.0.2.11")
    return f"{took * 1000:.0f} ms"


def test_mends():
    with lab_a() as lab:
        lab.up(hosts=2)
        breaks = [
            ("h1", ["ip", "link", "del", "wan0"]),
            ("h1", ["ip", "link", "set", "dev", "mgmt0", "name", "other0"]),
            ("h1", ["ip", "addr", "flush", "dev", "wan0"]),
            ("h1", ["ip", "-6", "route", "flush", "default"]),
            ("h1", ["sysctl", "-qw", "net.ipv4.ip_forward=0"]),
            ("h1", ["nft", "delete", "table", "inet", "berthlab"]),
            ("wan", ["ip", "link", "del", "br-int"]),
        ]
        for host, argv in breaks:
            done = lab.run(host, argv)
            expect(done.returncode == 0, f"{argv}: {done.stderr}")
            lab.up(hosts=2)
            expect(lab.up(hosts=2) == [], f"not mended in one go: {argv}")
            for address in ("192.0.2.1", "2001:db8:ffff::1", lab.info()["controller_address"]):
                ping(lab, "h1", address)
        expect(lab.run("h1", ["cat", "/proc/sys/net/ipv4/ip_forward"]).stdout == "1\n", "sysctl")
        kernel.umount(f"{TMP}/a/lab/ns/h2/uts")
        with sleeper(lab, "h1") as p:
            expect("h2" in lab.up(hosts=2), "a host with a missing pin was not remade")
            expect(p.poll() is None, "remaking h2 ended a process of h1")
        ping(lab, "h2", "192.0.2.1")


def test_enter():
    with lab_a() as lab:
        lab.up(hosts=1)
        base = [TOOL, "--var", lab.var, "in", "h1", "--"]
        env = dict(os.environ, BERTH_LAB=NAME_A)
        done = subprocess.run(base + ["sh", "-c", "pwd; exit 7"], env=env, capture_output=True,
                              text=True, check=False, cwd="/usr")
        expect(done.returncode == 7, f"exit status {done.returncode}")
        expect(done.stdout == "/usr\n", f"folder {done.stdout!r}")
        done = subprocess.run(base + ["/nonexistent"], env=env, capture_output=True, check=False)
        expect(done.returncode == 127, f"exit status {done.returncode}")
        text = lab.run("h1", ["cat", "/proc/self/cgroup"]).stdout
        expect(all(line.endswith(":/services") for line in text.splitlines()), text)
        for kind in ("net", "mnt", "uts", "cgroup"):
            mine = os.readlink(f"/proc/self/ns/{kind}")
            theirs = lab.run("h1", ["readlink", f"/proc/self/ns/{kind}"]).stdout.strip()
            expect(mine != theirs, f"{kind} namespace is the machine's")
        made = lab.run("h1", ["sh", "-ec", """
            cd /sys/fs/cgroup
            for d in cpuset memory pids; do
                [ -d $d ] || d=.
                mkdir -p $d/berth-instances/x
                echo $$ > $d/berth-instances/x/cgroup.procs
                echo $$ > $d/services/cgroup.procs
                rmdir $d/berth-instances/x
            done"""])
        expect(made.returncode == 0, f"groups below the host's root: {made.stderr}")
        done = subprocess.run([TOOL, "--var", lab.var, "in", "h9", "--", "true"], env=env,
                              capture_output=True, check=False)
        expect(done.returncode == 1, "a host that is not there was entered")
        done = lab.run("h1", [TOOL, "--var", lab.var, "down"], env=env)
        expect(done.returncode == 1 and "inside" in done.stderr, "down from inside went on")


def test_two_labs():
    a, b = lab_a(), lab_b()
    with a, b:
        first = [subprocess.Popen([TOOL, "--var", x.var, "up", "--hosts", "2"],
                                  env=dict(os.environ, BERTH_LAB=x.name), stdout=subprocess.DEVNULL)
                 for x in (a, b)]
        expect([p.wait() for p in first] == [0, 0], "two at once")
        ia, ib = a.info(), b.info()
        expect(not {ia["api_port"], ia["agent_port"]} & {ib["api_port"], ib["agent_port"]}, "ports")
        expect(ia["mgmt_net"] != ib["mgmt_net"], "management networks")
        bases = [h["id_base"] for i in (ia, ib) for h in i["hosts"]]
        expect(len(set(bases)) == 4, f"id ranges {bases}")
        for h in ia["hosts"] + ib["hosts"]:
            expect(h["id_base"] % 65536 == 0 and h["id_count"] >= 1000 * 65536, "id range")
            expect(h["id_base"] >= 10**9 and h["id_base"] + h["id_count"] <= 2**32 - 65536, "ids")
        for lab, info in ((a, ia), (b, ib)):
            ping(lab, "h2", info["controller_address"])
            ping(lab, "h2", "192.0.2.1")
        with sleeper(b, "h1") as p:
            seen = b.run("h1", ["cat", "/proc/self/mountinfo"]).stdout
            expect("nsfs" not in seen, "a host holds the namespaces of others")
            a.down()
            expect_nothing(NAME_A)
            expect(p.poll() is None, "the end of one lab ended a process of the other")
        ping(b, "h1", "192.0.2.12")
        a.up(hosts=2)
        again = a.info()
        expect([h["id_base"] for h in again["hosts"]] == [h["id_base"] for h in ia["hosts"]],
               "id ranges are not kept")
        expect(again["api_port"] == ia["api_port"], "ports are not kept")
    expect_nothing(NAME_B)


def start_things(lab):
    """Processes that hold on: one that left its session, one in namespaces of its own, one whose
    group is frozen."""
    lab.run("h1", ["sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & "
                   "unshare -mnup --fork --mount-proc sleep 1000 >/dev/null 2>&1 &"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lab.run("h1", ["sh", "-c", """
        f=/sys/fs/cgroup/freezer; [ -d $f ] || exit 0
        mkdir -p $f/berth-instances/x; sleep 1000 >/dev/null 2>&1 &
        echo $! > $f/berth-instances/x/cgroup.procs
        echo FROZEN > $f/berth-instances/x/freezer.state"""],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_down_ends_all():
    with sleeper(None, None) as outsider, lab_a() as lab:
        lab.up(hosts=2)
        start_things(lab)
        expect(len(cgroups.members(NAME_A)) >= 3, "the processes did not start")
        inodes = {inode for _, inode in namespaces.inodes(NAME_A)}
        expect(len(inodes) == 12, f"{len(inodes)} namespaces are pinned")
        lab.down()
        expect_nothing(NAME_A)
        expect(not inodes & live_namespaces(), "a namespace lives on")
        lab.down()
        expect(outsider.poll() is None, "a process outside was ended")


def test_wreck_without_state():
    with lab_a() as lab:
        lab.up(hosts=2)
        start_things(lab)
        old = kernel.read("/proc/sys/kernel/printk_ratelimit_burst").strip()
        new = "2" if old != "2" else "1"
        lab.sysctl("kernel.printk_ratelimit_burst", new)
        # From another mount namespace a busy folder can be removed; the pins go with it.
        subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c",
                        f"umount -l {TMP}/a/lab/ns; rm -rf {TMP}/a"], check=True)
        lab.down()
        expect_nothing(NAME_A)
        expect(kernel.read("/proc/sys/kernel/printk_ratelimit_burst").strip() == old, "sysctl is not back")
    with lab_a() as lab:
        lab.up(hosts=1)
        start_things(lab)
        lost = lab.record()
        record.withdraw(NAME_A)
        os.unlink(f"{TMP}/a/lab/lab.json")
        Lab(NAME_A, f"{TMP}/elsewhere").down()
        expect_nothing(NAME_A)
        if not record.live_labs():  # what no name can tell
            cgroups.give_back_controllers(lost["controllers"])


def test_sysctl_of_two_labs():
    key, path = "kernel.dmesg_restrict", "/proc/sys/kernel/dmesg_restrict"
    old = kernel.read(path).strip()
    new = "1" if old == "0" else "0"
    with lab_a() as a, lab_b() as b:
        a.up(hosts=1)
        b.up(hosts=1)
        a.sysctl(key, new)
        b.sysctl(key, new)
        a.down()
        expect(kernel.read(path).strip() == new, "put back while another lab wants it")
        b.down()
    expect(kernel.read(path).strip() == old, "not put back")


def test_loop_nodes():
    if not os.path.exists("/dev/loop-control"):
        raise Skip("this machine has no loop devices")
    before = os.listdir("/dev")
    image = f"{TMP}/loop.img"
    with open(image, "wb") as f:
        f.truncate(1 << 20)
    with lab_a() as lab:
        lab.up(hosts=1)
        used = []
        while not set(used) - {f"/dev/{x}" for x in before} and len(used) < 200:
            done = subprocess.run(["losetup", "-f", "--show", image], capture_output=True,
                                  text=True, check=True)
            used.append(done.stdout.strip())
        for dev in used:
            subprocess.run(["losetup", "-d", dev], check=True)
        lab.down()
    added = {os.path.basename(dev) for dev in used} - set(before)
    expect(added, "no node was added")
    left = {x for x in added if os.path.exists(f"/dev/{x}")}
    expect(not left, f"nodes left: {left}")


FRAMES = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("wan0", 0))
for head in ("ffffffffffff02aabbccdd010800", "ffffffffffff02aabbccdd0181000064",
             "0180c200000e02aabbccdd0188cc"):
    s.send(bytes.fromhex(head) + b"x" * 60)
"""


def test_foreign_macs():
    with lab_a() as lab:
        lab.up(hosts=2)
        ping(lab, "h1", "192.0.2.1")
        expect(lab.foreign_macs() == {"h1": 0, "h2": 0}, "counted without cause")
        done = lab.run("h1", ["/usr/bin/python3", "-c", FRAMES])
        expect(done.returncode == 0, done.stderr)
        expect(lab.foreign_macs() == {"h1": 3, "h2": 0}, f"counted {lab.foreign_macs()}")
        lab.run("h1", ["ip", "link", "del", "wan0"])
        lab.up(hosts=2)
        count = lab.foreign_macs()["h1"]
        lab.run("h1", ["/usr/bin/python3", "-c", FRAMES])
        expect(lab.foreign_macs()["h1"] == count + 3, "not counted after a new uplink")


def test_management_is_apart():
    """A tenant behind h1 reaches wan, but neither the controller nor the management address."""
    with lab_a() as lab:
        lab.up(hosts=1)
        info = lab.info()
        script = f"""
            ip netns add t
            ip link add t0 type veth peer name eth0 netns t
            ip addr add 198.18.0.1/24 dev t0; ip link set t0 up
            ip -n t addr add 198.18.0.2/24 dev eth0; ip -n t link set eth0 up
            ip -n t route add default via 198.18.0.1
            ip netns exec t ping -qc1 -W1 192.0.2.1 || echo no wan
            ip netns exec t ping -qc1 -W1 {info['controller_address']} && echo controller
            ip netns exec t ping -qc1 -W1 {info['hosts'][0]['mgmt_address']} && echo management
            true"""
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800)) as tap_socket:
            tap_socket.bind((f"{NAME_A}m1", 0))
            done = lab.run("h1", ["sh", "-ec", script])
            expect(done.returncode == 0, done.stderr)
            tap_socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                tap_socket.recv(2048)
                raise AssertionError("a tenant's packet reached the management link")
        for word in ("no wan", "controller\n", "management\n"):
            expect(word not in done.stdout, f"{word.strip()}: {done.stdout}")
        far = lab.run("wan", ["ping", "-c1", "-W1", info["controller_address"]])
        expect(far.returncode != 0, "wan reaches the controller")


def kill_during(argv, env, delay_s):
    """True if the command was still running when it was killed."""
    with subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as p:
        time.sleep(delay_s)
        running = p.poll() is None
        p.send_signal(signal.SIGKILL)
    return running


def test_killed_anywhere():
    rng = random.Random(20250101)
    env = dict(os.environ, BERTH_LAB=NAME_A)
    hit = 0
    with lab_a() as lab:
        for i in range(40):
            hit += kill_during([TOOL, "--var", lab.var, "up", "--hosts", "2"], env,
                               rng.uniform(0.03, 0.25))
            if i % 4 == 0:  # mended by the next up
                lab.up(hosts=2)
                ping(lab, "h2", "192.0.2.1")
            if i % 3 == 0:
                hit += kill_during([TOOL, "--var", lab.var, "down"], env, rng.uniform(0.03, 0.12))
            lab.down()
            expect_nothing(NAME_A)
    expect(hit >= 10, f"only {hit} kills met a running command")
    return f"{hit} kills hit"


def test_names():
    env = {k: v for k, v in os.environ.items() if k != "BERTH_LAB"}
    out = subprocess.run([TOOL, "name"], env=env, capture_output=True, text=True, check=True).stdout
    expect(out.strip() == record.default_name(ROOT), out)
    for bad in ("x", "bt", "bt" + "a" * 9, "bt/../x", "systemd"):
        with contextlib.suppress(LabError):
            Lab(bad, TMP)
            raise AssertionError(f"{bad!r} was taken as a name")
    out = subprocess.run([TOOL, "--var", f"{TMP}/none", "info", "--hosts", "3"],
                         env=dict(env, BERTH_LAB=NAME_A), capture_output=True, text=True, check=True)
    info = json.loads(out.stdout)
    expect(not info["up"] and len(info["hosts"]) == 3, "info of a lab that is not up")
    expect(not os.path.exists(f"{TMP}/none"), "info wrote something")


CASES = [
    ("names and info", test_names),
    ("up, addresses, ping over both families", test_up_and_ping),
    ("a second up changes nothing, within a second", test_second_up_changes_nothing),
    ("up mends what is broken", test_mends),
    ("lab in: namespaces, groups, folder, exit status", test_enter),
    ("management link and tenants are apart", test_management_is_apart),
    ("foreign MACs are counted", test_foreign_macs),
    ("two labs side by side", test_two_labs),
    ("down ends every process, frozen ones too, and no others", test_down_ends_all),
    ("down finds the wreck of a lab without its state", test_wreck_without_state),
    ("sysctls go back when the last lab ends", test_sysctl_of_two_labs),
    ("added loop nodes are removed", test_loop_nodes),
    ("killed anywhere in up and down, nothing is left", test_killed_anywhere),
]


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP a lab needs root")
        return 0
    try:
        return run(CASES)
    finally:
        for name in (NAME_A, NAME_B):
            Lab(name, f"{TMP}/end").down()
        shutil.rmtree(TMP, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
