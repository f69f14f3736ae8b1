/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>

#include "common/base/mem.h"
#include "common/loop/loop_priv.h"

/*
 * The simulated world. Time stands still while anything runs and jumps to the next timer when
 * nothing does. One step is: all posts, or else one timer; so a run is a function of its inputs.
 */
#define MONO_START_MS 1000000

struct loop_virtual {
    struct bt_loop base;
    int64_t mono_ms;
    int64_t utc_minus_mono_ms;
};

static struct loop_virtual *self(struct bt_loop *l);

static int64_t virtual_utc(void *ctx)
{
    const struct loop_virtual *v = ctx;
    return v->mono_ms + v->utc_minus_mono_ms;
}

static int64_t virtual_mono(void *ctx)
{
    return ((const struct loop_virtual *)ctx)->mono_ms;
}

/* Do everything that is due up to @until; the clock follows the timers and stays with the last one.
 */
static void run_steps(struct loop_virtual *v, int64_t until)
{
    int64_t due = 0;
    while (!atomic_load(&v->base.stop)) {
        if (loop_run_posts(&v->base))
            continue;
        if (!loop_timers_next(&v->base, &due) || due > until)
            return;
        if (due > v->mono_ms)
            v->mono_ms = due;
        loop_timers_fire(&v->base, v->mono_ms, 1);
    }
}

static void virtual_run(struct bt_loop *l)
{
    run_steps(self(l), INT64_MAX - 1);
}

/* A single thread looks for posts and timers before each step: nothing to wake or arm. */
static void virtual_nothing(struct bt_loop *l)
{
    (void)l;
}

static void virtual_free(struct bt_loop *l)
{
    loop_fini(l);
    free(self(l));
}

static const struct loop_ops virtual_ops = {
    .run = virtual_run,
    .wake = virtual_nothing,
    .arm = virtual_nothing,
    .free = virtual_free,
    .inline_pools = true,
};

static struct loop_virtual *self(struct bt_loop *l)
{
    assert(l->ops == &virtual_ops);
    return BT_CONTAINER_OF(l, struct loop_virtual, base);
}

struct bt_loop *bt_loop_new_virtual(int64_t utc_ms)
{
    struct loop_virtual *v = bt_xcalloc(1, sizeof *v);
    v->mono_ms = MONO_START_MS;
    v->utc_minus_mono_ms = utc_ms - MONO_START_MS;
    struct bt_clock clock = {virtual_utc, virtual_mono, v};
    loop_init(&v->base, &virtual_ops, &clock);
    return &v->base;
}

void bt_loop_run_until(struct bt_loop *l, int64_t mono_ms)
{
    struct loop_virtual *v = self(l);
    run_steps(v, mono_ms);
    if (!atomic_exchange(&l->stop, false) && mono_ms > v->mono_ms)
        v->mono_ms = mono_ms;
}

void bt_loop_shift_utc(struct bt_loop *l, int64_t delta_ms)
{
    self(l)->utc_minus_mono_ms += delta_ms;
}
