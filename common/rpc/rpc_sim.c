/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/rpc/rpc_sim.h"

#include <assert.h>
#include <string.h>

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/mem.h"

/*
 * A connection has two ends; each end owns the flow of messages it has sent. Every message carries
 * the time at which it arrives; a text may overtake binaries, nothing overtakes a text, so what a
 * text announces never comes before it.
 *
 *   dial:  NONE -> DIALING -> OPEN -> CLOSING -> GONE     accept:  NONE -> OPEN -> CLOSING -> GONE
 *
 * CLOSING = closed() or failed() is on its way; the end neither sends nor receives. A partition
 * swallows what arrives while it lasts. Such a connection has a hole and cannot go on: it is cut
 * when the partition ends, as TCP would do at the first segment from before.
 */
#define DIAL_TIMEOUT_MS 10000

enum end_state { END_NONE, END_DIALING, END_OPEN, END_CLOSING, END_GONE };
enum msg_kind { MSG_TEXT, MSG_BINARY, MSG_CLOSE };

struct sim_msg {
    struct bt_list link;
    enum msg_kind kind;
    int64_t due_ms;
    uint32_t stream;
    size_t len;
    char data[]; /* and a NUL */
};

struct sim_conn;

struct sim_end {
    struct sim_conn *conn;
    struct rpc_peer *peer;
    enum end_state state;
    struct bt_err why;
    struct bt_timer close_timer;
    /* What this end has sent and the other has not received. */
    struct bt_list texts, others;
    int64_t last_text_ms, last_ms;
    size_t bytes;
    bool over; /* the low-water mark was passed */
    struct bt_timer flow_timer;
};

struct sim_client;

struct sim_conn {
    struct bt_list link; /* of the client */
    struct sim_client *client;
    struct sim_end ends[2]; /* 0 dialled, 1 accepted */
    bool holed;
    struct bt_timer dial_timer;
    void (*opened)(struct rpc_peer *p);
    void (*failed)(struct rpc_peer *p, const struct bt_err *err);
};

struct sim_client {
    struct rpc_dialer dialer;
    struct rpc_sim *sim;
    char *name;
    bool partitioned;
    struct bt_list conns;
};

struct rpc_sim {
    struct rpc_sim_config cfg;
    struct bt_map clients;
    struct rpc_peer *(*accept)(void *ctx, const char *name);
    void *accept_ctx;
};

static const struct rpc_peer_ops sim_ops;

static struct rpc_sim *sim_of(const struct sim_end *e)
{
    return e->conn->client->sim;
}

static int64_t now_ms(const struct rpc_sim *s)
{
    return bt_mono_ms(bt_loop_clock(s->cfg.loop));
}

static int64_t latency_ms(const struct rpc_sim *s)
{
    int64_t span = s->cfg.latency_max_ms - s->cfg.latency_min_ms;
    return s->cfg.latency_min_ms +
           (int64_t)bt_random_below(s->cfg.random, (uint64_t)(span < 0 ? 0 : span) + 1);
}

static struct sim_end *other_end(struct sim_end *e)
{
    return &e->conn->ends[e == &e->conn->ends[0]];
}

static int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- ends of connections ---- */

static void flow_drop(struct sim_end *e)
{
    bt_timer_stop(&e->flow_timer);
    for (struct bt_list *l; (l = bt_list_pop(&e->texts));)
        free(BT_CONTAINER_OF(l, struct sim_msg, link));
    for (struct bt_list *l; (l = bt_list_pop(&e->others));)
        free(BT_CONTAINER_OF(l, struct sim_msg, link));
    e->bytes = 0;
}

static void conn_free_if_gone(struct sim_conn *c)
{
    for (int i = 0; i < 2; i++) {
        if (c->ends[i].state != END_GONE && c->ends[i].state != END_NONE)
            return;
    }
    for (int i = 0; i < 2; i++) {
        flow_drop(&c->ends[i]);
        bt_timer_stop(&c->ends[i].close_timer);
    }
    bt_timer_stop(&c->dial_timer);
    bt_list_remove(&c->link);
    free(c);
}

