/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/*
 * Frames of the server side of WebSocket (RFC 6455): masked in, unmasked out, no extensions. Pure
 * functions over bytes.
 */
#define HTTP_FRAME_MESSAGE_MAX ((1u << 20) + 4u)
#define HTTP_FRAME_CONTROL_MAX 125

enum http_opcode {
    HTTP_OP_CONTINUATION = 0,
    HTTP_OP_TEXT = 1,
    HTTP_OP_BINARY = 2,
    HTTP_OP_CLOSE = 8,
    HTTP_OP_PING = 9,
    HTTP_OP_PONG = 10,
};

/* Close codes that we send (RFC 6455 section 7.4.1). */
enum {
    HTTP_CLOSE_NORMAL = 1000,
    HTTP_CLOSE_GOING_AWAY = 1001,
    HTTP_CLOSE_PROTOCOL = 1002,
    HTTP_CLOSE_NO_CODE = 1005, /* never on the wire */
    HTTP_CLOSE_BAD_TEXT = 1007,
    HTTP_CLOSE_POLICY = 1008,
    HTTP_CLOSE_TOO_BIG = 1009,
};

/* What has come and is not yet a whole message. */
struct http_frame_in {
    unsigned char head[14];
    size_t head_len;
    bool in_payload;
    bool fin;
    enum http_opcode opcode; /* of the frame */
    unsigned char mask[4];
    uint64_t payload_len, payload_at;
    struct bt_buf message;       /* fragments so far */
    enum http_opcode message_op; /* CONTINUATION = no message is open */
    char control[HTTP_FRAME_CONTROL_MAX + 1];
};

struct http_frame {
    enum http_opcode opcode; /* TEXT, BINARY, CLOSE, PING, PONG */
    const char *data;        /* valid until the next call; a NUL follows */
    size_t len;
};

/** Begin a connection. */
void http_frame_init(struct http_frame_in *in);

/** Free what it holds. */
void http_frame_fini(struct http_frame_in *in);

/**
 * Take bytes of @data; *@ret_used tells how many. Returns 1 when *@ret is a whole message or
 * control frame (call again with the rest), 0 when all bytes are used up, or minus the close
 * code of a violation (PROTOCOL, BAD_TEXT, TOO_BIG), after which nothing may follow.
 */
int http_frame_feed(struct http_frame_in *in, const char *data, size_t n, size_t *ret_used,
                    struct http_frame *ret);

/** Append one whole frame to @out. False when @out is full. */
bool http_frame_emit(enum http_opcode op, const void *data, size_t n, struct bt_buf *out);

/** Code of a close frame's payload: NO_CODE when empty, PROTOCOL when it is not a lawful one. */
int http_frame_close_code(const char *data, size_t n);
