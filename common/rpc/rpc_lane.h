/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/base/list.h"
#include "common/rpc/rpc_peer.h"

/*
 * Binary messages that wait until control has gone out: "control before streams" of both ends of a
 * link. The owner feeds its transport from here while the transport's own queue is short.
 */
struct rpc_lane {
    struct bt_list chunks;
    size_t bytes;
};

struct rpc_chunk {
    struct bt_list link;
    size_t len;
    unsigned char data[]; /* as it goes on the wire */
};

/** An empty lane. */
void rpc_lane_init(struct rpc_lane *l);

/** Drop what waits. */
void rpc_lane_fini(struct rpc_lane *l);

/** Queue @len bytes of @stream (u32, big-endian, in front), or without it when @raw. */
void rpc_lane_push(struct rpc_lane *l, bool raw, uint32_t stream, const void *data, size_t len);

/** Take the oldest chunk (the caller frees it), NULL when there is none. */
struct rpc_chunk *rpc_lane_pop(struct rpc_lane *l);

/** Split a binary message into stream and data; false when it is too short or too long. */
bool rpc_lane_split(const void *message, size_t n, uint32_t *ret_stream, const void **ret_data);
