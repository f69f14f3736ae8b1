/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/agentlink/agentlink.h"

#include <assert.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/agentlink/agentlink_priv.h"

struct agentlink *agentlink_new(const struct agentlink_config *cfg)
{
    struct agentlink *a = bt_xcalloc(1, sizeof *a);
    a->cfg = *cfg;
    if (!a->cfg.lease_ms)
        a->cfg.lease_ms = LINK_LEASE_MS;
    if (!a->cfg.suspect_ms)
        a->cfg.suspect_ms = LINK_SUSPECT_MS;
    if (!a->cfg.unreachable_ms)
        a->cfg.unreachable_ms = LINK_UNREACHABLE_MS;
    bt_list_init(&a->sessions);
    bt_list_init(&a->failed_asks);
    bt_list_init(&a->failed_streams);
    bt_timer_init(&a->tick, cfg->loop, agentlink_lease_tick);
    return a;
}

void agentlink_free(struct agentlink *a)
{
    if (!a)
        return;
    assert(bt_list_empty(&a->sessions));
    size_t pos = 0;
    for (struct agentlink_rec *h; (h = bt_map_next(&a->hosts, &pos));) {
        agentlink_out_reset(&h->out);
        free(h);
    }
    bt_map_fini(&a->hosts);
    free(a);
}

void agentlink_start(struct agentlink *a, const struct agentlink_host *hosts, size_t n)
{
    int64_t now = bt_mono_ms(bt_loop_clock(a->cfg.loop));
    for (size_t i = 0; i < n; i++)
        agentlink_rec_get(a, hosts[i].id, hosts[i].name)->heard_mono_ms = now;
    bt_timer_start(&a->tick, AGENTLINK_TICK_MS);
}

void agentlink_stop(struct agentlink *a, void (*done)(void *ctx), void *ctx)
{
    a->stopping = true;
    bt_timer_stop(&a->tick);
    if (bt_list_empty(&a->sessions)) {
        if (done)
            done(ctx);
        return;
    }
    a->stopped = done;
    a->stopped_ctx = ctx;
    BT_LIST_FOREACH(it, &a->sessions)
        agentlink_end(BT_CONTAINER_OF(it, struct agentlink_session, link), NULL);
}

static struct agentlink_session *session_of(const struct agentlink *a, int64_t host_id)
{
    const struct agentlink_rec *h = bt_map_find_u64(&a->hosts, (uint64_t)host_id);
    return h ? h->session : NULL;
}

bool agentlink_live(const struct agentlink *a, int64_t host_id)
{
    const struct agentlink_session *s = session_of(a, host_id);
    return s && !s->joining;
}

static void send(struct agentlink_session *s, const struct agentlink_cmd *c)
{
    int64_t id = agentlink_say(s, c->op, c->body, 0);
    if (!c->uuid[0])
        return;
    struct agentlink_sent *sent = bt_xcalloc(1, sizeof *sent);
    sent->task_id = c->task_id;
    (void)bt_strcpy(sent->uuid, sizeof sent->uuid, c->uuid);
    (void)bt_map_set_u64(&s->sent, (uint64_t)id, sent);
}

void agentlink_flush(struct agentlink *a, const struct agentlink_out *out)
{
    const struct agentlink_cmd *c = out->cmds.items;
    for (size_t i = 0; i < out->cmds.len; i++) {
        struct agentlink_session *s = session_of(a, c[i].host_id);
        if (s && !s->joining)
            send(s, &c[i]);
    }
}

void agentlink_disconnect(struct agentlink *a, int64_t host_id)
{
    BT_LIST_FOREACH(it, &a->sessions) {
        struct agentlink_session *s = BT_CONTAINER_OF(it, struct agentlink_session, link);
        if (s->host && s->host->id == host_id)
            agentlink_end(s, NULL);
    }
}

void agentlink_forget(struct agentlink *a, int64_t host_id)
{
    struct agentlink_rec *h = bt_map_find_u64(&a->hosts, (uint64_t)host_id);
    if (!h)
        return;
    agentlink_disconnect(a, host_id);
    /* Sessions that still close look at their record: it goes when nothing is under way. */
    h->gone = true;
}

void agentlink_stats_get(const struct agentlink *a, struct agentlink_stats *ret)
{
    *ret = a->stats;
    ret->sessions = 0;
    size_t pos = 0;
    for (const struct agentlink_rec *h; (h = bt_map_next(&a->hosts, &pos));)
        ret->sessions += h->session != NULL;
}
