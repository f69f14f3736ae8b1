/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/stream/stream.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/*
 * Output of the instance is sent while there is credit; the rest (at most what the driver had read
 * already) is kept and the driver paused. The end waits for what is kept. Input is handed to the
 * driver at once; its credit goes back when the driver's queue is short again.
 */
#define FRAME_MAX 16384
#define CONTENT_MAX (FRAME_MAX - 1)
#define KEPT_MAX (1u << 20)
#define QUEUE_SHORT 32768 /* below, input credit goes back */
#define GIVE_AT 16384     /* credit is given in portions of at least this, or when all is written */
#define LOOK_MS 20
#define STREAMS_MAX 256

struct stream {
    struct driver_stream s;
    struct stream_set *set; /* NULL = the session is gone */
    struct bt_list link;    /* of set->closing or nothing */
    struct bt_timer look;   /* is the driver's queue short again? */
    uint32_t id;
    int64_t send_credit; /* content that we may send */
    int64_t recv_credit; /* content that may come */
    int64_t owed;        /* came, and not given back */
    struct bt_buf kept;  /* frames: u32 length, then channel byte and content */
    int64_t sent, got;   /* content, both ways */
    int64_t eof_at;      /* end of input when so much has come, 0 = no end yet */
    bool paused, ended, closing;
    int status;
    struct bt_err why;
};

struct stream_set {
    struct stream_config cfg;
    bool congested;         /* the link's queue is long: control would overtake data */
    struct bt_map streams;  /* by id */
    struct bt_list closing; /* of a lost session, until the driver says closed */
};

static void give_back(struct stream *t);

/* ---- towards the controller ---- */

static void send_ctl(struct stream *t, const struct link_stream_ctl *c)
{
    if (t->set)
        t->set->cfg.ctl(t->set->cfg.ctx, c);
}

static void send_failed(struct stream_set *s, int64_t id, int64_t sent, const struct bt_err *err)
{
    char message[320];
    (void)bt_strcpy(message, sizeof message, err->msg);
    struct link_stream_ctl c = {.stream = id,
                                .credit = sent,
                                .what = (char[]){"failed"},
                                .code = (char *)bt_code_str(err->code),
                                .message = message};
    s->cfg.ctl(s->cfg.ctx, &c);
}

static void send_end(struct stream *t)
{
    if (t->why.code) {
        if (t->set)
            send_failed(t->set, t->id, t->sent, &t->why);
        return;
    }
    struct link_stream_ctl c = {
        .stream = t->id, .status = t->status < 0 ? 0 : t->status & 255, .credit = t->sent};
    c.what = t->status < 0 ? (char[]){"close"} : (char[]){"exit"};
    send_ctl(t, &c);
}

/* ---- life ---- */

static void stream_free(struct stream *t)
{
    if (t->set)
        (void)bt_map_remove_u64(&t->set->streams, t->id);
    bt_timer_stop(&t->look);
    bt_list_remove(&t->link);
    bt_buf_fini(&t->kept);
    free(t);
}

static void finish(struct stream *t)
{
    send_end(t);
    stream_free(t);
}

static void close_driver(struct stream *t)
{
    if (t->closing || t->ended)
        return;
    t->closing = true;
    t->s.ops->close(&t->s);
}

static void fail(struct stream *t, enum bt_code code, const char *text)
{
    if (!t->why.code)
        (void)bt_fail(&t->why, code, "%s", text);
    close_driver(t);
}

/* ---- output ---- */

static void send_chunk(struct stream *t, const char *frame, size_t n)
{
    t->send_credit -= (int64_t)n - 1;
    t->sent += (int64_t)n - 1;
    if (t->set && t->set->cfg.data(t->set->cfg.ctx, t->id, frame, n))
        t->set->congested = true;
}

static void keep(struct stream *t, int channel, const char *data, size_t n)
{
    uint32_t len = (uint32_t)n + 1;
    char head[5];
    memcpy(head, &len, 4);
    head[4] = (char)channel;
    if (!bt_buf_add(&t->kept, head, sizeof head) || !bt_buf_add(&t->kept, data, n))
        fail(t, BT_E_TOO_LARGE, "too much output at once");
}

