/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/err.h"
#include "common/base/list.h"
#include "common/base/world.h"

/*
 * One event loop, two worlds behind one table: libuv (production) and a virtual clock (simulation:
 * time jumps to the next timer, pools run inline, descriptors and children do not exist).
 * All functions are for the loop's thread unless they say "any thread". Structs are owned by the
 * caller and stay put while in use. Callbacks never fire inside the call that starts them.
 */
struct bt_loop;
struct uv_loop_s;

/** A loop on libuv with its clock. NULL + err when the kernel refuses. */
struct bt_loop *bt_loop_new(struct bt_err *err);

/** A loop on a virtual clock that starts at @utc_ms; mono starts at 1,000,000 ms. */
struct bt_loop *bt_loop_new_virtual(int64_t utc_ms);

/** Free a stopped loop, running queued posts first; timers, watches, children, pools must have
 * ended. */
void bt_loop_free(struct bt_loop *l);

/** Run until bt_loop_stop (libuv), or until nothing is left to do (virtual). */
void bt_loop_run(struct bt_loop *l);

/** Virtual only: run everything due up to @mono_ms inclusive, then set the clock to it. */
void bt_loop_run_until(struct bt_loop *l, int64_t mono_ms);

/** Make bt_loop_run return soon. Any thread (libuv). */
void bt_loop_stop(struct bt_loop *l);

/** The loop's clock (cached nowhere: reads the kernel, or virtual time). Any thread. */
const struct bt_clock *bt_loop_clock(const struct bt_loop *l);

/** Virtual only: let wall time jump by @delta_ms against mono time (clock faults). */
void bt_loop_shift_utc(struct bt_loop *l, int64_t delta_ms);

/** The libuv loop for libwebsockets and curl; NULL on a virtual loop. */
struct uv_loop_s *bt_loop_uv(struct bt_loop *l);

/* ---- timers: intrusive heap or list of ours, one kernel timer for all ---- */

struct bt_timer {
    struct bt_loop *loop;
    void (*cb)(struct bt_timer *t);
    int64_t due_mono_ms;
    uint64_t seq;   /* equal due times fire in start order */
    size_t heap_at; /* 1-based place in the heap, 0 = not running */
};

/** Prepare a stopped timer. */
void bt_timer_init(struct bt_timer *t, struct bt_loop *l, void (*cb)(struct bt_timer *t));

/** Fire once in @delay_ms (0 = next turn); a running timer is moved. */
void bt_timer_start(struct bt_timer *t, int64_t delay_ms);

/** Stop; fine when not running. */
void bt_timer_stop(struct bt_timer *t);

/** Is it going to fire? */
static inline bool bt_timer_running(const struct bt_timer *t)
{
    return t->heap_at != 0;
}

/* ---- posts: run a callback on the loop thread ---- */

struct bt_post {
    struct bt_list link;
    void (*cb)(struct bt_post *p);
};

/** Queue @p->cb for the loop thread, in order. @p must not be queued already. Any thread. */
void bt_loop_post(struct bt_loop *l, struct bt_post *p);

/* ---- keyed work pools ---- */

struct bt_pool;

struct bt_work {
    struct bt_post post;
    uint64_t key;                   /* works of one key run in order, one at a time; 0 = no order */
    void (*run)(struct bt_work *w); /* pool thread */
    void (*done)(struct bt_work *w, bool cancelled); /* loop thread, exactly once */
    struct bt_pool *pool;
    bool cancelled;
};

/**
 * A pool of @threads (1..16) threads with at most @queue_max works waiting. On a virtual loop no
 * thread is made and run() is called from the loop just before done().
 */
struct bt_pool *bt_pool_new(struct bt_loop *l, const char *name, int threads, size_t queue_max);

/**
 * Cancel what waits (done with cancelled = true), wait for what runs, join the threads, free. Every
 * done() has been called when it returns, here. Not from a done() of the same pool.
 */
void bt_pool_free(struct bt_pool *p);

/** Queue @w. Errors: UNAVAILABLE when the queue is full (nothing happens then). */
int bt_pool_submit(struct bt_pool *p, struct bt_work *w, struct bt_err *err);

/** Works that wait or run. */
size_t bt_pool_load(const struct bt_pool *p);

/* ---- descriptors ---- */

enum { BT_READABLE = 1, BT_WRITABLE = 2 };

struct bt_watch {
    void (*cb)(struct bt_watch *w, int events); /* BT_READABLE | BT_WRITABLE; errors as readable */
    int fd; /* stays the caller's; close it only after bt_watch_stop */
    void *impl;
};

/**
 * Watch @fd for @events (level-triggered), or change them. @w is zero before its first start; @fd
 * becomes non-blocking. Errors: KERNEL (a regular file, a descriptor that is watched already).
 */
int bt_watch_start(struct bt_watch *w, struct bt_loop *l, int fd, int events, struct bt_err *err);

/** Stop watching; fine when not watching. No callback fires afterwards. */
void bt_watch_stop(struct bt_watch *w);

/** Call @cb on the loop thread for each signal @signum until the loop is freed. libuv only. */
int bt_loop_on_signal(struct bt_loop *l, int signum, void (*cb)(void *ctx, int signum), void *ctx,
                      struct bt_err *err);

/* ---- children ---- */

struct bt_child {
    void (*on_exit)(struct bt_child *c, int status,
                    int signum); /* status 0..255, signum 0 or why */
    pid_t pid;
    void *impl;
};

struct bt_spawn {
    const char *const *argv; /* argv[0] absolute */
    const char *const *envp; /* NULL = empty environment */
    const int *fds;  /* child's 0, 1, 2, ...: our descriptors, -1 = /dev/null (0..2) or closed */
    size_t n_fds;    /* <= 8 */
    bool detached;   /* setsid: lives on when we die */
    const char *cwd; /* NULL = "/" */
};

/** Start a process with uv_spawn. on_exit fires exactly once. Errors: HELPER. libuv only. */
int bt_child_spawn(struct bt_child *c, struct bt_loop *l, const struct bt_spawn *spawn,
                   struct bt_err *err);

/** Send a signal; fine when it has ended. */
void bt_child_kill(struct bt_child *c, int signum);
