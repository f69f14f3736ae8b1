/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "controller/event/event.h"

#include <cmocka.h>

#define MAX 2000

struct world {
    char dir[64];
    struct bt_loop *loop;
    struct db *db;
    struct events *events;
};

struct ear {
    struct event_listener l;
    int64_t seqs[MAX];
    int n, pause_at; /* 0 = never */
};

static bool on_row(struct event_listener *l, const struct repo_event_row *row)
{
    struct ear *e = l->owner;
    if (e->pause_at && e->n == e->pause_at) {
        e->pause_at = 0;
        return false;
    }
    assert_true(e->n == 0 || row->seq > e->seqs[e->n - 1]);
    e->seqs[e->n++] = row->seq;
    return true;
}

static void listen(struct world *w, struct ear *e, int64_t tenant, int64_t from)
{
    e->l =
        (struct event_listener){.tenant_id = tenant, .from_seq = from, .row = on_row, .owner = e};
    events_listen(w->events, &e->l);
}

static int append(struct db_tx *tx, void *arg, struct bt_err *err)
{
    int rc = 0;
    for (int i = 0; rc >= 0 && i < *(int *)arg; i++) {
        struct repo_event_new e = {.type = "instance.created",
                                   .actor = "x",
                                   .tenant_id = i % 3,
                                   .resource_type = "instance",
                                   .resource_id = i};
        rc = repo_event_append(tx, &e, NULL, err);
    }
    return rc;
}

static void add(struct world *w, int n)
{
    assert_int_equal(db_run_sync(w->db, append, &n, NULL), 0);
    events_poke(w->events);
}

static void run(struct world *w)
{
    bt_loop_run_until(w->loop, bt_mono_ms(bt_loop_clock(w->loop)));
}

static int setup(void **state)
{
    struct world *w = bt_xcalloc(1, sizeof *w);
    struct bt_err err = BT_ERR_INIT;
    char path[96];
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/berth-event-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    (void)snprintf(path, sizeof path, "%s/t.db", w->dir);
    w->loop = bt_loop_new_virtual(INT64_C(1700000000000));
    struct db_config cfg = {.path = path,
                            .migrations = bt_migrations_controller,
                            .application_id = 1,
                            .loop = w->loop,
                            .readers = 1,
                            .queue_max = 16,
                            .sync_off = true};
    if (db_open(&cfg, &w->db, &err) < 0)
        fail_msg("%s", err.msg);
    w->events = events_new(w->db, w->loop);
    events_start(w->events, 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    char cmd[96];
    run(w);
    events_free(w->events);
    db_close(w->db);
    bt_loop_free(w->loop);
    (void)snprintf(cmd, sizeof cmd, "rm -rf %s", w->dir);
    assert_int_equal(system(cmd), 0);
    free(w);
    return 0;
}

/* Stored ones first, then new ones, without a gap, over many pages. */
static void in_order_without_gaps(void **state)
{
    struct world *w = *state;
    struct ear all = {.n = 0}, late = {.n = 0};
    add(w, 700);
    listen(w, &all, 0, 0);
    run(w);
    assert_int_equal(all.n, 700);
    add(w, 5);
    listen(w, &late, 0, 300);
    add(w, 5);
    run(w);
    assert_int_equal(all.n, 710);
    assert_int_equal(late.n, 410);
    assert_int_equal(late.seqs[0], 301);
    for (int i = 0; i < all.n; i++)
        assert_int_equal(all.seqs[i], i + 1);
    events_unlisten(w->events, &all.l);
    events_unlisten(w->events, &late.l);
    add(w, 5);
    run(w);
    assert_int_equal(all.n, 710);
}

static void only_ones_own(void **state)
{
    struct world *w = *state;
    struct ear own = {.n = 0};
    listen(w, &own, 2, 0);
    add(w, 300);
    run(w);
    assert_int_equal(own.n, 100);
    assert_int_equal(own.l.from_seq, 300);
    events_unlisten(w->events, &own.l);
}

static void new_ones_only(void **state)
{
    struct world *w = *state;
    struct ear ear = {.n = 0};
    add(w, 10); /* nobody listens */
    run(w);
    listen(w, &ear, 0, -1);
    run(w);
    assert_int_equal(ear.n, 0);
    add(w, 3);
    run(w);
    assert_int_equal(ear.n, 3);
    assert_int_equal(ear.seqs[0], 11);
    events_unlisten(w->events, &ear.l);
}

/* One that cannot take more is waited for, and keeps nobody else back. */
static void a_full_socket(void **state)
{
    struct world *w = *state;
    struct ear slow = {.pause_at = 50}, quick = {.n = 0};
    listen(w, &slow, 0, 0);
    listen(w, &quick, 0, 0);
    add(w, 500);
    run(w);
    assert_int_equal(slow.n, 50);
    assert_int_equal(quick.n, 500);
    events_resume(w->events, &slow.l);
    run(w);
    assert_int_equal(slow.n, 500);
    for (int i = 0; i < slow.n; i++)
        assert_int_equal(slow.seqs[i], i + 1);
    events_unlisten(w->events, &slow.l);
    events_unlisten(w->events, &quick.l);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {T(in_order_without_gaps), T(only_ones_own), T(new_ones_only),
                                       T(a_full_socket)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
