/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: agent_link agent_driver_fake common_rpc common_log */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/journal/journal_report.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "tests/fake/agent/lib_world.h"

#include <cmocka.h>

/* Sessions, trust, reports, the destroy brake, streams and the doctor, seen from the controller. */

static int setup(void **state)
{
    struct world *w = bt_xcalloc(1, sizeof *w);
    world_init(w, 11);
    world_run(w, 1000);
    *state = w;
    return w->live ? 0 : -1;
}

static int teardown(void **state)
{
    world_fini(*state);
    free(*state);
    return 0;
}

static void create(struct world *w, int from, int to)
{
    for (int i = from; i < to; i++)
        (void)world_task(w, i, ACTION_CREATE);
    assert_true(world_settle(w, 60000));
    assert_null(world_wrong(w));
}

/* ---- sessions ---- */

static void hello_says_who_it_is(void **state)
{
    struct world *w = *state;
    assert_string_equal(w->hello.boot_id, "boot-0");
    assert_int_equal(w->hello.epoch, 0);
    assert_null(w->hello.controller_id);
    assert_int_equal(w->hello.host.cpus, 4);
    assert_int_equal(w->hello.host.drivers.len, 2);
    const struct link_driver *d = w->hello.host.drivers.items;
    assert_string_equal(d[0].name, "container");
    assert_true(d[0].available);
    assert_string_equal(d[1].name, "kvm");
    assert_false(d[1].available);
    char journal[37];
    char session[64];
    (void)bt_strcpy(journal, sizeof journal, w->hello.journal_id);
    (void)bt_strcpy(session, sizeof session, w->hello.session);
    world_restart(w);
    world_run(w, 1000);
    assert_string_equal(w->hello.journal_id, journal);
    assert_string_not_equal(w->hello.session, session);
    assert_string_equal(w->hello.controller_id, w->controller_id);
    assert_int_equal(w->hello.epoch, 1);
}

static void inventory_comes_in_pages(void **state)
{
    struct world *w = *state;
    create(w, 0, 8);
    char *data = bt_xcalloc(1, 60001);
    memset(data, '\n', 60000); /* two bytes each in JSON */
    for (int i = 0; i < 8; i++) {
        free(w->insts[i].spec.user_data);
        w->insts[i].spec.user_data = bt_xstrdup(data);
        (void)world_task(w, i, ACTION_SET);
    }
    free(data);
    assert_true(world_settle(w, 60000));
    world_restart(w);
    world_run(w, 2000);
    assert_true(w->live);
    assert_int_equal(w->inventory_items, 8);
    assert_null(world_wrong(w));
}

static void comes_back_by_itself(void **state)
{
    struct world *w = *state;
    create(w, 0, 1);
    for (int i = 0; i < 20; i++) {
        rpc_sim_cut(w->sim, "h1");
        int t = world_task(w, 0, i % 2 ? ACTION_START : ACTION_STOP);
        assert_true(world_settle(w, 20000));
        assert_true(w->tasks[t].ok);
    }
    rpc_sim_partition(w->sim, "h1", true);
    world_run(w, 120000);
    rpc_sim_partition(w->sim, "h1", false);
    assert_true(world_settle(w, 25000));
    assert_null(world_wrong(w));
}

static void goes_on_alone(void **state)
{
    struct world *w = *state;
    create(w, 0, 2);
    rpc_sim_partition(w->sim, "h1", true);
    assert_int_equal(fake_guest_crash(w->kernel, world_uuid(0)), 0);
    assert_int_equal(fake_guest_poweroff(w->kernel, world_uuid(1)), 0);
    world_run(w, 30000);
    assert_true(world_fake(w, 0)->running);
    world_restart(w);
    world_run(w, 30000);
    assert_int_equal(w->insts[1].desired, DESIRED_RUNNING); /* not heard of yet */
    rpc_sim_partition(w->sim, "h1", false);
    assert_true(world_settle(w, 25000));
    world_run(w, 1000);
    assert_int_equal(w->insts[1].desired_by, DESIRED_BY_GUEST);
    assert_null(world_wrong(w));
}

