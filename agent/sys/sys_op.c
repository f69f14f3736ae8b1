/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/sys/sys_op.h"

#include "agent/sys/sys.h"
#include "common/base/mem.h"

static void op_run(struct bt_work *w)
{
    struct sys_op *op = BT_CONTAINER_OF(w, struct sys_op, work);
    op->rc = op->run(op, &op->err);
}

static void op_done(struct bt_work *w, bool cancelled)
{
    struct sys_op *op = BT_CONTAINER_OF(w, struct sys_op, work);
    if (cancelled)
        op->rc = bt_fail(&op->err, BT_E_CANCELLED, "the agent ends");
    op->done(op, op->rc, &op->err);
}

static void op_refused(struct bt_post *p)
{
    struct sys_op *op = BT_CONTAINER_OF(p, struct sys_op, work.post);
    op->done(op, op->rc, &op->err);
}

static void op_submit(struct sys_op *op)
{
    op->work.run = op_run;
    op->work.done = op_done;
    op->work.key = op->key;
    struct bt_pool *pool = op->sys->pools[op->queue];
    struct bt_err why = BT_ERR_INIT;
    int rc = pool ? bt_pool_submit(pool, &op->work, &why)
                  : bt_fail(&why, BT_E_CANCELLED, "the agent ends");
    if (rc == 0)
        return; /* the worker may have it already: hands off */
    op->rc = rc;
    op->err = why;
    op->work.post.cb = op_refused;
    bt_loop_post(op->sys->loop, &op->work.post);
}

static void op_late(struct bt_timer *t)
{
    op_submit(BT_CONTAINER_OF(t, struct sys_op, timer));
}

void sys_op_start(struct sys *s, enum sys_queue queue, struct sys_op *op)
{
    op->sys = s;
    op->queue = queue;
    op->err = BT_ERR_INIT;
    if (s->latency_ms <= 0) {
        op_submit(op);
        return;
    }
    bt_timer_init(&op->timer, s->loop, op_late);
    bt_timer_start(&op->timer, s->latency_ms);
}

void sys_queues_start(struct sys *s)
{
    static const struct {
        const char *name;
        int threads;
        size_t max;
    } queues[SYS_Q__COUNT] = {
        [SYS_Q_LINK] = {"netlink", 1, 65536},
        [SYS_Q_NFT] = {"nft", 1, 65536},
        [SYS_Q_DISK] = {"disk", 2, 65536},
    };
    for (int q = 0; q < SYS_Q__COUNT; q++)
        s->pools[q] = bt_pool_new(s->loop, queues[q].name, queues[q].threads, queues[q].max);
}

void sys_queues_stop(struct sys *s)
{
    for (int q = 0; q < SYS_Q__COUNT; q++) {
        bt_pool_free(s->pools[q]);
        s->pools[q] = NULL;
    }
}
