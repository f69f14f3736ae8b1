/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/loop/loop.h"
#include "db/core/db.h"
#include "db/repo/repo_event.h"

/*
 * Events: rows of the outbox, written in the transaction of what they tell, handed out here in the
 * order of their commits. Names: event_names. Loop thread.
 */
struct events;

/** Every event type there is, NULL at the end; a test holds the sources to it. */
extern const char *const event_names[];

/** Make the reader. It starts behind what is in the outbox already once events_start has run. */
struct events *events_new(struct db *db, struct bt_loop *loop);

/** Free a stopped one (no read in flight). NULL is fine. */
void events_free(struct events *e);

/** Begin behind @last_seq (repo_event_last_seq at start-up). */
void events_start(struct events *e, int64_t last_seq);

/** Rows were committed: read and hand them out soon. */
void events_poke(struct events *e);

/*
 * Somebody listens. row() is called for each event in order, first for stored ones after @from_seq,
 * then for new ones without a gap. @tenant_id 0 = everything, else that tenant's.
 */
struct event_listener {
    struct bt_list link;
    int64_t tenant_id;
    int64_t from_seq; /* the last one seen; moves on */
    /* Return false to be paused (a full socket); events_resume goes on. */
    bool (*row)(struct event_listener *l, const struct repo_event_row *row);
    void *owner;
    bool paused;
};

/** Listen from @l->from_seq on; 0 = everything stored, -1 = new ones only. */
void events_listen(struct events *e, struct event_listener *l);

/** Stop listening; no row() afterwards. */
void events_unlisten(struct events *e, struct event_listener *l);

/** Go on after row() returned false. */
void events_resume(struct events *e, struct event_listener *l);
