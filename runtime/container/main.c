/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth-container VERB UUID: one verb for one system container, asked by a frame on descriptor 3
 * (proto/helper_container.h). `boot DIR` is for liblxc alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/container/ct.h"

static const ct_verb_fn verbs[] = {
    [HELPER_CONTAINER_RUN] = ct_run,       [HELPER_CONTAINER_STOP] = ct_stop,
    [HELPER_CONTAINER_EXEC] = ct_exec,     [HELPER_CONTAINER_CONSOLE] = ct_console,
    [HELPER_CONTAINER_GROW] = ct_grow,     [HELPER_CONTAINER_STAT] = ct_stat,
    [HELPER_CONTAINER_LIMITS] = ct_limits, [HELPER_CONTAINER_FREEZE] = ct_freeze,
    [HELPER_CONTAINER_PROBE] = ct_probe,
};

static int receive(struct ct *c, int op, struct bt_err *err)
{
    char *text = NULL;
    size_t len = 0;
    struct bt_field_errors bad = {0};
    int rc = bt_frame_recv(&c->reader, c->sock, &text, &len, err);
    if (rc < 0)
        return rc;
    rc =
        bt_schema_parse(&helper_container_request_schema, text, len, BT_STRICT, &c->req, &bad, err);
    bt_erase(text, len);
    free(text);
    if (rc < 0 && bad.n > 0)
        return bt_fail(err, BT_E_INVALID, "%s: %s", bad.list[0].field, bad.list[0].message);
    if (rc < 0)
        return rc;
    if (c->req.op != op)
        return bt_fail(err, BT_E_INVALID, "op differs from the verb");
    if (c->req.run_dir[0] != '/')
        return bt_fail(err, BT_E_INVALID, "run_dir: an absolute path");
    return 0;
}

static int verb(const char *name, const char *uuid)
{
    struct bt_err err = BT_ERR_INIT;
    struct ct c = {.uuid = uuid, .sock = CT_SOCK, .dir = -1, .step = "request"};
    int op = enum_from_str(helper_container_op, name);
    if (op < 0 || !bt_uuid_ok(uuid))
        return 2;
    if (fcntl(CT_SOCK, F_SETFD, FD_CLOEXEC) < 0) {
        (void)fprintf(stderr, "berth-container: descriptor %d: %s\n", CT_SOCK, strerror(errno));
        return 2;
    }
    bt_frame_reader_init(&c.reader);
    int rc = receive(&c, op, &err);
    if (rc == 0)
        rc = verbs[op](&c, &err);
    if (rc < 0 && !c.replied)
        ct_reply_err(&c, &err);
    bt_schema_free(&helper_container_request_schema, &c.req);
    bt_frame_reader_fini(&c.reader);
    bt_close_p(&c.dir);
    return rc < 0 ? 1 : 0;
}

static int boot(const char *dir)
{
    struct bt_err err = BT_ERR_INIT;
    if (ct_boot(dir, &err) == 0)
        return 0;
    /* liblxc puts it into its log. */
    (void)printf("%s\n", err.msg);
    return 1;
}

/* Caught, not ignored: what is ignored stays so in the guest (execve(2)). */
static void nothing(int sig)
{
    (void)sig;
}

int main(int argc, char **argv)
{
    struct sigaction on_pipe = {.sa_handler = nothing, .sa_flags = SA_RESTART};
    (void)sigaction(SIGPIPE, &on_pipe, NULL);
    /* A descriptor that the agent forgot to close must not reach an instance. */
    (void)close_range(CT_SOCK + 1, ~0U, 0);
    if (argc == 2 && bt_streq(argv[1], "--version")) {
        (void)printf("berth-container %s\n", BT_VERSION);
        return 0;
    }
    if (argc >= 3 && bt_streq(argv[1], "boot"))
        return boot(argv[2]);
    if (argc == 3)
        return verb(argv[1], argv[2]);
    (void)fprintf(stderr, "usage: berth-container VERB UUID (descriptor 3: a request)\n");
    return 2;
}
