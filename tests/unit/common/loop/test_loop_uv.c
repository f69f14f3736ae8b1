/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: common_loop common_base */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/loop/loop.h"

#include <cmocka.h>

static struct bt_loop *loop_new(void)
{
    struct bt_err err = BT_ERR_INIT;
    struct bt_loop *l = bt_loop_new(&err);
    assert_non_null(l);
    return l;
}

struct tick {
    struct bt_timer timer;
    struct bt_loop *loop;
    int64_t fired_at[8];
    int n, stop_at;
    int64_t again_ms;
};

static void on_tick(struct bt_timer *t)
{
    struct tick *k = BT_CONTAINER_OF(t, struct tick, timer);
    k->fired_at[k->n++] = bt_mono_ms(bt_loop_clock(k->loop));
    if (k->n == k->stop_at)
        bt_loop_stop(k->loop);
    else
        bt_timer_start(t, k->again_ms);
}

static void timers_are_never_early(void **state)
{
    (void)state;
    struct tick k = {.loop = loop_new(), .stop_at = 6, .again_ms = 7};
    bt_timer_init(&k.timer, k.loop, on_tick);
    int64_t before = bt_mono_ms(bt_loop_clock(k.loop));
    bt_timer_start(&k.timer, 7);
    bt_loop_run(k.loop);
    assert_int_equal(k.n, 6);
    for (int i = 0; i < 6; i++) {
        assert_true(k.fired_at[i] >= before + 7);
        before = k.fired_at[i];
    }
    bt_loop_free(k.loop);
}

/* A timer that always starts itself with 0, and a post at each of its turns. */
struct greedy {
    struct bt_timer timer;
    struct bt_post post;
    struct bt_loop *loop;
    int turns, posts;
};

static void on_greedy_post(struct bt_post *p)
{
    BT_CONTAINER_OF(p, struct greedy, post)->posts++;
}

static void on_greedy_timer(struct bt_timer *t)
{
    struct greedy *g = BT_CONTAINER_OF(t, struct greedy, timer);
    assert_int_equal(g->posts, g->turns); /* the one of the last turn has run */
    if (++g->turns == 50) {
        bt_loop_stop(g->loop);
        return;
    }
    bt_loop_post(g->loop, &g->post);
    bt_timer_start(t, 0);
}

static void zero_timer_leaves_room_for_posts(void **state)
{
    (void)state;
    struct greedy g = {.loop = loop_new(), .post.cb = on_greedy_post};
    bt_timer_init(&g.timer, g.loop, on_greedy_timer);
    bt_timer_start(&g.timer, 0);
    bt_loop_run(g.loop);
    assert_int_equal(g.turns, 50);
    bt_loop_free(g.loop);
}

#define POSTS 2000
#define THREADS 4

struct note {
    struct bt_post post;
    struct poster *poster;
    int number;
};

struct poster {
    struct bt_loop *loop;
    struct note notes[POSTS];
    int next;   /* loop thread */
    int *total; /* loop thread */
};

static void on_note(struct bt_post *p)
{
    struct note *n = BT_CONTAINER_OF(p, struct note, post);
    assert_int_equal(n->number, n->poster->next++);
    if (++*n->poster->total == POSTS * THREADS)
        bt_loop_stop(n->poster->loop);
}

static void *post_all(void *arg)
{
    struct poster *p = arg;
    for (int i = 0; i < POSTS; i++) {
        p->notes[i] = (struct note){.post.cb = on_note, .poster = p, .number = i};
        bt_loop_post(p->loop, &p->notes[i].post);
    }
    return NULL;
}

static void posts_from_threads_keep_order(void **state)
{
    (void)state;
    struct bt_loop *l = loop_new();
    struct poster *posters = bt_xcalloc(THREADS, sizeof *posters);
    pthread_t threads[THREADS];
    int total = 0;
    for (int i = 0; i < THREADS; i++) {
        posters[i].loop = l;
        posters[i].total = &total;
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
    }
    bt_loop_run(l);
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    assert_int_equal(total, POSTS * THREADS);
    free(posters);
    bt_loop_free(l);
}

static void *stop_later(void *arg)
{
    (void)usleep(20000);
    bt_loop_stop(arg);
    return NULL;
}

static void stop_from_a_thread(void **state)
{
    (void)state;
    struct bt_loop *l = loop_new();
    for (int i = 0; i < 3; i++) {
        pthread_t t;
        assert_int_equal(pthread_create(&t, NULL, stop_later, l), 0);
        bt_loop_run(l);
        (void)pthread_join(t, NULL);
    }
    bt_loop_stop(l);
    bt_loop_run(l); /* a stop from before is not lost */
    bt_loop_free(l);
}

static void *run_loop(void *arg)
{
    bt_loop_run(arg);
    return NULL;
}

static void runs_on_another_thread(void **state)
{
    (void)state;
    struct tick k = {.loop = loop_new(), .stop_at = 2, .again_ms = 1};
    bt_timer_init(&k.timer, k.loop, on_tick);
    bt_timer_start(&k.timer, 1);
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, run_loop, k.loop), 0);
    (void)pthread_join(t, NULL);
    assert_int_equal(k.n, 2);
    bt_loop_free(k.loop);
}

static int posts_run;

static void count_post(struct bt_post *p)
{
    (void)p;
    posts_run++;
}

static void free_runs_what_is_queued(void **state)
{
    (void)state;
    struct bt_loop *l = loop_new();
    struct bt_post p = {.cb = count_post};
    posts_run = 0;
    bt_loop_post(l, &p);
    bt_loop_free(l);
    assert_int_equal(posts_run, 1);
    bt_loop_free(NULL);
}

struct seen {
    struct bt_loop *loop;
    int count;
};

static void on_signal(void *ctx, int signum)
{
    struct seen *s = ctx;
    assert_int_equal(signum, SIGUSR1);
    if (++s->count == 2)
        bt_loop_stop(s->loop);
    else
        (void)raise(SIGUSR1);
}

static void signals_arrive_on_the_loop(void **state)
{
    (void)state;
    struct seen s = {.loop = loop_new()};
    struct bt_err err = BT_ERR_INIT;
    assert_int_equal(bt_loop_on_signal(s.loop, SIGUSR1, on_signal, &s, &err), 0);
    assert_int_equal(bt_loop_on_signal(s.loop, SIGKILL, on_signal, &s, &err), -BT_E_KERNEL);
    (void)raise(SIGUSR1);
    bt_loop_run(s.loop);
    assert_int_equal(s.count, 2);
    bt_loop_free(s.loop);
}

static void clock_is_the_kernels(void **state)
{
    (void)state;
    struct bt_loop *l = loop_new();
    int64_t now = bt_mono_ms(bt_clock_real());
    int64_t got = bt_mono_ms(bt_loop_clock(l));
    assert_true(got >= now && got < now + 1000);
    assert_non_null(bt_loop_uv(l));
    bt_loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_are_never_early),
        cmocka_unit_test(zero_timer_leaves_room_for_posts),
        cmocka_unit_test(posts_from_threads_keep_order),
        cmocka_unit_test(stop_from_a_thread),
        cmocka_unit_test(runs_on_another_thread),
        cmocka_unit_test(free_runs_what_is_queued),
        cmocka_unit_test(signals_arrive_on_the_loop),
        cmocka_unit_test(clock_is_the_kernels),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
