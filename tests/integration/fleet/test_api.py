#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 300
"""The API on the wire: errors, keys, pages, versions, dry runs, waiting, tenants, events."""

import concurrent.futures
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from testsite import Site  # noqa: E402 pylint: disable=wrong-import-position

from tap import expect, run  # noqa: E402 pylint: disable=wrong-import-position

SITE = Site("a")


def api():
    return SITE.api


def is_problem(a, status, code):
    expect(a.status == status, f"status {a.status}, not {status}: {a}")
    expect(a.code == code, f"code {a.code}, not {code}: {a}")
    p = a.json()
    for key in ("type", "title", "detail", "request_id"):
        expect(p.get(key), f"no {key} in {p}")
    expect(p["status"] == status, "the body says another status")
    expect(a.headers["x-request-id"] == p["request_id"], "two request ids")
    return p


def instance_names():
    return sorted(i["name"] for i in api().items("instances?limit=200"))


# ---- the frame ----


def test_open_paths():
    nobody = api().with_token(None)
    a = nobody.get("/health")
    expect(a.status == 200 and a.json()["status"] == "ok", f"{a}")
    a = nobody.get("openapi.json")
    expect(a.status == 200 and "/api/v1/instances" in a.json()["paths"], f"{a}")
    is_problem(nobody.get("/metrics"), 401, "unauthenticated")
    a = api().get("/metrics")
    expect(a.status == 200 and b"\nberth_agent_sessions 1\n" in a.body, f"{a}")
    expect(a.headers["content-type"].startswith("text/plain; version=0.0.4"), "content type")


