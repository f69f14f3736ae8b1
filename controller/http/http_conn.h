/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/base/buf.h"
#include "common/base/ip.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/rpc/rpc_frame.h"
#include "common/rpc/rpc_tls.h"
#include "controller/http/http_parse.h"
#include "controller/http/http_server.h"

/*
 * One accepted connection, inside controller/http only.
 *
 *   TLS -> HEAD -> BODY -> WAIT -> REPLY -> HEAD ...     BODY or SINK: a body comes
 *             \--> SINK -/  \--> STREAM                  WAIT: the handler has the request
 *              \-> WS              any -> LINGER -> DEAD
 *
 * LINGER: all is written and the peer is told; what it still sends is thrown away for a moment, so
 * that our last answer is not lost in a reset. DEAD: freed from the loop, after the owners of
 * sink, stream and WebSocket were told. Sockets are touched from events and timers only, never
 * from a call of the handler's: such calls queue and kick.
 */
enum http_conn_state {
    CONN_TLS,
    CONN_HEAD,
    CONN_BODY,
    CONN_SINK,
    CONN_WAIT,
    CONN_REPLY,
    CONN_STREAM,
    CONN_WS,
    CONN_LINGER,
    CONN_DEAD,
};

enum {
    HTTP_RECORD_MAX = 16384,   /* a TLS record: read whole, so that none hides in OpenSSL */
    HTTP_OUT_MAX = 64 << 20,   /* queued and unsent: past it the connection is broken off */
    HTTP_LOW_WATER = 65536,    /* of a WebSocket's queue */
    HTTP_HANDSHAKE_MS = 10000, /* TLS */
    HTTP_HEAD_MS = 10000,      /* from a head's first byte to its last */
    HTTP_IDLE_MS = 60000,      /* between requests */
    HTTP_STALL_MS = 30000,     /* no byte of ours is taken */
    HTTP_LINGER_MS = 2000,
    HTTP_UPLOAD_BYTES_PER_S = 1024, /* slower uploads are broken off */
    HTTP_WS_PING_MS = 15000,
    HTTP_WS_CLOSE_MS = 5000, /* until the peer answers a close */
};

struct http_conn;

/* A request and its body from the end of its head to its answer. */
struct http_exchange {
    struct http_request req;
    struct http_conn *conn; /* NULL: the peer is gone, the answer will be dropped */
    struct http_head head;
    char *head_text;
    struct bt_buf body;
    uint64_t body_left;
    struct http_sink *sink;
    bool sink_paused;
    bool with_handler;   /* it will answer */
    uint64_t sink_bytes; /* since the last look at its pace */
};

struct http_stream {
    struct http_conn *conn;
    bool chunked;
    void (*closed)(void *ctx);
    void *ctx;
};

struct http_conn {
    struct bt_list link; /* of the server */
    struct http_server *server;
    enum http_conn_state state;
    int fd;
    struct rpc_tls tls;
    struct bt_watch watch;
    int watching;     /* events asked for */
    bool hushed;      /* WAIT: the peer has something to say, which waits too */
    bool working;     /* within process and flush: no kick is needed */
    bool close_after; /* after what is queued */
    bool told_end;    /* close_notify is out */
    struct bt_ip peer;
    char peer_ip[BT_IP_STR_MAX];
    struct bt_buf in;
    size_t scanned;  /* of the head in `in` */
    bool head_begun; /* its first byte is there: HTTP_HEAD_MS run */
    struct bt_buf out;
    size_t out_at;
    int64_t progress_ms; /* when the peer last took a byte */
    struct bt_timer deadline, kick, reap;
    struct http_file file; /* follows what is queued; length = what is left, fd -1 = none */
    struct http_exchange *ex;
    struct http_stream *stream;
    struct http_ws *ws;
    struct rpc_frame_in frames;
    bool ws_closing; /* our close frame is queued */
    bool ws_over;    /* the low-water mark was passed */
    bool ws_paused;  /* the owner has no room */
    int64_t heard_ms;
};

struct http_listener {
    struct bt_watch watch;
    struct http_server *server;
    int fd;
};

struct http_server {
    struct http_config cfg; /* strings owned */
    SSL_CTX *tls;
    struct http_listener *listeners;
    size_t n_listeners;
    int port;
    struct bt_list conns;
    size_t n_conns;
    struct bt_map per_peer; /* address (IPv6: its /64) -> number of connections */
    struct bt_timer accept_pause;
    bool stopping;
    struct bt_timer done_timer;
    void (*done)(void *ctx);
    void *done_ctx;
};

/* ---- http_conn.c ---- */

/** Take over @fd, a fresh connection from @peer. */
void http_conn_new(struct http_server *s, int fd, const struct bt_ip *peer);

/** Break off; the owners are told from the loop. */
void http_conn_die(struct http_conn *c);

/** Let the loop write what is queued and read on. */
void http_conn_kick(struct http_conn *c);

/** Enter @state with a deadline (0 = none). */
void http_conn_enter(struct http_conn *c, enum http_conn_state state, int64_t deadline_ms);

/** Bytes queued and unsent. */
size_t http_conn_queued(const struct http_conn *c);

/** Now, monotonic. */
int64_t http_conn_now_ms(const struct http_conn *c);

/* ---- http_exchange.c ---- */

/** Consume what `in` holds of a request; false when nothing could be done. */
bool http_exchange_process(struct http_conn *c);

/** The deadline of a request's head, body or upload is over. */
void http_exchange_deadline(struct http_conn *c);

/** The connection is gone: end the upload or leave the request to its handler. */
void http_exchange_drop(struct http_conn *c);

/* ---- http_reply.c ---- */

/** Transport of requests from the wire. */
const struct http_transport *http_reply_transport(void);

/** Queue a response's head: status, @res's fields, length (-1 = chunked). */
void http_reply_head(struct http_conn *c, const struct http_request *req,
                     const struct http_response *res, int64_t length);

/** Queue the next bytes of the file behind the answer's head; false when there are none (left). */
bool http_reply_file_fill(struct http_conn *c);

/** Free the exchange. */
void http_exchange_free(struct http_exchange *ex);

/** The stream's peer is gone: tell its owner, free it. */
void http_stream_drop(struct http_conn *c);

/* ---- http_ws.c ---- */

/** Does the request ask for a WebSocket? */
bool http_ws_asked(const struct http_exchange *ex);

/** Answer the handshake of `c->ex`: 101 and state WS, or a problem. */
void http_ws_upgrade(struct http_conn *c);

/** Consume frames; false when nothing could be done. */
bool http_ws_process(struct http_conn *c);

/** Some of the queue is sent. */
void http_ws_sent(struct http_conn *c);

/** Regular look at a WebSocket: pings, silence, stalls. */
void http_ws_tick(struct http_conn *c);

/** The connection is gone: tell the owner. */
void http_ws_drop(struct http_conn *c);

/* ---- http_server.c ---- */

/** A connection is freed: let go of its place. */
void http_server_forget(struct http_server *s, struct http_conn *c);
