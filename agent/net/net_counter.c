/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent/net/net_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* All counters, in one dump; two of them make a row. */
struct reading {
    struct sys_op op;
    struct net *net;
    struct net_counters *owner;
    struct sys_rows found; /* struct sys_nft_counter */
};

static int read_run(struct sys_op *op, struct bt_err *err)
{
    struct reading *r = BT_CONTAINER_OF(op, struct reading, op);
    return op->sys->nft->counters(op->sys, SYS_NFT_INET, NET_TABLE, &r->found, err);
}

static int cmp_row(const void *a, const void *b)
{
    return strcmp(((const struct net_counter *)a)->port, ((const struct net_counter *)b)->port);
}

static void add(struct bt_map *index, struct sys_rows *rows, const struct sys_nft_counter *c)
{
    char port[BT_PORT_LEN + 1];
    char direction = 0;
    if (!net_counter_port(c->name, port, &direction))
        return;
    size_t at = (size_t)(uintptr_t)bt_map_find(index, port); /* 1-based: rows move */
    if (at == 0) {
        struct net_counter *row = sys_rows_push(rows, sizeof *row);
        (void)bt_strcpy(row->port, sizeof row->port, port);
        at = rows->len;
        (void)bt_map_set(index, port, (void *)(uintptr_t)at);
    }
    struct net_traffic *t = &((struct net_counter *)rows->items)[at - 1].traffic;
    if (direction == 'i') {
        t->in_bytes = c->bytes;
        t->in_packets = c->packets;
    } else {
        t->out_bytes = c->bytes;
        t->out_packets = c->packets;
    }
}

static void tell(struct net_counters *owner, const struct sys_rows *found)
{
    struct bt_map index = BT_MAP_INIT;
    SYS_ROWS_FOREACH(struct sys_nft_counter, c, found)
        add(&index, &owner->rows, c);
    bt_map_fini(&index);
    if (owner->rows.len > 1)
        qsort(owner->rows.items, owner->rows.len, sizeof(struct net_counter), cmp_row);
}

static void read_done(struct sys_op *op, int rc, const struct bt_err *err)
{
    struct reading *r = BT_CONTAINER_OF(op, struct reading, op);
    struct net *net = r->net;
    struct net_counters *owner = r->owner;
    struct bt_err copy = rc < 0 ? *err : BT_ERR_INIT;
    if (!net->closing) {
        tell(owner, &r->found);
        owner->impl = NULL;
    }
    sys_rows_fini(&r->found);
    free(r);
    if (!net->closing)
        owner->done(owner, rc, &copy);
    net_unuse(net);
}

void net_counters_start(struct net *net, struct net_counters *c)
{
    struct reading *r = bt_xcalloc(1, sizeof *r);
    assert(!c->impl);
    c->rows = (struct sys_rows){0};
    c->impl = r;
    net_use(net);
    r->net = net;
    r->owner = c;
    r->op.run = read_run;
    r->op.done = read_done;
    sys_op_start(net->sys, SYS_Q_NFT, &r->op);
}
