/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's /dev/console. The monitor owns its terminal and gives one reader at a time a terminal
 * of its own to it, for as long as that reader's connection stands: this process holds it.
 */
#include <errno.h>
#include <lxc/lxccontainer.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "runtime/container/ct.h"
#include "runtime/container/ct_proc.h"

/* What was said before: at most the ring's size, written where the agent reads it. */
static void replay(struct lxc_container *lxc, int to)
{
    uint64_t max = 0;
    struct lxc_console_log log = {.clear = false, .read = true, .read_max = &max, .data = NULL};
    if (lxc->console_log(lxc, &log) < 0 || !log.data)
        return;
    (void)bt_write_all(to, log.data, (size_t)max, NULL);
    free(log.data);
}

static void wait_hangup(int sock)
{
    struct pollfd p = {.fd = sock, .events = POLLIN | POLLRDHUP};
    while (poll(&p, 1, -1) < 0 && errno == EINTR)
        ;
}

static int console_of(struct ct *c, struct lxc_container *lxc, struct bt_err *err)
{
    const struct helper_container_console *x = c->req.console;
    struct winsize size = {.ws_row = (unsigned short)x->rows, .ws_col = (unsigned short)x->cols};
    int number = 0;
    int terminal = -1;
    int history[2] = {-1, -1};
    int keep = lxc->console_getfd(lxc, &number, &terminal);
    if (keep < 0)
        return bt_fail(err, BT_E_IN_USE, "the console is open elsewhere");
    if (x->rows > 0 && x->cols > 0)
        (void)ioctl(terminal, TIOCSWINSZ, &size);
    /* A pipe holds a ring of 64 KiB (pipe(7)). */
    if (x->replay && pipe(history) == 0) {
        replay(lxc, history[1]);
        (void)close(history[1]);
    }
    int fds[2] = {terminal, history[0]};
    struct helper_container_stream ok = {.fds = history[0] >= 0 ? 2 : 1};
    ct_reply_ok(c, &helper_container_stream_schema, &ok, fds, (size_t)ok.fds);
    (void)close(terminal);
    bt_close_p(&history[0]);
    wait_hangup(c->sock);
    (void)close(keep);
    return 0;
}

int ct_console(struct ct *c, struct bt_err *err)
{
    struct ct_life life;
    c->step = "console";
    if (!c->req.console)
        return bt_fail(err, BT_E_INVALID, "console: required");
    int rc = ct_open_dir(c, false, err);
    if (rc < 0)
        return rc;
    ct_life_read(c->dir, &life);
    bool runs = life.init_lives && life.lock_held;
    bool lost = life.init_lives && !life.lock_held;
    ct_life_fini(&life);
    if (lost)
        return bt_fail(err, BT_E_UNAVAILABLE, "the instance's monitor is lost");
    if (!runs)
        return bt_fail(err, BT_E_BAD_STATE, "the instance does not run");
    struct lxc_container *lxc = lxc_container_new(c->uuid, c->req.run_dir);
    if (!lxc)
        return bt_fail(err, BT_E_KERNEL, "liblxc: no container object");
    rc = console_of(c, lxc, err);
    (void)lxc_container_put(lxc);
    return rc;
}
