/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/*
 * Frames of WebSocket (RFC 6455), either side, no extensions: clients mask, servers do not. Pure
 * functions over bytes.
 */
#define RPC_FRAME_MESSAGE_MAX ((1u << 20) + 4u)
#define RPC_FRAME_CONTROL_MAX 125

enum rpc_opcode {
    RPC_OP_CONTINUATION = 0,
    RPC_OP_TEXT = 1,
    RPC_OP_BINARY = 2,
    RPC_OP_CLOSE = 8,
    RPC_OP_PING = 9,
    RPC_OP_PONG = 10,
};

/* Close codes that we send (RFC 6455 section 7.4.1). */
enum {
    RPC_CLOSE_NORMAL = 1000,
    RPC_CLOSE_GOING_AWAY = 1001,
    RPC_CLOSE_PROTOCOL = 1002,
    RPC_CLOSE_NO_CODE = 1005, /* never on the wire */
    RPC_CLOSE_BAD_TEXT = 1007,
    RPC_CLOSE_POLICY = 1008,
    RPC_CLOSE_TOO_BIG = 1009,
};

/* What has come and is not yet a whole message. */
struct rpc_frame_in {
    bool masked; /* the peer is a client */
    unsigned char head[14];
    size_t head_len;
    bool in_payload;
    bool fin;
    enum rpc_opcode opcode; /* of the frame */
    unsigned char mask[4];
    uint64_t payload_len, payload_at;
    struct bt_buf message;      /* fragments so far */
    enum rpc_opcode message_op; /* CONTINUATION = no message is open */
    char control[RPC_FRAME_CONTROL_MAX + 1];
};

struct rpc_frame {
    enum rpc_opcode opcode; /* TEXT, BINARY, CLOSE, PING, PONG */
    const char *data;       /* valid until the next call; a NUL follows */
    size_t len;
};

/** Begin a connection; @masked: the peer is a client. */
void rpc_frame_init(struct rpc_frame_in *in, bool masked);

/** Free what it holds. */
void rpc_frame_fini(struct rpc_frame_in *in);

/**
 * Take bytes of @data; *@ret_used tells how many. Returns 1 when *@ret is a whole message or
 * control frame (call again with the rest), 0 when all bytes are used up, or minus the close
 * code of a violation (PROTOCOL, BAD_TEXT, TOO_BIG), after which nothing may follow.
 */
int rpc_frame_feed(struct rpc_frame_in *in, const char *data, size_t n, size_t *ret_used,
                   struct rpc_frame *ret);

/** Append one whole frame to @out, masked with the 4 bytes @mask unless NULL. False when @out is
 * full. */
bool rpc_frame_emit(enum rpc_opcode op, const unsigned char *mask, const void *data, size_t n,
                    struct bt_buf *out);

/** Code of a close frame's payload: NO_CODE when empty, PROTOCOL when it is not a lawful one. */
int rpc_frame_close_code(const char *data, size_t n);
