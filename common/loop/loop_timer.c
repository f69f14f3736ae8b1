/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>

#include "common/base/mem.h"
#include "common/loop/loop_priv.h"

/* A binary heap by (due, seq), 1-based through heap_at: heap[i - 1] is at place i. */
static bool before(const struct bt_timer *a, const struct bt_timer *b)
{
    return a->due_mono_ms != b->due_mono_ms ? a->due_mono_ms < b->due_mono_ms : a->seq < b->seq;
}

static void place(struct loop_timers *h, struct bt_timer *t, size_t at)
{
    h->heap[at - 1] = t;
    t->heap_at = at;
}

static void sift_up(struct loop_timers *h, struct bt_timer *t)
{
    size_t at = t->heap_at;
    for (; at > 1 && before(t, h->heap[at / 2 - 1]); at /= 2)
        place(h, h->heap[at / 2 - 1], at);
    place(h, t, at);
}

static void sift_down(struct loop_timers *h, struct bt_timer *t)
{
    size_t at = t->heap_at;
    for (size_t child = 2 * at; child <= h->len; child = 2 * at) {
        if (child < h->len && before(h->heap[child], h->heap[child - 1]))
            child++;
        if (!before(h->heap[child - 1], t))
            break;
        place(h, h->heap[child - 1], at);
        at = child;
    }
    place(h, t, at);
}

static void heap_add(struct loop_timers *h, struct bt_timer *t)
{
    if (h->len == h->cap) {
        h->cap = h->cap ? 2 * h->cap : 16;
        h->heap = bt_xrealloc(h->heap, h->cap, sizeof(struct bt_timer *));
    }
    place(h, t, ++h->len);
    sift_up(h, t);
}

static void heap_remove(struct loop_timers *h, struct bt_timer *t)
{
    struct bt_timer *last = h->heap[--h->len];
    if (last != t) {
        place(h, last, t->heap_at);
        sift_up(h, last);
        sift_down(h, last);
    }
    t->heap_at = 0;
}

void bt_timer_init(struct bt_timer *t, struct bt_loop *l, void (*cb)(struct bt_timer *t))
{
    *t = (struct bt_timer){.loop = l, .cb = cb};
}

void bt_timer_start(struct bt_timer *t, int64_t delay_ms)
{
    struct bt_loop *l = t->loop;
    assert(loop_on_thread(l) && delay_ms >= 0);
    if (t->heap_at)
        heap_remove(&l->timers, t);
    int64_t now = bt_mono_ms(&l->clock);
    if (__builtin_add_overflow(now, delay_ms, &t->due_mono_ms))
        t->due_mono_ms = INT64_MAX;
    t->seq = l->timers.next_seq++;
    heap_add(&l->timers, t);
    if (!l->timers.firing)
        l->ops->arm(l);
}

void bt_timer_stop(struct bt_timer *t)
{
    if (!t->heap_at)
        return;
    assert(loop_on_thread(t->loop));
    heap_remove(&t->loop->timers, t);
    if (!t->loop->timers.firing)
        t->loop->ops->arm(t->loop);
}

bool loop_timers_next(const struct bt_loop *l, int64_t *ret_due)
{
    if (l->timers.len == 0)
        return false;
    *ret_due = l->timers.heap[0]->due_mono_ms;
    return true;
}

void loop_timers_fire(struct bt_loop *l, int64_t now, size_t max)
{
    struct loop_timers *h = &l->timers;
    uint64_t limit = h->next_seq;
    h->firing = true;
    for (size_t n = 0; n < max && h->len > 0; n++) {
        struct bt_timer *t = h->heap[0];
        if (t->due_mono_ms > now || t->seq >= limit)
            break;
        heap_remove(h, t);
        t->cb(t);
    }
    h->firing = false;
    l->ops->arm(l);
}
