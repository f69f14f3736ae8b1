/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/log/log.h"
#include "controller/agentlink/agentlink_priv.h"

/* A session from its first byte to its last: hello, inventory, welcome, dispatch. */
static const struct bt_state states[] = {
    [AGENTLINK_HELLO] = {"hello", BT_ST(AGENTLINK_INVENTORY) | BT_ST(AGENTLINK_CLOSED)},
    [AGENTLINK_INVENTORY] = {"inventory", BT_ST(AGENTLINK_SYNC) | BT_ST(AGENTLINK_CLOSED)},
    [AGENTLINK_SYNC] = {"sync", BT_ST(AGENTLINK_LIVE) | BT_ST(AGENTLINK_CLOSED)},
    [AGENTLINK_LIVE] = {"live", BT_ST(AGENTLINK_CLOSED)},
    [AGENTLINK_CLOSED] = {"closed", 0},
};

const struct bt_sm_def agentlink_sm = {"agentlink", states, BT_ARRAY_LEN(states)};

static const char *who(const struct agentlink_session *s)
{
    return s->host ? s->host->name : s->cert.cn;
}

int64_t agentlink_say(struct agentlink_session *s, const char *op, const char *body, int64_t re)
{
    struct bt_buf b = BT_BUF(RPC_TEXT_MAX);
    int64_t id = ++s->next_id;
    if (s->peer) {
        (void)bt_buf_addf(
            &b, "{\"v\":%d,\"id\":%lld,\"re\":%lld,\"op\":\"%s\",\"epoch\":%lld,\"body\":",
            LINK_VERSION, (long long)id, (long long)re, op, (long long)s->epoch);
        (void)bt_buf_adds(&b, body);
        (void)bt_buf_addc(&b, '}');
        if (b.overflow)
            bt_log(BT_ERROR, "agentlink", "host=%s op=%s message larger than a frame", who(s), op);
        else if (rpc_send_text(s->peer, b.data, b.len) > AGENTLINK_QUEUE_MAX)
            rpc_close(s->peer); /* it does not read: it may come again and begin anew */
        if (b.data)
            bt_erase(b.data, b.len);
    }
    bt_buf_fini(&b);
    return id;
}

static void say(struct agentlink_session *s, const char *op, const struct bt_schema *schema,
                const void *body, int64_t re)
{
    _cleanup_free_ char *text = bt_schema_emit_str(schema, body);
    (void)agentlink_say(s, op, text, re);
}

/* ---- end ---- */

void agentlink_session_release(struct agentlink_session *s)
{
    struct agentlink *a = s->al;
    if (s->peer || s->works)
        return;
    bt_list_remove(&s->link);
    agentlink_live_fini(s);
    bt_schema_free(&link_hello_schema, &s->hello);
    bt_schema_free_array(&link_item_schema, &s->items);
    agentlink_out_reset(&s->out);
    agentlink_out_reset(&s->report_out);
    free(s);
    if (a->stopping && bt_list_empty(&a->sessions) && a->stopped) {
        void (*stopped)(void *ctx) = a->stopped;
        a->stopped = NULL;
        stopped(a->stopped_ctx);
    }
}

static void on_closed(struct rpc_peer *p, const struct bt_err *why)
{
    struct agentlink_session *s = p->owner;
    (void)why;
    (void)bt_sm_move(&agentlink_sm, &s->state, AGENTLINK_CLOSED);
    s->peer = NULL;
    if (s->host && s->host->session == s)
        s->host->session = NULL;
    bt_timer_stop(&s->retry);
    agentlink_asks_fail(s);
    agentlink_streams_fail(s);
    agentlink_session_release(s);
}

void agentlink_end(struct agentlink_session *s, const struct bt_err *why)
{
    if (s->state == AGENTLINK_CLOSED)
        return;
    if (why) {
        struct link_error e = {.code = (char *)(uintptr_t)bt_code_str(why->code),
                               .message = (char *)(uintptr_t)why->msg};
        char q[400];
        bt_log(BT_WARN, "agentlink", "host=%s session ends: code=%s msg=%s", who(s),
               bt_code_str(why->code), bt_logq(why->msg, q, sizeof q));
        say(s, LINK_OP_ERROR, &link_error_schema, &e, 0);
        s->al->stats.refused++;
    }
    (void)bt_sm_move(&agentlink_sm, &s->state, AGENTLINK_CLOSED);
    if (s->host && s->host->session == s)
        s->host->session = NULL;
    if (s->peer)
        rpc_close(s->peer);
}

