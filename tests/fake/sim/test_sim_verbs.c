/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: controller_service agent_link */
/* Every verb, what it refuses, and what its failure leaves: real controller, real agents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/sched/sched.h"
#include "controller/service/service_adopt.h"
#include "controller/service/service_instance_verbs.h"
#include "db/core/db_sql.h"
#include "db/repo/repo_host.h"
#include "db/repo/repo_instance.h"
#include "tests/fake/sim/lib_sim.h"

#include <cmocka.h>

/* ---- what the rows say ---- */

struct ask {
    const char *sql;
    const char *text;
    int64_t n;
};

static int ask_int(struct db_tx *tx, void *arg, struct bt_err *err)
{
    struct ask *a = arg;
    return db_int(tx, a->sql, DB_ARGS(DB_T(a->text)), &a->n, err);
}

/* One number; ?1 is @text. */
static int64_t number(struct sim *s, const char *sql, const char *text)
{
    struct ask a = {.sql = sql, .text = text};
    sim_tx(s, ask_int, &a);
    return a.n;
}

static int run_sql(struct db_tx *tx, void *arg, struct bt_err *err)
{
    return db_exec(tx, arg, DB_NOARGS, NULL, err);
}

struct get {
    const char *name;
    struct repo_instance_row row;
};

static int get_row(struct db_tx *tx, void *arg, struct bt_err *err)
{
    struct get *g = arg;
    int64_t id = 0;
    int rc = db_int(tx, "SELECT coalesce(max(id), 0) FROM instances WHERE name = ?1",
                    DB_ARGS(DB_T(g->name)), &id, err);
    return rc < 0 ? rc : repo_instance_get(tx, id, &g->row, err);
}

static struct repo_instance_row row_of(struct sim *s, const char *name)
{
    struct get g = {.name = name};
    sim_tx(s, get_row, &g);
    return g.row;
}

static int state_of(struct sim *s, const char *name)
{
    struct repo_instance_row r = row_of(s, name);
    int state = r.state;
    repo_instance_row_free(&r);
    return state;
}

static struct fake_instance *kernel_of(struct sim *s, const char *name)
{
    struct repo_instance_row r = row_of(s, name);
    struct fake_instance *f = fake_kernel_find(s->agents[r.host_id - 1].kernel, r.uuid);
    repo_instance_row_free(&r);
    return f;
}

static void ends(struct sim_req *r, int state)
{
    char code[64];
    if (!r->acked)
        fail_msg("%s: %s", r->path, r->answer);
    int got = sim_wait_task(r, 60000, code);
    if (got != state)
        fail_msg("%s: task %lld ended as %s %s, not %s", r->path, (long long)r->task_id,
                 got < 0 ? "nothing" : enum_task_state[got], code, enum_task_state[state]);
}

static void succeeds(struct sim *s, const char *verb, const char *name)
{
    ends(sim_do(s, verb, name, NULL), TASK_SUCCESS);
}

static void refused(struct sim_req *r, const char *code)
{
    if (r->acked)
        fail_msg("%s: not refused", r->path);
    if (!bt_streq(r->code, code))
        fail_msg("%s: %s, not %s", r->path, r->answer, code);
}

static int setup_with(void **state, int agents, int pool_len)
{
    struct sim *s = bt_xcalloc(1, sizeof *s);
    sim_init_pools(s, 1, agents, pool_len);
    *state = s;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, 2, 0);
}

static int setup_one(void **state)
{
    return setup_with(state, 1, 24);
}

static int teardown(void **state)
{
    struct sim *s = *state;
    sim_fini(s);
    free(s);
    return 0;
}

/* At the end of each test the fleet is in order. */
static void in_order(struct sim *s)
{
    if (!sim_quiet(s, 120000) || !sim_check(s))
        fail_msg("%s", s->failure[0] ? s->failure : "not quiet");
}

static void make(struct sim *s, const char *name)
{
    ends(sim_create(s, name, "tenant0", "nano"), TASK_SUCCESS);
}

