/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/container/ct.h"

#define FILE_MAX_BYTES 65536

int ct_open_dir(struct ct *c, bool make, struct bt_err *err)
{
    _cleanup_close_ int run = bt_open_dir(c->req.run_dir, err);
    if (run < 0)
        return bt_wrap(err, "run_dir");
    if (make) {
        int rc = bt_mkdir_p(run, c->uuid, 0711, err);
        if (rc < 0)
            return rc;
    }
    int fd = bt_open_beneath(run, c->uuid, O_RDONLY | O_DIRECTORY, 0, err);
    if (fd < 0)
        return fd;
    c->dir = fd;
    return 0;
}

static void send_reply(struct ct *c, struct helper_container_reply *r, const int *fds, size_t n_fds)
{
    struct bt_err e = BT_ERR_INIT;
    _cleanup_free_ char *text = bt_schema_emit_str(&helper_container_reply_schema, r);
    /* The agent may have died meanwhile; what was done stands, it finds it by RUN_DIR. */
    (void)bt_frame_send(c->sock, text, strlen(text), fds, n_fds, &e);
    c->replied = true;
}

void ct_reply_ok(struct ct *c, const struct bt_schema *s, const void *obj, const int *fds,
                 size_t n_fds)
{
    _cleanup_free_ char *ok = bt_schema_emit_str(s, obj);
    struct helper_container_reply r = {.ok = ok};
    send_reply(c, &r, fds, n_fds);
}

void ct_reply_err(struct ct *c, const struct bt_err *e)
{
    struct bt_err copy = *e;
    char step[64] = "";
    (void)bt_strcpy(step, sizeof step, c->step ? c->step : "");
    char code[64];
    (void)bt_strcpy(code, sizeof code, bt_code_str(e->code));
    struct helper_err he = {.code = code,
                            .message = copy.msg,
                            .hint = copy.hint[0] ? copy.hint : NULL,
                            .step = step[0] ? step : NULL};
    struct helper_container_reply r = {.err = &he};
    send_reply(c, &r, NULL, 0);
}

void ct_reply_exit(struct ct *c, int status)
{
    struct helper_exit x = {.status = status};
    struct helper_container_reply r = {.exit = &x};
    send_reply(c, &r, NULL, 0);
}

int ct_put(int dir, const char *name, const struct bt_schema *s, const void *obj,
           struct bt_err *err)
{
    _cleanup_free_ char *text = bt_schema_emit_str(s, obj);
    return bt_write_file_atomic(dir, name, text, strlen(text), 0600, err);
}

int ct_get(int dir, const char *name, const struct bt_schema *s, void *ret, struct bt_err *err)
{
    _cleanup_buf_ struct bt_buf b = BT_BUF(FILE_MAX_BYTES);
    int rc = bt_read_file(dir, name, FILE_MAX_BYTES, &b, err);
    if (rc < 0)
        return rc;
    rc = bt_schema_parse(s, b.data, b.len, BT_LENIENT, ret, NULL, err);
    return rc < 0 ? bt_wrap(err, "%s", name) : 0;
}