/* Send of (channel, data) what the credit allows; returns how much. */
static size_t send_some(struct stream *t, int channel, const char *data, size_t n)
{
    char frame[FRAME_MAX];
    size_t sent = 0;
    while (sent < n && t->send_credit > 0) {
        size_t k = n - sent;
        if (k > CONTENT_MAX)
            k = CONTENT_MAX;
        if ((int64_t)k > t->send_credit)
            k = (size_t)t->send_credit;
        frame[0] = (char)channel;
        memcpy(frame + 1, data + sent, k);
        send_chunk(t, frame, k + 1);
        sent += k;
    }
    return sent;
}

static void pause_driver(struct stream *t, bool on)
{
    if (t->ended || t->paused == on)
        return;
    t->paused = on;
    t->s.ops->pause(&t->s, on);
}

static void on_data(struct driver_stream *s, int channel, const void *data, size_t n)
{
    struct stream *t = s->owner;
    size_t sent = t->kept.len ? 0 : send_some(t, channel, data, n);
    if (sent < n)
        keep(t, channel, (const char *)data + sent, n - sent);
    if (t->kept.len || t->send_credit <= 0)
        pause_driver(t, true);
}

static void flush_kept(struct stream *t)
{
    while (t->kept.len && t->send_credit > 0) {
        uint32_t len = 0;
        memcpy(&len, t->kept.data, 4);
        int channel = (unsigned char)t->kept.data[4];
        size_t n = len - 1;
        size_t sent = send_some(t, channel, t->kept.data + 5, n);
        if (sent < n) {
            uint32_t rest = (uint32_t)(n - sent) + 1;
            bt_buf_consume(&t->kept, sent);
            memcpy(t->kept.data, &rest, 4);
            t->kept.data[4] = (char)channel;
            return;
        }
        bt_buf_consume(&t->kept, n + 5);
    }
}

static void on_credit(struct stream *t, int64_t credit)
{
    t->send_credit += credit;
    flush_kept(t);
    if (t->ended && t->kept.len == 0 && !t->set->congested)
        finish(t);
    else if (t->kept.len == 0 && t->send_credit > 0)
        pause_driver(t, false);
}

/* ---- input ---- */

static void give(struct stream *t)
{
    struct link_stream_ctl c = {.stream = t->id, .what = (char[]){"credit"}, .credit = t->owed};
    t->recv_credit += t->owed;
    t->owed = 0;
    send_ctl(t, &c);
}

static void look(struct bt_timer *timer)
{
    give_back(BT_CONTAINER_OF(timer, struct stream, look));
}

static void give_back(struct stream *t)
{
    if (t->ended || t->closing || t->owed == 0)
        return;
    size_t queued = t->s.ops->write(&t->s, "", 0);
    if (queued < QUEUE_SHORT && (t->owed >= GIVE_AT || queued == 0))
        give(t);
    else
        bt_timer_start(&t->look, LOOK_MS);
}

void stream_data(struct stream_set *s, uint32_t stream, const void *frame, size_t n)
{
    struct stream *t = bt_map_find_u64(&s->streams, stream);
    if (!t || t->ended || t->closing)
        return;
    if (n < 1 || *(const char *)frame != 0) {
        fail(t, BT_E_PROTOCOL, "input has channel 0");
        return;
    }
    t->recv_credit -= (int64_t)n - 1;
    t->owed += (int64_t)n - 1;
    t->got += (int64_t)n - 1;
    if (t->recv_credit < 0) {
        fail(t, BT_E_PROTOCOL, "more input than credit");
        return;
    }
    (void)t->s.ops->write(&t->s, (const char *)frame + 1, n - 1);
    give_back(t);
    if (t->eof_at && t->got >= t->eof_at)
        t->s.ops->eof(&t->s);
}

/* ---- driver ---- */

static void on_opened(struct driver_stream *s)
{
    struct stream *t = s->owner;
    struct link_stream_ctl c = {.stream = t->id, .what = (char[]){"opened"}};
    send_ctl(t, &c);
}

static void on_closed(struct driver_stream *s, int status, const struct bt_err *err)
{
    struct stream *t = s->owner;
    t->ended = true;
    t->status = status;
    if (err && !t->why.code)
        t->why = *err;
    if (t->set && !t->closing && (t->kept.len || t->set->congested))
        return; /* the end waits for credit, or for the queue */
    finish(t);
}

void stream_set_writable(struct stream_set *s)
{
    size_t pos = 0;
    s->congested = false;
    for (struct stream *t; (t = bt_map_next(&s->streams, &pos));) {
        if (t->ended && t->kept.len == 0)
            finish(t);
    }
}

