/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/net/net_priv.h"
#include "common/base/mem.h"

/*
 * Changes of sets. One transaction runs at a time; what comes meanwhile waits and goes together in
 * the next. When a common transaction fails, each of its changes is tried alone, so that only the
 * guilty one fails. Invariant: change_run is set exactly while a transaction runs.
 */
struct net_change_run {
    struct sys_op op;
    struct net *net;
    struct bt_list changes; /* the nft thread's while it runs */
    size_t n;
};

static void next_run(struct net *net);

/* Everything that several changes ask for, as one. */
struct joined {
    struct sys_rows del, add;
    struct sys_rows counters_add, counters_del; /* char * */
};

static void joined_fini(struct joined *j)
{
    sys_rows_fini(&j->del);
    sys_rows_fini(&j->add);
    sys_rows_fini_str(&j->counters_add);
    sys_rows_fini_str(&j->counters_del);
}

static void add_rows(struct sys_rows *to, const struct sys_rows *from)
{
    SYS_ROWS_FOREACH(struct sys_nft_elem, e, from)
        memcpy(sys_rows_push(to, sizeof *e), e, sizeof *e);
}

static void add_counters(struct sys_rows *to, const char *port)
{
    char name[NET_COUNTER_MAX];
    net_counter_name(port, 'i', name);
    sys_rows_push_str(to, name);
    net_counter_name(port, 'o', name);
    sys_rows_push_str(to, name);
}

static void join(struct joined *j, const struct net_change *c)
{
    add_rows(&j->del, &c->del);
    add_rows(&j->add, &c->add);
    if (c->counters_add)
        add_counters(&j->counters_add, c->port);
    if (c->counters_del)
        add_counters(&j->counters_del, c->port);
}

/* One direction of a port; a counter that is not there has counted nothing. */
static int read_value(struct sys *s, const char *port, char direction, struct sys_nft_counter *ret,
                      struct bt_err *err)
{
    struct bt_err why = BT_ERR_INIT;
    *ret = (struct sys_nft_counter){0};
    net_counter_name(port, direction, ret->name);
    int rc = s->nft->counter(s, SYS_NFT_INET, NET_TABLE, ret, &why);
    if (rc == -BT_E_NOT_FOUND)
        return 0;
    if (rc < 0 && err)
        *err = why;
    return rc;
}

/* The last values: after the maps let go of the counters nothing counts any more. */
static int read_values(struct sys *s, struct bt_list *changes, struct bt_err *err)
{
    int rc = 0;
    BT_LIST_FOREACH(it, changes) {
        struct net_change *c = BT_CONTAINER_OF(it, struct net_change, link);
        struct sys_nft_counter in;
        struct sys_nft_counter out;
        if (rc < 0 || !c->counters_del)
            continue;
        rc = read_value(s, c->port, 'i', &in, err);
        if (rc == 0)
            rc = read_value(s, c->port, 'o', &out, err);
        if (rc == 0)
            c->traffic = (struct net_traffic){in.bytes, out.bytes, in.packets, out.packets};
    }
    return rc;
}

/* Run the changes of a list as one: sets, then the last values, then the counters that go. */
static int run_joined(struct sys *s, struct bt_list *changes, struct bt_err *err)
{
    struct joined j = {0};
    BT_LIST_FOREACH(it, changes)
        join(&j, BT_CONTAINER_OF(it, struct net_change, link));
    struct sys_nft_change sets = {.family = SYS_NFT_INET,
                                  .table = NET_TABLE,
                                  .counters_add = j.counters_add.items,
                                  .n_counters_add = j.counters_add.len,
                                  .del = j.del.items,
                                  .n_del = j.del.len,
                                  .add = j.add.items,
                                  .n_add = j.add.len};
    struct sys_nft_change counters = {.family = SYS_NFT_INET,
                                      .table = NET_TABLE,
                                      .counters_del = j.counters_del.items,
                                      .n_counters_del = j.counters_del.len};
    int rc = 0;
    if (sets.n_del + sets.n_add + sets.n_counters_add > 0)
        rc = s->nft->change(s, &sets, err);
    if (rc == 0 && counters.n_counters_del > 0) {
        rc = read_values(s, changes, err);
        if (rc == 0)
            rc = s->nft->change(s, &counters, err);
    }
    joined_fini(&j);
    return rc;
}

