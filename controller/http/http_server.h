/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/loop/loop.h"
#include "controller/http/http_request.h"

/*
 * HTTPS listener on libwebsockets (docs/decisions/0011-http.md): HTTP/1.1 only, own limits and
 * deadlines, streaming uploads to a sink, WebSocket with subprotocol tickets. Plain handlers get
 * whole requests; upload and WebSocket paths are recognised by the handler table's hooks.
 */
struct http_server;

/* A streamed request body (image upload): chunks arrive in order on the loop thread. */
struct http_sink {
    /* Take @n bytes. Negative = stop reading, reply with err as problem. May return 1 = pause:
     * resume with http_sink_resume. */
    int (*chunk)(struct http_sink *s, const void *data, size_t n, struct bt_err *err);
    /* All bytes are there (rc 0), or the peer went away / an error was replied (rc < 0, no reply
     * wanted). */
    void (*end)(struct http_sink *s, struct http_request *req, int rc);
    void *impl; /* transport's */
};

/* A server-side WebSocket. Callbacks on the loop thread; none after closed(). The owner may send
 * once the websocket hook that made it has returned. Messages are followed by a NUL byte. */
struct http_ws {
    void (*message)(struct http_ws *ws, const void *data, size_t n, bool binary);
    void (*writable)(struct http_ws *ws); /* queue fell under its low-water mark */
    void (*closed)(struct http_ws *ws);   /* last call; the owner may free now */
    void *ctx;                            /* owner's */
    void *impl;                           /* transport's */
};

struct http_handler {
    void *ctx;
    /* A whole request; reply now or later. */
    void (*request)(void *ctx, struct http_request *req);
    /* Headers of a request whose path is an upload: return a sink (Content-Length given, <=
     * *limit), or NULL: handled as a plain request (or already replied: set *replied). */
    struct http_sink *(*upload)(void *ctx, struct http_request *req, uint64_t content_length,
                                bool *replied);
    /* WebSocket handshake on @path with @protocol (first subprotocol, NULL when none): return the
     * owner's struct to accept, NULL + err to refuse with its HTTP status. */
    struct http_ws *(*websocket)(void *ctx, const struct http_request *req, const char *protocol,
                                 struct bt_err *err);
};

struct http_config {
    struct bt_loop *loop;
    const char *const *listen; /* "IP" or "*", NULL-terminated */
    int port;                  /* 0 = any (tests): http_server_port tells */
    const char *cert_file, *key_file;
    const char *client_ca_file; /* not NULL: a client certificate signed by this CA is demanded */
    struct http_handler handler;
    int64_t request_deadline_ms;     /* headers and body, each look at an upload's pace; 0 = 30 s */
    unsigned max_connections_per_ip; /* 0 = 64 */
    int64_t ping_ms; /* of silent WebSocket peers; left after four times this; 0 = 15 s */
};

/** Listen. Errors: KERNEL (port taken), INVALID (certificate). */
int http_server_start(const struct http_config *cfg, struct http_server **ret, struct bt_err *err);

/** The port listened on. */
int http_server_port(const struct http_server *s);

/** Load certificate and key again (SIGHUP). The old ones stay on failure. */
int http_server_reload(struct http_server *s, struct bt_err *err);

/** Stop listening, close everything, then @done on the loop. */
void http_server_stop(struct http_server *s, void (*done)(void *ctx), void *ctx);

/** Go on reading after chunk() returned 1. */
void http_sink_resume(struct http_sink *s);

/** Queue one message (copied, <= 1 MiB + 4). Returns bytes queued and unsent; the owner stops at
 * its own limit. */
size_t http_ws_send(struct http_ws *ws, const void *data, size_t n, bool binary);

/** Stop reading, or go on: for an owner that has no room. What is read already may still come. */
void http_ws_pause(struct http_ws *ws, bool on);

/** Close with a code (RFC 6455) after what is queued. closed() follows. */
void http_ws_close(struct http_ws *ws, int code);

/** Certificate serial (lower-case hex) and CN of the peer of an mTLS WebSocket or request; false
 * when none. */
bool http_peer_cert(const struct http_request *req, char *serial, size_t serial_size, char *cn,
                    size_t cn_size);

/* ---- endless answers (SSE): what http_transport.stream returns; @req is consumed then ---- */

/** Queue @n bytes (copied). Returns bytes queued and unsent; the owner stops at its own limit. */
size_t http_stream_write(struct http_stream *s, const void *data, size_t n);

/** Call @closed once, from the loop, when the peer is gone; @s is invalid then. */
void http_stream_on_closed(struct http_stream *s, void (*closed)(void *ctx), void *ctx);

/** End the body; @s is invalid afterwards and closed is not called. */
void http_stream_end(struct http_stream *s);