static void bad_frames(void **state)
{
    struct world *w = *state;
    char text[256];
    world_send(w, "dance", &link_cancel_schema, &(struct link_cancel){1});
    world_run(w, 100);
    assert_string_equal(w->last_code, "unknown_operation");
    assert_true(w->live);
    /* A field that is not known is no harm, a missing one is an error of that message alone. */
    (void)snprintf(text, sizeof text,
                   "{\"v\":1,\"id\":9,\"epoch\":%lld,\"op\":\"cancel\",\"new\":[],\"body\":{}}",
                   (long long)w->epoch);
    world_send_raw(w, text);
    world_run(w, 100);
    assert_string_equal(w->last_code, "invalid");
    assert_true(w->live);
    /* Of another epoch: not for this session. */
    w->last_code[0] = '\0';
    world_send_raw(w, "{\"v\":1,\"id\":9,\"epoch\":0,\"op\":\"dance\",\"body\":{}}");
    world_run(w, 100);
    assert_string_equal(w->last_code, "");
    /* What is no envelope ends the session; another one begins. */
    int hellos = w->hellos;
    world_send_raw(w, "[]");
    world_run(w, 2000);
    assert_int_equal(w->hellos, hellos + 1);
    assert_true(w->live);
    /* So does a second welcome. */
    struct link_welcome m = {
        .controller_id = w->controller_id, .epoch = w->epoch, .protocol = 1, .lease_ms = 5000};
    world_send(w, "welcome", &link_welcome_schema, &m);
    world_run(w, 2000);
    assert_int_equal(w->hellos, hellos + 2);
}

/* ---- trust ---- */

static struct journal_meta known(const char *id, int64_t epoch, const char *joining)
{
    struct journal_meta m = {.epoch = epoch};
    (void)bt_strcpy(m.controller_id, sizeof m.controller_id, id);
    (void)bt_strcpy(m.joining_id, sizeof m.joining_id, joining);
    return m;
}

static void whom_to_obey(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        int64_t epoch;
        const char *joining;
        const char *says;
        int64_t says_epoch;
        bool says_joining;
        enum link_trust trust;
        const char *after;
        int64_t after_epoch;
    } rows[] = {
        {"", 0, "", "a", 5, false, LINK_OBEY, "a", 5},
        {"a", 5, "", "a", 6, false, LINK_OBEY, "a", 6},
        {"a", 5, "", "a", 5, false, LINK_OBEY, "a", 5},
        {"a", 5, "", "a", 4, false, LINK_JOINS, "a", 5}, /* put back from a copy */
        {"a", 5, "", "a", 4, true, LINK_JOINS, "a", 5},
        {"a", 5, "a", "a", 4, false, LINK_OBEY, "a", 4}, /* and adopted */
        {"a", 5, "", "b", 9, false, LINK_JOINS, "a", 5},
        {"a", 5, "", "b", 9, true, LINK_JOINS, "a", 5},
        {"a", 5, "b", "b", 1, false, LINK_OBEY, "b", 1},
        {"a", 5, "b", "c", 9, false, LINK_JOINS, "a", 5},
        {"a", 5, "b", "a", 6, false, LINK_OBEY, "a", 6},
        {"", 0, "", "b", 1, true, LINK_JOINS, "", 0},
    };
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        struct journal_meta m = known(rows[i].id, rows[i].epoch, rows[i].joining);
        struct link_welcome w = {.controller_id = (char *)rows[i].says,
                                 .epoch = rows[i].says_epoch,
                                 .joining = rows[i].says_joining};
        assert_int_equal(link_judge(&m, &w), rows[i].trust);
        assert_string_equal(m.controller_id, rows[i].after);
        assert_int_equal(m.epoch, rows[i].after_epoch);
    }
}

/* The database of the controller was wiped: it says "joining" until an operator adopts. */
static void wiped_controller(void **state)
{
    struct world *w = *state;
    create(w, 0, 2);
    char old[37];
    (void)bt_strcpy(old, sizeof old, w->controller_id);
    bt_uuid_new(&w->rnd.table, w->controller_id);
    w->epoch = 0;
    w->applied_seq = 0;
    w->joining = true;
    (void)bt_strcpy(w->journal_id, sizeof w->journal_id, "");
    rpc_sim_cut(w->sim, "h1");
    world_run(w, 15000);
    assert_true(w->live);
    assert_int_equal(w->inventory_items, 2);
    assert_string_equal(w->hello.controller_id, old);
    assert_true(w->hello.epoch > 0);
    /* It asks all the same: nothing is taken. */
    w->joining = false;
    int t = world_task(w, 0, ACTION_PURGE);
    world_run(w, 5000);
    assert_string_equal(w->tasks[t].code, "joining");
    assert_true(world_fake(w, 0)->running);
    assert_true(world_fake(w, 1)->running);
    /* Adopted: the next session is obeyed, also after a restart of the agent. */
    w->insts[0].generation = w->insts[0].spec.generation;
    world_restart(w);
    world_run(w, 3000);
    assert_string_equal(w->hello.controller_id, old);
    struct world_task *stop = world_do(w, 0, ACTION_START, 20000);
    assert_true(stop->ok);
    world_restart(w);
    world_run(w, 3000);
    assert_string_equal(w->hello.controller_id, w->controller_id);
    assert_null(world_wrong(w));
}

