/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: common_base */
/*
 * What a compromised helper may send: any bytes in any pieces. The frames that come out are the
 * ones a plain reading of the whole gives, and nothing is kept beyond the bound.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/frame.h"
#include "common/base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct plain {
    const uint8_t *data;
    size_t size;
    size_t at;
};

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* The next frame read simply: 1, 0 (more bytes needed) or -1 (bad length). */
static int plain_next(struct plain *p, const uint8_t **ret, size_t *ret_len)
{
    const uint8_t *h = p->data + p->at;
    if (p->size - p->at < 4)
        return 0;
    size_t len = (size_t)h[0] << 24 | (size_t)h[1] << 16 | (size_t)h[2] << 8 | h[3];
    if (len == 0 || len > BT_FRAME_MAX)
        return -1;
    if (p->size - p->at - 4 < len)
        return 0;
    *ret = h + 4;
    *ret_len = len;
    p->at += 4 + len;
    return 1;
}

/* Take what is whole; false once a length is refused. */
static bool take_frames(struct bt_frame_reader *r, struct plain *p)
{
    for (;;) {
        char *json = NULL;
        size_t len = 0;
        size_t want_len = 0;
        const uint8_t *want = NULL;
        struct bt_err err = BT_ERR_INIT;
        int rc = bt_frame_next(r, &json, &len, &err);
        if (rc == 1)
            must(plain_next(p, &want, &want_len) == 1 && want_len == len && json[len] == '\0' &&
                 memcmp(json, want, len) == 0);
        else if (rc < 0)
            must(err.code == BT_E_PROTOCOL && plain_next(p, &want, &want_len) == -1);
        free(json);
        if (rc != 1)
            return rc == 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];
    struct bt_frame_reader r;
    if (size < 1 || size > 100000)
        return 0;
    size_t piece = data[0] ? data[0] : 100000;
    struct plain p = {.data = data + 1, .size = size - 1};
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    bt_frame_reader_init(&r);
    bool more = true;
    for (size_t at = 0; at < p.size && more; at += piece) {
        size_t n = p.size - at < piece ? p.size - at : piece;
        must(write(pair[0], p.data + at, n) == (ssize_t)n);
        while (more && bt_frame_read(&r, pair[1], NULL) == 1)
            more = take_frames(&r, &p);
    }
    const uint8_t *rest = NULL;
    size_t rest_len = 0;
    must(!more || plain_next(&p, &rest, &rest_len) == 0);
    bt_frame_reader_fini(&r);
    (void)close(pair[0]);
    (void)close(pair[1]);
    return 0;
}