/* ---- create ---- */
static void create_and_replay(void **state)
{
    struct sim *s = *state;
    struct sim_req *r = sim_create(s, "web1", "tenant0", "small");
    assert_int_equal(r->status, 202);
    assert_non_null(strstr(r->answer, "198.18."));
    ends(r, TASK_SUCCESS);
    assert_int_equal(state_of(s, "web1"), INSTANCE_RUNNING);
    assert_true(kernel_of(s, "web1")->running);
    /* The same key long after: the same bytes, nothing new. */
    sim_send(r);
    assert_int_equal(s->n_replayed, 1);
    assert_string_equal(s->failure, "");
    assert_int_equal(number(s, "SELECT COUNT(*) FROM instances WHERE ?1 IS NOT NULL", ""), 1);
    /* The same key for another request. */
    (void)snprintf(r->body_hash, sizeof r->body_hash, "another");
    r->acked = false;
    sim_send(r);
    refused(r, "idempotency_mismatch");
    in_order(s);
}

static void dry_run_leaves_nothing(void **state)
{
    struct sim *s = *state;
    struct sim_req *r = sim_request_create(s, "web1", "tenant0", "nano");
    r->dry_run = true;
    r->is_create = false; /* nothing to be found later */
    sim_send(r);
    assert_int_equal(r->status, 202);
    sim_run(s, 5000);
    assert_int_equal(number(s, "SELECT COUNT(*) FROM instances WHERE ?1 = ''", ""), 0);
    assert_int_equal(number(s, "SELECT COUNT(*) FROM addresses WHERE ?1 = ''", ""), 0);
    assert_int_equal(number(s, "SELECT COUNT(*) FROM tasks WHERE ?1 = ''", ""), 0);
    in_order(s);
    make(s, "web1");
    in_order(s);
}

static void create_refusals(void **state)
{
    struct sim *s = *state;
    make(s, "web1");
    refused(sim_create(s, "web1", "tenant0", "nano"), "already_exists");
    refused(sim_create(s, "web2", "tenant0", "nosuch"), "not_found");
    refused(sim_create(s, "web2", "nobody", "nano"), "not_found");
    struct sim_req *r = sim_request_create(s, "web2", "tenant0", "nano");
    free(r->create.image.name);
    r->create.image.name = bt_xstrdup("nosuch");
    sim_send(r);
    refused(r, "not_found");
    r = sim_request_create(s, "web2", "tenant0", "nano");
    r->create.host.name = bt_xstrdup("h9");
    sim_send(r);
    refused(r, "not_found");
    r = sim_request_create(s, "web2", "tenant0", "nano");
    r->create.limits.memory_bytes = BT_OPT_V(INT64_C(1) << 40);
    sim_send(r);
    refused(r, "no_capacity");
    assert_non_null(strstr(r->answer, "h1: memory"));
    assert_non_null(strstr(r->answer, "h2: memory"));
    /* Nothing of all that is left. */
    assert_int_equal(number(s, "SELECT COUNT(*) FROM instances WHERE ?1 = ''", ""), 1);
    assert_int_equal(number(s, "SELECT COUNT(*) FROM addresses WHERE ?1 = ''", ""), 2);
    in_order(s);
}

static void failed_create_leaves_nothing(void **state)
{
    struct sim *s = *state;
    for (int i = 0; i < s->n_agents; i++)
        fake_kernel_fail_verb(s->agents[i].kernel, "start", BT_E_KERNEL);
    struct sim_req *r = sim_create(s, "web1", "tenant2", "nano");
    char code[64];
    assert_int_equal(sim_wait_task(r, 60000, code), TASK_ERROR);
    assert_string_equal(code, "kernel");
    assert_int_equal(number(s, "SELECT COUNT(*) FROM addresses WHERE ?1 = ''", ""), 0);
    refused(sim_do(s, "start", "web1", NULL), "not_found");
    for (int i = 0; i < s->n_agents; i++)
        fake_kernel_fail_verb(s->agents[i].kernel, NULL, BT_E_OK);
    /* Name, quota and addresses are free: the cap of tenant2 is 8. */
    for (int i = 0; i < 8; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, i ? "web%d" : "web1", i + 1);
        ends(sim_create(s, name, "tenant2", "nano"), TASK_SUCCESS);
    }
    refused(sim_create(s, "web9", "tenant2", "nano"), "quota_exceeded");
    in_order(s);
}

