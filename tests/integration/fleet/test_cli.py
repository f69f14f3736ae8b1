#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 300
"""The command line against real daemons: every verb twice, formats, exit codes."""

import json
import os
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from testsite import Site  # noqa: E402 pylint: disable=wrong-import-position

from tap import expect, run  # noqa: E402 pylint: disable=wrong-import-position

SITE = Site("c")


def berth(*args, **kwargs):
    return SITE.fleet.berth(*args, **kwargs)


def show(name):
    return SITE.fleet.berth_json("instance", "show", name)


def fails(status, *args):
    done = berth(*args, check=False)
    expect(done.returncode == status, f"{args}: exit {done.returncode}, not {status}: {done.stderr}")
    expect(not done.stdout, f"{args}: an error on stdout: {done.stdout}")
    expect(done.stderr.startswith(("berth: ", "usage: ")), f"{args}: {done.stderr}")
    return done.stderr


def test_create():
    made = SITE.fleet.berth_json("instance", "create", "web1", "--plan", "small", "--image", "tiny")
    expect(made["name"] == "web1" and made["state"] == "running", f"{made}")
    expect(show("web1")["limits"]["memory_bytes"]["effective"] == 512 << 20, "its memory")


def state(name):
    i = show(name)
    return i["state"], i["desired"]


# verb, flags, state and desired afterwards
STEPS = [
    ("stop", [], ("stopped", "stopped")),
    ("start", [], ("running", "running")),
    ("restart", [], ("running", "running")),
    ("reset", [], ("running", "running")),
    ("pause", [], ("paused", "running")),
    ("resume", [], ("running", "running")),
    ("kill", [], ("stopped", "stopped")),
    ("start", [], ("running", "running")),
    ("suspend", ["--reason", "billing"], ("stopped", "running")),
    ("unsuspend", ["--reason", "billing"], ("running", "running")),
    ("rebuild", [], ("running", "running")),
    ("stop", ["--force"], ("stopped", "stopped")),
    ("delete", [], ("deleted", "deleted")),
    ("restore", [], ("stopped", "stopped")),
    ("start", [], ("running", "running")),
]


def deleted_state(name):
    row = next(i for i in SITE.fleet.berth_json("instance", "list", "--deleted") if i["name"] == name)
    return row["state"], row["desired"]


def test_verbs_twice():
    before = show("web1")
    for verb, flags, wanted in STEPS:
        ref = before["uuid"]
        for time_ in ("once", "twice"):
            done = berth("instance", verb, ref, *flags, check=False)
            expect(done.returncode == 0, f"{verb} {time_}: {done.stderr}")
            now = deleted_state("web1") if verb == "delete" else state(ref)
            if verb == "delete":
                expect(now[1] == "deleted" and now[0] in ("stopped", "deleted"), f"{verb}: {now}")
            else:
                expect(now == wanted, f"{verb} {time_}: {now}, not {wanted}")
    after = show("web1")
    for key in ("id", "uuid", "addresses"):
        expect(before[key] == after[key], f"{key} changed: {before[key]} {after[key]}")
    expect(after["last_error"] is None and after["suspended"] == [], f"{after}")


def test_suspension_holds():
    berth("instance", "suspend", "web1", "--reason", "abuse", "--text", "mail")
    berth("instance", "suspend", "web1", "--reason", "admin")
    expect(sorted(show("web1")["suspended"]) == ["abuse", "admin"], "both")
    berth("instance", "unsuspend", "web1", "--reason", "abuse")
    expect(show("web1")["suspended"] == ["admin"] and show("web1")["state"] == "stopped", "one left")
    mine = SITE.fleet.berth_json("token", "create", "--tenant", "demo", "--scope", "read,power")
    tenant = SITE.client(mine["token"])
    a = tenant.post("instances/web1/actions/start")
    expect(a.status == 409 and a.code == "suspended", f"{a}")
    berth("instance", "unsuspend", "web1", "--reason", "admin")
    expect(state("web1") == ("running", "running"), "it runs again")


def test_resize():
    berth("instance", "resize", "web1", "--plan", "medium")
    i = show("web1")
    expect(i["plan"]["name"] == "medium" and i["limits"]["cpus"]["effective"] == 2, f"{i['limits']}")
    berth("instance", "resize", "web1", "--memory", "2G")
    limit = show("web1")["limits"]["memory_bytes"]
    expect(limit == {"plan": 1 << 30, "override": 2 << 30, "effective": 2 << 30}, f"{limit}")


def test_formats():
    table = berth("instance", "list").stdout.splitlines()
    expect(table[0].split()[:3] == ["ID", "NAME", "TENANT"] and "web1" in table[1], f"{table}")
    names = berth("instance", "list", "-o", "name").stdout.split()
    expect(names == ["web1"], f"{names}")
    csv = berth("instance", "list", "-o", "csv").stdout.splitlines()
    expect(len(csv) == 2 and csv[1].count(",") >= 5, f"{csv}")
    expect(isinstance(SITE.fleet.berth_json("instance", "list"), list), "a list is an array")
    for noun in ("plan", "image", "pool", "host", "task", "token", "tenant", "alarm", "orphan", "audit",
                 "location", "host-group", "address", "setting"):
        expect(isinstance(SITE.fleet.berth_json(noun, "list"), list), noun)


