/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: controller_service agent_link */
/* Agent sessions as the controller sees them: frames by hand, and streams through real agents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/agentlink/agentlink_stream.h"
#include "db/core/db_sql.h"
#include "db/repo/repo_instance.h"
#include "proto/link_op.h"
#include "tests/fake/sim/lib_sim.h"

#include <cmocka.h>

#define SERIAL_NEW "ffffffffffffffffffffffffffffffff"
#define JOURNAL "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
#define UUID "99999999-8888-4777-8666-555555555555"

#define HELLO(extra)                                                                               \
    "{\"protocol_min\":1,\"protocol_max\":1,\"boot_id\":\"b\",\"session\":\"s\","                  \
    "\"journal_id\":\"" JOURNAL "\",\"clock_ms\":1760000000000," extra                             \
    "\"host\":{\"cpus\":4,\"memory_bytes\":8589934592,\"disk_bytes\":107374182400}}"

#define NOTHING "{\"page\":0,\"done\":true,\"items\":[]}"

static int ask(struct db_tx *tx, void *arg, struct bt_err *err)
{
    const char **q = arg;
    int64_t n = 0;
    int rc = db_int(tx, q[0], DB_NOARGS, &n, err);
    *(int64_t *)(uintptr_t)q[1] = n;
    return rc;
}

static int64_t number(struct sim *s, const char *sql)
{
    int64_t n = 0;
    const char *q[2] = {sql, (const char *)&n};
    sim_tx(s, ask, q);
    return n;
}

static int run_sql(struct db_tx *tx, void *arg, struct bt_err *err)
{
    return db_exec(tx, arg, DB_NOARGS, NULL, err);
}

static int setup(void **state)
{
    struct sim *s = bt_xcalloc(1, sizeof *s);
    sim_init(s, 1, 2);
    /* Host h3 has a row and a certificate, and no agent: its frames are written by hand. */
    sim_tx(s, run_sql,
           (char[]){"INSERT INTO hosts (id, name, location_id, state, created_at) VALUES"
                    " (3, 'h3', 1, 'online', 0)"});
    sim_tx(s, run_sql,
           (char[]){"INSERT INTO host_certs (serial, host_id, not_after, created_at) VALUES"
                    " ('00000000000000000000000000000003', 3, 4102444800000, 0)"});
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct sim *s = *state;
    sim_fini(s);
    free(s);
    return 0;
}

static void by_hand(struct sim *s, struct sim_hand *h)
{
    sim_hand_dial(s, h, "h3", "00000000000000000000000000000003");
    assert_true(h->open);
}

static int64_t live(struct sim *s, struct sim_hand *h)
{
    by_hand(s, h);
    sim_hand_say(h, 0, "hello", HELLO(""));
    sim_hand_say(h, 0, "inventory", NOTHING);
    const char *w = sim_hand_heard(h, "\"op\":\"welcome\"");
    assert_non_null(w);
    int64_t epoch = 0;
    for (const char *p = strstr(w, "\"epoch\":") + 8; *p >= '0' && *p <= '9'; p++)
        epoch = epoch * 10 + (*p - '0');
    return epoch;
}

/* ---- the order of a session ---- */

static void hello_comes_first(void **state)
{
    struct sim *s = *state;
    struct sim_hand h;
    by_hand(s, &h);
    sim_hand_say(&h, 0, "inventory", NOTHING);
    assert_true(h.closed);
    assert_non_null(sim_hand_heard(&h, "protocol"));
    sim_hand_end(&h);
}

static void bad_frames_end_it(void **state)
{
    struct sim *s = *state;
    static const char *const frames[] = {"",
                                         "{",
                                         "[]",
                                         "{\"v\":1}",
                                         "{\"v\":2,\"op\":\"hello\",\"body\":{}}",
                                         "{\"v\":1,\"op\":\"hello\",\"body\":{}}",
                                         "{\"v\":1,\"op\":\"hello\",\"body\":[1]}",
                                         "{\"v\":1,\"op\":\"hello\",\"op\":\"hello\"}"};
    for (size_t i = 0; i < BT_ARRAY_LEN(frames); i++) {
        struct sim_hand h;
        by_hand(s, &h);
        sim_hand_raw(&h, frames[i]);
        if (!h.closed)
            fail_msg("still open after %s", frames[i]);
        sim_hand_end(&h);
    }
    assert_true(agentlink_live(s->svc.link, 1));
}

