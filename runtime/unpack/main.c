/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth-unpack fetch|unpack: see proto/helper_unpack.h. Single-threaded, one request per process.
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/frame.h"
#include "common/base/mem.h"
#include "runtime/fetch/fetch.h"
#include "runtime/unpack/unpack.h"

enum { SOCKET = 3, FIRST = 4, SECOND = 5 };

static void reply(const struct bt_schema *schema, const void *obj)
{
    _cleanup_free_ char *text = bt_schema_emit_str(schema, obj);
    (void)bt_frame_send(SOCKET, text, strlen(text), NULL, 0, NULL);
}

static void reply_error(const struct bt_err *err)
{
    struct helper_err e = {.code = (char *)(uintptr_t)bt_code_str(err->code),
                           .message = (char *)(uintptr_t)err->msg};
    const struct helper_unpack_reply r = {.err = &e};
    reply(&helper_unpack_reply_schema, &r);
}

static int receive(const struct bt_schema *schema, void *ret, struct bt_err *err)
{
    struct bt_frame_reader reader;
    _cleanup_free_ char *json = NULL;
    size_t len = 0;
    bt_frame_reader_init(&reader);
    int rc = bt_frame_recv(&reader, SOCKET, &json, &len, err);
    bt_frame_reader_fini(&reader);
    return rc < 0 ? rc : bt_schema_parse(schema, json, len, BT_STRICT, ret, NULL, err);
}

static int run_unpack(struct bt_err *err)
{
    struct helper_unpack_request request;
    struct helper_unpack_ok done = {0};
    int rc = receive(&helper_unpack_request_schema, &request, err);
    if (rc >= 0)
        rc = unpack_jail(SECOND, err);
    if (rc >= 0)
        rc = unpack_archive(FIRST, &request, &done, err);
    if (rc < 0)
        return rc;
    /* Whoever gives the tree its final name must be able to rely on it after a power cut. */
    if (syncfs(SECOND) < 0)
        return bt_fail_errno(err, errno, "sync the tree");
    const struct helper_unpack_reply r = {.ok = &done};
    reply(&helper_unpack_reply_schema, &r);
    return 0;
}

static int run_fetch(struct bt_err *err)
{
    struct helper_fetch_request request;
    struct helper_fetch_ok done = {0};
    int rc = receive(&helper_fetch_request_schema, &request, err);
    if (rc < 0)
        return rc;
    rc = fetch_file(&request, FIRST, &done, err);
    bt_schema_free(&helper_fetch_request_schema, &request);
    if (rc < 0)
        return rc;
    const struct helper_fetch_reply r = {.ok = &done};
    reply(&helper_fetch_reply_schema, &r);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *mode;
        int (*run)(struct bt_err *err);
    } modes[] = {{"unpack", run_unpack}, {"fetch", run_fetch}};
    struct bt_err err = BT_ERR_INIT;
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    (void)umask(022);
    for (size_t i = 0; argc == 2 && i < BT_ARRAY_LEN(modes); i++) {
        if (strcmp(argv[1], modes[i].mode) != 0)
            continue;
        if (modes[i].run(&err) >= 0)
            return 0;
        reply_error(&err);
        return 1;
    }
    (void)fprintf(stderr, "berth-unpack: a helper of berth-agent; not for people\n");
    return 2;
}
