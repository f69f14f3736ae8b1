/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server side of WebSocket (RFC 6455): handshake, messages, pings, close. */
#include <assert.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/crypto/crypto.h"
#include "controller/http/http_conn.h"
#include "controller/http/http_problem.h"

enum { PROTOCOL_MAX = 512 };

bool http_ws_asked(const struct http_exchange *ex)
{
    return ex->head.method == HTTP_GET && http_head_has_token(&ex->head, "upgrade", "websocket") &&
           http_head_has_token(&ex->head, "connection", "upgrade");
}

/* The key is 16 bytes in base64: 22 characters and "==". */
static bool key_ok(const char *key)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return key && strlen(key) == 24 && strspn(key, alphabet) == 22 && bt_streq(key + 22, "==");
}

/* The first subprotocol offered, "" when none; false when it is no token or too long. */
static bool protocol_of(const struct http_head *h, char *dst, size_t size)
{
    const char *list = http_head_get(h, "sec-websocket-protocol");
    dst[0] = '\0';
    if (!list)
        return true;
    size_t n = 0;
    while (http_tchar((unsigned char)list[n]))
        n++;
    const char *rest = list + n + strspn(list + n, " \t");
    if (n == 0 || n >= size || (*rest != '\0' && *rest != ','))
        return false;
    memcpy(dst, list, n);
    dst[n] = '\0';
    return true;
}

static void refuse(struct http_conn *c, int status, enum bt_code code, const char *text)
{
    struct bt_err err = BT_ERR_INIT;
    (void)bt_fail(&err, code, "%s", text);
    struct http_request *req = &c->ex->req;
    http_problem_reply(req, &(struct http_problem){.err = &err, .status = status});
}

/* 101, and the subprotocol echoed: browsers refuse a connection whose offer is not taken up. */
static void accept_emit(struct http_conn *c, const char *key, const char *protocol)
{
    char accept[29];
    bt_ws_accept(key, accept);
    bt_buf_addf(&c->out,
                "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
                "sec-websocket-accept: %s\r\n",
                accept);
    if (protocol[0])
        bt_buf_addf(&c->out, "sec-websocket-protocol: %s\r\n", protocol);
    bt_buf_adds(&c->out, "\r\n");
}

static int64_t ping_ms(const struct http_conn *c)
{
    return c->server->cfg.ping_ms ? c->server->cfg.ping_ms : HTTP_WS_PING_MS;
}

static void established(struct http_conn *c, struct http_ws *ws)
{
    http_exchange_free(TAKE_PTR(c->ex));
    c->ws = ws;
    ws->impl = c;
    c->heard_ms = http_conn_now_ms(c);
    c->progress_ms = c->heard_ms;
    rpc_frame_init(&c->frames, true);
    http_conn_enter(c, CONN_WS, ping_ms(c));
    http_conn_kick(c);
}

void http_ws_upgrade(struct http_conn *c)
{
    struct http_exchange *ex = c->ex;
    const struct http_handler *h = &c->server->cfg.handler;
    char protocol[PROTOCOL_MAX];
    const char *key = http_head_get(&ex->head, "sec-websocket-key");
    http_conn_enter(c, CONN_WAIT, 0);
    if (!bt_streq(http_head_get(&ex->head, "sec-websocket-version"), "13")) {
        refuse(c, 426, BT_E_BAD_REQUEST, "only version 13 of WebSocket is spoken");
        return;
    }
    if (!key_ok(key) || ex->body_left > 0 || !protocol_of(&ex->head, protocol, sizeof(protocol))) {
        refuse(c, 400, BT_E_BAD_REQUEST, "the WebSocket handshake is malformed");
        return;
    }
    struct bt_err err = BT_ERR_INIT;
    struct http_ws *ws = h->websocket(h->ctx, &ex->req, protocol[0] ? protocol : NULL, &err);
    if (!ws) {
        http_problem(&ex->req, &err);
        return;
    }
    c->close_after = false;
    accept_emit(c, key, protocol);
    established(c, ws);
}

/* ---- sending ---- */

static bool send_frame(struct http_conn *c, enum rpc_opcode op, const void *data, size_t n)
{
    bool ok = rpc_frame_emit(op, NULL, data, n, &c->out);
    c->ws_over = c->ws_over || http_conn_queued(c) >= HTTP_LOW_WATER;
    http_conn_kick(c); /* an overflow of the queue ends the connection there */
    return ok;
}