static void missing_page(void **state)
{
    struct sim *s = *state;
    struct sim_hand h;
    by_hand(s, &h);
    sim_hand_say(&h, 0, "hello", HELLO(""));
    sim_hand_say(&h, 0, "inventory", "{\"page\":0,\"items\":[]}");
    sim_hand_say(&h, 0, "inventory", "{\"page\":2,\"done\":true,\"items\":[]}");
    assert_true(h.closed);
    assert_null(sim_hand_heard(&h, "welcome"));
    assert_int_equal(number(s, "SELECT epoch FROM hosts WHERE id = 3"), 0);
    sim_hand_end(&h);
}

static void other_protocol(void **state)
{
    struct sim *s = *state;
    struct sim_hand h;
    by_hand(s, &h);
    sim_hand_say(&h, 0, "hello",
                 "{\"protocol_min\":7,\"protocol_max\":9,\"boot_id\":\"b\",\"session\":\"s\","
                 "\"journal_id\":\"" JOURNAL "\",\"clock_ms\":1,"
                 "\"host\":{\"cpus\":1,\"memory_bytes\":1,\"disk_bytes\":1}}");
    sim_hand_say(&h, 0, "inventory", NOTHING);
    assert_true(h.closed);
    assert_non_null(sim_hand_heard(&h, "protocol 7 to 9"));
    sim_hand_end(&h);
}

static void newest_session_wins(void **state)
{
    struct sim *s = *state;
    struct sim_hand a, b;
    int64_t first = live(s, &a), second = live(s, &b);
    assert_true(second > first);
    assert_true(a.closed);
    assert_false(b.closed);
    /* What is said in the old one's name is not heard. */
    sim_hand_say(&b, first, "nonsense", "{}");
    assert_null(sim_hand_heard(&b, "unknown_operation"));
    sim_hand_say(&b, second, "nonsense", "{}");
    assert_non_null(sim_hand_heard(&b, "unknown_operation"));
    assert_non_null(sim_hand_heard(&b, "nonsense"));
    sim_hand_end(&a);
    sim_hand_end(&b);
}

/* ---- who may be told anything ---- */

static void revoked(void **state)
{
    struct sim *s = *state;
    struct sim_hand h;
    sim_tx(s, run_sql, (char[]){"UPDATE host_certs SET revoked_at = 1 WHERE host_id = 3"});
    by_hand(s, &h);
    sim_hand_say(&h, 0, "hello", HELLO(""));
    sim_hand_say(&h, 0, "inventory", NOTHING);
    assert_true(h.closed);
    assert_non_null(sim_hand_heard(&h, "denied"));
    sim_hand_end(&h);
}

static void unknown_serial_is_joining(void **state)
{
    struct sim *s = *state;
    struct sim_hand h;
    sim_hand_dial(s, &h, "h9", SERIAL_NEW);
    sim_hand_say(&h, 0, "hello", HELLO(""));
    sim_hand_say(&h, 0, "inventory",
                 "{\"page\":0,\"done\":true,\"items\":[{\"uuid\":\"" UUID "\",\"generation\":3,"
                 "\"state\":\"running\",\"desired\":\"running\"}]}");
    assert_non_null(sim_hand_heard(&h, "\"joining\":true"));
    assert_int_equal(number(s, "SELECT COUNT(*) FROM hosts WHERE name = 'h9' AND state ="
                               " 'joining'"),
                     1);
    assert_int_equal(number(s, "SELECT COUNT(*) FROM orphans WHERE uuid = '" UUID "'"), 1);
    sim_hand_end(&h);
    sim_hand_dial(s, &h, "not a name", "11111111111111111111111111111111");
    sim_hand_say(&h, 0, "hello", HELLO(""));
    sim_hand_say(&h, 0, "inventory", NOTHING);
    assert_true(h.closed);
    sim_hand_end(&h);
}