static void pool_exhausted(void **state)
{
    struct sim *s = *state;
    char name[16];
    for (int i = 0; i < 26; i++) { /* 13 addresses a host */
        (void)snprintf(name, sizeof name, "web%d", i);
        make(s, name);
    }
    struct sim_req *r = sim_create(s, "web26", "tenant0", "nano");
    refused(r, "pool_exhausted");
    struct api_action purge = {.force = true, .purge = true};
    ends(sim_do(s, "delete", "web3", &purge), TASK_SUCCESS);
    make(s, "web26");
    in_order(s);
}

static void exactly_a_hundred(void **state)
{
    struct sim *s = *state;
    struct sim_req *reqs[200];
    sim_tx(s, run_sql,
           (char[]){"UPDATE hosts SET max_instances = 100, overcommit_cpu_milli = 100000,"
                    " overcommit_disk_milli = 10000, overcommit_memory_milli = 100000"});
    sim_controller_kill(s); /* placement reads them at its start */
    sim_controller_start(s);
    sim_run(s, 30000);
    for (int i = 0; i < 200; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "web%d", i);
        reqs[i] = sim_request_create(s, name, "tenant0", "nano");
        sim_send_only(reqs[i]);
    }
    sim_run(s, 60000);
    int made = 0, clear = 0;
    for (int i = 0; i < 200; i++) {
        made += reqs[i]->acked;
        clear += bt_streq(reqs[i]->code, "no_capacity") &&
                 strstr(reqs[i]->answer, "max_instances") != NULL;
    }
    assert_int_equal(made, 100);
    assert_int_equal(clear, 100);
    in_order(s);
}

static void capacity_comes_true(void **state)
{
    struct sim *s = *state;
    struct sched_host h;
    struct sched_request r = {.need = {1, INT64_C(128) << 20, INT64_C(1) << 30, 1},
                              .driver = DRIVER_CONTAINER};
    enum sched_reason limit;
    sim_tx(s, run_sql, (char[]){"UPDATE hosts SET overcommit_cpu_milli = 6000"});
    sim_controller_kill(s);
    sim_controller_start(s);
    sim_run(s, 30000);
    assert_true(sched_host_get(s->svc.sched, 1, &h));
    assert_int_equal(sched_fits(&h, &r, &limit), 24); /* 4 cores * 6 */
    assert_int_equal(limit, SCHED_CPU);
    for (int i = 0; i < 24; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "web%d", i);
        assert_true(sim_create(s, name, "tenant0", "nano")->acked);
    }
    refused(sim_create(s, "one-more", "tenant0", "nano"), "no_capacity");
    in_order(s);
}

/* ---- every verb, twice ---- */
static void verbs_twice(void **state)
{
    struct sim *s = *state;
    static const struct {
        const char *verb;
        int state;
    } rows[] = {{"stop", INSTANCE_STOPPED},    {"start", INSTANCE_RUNNING},
                {"pause", INSTANCE_PAUSED},    {"resume", INSTANCE_RUNNING},
                {"restart", INSTANCE_RUNNING}, {"reset", INSTANCE_RUNNING},
                {"kill", INSTANCE_STOPPED},    {"rebuild", INSTANCE_STOPPED},
                {"start", INSTANCE_RUNNING},   {"rebuild", INSTANCE_RUNNING},
                {"suspend", INSTANCE_STOPPED}, {"unsuspend", INSTANCE_RUNNING}};
    make(s, "web1");
    struct repo_instance_row before = row_of(s, "web1");
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        for (int twice = 0; twice < 2; twice++) {
            succeeds(s, rows[i].verb, "web1");
            if (state_of(s, "web1") != rows[i].state)
                fail_msg("%s: %s", rows[i].verb, enum_instance_state[state_of(s, "web1")]);
        }
    }
    struct repo_instance_row after = row_of(s, "web1");
    assert_string_equal(before.mac, after.mac);
    assert_int_equal(after.rebuild_seq, 4);
    assert_int_equal(kernel_of(s, "web1")->rebuild_seq, 4);
    repo_instance_row_free(&before);
    repo_instance_row_free(&after);
    in_order(s);
}