/* Tell the owner for the last time. It may free its peer. */
static void end_finish(struct bt_timer *t)
{
    struct sim_end *e = BT_CONTAINER_OF(t, struct sim_end, close_timer);
    struct sim_conn *c = e->conn;
    struct rpc_peer *p = e->peer;
    void (*failed)(struct rpc_peer *, const struct bt_err *) = c->failed;
    bool dialled = e == &c->ends[0] && c->opened;
    struct bt_err why = e->why;
    e->state = END_GONE;
    e->peer = NULL;
    p->impl = NULL;
    conn_free_if_gone(c);
    if (dialled)
        failed(p, &why);
    else if (p->closed)
        p->closed(p, &why);
}

static void end_close(struct sim_end *e, int64_t delay_ms, enum bt_code code, const char *text)
{
    if (e->state != END_OPEN && e->state != END_DIALING)
        return;
    e->state = END_CLOSING;
    (void)bt_fail(&e->why, code, "%s", text);
    bt_timer_start(&e->close_timer, delay_ms);
}

static void conn_cut(struct sim_conn *c)
{
    struct rpc_sim *s = c->client->sim;
    for (int i = 0; i < 2; i++) {
        flow_drop(&c->ends[i]);
        end_close(&c->ends[i], latency_ms(s), BT_E_UNAVAILABLE, "connection lost");
    }
    bt_timer_stop(&c->dial_timer);
}

/* ---- messages ---- */

/* The message of @e that arrives next; a text before a binary of the same time. */
static struct sim_msg *flow_head(const struct sim_end *e)
{
    struct sim_msg *text =
        bt_list_empty(&e->texts) ? NULL : BT_CONTAINER_OF(e->texts.next, struct sim_msg, link);
    struct sim_msg *other =
        bt_list_empty(&e->others) ? NULL : BT_CONTAINER_OF(e->others.next, struct sim_msg, link);
    if (text && other)
        return other->due_ms < text->due_ms ? other : text;
    return text ? text : other;
}

static void flow_arm(struct sim_end *e)
{
    const struct sim_msg *m = flow_head(e);
    if (m)
        bt_timer_start(&e->flow_timer, max_i64(0, m->due_ms - now_ms(sim_of(e))));
}

static void deliver(struct sim_end *to, const struct sim_msg *m)
{
    if (to->state != END_OPEN)
        return;
    struct rpc_peer *p = to->peer;
    switch (m->kind) {
    case MSG_TEXT:
        p->text(p, m->data, m->len);
        return;
    case MSG_BINARY:
        if (p->binary)
            p->binary(p, m->stream, m->data, m->len);
        return;
    case MSG_CLOSE:
        end_close(to, 0, BT_E_UNAVAILABLE, "closed by the peer");
        return;
    }
}

static void flow_next(struct bt_timer *t)
{
    struct sim_end *e = BT_CONTAINER_OF(t, struct sim_end, flow_timer);
    struct sim_msg *m = flow_head(e);
    bt_list_remove(&m->link);
    e->bytes -= m->len;
    flow_arm(e);
    bool low = e->over && e->bytes < RPC_LOW_WATER && e->state == END_OPEN;
    if (low)
        e->over = false;
    if (e->conn->client->partitioned)
        e->conn->holed = true;
    else
        deliver(other_end(e), m);
    free(m);
    /* The delivery has at most begun to close us: the connection is freed from timers only. */
    if (low && e->state == END_OPEN && e->peer->writable)
        e->peer->writable(e->peer);
}

static size_t flow_add(struct sim_end *e, enum msg_kind kind, uint32_t stream, const void *data,
                       size_t len)
{
    struct rpc_sim *s = sim_of(e);
    struct sim_msg *m = bt_xmalloc(sizeof(*m) + len + 1);
    *m = (struct sim_msg){.kind = kind, .stream = stream, .len = len};
    if (len)
        memcpy(m->data, data, len);
    m->data[len] = '\0';
    bt_list_init(&m->link);
    int64_t arrives = now_ms(s) + latency_ms(s);
    m->due_ms = max_i64(arrives, kind == MSG_TEXT ? e->last_text_ms : e->last_ms);
    if (kind == MSG_TEXT)
        e->last_text_ms = m->due_ms;
    e->last_ms = max_i64(e->last_ms, m->due_ms);
    bt_list_push(kind == MSG_TEXT ? &e->texts : &e->others, &m->link);
    e->bytes += len;
    if (e->bytes >= RPC_LOW_WATER)
        e->over = true;
    flow_arm(e);
    return e->bytes;
}

