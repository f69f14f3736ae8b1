/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/loop/loop.h"

#include <cmocka.h>

#define START INT64_C(1000000)

/* A diary of what happened when, as text. */
struct scene {
    struct bt_loop *loop;
    struct bt_buf diary;
};

struct actor {
    struct bt_timer timer;
    struct bt_post post;
    struct scene *scene;
    const char *name;
    int64_t again_ms; /* >= 0: restart */
    int left;
};

static void note(struct actor *a, const char *what)
{
    (void)bt_buf_addf(&a->scene->diary, "%s%s@%lld ", what, a->name,
                      (long long)(bt_mono_ms(bt_loop_clock(a->scene->loop)) - START));
}

static void on_timer(struct bt_timer *t)
{
    struct actor *a = BT_CONTAINER_OF(t, struct actor, timer);
    note(a, "");
    if (a->left-- > 0)
        bt_timer_start(t, a->again_ms);
}

static void on_post(struct bt_post *p)
{
    note(BT_CONTAINER_OF(p, struct actor, post), "p");
}

static void on_timer_post(struct bt_timer *t)
{
    struct actor *a = BT_CONTAINER_OF(t, struct actor, timer);
    note(a, "");
    bt_loop_post(a->scene->loop, &a->post);
}

static struct actor actor(struct scene *s, const char *name)
{
    struct actor a = {.scene = s, .name = name, .post.cb = on_post};
    return a;
}

static struct scene scene(void)
{
    return (struct scene){bt_loop_new_virtual(5000), BT_BUF(1 << 16)};
}

static void scene_end(struct scene *s)
{
    bt_loop_free(s->loop);
    bt_buf_fini(&s->diary);
}

static void order_is_due_then_start(void **state)
{
    (void)state;
    struct scene s = scene();
    struct actor a[4];
    static const char *const names[] = {"a", "b", "c", "d"};
    static const int64_t delays[] = {20, 10, 20, 0};
    for (int i = 0; i < 4; i++) {
        a[i] = actor(&s, names[i]);
        bt_timer_init(&a[i].timer, s.loop, on_timer);
        bt_timer_start(&a[i].timer, delays[i]);
    }
    bt_timer_start(&a[0].timer, 20); /* moved behind c */
    bt_loop_run(s.loop);
    assert_string_equal(s.diary.data, "d@0 b@10 c@20 a@20 ");
    assert_false(bt_timer_running(&a[0].timer));
    scene_end(&s);
}

static void posts_come_before_timers(void **state)
{
    (void)state;
    struct scene s = scene();
    struct actor a = actor(&s, "a");
    struct actor b = actor(&s, "b");
    struct actor c = actor(&s, "c");
    bt_timer_init(&a.timer, s.loop, on_timer_post);
    bt_timer_init(&b.timer, s.loop, on_timer);
    bt_timer_start(&a.timer, 5);
    bt_timer_start(&b.timer, 5);
    bt_loop_post(s.loop, &c.post);
    bt_loop_post(s.loop, &b.post);
    assert_int_equal(s.diary.len, 0);
    bt_loop_run(s.loop);
    assert_string_equal(s.diary.data, "pc@0 pb@0 a@5 pa@5 b@5 ");
    scene_end(&s);
}

static void periodic_until(void **state)
{
    (void)state;
    struct scene s = scene();
    struct actor a = actor(&s, "a");
    a.again_ms = 10;
    a.left = 1000000;
    bt_timer_init(&a.timer, s.loop, on_timer);
    bt_timer_start(&a.timer, 10);
    bt_loop_run_until(s.loop, START + 30);
    assert_string_equal(s.diary.data, "a@10 a@20 a@30 ");
    bt_loop_run_until(s.loop, START + 39);
    assert_string_equal(s.diary.data, "a@10 a@20 a@30 ");
    assert_int_equal(bt_mono_ms(bt_loop_clock(s.loop)), START + 39);
    bt_timer_stop(&a.timer);
    bt_timer_stop(&a.timer);
    bt_loop_run(s.loop);
    assert_int_equal(bt_mono_ms(bt_loop_clock(s.loop)), START + 39);
    scene_end(&s);
}

/* A timer that restarts with 0 lets others that are due go first. */
static void zero_delay_is_fair(void **state)
{
    (void)state;
    struct scene s = scene();
    struct actor a = actor(&s, "a");
    struct actor b = actor(&s, "b");
    a.left = 3;
    bt_timer_init(&a.timer, s.loop, on_timer);
    bt_timer_init(&b.timer, s.loop, on_timer);
    bt_timer_start(&a.timer, 0);
    bt_timer_start(&b.timer, 0);
    bt_loop_run(s.loop);
    assert_string_equal(s.diary.data, "a@0 b@0 a@0 a@0 a@0 ");
    scene_end(&s);
}

