/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/driver/fake/fake_priv.h"
#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/*
 * Streams into nothing: what goes in comes out again on channel 1. `exit N` ends at once with N,
 * `flood N` writes N bytes as fast as it may, anything else ends with 0 at the end of input.
 */
#define CHUNK 16000
#define QUEUE_MAX (1u << 20)
#define FLOOD_MAX (16LL << 20)

struct fake_stream {
    struct bt_list link;
    struct bt_timer timer;
    struct driver_stream *s;
    struct fake_driver *driver;
    struct bt_buf out;
    int64_t flood; /* bytes still to be written */
    int status;
    bool opened, eof, paused, closing;
};

static struct fake_stream *self(struct driver_stream *s)
{
    return s->impl;
}

static void stream_free(struct fake_stream *f)
{
    bt_timer_stop(&f->timer);
    bt_list_remove(&f->link);
    bt_buf_fini(&f->out);
    free(f);
}

static void finish(struct fake_stream *f)
{
    struct driver_stream *s = f->s;
    int status = f->status;
    stream_free(f);
    s->impl = NULL;
    s->closed(s, status, NULL);
}

static void flood(struct fake_stream *f)
{
    char block[4096];
    memset(block, 'x', sizeof block);
    while (f->flood > 0 && f->out.len < CHUNK) {
        size_t n = f->flood < (int64_t)sizeof block ? (size_t)f->flood : sizeof block;
        (void)bt_buf_add(&f->out, block, n);
        f->flood -= (int64_t)n;
    }
}

/* One step: opened, a chunk of data, or the end. */
static void step(struct bt_timer *t)
{
    struct fake_stream *f = BT_CONTAINER_OF(t, struct fake_stream, timer);
    if (f->closing) {
        finish(f);
        return;
    }
    if (!f->opened) {
        f->opened = true;
        bt_timer_start(&f->timer, 1);
        f->s->opened(f->s);
        return;
    }
    if (f->paused)
        return;
    flood(f);
    if (f->out.len > 0) {
        char chunk[CHUNK];
        size_t n = f->out.len < CHUNK ? f->out.len : CHUNK;
        memcpy(chunk, f->out.data, n);
        bt_buf_consume(&f->out, n);
        bt_timer_start(&f->timer, 1);
        f->s->data(f->s, 1, chunk, n);
        return;
    }
    if (f->eof)
        finish(f);
}

static void wake(struct fake_stream *f)
{
    if (!bt_timer_running(&f->timer))
        bt_timer_start(&f->timer, 1);
}

static size_t stream_write(struct driver_stream *s, const void *data, size_t n)
{
    struct fake_stream *f = self(s);
    (void)bt_buf_add(&f->out, data, n);
    wake(f);
    return f->out.len;
}

static void stream_eof(struct driver_stream *s)
{
    self(s)->eof = true;
    wake(self(s));
}

static void stream_resize(struct driver_stream *s, int rows, int cols)
{
    char text[64];
    (void)snprintf(text, sizeof text, "[%dx%d]", rows, cols);
    (void)stream_write(s, text, strlen(text));
}

static void stream_pause(struct driver_stream *s, bool on)
{
    self(s)->paused = on;
    if (!on)
        wake(self(s));
}

static void stream_close(struct driver_stream *s)
{
    self(s)->closing = true;
    self(s)->status = -1;
    wake(self(s));
}

static const struct driver_stream_ops ops = {.write = stream_write,
                                             .eof = stream_eof,
                                             .resize = stream_resize,
                                             .pause = stream_pause,
                                             .close = stream_close};

static int64_t number(const struct link_stream_open *open)
{
    char **argv = open->argv.items;
    int64_t v = 0;
    if (open->argv.len > 1)
        (void)bt_parse_i64(argv[1], 0, FLOOD_MAX, &v, NULL);
    return v;
}

int fake_stream_open(struct driver *d, const struct link_stream_open *open, struct driver_stream *s,
                     struct bt_err *err)
{
    struct fake_driver *driver = d->impl;
    const struct fake_instance *in = fake_kernel_find(driver->kernel, open->uuid);
    if (!in || !in->running)
        return bt_fail(err, BT_E_BAD_STATE, "the instance does not run");
    struct fake_stream *f = bt_xcalloc(1, sizeof *f);
    char **argv = open->argv.items;
    const char *verb = open->argv.len ? argv[0] : "";
    f->s = s;
    f->driver = driver;
    f->out = BT_BUF(QUEUE_MAX);
    if (bt_streq(verb, "exit")) {
        f->status = (int)number(open);
        f->eof = true;
    } else if (bt_streq(verb, "flood")) {
        f->flood = number(open);
        f->eof = true;
    }
    s->ops = &ops;
    s->impl = f;
    bt_list_push(&driver->streams, &f->link);
    bt_timer_init(&f->timer, driver->kernel->cfg.loop, step);
    bt_timer_start(&f->timer, 1);
    return 0;
}

void fake_stream_drop_all(struct fake_driver *d)
{
    BT_LIST_FOREACH(l, &d->streams)
        stream_free(BT_CONTAINER_OF(l, struct fake_stream, link));
}
