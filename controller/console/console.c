/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/console/console.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/json/json.h"

#define IN_QUEUE_MAX (1u << 20)
#define IN_HIGH (128u * 1024) /* a command that reads slowly: the other side waits */
#define OUT_HIGH (256u * 1024)

struct kept {
    struct console_ticket t;
    struct bt_timer timer;
    struct console *console;
};

struct session {
    struct bt_list link;
    struct console *console;
    struct http_ws ws;
    struct agentlink_stream stream;
    struct bt_buf in; /* typed and not yet taken by the stream */
    bool ws_open, stream_open, eof;
    size_t unsent;     /* queued towards the browser */
    size_t uncredited; /* handed on, credit withheld while the queue is long */
};

struct console {
    struct bt_loop *loop;
    struct agentlink *agentlink;
    struct bt_map tickets;
    size_t n_tickets;
    struct bt_list sessions;
    size_t n_sessions;
};

/* Messages from outside. */
struct size_msg {
    int64_t rows, cols;
};

struct control_msg {
    struct size_msg *resize;
    bool eof;
};

static const struct bt_field size_fields[] = {{.key = "rows",
                                               .type = BT_F_INT,
                                               .off = offsetof(struct size_msg, rows),
                                               .min = 1,
                                               .max = 10000},
                                              {.key = "cols",
                                               .type = BT_F_INT,
                                               .off = offsetof(struct size_msg, cols),
                                               .min = 1,
                                               .max = 10000},
                                              {.key = NULL}};
static const struct bt_schema size_schema = {
    .name = "Size", .fields = size_fields, .size = sizeof(struct size_msg)};
static const struct bt_field control_fields[] = {
    {.key = "resize",
     .type = BT_F_OBJ_PTR,
     .off = offsetof(struct control_msg, resize),
     .sub = &size_schema},
    {.key = "eof", .type = BT_F_BOOL, .off = offsetof(struct control_msg, eof)},
    {.key = NULL}};
static const struct bt_schema control_schema = {
    .name = "StreamControl", .fields = control_fields, .size = sizeof(struct control_msg)};

struct console *console_new(struct bt_loop *loop, struct agentlink *link)
{
    struct console *c = bt_xcalloc(1, sizeof *c);
    c->loop = loop;
    c->agentlink = link;
    bt_list_init(&c->sessions);
    return c;
}

static void ticket_free(struct kept *k)
{
    bt_timer_stop(&k->timer);
    for (size_t i = 0; k->t.argv && k->t.argv[i]; i++)
        free(k->t.argv[i]);
    free(k->t.argv);
    bt_erase(k->t.ticket, sizeof k->t.ticket);
    k->console->n_tickets--;
    free(k);
}

void console_free(struct console *c)
{
    if (!c)
        return;
    size_t pos = 0;
    for (struct kept *k; (k = bt_map_next(&c->tickets, &pos));) {
        (void)bt_map_remove(&c->tickets, k->t.ticket);
        ticket_free(k);
    }
    bt_map_fini(&c->tickets);
    free(c);
}

size_t console_sessions(const struct console *c)
{
    return c->n_sessions;
}

void console_ticket_new(const struct bt_random *random, char ret[CONSOLE_TICKET_LEN + 1])
{
    unsigned char raw[32];
    bt_random_fill(random, raw, sizeof raw);
    _cleanup_free_ char *text = bt_b64url(raw, sizeof raw);
    (void)bt_strcpy(ret, CONSOLE_TICKET_LEN + 1, text);
}

static void on_expired(struct bt_timer *t)
{
    struct kept *k = BT_CONTAINER_OF(t, struct kept, timer);
    (void)bt_map_remove(&k->console->tickets, k->t.ticket);
    ticket_free(k);
}

void console_ticket_put(struct console *c, struct console_ticket *t)
{
    struct kept *k = bt_xcalloc(1, sizeof *k);
    k->t = *t;
    t->argv = NULL;
    k->console = c;
    c->n_tickets++;
    bt_timer_init(&k->timer, c->loop, on_expired);
    if (c->n_tickets > CONSOLE_TICKETS_MAX) {
        ticket_free(k);
        return;
    }
    bt_timer_start(&k->timer, CONSOLE_TICKET_MS);
    (void)bt_map_set(&c->tickets, k->t.ticket, k);
}

static void session_unref(struct session *s)
{
    if (s->ws_open || s->stream_open)
        return;
    bt_list_remove(&s->link);
    s->console->n_sessions--;
    bt_buf_fini(&s->in);
    free(s);
}

static void send_text(struct session *s, const char *text)
{
    if (s->ws_open)
        s->unsent = http_ws_send(&s->ws, text, strlen(text), false);
}

static void pump_in(struct session *s)
{
    size_t n = s->in.len ? agentlink_stream_write(&s->stream, s->in.data, s->in.len) : 0;
    bt_buf_consume(&s->in, n);
    if (s->ws_open)
        http_ws_pause(&s->ws, s->in.len >= IN_HIGH);
    if (s->in.len == 0 && s->eof && s->stream_open) {
        s->eof = false;
        agentlink_stream_eof(&s->stream);
    }
}

