/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "common/base/mem.h"
#include "db/core/db_int.h"

static struct db_hook *hook_of(struct bt_list *l)
{
    return BT_CONTAINER_OF(l, struct db_hook, link);
}

static void hook_add(struct db_tx *tx, struct db_hook hook)
{
    struct db_hook *h = bt_xmalloc(sizeof *h);
    *h = hook;
    bt_list_push(&tx->hooks, &h->link);
}

static void hook_drop(struct db_hook *h)
{
    bt_list_remove(&h->link);
    free(h->arg);
    free(h);
}

void db_tx_on_rollback(struct db_tx *tx, void (*undo)(void *ctx, void *arg), void *ctx, void *arg)
{
    hook_add(tx, (struct db_hook){.fn = undo, .ctx = ctx, .arg = arg});
}

void db_tx_on_commit(struct db_tx *tx, void (*publish)(void *ctx, void *arg), void *ctx, void *arg)
{
    hook_add(tx, (struct db_hook){.fn = publish, .ctx = ctx, .arg = arg, .on_commit = true});
}

struct bt_list *db_hooks_mark(struct db_tx *tx)
{
    return tx->hooks.prev;
}

void db_hooks_rollback(struct db_tx *tx, struct bt_list *mark)
{
    if (!mark)
        mark = &tx->hooks;
    while (tx->hooks.prev != mark) {
        struct db_hook *h = hook_of(tx->hooks.prev);
        if (!h->on_commit)
            h->fn(h->ctx, h->arg);
        hook_drop(h);
    }
}

void db_hooks_commit(struct db_tx *tx)
{
    while (!bt_list_empty(&tx->hooks)) {
        struct db_hook *h = hook_of(tx->hooks.next);
        if (h->on_commit)
            h->fn(h->ctx, h->arg);
        hook_drop(h);
    }
}
