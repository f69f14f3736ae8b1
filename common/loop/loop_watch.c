/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>

#include "common/base/mem.h"
#include "common/loop/loop_uv.h"

/* Closes asynchronously, so it outlives the watch that it served. */
struct watch {
    uv_poll_t poll;
    struct bt_watch *owner; /* NULL once stopped */
    struct bt_loop *loop;
    int events;
};

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *impl = BT_CONTAINER_OF(poll, struct watch, poll);
    struct bt_watch *w = impl->owner;
    if (status >= 0) {
        int seen =
            (events & UV_READABLE ? BT_READABLE : 0) | (events & UV_WRITABLE ? BT_WRITABLE : 0);
        if (seen)
            w->cb(w, seen);
        return;
    }
    /* libuv stops a poll on EPOLLERR; ours is level-triggered: the owner reads the error and stops.
     */
    w->cb(w, BT_READABLE);
    if (!uv_is_closing((uv_handle_t *)poll))
        (void)uv_poll_start(poll, impl->events, on_poll);
}

static int uv_events(int events)
{
    return (events & BT_READABLE ? UV_READABLE : 0) | (events & BT_WRITABLE ? UV_WRITABLE : 0);
}

static void watch_closed(uv_handle_t *handle)
{
    free(BT_CONTAINER_OF((uv_poll_t *)handle, struct watch, poll));
}

static int watch_new(struct loop_uv *u, int fd, struct watch **ret, struct bt_err *err)
{
    struct watch *impl = bt_xcalloc(1, sizeof *impl);
    int rc = uv_poll_init(&u->uv, &impl->poll, fd);
    if (rc < 0) {
        free(impl);
        return loop_uv_fail(err, BT_E_KERNEL, rc, "watch a descriptor");
    }
    impl->loop = &u->base;
    u->base.n_users++;
    *ret = impl;
    return 0;
}

int bt_watch_start(struct bt_watch *w, struct bt_loop *l, int fd, int events, struct bt_err *err)
{
    struct loop_uv *u = loop_uv_find(l);
    struct watch *impl = w->impl;
    assert(loop_on_thread(l) && (!impl || w->fd == fd));
    if (!u)
        return loop_uv_missing(err, "descriptors");
    if (!impl) {
        int rc = watch_new(u, fd, &impl, err);
        if (rc < 0)
            return rc;
        impl->owner = w;
        w->impl = impl;
        w->fd = fd;
    }
    impl->events = uv_events(events);
    int rc = uv_poll_start(&impl->poll, impl->events, on_poll);
    if (rc == 0)
        return 0;
    bt_watch_stop(w);
    return loop_uv_fail(err, BT_E_KERNEL, rc, "watch a descriptor");
}

void bt_watch_stop(struct bt_watch *w)
{
    struct watch *impl = w->impl;
    if (!impl)
        return;
    assert(loop_on_thread(impl->loop));
    impl->loop->n_users--;
    impl->owner = NULL;
    w->impl = NULL;
    uv_close((uv_handle_t *)&impl->poll, watch_closed);
}
