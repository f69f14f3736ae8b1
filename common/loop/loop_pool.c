/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/loop/loop_priv.h"

/*
 * Invariants, under the lock:
 * 1. A work is on exactly one list: ready, its key's line, finished; or on none while it runs.
 * 2. A key is in `keys` while one of its works is ready or runs; the others stand in its line.
 * 3. n_waiting = works that are ready or in a line.
 * 4. The pool's post is queued whenever `finished` (inline: `ready`) is not empty.
 */
#define THREADS_MAX 16

struct line {
    struct bt_list works;
    uint64_t key;
};

struct bt_pool {
    struct bt_loop *loop;
    struct bt_post post;
    size_t queue_max;
    int n_threads;
    pthread_t threads[THREADS_MAX];
    char name[16];   /* of the threads; the kernel's limit */
    bool delivering; /* loop thread only */

    pthread_mutex_t lock;
    pthread_cond_t more;
    struct bt_list ready;
    struct bt_list finished;
    struct bt_map keys; /* struct line, owned */
    size_t n_waiting;
    size_t n_running;
    bool posted;
    bool ending;
};

static struct bt_work *work_of(struct bt_list *e)
{
    return e ? BT_CONTAINER_OF(e, struct bt_work, post.link) : NULL;
}

static void lock(struct bt_pool *p)
{
    (void)pthread_mutex_lock(&p->lock);
}

static void unlock(struct bt_pool *p)
{
    (void)pthread_mutex_unlock(&p->lock);
}

/* Lock held. A work whose key is busy stands in line; anything else is ready. */
static void enqueue(struct bt_pool *p, struct bt_work *w)
{
    struct line *line = w->key ? bt_map_find_u64(&p->keys, w->key) : NULL;
    p->n_waiting++;
    if (line) {
        bt_list_push(&line->works, &w->post.link);
        return;
    }
    if (w->key) {
        line = bt_xcalloc(1, sizeof *line);
        line->key = w->key;
        bt_list_init(&line->works);
        (void)bt_map_set_u64(&p->keys, w->key, line);
    }
    bt_list_push(&p->ready, &w->post.link);
    (void)pthread_cond_signal(&p->more);
}

/* Lock held. The next work of a key that has none running any more, or the key is forgotten. */
static void release_key(struct bt_pool *p, uint64_t key)
{
    struct line *line = key ? bt_map_find_u64(&p->keys, key) : NULL;
    if (!line)
        return;
    struct bt_list *e = bt_list_pop(&line->works);
    if (e) {
        bt_list_push(&p->ready, e);
        (void)pthread_cond_signal(&p->more);
        return;
    }
    (void)bt_map_remove_u64(&p->keys, key);
    free(line);
}

/* Lock held. Tell the loop that there is something to deliver; returns whether the caller must
 * post. */
static bool want_post(struct bt_pool *p)
{
    bool post = !p->posted && !p->ending;
    p->posted = p->posted || post;
    return post;
}

static void run_one(struct bt_pool *p, struct bt_work *w)
{
    uint64_t key = w->key;
    w->run(w);
    lock(p);
    p->n_running--;
    bt_list_push(&p->finished, &w->post.link);
    release_key(p, key);
    bool post = want_post(p);
    unlock(p);
    if (post)
        bt_loop_post(p->loop, &p->post);
}

static void *worker(void *arg)
{
    struct bt_pool *p = arg;
    (void)pthread_setname_np(pthread_self(), p->name);
    for (;;) {
        lock(p);
        while (!p->ending && bt_list_empty(&p->ready))
            (void)pthread_cond_wait(&p->more, &p->lock);
        struct bt_work *w = p->ending ? NULL : work_of(bt_list_pop(&p->ready));
        if (w) {
            p->n_waiting--;
            p->n_running++;
        }
        unlock(p);
        if (!w)
            return NULL;
        run_one(p, w);
    }
}

/* Call done() of what is finished, not of what finishes meanwhile. */
static void deliver(struct bt_pool *p)
{
    struct bt_list batch;
    bt_list_init(&batch);
    lock(p);
    p->posted = false;
    for (struct bt_list *e = bt_list_pop(&p->finished); e; e = bt_list_pop(&p->finished))
        bt_list_push(&batch, e);
    unlock(p);
    p->delivering = true;
    for (struct bt_work *w = work_of(bt_list_pop(&batch)); w; w = work_of(bt_list_pop(&batch)))
        w->done(w, w->cancelled);
    p->delivering = false;
}