static void end_with(struct agentlink_session *s, enum bt_code code, const char *text)
{
    struct bt_err e = BT_ERR_INIT;
    (void)bt_fail(&e, code, "%s", text);
    agentlink_end(s, &e);
}

/* ---- welcome ---- */

static void welcome(struct agentlink_session *s)
{
    struct agentlink *a = s->al;
    struct link_welcome w = {.controller_id = (char *)(uintptr_t)a->cfg.controller_id,
                             .host_name = s->sync.host_name,
                             .epoch = s->sync.epoch,
                             .protocol = LINK_VERSION,
                             .joining = s->sync.joining,
                             .applied_seq = s->sync.applied_seq,
                             .lease_ms = a->cfg.lease_ms,
                             .clock_ms = bt_utc_ms(bt_loop_clock(a->cfg.loop))};
    s->epoch = s->sync.epoch;
    s->joining = s->sync.joining;
    s->acked = s->sync.applied_seq;
    s->host = agentlink_rec_get(a, s->sync.host_id, s->sync.host_name);
    /* The newest session wins: works end in the order of their epochs. */
    if (s->host->session)
        end_with(s->host->session, BT_E_CONFLICT, "a newer session of this host has begun");
    s->host->session = s;
    (void)bt_sm_move(&agentlink_sm, &s->state, AGENTLINK_LIVE);
    s->host->level = 0;
    agentlink_heard(s->host);
    a->stats.sessions++;
    say(s, LINK_OP_WELCOME, &link_welcome_schema, &w, 0);
}

static int sync_apply(struct db_tx *tx, struct db_work *w, struct bt_err *err)
{
    struct agentlink_session *s = BT_CONTAINER_OF(w, struct agentlink_session, sync_work);
    const struct agentlink_ops *ops = &s->al->cfg.ops;
    agentlink_out_reset(&s->out);
    s->sync = (struct agentlink_sync){
        .cert = s->cert, .hello = &s->hello, .items = &s->items, .clock_skew_ms = s->skew_ms};
    int rc = ops->hello(tx, ops->ctx, &s->sync, &s->out, err);
    return rc < 0 ? rc : ops->sync(tx, ops->ctx, &s->sync, &s->out, err);
}

static void sync_done(struct db_work *w, int rc, const struct bt_err *err)
{
    struct agentlink_session *s = BT_CONTAINER_OF(w, struct agentlink_session, sync_work);
    struct agentlink *a = s->al;
    s->works--;
    bt_schema_free_array(&link_item_schema, &s->items);
    if (rc >= 0) {
        a->cfg.ops.committed(a->cfg.ops.ctx, &s->out);
        if (s->state == AGENTLINK_SYNC)
            welcome(s);
        if (!s->sync.joining)
            agentlink_flush(a, &s->out);
    } else {
        agentlink_end(s, err);
    }
    agentlink_out_reset(&s->out);
    agentlink_session_release(s);
}

static void begin_sync(struct agentlink_session *s)
{
    struct bt_err err = BT_ERR_INIT;
    (void)bt_sm_move(&agentlink_sm, &s->state, AGENTLINK_SYNC);
    s->sync_work = (struct db_work){.apply = sync_apply, .done = sync_done};
    s->works++;
    if (db_submit(s->al->cfg.db, &s->sync_work, &err) < 0) {
        s->works--;
        agentlink_end(s, &err);
    }
}

/* ---- hello, inventory ---- */

static int parse(const struct bt_schema *schema, const char *body, void *ret, struct bt_err *err)
{
    return bt_schema_parse(schema, body, strlen(body), BT_LENIENT | BT_ALLOW_RO, ret, NULL, err);
}

static void on_hello(struct agentlink_session *s, const char *body)
{
    struct bt_err err = BT_ERR_INIT;
    if (parse(&link_hello_schema, body, &s->hello, &err) < 0) {
        agentlink_end(s, &err);
        return;
    }
    s->skew_ms = s->hello.clock_ms - bt_utc_ms(bt_loop_clock(s->al->cfg.loop));
    (void)bt_sm_move(&agentlink_sm, &s->state, AGENTLINK_INVENTORY);
}

/* The items of a page move behind those of the pages before. */
static void take_page(struct agentlink_session *s, struct link_inventory *page)
{
    struct link_item *from = page->items.items;
    for (size_t i = 0; i < page->items.len; i++) {
        struct link_item *to = bt_arr_push(&s->items, sizeof *to);
        *to = from[i];
        from[i] = (struct link_item){0};
    }
}

