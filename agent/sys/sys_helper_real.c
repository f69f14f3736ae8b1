/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/sys/sys_real_priv.h"
#include "common/base/mem.h"

/*
 * Life of a helper: started -> (socket open | closed) -> exited -> ended. The conversation may end
 * first (EOF, protocol error, close), the process decides when `ended` comes. The running half is
 * on the heap, so that an owner may forget a process that lives on.
 */
struct running {
    struct bt_child child;
    struct sys_helper *owner; /* NULL: abandoned */
};

/* Room for a whole frame behind another one: a send never waits for a helper that does not read. */
#define SOCKET_BYTES (4 << 20)
#define QUEUED_MAX (1 << 20)

static void hang_up(struct sys_helper *h)
{
    bt_watch_stop(&h->watch);
    if (h->sock >= 0)
        (void)close(h->sock);
    h->sock = -1;
}

/* Hand over whole frames; the owner may close or abandon meanwhile. False = stop reading. */
static bool give_frames(struct sys_helper *h, const struct running *run)
{
    char *json = NULL;
    size_t len = 0;
    for (;;) {
        int rc = bt_frame_next(&h->reader, &json, &len, &h->broken);
        if (rc <= 0)
            return rc == 0;
        h->frame(h, json, len);
        free(json);
        json = NULL;
        if (run->owner != h || h->sock < 0)
            return false;
    }
}

/* Read until nothing is there now. False when the conversation is over or the owner left. */
static bool read_all(struct sys_helper *h)
{
    const struct running *run = h->impl;
    for (;;) {
        struct bt_err err = BT_ERR_INIT;
        int rc = bt_frame_read(&h->reader, h->sock, &err);
        if (rc == 0)
            return true;
        if (rc < 0) {
            if (err.code != BT_E_UNAVAILABLE)
                h->broken = err;
            return false;
        }
        if (!give_frames(h, run))
            return false;
    }
}

static void on_readable(struct bt_watch *w, int events)
{
    struct sys_helper *h = BT_CONTAINER_OF(w, struct sys_helper, watch);
    const struct running *run = h->impl;
    (void)events;
    /* `run` outlives an abandoned `h`: it ends with the process, on a later turn. */
    if (!read_all(h) && run->owner == h)
        hang_up(h);
}

static void on_ended(struct bt_child *c, int status, int signum)
{
    struct running *run = BT_CONTAINER_OF(c, struct running, child);
    struct sys_helper *h = run->owner;
    if (h && h->sock >= 0)
        (void)read_all(h);
    h = run->owner;
    free(run);
    if (!h)
        return;
    hang_up(h);
    bt_frame_reader_fini(&h->reader);
    h->impl = NULL;
    h->ended(h, status, signum, h->broken.code ? &h->broken : NULL);
}

static int spawn(struct sys *s, struct running *run, const struct sys_helper_start *how, int theirs,
                 struct bt_err *err)
{
    int fds[4 + SYS_HELPER_FDS_MAX] = {-1, -1, STDERR_FILENO, theirs};
    assert(how->n_fds <= SYS_HELPER_FDS_MAX);
    for (size_t i = 0; i < how->n_fds; i++)
        fds[4 + i] = how->fds[i];
    struct bt_spawn sp = {
        .argv = how->argv,
        .envp = how->envp,
        .fds = fds,
        .n_fds = 4 + how->n_fds,
        .detached = how->detached,
        .cwd = how->cwd,
    };
    run->child.on_exit = on_ended;
    return bt_child_spawn(&run->child, s->loop, &sp, err);
}

static int make_sockets(int ret[2], struct bt_err *err)
{
    int room = SOCKET_BYTES;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret) < 0)
        return bt_fail_errno(err, errno, "socket for a helper");
    (void)setsockopt(ret[0], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    (void)fcntl(ret[0], F_SETFL, O_NONBLOCK);
    return 0;
}

static int helper_start(struct sys *s, struct sys_helper *h, const struct sys_helper_start *how,
                        struct bt_err *err)
{
    int socks[2] = {-1, -1};
    int rc = make_sockets(socks, err);
    if (rc < 0)
        return rc;
    _cleanup_close_ int ours = socks[0];
    _cleanup_close_ int theirs = socks[1];
    struct running *run = bt_xcalloc(1, sizeof *run);
    *run = (struct running){.owner = h};
    h->sys = s;
    h->impl = run;
    h->broken = BT_ERR_INIT;
    h->watch = (struct bt_watch){.cb = on_readable};
    rc = spawn(s, run, how, theirs, err);
    if (rc < 0) {
        free(run);
        h->impl = NULL;
        h->sock = -1;
        return rc;
    }
    h->pid = run->child.pid;
    h->sock = TAKE_FD(ours);
    bt_frame_reader_init(&h->reader);
    /* Watching a socket of ours fails only when the kernel is out of memory: then the helper sees
     * the end of the conversation, ends, and its owner hears of it. */
    if (bt_watch_start(&h->watch, s->loop, h->sock, BT_READABLE, &h->broken) < 0)
        hang_up(h);
    return 0;
}

static int helper_send(struct sys *s, struct sys_helper *h, const struct sys_helper_frame *f,
                       struct bt_err *err)
{
    int queued = 0;
    (void)s;
    if (!h->impl || h->sock < 0)
        return bt_fail(err, BT_E_UNAVAILABLE, "the helper has ended the conversation");
    if (ioctl(h->sock, SIOCOUTQ, &queued) == 0 && queued > QUEUED_MAX)
        return bt_fail(err, BT_E_UNAVAILABLE, "the helper does not read");
    return bt_frame_send(h->sock, f->json, f->len, f->fds, f->n_fds, err);
}

static int helper_take_fd(struct sys *s, struct sys_helper *h)
{
    (void)s;
    return bt_frame_take_fd(&h->reader);
}

static void helper_close(struct sys *s, struct sys_helper *h)
{
    (void)s;
    if (h->impl)
        hang_up(h);
}

static void helper_kill(struct sys *s, struct sys_helper *h, int signum)
{
    struct running *run = h->impl;
    (void)s;
    if (run)
        bt_child_kill(&run->child, signum);
}

static void helper_abandon(struct sys *s, struct sys_helper *h)
{
    struct running *run = h->impl;
    (void)s;
    if (!run)
        return;
    hang_up(h);
    bt_frame_reader_fini(&h->reader);
    run->owner = NULL;
    h->impl = NULL;
}

const struct sys_helper_ops sys_real_helper_ops = {
    .start = helper_start,
    .send = helper_send,
    .take_fd = helper_take_fd,
    .close = helper_close,
    .kill = helper_kill,
    .abandon = helper_abandon,
};
