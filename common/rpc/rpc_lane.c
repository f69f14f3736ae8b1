/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/rpc/rpc_lane.h"

#include <assert.h>
#include <string.h>

#include "common/base/mem.h"

void rpc_lane_init(struct rpc_lane *l)
{
    bt_list_init(&l->chunks);
    l->bytes = 0;
}

void rpc_lane_fini(struct rpc_lane *l)
{
    for (struct rpc_chunk *c; (c = rpc_lane_pop(l));)
        free(c);
}

void rpc_lane_push(struct rpc_lane *l, bool raw, uint32_t stream, const void *data, size_t len)
{
    assert(len <= RPC_BINARY_MAX - 4);
    size_t head = raw ? 0 : 4;
    struct rpc_chunk *c = bt_xmalloc(sizeof(*c) + head + len);
    c->len = head + len;
    for (size_t i = 0; i < head; i++)
        c->data[i] = (unsigned char)(stream >> 8 * (3 - i));
    if (len)
        memcpy(c->data + head, data, len);
    bt_list_init(&c->link);
    bt_list_push(&l->chunks, &c->link);
    l->bytes += c->len;
}

struct rpc_chunk *rpc_lane_pop(struct rpc_lane *l)
{
    struct bt_list *e = bt_list_pop(&l->chunks);
    if (!e)
        return NULL;
    struct rpc_chunk *c = BT_CONTAINER_OF(e, struct rpc_chunk, link);
    l->bytes -= c->len;
    return c;
}

bool rpc_lane_split(const void *message, size_t n, uint32_t *ret_stream, const void **ret_data)
{
    const unsigned char *b = message;
    if (n < 4 || n > RPC_BINARY_MAX)
        return false;
    *ret_stream = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    *ret_data = b + 4;
    return true;
}