/* Each alone, on a list of its own. */
static void run_each(struct sys *s, struct bt_list *changes)
{
    struct bt_list waiting;
    bt_list_init(&waiting);
    for (struct bt_list *e = bt_list_pop(changes); e; e = bt_list_pop(changes))
        bt_list_push(&waiting, e);
    for (struct bt_list *e = bt_list_pop(&waiting); e; e = bt_list_pop(&waiting)) {
        struct net_change *c = BT_CONTAINER_OF(e, struct net_change, link);
        struct bt_list one;
        bt_list_init(&one);
        bt_list_push(&one, e);
        c->rc = run_joined(s, &one, &c->err);
        bt_list_remove(e);
        bt_list_push(changes, e);
    }
}

static int run(struct sys_op *op, struct bt_err *err)
{
    struct net_change_run *r = BT_CONTAINER_OF(op, struct net_change_run, op);
    struct bt_err why = BT_ERR_INIT;
    (void)err;
    int rc = run_joined(op->sys, &r->changes, &why);
    if (rc < 0 && r->n > 1) {
        run_each(op->sys, &r->changes);
        return 0;
    }
    BT_LIST_FOREACH(it, &r->changes) {
        struct net_change *c = BT_CONTAINER_OF(it, struct net_change, link);
        c->rc = rc;
        c->err = why;
    }
    return 0;
}

static void run_done(struct sys_op *op, int rc, const struct bt_err *err)
{
    struct net_change_run *r = BT_CONTAINER_OF(op, struct net_change_run, op);
    struct net *net = r->net;
    net->change_run = NULL;
    if (!net->closing)
        next_run(net);
    for (struct bt_list *e = bt_list_pop(&r->changes); e; e = bt_list_pop(&r->changes)) {
        struct net_change *c = BT_CONTAINER_OF(e, struct net_change, link);
        if (rc < 0)
            c->done(c, rc, err);
        else
            c->done(c, c->rc, &c->err);
    }
    free(r);
    net_unuse(net);
}

static void next_run(struct net *net)
{
    if (net->change_run || bt_list_empty(&net->changes))
        return;
    struct net_change_run *r = bt_xcalloc(1, sizeof *r);
    r->net = net;
    r->op.run = run;
    r->op.done = run_done;
    bt_list_init(&r->changes);
    while (r->n < NET_CHANGE_BATCH) {
        struct bt_list *e = bt_list_pop(&net->changes);
        if (!e)
            break;
        bt_list_push(&r->changes, e);
        r->n++;
    }
    net->change_run = r;
    net_use(net);
    sys_op_start(net->sys, SYS_Q_NFT, &r->op);
}

void net_change_cancel(struct net *net)
{
    struct bt_err why = BT_ERR_INIT;
    int rc = bt_fail(&why, BT_E_CANCELLED, "the network closes");
    for (struct bt_list *e = bt_list_pop(&net->changes); e; e = bt_list_pop(&net->changes)) {
        struct net_change *c = BT_CONTAINER_OF(e, struct net_change, link);
        c->done(c, rc, &why);
    }
}

void net_change_start(struct net *net, struct net_change *c)
{
    bt_list_init(&c->link);
    c->traffic = (struct net_traffic){0};
    bt_list_push(&net->changes, &c->link);
    next_run(net);
}

void net_change_fini(struct net_change *c)
{
    sys_rows_fini(&c->del);
    sys_rows_fini(&c->add);
}
