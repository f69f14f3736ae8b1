/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec and console: the helper opens the terminal (one descriptor) or three pipes and hands them
 * over; bytes are copied here, on the loop. The exit status comes by the helper's last frame.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/driver/container/container_priv.h"
#include "common/base/mem.h"

#define CHUNK 16384
#define IN_MAX (1u << 20)

enum { OUT, ERR, IN, N_FDS };

struct stream {
    struct container_driver *cd;
    struct driver_stream *owner;
    struct container_call *call; /* NULL = the helper is gone */
    int fds[N_FDS];              /* a terminal is OUT and IN (the same descriptor twice, dup'ed) */
    struct bt_watch watch[N_FDS];
    bool watching[N_FDS];
    struct bt_buf in;
    bool tty, paused, eof, closing, exited, opened;
    int status;
    int64_t rows, cols;
    struct bt_err err;
    struct bt_post late;
    bool late_queued;
};

static void unwatch(struct stream *s, int i)
{
    if (s->watching[i])
        bt_watch_stop(&s->watch[i]);
    s->watching[i] = false;
}

static void close_fd(struct stream *s, int i)
{
    unwatch(s, i);
    bt_close_p(&s->fds[i]);
    s->fds[i] = -1;
}

/* All ends reached: output drained, helper gone. */
static void maybe_end(struct stream *s)
{
    bool drained = s->fds[OUT] < 0 && s->fds[ERR] < 0;
    if (s->call || (!drained && !s->closing) || s->late_queued)
        return;
    for (int i = 0; i < N_FDS; i++)
        close_fd(s, i);
    struct driver_stream *owner = s->owner;
    struct bt_err err = s->err;
    int status = s->exited ? s->status : -1;
    bt_buf_fini(&s->in);
    free(s);
    owner->impl = NULL;
    owner->closed(owner, status, &err);
}

static void on_readable(struct stream *s, int i)
{
    char data[CHUNK];
    ssize_t n = read(s->fds[i], data, sizeof data);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        s->owner->data(s->owner, i == ERR ? 2 : 1, data, (size_t)n);
        return;
    }
    /* EIO: the last process closed the terminal. */
    close_fd(s, i);
    maybe_end(s);
}

static void flush_in(struct stream *s)
{
    while (s->in.len > 0 && s->fds[IN] >= 0) {
        ssize_t n = write(s->fds[IN], s->in.data, s->in.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) {
            bt_buf_reset(&s->in);
            close_fd(s, IN);
            return;
        }
        bt_buf_consume(&s->in, (size_t)n);
    }
    if (s->in.len > 0)
        return;
    unwatch(s, IN);
    if (s->eof && s->fds[IN] >= 0 && !s->tty)
        close_fd(s, IN);
}

static void on_out(struct bt_watch *w, int events)
{
    (void)events;
    on_readable(BT_CONTAINER_OF(w, struct stream, watch[OUT]), OUT);
}

static void on_err(struct bt_watch *w, int events)
{
    (void)events;
    on_readable(BT_CONTAINER_OF(w, struct stream, watch[ERR]), ERR);
}

static void on_in(struct bt_watch *w, int events)
{
    (void)events;
    flush_in(BT_CONTAINER_OF(w, struct stream, watch[IN]));
}

static void watch(struct stream *s, int i)
{
    static void (*const callbacks[N_FDS])(struct bt_watch * w, int events) = {on_out, on_err,
                                                                              on_in};
    if (s->watching[i] || s->fds[i] < 0)
        return;
    s->watch[i].cb = callbacks[i];
    s->watching[i] = bt_watch_start(&s->watch[i], s->cd->cfg.sys->loop, s->fds[i],
                                    i == IN ? BT_WRITABLE : BT_READABLE, NULL) >= 0;
}

static void resize_now(struct stream *s)
{
    const struct winsize w = {.ws_row = (unsigned short)s->rows, .ws_col = (unsigned short)s->cols};
    if (s->tty && s->fds[OUT] >= 0 && s->rows > 0 && s->cols > 0)
        (void)ioctl(s->fds[OUT], TIOCSWINSZ, &w);
}

static int take_fds(struct stream *s, struct container_call *c, int64_t n, struct bt_err *err)
{
    struct sys *sys = s->cd->cfg.sys;
    int fds[N_FDS] = {-1, -1, -1};
    for (int64_t i = 0; i < n && i < N_FDS; i++)
        fds[i] = sys->helper->take_fd(sys, &c->helper);
    s->tty = n == 1;
    if (s->tty) {
        s->fds[OUT] = fds[0];
        s->fds[IN] = fds[0] < 0 ? -1 : fcntl(fds[0], F_DUPFD_CLOEXEC, 3);
    } else {
        s->fds[IN] = fds[0];
        s->fds[OUT] = fds[1];
        s->fds[ERR] = fds[2];
    }
    if (s->fds[OUT] < 0 || s->fds[IN] < 0)
        return bt_fail(err, BT_E_HELPER, "the helper handed over no terminal");
    /* The loop must never wait for a command that reads slowly. */
    for (int i = 0; i < N_FDS; i++) {
        if (s->fds[i] >= 0 && fcntl(s->fds[i], F_SETFL, O_NONBLOCK) < 0)
            return bt_fail_errno(err, errno, "fcntl");
    }
    return 0;
}