size_t http_ws_send(struct http_ws *ws, const void *data, size_t n, bool binary)
{
    struct http_conn *c = ws->impl;
    assert(n <= RPC_FRAME_MESSAGE_MAX);
    if (!c || c->state != CONN_WS || c->ws_closing)
        return 0;
    (void)send_frame(c, binary ? RPC_OP_BINARY : RPC_OP_TEXT, data, n);
    return http_conn_queued(c);
}

static void send_close(struct http_conn *c, int code)
{
    unsigned char payload[2] = {(unsigned char)(code >> 8), (unsigned char)code};
    if (c->ws_closing)
        return;
    c->ws_closing = true;
    (void)send_frame(c, RPC_OP_CLOSE, payload, code == RPC_CLOSE_NO_CODE ? 0 : 2);
}

void http_ws_pause(struct http_ws *ws, bool on)
{
    struct http_conn *c = ws->impl;
    if (!c || c->state != CONN_WS || c->ws_paused == on)
        return;
    c->ws_paused = on;
    c->heard_ms = http_conn_now_ms(c); /* silence counts from here */
    http_conn_kick(c);
}

void http_ws_close(struct http_ws *ws, int code)
{
    struct http_conn *c = ws->impl;
    if (!c || c->state != CONN_WS || c->ws_closing)
        return;
    send_close(c, code);
    bt_timer_start(&c->deadline, HTTP_WS_CLOSE_MS);
}

void http_ws_sent(struct http_conn *c)
{
    if (!c->ws_over || http_conn_queued(c) >= HTTP_LOW_WATER)
        return;
    c->ws_over = false;
    if (c->state == CONN_WS && !c->ws_closing && c->ws->writable)
        c->ws->writable(c->ws);
}

/* ---- receiving ---- */

/* Our close frame is queued and theirs has come, or they broke the rules: write and end. */
static void wind_up(struct http_conn *c)
{
    c->close_after = true;
    http_conn_enter(c, CONN_REPLY, HTTP_STALL_MS);
    if (http_conn_queued(c) == 0) /* ours went out before */
        http_conn_die(c);
}

static void frame_act(struct http_conn *c, const struct rpc_frame *f)
{
    switch (f->opcode) {
    case RPC_OP_TEXT:
    case RPC_OP_BINARY:
        if (!c->ws_closing)
            c->ws->message(c->ws, f->data, f->len, f->opcode == RPC_OP_BINARY);
        return;
    case RPC_OP_PING:
        if (!c->ws_closing)
            (void)send_frame(c, RPC_OP_PONG, f->data, f->len);
        return;
    case RPC_OP_PONG:
        return;
    case RPC_OP_CLOSE:
        send_close(c, rpc_frame_close_code(f->data, f->len));
        wind_up(c);
        return;
    case RPC_OP_CONTINUATION:
        return;
    }
}

bool http_ws_process(struct http_conn *c)
{
    struct rpc_frame f;
    size_t used = 0;
    if (c->in.len == 0 || c->ws_paused)
        return false;
    int rc = rpc_frame_feed(&c->frames, c->in.data, c->in.len, &used, &f);
    bt_buf_consume(&c->in, used);
    if (rc < 0) {
        bt_buf_reset(&c->in);
        send_close(c, -rc);
        wind_up(c);
        return true;
    }
    if (rc > 0)
        frame_act(c, &f);
    return c->in.len > 0;
}

/* ---- time ---- */

void http_ws_tick(struct http_conn *c)
{
    int64_t now = http_conn_now_ms(c);
    bool stalled = http_conn_queued(c) > 0 && now - c->progress_ms > HTTP_STALL_MS;
    bool silent = !c->ws_paused && now - c->heard_ms > 4 * ping_ms(c);
    if (stalled || c->ws_closing || silent) {
        http_conn_die(c);
        return;
    }
    if (now - c->heard_ms >= ping_ms(c))
        (void)send_frame(c, RPC_OP_PING, "", 0);
    bt_timer_start(&c->deadline, ping_ms(c));
}

void http_ws_drop(struct http_conn *c)
{
    struct http_ws *ws = TAKE_PTR(c->ws);
    if (!ws)
        return;
    rpc_frame_fini(&c->frames);
    ws->impl = NULL;
    if (ws->closed)
        ws->closed(ws);
}
