/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/job/job_int.h"
#include "agent/journal/journal_report.h"
#include "common/base/mem.h"

/*
 * Writes to the journal. Everything that belongs together is one struct job_write, applied in one
 * savepoint; the order inside is: is the task known? does the brake hold? then rows, then reports.
 */
struct job_store {
    struct job *job; /* NULL = the engine is gone; loop thread */
    size_t refs;     /* loop thread */
    struct journal_ids ids;
    const struct job_fault *fault;
    bool dead; /* tests: the agent has died */
};

struct job_store *job_store_new(struct job *j)
{
    struct job_store *s = bt_xcalloc(1, sizeof *s);
    s->job = j;
    s->refs = 1;
    s->ids = j->cfg.ids;
    s->fault = j->cfg.fault;
    return s;
}

static void store_unref(struct job_store *s)
{
    if (--s->refs == 0)
        free(s);
}

void job_store_detach(struct job_store *s)
{
    s->job = NULL;
    store_unref(s);
}

struct job_write *job_write_new(struct job *j, struct job_inst *in)
{
    struct job_write *w = bt_xcalloc(1, sizeof *w);
    w->store = j->store;
    w->store->refs++;
    w->in = in;
    return w;
}

void job_write_free(struct job_write *w)
{
    for (size_t i = 0; i < w->n_reports; i++)
        bt_schema_free(&link_report_schema, &w->reports[i]);
    bt_schema_free(&link_report_schema, &w->held_event);
    journal_instance_free(&w->row);
    journal_job_free(&w->job);
    journal_job_free(&w->ret_found);
    store_unref(w->store);
    free(w);
}

/* ---- inside the transaction ---- */

/* An ended task is asked for again: answer as then, unless that answer is still on its way. */
static int answer_again(struct db_tx *tx, struct job_write *w, struct bt_err *err)
{
    struct journal_job *found = &w->ret_found;
    int64_t waits = 0;
    if (found->state == JOURNAL_JOB_ACCEPTED || found->state == JOURNAL_JOB_UNDOING)
        return 0;
    int rc = db_int(tx, "SELECT count(*) FROM reports WHERE seq = ?1",
                    DB_ARGS(DB_I(found->report_seq)), &waits, err);
    if (rc < 0 || waits > 0)
        return rc;
    struct link_report r = {.kind = REPORT_RESULT, .result = bt_xcalloc(1, sizeof *r.result)};
    struct link_item item = {0};
    const char *text = found->result ? found->result : "";
    rc = bt_schema_parse(&link_result_schema, text, strlen(text), BT_LENIENT, r.result, NULL, err);
    if (rc == 0) {
        if (w->row.uuid) {
            job_report_item(&w->row, &item);
            r.item = &item;
        }
        rc = journal_report_append(tx, &r, err);
        r.item = NULL;
        bt_schema_free(&link_item_schema, &item);
    }
    if (rc == 0)
        rc = db_exec(tx, "UPDATE jobs SET report_seq = ?2 WHERE id = ?1",
                     DB_ARGS(DB_I(found->id), DB_I(r.seq)), NULL, err);
    bt_schema_free(&link_report_schema, &r);
    w->ret_reported = rc == 0;
    return rc;
}

/* 1 = the task is known and has been dealt with. */
static int look_up(struct db_tx *tx, struct job_write *w, struct bt_err *err)
{
    journal_job_free(&w->ret_found);
    int rc = journal_job_get(tx, w->job.task_id, &w->ret_found, err);
    if (rc == -(int)BT_E_NOT_FOUND)
        return 0;
    if (rc < 0)
        return rc;
    w->ret_repeated = true;
    rc = answer_again(tx, w, err);
    return rc < 0 ? rc : 1;
}

static int put_row(struct db_tx *tx, struct job_write *w, struct bt_err *err)
{
    if (w->row_op == JOB_ROW_DELETE)
        return journal_instance_delete(tx, w->row.uuid, err);
    struct journal_instance row = w->row;
    int rc = 0;
    if (w->take_ids)
        rc = journal_instance_free_ids(tx, &w->store->ids, &row.id_base, err);
    if (rc == 0)
        rc = journal_instance_put(tx, &row, err);
    w->ret_row_id = row.id;
    w->ret_id_base = row.id_base;
    return rc;
}