static size_t sim_send_text(struct rpc_peer *p, const char *json, size_t len)
{
    struct sim_end *e = p->impl;
    assert(len <= RPC_TEXT_MAX);
    return e && e->state == END_OPEN ? flow_add(e, MSG_TEXT, 0, json, len) : 0;
}

static size_t sim_send_binary(struct rpc_peer *p, uint32_t stream, const void *data, size_t len)
{
    struct sim_end *e = p->impl;
    assert(len <= RPC_BINARY_MAX - 4);
    return e && e->state == END_OPEN ? flow_add(e, MSG_BINARY, stream, data, len) : 0;
}

static void sim_close(struct rpc_peer *p)
{
    struct sim_end *e = p->impl;
    if (!e || (e->state != END_OPEN && e->state != END_DIALING))
        return;
    if (e->state == END_OPEN)
        (void)flow_add(e, MSG_CLOSE, 0, NULL, 0);
    else
        end_close(other_end(e), latency_ms(sim_of(e)), BT_E_UNAVAILABLE, "connection lost");
    bt_timer_stop(&e->conn->dial_timer);
    end_close(e, 0, BT_E_CANCELLED, "closed by us");
}

static const struct rpc_peer_ops sim_ops = {
    .send_text = sim_send_text, .send_binary = sim_send_binary, .close = sim_close};

/* ---- dialling ---- */

static void end_init(struct sim_conn *c, int i)
{
    struct sim_end *e = &c->ends[i];
    e->conn = c;
    bt_list_init(&e->texts);
    bt_list_init(&e->others);
    bt_timer_init(&e->close_timer, c->client->sim->cfg.loop, end_finish);
    bt_timer_init(&e->flow_timer, c->client->sim->cfg.loop, flow_next);
}

static void end_open(struct sim_end *e, struct rpc_peer *p)
{
    e->peer = p;
    e->state = END_OPEN;
    p->ops = &sim_ops;
    p->impl = e;
}

/* The answer has reached the client. */
static void dial_answered(struct bt_timer *t)
{
    struct sim_conn *c = BT_CONTAINER_OF(t, struct sim_conn, dial_timer);
    struct sim_end *e = &c->ends[0];
    if (c->client->partitioned) {
        c->holed = true;
        end_close(e, DIAL_TIMEOUT_MS, BT_E_TIMEOUT, "no answer");
        return;
    }
    void (*opened)(struct rpc_peer *) = c->opened;
    c->opened = NULL;
    e->state = END_OPEN;
    opened(e->peer);
}

/* The call has reached the server. */
static void dial_arrived(struct bt_timer *t)
{
    struct sim_conn *c = BT_CONTAINER_OF(t, struct sim_conn, dial_timer);
    struct rpc_sim *s = c->client->sim;
    if (c->client->partitioned) {
        end_close(&c->ends[0], DIAL_TIMEOUT_MS, BT_E_TIMEOUT, "no answer");
        return;
    }
    if (!s->accept) {
        end_close(&c->ends[0], latency_ms(s), BT_E_UNAVAILABLE, "nobody listens");
        return;
    }
    struct rpc_peer *p = s->accept(s->accept_ctx, c->client->name);
    if (!p) {
        end_close(&c->ends[0], latency_ms(s), BT_E_DENIED, "refused by the server");
        return;
    }
    end_open(&c->ends[1], p);
    int64_t back = latency_ms(s);
    c->ends[1].last_text_ms = c->ends[1].last_ms = now_ms(s) + back;
    bt_timer_init(&c->dial_timer, s->cfg.loop, dial_answered);
    bt_timer_start(&c->dial_timer, back);
}

