/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: common_loop common_base */
/*
 * Two peers over a link that loses, doubles and reorders what it carries, on a virtual clock: the
 * peers' window protocol delivers every message once and in order, for every seed, and one seed is
 * one history. It proves the loop's timers and posts as the ground that all simulations stand on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/world.h"
#include "common/loop/loop.h"

#include <cmocka.h>

#define MESSAGES 1000
#define SEEDS 200
#define WINDOW 16
#define RESEND_MS 250
#define DEADLINE_MS INT64_C(86400000)

struct link {
    struct bt_loop *loop;
    struct bt_random_seeded random;
    struct bt_list flying;
    uint64_t sent, lost, doubled, late; /* late: overtaken by a later frame */
    uint64_t last_number[2];
    uint64_t history; /* FNV-1a over everything that arrived, with its time */
    uint64_t drop_percent, double_percent;
    int64_t latency_max_ms;
};

/* One frame in the air. kind 0 carries a message, kind 1 acknowledges all below `number`. */
struct flight {
    struct bt_timer timer;
    struct bt_list in_air;
    struct link *link;
    struct peer *to;
    int kind;
    uint64_t number;
    uint64_t payload;
    uint64_t order; /* of sending */
};

struct peer {
    struct link *link;
    struct peer *other;
    struct bt_timer resend;
    struct bt_post go;
    uint64_t first, next; /* sender: unacknowledged window [first, next) */
    uint64_t want;        /* receiver: next number in order */
    bool early[WINDOW];   /* receiver: which of want.. arrived already (ring by number) */
    uint64_t early_payload[WINDOW];
    uint64_t delivered;
    uint64_t twice; /* duplicates that were recognised */
};

static uint64_t payload_of(uint64_t number)
{
    return number * 0x9e3779b97f4a7c15u + 1;
}

static void remember(struct link *l, uint64_t v)
{
    l->history = (l->history ^ v) * 0x100000001b3u;
}

static void on_frame(struct peer *p, const struct flight *f);

static void on_arrival(struct bt_timer *t)
{
    struct flight *f = BT_CONTAINER_OF(t, struct flight, timer);
    struct link *l = f->link;
    bt_list_remove(&f->in_air);
    l->late += f->order < l->last_number[f->kind];
    l->last_number[f->kind] = f->order;
    remember(l, (uint64_t)bt_mono_ms(bt_loop_clock(l->loop)));
    remember(l, f->number << 1 | (uint64_t)f->kind);
    on_frame(f->to, f);
    free(f);
}

static void fly(struct link *l, const struct flight *frame)
{
    struct flight *f = bt_xmalloc(sizeof *f);
    *f = *frame;
    f->link = l;
    bt_list_init(&f->in_air);
    bt_list_push(&l->flying, &f->in_air);
    bt_timer_init(&f->timer, l->loop, on_arrival);
    bt_timer_start(&f->timer,
                   1 + (int64_t)bt_random_below(&l->random.table, (uint64_t)l->latency_max_ms));
}

static void link_send(struct link *l, struct flight frame)
{
    frame.order = ++l->sent;
    if (bt_random_below(&l->random.table, 100) < l->drop_percent) {
        l->lost++;
        return;
    }
    fly(l, &frame);
    if (bt_random_below(&l->random.table, 100) < l->double_percent) {
        l->doubled++;
        fly(l, &frame);
    }
}

static void send_message(struct peer *p, uint64_t number)
{
    link_send(p->link,
              (struct flight){.to = p->other, .number = number, .payload = payload_of(number)});
}

static void fill_window(struct peer *p)
{
    while (p->next < MESSAGES && p->next < p->first + WINDOW)
        send_message(p, p->next++);
    if (p->first == MESSAGES)
        bt_timer_stop(&p->resend);
    else if (!bt_timer_running(&p->resend))
        bt_timer_start(&p->resend, RESEND_MS);
}

static void on_resend(struct bt_timer *t)
{
    struct peer *p = BT_CONTAINER_OF(t, struct peer, resend);
    for (uint64_t n = p->first; n < p->next; n++)
        send_message(p, n);
    bt_timer_start(t, RESEND_MS);
}

static void on_go(struct bt_post *post)
{
    fill_window(BT_CONTAINER_OF(post, struct peer, go));
}