static void trash_and_back(void **state)
{
    struct sim *s = *state;
    struct api_action force = {.force = true};
    make(s, "web1");
    refused(sim_do(s, "delete", "web1", NULL), "bad_state"); /* it runs */
    ends(sim_do(s, "delete", "web1", &force), TASK_SUCCESS);
    ends(sim_do(s, "delete", "web1", &force), TASK_SUCCESS);
    struct repo_instance_row r = row_of(s, "web1");
    assert_true(r.delete_at > 0);
    assert_int_equal(number(s, "SELECT COUNT(*) FROM addresses WHERE ?1 = ''", ""), 2);
    assert_true(kernel_of(s, "web1")->trash);
    refused(sim_do(s, "start", r.uuid, NULL), "bad_state");
    succeeds(s, "restore", "web1");
    succeeds(s, "restore", "web1");
    assert_int_equal(state_of(s, "web1"), INSTANCE_STOPPED);
    succeeds(s, "start", "web1");
    /* The name is free at once; then it cannot come back. */
    ends(sim_do(s, "delete", "web1", &force), TASK_SUCCESS);
    make(s, "web1");
    refused(sim_do(s, "restore", r.uuid, NULL), "already_exists");
    /* Purged it is gone for good. */
    struct api_action purge = {.purge = true};
    ends(sim_do(s, "delete", r.uuid, &purge), TASK_SUCCESS);
    refused(sim_do(s, "restore", r.uuid, NULL), "not_found");
    assert_int_equal(number(s, "SELECT COUNT(*) FROM addresses WHERE ?1 = ''", ""), 2);
    repo_instance_row_free(&r);
    in_order(s);
}

/* Hosts empty their trash by their own clock, and have the last word on how long it lasts. */
static void trash_has_its_time(void **state)
{
    struct sim *s = *state;
    struct api_action force = {.force = true};
    s->trash_ms = 600000;
    sim_tx(s, run_sql, (char[]){"INSERT INTO settings VALUES ('trash_days', '0', 0)"});
    for (int i = 0; i < s->n_agents; i++) {
        sim_agent_kill(&s->agents[i]);
        sim_run(s, 10);
        sim_agent_start(&s->agents[i]);
    }
    sim_run(s, 5000);
    make(s, "web1");
    ends(sim_do(s, "delete", "web1", &force), TASK_SUCCESS);
    sim_run(s, 500000);
    struct repo_instance_row r = row_of(s, "web1");
    assert_int_equal(r.purged_at, 0);
    assert_true(r.delete_at >= r.trashed_at + 600000);
    repo_instance_row_free(&r);
    sim_run(s, 250000);
    r = row_of(s, "web1");
    assert_true(r.purged_at > 0);
    assert_int_equal(number(s, "SELECT COUNT(*) FROM addresses WHERE ?1 = ''", ""), 0);
    repo_instance_row_free(&r);
    in_order(s);
}

static void external_ids(void **state)
{
    struct sim *s = *state;
    struct api_action wrong = {.force = true, .external_id = (char[]){"56"}};
    struct api_action right = {.force = true, .external_id = (char[]){"55"}};
    struct sim_req *r = sim_request_create(s, "web1", "tenant0", "nano");
    r->create.external_id = bt_xstrdup("55");
    sim_send(r);
    ends(r, TASK_SUCCESS);
    r = sim_request_create(s, "web2", "tenant0", "nano");
    r->create.external_id = bt_xstrdup("55");
    sim_send(r);
    refused(r, "already_exists");
    struct sim_req *d = sim_do(s, "delete", "web1", &wrong);
    refused(d, "conflict");
    d = sim_do(s, "delete", "web1", &right);
    ends(d, TASK_SUCCESS);
    r = sim_request_create(s, "web2", "tenant0", "nano");
    r->create.external_id = bt_xstrdup("55");
    sim_send(r);
    ends(r, TASK_SUCCESS); /* a new VPS for the same service, in the same hour */
    in_order(s);
}

