/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/loop/loop.h"

#include <cmocka.h>

#define KEYS 5

struct job {
    struct bt_work work;
    struct hall *hall;
    int number; /* within its key */
    int spin;
    int wait_for; /* until so many have run at once, 10 s at most */
    bool ran;
    int done;
};

/* Where the jobs of one test meet. */
struct hall {
    struct bt_loop *loop;
    struct bt_pool *pool;
    atomic_int running[KEYS + 1]; /* works of a key that run now; 0 = any */
    atomic_int most;              /* works that ran at once */
    int ran_next[KEYS + 1];       /* guarded by the pool's key order: TSan proves it */
    int done_next[KEYS + 1];
    int done, cancelled, stop_at;
    pthread_t loop_thread;
};

static void job_run(struct bt_work *w)
{
    struct job *j = BT_CONTAINER_OF(w, struct job, work);
    struct hall *h = j->hall;
    int now = atomic_fetch_add(&h->running[0], 1) + 1;
    int most = atomic_load(&h->most);
    while (now > most && !atomic_compare_exchange_weak(&h->most, &most, now))
        ;
    if (w->key) {
        assert_int_equal(atomic_fetch_add(&h->running[w->key], 1), 0);
        assert_int_equal(h->ran_next[w->key]++, j->number);
    }
    for (int i = 0; i < 10000 && atomic_load(&h->most) < j->wait_for; i++)
        (void)usleep(1000);
    if (j->spin)
        (void)usleep((useconds_t)j->spin);
    j->ran = true;
    if (w->key)
        atomic_fetch_sub(&h->running[w->key], 1);
    atomic_fetch_sub(&h->running[0], 1);
}

static void job_done(struct bt_work *w, bool cancelled)
{
    struct job *j = BT_CONTAINER_OF(w, struct job, work);
    struct hall *h = j->hall;
    assert_true(pthread_equal(h->loop_thread, pthread_self()));
    assert_int_equal(j->done++, 0);
    assert_int_equal(cancelled, w->cancelled);
    assert_true(j->ran != cancelled);
    if (w->key)
        assert_int_equal(h->done_next[w->key]++, j->number);
    h->cancelled += cancelled;
    if (++h->done == h->stop_at)
        bt_loop_stop(h->loop);
}

static struct hall *hall_new(struct bt_loop *l, int threads, size_t queue_max)
{
    struct hall *h = bt_xcalloc(1, sizeof *h);
    h->loop = l;
    h->loop_thread = pthread_self();
    h->pool = bt_pool_new(l, "test", threads, queue_max);
    return h;
}

static void hall_free(struct hall *h)
{
    bt_pool_free(h->pool);
    bt_loop_free(h->loop);
    free(h);
}

static struct bt_loop *uv_loop(void)
{
    struct bt_err err = BT_ERR_INIT;
    struct bt_loop *l = bt_loop_new(&err);
    assert_non_null(l);
    return l;
}

static void job_init(struct job *j, struct hall *h, uint64_t key, int number)
{
    *j = (struct job){
        .work = {.key = key, .run = job_run, .done = job_done}, .hall = h, .number = number};
}

static void submit_many(struct hall *h, struct job *jobs, int n)
{
    struct bt_err err = BT_ERR_INIT;
    int next[KEYS + 1] = {0};
    struct bt_random_seeded r;
    bt_random_seeded_init(&r, 3);
    for (int i = 0; i < n; i++) {
        uint64_t key = bt_random_below(&r.table, KEYS + 1);
        job_init(&jobs[i], h, key, next[key]++);
        jobs[i].spin = (int)bt_random_below(&r.table, 60);
        assert_int_equal(bt_pool_submit(h->pool, &jobs[i].work, &err), 0);
    }
}

static void keys_keep_order(struct bt_loop *l, int threads)
{
    enum { N = 2000 };
    struct hall *h = hall_new(l, threads, N);
    struct job *jobs = bt_xcalloc(N, sizeof *jobs);
    h->stop_at = N;
    submit_many(h, jobs, N);
    bt_loop_run(l);
    assert_int_equal(h->done, N);
    assert_int_equal(h->cancelled, 0);
    assert_true(h->most <= threads);
    assert_int_equal(bt_pool_load(h->pool), 0);
    hall_free(h);
    free(jobs);
}

static void keys_keep_order_in_threads(void **state)
{
    (void)state;
    keys_keep_order(uv_loop(), 8);
    keys_keep_order(uv_loop(), 1);
}

static void keys_keep_order_inline(void **state)
{
    (void)state;
    keys_keep_order(bt_loop_new_virtual(0), 8);
}

static void works_run_at_once(void **state)
{
    (void)state;
    struct hall *h = hall_new(uv_loop(), 4, 10);
    struct job jobs[4];
    struct bt_err err = BT_ERR_INIT;
    h->stop_at = 4;
    for (int i = 0; i < 4; i++) {
        job_init(&jobs[i], h, (uint64_t)i, 0);
        jobs[i].wait_for = 4;
        assert_int_equal(bt_pool_submit(h->pool, &jobs[i].work, &err), 0);
    }
    bt_loop_run(h->loop);
    assert_int_equal(h->most, 4);
    hall_free(h);
}