static void on_stream_opened(struct agentlink_stream *stream)
{
    pump_in(stream->owner);
}

static void on_stream_writable(struct agentlink_stream *stream)
{
    pump_in(stream->owner);
}

static void on_stream_data(struct agentlink_stream *stream, int channel, const void *data, size_t n)
{
    struct session *s = stream->owner;
    _cleanup_free_ char *message = bt_xmalloc(n + 1);
    message[0] = (char)channel;
    memcpy(message + 1, data, n);
    if (s->ws_open)
        s->unsent = http_ws_send(&s->ws, message, n + 1, true);
    s->uncredited += n;
    if (s->unsent > OUT_HIGH)
        return; /* a slow reader: the instance waits */
    agentlink_stream_consumed(stream, s->uncredited);
    s->uncredited = 0;
}

static void on_stream_closed(struct agentlink_stream *stream, int status, const struct bt_err *err)
{
    struct session *s = stream->owner;
    _cleanup_buf_ struct bt_buf text = BT_BUF(4096);
    if (status >= 0) {
        (void)bt_buf_addf(&text, "{\"exit\":%d}", status);
    } else if (err && err->code != BT_E_OK) {
        (void)bt_buf_addf(&text,
                          "{\"error\":{\"code\":\"%s\",\"message\":", bt_code_str(err->code));
        (void)bt_json_quote(err->msg, &text);
        (void)bt_buf_adds(&text, "}}");
    } else {
        (void)bt_buf_adds(&text, "{\"exit\":0}");
    }
    send_text(s, text.data);
    s->stream_open = false;
    if (s->ws_open)
        http_ws_close(&s->ws, 1000);
    session_unref(s);
}

static void on_control(struct session *s, const char *text, size_t n)
{
    struct control_msg m;
    if (bt_schema_parse(&control_schema, text, n, BT_LENIENT, &m, NULL, NULL) < 0)
        return;
    if (m.resize && s->stream_open)
        agentlink_stream_resize(&s->stream, (int)m.resize->rows, (int)m.resize->cols);
    if (m.eof) {
        s->eof = true;
        pump_in(s);
    }
    bt_schema_free(&control_schema, &m);
}

static void on_ws_message(struct http_ws *ws, const void *data, size_t n, bool binary)
{
    struct session *s = ws->ctx;
    const char *bytes = data;
    if (!s->stream_open)
        return;
    if (!binary) {
        on_control(s, data, n);
        return;
    }
    if (n < 2 || bytes[0] != 0)
        return;
    if (s->in.len + n > IN_QUEUE_MAX || !bt_buf_add(&s->in, bytes + 1, n - 1)) {
        http_ws_close(ws, 1009);
        return;
    }
    pump_in(s);
}

static void on_ws_writable(struct http_ws *ws)
{
    struct session *s = ws->ctx;
    s->unsent = 0;
    if (s->stream_open && s->uncredited > 0) {
        agentlink_stream_consumed(&s->stream, s->uncredited);
        s->uncredited = 0;
    }
}

static void on_ws_closed(struct http_ws *ws)
{
    struct session *s = ws->ctx;
    s->ws_open = false;
    if (s->stream_open)
        agentlink_stream_close(&s->stream);
    session_unref(s);
}

static void start(struct session *s, const struct console_ticket *t)
{
    s->stream = (struct agentlink_stream){.opened = on_stream_opened,
                                          .data = on_stream_data,
                                          .writable = on_stream_writable,
                                          .closed = on_stream_closed,
                                          .owner = s};
    const struct agentlink_stream_open open = {.host_id = t->host_id,
                                               .kind = t->kind,
                                               .uuid = t->uuid,
                                               .argv = (const char *const *)t->argv,
                                               .tty = t->tty,
                                               .rows = t->rows,
                                               .cols = t->cols};
    s->stream_open = true;
    agentlink_stream_start(&s->stream, s->console->agentlink, &open);
}

struct http_ws *console_accept(struct console *c, const char *ticket, struct bt_err *err)
{
    struct kept *k = ticket ? bt_map_remove(&c->tickets, ticket) : NULL;
    if (!k) {
        (void)bt_fail(err, BT_E_DENIED, "the ticket is unknown, used or expired");
        return NULL;
    }
    struct session *s = bt_xcalloc(1, sizeof *s);
    s->console = c;
    s->in = BT_BUF(IN_QUEUE_MAX);
    s->ws = (struct http_ws){
        .message = on_ws_message, .writable = on_ws_writable, .closed = on_ws_closed, .ctx = s};
    s->ws_open = true;
    bt_list_init(&s->link);
    bt_list_push(&c->sessions, &s->link);
    c->n_sessions++;
    start(s, &k->t);
    ticket_free(k);
    return &s->ws;
}