/* Without threads: everything that waited runs here, in order, each followed by its done(). */
static void run_inline(struct bt_pool *p)
{
    size_t n = p->n_waiting;
    p->posted = false;
    p->delivering = true;
    for (; n > 0; n--) {
        struct bt_work *w = work_of(bt_list_pop(&p->ready));
        p->n_waiting--;
        p->n_running++;
        w->run(w);
        p->n_running--;
        release_key(p, w->key);
        w->done(w, false);
    }
    p->delivering = false;
}

static void on_post(struct bt_post *post)
{
    struct bt_pool *p = BT_CONTAINER_OF(post, struct bt_pool, post);
    if (p->loop->ops->inline_pools)
        run_inline(p);
    else
        deliver(p);
}

/* Signals are the loop thread's: workers block them all. */
static void start_threads(struct bt_pool *p, int n)
{
    sigset_t all;
    sigset_t old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    for (; p->n_threads < n; p->n_threads++) {
        if (pthread_create(&p->threads[p->n_threads], NULL, worker, p) != 0)
            abort();
    }
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
}

struct bt_pool *bt_pool_new(struct bt_loop *l, const char *name, int threads, size_t queue_max)
{
    assert(loop_on_thread(l) && threads >= 1 && threads <= THREADS_MAX);
    struct bt_pool *p = bt_xcalloc(1, sizeof *p);
    p->loop = l;
    p->post.cb = on_post;
    bt_list_init(&p->post.link);
    p->queue_max = queue_max;
    (void)bt_strcpy(p->name, sizeof p->name, name);
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->more, NULL);
    bt_list_init(&p->ready);
    bt_list_init(&p->finished);
    l->n_users++;
    if (!l->ops->inline_pools)
        start_threads(p, threads);
    return p;
}

static void cancel_list(struct bt_pool *p, struct bt_list *works)
{
    for (struct bt_work *w = work_of(bt_list_pop(works)); w; w = work_of(bt_list_pop(works))) {
        w->cancelled = true;
        p->n_waiting--;
        bt_list_push(&p->finished, &w->post.link);
    }
}

/* Lock held, no thread runs. Order among works of one key is kept: ready before its line. */
static void cancel_waiting(struct bt_pool *p)
{
    size_t pos = 0;
    cancel_list(p, &p->ready);
    for (struct line *line = bt_map_next(&p->keys, &pos); line;
         line = bt_map_next(&p->keys, &pos)) {
        cancel_list(p, &line->works);
        free(line);
    }
    bt_map_fini(&p->keys);
}

void bt_pool_free(struct bt_pool *p)
{
    if (!p)
        return;
    assert(loop_on_thread(p->loop) && !p->delivering);
    lock(p);
    p->ending = true;
    (void)pthread_cond_broadcast(&p->more);
    unlock(p);
    for (int i = 0; i < p->n_threads; i++)
        (void)pthread_join(p->threads[i], NULL);
    lock(p);
    cancel_waiting(p);
    unlock(p);
    deliver(p);
    assert(p->n_waiting == 0 && p->n_running == 0);
    loop_unpost(p->loop, &p->post);
    p->loop->n_users--;
    (void)pthread_cond_destroy(&p->more);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

int bt_pool_submit(struct bt_pool *p, struct bt_work *w, struct bt_err *err)
{
    assert(loop_on_thread(p->loop));
    lock(p);
    if (p->ending || p->n_waiting >= p->queue_max) {
        size_t n = p->n_waiting;
        unlock(p);
        return bt_fail(err, BT_E_UNAVAILABLE, "%s: %zu works wait already", p->name, n);
    }
    w->pool = p;
    w->cancelled = false;
    enqueue(p, w);
    bool post = p->loop->ops->inline_pools && want_post(p);
    unlock(p);
    if (post)
        bt_loop_post(p->loop, &p->post);
    return 0;
}

size_t bt_pool_load(const struct bt_pool *p)
{
    struct bt_pool *q = (struct bt_pool *)(uintptr_t)p;
    lock(q);
    size_t n = q->n_waiting + q->n_running;
    unlock(q);
    return n;
}