/* ---- locks ---- */
static void deaf(struct sim *s, const char *name)
{
    kernel_of(s, name)->deaf = true;
}

static void locks(void **state)
{
    struct sim *s = *state;
    struct api_action slow = {.timeout_ms = BT_OPT_V(30000)};
    make(s, "web1");
    deaf(s, "web1");
    struct sim_req *stop = sim_do(s, "stop", "web1", &slow);
    sim_run(s, 1000);
    struct sim_req *same = sim_do(s, "stop", "web1", &slow);
    assert_int_equal(same->task_id, stop->task_id);
    struct sim_req *other = sim_do(s, "restart", "web1", NULL);
    refused(other, "locked");
    assert_int_equal(other->error_task, stop->task_id);
    struct sim_req *kill = sim_do(s, "kill", "web1", NULL);
    assert_true(kill->task_id != stop->task_id);
    ends(stop, TASK_CANCELLED);
    ends(kill, TASK_SUCCESS);
    assert_int_equal(state_of(s, "web1"), INSTANCE_STOPPED);
    in_order(s);
}

static void a_stop_that_fails_changes_nothing(void **state)
{
    struct sim *s = *state;
    struct api_action quick = {.timeout_ms = BT_OPT_V(3000)};
    make(s, "web1");
    deaf(s, "web1");
    ends(sim_do(s, "stop", "web1", &quick), TASK_ERROR);
    struct repo_instance_row r = row_of(s, "web1");
    assert_int_equal(r.state, INSTANCE_RUNNING);
    assert_int_equal(r.desired, DESIRED_RUNNING);
    assert_string_equal(r.error_code, "guest_timeout");
    repo_instance_row_free(&r);
    struct api_action force = {.timeout_ms = BT_OPT_V(1000), .force = true};
    ends(sim_do(s, "stop", "web1", &force), TASK_SUCCESS);
    in_order(s);
}

static void suspension(void **state)
{
    struct sim *s = *state;
    struct api_action billing = {.reasons = 1u << SUSPEND_BILLING};
    struct api_action abuse = {.reasons = 1u << SUSPEND_ABUSE};
    make(s, "web1");
    ends(sim_do(s, "suspend", "web1", &billing), TASK_SUCCESS);
    ends(sim_do(s, "suspend", "web1", &abuse), TASK_SUCCESS);
    assert_int_equal(state_of(s, "web1"), INSTANCE_STOPPED);
    refused(sim_do(s, "start", "web1", NULL), "suspended");
    ends(sim_do(s, "unsuspend", "web1", &billing), TASK_SUCCESS);
    assert_int_equal(state_of(s, "web1"), INSTANCE_STOPPED); /* only that one was lifted */
    ends(sim_do(s, "unsuspend", "web1", &abuse), TASK_SUCCESS);
    assert_int_equal(state_of(s, "web1"), INSTANCE_RUNNING);
    /* Stopped before: stopped after. */
    succeeds(s, "stop", "web1");
    ends(sim_do(s, "suspend", "web1", &billing), TASK_SUCCESS);
    ends(sim_do(s, "unsuspend", "web1", &billing), TASK_SUCCESS);
    assert_int_equal(state_of(s, "web1"), INSTANCE_STOPPED);
    in_order(s);
}

static void failed_resize_goes_back(void **state)
{
    struct sim *s = *state;
    struct api_action big = {.plan = {.name = (char[]){"big"}}};
    struct api_action nano = {.plan = {.name = (char[]){"nano"}}};
    make(s, "web1");
    for (int i = 0; i < s->n_agents; i++)
        fake_kernel_fail_verb(s->agents[i].kernel, "disk_ensure", BT_E_STORAGE_FULL);
    struct sim_req *r = sim_do(s, "resize", "web1", &big);
    ends(r, TASK_ERROR);
    struct repo_instance_row row = row_of(s, "web1");
    assert_int_equal(row.state, INSTANCE_RUNNING);
    assert_int_equal(row.plan_id, 1);
    assert_int_equal(row.alloc_cpus, 1);
    assert_string_equal(row.error_code, "storage_full");
    repo_instance_row_free(&row);
    for (int i = 0; i < s->n_agents; i++)
        fake_kernel_fail_verb(s->agents[i].kernel, NULL, BT_E_OK);
    r = sim_do(s, "resize", "web1", &big);
    ends(r, TASK_SUCCESS);
    assert_int_equal(kernel_of(s, "web1")->memory_bytes, INT64_C(2) << 30);
    r = sim_do(s, "resize", "web1", &nano);
    refused(r, "unsupported_by_backend");
    in_order(s);
}