/* A host that has seen a younger state of this controller: an old copy was put back. */
static void higher_epoch_is_joining(void **state)
{
    struct sim *s = *state;
    struct sim_hand h;
    by_hand(s, &h);
    char hello[512];
    (void)snprintf(hello, sizeof hello, HELLO("\"controller_id\":\"%s\",\"epoch\":50,"),
                   s->svc.controller_id);
    sim_hand_say(&h, 0, "hello", hello);
    sim_hand_say(&h, 0, "inventory", NOTHING);
    assert_non_null(sim_hand_heard(&h, "\"joining\":true"));
    assert_int_equal(number(s, "SELECT COUNT(*) FROM hosts WHERE id = 3 AND state = 'joining'"), 1);
    assert_true(number(s, "SELECT epoch FROM hosts WHERE id = 3") > 50);
    sim_hand_end(&h);
}

static void other_controllers_host_is_joining(void **state)
{
    struct sim *s = *state;
    struct sim_hand h;
    by_hand(s, &h);
    sim_hand_say(&h, 0, "hello", HELLO("\"controller_id\":\"" UUID "\",\"epoch\":5,"));
    sim_hand_say(&h, 0, "inventory", NOTHING);
    assert_non_null(sim_hand_heard(&h, "\"joining\":true"));
    sim_hand_end(&h);
    /* Adopted: just that other controller is no obstacle any more. */
    sim_tx(s, run_sql, (char[]){"UPDATE hosts SET state = 'online' WHERE id = 3"});
    by_hand(s, &h);
    sim_hand_say(&h, 0, "hello", HELLO("\"controller_id\":\"" UUID "\",\"epoch\":5,"));
    sim_hand_say(&h, 0, "inventory", NOTHING);
    assert_non_null(sim_hand_heard(&h, "\"joining\":false"));
    sim_hand_end(&h);
}

/* ---- reports ---- */

#define STATE_REPORT(seq)                                                                          \
    "{\"seq\":" seq ",\"kind\":\"event\",\"event\":\"host.noted\",\"text\":\"n" seq "\"}"

static void reports_count_once(void **state)
{
    struct sim *s = *state;
    struct sim_hand h;
    int64_t epoch = live(s, &h);
    for (int twice = 0; twice < 2; twice++) {
        sim_hand_say(&h, epoch, "report", STATE_REPORT("1"));
        sim_hand_say(&h, epoch, "report", STATE_REPORT("2"));
    }
    assert_non_null(sim_hand_heard(&h, "\"op\":\"ack\""));
    assert_int_equal(number(s, "SELECT COUNT(*) FROM outbox WHERE type = 'host.noted'"), 2);
    sim_hand_end(&h);
    /* Again in another session, and further. */
    epoch = live(s, &h);
    assert_non_null(sim_hand_heard(&h, "\"applied_seq\":2"));
    sim_hand_say(&h, epoch, "report", STATE_REPORT("2"));
    sim_hand_say(&h, epoch, "report", STATE_REPORT("3"));
    assert_int_equal(number(s, "SELECT COUNT(*) FROM outbox WHERE type = 'host.noted'"), 3);
    sim_hand_end(&h);
}

/* One record that can never be applied does not stop those behind it. */
static void a_bad_report_is_skipped(void **state)
{
    struct sim *s = *state;
    struct sim_hand h;
    int64_t epoch = live(s, &h);
    for (int i = 0; i < 3; i++) {
        char text[256];
        (void)snprintf(text, sizeof text,
                       "{\"v\":1,\"id\":%d,\"epoch\":%lld,\"op\":\"report\",\"body\":{\"seq\":%d,"
                       "\"kind\":\"event\",\"event\":\"%s\"}}",
                       50 + i, (long long)epoch, i + 1, i == 1 ? "NO SUCH THING" : "host.noted");
        (void)rpc_send_text(&h.peer, text, strlen(text)); /* in one batch */
    }
    sim_run(s, 5000);
    assert_non_null(sim_hand_heard(&h, "\"body\":{\"seq\":3}"));
    assert_int_equal(number(s, "SELECT COUNT(*) FROM outbox WHERE type = 'host.noted'"), 2);
    assert_int_equal(number(s, "SELECT COUNT(*) FROM alarms WHERE kind = 'report_skipped'"), 1);
    assert_int_equal(number(s, "SELECT applied_seq FROM journals WHERE host_id = 3"), 3);
    sim_hand_end(&h);
}

/* ---- a database from yesterday ---- */

