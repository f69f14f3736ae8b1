/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/loop/loop_uv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/mem.h"

/*
 * libuv's timers count CLOCK_MONOTONIC, ours CLOCK_BOOTTIME: after a suspend they differ. So the
 * one kernel timer is never armed for longer than this, and what is due is judged by our own clock.
 */
#define ARM_MAX_MS 60000

struct loop_signal {
    uv_signal_t handle;
    struct bt_list link;
    void (*cb)(void *ctx, int signum);
    void *ctx;
};

static struct loop_uv *self(struct bt_loop *l)
{
    return BT_CONTAINER_OF(l, struct loop_uv, base);
}

static void on_timer(uv_timer_t *handle)
{
    struct loop_uv *u = BT_CONTAINER_OF(handle, struct loop_uv, timer);
    loop_timers_fire(&u->base, bt_mono_ms(&u->base.clock), SIZE_MAX);
}

static void on_async(uv_async_t *handle)
{
    struct loop_uv *u = BT_CONTAINER_OF(handle, struct loop_uv, async);
    (void)loop_run_posts(&u->base);
    loop_timers_fire(&u->base, bt_mono_ms(&u->base.clock), SIZE_MAX);
    if (atomic_load(&u->base.stop))
        uv_stop(&u->uv);
}

static void uv_world_run(struct bt_loop *l)
{
    while (!atomic_load(&l->stop))
        (void)uv_run(&self(l)->uv, UV_RUN_DEFAULT);
}

static void uv_world_wake(struct bt_loop *l)
{
    (void)uv_async_send(&self(l)->async);
}

static void uv_world_arm(struct bt_loop *l)
{
    struct loop_uv *u = self(l);
    int64_t due = 0;
    if (!loop_timers_next(l, &due)) {
        (void)uv_timer_stop(&u->timer);
        return;
    }
    int64_t delay = due - bt_mono_ms(&l->clock);
    if (delay <= 0) {
        /* A libuv timer of 0 that is started by a timer fires before any descriptor is looked at.
         */
        (void)uv_timer_stop(&u->timer);
        (void)uv_async_send(&u->async);
        return;
    }
    uv_update_time(&u->uv);
    (void)uv_timer_start(&u->timer, on_timer, (uint64_t)(delay < ARM_MAX_MS ? delay : ARM_MAX_MS),
                         0);
}

static void refuse_leftover(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (uv_is_closing(handle))
        return;
    (void)fprintf(stderr, "bt_loop_free: a %s handle is still open\n",
                  uv_handle_type_name(uv_handle_get_type(handle)));
    abort();
}

static void signal_closed(uv_handle_t *handle)
{
    free(BT_CONTAINER_OF((uv_signal_t *)handle, struct loop_signal, handle));
}

static void uv_world_free(struct bt_loop *l)
{
    struct loop_uv *u = self(l);
    for (struct bt_list *e = bt_list_pop(&u->signals); e; e = bt_list_pop(&u->signals))
        uv_close((uv_handle_t *)&BT_CONTAINER_OF(e, struct loop_signal, link)->handle,
                 signal_closed);
    uv_close((uv_handle_t *)&u->timer, NULL);
    uv_close((uv_handle_t *)&u->async, NULL);
    uv_walk(&u->uv, refuse_leftover, NULL);
    (void)uv_run(&u->uv, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&u->uv);
    assert(rc == 0);
    (void)rc;
    loop_fini(l);
    free(u);
}

static const struct loop_ops uv_ops = {
    .run = uv_world_run,
    .wake = uv_world_wake,
    .arm = uv_world_arm,
    .free = uv_world_free,
};

struct loop_uv *loop_uv_find(struct bt_loop *l)
{
    return l->ops == &uv_ops ? self(l) : NULL;
}

int loop_uv_fail(struct bt_err *err, enum bt_code code, int uv_errno, const char *what)
{
    if (code == BT_E_KERNEL)
        return bt_fail_errno(err, -uv_errno, "%.200s", what);
    return bt_fail(err, code, "%.200s: %s", what, uv_strerror(uv_errno));
}

int loop_uv_missing(struct bt_err *err, const char *what)
{
    return bt_fail(err, BT_E_UNSUPPORTED, "a virtual loop has no %s", what);
}

struct bt_loop *bt_loop_new(struct bt_err *err)
{
    struct loop_uv *u = bt_xcalloc(1, sizeof *u);
    int rc = uv_loop_init(&u->uv);
    if (rc == 0 && (rc = uv_async_init(&u->uv, &u->async, on_async)) < 0)
        (void)uv_loop_close(&u->uv);
    if (rc < 0) {
        free(u);
        (void)loop_uv_fail(err, BT_E_KERNEL, rc, "event loop");
        return NULL;
    }
    (void)uv_timer_init(&u->uv, &u->timer);
    bt_list_init(&u->signals);
    loop_init(&u->base, &uv_ops, bt_clock_real());
    return &u->base;
}

struct uv_loop_s *bt_loop_uv(struct bt_loop *l)
{
    struct loop_uv *u = loop_uv_find(l);
    return u ? &u->uv : NULL;
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct loop_signal *s = BT_CONTAINER_OF(handle, struct loop_signal, handle);
    s->cb(s->ctx, signum);
}

int bt_loop_on_signal(struct bt_loop *l, int signum, void (*cb)(void *ctx, int signum), void *ctx,
                      struct bt_err *err)
{
    struct loop_uv *u = loop_uv_find(l);
    if (!u)
        return loop_uv_missing(err, "signals");
    struct loop_signal *s = bt_xcalloc(1, sizeof *s);
    s->cb = cb;
    s->ctx = ctx;
    int rc = uv_signal_init(&u->uv, &s->handle);
    if (rc < 0) {
        free(s);
        return loop_uv_fail(err, BT_E_KERNEL, rc, "signal");
    }
    rc = uv_signal_start(&s->handle, on_signal, signum);
    if (rc < 0) {
        uv_close((uv_handle_t *)&s->handle, signal_closed);
        return loop_uv_fail(err, BT_E_KERNEL, rc, "signal");
    }
    bt_list_push(&u->signals, &s->link);
    return 0;
}