/* ---- guests ---- */

static void guests_power_off(void **state)
{
    struct sim *s = *state;
    make(s, "web1");
    struct repo_instance_row r = row_of(s, "web1");
    struct sim_agent *a = &s->agents[r.host_id - 1];
    assert_int_equal(fake_guest_poweroff(a->kernel, r.uuid), 0);
    sim_run(s, 2000);
    repo_instance_row_free(&r);
    r = row_of(s, "web1");
    assert_int_equal(r.state, INSTANCE_STOPPED);
    assert_int_equal(r.desired, DESIRED_STOPPED);
    assert_int_equal(r.desired_by, DESIRED_BY_GUEST);
    /* Also when the agent was dead meanwhile. */
    succeeds(s, "start", "web1");
    sim_agent_kill(a);
    assert_int_equal(fake_guest_poweroff(a->kernel, r.uuid), 0);
    sim_run(s, 1000);
    sim_agent_start(a);
    sim_run(s, 5000);
    repo_instance_row_free(&r);
    r = row_of(s, "web1");
    assert_int_equal(r.desired, DESIRED_STOPPED);
    assert_int_equal(r.state, INSTANCE_STOPPED);
    repo_instance_row_free(&r);
    in_order(s);
}

/* ---- hosts that go away ---- */

static void silence_is_unknown_and_heals(void **state)
{
    struct sim *s = *state;
    make(s, "web1");
    struct repo_instance_row r = row_of(s, "web1");
    struct sim_agent *a = &s->agents[r.host_id - 1];
    rpc_sim_partition(s->net, a->name, true);
    sim_run(s, 20000);
    /* Suspect: nothing is placed there, the state is not touched. */
    struct sim_req *c = sim_request_create(s, "web2", "tenant0", "nano");
    c->create.host.name = bt_xstrdup(a->name);
    sim_send(c);
    refused(c, "no_capacity");
    assert_non_null(strstr(c->answer, "silent"));
    assert_int_equal(state_of(s, "web1"), INSTANCE_RUNNING);
    sim_run(s, 40000);
    assert_int_equal(state_of(s, "web1"), INSTANCE_UNKNOWN);
    assert_int_equal(number(s, "SELECT COUNT(*) FROM hosts WHERE state = ?1", "unreachable"), 1);
    assert_int_equal(number(s, "SELECT COUNT(*) FROM alarms WHERE cleared_at = 0 AND kind = ?1",
                            "host_unreachable"),
                     1);
    make(s, "web3"); /* on the other one */
    /* A verb waits, and is done when the host is back. */
    struct sim_req *stop = sim_do(s, "stop", "web1", NULL);
    assert_int_equal(sim_wait_task(stop, 5000, NULL), -1);
    assert_int_equal(number(s,
                            "SELECT COUNT(*) FROM tasks WHERE state = 'waiting' AND"
                            " waiting_for LIKE 'host h%' AND ?1 = ''",
                            ""),
                     1);
    rpc_sim_partition(s->net, a->name, false);
    ends(stop, TASK_SUCCESS);
    assert_int_equal(state_of(s, "web1"), INSTANCE_STOPPED);
    repo_instance_row_free(&r);
    in_order(s);
}

