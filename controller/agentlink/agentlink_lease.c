/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/agentlink/agentlink_priv.h"

/*
 * Leases. A host is heard when its session renews; silence makes it suspect, then unreachable. Only
 * the steps are written, never the renewals. An unreachable host's session is closed, so that it
 * comes back through an inventory.
 */
struct agentlink_rec *agentlink_rec_get(struct agentlink *a, int64_t id, const char *name)
{
    struct agentlink_rec *h = bt_map_find_u64(&a->hosts, (uint64_t)id);
    if (!h) {
        h = bt_xcalloc(1, sizeof *h);
        h->al = a;
        h->id = id;
        h->disk_told = -1;
        (void)bt_map_set_u64(&a->hosts, (uint64_t)id, h);
    }
    h->gone = false;
    (void)bt_strcpy(h->name, sizeof h->name, name);
    return h;
}

static int64_t now_ms(const struct agentlink *a)
{
    return bt_mono_ms(bt_loop_clock(a->cfg.loop));
}

static void close_if_lost(struct agentlink_rec *h)
{
    struct bt_err why = BT_ERR_INIT;
    if (h->level < 2 || !h->session)
        return;
    (void)bt_fail(&why, BT_E_TIMEOUT, "the lease was not renewed");
    agentlink_end(h->session, &why);
}

static int lease_apply(struct db_tx *tx, struct db_work *w, struct bt_err *err)
{
    struct agentlink_rec *h = BT_CONTAINER_OF(w, struct agentlink_rec, lease_work);
    const struct agentlink_ops *ops = &h->al->cfg.ops;
    agentlink_out_reset(&h->out);
    return ops->lease(tx, ops->ctx, h->id, h->wanted, &h->out, err);
}

static void set_level(struct agentlink_rec *h, int level);

static void lease_done(struct db_work *w, int rc, const struct bt_err *err)
{
    struct agentlink_rec *h = BT_CONTAINER_OF(w, struct agentlink_rec, lease_work);
    struct agentlink *a = h->al;
    (void)err; /* tried again at the next tick */
    h->busy = false;
    if (rc >= 0) {
        h->level = h->wanted;
        a->cfg.ops.committed(a->cfg.ops.ctx, &h->out);
        agentlink_flush(a, &h->out);
        close_if_lost(h);
    }
    agentlink_out_reset(&h->out);
    /* Heard while the step was being written? */
    if (rc >= 0 && h->level > 0 && now_ms(a) - h->heard_mono_ms < a->cfg.suspect_ms && h->session)
        set_level(h, 0);
}

static void set_level(struct agentlink_rec *h, int level)
{
    if (h->busy || h->level == level)
        return;
    h->wanted = level;
    h->lease_work = (struct db_work){.apply = lease_apply, .done = lease_done};
    h->busy = db_submit(h->al->cfg.db, &h->lease_work, NULL) >= 0;
}

void agentlink_heard(struct agentlink_rec *h)
{
    h->heard_mono_ms = now_ms(h->al);
    if (h->level == 1)
        set_level(h, 0);
}

static void judge(struct agentlink_rec *h)
{
    const struct agentlink_config *cfg = &h->al->cfg;
    int64_t silent_ms = now_ms(h->al) - h->heard_mono_ms;
    int level = silent_ms >= cfg->unreachable_ms ? 2 : silent_ms >= cfg->suspect_ms ? 1 : 0;
    if (level > h->level)
        set_level(h, level);
}

/* A removed host whose last session and work have ended. */
static bool may_go(const struct agentlink_rec *h)
{
    BT_LIST_FOREACH(it, &h->al->sessions)
        if (BT_CONTAINER_OF(it, struct agentlink_session, link)->host == h)
            return false;
    return h->gone && !h->busy && !h->figures_busy;
}

static void forget(struct agentlink_rec *h)
{
    (void)bt_map_remove_u64(&h->al->hosts, (uint64_t)h->id);
    agentlink_out_reset(&h->out);
    free(h);
}

void agentlink_lease_tick(struct bt_timer *t)
{
    struct agentlink *a = BT_CONTAINER_OF(t, struct agentlink, tick);
    size_t pos = 0;
    a->stats.suspect = a->stats.unreachable = 0;
    for (struct agentlink_rec *h; (h = bt_map_next(&a->hosts, &pos));) {
        if (h->gone && may_go(h)) {
            forget(h);
            continue;
        }
        if (h->gone || (h->session && h->session->joining))
            continue;
        judge(h);
        a->stats.suspect += h->level == 1;
        a->stats.unreachable += h->level == 2;
    }
    if (!a->stopping)
        bt_timer_start(&a->tick, AGENTLINK_TICK_MS);
}

/* ---- figures ---- */

static int figures_apply(struct db_tx *tx, struct db_work *w, struct bt_err *err)
{
    struct agentlink_rec *h = BT_CONTAINER_OF(w, struct agentlink_rec, figures_work);
    const struct agentlink_ops *ops = &h->al->cfg.ops;
    return ops->figures(tx, ops->ctx, h->id, &h->figures_sent, err);
}

static void figures_done(struct db_work *w, int rc, const struct bt_err *err)
{
    struct agentlink_rec *h = BT_CONTAINER_OF(w, struct agentlink_rec, figures_work);
    (void)err;
    h->figures_busy = false;
    if (rc < 0)
        h->disk_told = -1; /* with the next renewal */
}

/* Placement hears of whole percents only. */
void agentlink_figures_take(struct agentlink_rec *h, const struct link_renew *r)
{
    int64_t total = r->disk_used_bytes + r->disk_free_bytes;
    int64_t percent = total > 0 ? (int64_t)((__int128)r->disk_used_bytes * 100 / total) : 0;
    h->has_figures = true;
    h->figures.renew = *r;
    h->figures.at_utc_ms = bt_utc_ms(bt_loop_clock(h->al->cfg.loop));
    if (percent == h->disk_told || h->figures_busy || h->gone)
        return;
    h->disk_told = percent;
    h->figures_sent = *r;
    h->figures_work = (struct db_work){.apply = figures_apply, .done = figures_done};
    h->figures_busy = db_submit(h->al->cfg.db, &h->figures_work, NULL) >= 0;
}

bool agentlink_figures_get(const struct agentlink *a, int64_t host_id,
                           struct agentlink_figures *ret)
{
    const struct agentlink_rec *h = bt_map_find_u64(&a->hosts, (uint64_t)host_id);
    if (!h || !h->has_figures)
        return false;
    *ret = h->figures;
    ret->live = h->session != NULL;
    return true;
}
