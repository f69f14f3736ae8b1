/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/http/http_rpc.h"

#include <assert.h>

#include "common/base/mem.h"
#include "common/rpc/rpc_frame.h"
#include "common/rpc/rpc_lane.h"

/*
 * Text goes straight to the WebSocket; binary waits here and is fed while the WebSocket's queue is
 * short. So a text overtakes all binary but what is already on its way (RPC_LOW_WATER at most).
 */
struct http_rpc {
    struct http_ws ws;
    struct rpc_peer *peer;
    struct rpc_lane lane;
    bool full; /* the WebSocket's queue is long: its writable() will say */
    bool over; /* the peer's low-water mark was passed */
    bool closing;
};

static size_t ws_send(struct http_rpc *r, const void *data, size_t n, bool binary)
{
    size_t queued = http_ws_send(&r->ws, data, n, binary);
    r->full = queued >= RPC_LOW_WATER;
    if (queued + r->lane.bytes >= RPC_LOW_WATER)
        r->over = true;
    return queued + r->lane.bytes;
}

/* Feed binary while there is room; @all: whether there is room or not. */
static void feed(struct http_rpc *r, bool all)
{
    while (!r->full || all) {
        _cleanup_free_ struct rpc_chunk *c = rpc_lane_pop(&r->lane);
        if (!c)
            return;
        (void)ws_send(r, c->data, c->len, true);
    }
}

static size_t rpc_text(struct rpc_peer *p, const char *json, size_t len)
{
    struct http_rpc *r = p->impl;
    assert(len <= RPC_TEXT_MAX);
    return r && !r->closing ? ws_send(r, json, len, false) : 0;
}

static size_t rpc_binary(struct rpc_peer *p, uint32_t stream, const void *data, size_t len)
{
    struct http_rpc *r = p->impl;
    if (!r || r->closing)
        return 0;
    rpc_lane_push(&r->lane, false, stream, data, len);
    if (r->lane.bytes >= RPC_LOW_WATER)
        r->over = true;
    feed(r, false);
    return r->lane.bytes + (r->full ? RPC_LOW_WATER : 0);
}

static void rpc_shut(struct rpc_peer *p)
{
    struct http_rpc *r = p->impl;
    if (!r || r->closing)
        return;
    feed(r, true);
    r->closing = true;
    http_ws_close(&r->ws, RPC_CLOSE_NORMAL);
}

static const struct rpc_peer_ops rpc_ops = {
    .send_text = rpc_text, .send_binary = rpc_binary, .close = rpc_shut};

static void on_message(struct http_ws *ws, const void *data, size_t n, bool binary)
{
    struct http_rpc *r = ws->ctx;
    uint32_t stream = 0;
    const void *payload = NULL;
    if (r->closing)
        return;
    if (!binary && n > RPC_TEXT_MAX)
        http_ws_close(ws, RPC_CLOSE_TOO_BIG);
    else if (!binary)
        r->peer->text(r->peer, data, n);
    else if (!rpc_lane_split(data, n, &stream, &payload))
        http_ws_close(ws, RPC_CLOSE_PROTOCOL);
    else if (r->peer->binary)
        r->peer->binary(r->peer, stream, payload, n - 4);
}

static void on_writable(struct http_ws *ws)
{
    struct http_rpc *r = ws->ctx;
    r->full = false;
    feed(r, false);
    if (!r->over || r->full || r->closing)
        return;
    r->over = false;
    if (r->peer->writable)
        r->peer->writable(r->peer);
}

static void on_closed(struct http_ws *ws)
{
    struct http_rpc *r = ws->ctx;
    struct rpc_peer *peer = r->peer;
    struct bt_err why = BT_ERR_INIT;
    if (r->closing)
        (void)bt_fail(&why, BT_E_CANCELLED, "closed by us");
    else
        (void)bt_fail(&why, BT_E_UNAVAILABLE, "connection lost");
    rpc_lane_fini(&r->lane);
    free(r);
    peer->impl = NULL;
    peer->closed(peer, &why);
}

struct http_ws *http_rpc_new(struct rpc_peer *peer)
{
    struct http_rpc *r = bt_xcalloc(1, sizeof(*r));
    r->ws = (struct http_ws){
        .message = on_message, .writable = on_writable, .closed = on_closed, .ctx = r};
    r->peer = peer;
    rpc_lane_init(&r->lane);
    peer->ops = &rpc_ops;
    peer->impl = r;
    return &r->ws;
}