static void stale_generations_are_raised(void **state)
{
    struct sim *s = *state;
    struct sim_req *r = sim_create(s, "web1", "tenant0", "nano");
    assert_int_equal(sim_wait_task(r, 60000, NULL), TASK_SUCCESS);
    for (int i = 0; i < 3; i++) {
        (void)sim_wait_task(sim_do(s, "stop", "web1", NULL), 60000, NULL);
        (void)sim_wait_task(sim_do(s, "start", "web1", NULL), 60000, NULL);
    }
    /* As if the last six verbs had been lost with the disk. */
    sim_tx(s, run_sql,
           (char[]){"UPDATE instances SET generation = 1, observed_generation = 1,"
                    " desired = 'running'"});
    r = sim_do(s, "stop", "web1", NULL);
    assert_int_equal(sim_wait_task(r, 60000, NULL), TASK_SUCCESS);
    assert_true(number(s, "SELECT generation FROM instances") > 7);
    assert_int_equal(number(s, "SELECT COUNT(*) FROM outbox WHERE type = 'instance.stale'") > 0, 1);
    if (!sim_quiet(s, 60000) && !agentlink_live(s->svc.link, 3))
        sim_run(s, 1);
    if (!sim_check(s))
        fail_msg("%s", s->failure);
}

/* What a host has lost is an error and an alarm, never a new empty instance. */
static void missing_instances(void **state)
{
    struct sim *s = *state;
    struct sim_hand h;
    int64_t epoch = live(s, &h);
    (void)epoch;
    sim_hand_end(&h);
    struct sim_req *r = sim_create(s, "web1", "tenant0", "nano");
    assert_int_equal(sim_wait_task(r, 60000, NULL), TASK_SUCCESS);
    sim_tx(s, run_sql, (char[]){"UPDATE instances SET host_id = 3"});
    (void)live(s, &h);
    assert_null(sim_hand_heard(&h, "\"op\":\"apply\""));
    assert_int_equal(number(s, "SELECT COUNT(*) FROM instances WHERE state = 'error' AND error_code"
                               " = 'not_found'"),
                     1);
    assert_int_equal(number(s, "SELECT COUNT(*) FROM alarms WHERE kind = 'instance_missing'"), 1);
    sim_hand_end(&h);
    sim_tx(s, run_sql, (char[]){"UPDATE instances SET host_id = 1"});
}

/* ---- streams ---- */

struct echo {
    struct agentlink_stream s;
    size_t want, sent, got;
    bool opened, closed, lazy;
    int status;
    enum bt_code code;
};

static void echo_more(struct echo *e)
{
    char block[5000];
    memset(block, 'y', sizeof block);
    while (e->sent < e->want) {
        size_t n = e->want - e->sent < sizeof block ? e->want - e->sent : sizeof block;
        size_t took = agentlink_stream_write(&e->s, block, n);
        e->sent += took;
        if (took < n)
            return;
    }
    agentlink_stream_eof(&e->s);
}

static void on_opened(struct agentlink_stream *s)
{
    struct echo *e = s->owner;
    e->opened = true;
    echo_more(e);
}

static void on_writable(struct agentlink_stream *s)
{
    echo_more(s->owner);
}

static void on_data(struct agentlink_stream *s, int channel, const void *data, size_t n)
{
    struct echo *e = s->owner;
    (void)data;
    assert_int_equal(channel, 1);
    e->got += n;
    if (!e->lazy)
        agentlink_stream_consumed(s, n);
}

static void on_stream_closed(struct agentlink_stream *s, int status, const struct bt_err *err)
{
    struct echo *e = s->owner;
    e->closed = true;
    e->status = status;
    e->code = err ? err->code : BT_E_OK;
}

static char *uuid_of(struct sim *s, int64_t *ret_host)
{
    struct sim_req *r = sim_create(s, "web1", "tenant0", "nano");
    assert_int_equal(sim_wait_task(r, 60000, NULL), TASK_SUCCESS);
    *ret_host = number(s, "SELECT host_id FROM instances");
    return bt_xstrndup(strstr(r->answer, "\"uuid\":\"") + 8, 36);
}

static void start(struct echo *e, struct sim *s, int64_t host, const char *uuid,
                  const char *const *argv)
{
    e->s = (struct agentlink_stream){.opened = on_opened,
                                     .data = on_data,
                                     .writable = on_writable,
                                     .closed = on_stream_closed,
                                     .owner = e};
    struct agentlink_stream_open o = {
        .host_id = host, .kind = STREAM_EXEC, .uuid = uuid, .argv = argv};
    agentlink_stream_start(&e->s, s->svc.link, &o);
    assert_false(e->opened || e->closed);
}

