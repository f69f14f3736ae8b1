/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "controller/http/http_request.h"

/*
 * The grammar of HTTP/1.1 requests (RFC 9112), strict: what two parsers could read in two ways is
 * refused (bare LF, folded lines, repeated or odd lengths, Transfer-Encoding), what is right is
 * kept as sent. Pure functions over bytes: no I/O, no allocation.
 */
#define HTTP_HEAD_MAX 16384
#define HTTP_FIELDS_MAX 64
#define HTTP_TARGET_MAX 4096

struct http_field {
    const char *name; /* lower case */
    const char *value;
};

struct http_head {
    enum http_method method;
    const char *path;  /* decoded */
    const char *query; /* raw, "" when none */
    int minor;         /* HTTP/1.minor */
    struct http_field fields[HTTP_FIELDS_MAX];
    size_t n_fields;
    int64_t content_length; /* -1 = none given */
    bool close;             /* the peer wants no further request on this connection */
    bool expect_continue;
    int status; /* of the answer when parsing failed */
};

/**
 * Bytes of the head at the start of @data, its empty line included. 0 = not whole yet, -1 = this
 * is no HTTP head (wrong first byte, line without CR). *@scanned (0 at first) is where the last
 * call stopped; lines before it are not looked at again.
 */
int http_head_end(const char *data, size_t n, size_t *scanned);

/**
 * Parse a head of @n bytes (as http_head_end found it) in place: @ret points into @data, which
 * is changed. Errors: BAD_REQUEST, LENGTH_REQUIRED, TOO_LARGE; @ret->status is the HTTP status.
 */
int http_head_parse(char *data, size_t n, struct http_head *ret, struct bt_err *err);

/** Value of the only field called @name (lower case), NULL when absent; the first when repeated. */
const char *http_head_get(const struct http_head *h, const char *name);

/** Does any field @name list @token (comma-separated, any case)? */
bool http_head_has_token(const struct http_head *h, const char *name, const char *token);

/** Is @c a tchar of RFC 9110 (tokens: methods, field names, subprotocols)? */
bool http_tchar(unsigned char c);

/**
 * Decode %XX (and, if @plus, '+' as space) of @n bytes into @dst, which holds @n + 1. Returns the
 * length, -1 when an escape is malformed or stands for NUL. @dst may be @s.
 */
int http_pct_decode(const char *s, size_t n, bool plus, char *dst);