static void foreign_controller_without_joining(void **state)
{
    struct world *w = *state;
    create(w, 0, 1);
    bt_uuid_new(&w->rnd.table, w->controller_id);
    for (int i = 0; i < 3; i++) {
        rpc_sim_cut(w->sim, "h1");
        world_run(w, 15000);
        int t = world_task(w, 0, ACTION_KILL);
        world_run(w, 2000);
        assert_string_equal(w->tasks[t].code, "joining");
        assert_true(world_fake(w, 0)->running);
    }
}

/* ---- reports ---- */

static void reports_wait_for_their_acknowledgement(void **state)
{
    struct world *w = *state;
    w->silent = true; /* hears, but never acknowledges */
    for (int i = 0; i < 12; i++)
        (void)world_task(w, i, ACTION_CREATE);
    world_settle(w, 60000);
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < 12; i++)
            (void)world_task(w, i, round % 2 ? ACTION_START : ACTION_STOP);
        world_run(w, 20000);
    }
    int64_t stuck = w->applied_seq; /* the window is full */
    assert_int_equal(stuck, 64);
    world_send(w, "ack", &link_ack_schema, &(struct link_ack){w->applied_seq});
    world_run(w, 5000);
    assert_int_equal(w->applied_seq, 128); /* one window more */
    w->silent = false;
    world_send(w, "ack", &link_ack_schema, &(struct link_ack){w->applied_seq});
    assert_true(world_settle(w, 60000));
    assert_true(w->applied_seq > 128);
    assert_null(world_wrong(w));
    /* What is acknowledged is forgotten, the rest is kept over a restart. */
    world_run(w, 5000);
    w->silent = true;
    rpc_sim_partition(w->sim, "h1", true);
    assert_int_equal(fake_guest_poweroff(w->kernel, world_uuid(0)), 0);
    world_run(w, 2000);
    world_restart(w);
    rpc_sim_partition(w->sim, "h1", false);
    world_run(w, 20000);
    assert_int_equal(w->insts[0].desired_by, DESIRED_BY_GUEST);
}

static int put_back(struct db_tx *tx, void *arg, struct bt_err *err)
{
    (void)arg;
    int rc = db_exec(tx, "DELETE FROM reports", DB_NOARGS, NULL, err);
    return rc < 0 ? rc : db_exec(tx, "UPDATE sqlite_sequence SET seq = 1", DB_NOARGS, NULL, err);
}

/* A journal that was put back from a copy must not use numbers again. */
static void numbers_are_never_used_again(void **state)
{
    struct world *w = *state;
    create(w, 0, 4);
    int64_t applied = w->applied_seq;
    world_run(w, 5000);
    assert_int_equal(db_run_sync(w->db, put_back, NULL, NULL), 0);
    world_restart(w);
    world_run(w, 3000);
    struct world_task *t = world_do(w, 0, ACTION_STOP, 20000);
    assert_true(t->ok); /* its result has a number that is new */
    assert_true(w->applied_seq > applied);
}

/* ---- the destroy brake ---- */

static void brake_on(struct world *w, int64_t deletes, int64_t purges)
{
    w->brake.deletes = deletes;
    w->brake.purges = purges;
    w->brake.delete_pct = 10;
    w->brake.purge_pct = 5;
    world_restart(w);
    world_run(w, 2000);
}

static int ended(const struct world *w, int from)
{
    int n = 0;
    for (int t = from; t < w->n_tasks; t++)
        n += w->tasks[t].ended;
    return n;
}

