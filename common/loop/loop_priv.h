/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "common/loop/loop.h"

/* Shared by the files of common/loop only. */

/* What the two worlds do differently. Loop thread, unless noted. */
struct loop_ops {
    void (*run)(struct bt_loop *l);
    void (*wake)(struct bt_loop *l); /* posts or a stop are waiting; any thread */
    void (*arm)(struct bt_loop *l);  /* the earliest timer may have changed */
    void (*free)(struct bt_loop *l);
    bool inline_pools;
};

struct loop_timers {
    struct bt_timer **heap; /* least (due, seq) first */
    size_t len;
    size_t cap;
    uint64_t next_seq;
    bool firing;
};

struct bt_loop {
    const struct loop_ops *ops;
    struct bt_clock clock;
    struct loop_timers timers;
    pthread_t thread;
    size_t n_users; /* pools, watches, children */
    atomic_bool stop;
    pthread_mutex_t lock; /* guards posts */
    struct bt_list posts;
};

/** Set up what both worlds share. */
void loop_init(struct bt_loop *l, const struct loop_ops *ops, const struct bt_clock *clock);

/** Undo loop_init; everything must have ended. */
void loop_fini(struct bt_loop *l);

/** Is the caller on the loop's thread (the one that made it, or runs it now)? */
bool loop_on_thread(const struct bt_loop *l);

/** Run the posts that are queued now, not those that they queue. Returns whether there were any. */
bool loop_run_posts(struct bt_loop *l);

/** Take a post back, queued or not. */
void loop_unpost(struct bt_loop *l, struct bt_post *p);

/** Due time of the earliest timer into *@ret_due; false when no timer runs. */
bool loop_timers_next(const struct bt_loop *l, int64_t *ret_due);

/** Fire the timers that are due at @now, not those that they start; at most @max. */
void loop_timers_fire(struct bt_loop *l, int64_t now, size_t max);
