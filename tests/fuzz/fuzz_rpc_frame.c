/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: common_rpc common_base */
/* WebSocket frames: the same messages whole and in pieces; the first byte chooses side and pieces.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/rpc/rpc_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Feed in pieces of @step; returns a sum over all frames, minus the close code after a violation.
 */
static long feed(const char *data, size_t n, bool masked, size_t step)
{
    struct rpc_frame_in in;
    uint64_t sum = 0;
    int rc = 0;
    rpc_frame_init(&in, masked);
    for (size_t at = 0; at < n && rc >= 0;) {
        size_t piece = n - at < step ? n - at : step, used = 0;
        struct rpc_frame f;
        rc = rpc_frame_feed(&in, data + at, piece, &used, &f);
        assert(used <= piece && (used > 0 || rc != 0));
        at += used;
        if (rc > 0) {
            assert(f.data[f.len] == '\0' && f.len <= RPC_FRAME_MESSAGE_MAX);
            sum = sum * 31 + (uint64_t)f.opcode;
            for (size_t i = 0; i < f.len; i++)
                sum = sum * 31 + (unsigned char)f.data[i];
            if (f.opcode == RPC_OP_CLOSE)
                (void)rpc_frame_close_code(f.data, f.len);
        }
    }
    rpc_frame_fini(&in);
    return rc < 0 ? rc : (long)(sum & 0xffffffffffff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    bool masked = data[0] & 1;
    size_t step = (size_t)(data[0] >> 1) + 1;
    const char *text = (const char *)data + 1;
    assert(feed(text, size - 1, masked, size) == feed(text, size - 1, masked, step));
    return 0;
}
