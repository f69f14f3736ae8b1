/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/event/event.h"

#include <assert.h>

#include "common/base/mem.h"
#include "db/core/db_sql.h"

#define PAGE 200
#define NOBODY INT64_MAX /* nobody listens: only the newest seq is of interest */

/*
 * One read is in flight at most. It asks for the page after the listener that is furthest behind
 * and that can take more; each row goes to every listener that has not seen it.
 */
struct events {
    struct db *db;
    struct bt_loop *loop;
    struct bt_list listeners;
    struct db_read read;
    bool reading, again;
    int64_t after; /* of the read in flight */
    int64_t last;  /* newest seq seen */
    int64_t seen;  /* newest seq, as the read found it when nobody listened */
    struct bt_arr rows;
};

const char *const event_names[] = {
    "host.joining",      "host.online",        "host.unreachable",     "host.adopted",
    "host.clock_skew",   "host.brake_held",    "instance.created",     "instance.create_failed",
    "instance.changed",  "instance.state",     "instance.task",        "instance.trashed",
    "instance.restored", "instance.purged",    "instance.missing",     "instance.stale",
    "instance.adopted",  "instance.suspended", "instance.unsuspended", "orphan.found",
    "task.success",      "task.error",         "task.cancelled",       "host.joined",
    "host.cordoned",     "host.uncordoned",    "host.retired",         NULL,
};

struct events *events_new(struct db *db, struct bt_loop *loop)
{
    struct events *e = bt_xcalloc(1, sizeof *e);
    e->db = db;
    e->loop = loop;
    bt_list_init(&e->listeners);
    return e;
}

void events_free(struct events *e)
{
    if (!e)
        return;
    assert(!e->reading && bt_list_empty(&e->listeners));
    free(e);
}

static struct event_listener *listener(struct bt_list *l)
{
    return BT_CONTAINER_OF(l, struct event_listener, link);
}

static int read_rows(struct db_tx *tx, struct db_read *r, struct bt_err *err)
{
    struct events *e = BT_CONTAINER_OF(r, struct events, read);
    struct repo_event_filter f = {.after_seq = e->after, .limit = PAGE};
    if (e->after == NOBODY)
        return repo_event_last_seq(tx, &e->seen, err);
    return repo_event_list(tx, &f, &e->rows, err);
}

static void hand_out(struct events *e, const struct repo_event_row *row)
{
    BT_LIST_FOREACH(it, &e->listeners) {
        struct event_listener *l = listener(it);
        if (l->paused || row->seq <= l->from_seq)
            continue;
        if (l->from_seq < e->after)
            continue; /* further behind than this page: its own comes */
        int64_t before = l->from_seq;
        l->from_seq = row->seq;
        if (l->tenant_id && l->tenant_id != row->tenant_id)
            continue;
        if (!l->row(l, row)) {
            l->paused = true;
            l->from_seq = before;
        }
    }
}

static void read_more(struct events *e);

static void rows_done(struct db_read *r, int rc, const struct bt_err *err)
{
    struct events *e = BT_CONTAINER_OF(r, struct events, read);
    (void)err; /* a failed read is tried again at the next poke */
    size_t n = e->rows.len;
    const struct repo_event_row *rows = e->rows.items;
    for (size_t i = 0; rc >= 0 && i < n; i++) {
        hand_out(e, &rows[i]);
        if (rows[i].seq > e->last)
            e->last = rows[i].seq;
    }
    if (rc >= 0 && e->after == NOBODY)
        e->last = e->seen;
    db_rows_free(&repo_event_table, &e->rows);
    e->reading = false;
    if (rc >= 0 && (e->again || n == PAGE))
        read_more(e);
}

/* The listener that is furthest behind says where to read. */
static void read_more(struct events *e)
{
    e->again = false;
    int64_t after = NOBODY;
    BT_LIST_FOREACH(it, &e->listeners) {
        const struct event_listener *l = listener(it);
        if (!l->paused && l->from_seq < after)
            after = l->from_seq;
    }
    e->after = after;
    e->read = (struct db_read){.read = read_rows, .done = rows_done};
    e->reading = db_read_submit(e->db, &e->read, NULL) >= 0;
}

void events_start(struct events *e, int64_t last_seq)
{
    e->last = last_seq;
}

void events_poke(struct events *e)
{
    if (e->reading)
        e->again = true;
    else
        read_more(e);
}

void events_listen(struct events *e, struct event_listener *l)
{
    if (l->from_seq < 0)
        l->from_seq = e->last;
    l->paused = false;
    bt_list_push(&e->listeners, &l->link);
    events_poke(e);
}

void events_unlisten(struct events *e, struct event_listener *l)
{
    (void)e;
    bt_list_remove(&l->link);
}

void events_resume(struct events *e, struct event_listener *l)
{
    if (!l->paused)
        return;
    l->paused = false;
    events_poke(e);
}