/* @extra: a thread may have taken one off the queue meanwhile. */
static void queue_is_bounded(struct bt_loop *l, int extra)
{
    struct hall *h = hall_new(l, 1, 3);
    struct job jobs[8];
    struct bt_err err = BT_ERR_INIT;
    int taken = 0;
    for (int i = 0; i < 8; i++) {
        job_init(&jobs[i], h, 1, taken);
        jobs[i].spin = 50000;
        int rc = bt_pool_submit(h->pool, &jobs[i].work, &err);
        assert_true(rc == 0 || rc == -BT_E_UNAVAILABLE);
        taken += rc == 0;
    }
    assert_true(taken >= 3 && taken <= 3 + extra);
    assert_int_equal(bt_pool_load(h->pool), taken);
    h->stop_at = taken;
    bt_loop_run(l);
    assert_int_equal(h->done, taken);
    hall_free(h);
}

static void queues_are_bounded(void **state)
{
    (void)state;
    queue_is_bounded(uv_loop(), 1);
    queue_is_bounded(bt_loop_new_virtual(0), 0);
}

/* Free while one work runs, one has finished unseen, and others wait behind it: each done() once.
 */
static void free_cancels(struct bt_loop *l, bool threads)
{
    enum { N = 200 };
    struct hall *h = hall_new(l, 2, N);
    struct job *jobs = bt_xcalloc(N, sizeof *jobs);
    struct bt_err err = BT_ERR_INIT;
    for (int i = 0; i < N; i++) {
        job_init(&jobs[i], h, 1 + (uint64_t)(i % 2), i / 2);
        jobs[i].spin = 20000;
        assert_int_equal(bt_pool_submit(h->pool, &jobs[i].work, &err), 0);
    }
    if (threads)
        (void)usleep(50000);
    bt_pool_free(h->pool);
    h->pool = NULL;
    assert_int_equal(h->done, N);
    assert_true(threads ? h->cancelled > 0 && h->cancelled < N : h->cancelled == N);
    hall_free(h);
    free(jobs);
}

static void free_cancels_what_waits(void **state)
{
    (void)state;
    free_cancels(uv_loop(), true);
    free_cancels(bt_loop_new_virtual(0), false);
}

static void free_of_an_idle_pool(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        hall_free(hall_new(uv_loop(), 16, 1));
    bt_pool_free(NULL);
}

/* Works of a chain: each done() submits the next. Nothing fires inside submit. */
struct chain {
    struct job job;
    int left;
};

static void chain_done(struct bt_work *w, bool cancelled)
{
    struct chain *c = BT_CONTAINER_OF(w, struct chain, job.work);
    struct bt_err err = BT_ERR_INIT;
    assert_false(cancelled);
    if (c->left-- == 0) {
        bt_loop_stop(c->job.hall->loop);
        return;
    }
    c->job.number++;
    int left = c->left;
    assert_int_equal(bt_pool_submit(c->job.hall->pool, w, &err), 0);
    assert_int_equal(c->left, left);
}

static void chain_of_works(struct bt_loop *l)
{
    struct hall *h = hall_new(l, 3, 1);
    struct chain c = {.left = 50};
    struct bt_err err = BT_ERR_INIT;
    job_init(&c.job, h, 3, 0);
    c.job.work.done = chain_done;
    assert_int_equal(bt_pool_submit(h->pool, &c.job.work, &err), 0);
    bt_loop_run(l);
    assert_int_equal(c.left, -1);
    assert_int_equal(c.job.number, 50);
    hall_free(h);
}

static void works_submit_works(void **state)
{
    (void)state;
    chain_of_works(uv_loop());
    chain_of_works(bt_loop_new_virtual(0));
}

static void mask_run(struct bt_work *w)
{
    struct job *j = BT_CONTAINER_OF(w, struct job, work);
    sigset_t set;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &set);
    j->ran = sigismember(&set, SIGTERM) && sigismember(&set, SIGCHLD);
}

static void workers_block_signals(void **state)
{
    (void)state;
    struct hall *h = hall_new(uv_loop(), 1, 1);
    struct job j;
    struct bt_err err = BT_ERR_INIT;
    sigset_t set;
    job_init(&j, h, 0, 0);
    j.work.run = mask_run;
    h->stop_at = 1;
    assert_int_equal(bt_pool_submit(h->pool, &j.work, &err), 0);
    bt_loop_run(h->loop);
    assert_true(j.ran);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &set);
    assert_false(sigismember(&set, SIGTERM));
    hall_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_keep_order_in_threads), cmocka_unit_test(keys_keep_order_inline),
        cmocka_unit_test(works_run_at_once),          cmocka_unit_test(queues_are_bounded),
        cmocka_unit_test(free_cancels_what_waits),    cmocka_unit_test(free_of_an_idle_pool),
        cmocka_unit_test(works_submit_works),         cmocka_unit_test(workers_block_signals),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