static int put_job(struct db_tx *tx, struct job_write *w, int64_t report_seq, struct bt_err *err)
{
    struct journal_job row = w->job;
    row.report_seq = report_seq;
    int rc = w->job_op == JOB_JOB_INSERT ? journal_job_insert(tx, &row, err)
                                         : journal_job_move(tx, &row, err);
    w->ret_job_id = row.id;
    return rc;
}

static int put_reports(struct db_tx *tx, struct job_write *w, int64_t *ret_result_seq,
                       struct bt_err *err)
{
    for (size_t i = 0; i < w->n_reports; i++) {
        int rc = journal_report_append(tx, &w->reports[i], err);
        if (rc < 0)
            return rc;
        w->ret_reported = true;
        if (w->reports[i].kind == REPORT_RESULT)
            *ret_result_seq = w->reports[i].seq;
    }
    return 0;
}

static int ask_brake(struct db_tx *tx, struct job_write *w, struct bt_err *err)
{
    int rc = journal_destroy_ask(tx, &w->destroy, &w->ret_held, err);
    if (rc == 0 && w->ret_held && w->held_event.event) {
        rc = journal_report_append(tx, &w->held_event, err);
        w->ret_reported = rc == 0;
    }
    return rc;
}

static int write_parts(struct db_tx *tx, struct job_write *w, struct bt_err *err)
{
    int64_t result_seq = 0;
    int rc = 0;
    if (w->job_op == JOB_JOB_INSERT || w->job_op == JOB_JOB_LOOKUP)
        rc = look_up(tx, w, err);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    if (w->refusal.code) {
        *err = w->refusal;
        return -(int)w->refusal.code;
    }
    if (w->ask)
        rc = ask_brake(tx, w, err);
    if (rc == 0 && w->row_op != JOB_ROW_KEEP)
        rc = put_row(tx, w, err);
    if (rc == 0)
        rc = put_reports(tx, w, &result_seq, err);
    if (rc == 0 && (w->job_op == JOB_JOB_INSERT || w->job_op == JOB_JOB_MOVE))
        rc = put_job(tx, w, result_seq, err);
    if (rc == 0 && w->confirm)
        rc = journal_meta_store_confirm(tx, w->confirm_until_ms, err);
    return rc;
}

static int write_apply(struct db_tx *tx, struct db_work *work, struct bt_err *err)
{
    struct job_write *w = BT_CONTAINER_OF(work, struct job_write, work);
    const struct job_fault *fault = w->store->fault;
    w->ret_repeated = w->ret_held = w->ret_reported = false;
    if (!w->store->dead && fault && fault->before(fault->ctx))
        w->store->dead = true;
    if (w->store->dead)
        return bt_fail(err, BT_E_FAULT, "the agent has died");
    return write_parts(tx, w, err);
}

/* ---- on the loop ---- */

static void write_done(struct db_work *work, int rc, const struct bt_err *err)
{
    struct job_write *w = BT_CONTAINER_OF(work, struct job_write, work);
    struct job *j = w->store->job;
    const struct job_fault *fault = w->store->fault;
    if (!w->store->dead && fault && rc >= 0 && fault->after(fault->ctx))
        w->store->dead = true;
    if (j && !w->store->dead) {
        bool reported = rc >= 0 && w->ret_reported;
        if (w->then)
            w->then(w, rc, rc < 0 ? err : NULL);
        if (reported && j->cfg.events.reported)
            j->cfg.events.reported(j->cfg.events.ctx);
    }
    job_write_free(w);
}

static void refused(struct bt_post *p)
{
    struct db_work *work = BT_CONTAINER_OF(p, struct db_work, post);
    write_done(work, work->rc, &work->err);
}

void job_write_submit(struct job_write *w)
{
    struct job *j = w->store->job;
    w->work.apply = write_apply;
    w->work.done = write_done;
    int rc = db_submit(j->cfg.db, &w->work, &w->work.err);
    if (rc == 0)
        return;
    w->work.rc = rc;
    w->work.post.cb = refused;
    bt_loop_post(j->cfg.loop, &w->work.post);
}