static void brake_holds_mass_deletes(void **state)
{
    struct world *w = *state;
    create(w, 0, 12);
    brake_on(w, 3, 100);
    int first = w->n_tasks;
    for (int i = 0; i < 8; i++)
        (void)world_task(w, i, ACTION_DELETE);
    world_run(w, 60000);
    assert_int_equal(ended(w, first), 3);
    assert_int_equal(w->events_held, 1);
    for (int i = 3; i < 8; i++) {
        assert_string_equal(w->tasks[first + i].waiting_for, "destroy brake");
        assert_true(world_fake(w, i)->running); /* not even stopped */
        assert_int_equal(w->insts[i].state, INSTANCE_RUNNING);
    }
    /* Not by a restart, nor by asking again. */
    world_restart(w);
    world_run(w, 60000);
    assert_int_equal(ended(w, first), 3);
    /* A cancel of one that waits ends it. */
    world_cancel(w, first + 7);
    world_run(w, 2000);
    assert_true(w->tasks[first + 7].cancelled);
    assert_true(world_fake(w, 7)->running);
    /* An operator confirms. */
    int64_t until = bt_utc_ms(bt_loop_clock(w->loop)) + 60000;
    world_send(w, "confirm", &link_confirm_schema, &(struct link_confirm){until});
    world_run(w, 20000);
    assert_string_equal(w->last_event, "host.brake_released");
    assert_int_equal(ended(w, first), 8);
    for (int i = 0; i < 7; i++)
        assert_true(w->tasks[first + i].ok && world_fake(w, i)->trash);
    /* Afterwards it holds again, for what comes new. */
    world_run(w, 60000);
    first = w->n_tasks;
    for (int i = 7; i < 12; i++)
        (void)world_task(w, i, ACTION_DELETE);
    world_run(w, 30000);
    assert_int_equal(ended(w, first), 3);
    /* The window passes. */
    world_run(w, 11 * 60000);
    assert_int_equal(ended(w, first), 5);
    assert_null(world_wrong(w));
}

static void brake_holds_purges_apart(void **state)
{
    struct world *w = *state;
    create(w, 0, 8);
    brake_on(w, 100, 2);
    int first = w->n_tasks;
    for (int i = 0; i < 5; i++)
        (void)world_task(w, i, ACTION_PURGE);
    world_run(w, 60000);
    assert_int_equal(ended(w, first), 2);
    int trashed = 0;
    for (int i = 0; i < 5; i++)
        trashed += world_fake(w, i) && world_fake(w, i)->trash;
    assert_int_equal(trashed, 3); /* in the trash meanwhile */
    world_restart(w);
    world_run(w, 11 * 60000);
    world_run(w, 11 * 60000);
    assert_int_equal(ended(w, first), 5);
    for (int i = 0; i < 5; i++)
        assert_null(world_fake(w, i));
    assert_null(world_wrong(w));
}

/* The trash is emptied by the clock, and that too passes the brake. */
static void brake_holds_the_clock(void **state)
{
    struct world *w = *state;
    create(w, 0, 6);
    for (int i = 0; i < 6; i++)
        (void)world_task(w, i, ACTION_DELETE);
    assert_true(world_settle(w, 60000));
    brake_on(w, 100, 2);
    world_run(w, 7200 * 1000 + 60000);
    int left = 0;
    for (int i = 0; i < 6; i++)
        left += world_fake(w, i) != NULL;
    assert_int_equal(left, 4);
    assert_int_equal(w->events_held, 1);
    world_run(w, 21 * 60000);
    for (int i = 0; i < 6; i++)
        assert_null(world_fake(w, i));
    assert_null(world_wrong(w));
}

/* ---- doctor ---- */

static void doctor(void **state)
{
    struct world *w = *state;
    create(w, 0, 2);
    w->findings = -1;
    world_send(w, "doctor", &link_cancel_schema, &(struct link_cancel){0});
    world_run(w, 500);
    assert_string_equal(w->last_op, "doctor");
    assert_int_equal(w->findings, 0);
    /* The kernel has something else than the journal. */
    world_fake(w, 0)->disk = false;
    world_send(w, "doctor", &link_cancel_schema, &(struct link_cancel){0});
    world_run(w, 500);
    assert_int_equal(w->findings, 1);
    world_fake(w, 0)->disk = true;
}

/* ---- streams ---- */

static void open_stream(struct world *w, const char *verb, const char *arg)
{
    struct link_stream_open o = {.stream = ++w->next_id, .uuid = bt_xstrdup(world_uuid(0))};
    bt_arr_push_str(&o.argv, verb);
    if (arg)
        bt_arr_push_str(&o.argv, arg);
    w->stream_opened = false;
    w->stream_end[0] = '\0';
    w->stream_got = 0;
    bt_buf_reset(&w->stream_out);
    world_send(w, "stream_open", &link_stream_open_schema, &o);
    bt_schema_free(&link_stream_open_schema, &o);
}

static void send_input(struct world *w, uint32_t stream, const char *text)
{
    char frame[128] = {0};
    memcpy(frame + 1, text, strlen(text));
    (void)rpc_send_binary(w->peer, stream, frame, strlen(text) + 1);
}

static void ctl(struct world *w, uint32_t stream, const char *what)
{
    struct link_stream_ctl c = {.stream = stream, .what = (char *)what, .rows = 24, .cols = 80};
    world_send(w, "stream_ctl", &link_stream_ctl_schema, &c);
}

