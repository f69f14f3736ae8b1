#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 400
"""kill -9 of the controller and the agent at random instants while instances are made, stopped and
deleted: nothing acknowledged is lost, nothing is doubled, nothing leaks."""

import http.client
import os
import random
import ssl
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from testsite import Site  # noqa: E402 pylint: disable=wrong-import-position

from tap import expect, run  # noqa: E402 pylint: disable=wrong-import-position

SEED = int(os.environ.get("BERTH_SEED") or time.time())
KILLS = 60 if os.environ.get("BERTH_FULL") else 20
SITE = Site("k", controller={"lease": "500ms", "suspect": "3s", "unreachable": "6s"})
LOST = (ConnectionError, http.client.HTTPException, TimeoutError, ssl.SSLError, OSError)


class Client(threading.Thread):
    """One customer. It repeats what was not answered, with the same key, until it is."""

    def __init__(self, number, stop):
        super().__init__(daemon=True)
        self.number, self.stop_event = number, stop
        self.random = random.Random(SEED * 100 + number)
        self.api = SITE.client()
        self.wanted = {}  # uuid -> "running", "stopped", "deleted": what was acknowledged last
        self.names = {}
        self.answers = {}  # key -> body
        self.count = 0
        self.failure = None

    def insist(self, method, path, body):
        """Until there is an answer; the same key makes it one request."""
        self.count += 1
        key = f"client {self.number} request {self.count}"
        while True:
            try:
                a = self.api.call(method, path, body, Idempotency_Key=key)
            except LOST:
                self.api.close()
                time.sleep(0.05)
                continue
            if a.status == 503 or a.code == "idempotency_busy":
                time.sleep(0.05)
                continue
            if a.status == 202:
                self.answers[key] = (method, path, body, a.body)
            return a

    def create(self):
        name = f"c{self.number}-{self.count}"
        a = self.insist("POST", "instances", {"name": name, "plan": "nano", "image": "tiny"})
        assert a.status == 202, a
        uuid = a.json()["instance"]["uuid"]
        self.wanted[uuid] = "running"
        self.names[uuid] = name

    def act(self):
        uuid = self.random.choice(list(self.wanted))
        verb = self.random.choice(["stop", "start", "delete", "delete", "restart"])
        body = {"force": True} if verb in ("stop", "delete") else {}
        a = self.insist("POST", f"instances/{uuid}/actions/{verb}", body)
        if a.status == 409 and a.code in ("locked", "bad_state", "protected"):
            return
        if a.status == 404:
            assert self.wanted[uuid] == "deleted", a
            return
        assert a.status == 202, (verb, a)
        if verb == "delete":
            self.wanted[uuid] = "deleted"
        elif self.wanted[uuid] != "deleted":
            self.wanted[uuid] = "stopped" if verb == "stop" else "running"

    def run(self):
        try:
            while not self.stop_event.is_set():
                alive = [u for u, w in self.wanted.items() if w != "deleted"]
                if len(alive) < 3 or self.random.random() < 0.3:
                    self.create()
                else:
                    self.act()
        except BaseException as e:  # pylint: disable=broad-except
            self.failure = e


def keep_alive(daemon):
    if not daemon.pid():
        daemon.start()


def settle():
    SITE.stand.controller()
    keep_alive(SITE.fleet.agent("h1"))
    SITE.api.close()
    api = SITE.api
    api.wait_until("hosts/h1", lambda a: a.json()["state"] == "online", 20)

    def all_ended(_):
        return not [t for t in all_items("tasks") if t["state"] not in ("success", "error", "cancelled")]

    api.wait_until("hosts/h1", all_ended, 60)


def all_items(path, query=""):
    items, cursor = [], ""
    while cursor is not None:
        page = SITE.api.get(f"{path}?limit=200{query}" + (f"&cursor={cursor}" if cursor else "")).json()
        items += page["items"]
        cursor = page["next"]
    return items


def test_kill_at_random():
    chance = random.Random(SEED)
    stop = threading.Event()
    clients = [Client(n, stop) for n in range(4)]
    for c in clients:
        c.start()
    kills = {"berthd": 0, "agent": 0}
    for _ in range(KILLS):
        time.sleep(chance.random() * 0.4)
        daemon = chance.choice([SITE.fleet.controller(), SITE.fleet.agent("h1")])
        daemon.kill()
        kills[daemon.name] += 1
        if chance.random() < 0.3:
            time.sleep(chance.random() * 0.5)
        daemon.start()
        for other in (SITE.fleet.controller(), SITE.fleet.agent("h1")):
            keep_alive(other)
    time.sleep(1)
    stop.set()
    for c in clients:
        c.join(60)
        expect(not c.is_alive(), "a client hangs")
        if c.failure:
            raise c.failure
    settle()
    test_kill_at_random.clients = clients
    made = sum(len(c.wanted) for c in clients)
    expect(made > 20, f"only {made} instances")
    return f"seed {SEED}; {kills}; {made} instances, {sum(c.count for c in clients)} requests"


def clients():
    return test_kill_at_random.clients


def test_nothing_acknowledged_is_lost():
    rows = {i["uuid"]: i for i in all_items("instances", "&deleted=true")}
    wrong = []
    for c in clients():
        for uuid, wanted in c.wanted.items():
            row = rows.get(uuid)
            if row is None and wanted == "deleted":
                continue  # deleted before it was whole: there is nothing to restore
            desired = row and row["desired"]
            if desired != wanted:
                wrong.append((uuid, wanted, desired, row and row["last_error"]))
            elif wanted != "deleted" and row["state"] != wanted:
                wrong.append((uuid, wanted, row["state"], row["last_error"]))
    expect(not wrong, f"{len(wrong)}: {wrong[:5]}")


def test_nothing_is_doubled():
    rows = all_items("instances", "&deleted=true")
    known = {u for c in clients() for u in c.wanted}
    extra = {i["uuid"] for i in rows} - known
    expect(not extra, f"{len(extra)} that nobody was told of: {sorted(extra)[:3]}")
    addresses = [a["address"] for a in all_items("addresses")]
    expect(len(addresses) == len(set(addresses)) == 2 * len(rows), f"{len(addresses)} of {len(rows)}")
    names = [i["name"] for i in rows if i["desired"] != "deleted"]
    expect(len(names) == len(set(names)), "a name twice")


def test_keys_still_answer():
    for c in clients():
        for key, (method, path, body, answer) in list(c.answers.items())[:10]:
            a = SITE.api.call(method, path, body, Idempotency_Key=key)
            expect(a.body == answer, f"{key}: other bytes after all that")


def test_nothing_leaks():
    expect(SITE.api.items("doctor") == [], f"{SITE.api.items('doctor')[:5]}")
    expect(SITE.api.items("orphans") == [], "orphans")
    a = SITE.api.get("audit/verify").json()
    expect(a["ok"], f"{a}")
    failed = [t for t in all_items("tasks") if t["state"] == "error"]
    expect(not failed, f"{len(failed)} tasks failed: {failed[:3]}")


CASES = [((f.__doc__ or f.__name__.removeprefix("test_").replace("_", " ")).split("\n")[0], f)
         for name, f in list(globals().items()) if name.startswith("test_")]

if __name__ == "__main__":
    with SITE:
        status = run(CASES)
        if status:
            SITE.logs()
    sys.exit(status)
