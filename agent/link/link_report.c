/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/journal/journal_report.h"
#include "agent/link/link_int.h"
#include "common/base/mem.h"
#include "common/log/log.h"

/*
 * Reports go out in the order of their numbers, at most LINK_WINDOW without acknowledgement, and
 * again from the first that is not applied after every new session. The journal forgets what is
 * acknowledged a little later, many at once: a lost acknowledgement costs nothing.
 */
#define FORGET_AFTER_MS 1000

struct link_fetch {
    struct db_read read;
    struct link *link; /* NULL = nobody waits */
    int64_t session, after;
    int limit;
    struct bt_arr rows; /* struct journal_report */
};

struct link_ack_write {
    struct db_work work;
    struct link *link; /* NULL = nobody waits */
    int64_t seq;
};

/* ---- sending ---- */

static void send_one(struct link *l, const struct journal_report *row)
{
    struct link_report r;
    struct bt_err err = BT_ERR_INIT;
    if (bt_schema_parse(&link_report_schema, row->body, strlen(row->body), BT_LENIENT, &r, NULL,
                        &err) < 0) {
        bt_log(BT_ERROR, "link", "report=%lld cannot be read: %s", (long long)row->seq, err.msg);
    } else {
        (void)link_send(l, &(struct link_frame){LINK_OP_REPORT, 0, &link_report_schema, &r});
        bt_schema_free(&link_report_schema, &r);
        l->window[l->n_window++] = row->seq;
    }
    l->sent_seq = row->seq;
}

static int fetch_read(struct db_tx *tx, struct db_read *r, struct bt_err *err)
{
    struct link_fetch *f = BT_CONTAINER_OF(r, struct link_fetch, read);
    return journal_report_list(tx, f->after, f->limit, &f->rows, err);
}

static void fetch_use(struct link *l, const struct link_fetch *f, int rc, const struct bt_err *err)
{
    l->fetch = NULL;
    if (rc < 0) {
        bt_log(BT_ERROR, "link", "reports cannot be read: %s", err->msg);
        return;
    }
    if (f->session != l->session || l->state != LINK_LIVE || f->after != l->sent_seq)
        return;
    const struct journal_report *rows = f->rows.items;
    for (size_t i = 0; i < f->rows.len; i++)
        send_one(l, &rows[i]);
    if ((int)f->rows.len == f->limit)
        l->more = true;
}

static void fetch_done(struct db_read *r, int rc, const struct bt_err *err)
{
    struct link_fetch *f = BT_CONTAINER_OF(r, struct link_fetch, read);
    struct link *l = f->link;
    if (l)
        fetch_use(l, f, rc, err);
    db_rows_free(&journal_report_table, &f->rows);
    free(f);
    if (l)
        link_report_more(l);
}

void link_report_more(struct link *l)
{
    if (l->state != LINK_LIVE || l->fetch || !l->more || l->n_window == LINK_WINDOW)
        return;
    struct link_fetch *f = bt_xcalloc(1, sizeof *f);
    struct bt_err err = BT_ERR_INIT;
    f->link = l;
    f->session = l->session;
    f->after = l->sent_seq;
    f->limit = (int)(LINK_WINDOW - l->n_window);
    f->read.read = fetch_read;
    f->read.done = fetch_done;
    l->more = false;
    l->fetch = f;
    if (db_read_submit(l->cfg.db, &f->read, &err) < 0) {
        bt_log(BT_ERROR, "link", "reports cannot be read: %s", err.msg);
        l->fetch = NULL;
        l->more = true; /* the next report or acknowledgement tries again */
        free(f);
    }
}

/* ---- acknowledgements ---- */

static int ack_apply(struct db_tx *tx, struct db_work *work, struct bt_err *err)
{
    struct link_ack_write *w = BT_CONTAINER_OF(work, struct link_ack_write, work);
    /* Raised too: when this journal was put back from a copy, the controller has applied more of it
     * than it remembers, and its next number must be new. */
    int rc = journal_report_raise(tx, w->seq, err);
    return rc < 0 ? rc : journal_report_ack(tx, w->seq, err);
}

static void ack_done(struct db_work *work, int rc, const struct bt_err *err)
{
    struct link_ack_write *w = BT_CONTAINER_OF(work, struct link_ack_write, work);
    struct link *l = w->link;
    if (l) {
        l->ack_write = NULL;
        if (rc == 0)
            l->deleted_seq = w->seq;
        else
            bt_log(BT_WARN, "link", "acknowledgement=%lld: %s", (long long)w->seq, err->msg);
        if (l->deleted_seq < l->acked_seq)
            bt_timer_start(&l->ack_timer, FORGET_AFTER_MS);
    }
    free(w);
}

static void ack_write(struct link *l)
{
    struct link_ack_write *w = bt_xcalloc(1, sizeof *w);
    w->link = l;
    w->seq = l->acked_seq;
    w->work.apply = ack_apply;
    w->work.done = ack_done;
    l->ack_write = w;
    if (db_submit(l->cfg.db, &w->work, NULL) < 0) {
        l->ack_write = NULL;
        free(w);
        bt_timer_start(&l->ack_timer, FORGET_AFTER_MS);
    }
}

void link_report_ack_fired(struct bt_timer *t)
{
    struct link *l = BT_CONTAINER_OF(t, struct link, ack_timer);
    if (!l->ack_write && l->deleted_seq < l->acked_seq)
        ack_write(l);
}

void link_report_ack(struct link *l, int64_t seq)
{
    size_t n = 0;
    while (n < l->n_window && l->window[n] <= seq)
        n++;
    l->n_window -= n;
    memmove(l->window, l->window + n, l->n_window * sizeof l->window[0]);
    if (seq > l->sent_seq)
        return; /* of nothing that we said in this session */
    if (seq > l->acked_seq) {
        l->acked_seq = seq;
        if (!bt_timer_running(&l->ack_timer))
            bt_timer_start(&l->ack_timer, FORGET_AFTER_MS);
    }
    link_report_more(l);
}

void link_report_begin(struct link *l, int64_t applied_seq)
{
    l->n_window = 0;
    l->sent_seq = applied_seq;
    l->more = true;
    if (applied_seq > l->acked_seq) {
        l->acked_seq = applied_seq;
        if (!l->ack_write)
            ack_write(l);
        else
            bt_timer_start(&l->ack_timer, FORGET_AFTER_MS);
    }
    link_report_more(l);
}

void link_report_detach(struct link *l)
{
    if (l->fetch)
        l->fetch->link = NULL;
    if (l->ack_write)
        l->ack_write->link = NULL;
}
