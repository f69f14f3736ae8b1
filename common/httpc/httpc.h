/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/loop/loop.h"

/*
 * Outgoing HTTP on the loop (libcurl's multi interface). No proxy from the environment, no
 * redirects, HTTP and HTTPS only, HTTP/1.1 only. Loop thread only; each request completes exactly
 * once, also when it is cancelled, and never inside the call that started it.
 */
struct httpc;

/** A client for any number of requests; SIGPIPE is ignored from here on. Errors: INTERNAL
 * (libcurl). */
int httpc_new(struct bt_loop *loop, struct httpc **ret, struct bt_err *err);

/** Free; every request must have completed. */
void httpc_free(struct httpc *h);

#define HTTPC_HEADERS_MAX 16

struct httpc_result {
    int status;       /* HTTP status; 0 when no answer came */
    const char *body; /* NUL-terminated; "" for downloads */
    size_t body_len;
    const char *content_type; /* "" when there is none */
    int64_t bytes;            /* downloads: written by this request */
};

struct httpc_request;

struct httpc_options {
    const char *method; /* "GET", "POST" ... */
    const char *url;
    const char *const *headers; /* "Name: value", NULL-terminated; NULL = none */
    const char *body;           /* NULL = none */
    size_t body_len;
    const char *ca_file; /* NULL = the system's store */
    const unsigned char
        *pin_ca; /* 32 bytes: trust only the CA with this SHA-256 (joins); NULL = by ca_file */
    const char *cert_file, *key_file; /* client certificate; NULL = none */
    int cert_fd, key_fd; /* the same from descriptors (stay the caller's); used when > 0 */
    size_t body_max;     /* bytes of answer kept; more is TOO_LARGE; 0 = 1 MiB */
    int64_t deadline_ms; /* for everything; 0 = 30 s */

    /* Download: a 200 or 206 body goes to @to_fd (> 0, stays the caller's) from @offset on (asked
     * for with Range when > 0); at most @download_max bytes in the file. Other answers are kept as
     * a body. deadline_ms is then the longest silence (under 1 byte/s) instead. */
    int to_fd;
    int64_t offset, download_max;

    /* @err is NULL when an answer came, whatever its status. The result is gone afterwards. */
    void (*done)(void *ctx, const struct httpc_result *result, const struct bt_err *err);
    void *ctx;
};

/**
 * Start a request (everything is copied). @ret (may be NULL) is valid until done() returns.
 * done()'s errors: UNAVAILABLE (connect, DNS, connection lost), DENIED (certificates), TIMEOUT,
 * TOO_LARGE, PROTOCOL, STORAGE_FULL and IO (download), CANCELLED. Errors here: INVALID (url,
 * method).
 */
int httpc_start(struct httpc *h, const struct httpc_options *o, struct httpc_request **ret,
                struct bt_err *err);

/** Break off; done() with CANCELLED follows from the loop. */
void httpc_cancel(struct httpc_request *r);
