/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/fetch/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/crypto/crypto.h"
#include "common/httpc/httpc.h"
#include "common/loop/loop.h"

#define SILENCE_MS 30000

struct fetch {
    struct bt_loop *loop;
    int status;
    struct bt_err err;
};

static void on_done(void *ctx, const struct httpc_result *result, const struct bt_err *err)
{
    struct fetch *f = ctx;
    f->status = result ? result->status : 0;
    if (err)
        f->err = *err;
    bt_loop_stop(f->loop);
}

static int check_status(struct fetch *f, struct bt_err *err)
{
    if (f->err.code != BT_E_OK) {
        *err = f->err;
        return -(int)err->code;
    }
    /* 416: the file is whole already, or garbage; its hash will tell. */
    if (f->status == 200 || f->status == 206 || f->status == 416)
        return 0;
    return bt_fail(err, f->status == 404 ? BT_E_NOT_FOUND : BT_E_UNAVAILABLE,
                   "the controller answered %d", f->status);
}

static int download(const struct helper_fetch_request *r, int fd, int64_t offset,
                    struct bt_err *err)
{
    struct fetch f = {.loop = bt_loop_new(err)};
    struct httpc *client = NULL;
    char ca[32];
    (void)snprintf(ca, sizeof ca, "/proc/self/fd/%d", FETCH_CA_FD);
    if (!f.loop)
        return -(int)err->code;
    int rc = httpc_new(f.loop, &client, err);
    const struct httpc_options o = {.method = "GET",
                                    .url = r->url,
                                    .ca_file = ca,
                                    .cert_fd = FETCH_CERT_FD,
                                    .key_fd = FETCH_KEY_FD,
                                    .deadline_ms = SILENCE_MS,
                                    .to_fd = fd,
                                    .offset = offset,
                                    .download_max = r->max_bytes,
                                    .done = on_done,
                                    .ctx = &f};
    if (rc >= 0)
        rc = httpc_start(client, &o, NULL, err);
    if (rc >= 0)
        bt_loop_run(f.loop);
    if (client)
        httpc_free(client);
    bt_loop_free(f.loop);
    return rc < 0 ? rc : check_status(&f, err);
}

static int hash_file(int fd, char ret[65], struct bt_err *err)
{
    unsigned char hash[BT_SHA256_LEN];
    _cleanup_free_ char *block = bt_xmalloc(1u << 20);
    struct bt_sha256_ctx c;
    bt_sha256_init(&c);
    for (off_t at = 0;;) {
        ssize_t n = pread(fd, block, 1u << 20, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return bt_fail_errno(err, errno, "read back");
        if (n == 0)
            break;
        bt_sha256_add(&c, block, (size_t)n);
        at += n;
    }
    bt_sha256_end(&c, hash);
    bt_hex(hash, sizeof hash, ret);
    return 0;
}

static int file_size(int fd, int64_t *ret, struct bt_err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return bt_fail_errno(err, errno, "stat");
    *ret = st.st_size;
    return 0;
}

/* Whole and right? Else it is emptied, so that the next try begins anew. */
static int verify(const struct helper_fetch_request *r, int fd, struct helper_fetch_ok *ret,
                  struct bt_err *err)
{
    char hash[65];
    int rc = file_size(fd, &ret->bytes, err);
    if (rc >= 0)
        rc = hash_file(fd, hash, err);
    if (rc < 0)
        return rc;
    if (strcmp(hash, r->sha256) == 0)
        return 0;
    if (ftruncate(fd, 0) < 0)
        return bt_fail_errno(err, errno, "empty the file");
    return bt_fail(err, BT_E_CHECKSUM, "the file has SHA-256 %s", hash);
}

int fetch_file(const struct helper_fetch_request *r, int fd, struct helper_fetch_ok *ret,
               struct bt_err *err)
{
    int64_t have = 0;
    int rc = bt_crypto_init(err);
    if (rc >= 0)
        rc = file_size(fd, &have, err);
    if (rc >= 0 && (r->bytes == 0 || have < r->bytes))
        rc = download(r, fd, have, err);
    return rc < 0 ? rc : verify(r, fd, ret, err);
}
