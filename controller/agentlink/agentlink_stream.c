/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/agentlink/agentlink_stream.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/agentlink/agentlink_priv.h"

#define FRAME_MAX 16384 /* channel byte and content */
#define OWED_MIN (LINK_STREAM_CREDIT / 4)

static struct agentlink_stream *stream_of(struct bt_list *l)
{
    return BT_CONTAINER_OF(l, struct agentlink_stream, link);
}

static struct agentlink_session *session_of(const struct agentlink_stream *s)
{
    const struct agentlink_rec *h = bt_map_find_u64(&s->al->hosts, (uint64_t)s->host_id);
    return h ? h->session : NULL;
}

static struct agentlink_stream *find(struct agentlink_session *ss, uint32_t id)
{
    BT_LIST_FOREACH(it, &ss->streams)
        if (stream_of(it)->id == id)
            return stream_of(it);
    return NULL;
}

/* closed() comes from the loop. */
static void end_soon(struct agentlink_stream *s, const struct bt_err *why)
{
    bt_list_remove(&s->link);
    s->open = false;
    if (why)
        s->why = *why;
    bt_list_push(&s->al->failed_streams, &s->link);
    agentlink_fail_soon(s->al);
}

static void control(struct agentlink_stream *s, struct link_stream_ctl *c)
{
    struct agentlink_session *ss = session_of(s);
    if (!ss)
        return;
    c->stream = s->id;
    _cleanup_free_ char *body = bt_schema_emit_str(&link_stream_ctl_schema, c);
    (void)agentlink_say(ss, LINK_OP_STREAM, body, 0);
}

static char *word(const char *s)
{
    return (char *)(uintptr_t)s;
}

void agentlink_stream_start(struct agentlink_stream *s, struct agentlink *a,
                            const struct agentlink_stream_open *o)
{
    struct bt_err err = BT_ERR_INIT;
    s->al = a;
    s->host_id = o->host_id;
    s->send_credit = LINK_STREAM_CREDIT;
    s->owed = s->sent = s->got = 0;
    s->end_at = -1;
    s->open = s->ended = false;
    s->why = BT_ERR_INIT;
    bt_list_init(&s->link);
    struct agentlink_session *ss = session_of(s);
    if (!ss || ss->joining) {
        (void)bt_fail(&err, BT_E_HOST_UNREACHABLE, "the host has no session");
        end_soon(s, &err);
        return;
    }
    s->id = ++ss->next_stream;
    bt_list_push(&ss->streams, &s->link);
    struct link_stream_open m = {.stream = s->id,
                                 .kind = o->kind,
                                 .uuid = word(o->uuid),
                                 .tty = o->tty,
                                 .rows = o->rows,
                                 .cols = o->cols};
    for (size_t i = 0; o->argv && o->argv[i]; i++)
        bt_arr_push_str(&m.argv, o->argv[i]);
    _cleanup_free_ char *body = bt_schema_emit_str(&link_stream_open_schema, &m);
    for (size_t i = 0; i < m.argv.len; i++)
        free(((char **)m.argv.items)[i]);
    free(m.argv.items);
    (void)agentlink_say(ss, LINK_OP_STREAM_OPEN, body, 0);
}

size_t agentlink_stream_write(struct agentlink_stream *s, const void *data, size_t n)
{
    struct agentlink_session *ss = session_of(s);
    size_t taken = 0;
    unsigned char frame[FRAME_MAX];
    frame[0] = 0; /* channel: in */
    while (ss && ss->peer && !s->ended && taken < n && s->send_credit > 0) {
        size_t part = n - taken;
        if (part > FRAME_MAX - 1)
            part = FRAME_MAX - 1;
        if ((int64_t)part > s->send_credit)
            part = (size_t)s->send_credit;
        memcpy(frame + 1, (const char *)data + taken, part);
        (void)rpc_send_binary(ss->peer, s->id, frame, part + 1);
        s->send_credit -= (int64_t)part;
        s->sent += (int64_t)part;
        taken += part;
    }
    return taken;
}

void agentlink_stream_eof(struct agentlink_stream *s)
{
    struct link_stream_ctl c = {.what = word("eof"), .credit = s->sent};
    control(s, &c);
}

void agentlink_stream_resize(struct agentlink_stream *s, int rows, int cols)
{
    struct link_stream_ctl c = {.what = word("resize"), .rows = rows, .cols = cols};
    control(s, &c);
}

void agentlink_stream_consumed(struct agentlink_stream *s, size_t n)
{
    s->owed += (int64_t)n;
    if (s->owed < OWED_MIN || s->ended)
        return;
    struct link_stream_ctl c = {.what = word("credit"), .credit = s->owed};
    s->owed = 0;
    control(s, &c);
}

void agentlink_stream_close(struct agentlink_stream *s)
{
    struct link_stream_ctl c = {.what = word("close")};
    if (s->ended || bt_list_empty(&s->link))
        return;
    control(s, &c);
    end_soon(s, NULL);
}

/* ---- from the host ---- */

/* Its end, when all that went before it is here. */
static void end_if_whole(struct agentlink_stream *s)
{
    if (s->end_at < 0 || s->got < s->end_at)
        return;
    bt_list_remove(&s->link);
    s->ended = true;
    s->closed(s, s->status, s->why.code != BT_E_OK ? &s->why : NULL);
}

static void told_end(struct agentlink_stream *s, const struct link_stream_ctl *c, int status)
{
    s->status = status;
    s->end_at = c->credit;
    if (c->code)
        (void)bt_fail(&s->why, bt_code_from_str(c->code), "%s", c->message ? c->message : "failed");
    end_if_whole(s);
}

static void heard(struct agentlink_stream *s, const struct link_stream_ctl *c)
{
    if (bt_streq(c->what, "opened")) {
        s->open = true;
        s->opened(s);
    } else if (bt_streq(c->what, "credit")) {
        s->send_credit += c->credit;
        if (s->writable)
            s->writable(s);
    } else if (bt_streq(c->what, "exit")) {
        told_end(s, c, (int)c->status);
    } else if (bt_streq(c->what, "failed") || bt_streq(c->what, "close")) {
        told_end(s, c, -1);
    }
}

void agentlink_on_stream(struct agentlink_session *ss, const char *body)
{
    struct link_stream_ctl c;
    struct bt_err err = BT_ERR_INIT;
    if (bt_schema_parse(&link_stream_ctl_schema, body, strlen(body), BT_LENIENT, &c, NULL, &err) <
        0) {
        agentlink_end(ss, &err);
        return;
    }
    struct agentlink_stream *s = find(ss, (uint32_t)c.stream);
    if (s)
        heard(s, &c);
    bt_schema_free(&link_stream_ctl_schema, &c);
}

void agentlink_on_binary(struct agentlink_session *ss, uint32_t id, const void *data, size_t len)
{
    struct agentlink_stream *s = find(ss, id);
    const unsigned char *p = data;
    if (!s || len <= 1 || (p[0] != 1 && p[0] != 2))
        return;
    s->got += (int64_t)len - 1;
    s->data(s, p[0], p + 1, len - 1);
    if (!s->ended)
        end_if_whole(s);
}

void agentlink_streams_fail(struct agentlink_session *ss)
{
    struct bt_err err = BT_ERR_INIT;
    (void)bt_fail(&err, BT_E_HOST_UNREACHABLE, "the session of the host has ended");
    while (!bt_list_empty(&ss->streams))
        end_soon(stream_of(ss->streams.next), &err);
}
