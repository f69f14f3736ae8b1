/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes of a connection: messages into frames and back, records into TLS and back. */
#include <assert.h>

#include "common/base/mem.h"
#include "common/rpc/rpc_client_priv.h"

enum {
    CLOSE_MS = 3000, /* until the peer answers our close */
    RECORD_MAX = 16384,
    WRITE_A_TURN = 256 * 1024,
};

static size_t out_queued(const struct rpc_client *c)
{
    return c->out.len - c->out_at;
}

static size_t queued(const struct rpc_client *c)
{
    return out_queued(c) + c->lane.bytes;
}

/* ---- sending ---- */

void rpc_client_frame(struct rpc_client *c, enum rpc_opcode op, const void *data, size_t n)
{
    unsigned char mask[4];
    bt_random_fill(bt_random_real(), mask, sizeof(mask));
    (void)rpc_frame_emit(op, mask, data, n, &c->out);
}

static void feed(struct rpc_client *c, bool all)
{
    while (out_queued(c) < RPC_LOW_WATER || all) {
        _cleanup_free_ struct rpc_chunk *chunk = rpc_lane_pop(&c->lane);
        if (!chunk)
            return;
        rpc_client_frame(c, RPC_OP_BINARY, chunk->data, chunk->len);
    }
}

static size_t sent(struct rpc_client *c)
{
    if (queued(c) >= RPC_LOW_WATER)
        c->over = true;
    rpc_client_kick(c);
    return queued(c);
}

static size_t client_text(struct rpc_peer *p, const char *json, size_t len)
{
    struct rpc_client *c = p->impl;
    assert(len <= RPC_TEXT_MAX);
    if (!c || c->state != CLIENT_OPEN)
        return 0;
    if (c->cfg.raw_binary) /* a terminal's: "eof" comes after what was typed */
        feed(c, true);
    rpc_client_frame(c, RPC_OP_TEXT, json, len);
    return sent(c);
}

static size_t client_binary(struct rpc_peer *p, uint32_t stream, const void *data, size_t len)
{
    struct rpc_client *c = p->impl;
    if (!c || c->state != CLIENT_OPEN)
        return 0;
    rpc_lane_push(&c->lane, c->cfg.raw_binary, stream, data, len);
    return sent(c);
}

static void close_out(struct rpc_client *c, int code)
{
    unsigned char payload[2] = {(unsigned char)(code >> 8), (unsigned char)code};
    rpc_client_frame(c, RPC_OP_CLOSE, payload, sizeof(payload));
}

static void client_close(struct rpc_peer *p)
{
    struct rpc_client *c = p->impl;
    if (!c || c->state == CLIENT_CLOSING)
        return;
    if (c->state != CLIENT_OPEN) {
        rpc_client_end(c, BT_E_CANCELLED, "closed by us");
        return;
    }
    feed(c, true);
    close_out(c, RPC_CLOSE_NORMAL);
    c->state = CLIENT_CLOSING;
    bt_timer_stop(&c->ping);
    bt_timer_start(&c->deadline, CLOSE_MS);
    rpc_client_kick(c);
}

const struct rpc_peer_ops rpc_client_ops = {
    .send_text = client_text, .send_binary = client_binary, .close = client_close};

/* ---- receiving ---- */

static void on_binary(struct rpc_client *c, const struct rpc_frame *f)
{
    uint32_t stream = 0;
    const void *data = f->data;
    size_t len = f->len;
    if (!c->cfg.raw_binary) {
        if (!rpc_lane_split(f->data, f->len, &stream, &data)) {
            rpc_client_end(c, BT_E_PROTOCOL, "a binary message without stream");
            return;
        }
        len -= 4;
    }
    if (c->peer->binary)
        c->peer->binary(c->peer, stream, data, len);
}

static void on_close_frame(struct rpc_client *c, const struct rpc_frame *f)
{
    int code = rpc_frame_close_code(f->data, f->len);
    struct bt_err why = BT_ERR_INIT;
    if (c->state == CLIENT_CLOSING)
        (void)bt_fail(&why, BT_E_CANCELLED, "closed by us");
    else if (f->len > 2)
        (void)bt_fail(&why, BT_E_UNAVAILABLE, "closed by the peer (%d): %.123s", code, f->data + 2);
    else
        (void)bt_fail(&why, BT_E_UNAVAILABLE, "closed by the peer (%d)", code);
    if (c->state == CLIENT_OPEN) {
        close_out(c, code == RPC_CLOSE_NO_CODE ? RPC_CLOSE_NORMAL : code);
        (void)rpc_tls_write(&c->tls, c->out.data + c->out_at,
                            out_queued(c)); /* if it goes at once */
    }
    rpc_client_end_with(c, &why);
}

