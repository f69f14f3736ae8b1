/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/link/link.h"

#include <stdlib.h>
#include <string.h>

#include "agent/link/link_int.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/log/log.h"

/* Sessions: dial, lose, dial again; and whom to obey. */
#define BACKOFF_MIN_MS 200
#define BACKOFF_MAX_MS 10000
#define WELCOME_MS 30000

static const struct bt_state states[] = {
    [LINK_DOWN] = {"down", BT_ST(LINK_DIALING)},
    [LINK_DIALING] = {"dialing", BT_ST(LINK_DOWN) | BT_ST(LINK_HELLO)},
    [LINK_HELLO] = {"hello", BT_ST(LINK_DOWN) | BT_ST(LINK_JOINING) | BT_ST(LINK_LIVE)},
    [LINK_JOINING] = {"joining", BT_ST(LINK_DOWN)},
    [LINK_LIVE] = {"live", BT_ST(LINK_DOWN)},
};

const struct bt_sm_def link_sm = {"agent link", states, BT_ARRAY_LEN(states)};

void link_move(struct link *l, enum link_state state)
{
    if (!bt_sm_move(&link_sm, &l->state, state))
        bt_log(BT_ERROR, "link", "state=%s refused=%s", bt_sm_name(&link_sm, l->state),
               bt_sm_name(&link_sm, state));
}

/* ---- whom to obey ---- */

static enum link_trust obey(struct journal_meta *m, const struct link_welcome *w)
{
    (void)bt_strcpy(m->controller_id, sizeof m->controller_id, w->controller_id);
    m->epoch = w->epoch;
    m->joining_id[0] = '\0';
    return LINK_OBEY;
}

enum link_trust link_judge(struct journal_meta *m, const struct link_welcome *w)
{
    bool ours = bt_streq(m->controller_id, w->controller_id);
    if (w->joining) {
        (void)bt_strcpy(m->joining_id, sizeof m->joining_id, w->controller_id);
        return LINK_JOINS;
    }
    if (m->controller_id[0] == '\0' || (ours && w->epoch >= m->epoch) ||
        bt_streq(m->joining_id, w->controller_id))
        return obey(m, w);
    return LINK_JOINS;
}

/* ---- sessions ---- */

static void dial_later(struct link *l)
{
    int64_t half = l->backoff_ms / 2;
    int64_t ms = half + (int64_t)bt_random_below(l->cfg.random, (uint64_t)half + 1);
    l->backoff_ms = l->backoff_ms * 2 < BACKOFF_MAX_MS ? l->backoff_ms * 2 : BACKOFF_MAX_MS;
    bt_timer_start(&l->dial_timer, ms);
}

static void session_over(struct link *l)
{
    l->peer = NULL;
    l->epoch = 0;
    l->n_window = 0;
    l->cert_id = 0;
    bt_timer_stop(&l->welcome_timer);
    bt_timer_stop(&l->renew_timer);
    stream_set_reset(l->streams);
    link_move(l, LINK_DOWN);
    dial_later(l);
}

void link_drop(struct link *l, const char *why)
{
    struct link_peer *p = l->peer;
    if (!p)
        return;
    bt_log(BT_WARN, "link", "session=%lld ended by us: %s", (long long)l->session, why);
    p->link = NULL;
    session_over(l);
    rpc_close(&p->rpc);
}

static void on_text(struct rpc_peer *rpc, const char *json, size_t len)
{
    struct link_peer *p = rpc->owner;
    if (p->link)
        link_in_text(p->link, json, len);
}

static void on_binary(struct rpc_peer *rpc, uint32_t stream, const void *data, size_t len)
{
    struct link_peer *p = rpc->owner;
    if (p->link && p->link->state == LINK_LIVE)
        stream_data(p->link->streams, stream, data, len);
}

static void on_writable(struct rpc_peer *rpc)
{
    struct link_peer *p = rpc->owner;
    if (p->link)
        stream_set_writable(p->link->streams);
}

static void on_closed(struct rpc_peer *rpc, const struct bt_err *why)
{
    struct link_peer *p = rpc->owner;
    struct link *l = p->link;
    free(p);
    if (!l)
        return;
    bt_log(BT_INFO, "link", "session=%lld lost: %s", (long long)l->session, why ? why->msg : "");
    session_over(l);
}

static void on_opened(struct rpc_peer *rpc)
{
    struct link_peer *p = rpc->owner;
    struct link *l = p->link;
    if (!l) {
        rpc_close(rpc);
        return;
    }
    link_move(l, LINK_HELLO);
    bt_timer_start(&l->welcome_timer, WELCOME_MS);
    link_send_hello(l);
}

static void on_failed(struct rpc_peer *rpc, const struct bt_err *err)
{
    struct link_peer *p = rpc->owner;
    struct link *l = p->link;
    free(p);
    if (!l)
        return;
    bt_log(BT_INFO, "link", "controller does not answer: %s", err->msg);
    session_over(l);
}

