/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/log/log.h"
#include "controller/agentlink/agentlink_priv.h"

/*
 * What a live session hears. Reports are applied strictly in order, some in one transaction, one
 * transaction at a time: a later record must never be stored before an earlier one. When a batch
 * fails its first record runs alone; one that can never be applied is skipped with an alarm.
 */
#define RETRY_MS 1000

static int parse(struct agentlink_session *s, const struct bt_schema *schema, const char *body,
                 void *ret)
{
    struct bt_err err = BT_ERR_INIT;
    int rc = bt_schema_parse(schema, body, strlen(body), BT_LENIENT | BT_ALLOW_RO, ret, NULL, &err);
    if (rc < 0)
        agentlink_end(s, &err);
    return rc;
}

/* ---- reports ---- */

static struct agentlink_report *report_of(struct bt_list *l)
{
    return BT_CONTAINER_OF(l, struct agentlink_report, link);
}

static void drop_first(struct agentlink_session *s)
{
    struct agentlink_report *r = report_of(bt_list_pop(&s->reports));
    bt_schema_free(&link_report_schema, &r->r);
    free(r);
    s->n_reports--;
}

static int apply_reports(struct db_tx *tx, struct db_work *w, struct bt_err *err)
{
    struct agentlink_session *s = BT_CONTAINER_OF(w, struct agentlink_session, report_work);
    const struct agentlink_ops *ops = &s->al->cfg.ops;
    size_t n = 0;
    agentlink_out_reset(&s->report_out);
    BT_LIST_FOREACH(it, &s->reports) {
        const struct agentlink_record r = {.host_id = s->host->id,
                                           .journal_id = s->hello.journal_id,
                                           .report = &report_of(it)->r,
                                           .why = &s->skip_why};
        if (n++ == s->in_work)
            break;
        int rc = s->skip ? ops->report_skip(tx, ops->ctx, &r, &s->report_out, err)
                         : ops->report(tx, ops->ctx, &r, &s->report_out, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void submit_reports(struct agentlink_session *s, size_t n);

static void next_reports(struct agentlink_session *s)
{
    if (!s->report_busy && s->n_reports && s->state == AGENTLINK_LIVE &&
        !bt_timer_running(&s->retry))
        submit_reports(s, s->n_reports < AGENTLINK_REPORTS_AT_ONCE ? s->n_reports
                                                                   : AGENTLINK_REPORTS_AT_ONCE);
}

static void on_retry(struct bt_timer *t)
{
    next_reports(BT_CONTAINER_OF(t, struct agentlink_session, retry));
}

static void retry_later(struct agentlink_session *s)
{
    bt_timer_init(&s->retry, s->al->cfg.loop, on_retry);
    bt_timer_start(&s->retry, RETRY_MS);
}

static void ack(struct agentlink_session *s)
{
    struct link_ack a = {.seq = s->acked};
    _cleanup_free_ char *body = bt_schema_emit_str(&link_ack_schema, &a);
    (void)agentlink_say(s, LINK_OP_ACK, body, 0);
}

static void applied(struct agentlink_session *s)
{
    struct agentlink *a = s->al;
    for (size_t n = s->in_work; n > 0; n--) {
        s->acked = report_of(s->reports.next)->r.seq;
        drop_first(s);
        a->stats.reports++;
    }
    s->skip = false;
    a->cfg.ops.committed(a->cfg.ops.ctx, &s->report_out);
    ack(s);
    agentlink_flush(a, &s->report_out);
}

/* May the same pass later? Then it waits; what can never pass must not stop all that follows. */
static bool passes_later(enum bt_code code)
{
    return code == BT_E_STORAGE_FULL || code == BT_E_UNAVAILABLE || code == BT_E_DB ||
           code == BT_E_IO;
}

static void reports_done(struct db_work *w, int rc, const struct bt_err *err)
{
    struct agentlink_session *s = BT_CONTAINER_OF(w, struct agentlink_session, report_work);
    size_t n = s->in_work;
    s->works--;
    s->report_busy = false;
    if (rc >= 0) {
        applied(s);
    } else if (s->state == AGENTLINK_LIVE) {
        char q[400];
        bt_log(BT_ERROR, "agentlink", "host=%s reports=%zu code=%s msg=%s", s->host->name, n,
               bt_code_str(err->code), bt_logq(err->msg, q, sizeof q));
        if (passes_later(err->code) || s->skip) {
            retry_later(s);
        } else if (n > 1) {
            submit_reports(s, 1);
        } else {
            s->skip = true;
            s->skip_why = *err;
            submit_reports(s, 1);
        }
    }
    agentlink_out_reset(&s->report_out);
    next_reports(s);
    agentlink_session_release(s);
}

static void submit_reports(struct agentlink_session *s, size_t n)
{
    s->in_work = n;
    s->report_work = (struct db_work){.apply = apply_reports, .done = reports_done};
    s->report_busy = db_submit(s->al->cfg.db, &s->report_work, NULL) >= 0;
    if (s->report_busy)
        s->works++;
    else
        retry_later(s);
}

void agentlink_on_report(struct agentlink_session *s, const char *body)
{
    struct agentlink_report *r = bt_xcalloc(1, sizeof *r);
    if (s->joining || parse(s, &link_report_schema, body, &r->r) < 0) {
        free(r);
        return;
    }
    bt_list_push(&s->reports, &r->link);
    s->n_reports++;
    if (s->n_reports > AGENTLINK_REPORTS_MAX) {
        struct bt_err err = BT_ERR_INIT;
        (void)bt_fail(&err, BT_E_RATE_LIMITED, "too many reports at once");
        agentlink_end(s, &err);
        return;
    }
    next_reports(s);
}

void agentlink_live_fini(struct agentlink_session *s)
{
    while (!bt_list_empty(&s->reports))
        drop_first(s);
    size_t pos = 0;
    for (struct agentlink_sent *x; (x = bt_map_next(&s->sent, &pos));)
        free(x);
    bt_map_fini(&s->sent);
}

/* ---- answers to apply ---- */

struct refusal {
    struct db_work work;
    struct agentlink_session *s;
    struct link_accepted a;
    char uuid[37];
    struct agentlink_out out;
};

static int refused_apply(struct db_tx *tx, struct db_work *w, struct bt_err *err)
{
    struct refusal *r = BT_CONTAINER_OF(w, struct refusal, work);
    const struct agentlink_ops *ops = &r->s->al->cfg.ops;
    const struct agentlink_refusal what = {
        .host_id = r->s->host->id, .uuid = r->uuid, .answer = &r->a};
    agentlink_out_reset(&r->out);
    return ops->refused(tx, ops->ctx, &what, &r->out, err);
}

static void refusal_free(struct refusal *r)
{
    bt_schema_free(&link_accepted_schema, &r->a);
    agentlink_out_reset(&r->out);
    free(r);
}

static void refused_done(struct db_work *w, int rc, const struct bt_err *err)
{
    struct refusal *r = BT_CONTAINER_OF(w, struct refusal, work);
    struct agentlink_session *s = r->s;
    struct agentlink *a = s->al;
    s->works--;
    if (rc >= 0) {
        a->cfg.ops.committed(a->cfg.ops.ctx, &r->out);
        agentlink_flush(a, &r->out);
    } else {
        agentlink_end(s, err); /* the next session begins anew from the rows */
    }
    refusal_free(r);
    agentlink_session_release(s);
}

void agentlink_on_accepted(struct agentlink_session *s, int64_t re, const char *body)
{
    struct agentlink_sent *sent = bt_map_remove_u64(&s->sent, (uint64_t)re);
    struct refusal *r = bt_xcalloc(1, sizeof *r);
    if (!sent || parse(s, &link_accepted_schema, body, &r->a) < 0) {
        free(sent);
        free(r);
        return;
    }
    r->s = s;
    r->a.task_id = sent->task_id;
    (void)bt_strcpy(r->uuid, sizeof r->uuid, sent->uuid);
    free(sent);
    if (!r->a.code) {
        refusal_free(r);
        return;
    }
    r->work = (struct db_work){.apply = refused_apply, .done = refused_done};
    s->works++;
    struct bt_err err = BT_ERR_INIT;
    if (db_submit(s->al->cfg.db, &r->work, &err) < 0) {
        s->works--;
        refusal_free(r);
        agentlink_end(s, &err);
    }
}

/* ---- renew, progress ---- */

void agentlink_on_renew(struct agentlink_session *s, const char *body)
{
    struct link_renew r;
    if (parse(s, &link_renew_schema, body, &r) < 0)
        return;
    agentlink_heard(s->host);
    agentlink_figures_take(s->host, &r);
}

void agentlink_on_progress(struct agentlink_session *s, const char *body)
{
    struct link_progress p;
    if (parse(s, &link_progress_schema, body, &p) < 0)
        return;
    if (s->al->cfg.ops.progress)
        s->al->cfg.ops.progress(s->al->cfg.ops.ctx, &p);
    bt_schema_free(&link_progress_schema, &p);
}

/* ---- certificates ---- */

struct renewal {
    struct bt_work work;
    struct db_work store;
    struct agentlink_session *s;
    int64_t id;
    char *csr, *pem;
    char cn[64];
    struct agentlink_cert cert;
    int rc;
    struct bt_err err;
};

static void renewal_end(struct renewal *r, int rc, const struct bt_err *err)
{
    struct agentlink_session *s = r->s;
    struct link_cert ok = {.cert = r->pem};
    struct link_error bad = {.code = (char *)(uintptr_t)bt_code_str(rc < 0 ? err->code : BT_E_OK),
                             .message = (char *)(uintptr_t)(rc < 0 ? err->msg : "")};
    _cleanup_free_ char *body = rc < 0 ? bt_schema_emit_str(&link_error_schema, &bad)
                                       : bt_schema_emit_str(&link_cert_schema, &ok);
    (void)agentlink_say(s, rc < 0 ? LINK_OP_ERROR : LINK_OP_CERT, body, r->id);
    s->works--;
    free(r->csr);
    free(r->pem);
    free(r);
    agentlink_session_release(s);
}

static int renewal_store(struct db_tx *tx, struct db_work *w, struct bt_err *err)
{
    struct renewal *r = BT_CONTAINER_OF(w, struct renewal, store);
    const struct agentlink_ops *ops = &r->s->al->cfg.ops;
    return ops->cert_store(tx, ops->ctx, r->s->host->id, &r->cert, err);
}

static void renewal_stored(struct db_work *w, int rc, const struct bt_err *err)
{
    renewal_end(BT_CONTAINER_OF(w, struct renewal, store), rc, err);
}

static void renewal_sign(struct bt_work *w)
{
    struct renewal *r = BT_CONTAINER_OF(w, struct renewal, work);
    const struct agentlink_ops *ops = &r->s->al->cfg.ops;
    r->rc = ops->cert_sign(ops->ctx, r->csr, r->cn, &r->pem, &r->cert, &r->err);
}

static void renewal_signed(struct bt_work *w, bool cancelled)
{
    struct renewal *r = BT_CONTAINER_OF(w, struct renewal, work);
    if (cancelled)
        r->rc = bt_fail(&r->err, BT_E_UNAVAILABLE, "the controller is stopping");
    r->store = (struct db_work){.apply = renewal_store, .done = renewal_stored};
    if (r->rc >= 0)
        r->rc = db_submit(r->s->al->cfg.db, &r->store, &r->err);
    if (r->rc < 0)
        renewal_end(r, r->rc, &r->err);
}

void agentlink_on_cert(struct agentlink_session *s, int64_t id, const char *body)
{
    const struct agentlink_config *cfg = &s->al->cfg;
    struct link_cert c;
    struct renewal *r;
    if (parse(s, &link_cert_schema, body, &c) < 0)
        return;
    r = bt_xcalloc(1, sizeof *r);
    *r = (struct renewal){.work = {.run = renewal_sign, .done = renewal_signed},
                          .s = s,
                          .id = id,
                          .csr = TAKE_PTR(c.csr)};
    bt_schema_free(&link_cert_schema, &c);
    (void)bt_strcpy(r->cn, sizeof r->cn, s->host->name);
    s->works++;
    if (s->joining || !r->csr || !cfg->ops.cert_sign || !cfg->cpu)
        r->rc = bt_fail(&r->err, BT_E_DENIED, "no certificate is given here");
    else
        r->rc = bt_pool_submit(cfg->cpu, &r->work, &r->err);
    if (r->rc < 0)
        renewal_end(r, r->rc, &r->err);
}