static void sim_dial(struct rpc_dialer *d, struct rpc_peer *p, void (*opened)(struct rpc_peer *p),
                     void (*failed)(struct rpc_peer *p, const struct bt_err *err))
{
    struct sim_client *client = d->impl;
    struct sim_conn *c = bt_xcalloc(1, sizeof(*c));
    c->client = client;
    c->opened = opened;
    c->failed = failed;
    bt_list_init(&c->link);
    bt_list_push(&client->conns, &c->link);
    end_init(c, 0);
    end_init(c, 1);
    end_open(&c->ends[0], p);
    c->ends[0].state = END_DIALING;
    bt_timer_init(&c->dial_timer, client->sim->cfg.loop, dial_arrived);
    bt_timer_start(&c->dial_timer, latency_ms(client->sim));
}

/* ---- the network ---- */

struct rpc_sim *rpc_sim_new(const struct rpc_sim_config *cfg)
{
    struct rpc_sim *s = bt_xcalloc(1, sizeof(*s));
    s->cfg = *cfg;
    return s;
}

void rpc_sim_free(struct rpc_sim *s)
{
    if (!s)
        return;
    size_t pos = 0;
    for (struct sim_client *c; (c = bt_map_next(&s->clients, &pos));) {
        assert(bt_list_empty(&c->conns));
        free(c->name);
        free(c);
    }
    bt_map_fini(&s->clients);
    free(s);
}

void rpc_sim_listen(struct rpc_sim *s, struct rpc_peer *(*accept)(void *ctx, const char *name),
                    void *ctx)
{
    s->accept = accept;
    s->accept_ctx = ctx;
}

static struct sim_client *client_of(struct rpc_sim *s, const char *name)
{
    struct sim_client *c = bt_map_find(&s->clients, name);
    if (c)
        return c;
    c = bt_xcalloc(1, sizeof(*c));
    c->dialer = (struct rpc_dialer){.dial = sim_dial, .impl = c};
    c->sim = s;
    c->name = bt_xstrdup(name);
    bt_list_init(&c->conns);
    (void)bt_map_set(&s->clients, name, c);
    return c;
}

struct rpc_dialer *rpc_sim_dialer(struct rpc_sim *s, const char *name)
{
    return &client_of(s, name)->dialer;
}

void rpc_sim_cut(struct rpc_sim *s, const char *name)
{
    struct sim_client *client = client_of(s, name);
    BT_LIST_FOREACH(l, &client->conns)
        conn_cut(BT_CONTAINER_OF(l, struct sim_conn, link));
}

void rpc_sim_partition(struct rpc_sim *s, const char *name, bool on)
{
    struct sim_client *client = client_of(s, name);
    client->partitioned = on;
    if (on)
        return;
    BT_LIST_FOREACH(l, &client->conns) {
        struct sim_conn *c = BT_CONTAINER_OF(l, struct sim_conn, link);
        if (c->holed)
            conn_cut(c);
    }
}

/* Forget one side's peer without a word to it, as kill -9 does; the other side learns in its time.
 */
static void end_kill(struct sim_end *e)
{
    if (e->state == END_NONE || e->state == END_GONE)
        return;
    struct sim_conn *c = e->conn;
    conn_cut(c);
    bt_timer_stop(&e->close_timer);
    e->peer->impl = NULL;
    e->peer = NULL;
    e->state = END_GONE;
    conn_free_if_gone(c);
}

void rpc_sim_kill_client(struct rpc_sim *s, const char *name)
{
    struct sim_client *client = client_of(s, name);
    BT_LIST_FOREACH(l, &client->conns)
        end_kill(&BT_CONTAINER_OF(l, struct sim_conn, link)->ends[0]);
}

void rpc_sim_kill_server(struct rpc_sim *s)
{
    s->accept = NULL;
    size_t pos = 0;
    for (struct sim_client *c; (c = bt_map_next(&s->clients, &pos));) {
        BT_LIST_FOREACH(l, &c->conns)
            end_kill(&BT_CONTAINER_OF(l, struct sim_conn, link)->ends[1]);
    }
}