static void on_frame(struct rpc_client *c, const struct rpc_frame *f)
{
    switch (f->opcode) {
    case RPC_OP_TEXT:
        if (c->state == CLIENT_OPEN)
            c->peer->text(c->peer, f->data, f->len);
        return;
    case RPC_OP_BINARY:
        if (c->state == CLIENT_OPEN)
            on_binary(c, f);
        return;
    case RPC_OP_PING:
        if (c->state == CLIENT_OPEN)
            rpc_client_frame(c, RPC_OP_PONG, f->data, f->len);
        return;
    case RPC_OP_CLOSE:
        on_close_frame(c, f);
        return;
    case RPC_OP_PONG:
    case RPC_OP_CONTINUATION:
        return;
    }
}

static void frames_take(struct rpc_client *c)
{
    while (rpc_client_has_socket(c) && c->in.len > 0) {
        struct rpc_frame f;
        size_t used = 0;
        int rc = rpc_frame_feed(&c->frames, c->in.data, c->in.len, &used, &f);
        bt_buf_consume(&c->in, used);
        if (rc < 0)
            rpc_client_end(c, BT_E_PROTOCOL, "the peer breaks the rules of WebSocket");
        else if (rc > 0)
            on_frame(c, &f);
    }
}

static void upgrade_take(struct rpc_client *c)
{
    size_t used = 0;
    struct bt_err why = BT_ERR_INIT;
    int rc = c->in.len ? rpc_upgrade_parse(&c->upgrade, c->in.data, c->in.len, &used, &why) : 0;
    if (rc < 0)
        rpc_client_end_with(c, &why);
    if (rc <= 0)
        return;
    bt_buf_consume(&c->in, used);
    rpc_frame_init(&c->frames, false);
    c->state = CLIENT_OPEN;
    c->was_open = true;
    bt_timer_stop(&c->deadline);
    bt_timer_start(&c->ping, c->cfg.ping_ms);
    c->opened(c->peer);
}

/* ---- the socket ---- */

void rpc_client_watch(struct rpc_client *c)
{
    if (!rpc_client_has_socket(c))
        return;
    bool write = c->state == CLIENT_CONNECT || out_queued(c) > 0 ||
                 (c->state == CLIENT_HANDSHAKE && rpc_tls_wants_write(&c->tls));
    int events = (c->state == CLIENT_CONNECT ? 0 : BT_READABLE) | (write ? BT_WRITABLE : 0);
    if (events == c->watching)
        return;
    c->watching = events;
    struct bt_err why = BT_ERR_INIT;
    if (bt_watch_start(&c->watch, c->cfg.loop, c->fd, events, &why) < 0)
        rpc_client_end_with(c, &why);
}

void rpc_client_flush(struct rpc_client *c)
{
    size_t total = 0;
    feed(c, false);
    if (c->out.overflow)
        rpc_client_end(c, BT_E_TOO_LARGE, "too much waits to be sent");
    while (c->state >= CLIENT_UPGRADE && rpc_client_has_socket(c) && out_queued(c) > 0 &&
           total < WRITE_A_TURN) {
        size_t n = out_queued(c) < RECORD_MAX ? out_queued(c) : RECORD_MAX;
        int rc = rpc_tls_write(&c->tls, c->out.data + c->out_at, n);
        if (rc == RPC_TLS_AGAIN)
            break;
        if (rc < 0) {
            rpc_client_end_tls(c, rc);
            return;
        }
        c->out_at += (size_t)rc;
        total += (size_t)rc;
        if (out_queued(c) == 0) {
            bt_buf_reset(&c->out);
            c->out_at = 0;
            feed(c, false);
        }
    }
    if (out_queued(c) == 0 && c->out.cap > RPC_LOW_WATER)
        bt_buf_fini(&c->out);
    if (c->over && queued(c) < RPC_LOW_WATER && c->state == CLIENT_OPEN) {
        c->over = false;
        if (c->peer->writable)
            c->peer->writable(c->peer);
    }
}

static bool fill(struct rpc_client *c)
{
    char *room = bt_buf_reserve(&c->in, RECORD_MAX);
    if (!room) {
        rpc_client_end(c, BT_E_PROTOCOL, "the server's answer is too long");
        return false;
    }
    int rc = rpc_tls_read(&c->tls, room, RECORD_MAX);
    if (rc == RPC_TLS_AGAIN)
        return false;
    if (rc < 0) {
        rpc_client_end_tls(c, rc);
        return false;
    }
    bt_buf_commit(&c->in, (size_t)rc);
    c->heard_ms = rpc_client_now_ms(c);
    return true;
}

bool rpc_client_read(struct rpc_client *c)
{
    if (c->state < CLIENT_UPGRADE || !rpc_client_has_socket(c) || !fill(c))
        return false;
    if (c->state == CLIENT_UPGRADE)
        upgrade_take(c);
    if (c->state >= CLIENT_OPEN)
        frames_take(c);
    return true;
}
