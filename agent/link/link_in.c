/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/check/check.h"
#include "agent/link/link_int.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/log/log.h"

/*
 * Frames from the controller, by a table of operations. Before the welcome only the welcome counts;
 * a controller that is not obeyed gets an answer to what it asks, and nothing is done.
 */
struct frame_in {
    struct link *link;
    const struct link_envelope *env;
    void *body; /* parsed; freed after the handler */
};

struct op {
    const char *name;
    const struct bt_schema *schema;
    void (*handle)(struct frame_in *f);
    bool live; /* only from a controller that is obeyed */
};

/* ---- welcome ---- */

struct meta_write {
    struct db_work work;
    struct journal_meta meta;
};

static int meta_apply(struct db_tx *tx, struct db_work *work, struct bt_err *err)
{
    struct meta_write *w = BT_CONTAINER_OF(work, struct meta_write, work);
    return journal_meta_store_controller(tx, &w->meta, err);
}

static void meta_done(struct db_work *work, int rc, const struct bt_err *err)
{
    struct meta_write *w = BT_CONTAINER_OF(work, struct meta_write, work);
    if (rc < 0)
        bt_log(BT_ERROR, "link", "the controller's epoch is not in the journal: %s", err->msg);
    free(w);
}

/* Queued before anything that this controller asks for, so it is in the journal no later. */
static int meta_store(struct link *l)
{
    struct meta_write *w = bt_xcalloc(1, sizeof *w);
    w->meta = l->meta;
    w->work.apply = meta_apply;
    w->work.done = meta_done;
    int rc = db_submit(l->cfg.db, &w->work, NULL);
    if (rc < 0)
        free(w);
    return rc;
}

static bool meta_same(const struct journal_meta *a, const struct journal_meta *b)
{
    return bt_streq(a->controller_id, b->controller_id) && bt_streq(a->joining_id, b->joining_id) &&
           a->epoch == b->epoch;
}

static void go_live(struct link *l, const struct link_welcome *w)
{
    l->epoch = w->epoch;
    l->lease_ms = w->lease_ms;
    bt_timer_start(&l->renew_timer, 0);
    link_report_begin(l, w->applied_seq);
    link_cert_begin(l);
}

static void on_welcome(struct frame_in *f)
{
    struct link *l = f->link;
    const struct link_welcome *w = f->body;
    struct journal_meta before = l->meta;
    if (l->state != LINK_HELLO) {
        link_drop(l, "a second welcome");
        return;
    }
    if (w->protocol != LINK_VERSION) {
        link_drop(l, "a protocol that we did not offer");
        return;
    }
    enum link_trust trust = link_judge(&l->meta, w);
    bt_timer_stop(&l->welcome_timer);
    l->backoff_ms = 200;
    bt_log(BT_INFO, "link", "session=%lld controller=%s epoch=%lld %s", (long long)l->session,
           w->controller_id, (long long)w->epoch, trust == LINK_OBEY ? "live" : "joining");
    if (!meta_same(&before, &l->meta) && meta_store(l) < 0) {
        l->meta = before;
        link_drop(l, "the journal does not take the epoch");
        return;
    }
    link_move(l, trust == LINK_OBEY ? LINK_LIVE : LINK_JOINING);
    l->lease_ms = w->lease_ms;
    if (trust == LINK_OBEY)
        go_live(l, w);
    else
        bt_timer_start(&l->renew_timer, 0);
}

/* ---- what an obeyed controller says ---- */

static void on_ack(struct frame_in *f)
{
    link_report_ack(f->link, ((struct link_ack *)f->body)->seq);
}

static void on_apply(struct frame_in *f)
{
    job_apply(f->link->job, f->body,
              (struct job_from){.session = f->link->session, .id = f->env->id});
}

static void on_cancel(struct frame_in *f)
{
    job_cancel(f->link->job, ((struct link_cancel *)f->body)->task_id);
}

static void on_confirm(struct frame_in *f)
{
    job_confirm(f->link->job, ((struct link_confirm *)f->body)->until_ms,
                (struct job_from){.session = f->link->session, .id = f->env->id});
}

/* A question that waits for the host to look at its kernel. */
struct doctor_ask {
    struct link *link;
    int64_t session, id;
};

static void answer_doctor(void *arg)
{
    _cleanup_free_ struct doctor_ask *ask = arg;
    struct link *l = ask->link;
    if (ask->session != l->session)
        return; /* who asked is gone */
    struct check_instance *all = bt_xcalloc(job_count(l->job) + 1, sizeof *all);
    struct link_doctor out = {0};
    struct job_view v;
    size_t n = 0;
    size_t pos = 0;
    while (job_next(l->job, &pos, &v))
        all[n++] = (struct check_instance){v.row, v.spec, v.driver};
    check_run(&(struct check_config){.instances = all,
                                     .n_instances = n,
                                     .drivers = l->cfg.drivers,
                                     .n_drivers = JOB_DRIVERS,
                                     .ids = l->cfg.ids,
                                     .more = l->cfg.host.doctor,
                                     .ctx = l->cfg.host.ctx},
              &out);
    (void)link_send(l, &(struct link_frame){LINK_OP_DOCTOR, ask->id, &link_doctor_schema, &out});
    bt_schema_free(&link_doctor_schema, &out);
    free(all);
}

