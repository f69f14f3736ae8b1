#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 600
"""A Debian VPS as its owner sees it, and how soon it answers."""

import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from vps import Pinger, Vps, address, addresses, expect, main, median  # noqa: E402 pylint: disable=wrong-import-position

VPS = Vps("l")
WAN = ("192.0.2.1", "2001:db8:ffff::1")


def key():
    path = f"{VPS.tmp}/key"
    if not os.path.exists(path):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


def web1():
    if not hasattr(web1, "instance"):
        web1.instance = VPS.create("web1", "small", "debian-12", "--ssh-key", f"@{key()}.pub")
    return web1.instance


def ssh(*command, timeout=20):
    argv = ["ssh", "-i", key(), "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={VPS.tmp}/known",
            "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", f"root@{address(web1(), 4)}", *command]
    return VPS.wan(*argv, timeout=timeout)


def test_debian_runs():
    i = web1()
    expect(i["state"] == "running" and i["desired"] == "running", f"{i}")
    begin = time.monotonic()
    while (now := VPS.exec("web1", "systemctl", "is-system-running", check=False).stdout.strip()) != "running":
        failed = VPS.exec("web1", "systemctl", "--failed", "--no-legend", check=False).stdout
        expect(now != "degraded" and time.monotonic() < begin + 15, f"{now}: {failed}")
        time.sleep(0.1)
    took = time.monotonic() - begin
    expect(VPS.exec("web1", "hostname").stdout.strip() == "web1", "hostname")
    expect(i["started_at"] is not None, "started_at")
    return f"systemd was up {took:.1f} s after the create"


def test_it_reaches_its_gateway_and_the_world():
    i = web1()
    gateways = [a["gateway"] for a in VPS.api.get("instances/web1").json()["addresses"]]
    for target in WAN:
        VPS.exec("web1", "ping", "-c", "2", "-i", "0.2", "-W", "2", target)
    for gateway in gateways:
        where = gateway + ("%eth0" if gateway.startswith("fe80") else "")
        VPS.exec("web1", "ping", "-c", "2", "-i", "0.2", "-W", "2", where)
    for target in addresses(i):
        done = VPS.wan("ping", "-c", "2", "-i", "0.2", "-W", "2", target)
        expect(done.returncode == 0, f"wan to {target}: {done.stdout}")


def test_its_addresses_are_what_the_api_says():
    out = VPS.exec("web1", "ip", "-o", "addr", "show", "dev", "eth0").stdout
    for a in web1()["addresses"]:
        expect(f"{a['address']}/{a['prefix']}" in out, f"{a['address']}/{a['prefix']} not in {out}")
    mac = web1()["addresses"][0]["mac"]
    expect(mac in VPS.exec("web1", "cat", "/sys/class/net/eth0/address").stdout, "its MAC")


def test_ssh():
    done = ssh("id", "-u")
    expect(done.returncode == 0 and done.stdout.strip() == "0", f"{done.stdout}{done.stderr}")
    done = ssh("cat /etc/hostname; getent hosts web1")
    expect(done.stdout.split()[0] == "web1", f"{done.stdout}")


def test_identity_is_fresh():
    VPS.create("web2", "small", "debian-12")
    for path in ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub", "/etc/ssh/ssh_host_ecdsa_key.pub"):
        a = VPS.exec("web1", "cat", path).stdout
        b = VPS.exec("web2", "cat", path).stdout
        expect(a and b and a != b, f"{path}: the same in both")


def test_exec_gives_status_and_streams():
    done = VPS.sh("web1", "echo out; echo err >&2; exit 7", check=False)
    expect((done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n"), f"{done}")
    done = subprocess.run([VPS.fleet.bin("berth"), "exec", "web1", "--", "sha256sum"], check=True,
                          input=bytes(range(256)) * 20000, env=VPS.fleet.environment(), capture_output=True)
    import hashlib  # pylint: disable=import-outside-toplevel
    expect(done.stdout.split()[0].decode() == hashlib.sha256(bytes(range(256)) * 20000).hexdigest(),
           "5 MB of input")
    done = VPS.sh("web1", "head -c 20000000 /dev/zero | tr '\\0' x")
    expect(len(done.stdout) == 20000000, f"{len(done.stdout)} bytes of output")
    done = VPS.exec("web1", "no-such-command", check=False)
    expect(done.returncode in (125, 126, 127), f"{done}")


def test_console_logs_in():
    """The console of a Debian shows its login prompt."""
    script = f"{VPS.fleet.bin('berth')} console web1"
    done = subprocess.run(["timeout", "8", "script", "-qec", script, "/dev/null"], input=b"\n\n\x1d",
                          env=VPS.fleet.environment(), capture_output=True, check=False)
    expect(b"web1 login:" in done.stdout, f"{done.stdout[-400:]}")


def create_to_ping(name, plan, image, family):
    """Seconds from the API call to the first answered ping."""
    free = VPS.create("probe", "nano", "tiny", "--no-start")
    VPS.berth("instance", "delete", "probe", "--purge")
    pinger = Pinger(VPS, address(free, family), 0.002)
    a = VPS.api.post("instances", {"name": name, "plan": plan, "image": image,
                                   "addresses": [address(free, family)]})
    expect(a.status == 202, f"{a}")
    took = pinger.first_s()
    pinger.end()
    return took


def measure(plan, image, runs):
    took = []
    for n in range(runs):
        name = f"{image[:4]}-{n}"
        took.append(create_to_ping(name, plan, image, 4))
        VPS.api.wait_until(f"instances/{name}", lambda a: a.json()["locked_by"] is None)
        VPS.berth("instance", "delete", name, "--force", "--purge")
    return took


def test_tiny_answers_within_300_ms():
    took = measure("nano", "tiny", 7)
    text = " ".join(f"{t * 1000:.0f}" for t in took)
    expect(median(took) <= 0.3, f"{text} ms")
    return f"create to ping: {text} ms"


def test_debian_answers_within_2_s():
    took = measure("small", "debian-12", 5)
    text = " ".join(f"{t * 1000:.0f}" for t in took)
    expect(median(took) <= 2.0, f"{text} ms")
    return f"create to ping: {text} ms"


def test_nothing_is_left():
    for name in [i["name"] for i in VPS.api.items("instances?limit=200")]:
        VPS.berth("instance", "delete", name, "--force", "--purge")
    expect(VPS.doctor() == [], f"{VPS.doctor()[:5]}")
    expect(VPS.api.items("addresses") == [], "addresses")
    end = time.monotonic() + 10  # pairs go in batches, off the request path
    while " bt" in (links := VPS.lab.run("h1", ["ip", "-o", "link"]).stdout):
        expect(time.monotonic() < end, f"ports are left: {links}")
        time.sleep(0.1)


if __name__ == "__main__":
    main(VPS, globals())