static void deadline_of_a_start(void **state)
{
    struct sim *s = *state;
    char code[64];
    make(s, "web1");
    succeeds(s, "stop", "web1");
    struct repo_instance_row r = row_of(s, "web1");
    struct sim_agent *a = &s->agents[r.host_id - 1];
    sim_agent_kill(a);
    sim_run(s, 60000);
    struct sim_req *start = sim_do(s, "start", "web1", NULL);
    assert_int_equal(sim_wait_task(start, 9 * 60000, code), -1);
    assert_int_equal(sim_wait_task(start, 2 * 60000, code), TASK_ERROR);
    assert_string_equal(code, "host_unreachable");
    sim_agent_start(a);
    repo_instance_row_free(&r);
    in_order(s);
}

/* Its host took it and went silent: name and quota are free, its addresses only when it is gone. */
static void deadline_of_a_create(void **state)
{
    struct sim *s = *state;
    char code[64];
    struct sim_req *r = sim_request_create(s, "web1", "tenant0", "nano");
    r->create.host.name = bt_xstrdup("h1");
    sim_send(r);
    rpc_sim_partition(s->net, "h1", true); /* the apply may be on its way, the result never comes */
    assert_int_equal(sim_wait_task(r, 12 * 60000, code), TASK_ERROR);
    assert_string_equal(code, "host_unreachable");
    assert_int_equal(number(s, "SELECT COUNT(*) FROM addresses WHERE ?1 = ''", ""), 2);
    struct sim_req *again = sim_create(s, "web1", "tenant0", "nano");
    ends(again, TASK_SUCCESS);
    rpc_sim_partition(s->net, "h1", false);
    sim_run(s, 120000);
    assert_int_equal(number(s, "SELECT COUNT(*) FROM addresses WHERE ?1 = ''", ""), 2);
    assert_int_equal(
        number(s, "SELECT COUNT(*) FROM instances WHERE purged_at = 0 AND ?1 = ''", ""), 1);
    in_order(s);
}

/* ---- a lost database ---- */

struct adopting {
    struct service_call call;
    struct api_orphan_adopt args;
    bool over;
    int rc;
    struct bt_err err;
};

static void adopt_done(struct service_call *c, int rc, const struct bt_err *err)
{
    struct adopting *a = c->owner;
    a->over = true;
    a->rc = rc;
    if (rc < 0)
        a->err = *err;
}

static void adopt(struct sim *s, const struct service_verb *verb, const char *target,
                  const char *tenant)
{
    struct adopting a = {.args = {.tenant = {.name = (char *)(uintptr_t)tenant}}};
    a.call = (struct service_call){.svc = &s->svc,
                                   .verb = verb,
                                   .target = {.name = (char *)(uintptr_t)target},
                                   .args = verb->args_schema ? &a.args : NULL,
                                   .done = adopt_done,
                                   .owner = &a};
    auth_system(&a.call.who, "operator");
    service_submit(&a.call);
    while (!a.over)
        sim_run(s, 1);
    if (a.rc < 0)
        fail_msg("%s: %s", verb->name, a.err.msg);
    service_call_fini(&a.call);
}

static int put_pools(struct db_tx *tx, void *arg, struct bt_err *err)
{
    struct sim *s = arg;
    int64_t id = 0;
    int rc = db_int(tx, "SELECT id FROM hosts WHERE name = 'h1'", DB_NOARGS, &id, err);
    return rc < 0 ? rc : sim_put_pool(tx, s, 0, id, err);
}

