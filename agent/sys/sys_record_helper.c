/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sys/sys_record_priv.h"
#include "common/base/mem.h"

/*
 * Helpers that a test plays. What they say and how they end is a queue, delivered one event a turn
 * of the loop, so that callbacks come as from a real process: later, in order, `ended` last.
 */
struct event {
    struct bt_list link;
    char *json; /* NULL = the end */
    int status, signum;
};

struct played {
    struct bt_post post;
    struct sys *sys;
    struct sys_helper *owner; /* NULL: abandoned */
    struct bt_list events;
    bool posted, silent, over;
};

static void event_free(struct event *e)
{
    free(e->json);
    free(e);
}

static void post(struct played *p)
{
    if (p->posted || bt_list_empty(&p->events))
        return;
    p->posted = true;
    bt_loop_post(p->sys->loop, &p->post);
}

static void finish(struct played *p, const struct event *e)
{
    struct sys_helper *h = p->owner;
    int status = e->status;
    int signum = e->signum;
    for (struct bt_list *l = bt_list_pop(&p->events); l; l = bt_list_pop(&p->events))
        event_free(BT_CONTAINER_OF(l, struct event, link));
    free(p);
    if (!h)
        return;
    h->impl = NULL;
    h->ended(h, status, signum, NULL);
}

static void deliver(struct bt_post *bp)
{
    struct played *p = BT_CONTAINER_OF(bp, struct played, post);
    struct bt_list *l = bt_list_pop(&p->events);
    p->posted = false;
    if (!l)
        return;
    struct event *e = BT_CONTAINER_OF(l, struct event, link);
    if (!e->json) {
        finish(p, e);
        event_free(e);
        return;
    }
    if (p->owner && !p->silent)
        p->owner->frame(p->owner, e->json, strlen(e->json));
    event_free(e);
    post(p);
}

static void push(struct played *p, struct event *e)
{
    if (p->over) {
        event_free(e);
        return;
    }
    p->over = e->json == NULL;
    bt_list_init(&e->link);
    bt_list_push(&p->events, &e->link);
    post(p);
}

static int rec_start(struct sys *s, struct sys_helper *h, const struct sys_helper_start *how,
                     struct bt_err *err)
{
    struct sys_record *r = sys_record_of(s);
    const char *verb = how->argv[1] ? how->argv[1] : "";
    int rc = sys_record_call(s, err, "helper start %s %s", how->argv[0], verb);
    if (rc < 0)
        return bt_fail(err, BT_E_HELPER, "%s does not start", how->argv[0]);
    if (!r->plays)
        return bt_fail(err, BT_E_HELPER, "nobody plays %s", how->argv[0]);
    struct played *p = bt_xcalloc(1, sizeof *p);
    p->post.cb = deliver;
    bt_list_init(&p->post.link);
    bt_list_init(&p->events);
    p->sys = s;
    p->owner = h;
    h->sys = s;
    h->impl = p;
    h->pid = r->next_pid++;
    r->player.started(r->player.ctx, h, how);
    return 0;
}

static int rec_send(struct sys *s, struct sys_helper *h, const struct sys_helper_frame *f,
                    struct bt_err *err)
{
    struct sys_record *r = sys_record_of(s);
    struct played *p = h->impl;
    int rc = sys_record_call(s, err, "helper send %.*s", f->len > 200 ? 200 : (int)f->len, f->json);
    if (rc < 0)
        return bt_fail(err, BT_E_UNAVAILABLE, "the helper has ended the conversation");
    if (!p || p->silent || p->over)
        return bt_fail(err, BT_E_UNAVAILABLE, "the helper has ended the conversation");
    r->player.got(r->player.ctx, h, f->json, f->len);
    return 0;
}

static int rec_take_fd(struct sys *s, struct sys_helper *h)
{
    (void)s;
    (void)h;
    return -1;
}

static void rec_close(struct sys *s, struct sys_helper *h)
{
    struct played *p = h->impl;
    (void)s;
    if (p)
        p->silent = true;
}

static void rec_kill(struct sys *s, struct sys_helper *h, int signum)
{
    struct sys_record *r = sys_record_of(s);
    (void)sys_record_call(s, NULL, "helper kill %d", signum);
    if (!h->impl)
        return;
    if (r->player.killed && signum != SIGKILL)
        r->player.killed(r->player.ctx, h, signum);
    else
        sys_record_exit(s, h, 0, signum);
}

static void rec_abandon(struct sys *s, struct sys_helper *h)
{
    struct played *p = h->impl;
    struct event *e = bt_xcalloc(1, sizeof *e);
    (void)s;
    if (!p) {
        free(e);
        return;
    }
    p->owner = NULL;
    h->impl = NULL;
    push(p, e); /* so that its memory goes */
}

const struct sys_helper_ops sys_record_helper_ops = {
    .start = rec_start,
    .send = rec_send,
    .take_fd = rec_take_fd,
    .close = rec_close,
    .kill = rec_kill,
    .abandon = rec_abandon,
};

void sys_record_say(struct sys *s, struct sys_helper *h, const char *json)
{
    struct event *e = bt_xcalloc(1, sizeof *e);
    (void)s;
    e->json = bt_xstrdup(json);
    assert(h->impl);
    push(h->impl, e);
}

void sys_record_exit(struct sys *s, struct sys_helper *h, int status, int signum)
{
    struct event *e = bt_xcalloc(1, sizeof *e);
    (void)s;
    e->status = status;
    e->signum = signum;
    assert(h->impl);
    push(h->impl, e);
}