def test_exit_codes():
    fails(3, "instance", "show", "nobody")
    fails(3, "instance", "create", "x", "--plan", "none", "--image", "tiny")
    fails(5, "instance", "create", "web1", "--plan", "nano", "--image", "tiny")
    fails(5, "instance", "delete", "web1")
    fails(2, "instance", "fly", "web1")
    fails(2, "instance", "show")
    fails(2, "instance", "create", "x", "--plan", "nano", "--image", "tiny", "--frob")
    fails(2, "instance", "create", "x", "--plan", "nano", "--image", "tiny", "--memory", "many")
    env = SITE.fleet.environment()
    for change, status in (({"BERTH_TOKEN": "x" * 64}, 4), ({"BERTH_URL": "https://127.0.0.1:1"}, 6)):
        done = subprocess.run([SITE.fleet.bin("berth"), "instance", "list"], env={**env, **change},
                              capture_output=True, text=True, check=False)
        expect(done.returncode == status, f"{change}: exit {done.returncode}: {done.stderr}")


def test_locks():
    """A verb on a locked instance: the same again is the same task, another is refused."""
    a = SITE.api.post("instances/web1/actions/restart")
    b = SITE.api.post("instances/web1/actions/restart")
    c = SITE.api.post("instances/web1/actions/rebuild")
    if b.json()["task"]["id"] == a.json()["task"]["id"]:
        expect(c.status in (202, 409), f"{c}")
        if c.status == 409:
            expect(c.code == "locked" and c.json()["task"] == a.json()["task"]["id"], f"{c}")
    for t in (a, b, c):
        if t.status == 202:
            SITE.api.wait_until(f"tasks/{t.json()['task']['id']}",
                                lambda x: x.json()["state"] in ("success", "cancelled"))
    expect(state("web1") == ("running", "running"), "it runs")


def exec_in(stdin, *argv):
    return subprocess.run([SITE.fleet.bin("berth"), "exec", "web1", "--", *argv], input=stdin,
                          env=SITE.fleet.environment(), capture_output=True, check=False, timeout=60)


def test_exec():
    """A made-up instance gives back what it is given; `exit` and `flood` are its other words."""
    done = exec_in(b"hello", "cat")
    expect(done.returncode == 0 and done.stdout == b"hello", f"{done}")
    expect(exec_in(b"", "exit", "7").returncode == 7, "the status of the command")
    done = exec_in(b"", "flood", "5000000")
    expect(done.returncode == 0 and len(done.stdout) == 5000000, f"{len(done.stdout)} bytes")
    data = bytes(range(256)) * 8192
    done = exec_in(data, "cat")
    expect(done.stdout == data, f"{len(done.stdout)} of {len(data)} bytes came back")
    berth("instance", "stop", "web1")
    done = exec_in(b"", "cat")
    expect(done.returncode == 125 and done.stderr.startswith(b"berth: "), f"{done}")
    berth("instance", "start", "web1")


def test_events_follow():
    env = SITE.fleet.environment()
    with subprocess.Popen([SITE.fleet.bin("berth"), "events", "-o", "json"], env=env, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        timer = threading.Timer(20, p.kill)
        timer.start()
        time.sleep(0.5)
        berth("instance", "restart", "web1")
        kinds = []
        for line in p.stdout:
            kinds.append(json.loads(line)["type"])
            if kinds[-1] == "task.success" and "instance.state" in kinds:
                break
        p.kill()
        timer.cancel()
    expect("task.success" in kinds, f"{kinds}")


def test_delete_and_purge():
    fails(5, "instance", "delete", "web1")  # it runs
    berth("instance", "delete", "web1", "--force")
    expect(SITE.fleet.berth_json("instance", "list") == [], "still listed")
    row = SITE.fleet.berth_json("instance", "list", "--deleted")[0]
    expect(row["delete_at"] > time.time() * 1000 + 86400000, f"{row['delete_at']}")
    used = {a["address"] for a in SITE.fleet.berth_json("address", "list")}
    expect({a["address"] for a in row["addresses"]} <= used, "its addresses were given up")
    again = SITE.fleet.berth_json("instance", "create", "web1", "--plan", "nano", "--image", "tiny")
    expect(again["uuid"] != row["uuid"], "the name is free at once")
    berth("instance", "delete", row["uuid"], "--purge")
    left = {a["address"] for a in SITE.fleet.berth_json("address", "list")}
    expect(not {a["address"] for a in row["addresses"]} & left, "its addresses stay")
    berth("instance", "delete", "web1", "--force", "--purge")
    expect(SITE.fleet.berth_json("address", "list") == [], "addresses are left")
    expect(berth("doctor", check=False).returncode == 0, "doctor differs")


def test_capacity_says_what_fits():
    berth("plan", "create", "big", "--cpus", "1", "--memory", "64G", "--disk", "1G")
    row = next(r for r in SITE.fleet.berth_json("capacity", "--plan", "big"))
    expect(row["host"] == "h1" and row["fits"] == 16, f"{row}")
    for n in range(row["fits"]):
        berth("instance", "create", f"big{n}", "--plan", "big", "--image", "tiny", "--no-wait")
    text = fails(5, "instance", "create", "big16", "--plan", "big", "--image", "tiny")
    expect("memory" in text and "h1" in text, text)
    row = next(r for r in SITE.fleet.berth_json("capacity", "--plan", "big"))
    expect(row["fits"] == 0 and row["limited_by"] == "memory", f"{row}")


CASES = [(f.__doc__ or f.__name__.removeprefix("test_").replace("_", " "), f)
         for name, f in list(globals().items()) if name.startswith("test_")]

if __name__ == "__main__":
    with SITE:
        status = run(CASES)
    sys.exit(status)