static void wiped_database(void **state)
{
    struct sim *s = *state;
    for (int i = 0; i < 5; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "web%d", i);
        make(s, name);
    }
    struct repo_instance_row old = row_of(s, "web2");
    sim_wipe(s);
    sim_run(s, 30000);
    assert_int_equal(number(s, "SELECT COUNT(*) FROM hosts WHERE state = ?1", "joining"), 1);
    assert_int_equal(number(s, "SELECT COUNT(*) FROM orphans WHERE ?1 = ''", ""), 5);
    /* Nothing was destroyed, and nothing is placed there. */
    for (size_t pos = 0;;) {
        struct fake_instance *f = fake_kernel_next(s->agents[0].kernel, &pos);
        if (!f)
            break;
        assert_true(f->running);
    }
    refused(sim_create(s, "new", "tenant0", "nano"), "no_capacity");
    sim_tx(s, put_pools, s);
    adopt(s, &service_host_adopt, "h1", NULL);
    sim_run(s, 10000);
    assert_int_equal(number(s, "SELECT COUNT(*) FROM hosts WHERE state = ?1", "online"), 1);
    /* No orphan's address is given to anybody else. */
    assert_int_equal(number(s, "SELECT COUNT(*) FROM addresses WHERE state = ?1", "orphan"), 10);
    for (int i = 0; i < 5; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "new%d", i);
        make(s, name);
    }
    assert_int_equal(number(s, "SELECT COUNT(*) FROM addresses WHERE state = ?1", "orphan"), 10);
    adopt(s, &service_orphan_adopt, old.uuid, "tenant1");
    sim_run(s, 10000);
    struct repo_instance_row now = row_of(s, "web2");
    assert_string_equal(now.uuid, old.uuid);
    assert_string_equal(now.mac, old.mac);
    assert_int_equal(now.state, INSTANCE_RUNNING);
    assert_int_equal(number(s, "SELECT COUNT(*) FROM addresses WHERE state = ?1", "orphan"), 8);
    succeeds(s, "restart", "web2");
    repo_instance_row_free(&old);
    repo_instance_row_free(&now);
}

/* ---- who may see what ---- */

static void another_tenants_is_not_there(void **state)
{
    struct sim *s = *state;
    make(s, "web1");
    struct repo_instance_row r = row_of(s, "web1");
    char id[24];
    (void)snprintf(id, sizeof id, "%s", r.uuid);
    struct sim_req *theirs = sim_request(s, "stop", r.uuid);
    struct sim_req *nobodys = sim_request(s, "stop", "11111111-2222-4333-8444-555555555555");
    struct sim_req *reqs[] = {theirs, nobodys};
    for (int i = 0; i < 2; i++) {
        reqs[i]->call.who.tenant_id = 2;
        reqs[i]->call.who.scopes = UINT64_C(1) << SCOPE_POWER;
        sim_send(reqs[i]);
        refused(reqs[i], "not_found");
    }
    assert_string_equal(theirs->answer, nobodys->answer);
    struct sim_req *weak = sim_request(s, "stop", r.uuid);
    weak->call.who.tenant_id = 1;
    weak->call.who.scopes = UINT64_C(1) << SCOPE_READ;
    sim_send(weak);
    refused(weak, "denied");
    weak = sim_request(s, "suspend", r.uuid);
    weak->call.who.tenant_id = 1;
    weak->call.who.scopes = UINT64_C(1) << SCOPE_POWER;
    sim_send(weak);
    refused(weak, "denied");
    struct sim_req *own = sim_request(s, "stop", "web1");
    own->call.who.tenant_id = 1;
    own->call.who.scopes = UINT64_C(1) << SCOPE_POWER;
    sim_send(own);
    ends(own, TASK_SUCCESS);
    repo_instance_row_free(&r);
    in_order(s);
}

static void if_match(void **state)
{
    struct sim *s = *state;
    make(s, "web1");
    struct repo_instance_row r = row_of(s, "web1");
    struct sim_req *q = sim_request(s, "stop", "web1");
    q->if_match = r.version + 7;
    sim_send(q);
    refused(q, "precondition_failed");
    q = sim_request(s, "stop", "web1");
    q->if_match = r.version;
    sim_send(q);
    ends(q, TASK_SUCCESS);
    repo_instance_row_free(&r);
    in_order(s);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define T1(f) cmocka_unit_test_setup_teardown(f, setup_one, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(create_and_replay),
        T(dry_run_leaves_nothing),
        T(create_refusals),
        T(failed_create_leaves_nothing),
        T(pool_exhausted),
        T1(exactly_a_hundred),
        T1(capacity_comes_true),
        T(verbs_twice),
        T(trash_and_back),
        T(trash_has_its_time),
        T(external_ids),
        T(locks),
        T(a_stop_that_fails_changes_nothing),
        T(suspension),
        T(failed_resize_goes_back),
        T(guests_power_off),
        T(silence_is_unknown_and_heals),
        T(deadline_of_a_start),
        T(deadline_of_a_create),
        T1(wiped_database),
        T(another_tenants_is_not_there),
        T(if_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
