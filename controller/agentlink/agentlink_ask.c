/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/agentlink/agentlink_priv.h"

/* Questions to a host. What fails at once ends from the loop, never inside its starter. */
static struct agentlink_ask *ask_of(struct bt_list *l)
{
    return BT_CONTAINER_OF(l, struct agentlink_ask, link);
}

static void unreachable(struct bt_err *err)
{
    (void)bt_fail(err, BT_E_HOST_UNREACHABLE, "the host has no session");
}

static void fail_all(struct bt_post *p)
{
    struct agentlink *a = BT_CONTAINER_OF(p, struct agentlink, fail_post);
    struct bt_err err = BT_ERR_INIT;
    struct bt_list *l;
    a->fail_posted = false;
    unreachable(&err);
    while ((l = bt_list_pop(&a->failed_asks))) {
        struct agentlink_ask *q = ask_of(l);
        q->done(q, NULL, 0, &err);
    }
    while ((l = bt_list_pop(&a->failed_streams))) {
        struct agentlink_stream *s = BT_CONTAINER_OF(l, struct agentlink_stream, link);
        s->ended = true;
        s->closed(s, -1, s->why.code ? &s->why : NULL);
    }
}

void agentlink_fail_soon(struct agentlink *a)
{
    if (a->fail_posted)
        return;
    a->fail_posted = true;
    a->fail_post.cb = fail_all;
    bt_loop_post(a->cfg.loop, &a->fail_post);
}

static void on_timeout(struct bt_timer *t)
{
    struct agentlink_ask *q = BT_CONTAINER_OF(t, struct agentlink_ask, timer);
    struct bt_err err = BT_ERR_INIT;
    (void)bt_fail(&err, BT_E_TIMEOUT, "the host did not answer %s in time", q->op);
    bt_list_remove(&q->link);
    q->done(q, NULL, 0, &err);
}

void agentlink_ask_begin(struct agentlink_ask *q, struct agentlink *a,
                         const struct agentlink_question *what)
{
    struct agentlink_rec *h = bt_map_find_u64(&a->hosts, (uint64_t)what->host_id);
    q->op = what->op;
    bt_list_init(&q->link);
    bt_timer_init(&q->timer, a->cfg.loop, on_timeout);
    if (!h || !h->session || h->session->joining) {
        bt_list_push(&a->failed_asks, &q->link);
        agentlink_fail_soon(a);
        return;
    }
    q->id = agentlink_say(h->session, what->op, what->body ? what->body : "{}", 0);
    bt_list_push(&h->session->asks, &q->link);
    bt_timer_start(&q->timer, what->timeout_ms);
}

void agentlink_ask_stop(struct agentlink_ask *q)
{
    bt_list_remove(&q->link);
    bt_timer_stop(&q->timer);
}

static struct agentlink_ask *find(struct agentlink_session *s, int64_t re)
{
    BT_LIST_FOREACH(it, &s->asks)
        if (ask_of(it)->id == re)
            return ask_of(it);
    return NULL;
}

static void said_error(struct agentlink_ask *q, const char *body)
{
    struct link_error e;
    struct bt_err err = BT_ERR_INIT;
    if (bt_schema_parse(&link_error_schema, body, strlen(body), BT_LENIENT, &e, NULL, &err) >= 0) {
        (void)bt_fail(&err, bt_code_from_str(e.code), "%s", e.message ? e.message : e.code);
        bt_schema_free(&link_error_schema, &e);
    }
    q->done(q, NULL, 0, &err);
}

bool agentlink_on_answer(struct agentlink_session *s, int64_t re, const char *op, const char *body)
{
    struct agentlink_ask *q = find(s, re);
    if (!q)
        return false;
    agentlink_ask_stop(q);
    if (bt_streq(op, LINK_OP_ERROR))
        said_error(q, body);
    else
        q->done(q, body, strlen(body), NULL);
    return true;
}

void agentlink_asks_fail(struct agentlink_session *s)
{
    struct bt_list *l;
    while ((l = bt_list_pop(&s->asks))) {
        bt_timer_stop(&ask_of(l)->timer);
        bt_list_push(&s->al->failed_asks, l);
        agentlink_fail_soon(s->al);
    }
}