def test_errors_of_the_frame():
    token = f"Authorization: Bearer {api().token}\r\n"
    head = f"Host: x\r\n{token}"
    is_problem(api().with_token(None).get("instances"), 401, "unauthenticated")
    is_problem(api().with_token("x" * 64).get("instances"), 401, "unauthenticated")
    is_problem(api().get("nothing"), 404, "not_found")
    is_problem(api().get("instances/none"), 404, "not_found")
    a = api().call("DELETE", "instances")
    is_problem(a, 405, "method_not_allowed")
    is_problem(api().call("POST", "instances", b"{}", Content_Type="text/plain"), 415,
               "unsupported_media_type")
    is_problem(api().call("POST", "instances", b"{", Content_Type="application/json"), 400,
               "bad_request")
    is_problem(api().call("POST", "instances", b"[1]", Content_Type="application/json"), 400,
               "bad_request")
    for text, status in (
            (f"POST /api/v1/plans HTTP/1.1\r\n{head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
            (f"POST /api/v1/plans HTTP/1.1\r\n{head}Content-Length: 9999999\r\n\r\n", 413),
            (f"GET /api/v1/plans HTTP/1.1\r\n{token}\r\n", 400),
            ("nonsense\r\n\r\n", 400)):
        out = api().raw(text.encode(), 3)
        expect(out.startswith(f"HTTP/1.1 {status} ".encode()), f"{status}: {out[:200]}")
        expect(b"application/problem+json" in out, f"no problem: {out[:300]}")


def test_all_bad_fields_at_once():
    body = {"name": "Not-A-Name", "plan": "nano", "driver": "zeppelin", "start": "yes", "extra": 1,
            "limits": {"memory_bytes": -5, "frobs": 2}}
    p = is_problem(api().post("instances", body), 422, "invalid")
    fields = {e["field"]: e["code"] for e in p["errors"]}
    wanted = {"name": "pattern", "driver": "enum", "start": "type", "extra": "unknown_field",
              "limits.memory_bytes": "range", "limits.frobs": "unknown_field", "image": "required"}
    expect(fields == wanted, f"{fields}")


def test_bad_queries():
    for query in ("limit=-1", "limit=201", "limit=x", "cursor=!!", "nothing=1", "host=none"):
        a = api().get(f"instances?{query}")
        expect(400 <= a.status < 500 and a.code, f"{query}: {a}")
    body = {"name": "query", "plan": "nano", "image": "tiny"}
    for query in ("dry_run=maybe", "dryrun=true", "limit=0"):
        is_problem(api().post(f"instances?{query}", body), 422, "invalid")
    expect("query" not in instance_names(), "it was made")


def test_many_strange_requests():
    """No 5xx by input."""
    strange = ["instances/%00", "instances/%2e%2e", "instances/" + "a" * 300, "instances/1/actions/",
               "instances/1/actions/fly", "tasks/0", "tasks/-1", "tasks/99999999999999999999", "hosts/1.5",
               "addresses/198.18.0.300/history", "addresses/x/history?at=-1", "orphans", "events?after=-1",
               "events?after=zzz", "capacity?plan=none", "placement/explain", "images/0", "settings/none"]
    for path in strange:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            a = api().call(method, path, {} if method != "GET" else None)
            expect(a.status < 500, f"{method} {path}: {a}")


# ---- instances ----


def test_create_and_wait():
    a = api().post("instances", {"name": "one", "plan": "nano", "image": "tiny"}, Prefer="wait=20")
    expect(a.status == 202, f"{a}")
    body = a.json()
    expect(a.headers["location"] == f"/api/v1/tasks/{body['task']['id']}", "location")
    expect(a.headers["task-state"] == "success", f"{a.headers}")
    expect(body["task"]["state"] == "running" and body["instance"]["state"] == "pending",
           "the body is the one that was committed")
    i = api().get("instances/one").json()
    expect(i["state"] == "running" and i["desired"] == "running", f"{i}")
    expect(i["generation"] == i["observed_generation"] == 1, f"{i}")
    expect(i["host"]["name"] == "h1" and i["location"]["name"] == "lab", f"{i}")
    families = sorted(x["family"] for x in i["addresses"])
    expect(families == [4, 6], f"{i['addresses']}")
    expect(i["limits"]["memory_bytes"] == {"plan": 1 << 27, "override": None, "effective": 1 << 27},
           f"{i['limits']}")
    by_uuid = api().get(f"instances/{i['uuid']}")
    expect(by_uuid.body == api().get(f"instances/{i['id']}").body, "by uuid and by id")
    t = api().get(f"tasks/{body['task']['id']}").json()
    expect(t["state"] == "success" and t["progress"] == 100 and t["error"] is None, f"{t}")


def test_unknown_references_leave_nothing():
    before = instance_names()
    addresses = len(api().items("addresses?limit=200"))
    for key, value in (("plan", "none"), ("image", "none"), ("host", "none"), ("tenant", "none"),
                       ("location", "none")):
        a = api().post("instances", {"name": "two", "plan": "nano", "image": "tiny", key: value})
        expect(a.status in (404, 422) and a.code, f"{key}: {a}")
        expect(value in a.body.decode(), f"{key}: the answer does not name it: {a}")
    expect(instance_names() == before, "something was made")
    expect(len(api().items("addresses?limit=200")) == addresses, "addresses were taken")


def test_same_key_same_bytes():
    body = {"name": "keyed", "plan": "nano", "image": "tiny"}
    first = api().post("instances", body, Idempotency_Key="key 1", Prefer="wait=20")
    again = api().post("instances", body, Idempotency_Key="key 1")
    expect(first.status == again.status == 202, f"{first} {again}")
    expect(first.body == again.body, "other bytes")
    expect(again.headers.get("idempotency-replayed") == "true", f"{again.headers}")
    reordered = b'{"image":"tiny",  "plan":"nano","name":"keyed"}'
    same = api().call("POST", "instances", reordered, Content_Type="application/json",
                      Idempotency_Key="key 1")
    expect(same.body == first.body, "the same object in another order")
    is_problem(api().post("instances", {**body, "name": "other"}, Idempotency_Key="key 1"), 422,
               "idempotency_mismatch")
    bad = api().post("instances", {"name": "keyed2"}, Idempotency_Key="key 2")
    is_problem(bad, 422, "invalid")
    good = api().post("instances", {**body, "name": "keyed2"}, Idempotency_Key="key 2")
    expect(good.status == 202, f"a refused request used its key up: {good}")
    expect([n for n in instance_names() if n.startswith("keyed")] == ["keyed", "keyed2"], "twice")


def test_same_key_at_once():
    """Twenty of one key on twenty connections: one instance, one answer."""
    body = {"name": "atonce", "plan": "nano", "image": "tiny"}

    def post(_):
        client = SITE.client()
        a = client.post("instances", body, Idempotency_Key="key 3")
        client.close()
        return a

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(post, range(20)))
    good = {a.body for a in answers if a.status == 202}
    busy = [a for a in answers if a.status != 202]
    expect(len(good) == 1, f"{len(good)} different answers")
    expect(all(a.code == "idempotency_busy" for a in busy), f"{busy[:1]}")