static void streams(void **state)
{
    struct sim *s = *state;
    int64_t host;
    char *uuid = uuid_of(s, &host);
    static const char *const cat[] = {"cat", NULL}, *const bye[] = {"exit", "7", NULL};
    /* 300 kB in and out again, through windows of 64 KiB. */
    struct echo e = {.want = 300000};
    start(&e, s, host, uuid, cat);
    sim_run(s, 60000);
    assert_true(e.closed);
    assert_int_equal(e.got, e.want);
    assert_int_equal(e.status, 0);
    /* An exit status. */
    struct echo x = {.want = 0};
    start(&x, s, host, uuid, bye);
    sim_run(s, 5000);
    assert_true(x.closed);
    assert_int_equal(x.status, 7);
    /* Nobody reads: no more than the window comes. */
    static const char *const flood[] = {"flood", "1000000", NULL};
    struct echo lazy = {.lazy = true};
    start(&lazy, s, host, uuid, flood);
    sim_run(s, 30000);
    assert_false(lazy.closed);
    assert_true(lazy.got <= LINK_STREAM_CREDIT);
    agentlink_stream_close(&lazy.s);
    sim_run(s, 1000);
    assert_true(lazy.closed);
    /* The session goes away under it. */
    struct echo lost = {.want = 10};
    static const char *const wait[] = {"flood", "16000000", NULL};
    lost.lazy = true;
    start(&lost, s, host, uuid, wait);
    sim_run(s, 1000);
    rpc_sim_cut(s->net, s->agents[host - 1].name);
    sim_run(s, 5000);
    assert_true(lost.closed);
    assert_int_equal(lost.code, BT_E_HOST_UNREACHABLE);
    /* There is no such instance; there is no session. */
    struct echo none = {.want = 0};
    start(&none, s, host, UUID, cat);
    sim_run(s, 1000);
    assert_true(none.closed);
    assert_int_equal(none.code, BT_E_NOT_FOUND);
    struct echo away = {.want = 0};
    start(&away, s, 3, uuid, cat);
    sim_run(s, 1000);
    assert_true(away.closed);
    assert_int_equal(away.code, BT_E_HOST_UNREACHABLE);
    free(uuid);
}

/* ---- questions ---- */

struct question {
    struct agentlink_ask q;
    bool over, answered;
    enum bt_code code;
};

static void on_answer(struct agentlink_ask *q, const char *body, size_t len,
                      const struct bt_err *err)
{
    struct question *k = q->owner;
    (void)len;
    k->over = true;
    k->answered = body != NULL;
    k->code = err ? err->code : BT_E_OK;
}

static void questions(void **state)
{
    struct sim *s = *state;
    struct sim_hand h;
    struct question k = {.q = {.done = on_answer, .owner = &k}};
    agentlink_ask_start(&k.q, s->svc.link, 1, LINK_OP_DOCTOR, "{}", 5000);
    sim_run(s, 1000);
    assert_true(k.over && k.answered);
    k.over = k.answered = false;
    agentlink_ask_start(&k.q, s->svc.link, 3, LINK_OP_DOCTOR, "{}", 5000);
    assert_false(k.over);
    sim_run(s, 10);
    assert_true(k.over && !k.answered);
    assert_int_equal(k.code, BT_E_HOST_UNREACHABLE);
    /* It hears, and says nothing. */
    (void)live(s, &h);
    k.over = false;
    agentlink_ask_start(&k.q, s->svc.link, 3, LINK_OP_DOCTOR, "{}", 5000);
    sim_run(s, 6000);
    assert_true(k.over);
    assert_int_equal(k.code, BT_E_TIMEOUT);
    sim_hand_end(&h);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(hello_comes_first),
        T(bad_frames_end_it),
        T(missing_page),
        T(other_protocol),
        T(newest_session_wins),
        T(revoked),
        T(unknown_serial_is_joining),
        T(higher_epoch_is_joining),
        T(other_controllers_host_is_joining),
        T(reports_count_once),
        T(a_bad_report_is_skipped),
        T(stale_generations_are_raised),
        T(missing_instances),
        T(streams),
        T(questions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