static void on_reply(struct container_call *c, const char *ok, const struct bt_err *err)
{
    struct stream *s = c->owner;
    struct helper_container_stream st;
    if (!ok) {
        s->err = *err;
        return;
    }
    int rc = bt_schema_parse(&helper_container_stream_schema, ok, strlen(ok), BT_LENIENT, &st, NULL,
                             &s->err);
    if (rc >= 0)
        rc = take_fds(s, c, st.fds, &s->err);
    if (rc < 0 || s->closing) {
        s->closing = true;
        s->cd->cfg.sys->helper->kill(s->cd->cfg.sys, &c->helper, SIGTERM);
        return;
    }
    resize_now(s);
    watch(s, OUT);
    watch(s, ERR);
    s->opened = true;
    flush_in(s);
    if (s->in.len > 0)
        watch(s, IN);
    s->owner->opened(s->owner);
}

static void on_exited(struct container_call *c, int status)
{
    struct stream *s = c->owner;
    s->exited = true;
    s->status = status;
}

static void on_gone(struct container_call *c)
{
    struct stream *s = c->owner;
    s->call = NULL;
    if (!s->opened)
        s->closing = true;
    maybe_end(s);
}

/* ---- the stream's table ---- */

static size_t stream_write(struct driver_stream *owner, const void *data, size_t n)
{
    struct stream *s = owner->impl;
    /* What comes before the helper has answered waits for its descriptor. */
    if (s->closing || (s->opened && s->fds[IN] < 0) || !bt_buf_add(&s->in, data, n))
        return 0;
    flush_in(s);
    if (s->in.len > 0)
        watch(s, IN);
    return s->in.len;
}

static void stream_eof(struct driver_stream *owner)
{
    struct stream *s = owner->impl;
    s->eof = true;
    flush_in(s);
}

static void stream_resize(struct driver_stream *owner, int rows, int cols)
{
    struct stream *s = owner->impl;
    s->rows = rows;
    s->cols = cols;
    resize_now(s);
}

static void stream_pause(struct driver_stream *owner, bool on)
{
    struct stream *s = owner->impl;
    s->paused = on;
    for (int i = OUT; i <= ERR; i++) {
        if (on)
            unwatch(s, i);
        else
            watch(s, i);
    }
}

static void on_late(struct bt_post *p)
{
    struct stream *s = BT_CONTAINER_OF(p, struct stream, late);
    s->late_queued = false;
    maybe_end(s);
}

static void stream_close(struct driver_stream *owner)
{
    struct stream *s = owner->impl;
    if (s->closing)
        return;
    s->closing = true;
    for (int i = 0; i < N_FDS; i++)
        close_fd(s, i);
    if (s->call)
        s->cd->cfg.sys->helper->kill(s->cd->cfg.sys, &s->call->helper, SIGTERM);
    s->late_queued = true;
    s->late.cb = on_late;
    bt_loop_post(s->cd->cfg.sys->loop, &s->late);
}

static const struct driver_stream_ops ops = {.write = stream_write,
                                             .eof = stream_eof,
                                             .resize = stream_resize,
                                             .pause = stream_pause,
                                             .close = stream_close};

static void build_request(const struct link_stream_open *open, struct helper_container_request *ret)
{
    if (open->kind == STREAM_CONSOLE) {
        struct helper_container_console *c = bt_xcalloc(1, sizeof *c);
        *c = (struct helper_container_console){
            .rows = open->rows, .cols = open->cols, .replay = true};
        *ret = (struct helper_container_request){.op = HELPER_CONTAINER_CONSOLE, .console = c};
        return;
    }
    struct helper_container_exec *e = bt_xcalloc(1, sizeof *e);
    e->tty = open->tty;
    e->rows = open->rows;
    e->cols = open->cols;
    for (size_t i = 0; i < open->argv.len; i++)
        bt_arr_push_str(&e->argv, ((char **)open->argv.items)[i]);
    *ret = (struct helper_container_request){.op = HELPER_CONTAINER_EXEC, .exec = e};
}

int container_stream_open(struct driver *d, const struct link_stream_open *open,
                          struct driver_stream *owner, struct bt_err *err)
{
    (void)err;
    struct helper_container_request request;
    struct stream *s = bt_xcalloc(1, sizeof *s);
    s->cd = container_of(d);
    s->owner = owner;
    s->in = BT_BUF(IN_MAX);
    s->rows = open->rows;
    s->cols = open->cols;
    for (int i = 0; i < N_FDS; i++)
        s->fds[i] = -1;
    owner->ops = &ops;
    owner->impl = s;
    build_request(open, &request);
    const struct container_call how = {
        .done = on_reply, .exited = on_exited, .gone = on_gone, .owner = s};
    s->call = container_call_start(s->cd, open->uuid, &request, &how);
    bt_schema_free(&helper_container_request_schema, &request);
    return 0;
}
