/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/job/job.h"

#include <stdlib.h>
#include <string.h>

#include "agent/job/job_int.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/log/log.h"

#define PARALLEL_STARTS 4

/* ---- life ---- */

static void ready_fired(struct bt_timer *t)
{
    struct job *j = BT_CONTAINER_OF(t, struct job, ready_timer);
    j->ready = true;
    bt_timer_start(&j->pump_timer, 0);
    if (j->cfg.events.ready)
        j->cfg.events.ready(j->cfg.events.ctx);
}

static void pump_fired(struct bt_timer *t)
{
    struct job *j = BT_CONTAINER_OF(t, struct job, pump_timer);
    job_observe_pump(j);
    while (j->ready && j->starting < j->cfg.parallel_starts) {
        struct bt_list *l = bt_list_pop(&j->starts);
        if (!l)
            return;
        struct job_inst *in = BT_CONTAINER_OF(l, struct job_inst, link);
        in->starting = true;
        j->starting++;
        job_run_local(in, ACTION_START);
    }
}

struct job *job_new(const struct job_config *cfg)
{
    struct job *j = bt_xcalloc(1, sizeof *j);
    j->cfg = *cfg;
    if (j->cfg.parallel_starts <= 0)
        j->cfg.parallel_starts = PARALLEL_STARTS;
    (void)bt_strcpy(j->boot_id, sizeof j->boot_id, cfg->boot_id);
    j->cfg.boot_id = j->boot_id;
    j->confirm_until_ms = cfg->meta->confirm_until_ms;
    j->cfg.meta = NULL;
    j->store = job_store_new(j);
    bt_list_init(&j->probes);
    bt_list_init(&j->starts);
    bt_list_init(&j->held);
    bt_timer_init(&j->held_timer, cfg->loop, job_brake_timer);
    bt_timer_init(&j->pump_timer, cfg->loop, pump_fired);
    bt_timer_init(&j->ready_timer, cfg->loop, ready_fired);
    for (int i = 0; i < JOB_DRIVERS; i++) {
        if (!cfg->drivers[i])
            continue;
        cfg->drivers[i]->events = job_observe_events;
        cfg->drivers[i]->events.ctx = j;
    }
    return j;
}

void job_free(struct job *j)
{
    if (!j)
        return;
    size_t pos = 0;
    for (struct job_inst *in; (in = bt_map_next(&j->insts, &pos));)
        job_inst_free(in);
    bt_map_fini(&j->insts);
    bt_timer_stop(&j->held_timer);
    bt_timer_stop(&j->pump_timer);
    bt_timer_stop(&j->ready_timer);
    job_store_detach(j->store);
    free(j);
}

/* ---- start ---- */

struct loaded {
    struct bt_arr rows; /* struct journal_instance */
    struct bt_arr jobs; /* struct journal_job */
    bool *failed;       /* of each row: its newest job ended without success */
};

static int load(struct db_tx *tx, void *arg, struct bt_err *err)
{
    struct loaded *l = arg;
    int rc = journal_instance_list(tx, &l->rows, err);
    if (rc == 0)
        rc = journal_job_list_open(tx, &l->jobs, err);
    if (rc < 0)
        return rc;
    const struct journal_instance *rows = l->rows.items;
    l->failed = bt_xcalloc(l->rows.len + 1, sizeof *l->failed);
    for (size_t i = 0; rc == 0 && i < l->rows.len; i++) {
        if (rows[i].done_generation < rows[i].generation)
            rc = journal_job_failed(tx, rows[i].uuid, rows[i].generation, &l->failed[i], err);
    }
    return rc;
}

/* A row that this program cannot read is left alone: its id range stays taken, nothing is done. */
static void take_row(struct job *j, struct journal_instance *row, bool failed)
{
    struct instance_spec spec;
    struct bt_err err = BT_ERR_INIT;
    if (bt_schema_parse(&instance_spec_schema, row->spec, strlen(row->spec), BT_LENIENT, &spec,
                        NULL, &err) < 0) {
        bt_log(BT_ERROR, "job", "instance=%s its spec cannot be read: %s", row->uuid, err.msg);
        return;
    }
    struct job_inst *in = job_inst_get(j, row->uuid);
    in->row = *row;
    memset(row, 0, sizeof *row);
    bt_erase(in->row.spec, strlen(in->row.spec));
    free(in->row.spec);
    in->row.spec = NULL;
    in->spec = spec;
    in->unsynced = in->row.done_generation < in->row.generation && !failed;
    in->first = true;
    j->first_left++;
    bt_list_push(&j->probes, &in->link);
}

static void take_job(struct job *j, struct journal_job *row)
{
    struct job_inst *in = bt_map_find(&j->insts, row->uuid);
    if (!in || in->resume) {
        bt_log(BT_ERROR, "job", "task=%lld has no instance", (long long)row->task_id);
        return;
    }
    struct job_run *run = &in->run;
    *run = (struct job_run){.action = row->action, .resumed = true, .job = *row};
    memset(row, 0, sizeof *row);
    const char *args = run->job.args ? run->job.args : "{}";
    (void)bt_schema_parse(&journal_job_args_schema, args, strlen(args), BT_LENIENT, &run->args,
                          NULL, NULL);
    in->resume = true;
    in->unsynced = false;
}