static void on_doctor(struct frame_in *f)
{
    struct link *l = f->link;
    struct doctor_ask *ask = bt_xcalloc(1, sizeof *ask);
    *ask = (struct doctor_ask){l, l->session, f->env->id};
    if (l->cfg.host.inspect)
        l->cfg.host.inspect(l->cfg.host.ctx, answer_doctor, ask);
    else
        answer_doctor(ask);
}

static void on_stream_open(struct frame_in *f)
{
    const struct link_stream_open *open = f->body;
    struct job_view v;
    struct bt_err err = BT_ERR_INIT;
    if (job_view(f->link->job, open->uuid, &v)) {
        stream_open(f->link->streams, open, v.driver);
        return;
    }
    (void)bt_fail(&err, BT_E_NOT_FOUND, "this host does not have the instance");
    stream_refuse(f->link->streams, open->stream, &err);
}

static void on_stream_ctl(struct frame_in *f)
{
    stream_ctl(f->link->streams, f->body);
}

static void on_cert(struct frame_in *f)
{
    if (f->env->re != 0 && f->env->re == f->link->cert_id)
        link_cert_answer(f->link, f->body);
}

static void on_error(struct frame_in *f)
{
    const struct link_error *e = f->body;
    char code[80];
    char text[400];
    if (f->env->re != 0 && f->env->re == f->link->cert_id)
        f->link->cert_id = 0;
    bt_log(BT_WARN, "link", "re=%lld controller says code=%s text=%s", (long long)f->env->re,
           bt_logq(e->code, code, sizeof code), bt_logq(e->message, text, sizeof text));
}

static const struct op ops[] = {
    {LINK_OP_WELCOME, &link_welcome_schema, on_welcome, false},
    {LINK_OP_ACK, &link_ack_schema, on_ack, true},
    {LINK_OP_APPLY, &link_apply_schema, on_apply, true},
    {LINK_OP_CANCEL, &link_cancel_schema, on_cancel, true},
    {LINK_OP_CONFIRM, &link_confirm_schema, on_confirm, true},
    {LINK_OP_DOCTOR, &link_doctor_schema, on_doctor, true},
    {LINK_OP_STREAM_OPEN, &link_stream_open_schema, on_stream_open, true},
    {LINK_OP_STREAM, &link_stream_ctl_schema, on_stream_ctl, true},
    {LINK_OP_CERT, &link_cert_schema, on_cert, true},
    {LINK_OP_ERROR, &link_error_schema, on_error, false},
};

/* ---- dispatch ---- */

static const struct op *op_find(const char *name)
{
    for (size_t i = 0; i < BT_ARRAY_LEN(ops); i++) {
        if (bt_streq(ops[i].name, name))
            return &ops[i];
    }
    return NULL;
}

static void unknown_op(struct link *l, const struct link_envelope *e)
{
    struct bt_err err = BT_ERR_INIT;
    (void)bt_fail(&err, BT_E_UNKNOWN_OP, "this agent does not know the operation %.32s", e->op);
    if (e->re == 0)
        link_send_error(l, e->id, &err);
}

/* From a controller that is not obeyed: an apply is refused so that its task can say why. */
static void not_obeyed(struct link *l, const struct op *op, const struct link_envelope *e)
{
    char message[160];
    if (op->handle != on_apply)
        return;
    (void)snprintf(message, sizeof message, "this host obeys controller %s, epoch %" PRId64,
                   l->meta.controller_id, l->meta.epoch);
    struct link_accepted a = {.code = (char[]){"joining"}, .message = message};
    struct link_apply asked;
    const char *body = e->body ? e->body : "{}";
    if (bt_schema_parse(&link_apply_schema, body, strlen(body), BT_LENIENT, &asked, NULL, NULL) ==
        0) {
        a.task_id = asked.task_id;
        bt_schema_free(&link_apply_schema, &asked);
    }
    (void)link_send(l, &(struct link_frame){LINK_OP_ACCEPTED, e->id, &link_accepted_schema, &a});
}

static void handle(struct link *l, const struct op *op, const struct link_envelope *e)
{
    struct bt_err err = BT_ERR_INIT;
    const char *body = e->body ? e->body : "{}";
    struct frame_in f = {.link = l, .env = e, .body = bt_xcalloc(1, op->schema->size)};
    if (bt_schema_parse(op->schema, body, strlen(body), BT_LENIENT, f.body, NULL, &err) < 0) {
        bt_log(BT_WARN, "link", "op=%s cannot be read: %s", op->name, err.msg);
        link_send_error(l, e->id, &err);
    } else {
        op->handle(&f);
        bt_schema_free(op->schema, f.body);
    }
    free(f.body);
}

static void dispatch(struct link *l, const struct link_envelope *e)
{
    const struct op *op = op_find(e->op);
    if (l->epoch && e->epoch != l->epoch)
        return; /* of another session */
    if (!op)
        unknown_op(l, e);
    else if (op->live && l->state != LINK_LIVE)
        not_obeyed(l, op, e);
    else
        handle(l, op, e);
}

void link_in_text(struct link *l, const char *json, size_t len)
{
    struct link_envelope e;
    struct bt_err err = BT_ERR_INIT;
    if (bt_schema_parse(&link_envelope_schema, json, len, BT_LENIENT, &e, NULL, &err) < 0) {
        link_drop(l, err.msg);
        return;
    }
    dispatch(l, &e);
    if (e.body)
        bt_erase(e.body, strlen(e.body));
    bt_schema_free(&link_envelope_schema, &e);
}