static void on_inventory(struct agentlink_session *s, const char *body)
{
    struct link_inventory page;
    struct bt_err err = BT_ERR_INIT;
    if (parse(&link_inventory_schema, body, &page, &err) < 0) {
        agentlink_end(s, &err);
        return;
    }
    bool in_order = page.page == s->next_page++;
    bool done = page.done;
    take_page(s, &page);
    bt_schema_free(&link_inventory_schema, &page);
    if (!in_order)
        end_with(s, BT_E_PROTOCOL, "an inventory page is missing");
    else if (s->items.len > AGENTLINK_ITEMS_MAX)
        end_with(s, BT_E_TOO_LARGE, "the inventory is too long");
    else if (done)
        begin_sync(s);
}

/* ---- dispatch ---- */

static void refuse_op(struct agentlink_session *s, const struct link_envelope *e)
{
    char text[80];
    (void)snprintf(text, sizeof text, "unknown operation %.32s", e->op);
    struct link_error body = {.code = (char *)(uintptr_t)bt_code_str(BT_E_UNKNOWN_OP),
                              .message = text};
    say(s, LINK_OP_ERROR, &link_error_schema, &body, e->id);
}

static void live(struct agentlink_session *s, const struct link_envelope *e)
{
    if (e->re && bt_streq(e->op, LINK_OP_ACCEPTED))
        agentlink_on_accepted(s, e->re, e->body);
    else if (e->re && agentlink_on_answer(s, e->re, e->op, e->body))
        return;
    else if (bt_streq(e->op, LINK_OP_REPORT))
        agentlink_on_report(s, e->body);
    else if (bt_streq(e->op, LINK_OP_RENEW))
        agentlink_on_renew(s, e->body);
    else if (bt_streq(e->op, LINK_OP_PROGRESS))
        agentlink_on_progress(s, e->body);
    else if (bt_streq(e->op, LINK_OP_STREAM))
        agentlink_on_stream(s, e->body);
    else if (bt_streq(e->op, LINK_OP_CERT))
        agentlink_on_cert(s, e->id, e->body);
    else if (!e->re && !bt_streq(e->op, LINK_OP_ERROR))
        refuse_op(s, e);
}

static void dispatch(struct agentlink_session *s, const struct link_envelope *e)
{
    switch ((enum agentlink_state)s->state) {
    case AGENTLINK_HELLO:
        if (bt_streq(e->op, LINK_OP_HELLO))
            on_hello(s, e->body);
        else
            end_with(s, BT_E_PROTOCOL, "hello comes first");
        break;
    case AGENTLINK_INVENTORY:
        if (bt_streq(e->op, LINK_OP_INVENTORY))
            on_inventory(s, e->body);
        break;
    case AGENTLINK_LIVE:
        if (e->epoch == s->epoch) /* what was said in another session's name is not heard */
            live(s, e);
        break;
    case AGENTLINK_SYNC:
    case AGENTLINK_CLOSED:
        break;
    }
}

static void on_text(struct rpc_peer *p, const char *json, size_t len)
{
    struct agentlink_session *s = p->owner;
    struct link_envelope e;
    struct bt_err err = BT_ERR_INIT;
    if (s->state == AGENTLINK_CLOSED)
        return;
    if (bt_schema_parse(&link_envelope_schema, json, len, BT_LENIENT, &e, NULL, &err) < 0) {
        agentlink_end(s, &err);
        return;
    }
    if (!e.body)
        e.body = bt_xstrdup("{}");
    if (e.v == LINK_VERSION)
        dispatch(s, &e);
    else
        end_with(s, BT_E_UNSUPPORTED, "another version of the protocol");
    bt_schema_free(&link_envelope_schema, &e);
}

static void on_binary(struct rpc_peer *p, uint32_t stream, const void *data, size_t len)
{
    struct agentlink_session *s = p->owner;
    if (s->state == AGENTLINK_LIVE)
        agentlink_on_binary(s, stream, data, len);
}

struct rpc_peer *agentlink_accept(struct agentlink *a, const struct agentlink_cert *cert)
{
    if (a->stopping)
        return NULL;
    struct agentlink_session *s = bt_xcalloc(1, sizeof *s);
    s->al = a;
    s->peer = &s->rpc;
    s->cert = *cert;
    s->state = AGENTLINK_HELLO;
    bt_list_init(&s->reports);
    bt_list_init(&s->asks);
    bt_list_init(&s->streams);
    bt_list_push(&a->sessions, &s->link);
    bt_timer_init(&s->retry, a->cfg.loop, NULL);
    s->rpc =
        (struct rpc_peer){.text = on_text, .binary = on_binary, .closed = on_closed, .owner = s};
    return &s->rpc;
}
