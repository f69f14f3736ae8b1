/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/rpc/rpc_frame.h"

#include <string.h>

#include "common/base/str.h"

void rpc_frame_init(struct rpc_frame_in *in, bool masked)
{
    *in = (struct rpc_frame_in){.masked = masked, .message = BT_BUF(RPC_FRAME_MESSAGE_MAX)};
}

void rpc_frame_fini(struct rpc_frame_in *in)
{
    bt_buf_fini(&in->message);
}

static bool is_control(enum rpc_opcode op)
{
    return op >= RPC_OP_CLOSE;
}

/* Length of the head with this second byte: the mask is part of it. */
static size_t head_size(unsigned char b1)
{
    unsigned n = b1 & 0x7f;
    return 2 + (n == 126 ? 2u : n == 127 ? 8u : 0u) + (b1 & 0x80 ? 4u : 0u);
}

static uint64_t big_endian(const unsigned char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

/* Opcode 3-7 and 11-15 are reserved; a fragment only continues an open message; control frames are
 * short. */
static int head_judge(struct rpc_frame_in *in)
{
    bool control = is_control(in->opcode);
    bool open = in->message_op != RPC_OP_CONTINUATION;
    if (in->opcode > RPC_OP_PONG || (in->opcode > RPC_OP_BINARY && !control))
        return -RPC_CLOSE_PROTOCOL;
    if (control && (!in->fin || in->payload_len > RPC_FRAME_CONTROL_MAX))
        return -RPC_CLOSE_PROTOCOL;
    if (!control && (in->opcode == RPC_OP_CONTINUATION) != open)
        return -RPC_CLOSE_PROTOCOL;
    if (!control && in->payload_len > RPC_FRAME_MESSAGE_MAX - in->message.len)
        return -RPC_CLOSE_TOO_BIG;
    return 0;
}

static int head_done(struct rpc_frame_in *in)
{
    const unsigned char *h = in->head;
    unsigned n = h[1] & 0x7f;
    in->fin = h[0] & 0x80;
    in->opcode = (enum rpc_opcode)(h[0] & 0x0f);
    in->payload_len = n == 126 ? big_endian(h + 2, 2) : n == 127 ? big_endian(h + 2, 8) : n;
    if (in->masked)
        memcpy(in->mask, h + in->head_len - 4, 4); /* else all zero */
    in->payload_at = 0;
    in->in_payload = true;
    int rc = head_judge(in);
    if (rc == 0 && !is_control(in->opcode) && in->opcode != RPC_OP_CONTINUATION)
        in->message_op = in->opcode;
    return rc;
}

/* Unmask @n bytes into the message or the control payload. */
static void payload_take(struct rpc_frame_in *in, const char *data, size_t n)
{
    bool control = is_control(in->opcode);
    char *to = control ? in->control + in->payload_at : bt_buf_reserve(&in->message, n);
    for (size_t i = 0; i < n; i++)
        to[i] = (char)((unsigned char)data[i] ^ in->mask[(in->payload_at + i) & 3]);
    if (!control)
        bt_buf_commit(&in->message, n);
    in->payload_at += n;
}

static bool utf8_ok(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t step = bt_utf8_seq(s + i, n - i);
        if (step == 0)
            return false;
        i += step;
    }
    return true;
}

static int frame_done(struct rpc_frame_in *in, struct rpc_frame *ret)
{
    in->in_payload = false;
    in->head_len = 0;
    if (is_control(in->opcode)) {
        in->control[in->payload_len] = '\0';
        *ret = (struct rpc_frame){in->opcode, in->control, (size_t)in->payload_len};
        return 1;
    }
    if (!in->fin)
        return 0;
    enum rpc_opcode op = in->message_op;
    in->message_op = RPC_OP_CONTINUATION;
    const char *data = in->message.data ? in->message.data : "";
    if (op == RPC_OP_TEXT && !utf8_ok(data, in->message.len))
        return -RPC_CLOSE_BAD_TEXT;
    *ret = (struct rpc_frame){op, data, in->message.len};
    return 1;
}

/* The caller has seen the last message: forget it, and its memory if it was large. */
static void message_forget(struct rpc_frame_in *in)
{
    if (in->message_op != RPC_OP_CONTINUATION || in->message.len == 0)
        return;
    if (in->message.cap > 65536)
        bt_buf_fini(&in->message);
    else
        bt_buf_reset(&in->message);
}

int rpc_frame_feed(struct rpc_frame_in *in, const char *data, size_t n, size_t *ret_used,
                   struct rpc_frame *ret)
{
    if (!in->in_payload)
        message_forget(in);
    size_t at = 0;
    int rc = 0;
    while (rc == 0 && (at < n || (in->in_payload && in->payload_at == in->payload_len))) {
        if (!in->in_payload) {
            in->head[in->head_len++] = (unsigned char)data[at++];
            if (in->head_len < 2)
                continue;
            if (in->head[0] & 0x70 || in->masked != !!(in->head[1] & 0x80))
                rc =
                    -RPC_CLOSE_PROTOCOL; /* no extension was agreed on; clients mask, servers not */
            else if (in->head_len == head_size(in->head[1]))
                rc = head_done(in);
            continue;
        }
        uint64_t left = in->payload_len - in->payload_at;
        size_t take = left < n - at ? (size_t)left : n - at;
        if (take)
            payload_take(in, data + at, take);
        at += take;
        if (in->payload_at == in->payload_len)
            rc = frame_done(in, ret);
    }
    *ret_used = at;
    return rc;
}

bool rpc_frame_emit(enum rpc_opcode op, const unsigned char *mask, const void *data, size_t n,
                    struct bt_buf *out)
{
    unsigned char head[14] = {(unsigned char)(0x80 | op)};
    size_t len = 2;
    if (n < 126) {
        head[1] = (unsigned char)n;
    } else if (n <= 0xffff) {
        head[1] = 126;
        len = 4;
    } else {
        head[1] = 127;
        len = 10;
    }
    for (size_t i = 2; i < len; i++)
        head[i] = (unsigned char)((uint64_t)n >> 8 * (len - 1 - i));
    if (mask) {
        head[1] |= 0x80;
        memcpy(head + len, mask, 4);
        len += 4;
    }
    if (out->max - out->len < len + n) {
        out->overflow = true;
        return false;
    }
    (void)bt_buf_add(out, head, len);
    if (!mask)
        return bt_buf_add(out, data, n);
    char *to = bt_buf_reserve(out, n);
    for (size_t i = 0; i < n; i++)
        to[i] = (char)(((const unsigned char *)data)[i] ^ mask[i & 3]);
    bt_buf_commit(out, n);
    return true;
}

int rpc_frame_close_code(const char *data, size_t n)
{
    if (n == 0)
        return RPC_CLOSE_NO_CODE;
    if (n == 1 || !utf8_ok(data + 2, n - 2))
        return RPC_CLOSE_PROTOCOL;
    int code = (int)big_endian((const unsigned char *)data, 2);
    bool ok = (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
              (code >= 3000 && code <= 4999);
    return ok ? code : RPC_CLOSE_PROTOCOL;
}
