/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/loop/loop.h"

#include <assert.h>

#include "common/base/mem.h"
#include "common/loop/loop_priv.h"

void loop_init(struct bt_loop *l, const struct loop_ops *ops, const struct bt_clock *clock)
{
    l->ops = ops;
    l->clock = *clock;
    l->thread = pthread_self();
    bt_list_init(&l->posts);
    (void)pthread_mutex_init(&l->lock, NULL);
}

void loop_fini(struct bt_loop *l)
{
    assert(l->timers.len == 0 && l->n_users == 0 && bt_list_empty(&l->posts));
    free(l->timers.heap);
    (void)pthread_mutex_destroy(&l->lock);
}

bool loop_on_thread(const struct bt_loop *l)
{
    return pthread_equal(l->thread, pthread_self());
}

void bt_loop_free(struct bt_loop *l)
{
    if (!l)
        return;
    while (loop_run_posts(l))
        ;
    l->ops->free(l);
}

void bt_loop_run(struct bt_loop *l)
{
    pthread_t maker = l->thread;
    l->thread = pthread_self();
    l->ops->run(l);
    atomic_store(&l->stop, false);
    l->thread = maker;
}

void bt_loop_stop(struct bt_loop *l)
{
    atomic_store(&l->stop, true);
    l->ops->wake(l);
}

const struct bt_clock *bt_loop_clock(const struct bt_loop *l)
{
    return &l->clock;
}

void bt_loop_post(struct bt_loop *l, struct bt_post *p)
{
    (void)pthread_mutex_lock(&l->lock);
    bt_list_push(&l->posts, &p->link);
    (void)pthread_mutex_unlock(&l->lock);
    l->ops->wake(l);
}

void loop_unpost(struct bt_loop *l, struct bt_post *p)
{
    (void)pthread_mutex_lock(&l->lock);
    bt_list_remove(&p->link);
    (void)pthread_mutex_unlock(&l->lock);
}

bool loop_run_posts(struct bt_loop *l)
{
    struct bt_list batch;
    bt_list_init(&batch);
    (void)pthread_mutex_lock(&l->lock);
    for (struct bt_list *e = bt_list_pop(&l->posts); e; e = bt_list_pop(&l->posts))
        bt_list_push(&batch, e);
    (void)pthread_mutex_unlock(&l->lock);
    bool any = !bt_list_empty(&batch);
    for (struct bt_list *e = bt_list_pop(&batch); e; e = bt_list_pop(&batch)) {
        struct bt_post *p = BT_CONTAINER_OF(e, struct bt_post, link);
        p->cb(p);
    }
    return any;
}
