/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GET /events with Accept: text/event-stream: server-sent events (WHATWG HTML 9.2), id = event id.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/api/v1/api_priv.h"
#include "controller/service/service_log.h"

#define UNSENT_HIGH (256u * 1024)
#define KEEPALIVE_MS 15000

struct follower {
    struct api *api;
    struct http_stream *stream;
    struct event_listener listener;
    struct bt_timer timer; /* keep-alive, and the retry after a full socket */
};

static bool on_row(struct event_listener *l, const struct repo_event_row *row)
{
    struct follower *f = l->owner;
    _cleanup_buf_ struct bt_buf out = BT_BUF(1u << 20);
    (void)bt_buf_addf(&out, "id: %lld\nevent: %s\ndata: ", (long long)row->seq, row->type);
    (void)service_event_emit(row, &out);
    (void)bt_buf_adds(&out, "\n\n");
    return http_stream_write(f->stream, out.data, out.len) < UNSENT_HIGH;
}

static void on_timer(struct bt_timer *t)
{
    struct follower *f = BT_CONTAINER_OF(t, struct follower, timer);
    static const char comment[] = ": still here\n\n";
    bt_timer_start(t, KEEPALIVE_MS);
    if (http_stream_write(f->stream, comment, sizeof comment - 1) < UNSENT_HIGH &&
        f->listener.paused)
        events_resume(f->api->cfg.svc->events, &f->listener);
}

static void on_closed(void *ctx)
{
    struct follower *f = ctx;
    events_unlisten(f->api->cfg.svc->events, &f->listener);
    bt_timer_stop(&f->timer);
    f->api->load--;
    free(f);
}

/* Last-Event-ID, else ?after=, else new ones only. */
static int64_t start_after(const struct http_request *req)
{
    char text[24];
    int64_t after = -1;
    if (req->last_event_id)
        (void)bt_parse_i64(req->last_event_id, 0, INT64_MAX, &after, NULL);
    else if (http_query(req, "after", text, sizeof text))
        (void)bt_parse_i64(text, 0, INT64_MAX, &after, NULL);
    return after;
}

void api_follow_events(struct api *a, struct http_request *req, const struct principal *who)
{
    int64_t after = start_after(req);
    struct http_stream *stream = req->transport->stream(req, "text/event-stream");
    if (!stream)
        return;
    struct follower *f = bt_xcalloc(1, sizeof *f);
    f->api = a;
    f->stream = stream;
    f->listener = (struct event_listener){
        .tenant_id = who->tenant_id, .from_seq = after, .row = on_row, .owner = f};
    a->load++;
    http_stream_on_closed(stream, on_closed, f);
    bt_timer_init(&f->timer, a->cfg.svc->loop, on_timer);
    bt_timer_start(&f->timer, KEEPALIVE_MS);
    events_listen(a->cfg.svc->events, &f->listener);
}