static void on_timer_stop(struct bt_timer *t)
{
    struct actor *a = BT_CONTAINER_OF(t, struct actor, timer);
    note(a, "");
    bt_loop_stop(a->scene->loop);
    bt_timer_start(t, 10);
}

static void stop_stops(void **state)
{
    (void)state;
    struct scene s = scene();
    struct actor a = actor(&s, "a");
    bt_timer_init(&a.timer, s.loop, on_timer_stop);
    bt_timer_start(&a.timer, 10);
    bt_loop_run(s.loop);
    assert_string_equal(s.diary.data, "a@10 ");
    bt_loop_run_until(s.loop, START + 1000);
    assert_string_equal(s.diary.data, "a@10 a@20 ");
    assert_int_equal(bt_mono_ms(bt_loop_clock(s.loop)), START + 20);
    bt_timer_stop(&a.timer);
    scene_end(&s);
}

static void wall_clock_can_jump(void **state)
{
    (void)state;
    struct scene s = scene();
    const struct bt_clock *c = bt_loop_clock(s.loop);
    assert_int_equal(bt_utc_ms(c), 5000);
    bt_loop_run_until(s.loop, START + 100);
    assert_int_equal(bt_utc_ms(c), 5100);
    bt_loop_shift_utc(s.loop, -3000);
    assert_int_equal(bt_utc_ms(c), 2100);
    assert_int_equal(bt_mono_ms(c), START + 100);
    scene_end(&s);
}

static void world_is_missing(void **state)
{
    (void)state;
    struct scene s = scene();
    struct bt_err err = BT_ERR_INIT;
    struct bt_watch w = {.cb = NULL};
    struct bt_child c = {.on_exit = NULL};
    static const char *const argv[] = {"/bin/true", NULL};
    assert_null(bt_loop_uv(s.loop));
    assert_int_equal(bt_watch_start(&w, s.loop, 0, BT_READABLE, &err), -BT_E_UNSUPPORTED);
    assert_int_equal(bt_child_spawn(&c, s.loop, &(struct bt_spawn){.argv = argv}, &err),
                     -BT_E_UNSUPPORTED);
    assert_int_equal(bt_loop_on_signal(s.loop, 10, NULL, NULL, &err), -BT_E_UNSUPPORTED);
    bt_watch_stop(&w);
    bt_child_kill(&c, 9);
    scene_end(&s);
}

/* Random starts, moves and stops against a list that is searched: the heap tells the same story. */
#define MANY 300

static void heap_against_search(void **state)
{
    (void)state;
    struct bt_random_seeded r;
    bt_random_seeded_init(&r, 7);
    struct scene s = scene();
    struct actor *a = bt_xcalloc(MANY, sizeof *a);
    char names[MANY][8];
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof names[i], "%d", i);
        a[i] = actor(&s, names[i]);
        bt_timer_init(&a[i].timer, s.loop, on_timer);
    }
    for (int n = 0; n < 5000; n++) {
        struct bt_timer *t = &a[bt_random_below(&r.table, MANY)].timer;
        if (bt_random_below(&r.table, 3) == 0)
            bt_timer_stop(t);
        else
            bt_timer_start(t, (int64_t)bt_random_below(&r.table, 50));
    }
    struct bt_buf want = BT_BUF(1 << 16);
    for (;;) {
        struct bt_timer *first = NULL;
        for (int i = 0; i < MANY; i++) {
            struct bt_timer *t = &a[i].timer;
            bool earlier = !first || t->due_mono_ms < first->due_mono_ms ||
                           (t->due_mono_ms == first->due_mono_ms && t->seq < first->seq);
            if (bt_timer_running(t) && a[i].left == 0 && earlier)
                first = t;
        }
        if (!first)
            break;
        struct actor *next = BT_CONTAINER_OF(first, struct actor, timer);
        (void)bt_buf_addf(&want, "%s@%lld ", next->name, (long long)(first->due_mono_ms - START));
        next->left = -1;
    }
    bt_loop_run(s.loop);
    assert_string_equal(s.diary.data, want.data);
    bt_buf_fini(&want);
    free(a);
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_due_then_start),
        cmocka_unit_test(posts_come_before_timers),
        cmocka_unit_test(periodic_until),
        cmocka_unit_test(zero_delay_is_fair),
        cmocka_unit_test(stop_stops),
        cmocka_unit_test(wall_clock_can_jump),
        cmocka_unit_test(world_is_missing),
        cmocka_unit_test(heap_against_search),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