int job_start(struct job *j, struct bt_err *err)
{
    struct loaded l = {0};
    int rc = db_run_sync(j->cfg.db, load, &l, err);
    if (rc == 0) {
        for (size_t i = 0; i < l.rows.len; i++)
            take_row(j, &((struct journal_instance *)l.rows.items)[i], l.failed[i]);
        for (size_t i = 0; i < l.jobs.len; i++)
            take_job(j, &((struct journal_job *)l.jobs.items)[i]);
        bt_timer_start(&j->pump_timer, 0);
        if (j->first_left == 0)
            bt_timer_start(&j->ready_timer, 0);
    }
    db_rows_free(&journal_instance_table, &l.rows);
    db_rows_free(&journal_job_table, &l.jobs);
    free(l.failed);
    return rc;
}

/* ---- cancel ---- */

static struct job_inst *holder(struct job *j, int64_t task_id)
{
    size_t pos = 0;
    for (struct job_inst *in; (in = bt_map_next(&j->insts, &pos));) {
        if ((in->run.job.id || in->phase == JOB_INTENT) && in->run.job.task_id == task_id)
            return in;
    }
    return NULL;
}

static bool is_task(const struct job_request *r, int64_t task_id)
{
    return r && r->apply.task_id == task_id;
}

/* A request that waits in memory for this task is dropped: the journal will say that it was
 * cancelled. */
static void drop_waiting(struct job *j, int64_t task_id)
{
    struct bt_err err = BT_ERR_INIT;
    size_t pos = 0;
    (void)bt_fail(&err, BT_E_CANCELLED, "cancelled before it began");
    for (struct job_inst *in; (in = bt_map_next(&j->insts, &pos));) {
        if (is_task(in->later, task_id)) {
            job_apply_refuse(j, TAKE_PTR(in->later), &err, in->row.generation);
        } else if (is_task(in->next, task_id) && in->phase != JOB_PROBE) {
            job_apply_refuse(j, in->next, &err, in->row.generation);
            in->next = NULL;
        }
    }
}

static void never_began(struct job *j, int64_t task_id)
{
    struct job_run run = {.action = ACTION_SYNC, .rc = -(int)BT_E_CANCELLED};
    struct job_write *w = job_write_new(j, NULL);
    (void)bt_fail(&run.err, BT_E_CANCELLED, "cancelled before it began");
    run.job.task_id = task_id;
    job_report_result(w, &run, NULL);
    w->job_op = JOB_JOB_INSERT;
    w->job.task_id = task_id;
    w->job.uuid = bt_xstrdup("");
    w->job.action = ACTION_SYNC;
    w->job.state = JOURNAL_JOB_CANCELLED;
    w->job.created_at = w->job.finished_at = job_utc(j);
    job_write_submit(w);
}

void job_cancel(struct job *j, int64_t task_id)
{
    struct job_inst *in = holder(j, task_id);
    if (in) {
        job_run_cancel(in);
        return;
    }
    drop_waiting(j, task_id);
    never_began(j, task_id);
}

/* ---- views ---- */

size_t job_count(const struct job *j)
{
    size_t n = 0;
    size_t pos = 0;
    for (struct job_inst *in; (in = bt_map_next(&j->insts, &pos));)
        n += in->row.id != 0;
    return n;
}

static void view(struct job_inst *in, struct job_view *ret)
{
    bool unclear = in->blind || (in->first && !in->row.trashed_at);
    *ret = (struct job_view){.uuid = in->uuid,
                             .spec = &in->spec,
                             .row = &in->row,
                             .driver = job_inst_driver(in),
                             .state = unclear ? INSTANCE_UNKNOWN : in->row.state,
                             .busy = in->run.on};
}

bool job_view(struct job *j, const char *uuid, struct job_view *ret)
{
    struct job_inst *in = bt_map_find(&j->insts, uuid);
    if (!in || in->row.id == 0)
        return false;
    view(in, ret);
    return true;
}

bool job_next(struct job *j, size_t *pos, struct job_view *ret)
{
    for (struct job_inst *in; (in = bt_map_next(&j->insts, pos));) {
        if (in->row.id != 0) {
            view(in, ret);
            return true;
        }
    }
    return false;
}

static int by_row_id(const void *a, const void *b)
{
    const struct job_inst *x = *(struct job_inst *const *)a;
    const struct job_inst *y = *(struct job_inst *const *)b;
    return (x->row.id > y->row.id) - (x->row.id < y->row.id);
}

static void each_item(struct job_inst *in, void (*each)(void *ctx, const struct link_item *item),
                      void *ctx)
{
    struct link_item item;
    struct job_view v;
    view(in, &v);
    job_report_item(&in->row, &item);
    item.state = v.state;
    item.spec = &in->spec;
    each(ctx, &item);
    item.spec = NULL;
    bt_schema_free(&link_item_schema, &item);
}

void job_inventory(struct job *j, void (*each)(void *ctx, const struct link_item *item), void *ctx)
{
    struct job_inst **all = bt_xcalloc(j->insts.len + 1, sizeof(struct job_inst *));
    size_t n = 0;
    size_t pos = 0;
    for (struct job_inst *in; (in = bt_map_next(&j->insts, &pos));) {
        if (in->row.id != 0)
            all[n++] = in;
    }
    qsort(all, n, sizeof(struct job_inst *), by_row_id);
    for (size_t i = 0; i < n; i++)
        each_item(all[i], each, ctx);
    free(all);
}