static void dial_fired(struct bt_timer *t)
{
    struct link *l = BT_CONTAINER_OF(t, struct link, dial_timer);
    struct link_peer *p = bt_xcalloc(1, sizeof *p);
    p->link = l;
    p->rpc = (struct rpc_peer){.text = on_text,
                               .binary = on_binary,
                               .writable = on_writable,
                               .closed = on_closed,
                               .owner = p};
    l->peer = p;
    l->session++;
    l->next_id = 0;
    link_move(l, LINK_DIALING);
    l->cfg.dialer->dial(l->cfg.dialer, &p->rpc, on_opened, on_failed);
}

static void welcome_overdue(struct bt_timer *t)
{
    link_drop(BT_CONTAINER_OF(t, struct link, welcome_timer), "no welcome");
}

/* ---- from the engine ---- */

static void on_ready(void *ctx)
{
    struct link *l = ctx;
    bt_timer_start(&l->dial_timer, 0);
}

static void on_accepted(void *ctx, struct job_from from, const struct link_accepted *a)
{
    struct link *l = ctx;
    if (from.session != l->session)
        return; /* the session that asked is over: it will ask again */
    (void)link_send(l, &(struct link_frame){LINK_OP_ACCEPTED, from.id, &link_accepted_schema, a});
}

static void on_progress(void *ctx, const struct link_progress *p)
{
    struct link *l = ctx;
    if (l->state == LINK_LIVE)
        (void)link_send(l, &(struct link_frame){LINK_OP_PROGRESS, 0, &link_progress_schema, p});
}

static void on_reported(void *ctx)
{
    struct link *l = ctx;
    l->more = true;
    link_report_more(l);
}

static void on_confirmed(void *ctx, struct job_from from, int rc, const struct bt_err *err)
{
    struct link *l = ctx;
    struct link_confirm c = {0};
    if (from.session != l->session)
        return;
    if (rc < 0)
        link_send_error(l, from.id, err);
    else
        (void)link_send(l,
                        &(struct link_frame){LINK_OP_CONFIRM, from.id, &link_confirm_schema, &c});
}

struct job_events link_job_events(struct link *l)
{
    return (struct job_events){.ready = on_ready,
                               .accepted = on_accepted,
                               .progress = on_progress,
                               .reported = on_reported,
                               .confirmed = on_confirmed,
                               .ctx = l};
}

/* ---- streams ---- */

static void on_stream_ctl(void *ctx, const struct link_stream_ctl *c)
{
    (void)link_send(ctx, &(struct link_frame){LINK_OP_STREAM, 0, &link_stream_ctl_schema, c});
}

static bool on_stream_data(void *ctx, uint32_t stream, const void *frame, size_t n)
{
    struct link *l = ctx;
    return l->peer && rpc_send_binary(&l->peer->rpc, stream, frame, n) >= RPC_LOW_WATER;
}

/* ---- life ---- */

struct link *link_new(const struct link_config *cfg)
{
    struct link *l = bt_xcalloc(1, sizeof *l);
    l->cfg = *cfg;
    l->meta = *cfg->meta;
    l->cfg.meta = NULL;
    (void)bt_strcpy(l->boot_id, sizeof l->boot_id, cfg->boot_id);
    l->cfg.boot_id = l->boot_id;
    bt_uuid_new(cfg->random, l->session_id);
    l->backoff_ms = BACKOFF_MIN_MS;
    l->state = LINK_DOWN;
    l->streams = stream_set_new(&(struct stream_config){
        .loop = cfg->loop, .ctl = on_stream_ctl, .data = on_stream_data, .ctx = l});
    bt_timer_init(&l->dial_timer, cfg->loop, dial_fired);
    bt_timer_init(&l->welcome_timer, cfg->loop, welcome_overdue);
    bt_timer_init(&l->renew_timer, cfg->loop, link_renew_fired);
    bt_timer_init(&l->ack_timer, cfg->loop, link_report_ack_fired);
    bt_timer_init(&l->cert_timer, cfg->loop, link_cert_fired);
    return l;
}

void link_set_job(struct link *l, struct job *j)
{
    l->job = j;
}

void link_free(struct link *l)
{
    if (!l)
        return;
    struct link_peer *p = l->peer;
    stream_set_free(l->streams);
    bt_timer_stop(&l->dial_timer);
    bt_timer_stop(&l->welcome_timer);
    bt_timer_stop(&l->renew_timer);
    bt_timer_stop(&l->ack_timer);
    bt_timer_stop(&l->cert_timer);
    link_report_detach(l);
    if (p) {
        p->link = NULL;
        rpc_close(&p->rpc);
    }
    free(l);
}