static void streams(void **state)
{
    struct world *w = *state;
    create(w, 0, 1);
    open_stream(w, "exit", "7");
    world_run(w, 200);
    assert_true(w->stream_opened);
    assert_string_equal(w->stream_end, "exit");
    assert_int_equal(w->stream_status, 7);
    /* An echo. */
    open_stream(w, "cat", NULL);
    uint32_t id = (uint32_t)(w->next_id - 1); /* world_send took the next one */
    world_run(w, 100);
    send_input(w, id, "hello ");
    send_input(w, id, "world");
    world_run(w, 100);
    ctl(w, id, "resize");
    world_run(w, 100);
    assert_string_equal(w->stream_out.data, "hello world[24x80]");
    ctl(w, id, "eof");
    world_run(w, 100);
    assert_string_equal(w->stream_end, "exit");
    assert_int_equal(w->stream_status, 0);
    /* An end of input may overtake input, so it says how much there is; the answer likewise. */
    for (int i = 0; i < 20; i++) {
        open_stream(w, "cat", NULL);
        id = (uint32_t)(w->next_id - 1);
        world_run(w, 50);
        send_input(w, id, "hello ");
        send_input(w, id, "world");
        struct link_stream_ctl eof = {.stream = id, .what = (char[]){"eof"}, .credit = 11};
        world_send(w, "stream_ctl", &link_stream_ctl_schema, &eof);
        world_run(w, 100);
        assert_string_equal(w->stream_end, "exit");
        assert_int_equal(w->stream_end_at, 11);
        assert_string_equal(w->stream_out.data, "hello world");
    }
    /* Closed from outside. */
    open_stream(w, "cat", NULL);
    id = (uint32_t)(w->next_id - 1);
    world_run(w, 100);
    ctl(w, id, "close");
    world_run(w, 100);
    assert_string_equal(w->stream_end, "close");
    /* Where there is nothing to enter. */
    struct world_task *t = world_do(w, 0, ACTION_STOP, 20000);
    assert_true(t->ok);
    open_stream(w, "cat", NULL);
    world_run(w, 100);
    assert_string_equal(w->stream_end, "failed");
    assert_string_equal(w->last_code, "bad_state");
}

static void stream_credit(void **state)
{
    struct world *w = *state;
    create(w, 0, 1);
    w->stream_greedy = true;
    open_stream(w, "flood", "300000");
    uint32_t id = (uint32_t)(w->next_id - 1);
    world_run(w, 5000);
    assert_int_equal(w->stream_got, LINK_STREAM_CREDIT); /* and not a byte more */
    assert_string_equal(w->stream_end, "");
    struct link_stream_ctl c = {.stream = id, .what = (char[]){"credit"}, .credit = 1000};
    world_send(w, "stream_ctl", &link_stream_ctl_schema, &c);
    world_run(w, 1000);
    assert_int_equal(w->stream_got, LINK_STREAM_CREDIT + 1000);
    c.credit = 1 << 20;
    world_send(w, "stream_ctl", &link_stream_ctl_schema, &c);
    world_run(w, 5000);
    assert_int_equal(w->stream_got, 300000);
    assert_string_equal(w->stream_end, "exit");
    /* The other way: who sends more than was given is cut off. */
    open_stream(w, "cat", NULL);
    id = (uint32_t)(w->next_id - 1);
    world_run(w, 100);
    char frame[16384] = {0};
    for (int i = 0; i < 40; i++)
        (void)rpc_send_binary(w->peer, id, frame, sizeof frame);
    world_run(w, 1000);
    assert_string_equal(w->stream_end, "failed");
    assert_string_equal(w->last_code, "protocol");
    /* A session that is lost takes its streams with it. */
    w->stream_greedy = false;
    open_stream(w, "cat", NULL);
    world_run(w, 100);
    rpc_sim_cut(w->sim, "h1");
    world_run(w, 15000);
    assert_true(w->live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        T(hello_says_who_it_is),
        T(inventory_comes_in_pages),
        T(comes_back_by_itself),
        T(goes_on_alone),
        T(bad_frames),
        cmocka_unit_test(whom_to_obey),
        T(wiped_controller),
        T(foreign_controller_without_joining),
        T(reports_wait_for_their_acknowledgement),
        T(numbers_are_never_used_again),
        T(brake_holds_mass_deletes),
        T(brake_holds_purges_apart),
        T(brake_holds_the_clock),
        T(doctor),
        T(streams),
        T(stream_credit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