def test_pages():
    names = [f"page{n:02}" for n in range(11)]
    for name in names:
        a = api().post("instances", {"name": name, "plan": "nano", "image": "tiny", "start": False})
        expect(a.status == 202, f"{a}")
    seen, cursor, pages = [], "", 0
    while cursor is not None:
        page = api().get(f"instances?limit=4&cursor={cursor}" if cursor else "instances?limit=4").json()
        expect(len(page["items"]) <= 4, "a long page")
        seen += [i["name"] for i in page["items"]]
        cursor = page["next"]
        pages += 1
    expect(len(seen) == len(set(seen)), "one twice")
    expect(sorted(seen) == instance_names(), "some are missing")
    expect(pages == -(-len(seen) // 4), f"{pages} pages for {len(seen)}")
    filtered = api().items("instances?name=page03")
    expect([i["name"] for i in filtered] == ["page03"], f"{filtered}")
    stopped = {i["name"] for i in api().items("instances?state=running&limit=200")}
    expect("one" in stopped and not stopped & set(names), f"{stopped}")


def test_versions():
    a = api().get("instances/one")
    tag = a.headers["etag"]
    patch = {"notes": "seen"}
    is_problem(api().call("PATCH", "instances/one", patch, If_Match='"99999"'), 412,
               "precondition_failed")
    is_problem(api().call("PATCH", "instances/one", patch, If_Match="rubbish"), 412,
               "precondition_failed")
    b = api().call("PATCH", "instances/one", patch, If_Match=tag)
    expect(b.status in (200, 202), f"{b}")
    expect(api().get("instances/one").headers["etag"] != tag, "the ETag stays")
    is_problem(api().call("PATCH", "instances/one", patch, If_Match=tag), 412, "precondition_failed")


def test_dry_run():
    before = instance_names()
    used = len(api().items("addresses?limit=200"))
    a = api().post("instances?dry_run=true", {"name": "dry", "plan": "nano", "image": "tiny"},
                   Idempotency_Key="dry key")
    expect(a.status == 202 and a.json()["instance"]["name"] == "dry", f"{a}")
    expect(instance_names() == before, "it was made")
    expect(len(api().items("addresses?limit=200")) == used, "it took addresses")
    a = api().post("instances?dry_run=true", {"name": "one", "plan": "nano", "image": "tiny"})
    is_problem(a, 409, "already_exists")
    a = api().post("instances", {"name": "dry", "plan": "nano", "image": "tiny"},
                   Idempotency_Key="dry key")
    expect(a.status == 202 and "idempotency-replayed" not in a.headers, f"the key was used up: {a}")


def test_names():
    is_problem(api().post("instances", {"name": "one", "plan": "nano", "image": "tiny"}), 409,
               "already_exists")
    is_problem(api().post("instances", {"name": "123", "plan": "nano", "image": "tiny"}), 422, "invalid")
    expect(api().post("tenants", {"name": "second"}).status == 201, "tenant")
    api().create("one", tenant="second")
    p = is_problem(api().get("instances/one"), 409, "ambiguous_name")
    ids = [str(i["id"]) for i in api().items("instances?name=one")]
    expect(len(ids) == 2 and all(i in p["detail"] + (p.get("hint") or "") for i in ids), f"{p}")


# ---- people ----


def token(**body):
    a = api().post("tokens", body)
    expect(a.status == 201, f"{a}")
    return a.json()


def test_tenants_do_not_see_each_other():
    mine = token(name="t", tenant="second", scopes=["read", "power", "create", "destroy"])
    tenant = SITE.client(mine["token"])
    own = tenant.items("instances")
    expect([i["name"] for i in own] == ["one"] and own[0]["tenant"]["name"] == "second", f"{own}")
    foreign = next(i for i in api().items("instances?name=one") if i["tenant"]["name"] == "demo")
    for method, path in (("GET", "instances/{}"), ("DELETE", "instances/{}"),
                         ("POST", "instances/{}/actions/stop"), ("POST", "instances/{}/exec"),
                         ("PATCH", "instances/{}")):
        body = None if method in ("GET", "DELETE") else {}
        there = tenant.call(method, path.format(foreign["id"]), body)
        absent = tenant.call(method, path.format(987654), body)
        expect(there.status == absent.status, f"{method} {path}: {there} / {absent}")
        a, b = there.json(), absent.json()
        a.pop("request_id"), b.pop("request_id")
        expect(a == b, f"{method} {path}: {a} / {b}")
    for path in ("hosts", "settings", "audit", "doctor", "capacity", "orphans"):
        is_problem(tenant.get(path), 403, "denied")
    is_problem(tenant.post("instances", {"name": "x", "plan": "nano", "image": "tiny", "tenant": "demo"}),
               404, "not_found")
    made = tenant.post("instances", {"name": "theirs", "plan": "nano", "image": "tiny"})
    expect(made.status == 202 and made.json()["instance"]["tenant"]["name"] == "second", f"{made}")
    tasks = {t["id"] for t in tenant.items("tasks?limit=200")}
    expect(tasks and len(tasks) < len(api().items("tasks?limit=200")), "tasks of others")


def test_tokens():
    reader = token(name="r", tenant="demo", scopes=["read"])
    client = SITE.client(reader["token"])
    expect(client.get("instances").status == 200, "it reads")
    is_problem(client.post("instances/keyed/actions/stop"), 403, "denied")
    wide = client.post("tokens", {"name": "w", "scopes": ["power"]})
    is_problem(wide, 403, "denied")
    expect("token" not in api().items("tokens?limit=200")[0], "a secret is listed")
    expect(api().call("DELETE", f"tokens/{reader['id']}").status == 204, "revoke")
    is_problem(client.get("instances"), 401, "unauthenticated")
    short = token(name="s", tenant="demo", scopes=["read"], expires_ms=1000)
    client = SITE.client(short["token"])
    expect(client.get("instances").status == 200, "it reads while it lives")
    time.sleep(1.1)
    is_problem(client.get("instances"), 401, "unauthenticated")


# ---- events, audit ----


def test_events_follow():
    stream = api().events()
    expect(next(stream) is None, "it opens")
    made = api().create("watched")
    seen = []
    for event in stream:
        seen.append(event)
        if event["type"] == "task.success" and event["data"]["instance"] == made["id"]:
            break
    stream.close()
    kinds = [e["type"] for e in seen]
    expect("instance.created" in kinds and "instance.state" in kinds, f"{kinds}")
    ids = [e["id"] for e in seen]
    expect(ids == sorted(set(ids)), f"{ids}")
    expect(all(e["sse_id"] == str(e["id"]) for e in seen), "event ids")
    later = api().events(last_id=ids[0])
    next(later)
    again = [next(later)["id"] for _ in ids[1:]]
    later.close()
    expect(again == ids[1:], f"after {ids[0]}: {again}, not {ids[1:]}")
    listed = [e["id"] for e in api().items(f"events?after={ids[0]}&limit=200")]
    expect(listed[:len(again)] == again, "the list tells another story")


def test_events_of_a_tenant():
    mine = token(name="e", tenant="second", scopes=["read", "power"])
    tenant = SITE.client(mine["token"])
    stream = tenant.events()
    next(stream)
    api().act("watched", "stop")
    own = api().items("instances?name=theirs")[0]
    api().act(own["id"], "stop")
    for event in stream:
        expect(event["resource"].get("id") == own["id"] or event["resource"]["type"] == "task",
               f"another's event: {event}")
        if event["type"] == "task.success":
            break
    stream.close()


def test_audit():
    a = api().get("audit/verify").json()
    expect(a["ok"] and a["count"] > 10, f"{a}")
    rows = api().items("audit?limit=200")
    made = next(r for r in rows if r["action"] == "instance.create")
    expect(made["actor"] == "token:operator" and made["result"] == "ok", f"{made}")


# ---- limits ----


def test_exhausted_pool():
    a = api().post("pools", {"name": "small6", "cidr": "2001:db8:aaaa::/63", "ipv6_prefix_len": 64,
                             "host": "h1"})
    expect(a.status == 201, f"{a}")
    free = next(p for p in api().items("pools") if p["name"] == "small6")["free"]
    expect(free == 2, f"free: {free}")
    before = instance_names()
    used = len(api().items("addresses?limit=200"))
    a = api().post("instances", {"name": "wide", "plan": "nano", "image": "tiny",
                                 "limits": {"ipv4_count": 5000}})
    expect(a.status in (409, 422) and a.code in ("pool_exhausted", "quota_exceeded", "invalid"), f"{a}")
    expect(instance_names() == before, "something was made")
    expect(len(api().items("addresses?limit=200")) == used, "addresses are gone")


def test_full_host_takes_exactly_what_fits():
    """Acceptance in small: twice as many at once as the host takes."""
    now = len(api().items("instances?limit=200"))
    take = 20
    a = api().call("PATCH", "hosts/h1", {"overcommit": {"max_instances": now + take}})
    expect(a.status == 200, f"{a}")

    def post(n):
        client = SITE.client()
        answer = client.post("instances", {"name": f"crowd{n}", "plan": "nano", "image": "tiny"})
        client.close()
        return answer

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(post, range(2 * take)))
    good = [a for a in answers if a.status == 202]
    bad = [a for a in answers if a.status != 202]
    expect(len(good) == take, f"{len(good)} of {take}: {bad[:2]}")
    for a in bad:
        p = is_problem(a, 409, "no_capacity")
        expect("h1" in p["detail"] and "max_instances" in p["detail"], f"no reason: {p}")
    explained = api().post("placement/explain", {"plan": "nano"}).json()["items"]
    expect(explained == [{"host": "h1", "ok": False, "reason": "max_instances",
                          "detail": explained[0]["detail"]}], f"{explained}")
    for a in good:
        api().wait_until(f"tasks/{a.json()['task']['id']}", lambda t: t.json()["state"] == "success")
    addresses = [x["address"] for x in api().items("addresses?limit=200")]
    expect(len(addresses) == len(set(addresses)), "an address twice")
    expect(api().items("doctor") == [], f"{api().items('doctor')}")


CASES = [(f.__doc__ or f.__name__.removeprefix("test_").replace("_", " "), f)
         for name, f in list(globals().items()) if name.startswith("test_")]

if __name__ == "__main__":
    with SITE:
        status = run(CASES)
    sys.exit(status)