void stream_refuse(struct stream_set *s, int64_t stream, const struct bt_err *err)
{
    send_failed(s, stream, 0, err);
}

static int check_open(struct stream_set *s, const struct link_stream_open *open, struct driver *d,
                      struct bt_err *err)
{
    if (s->streams.len >= STREAMS_MAX)
        return bt_fail(err, BT_E_RATE_LIMITED, "too many streams into this host");
    if (bt_map_find_u64(&s->streams, (uint64_t)open->stream))
        return bt_fail(err, BT_E_PROTOCOL, "the stream is open already");
    if (!d || !d->ops->stream_open)
        return bt_fail(err, BT_E_MISSING_CAPABILITY, "no streams into instances of this kind");
    return 0;
}

void stream_open(struct stream_set *s, const struct link_stream_open *open, struct driver *d)
{
    struct bt_err err = BT_ERR_INIT;
    if (check_open(s, open, d, &err) < 0) {
        send_failed(s, open->stream, 0, &err);
        return;
    }
    struct stream *t = bt_xcalloc(1, sizeof *t);
    t->set = s;
    t->id = (uint32_t)open->stream;
    t->send_credit = t->recv_credit = LINK_STREAM_CREDIT;
    t->kept = BT_BUF(KEPT_MAX);
    t->s = (struct driver_stream){
        .opened = on_opened, .data = on_data, .closed = on_closed, .owner = t};
    bt_list_init(&t->link);
    bt_timer_init(&t->look, s->cfg.loop, look);
    if (d->ops->stream_open(d, open, &t->s, &err) < 0) {
        t->set = NULL;
        stream_free(t);
        send_failed(s, open->stream, 0, &err);
        return;
    }
    (void)bt_map_set_u64(&s->streams, t->id, t);
}

/* ---- control ---- */

static void ctl_resize(struct stream *t, const struct link_stream_ctl *c)
{
    if (!t->ended && !t->closing)
        t->s.ops->resize(&t->s, (int)c->rows, (int)c->cols);
}

static void ctl_eof(struct stream *t, const struct link_stream_ctl *c)
{
    if (t->ended || t->closing)
        return;
    if (c->credit > t->got)
        t->eof_at = c->credit; /* it has overtaken input */
    else
        t->s.ops->eof(&t->s);
}

static void ctl_close(struct stream *t, const struct link_stream_ctl *c)
{
    (void)c;
    if (t->ended)
        finish(t); /* nobody wants what is kept */
    else
        close_driver(t);
}

static void ctl_credit(struct stream *t, const struct link_stream_ctl *c)
{
    on_credit(t, c->credit);
}

void stream_ctl(struct stream_set *s, const struct link_stream_ctl *c)
{
    static const struct {
        const char *what;
        void (*fn)(struct stream *t, const struct link_stream_ctl *c);
    } rows[] = {
        {"resize", ctl_resize}, {"eof", ctl_eof}, {"close", ctl_close}, {"credit", ctl_credit}};
    struct stream *t = bt_map_find_u64(&s->streams, (uint64_t)c->stream);
    for (size_t i = 0; t && i < BT_ARRAY_LEN(rows); i++) {
        if (bt_streq(rows[i].what, c->what)) {
            rows[i].fn(t, c);
            return;
        }
    }
}

/* ---- set ---- */

struct stream_set *stream_set_new(const struct stream_config *cfg)
{
    struct stream_set *s = bt_xcalloc(1, sizeof *s);
    s->cfg = *cfg;
    bt_list_init(&s->closing);
    return s;
}

void stream_set_reset(struct stream_set *s)
{
    size_t pos = 0;
    s->congested = false;
    for (struct stream *t; (t = bt_map_next(&s->streams, &pos));) {
        (void)bt_map_remove_u64(&s->streams, t->id);
        t->set = NULL;
        if (t->ended) {
            stream_free(t);
            continue;
        }
        bt_list_push(&s->closing, &t->link);
        close_driver(t);
    }
}

void stream_set_free(struct stream_set *s)
{
    if (!s)
        return;
    /* The drivers are gone: nothing will be heard of these. */
    size_t pos = 0;
    for (struct stream *t; (t = bt_map_next(&s->streams, &pos));)
        stream_free(t);
    BT_LIST_FOREACH(l, &s->closing)
        stream_free(BT_CONTAINER_OF(l, struct stream, link));
    bt_map_fini(&s->streams);
    free(s);
}

size_t stream_count(const struct stream_set *s)
{
    return s->streams.len;
}