/* New room is used from a post: many acknowledgements of one instant send once. */
static void on_ack(struct peer *p, uint64_t below)
{
    if (below <= p->first)
        return;
    p->first = below;
    bt_timer_stop(&p->resend);
    if (bt_list_empty(&p->go.link))
        bt_loop_post(p->link->loop, &p->go);
}

static void on_message(struct peer *p, const struct flight *f)
{
    uint64_t slot = f->number % WINDOW;
    assert_true(f->number < p->want + WINDOW);
    if (f->number < p->want || p->early[slot]) {
        p->twice++;
    } else {
        p->early[slot] = true;
        p->early_payload[slot] = f->payload;
    }
    for (; p->early[p->want % WINDOW]; p->want++) {
        p->early[p->want % WINDOW] = false;
        assert_true(p->early_payload[p->want % WINDOW] == payload_of(p->want));
        assert_true(p->want == p->delivered);
        p->delivered++;
    }
    link_send(p->link, (struct flight){.to = p->other, .kind = 1, .number = p->want});
}

static void on_frame(struct peer *p, const struct flight *f)
{
    if (f->kind == 1)
        on_ack(p, f->number);
    else
        on_message(p, f);
}

static void peer_init(struct peer *p, struct link *l, struct peer *other)
{
    *p = (struct peer){.link = l, .other = other, .go.cb = on_go};
    bt_list_init(&p->go.link);
    bt_timer_init(&p->resend, l->loop, on_resend);
}

struct result {
    uint64_t lost, doubled, late, twice, history, delivered[2];
    uint64_t sent;
};

/* Both send MESSAGES to each other at once; ends when the loop has nothing left to do. */
static struct result play(uint64_t seed)
{
    struct link l = {.loop = bt_loop_new_virtual(0), .history = 0xcbf29ce484222325u};
    struct peer a;
    struct peer b;
    bt_list_init(&l.flying);
    bt_random_seeded_init(&l.random, seed);
    l.drop_percent = bt_random_below(&l.random.table, 41);
    l.double_percent = bt_random_below(&l.random.table, 31);
    l.latency_max_ms = 1 + (int64_t)bt_random_below(&l.random.table, 200);
    peer_init(&a, &l, &b);
    peer_init(&b, &l, &a);
    int64_t start = bt_mono_ms(bt_loop_clock(l.loop));
    bt_loop_post(l.loop, &a.go);
    bt_loop_post(l.loop, &b.go);
    bt_loop_run_until(l.loop, start + DEADLINE_MS);
    assert_true(bt_list_empty(&l.flying));
    assert_true(a.first == MESSAGES && b.first == MESSAGES);
    bt_loop_free(l.loop);
    return (struct result){.lost = l.lost,
                           .doubled = l.doubled,
                           .late = l.late,
                           .twice = a.twice + b.twice,
                           .history = l.history,
                           .delivered = {a.delivered, b.delivered},
                           .sent = l.sent};
}

static void each_message_once_for_every_seed(void **state)
{
    (void)state;
    uint64_t lost = 0;
    uint64_t doubled = 0;
    uint64_t late = 0;
    uint64_t twice = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct result r = play(seed);
        if (r.delivered[0] != MESSAGES || r.delivered[1] != MESSAGES)
            fail_msg("seed %llu: %llu and %llu delivered", (unsigned long long)seed,
                     (unsigned long long)r.delivered[0], (unsigned long long)r.delivered[1]);
        lost += r.lost;
        doubled += r.doubled;
        late += r.late;
        twice += r.twice;
    }
    print_message("# %llu lost, %llu doubled, %llu overtaken, %llu duplicates recognised\n",
                  (unsigned long long)lost, (unsigned long long)doubled, (unsigned long long)late,
                  (unsigned long long)twice);
    /* The link was as bad as it says, else this proves nothing. */
    assert_true(lost > 10000 && doubled > 10000 && late > 10000 && twice > 10000);
}

static void one_seed_is_one_history(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct result one = play(seed);
        struct result two = play(seed);
        struct result other = play(seed + 1000);
        assert_memory_equal(&one, &two, sizeof one);
        assert_true(one.history != other.history);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_message_once_for_every_seed),
        cmocka_unit_test(one_seed_is_one_history),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
