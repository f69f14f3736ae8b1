/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * The seam between transport and API. The libwebsockets listener makes these from the wire; tests
 * and simulations make them by hand. One request gets exactly one http_reply; the reply may come
 * after the handler has returned. Loop thread only.
 */
#define HTTP_BODY_MAX (1u << 20)
#define HTTP_HEADERS_MAX 16

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_HEAD, HTTP_OTHER };

struct http_header {
    const char *name; /* lower case in requests */
    const char *value;
};

struct http_request {
    enum http_method method;
    const char *path;  /* decoded once, begins with '/', no query; refused before if malformed */
    const char *query; /* raw, "" when none */
    const char *peer_ip;
    const char *authorization; /* header values, NULL when absent */
    const char *idempotency_key;
    const char *if_match;
    const char *prefer;
    const char *content_type;
    const char *last_event_id;
    const char *cookie;
    const char *csrf;
    const char *origin;
    const char *range;
    const char *accept;
    const char *body; /* NUL-terminated, body_len bytes; "" when none */
    size_t body_len;
    char request_id[37];
    void *ctx; /* of the transport */
    const struct http_transport *transport;
};

struct http_response {
    int status;
    const char *content_type; /* NULL = application/json (or problem+json for >= 400) */
    struct http_header headers[HTTP_HEADERS_MAX]; /* copied before reply returns */
    size_t n_headers;
    const char *body; /* copied before reply returns; may be NULL */
    size_t body_len;
};

/* A body that is too large for memory: @length bytes of a regular file from @offset. */
struct http_file {
    int fd;
    uint64_t offset, length;
};

struct http_transport {
    /* Send the one answer; @req and everything in it are gone afterwards. */
    void (*reply)(struct http_request *req, const struct http_response *res);
    /* Begin an endless body (SSE): chunks follow until the peer goes or end is called; @req is
     * consumed. Returns NULL when the peer is gone already. NULL: not available. */
    struct http_stream *(*stream)(struct http_request *req, const char *content_type);
    /* As reply with a file as body (res->body is not looked at); @file.fd is closed by the
     * transport. A file that turns out shorter breaks the connection off. NULL: not available. */
    void (*file)(struct http_request *req, const struct http_response *res,
                 const struct http_file *file);
};

/** Answer @req (consumed). Exactly once. */
static inline void http_reply(struct http_request *req, const struct http_response *res)
{
    req->transport->reply(req, res);
}

/** Value of query parameter @key (percent-decoded) into @dst; false when absent, malformed or too
 * long. */
bool http_query(const struct http_request *req, const char *key, char *dst, size_t size);

/** Names of query parameters one by one for "unknown parameter" checks: *@pos starts at 0; false at
 * the end. */
bool http_query_next(const struct http_request *req, size_t *pos, char *name, size_t name_size,
                     char *value, size_t value_size);

/** Method of a token ("GET"); HTTP_OTHER for anything else. */
enum http_method http_method_from_str(const char *s);

/** Token of a method. */
const char *http_method_str(enum http_method m);
