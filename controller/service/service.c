/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/service/service.h"

#include <assert.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/agentlink/agentlink.h"
#include "controller/event/event.h"
#include "controller/service/service_idem.h"
#include "controller/task/task.h"
#include "db/repo/repo_audit.h"

static struct service_call *of_work(struct db_work *w)
{
    return BT_CONTAINER_OF(w, struct service_call, work);
}

static struct service_call *of_read(struct db_read *r)
{
    return BT_CONTAINER_OF(r, struct service_call, read);
}

/* apply may run again: nothing of the run before may show. */
static void empty(struct service_call *c)
{
    bt_buf_fini(&c->answer.body);
    c->answer = (struct service_answer){.body = BT_BUF(SERVICE_BODY_MAX)};
    c->audit = (struct service_audit){0};
    c->errors.n = 0;
    c->error_task = 0;
    agentlink_out_reset(&c->out);
}

static int audit(struct db_tx *tx, const struct service_call *c, struct bt_err *err)
{
    char noun[32];
    size_t n = strcspn(c->verb->name, ".");
    (void)bt_strcpy(noun, n < sizeof noun ? n + 1 : sizeof noun, c->verb->name);
    struct repo_audit_new a = {
        .actor = c->who.name,
        .action = c->verb->name,
        .resource_type = c->audit.type ? c->audit.type : noun,
        .resource_id = c->audit.id,
        .tenant_id = c->audit.tenant_id ? c->audit.tenant_id : c->who.tenant_id,
        .result = c->audit.result ? c->audit.result : "ok",
        .ip = c->who.ip,
        .request_id = c->who.request_id,
        .data = c->audit.data[0] ? c->audit.data : NULL,
    };
    return repo_audit_append(tx, &a, err);
}

static int may_call(const struct service_call *c, struct bt_err *err)
{
    return c->verb->open ? 0 : auth_may(&c->who, c->verb->scope, err);
}

static int authorise(struct db_tx *tx, const struct service_call *c, struct bt_err *err)
{
    int rc = auth_recheck(tx, &c->who, err);
    return rc < 0 ? rc : may_call(c, err);
}

static int checked(const struct service_call *c, int rc, struct bt_err *err)
{
    if (rc >= 0 && c->answer.body.overflow)
        return bt_fail(err, BT_E_TOO_LARGE, "the answer is larger than %d bytes", SERVICE_BODY_MAX);
    return rc;
}

static int apply_write(struct db_tx *tx, struct db_work *w, struct bt_err *err)
{
    struct service_call *c = of_work(w);
    empty(c);
    int rc = authorise(tx, c, err);
    if (rc >= 0 && c->idem.key)
        rc = service_idem_replay(tx, c, err);
    if (rc < 0 || c->answer.replayed)
        return rc;
    rc = checked(c, c->verb->apply(tx, c, err), err);
    if (rc >= 0 && c->idem.key && !c->dry_run)
        rc = service_idem_store(tx, c, err);
    if (rc >= 0)
        rc = audit(tx, c, err);
    return rc;
}

static int apply_ask(struct db_tx *tx, struct db_work *w, struct bt_err *err)
{
    struct service_call *c = of_work(w);
    empty(c);
    int rc = authorise(tx, c, err);
    return rc < 0 ? rc : checked(c, c->verb->apply(tx, c, err), err);
}

static int apply_read(struct db_tx *tx, struct db_read *r, struct bt_err *err)
{
    struct service_call *c = of_read(r);
    empty(c);
    int rc = authorise(tx, c, err);
    return rc < 0 ? rc : checked(c, c->verb->apply(tx, c, err), err);
}

void service_flush(struct service *svc, struct agentlink_out *out)
{
    if (svc->link)
        agentlink_flush(svc->link, out);
    if (svc->tasks)
        tasks_committed(svc->tasks, out);
    if (svc->events && out->events)
        events_poke(svc->events);
    agentlink_out_reset(out);
}

static void work_done(struct db_work *w, int rc, const struct bt_err *err)
{
    struct service_call *c = of_work(w);
    bool lasts = rc >= 0 && c->verb->kind == SERVICE_WRITE && !c->dry_run && !c->answer.replayed;
    if (lasts) {
        service_flush(c->svc, &c->out);
        if (c->verb->after)
            c->verb->after(c);
    }
    agentlink_out_reset(&c->out);
    c->done(c, rc, err);
}

static void read_done(struct db_read *r, int rc, const struct bt_err *err)
{
    struct service_call *c = of_read(r);
    c->done(c, rc, err);
}

static void fail_posted(struct bt_post *p)
{
    struct service_call *c = BT_CONTAINER_OF(p, struct service_call, post);
    c->done(c, c->rc, &c->err);
}

/* End a call that never began, but not inside its starter. */
static void fail_later(struct service_call *c)
{
    c->post.cb = fail_posted;
    bt_loop_post(c->svc->loop, &c->post);
}

static void submit_apply(struct service_call *c)
{
    struct db *db = c->svc->db;
    if (c->verb->kind == SERVICE_READ) {
        c->read = (struct db_read){.read = apply_read, .done = read_done};
        c->rc = db_read_submit(db, &c->read, &c->err);
    } else {
        bool write = c->verb->kind == SERVICE_WRITE;
        c->work = (struct db_work){.apply = write ? apply_write : apply_ask,
                                   .done = work_done,
                                   .dry_run = write ? c->dry_run : true};
        c->rc = db_submit(db, &c->work, &c->err);
    }
    if (c->rc < 0)
        fail_later(c);
}

static void prep_run(struct bt_work *w)
{
    struct service_call *c = BT_CONTAINER_OF(w, struct service_call, prep);
    c->rc = may_call(c, &c->err);
    if (c->rc >= 0)
        c->rc = c->verb->prepare(c, &c->err);
}

static void prep_done(struct bt_work *w, bool cancelled)
{
    struct service_call *c = BT_CONTAINER_OF(w, struct service_call, prep);
    if (cancelled)
        c->rc = bt_fail(&c->err, BT_E_UNAVAILABLE, "the controller is stopping");
    if (c->rc < 0)
        c->done(c, c->rc, &c->err);
    else
        submit_apply(c);
}

void service_submit(struct service_call *c)
{
    assert(c->done && c->verb && c->verb->apply);
    c->rc = 0;
    if (c->verb->state_size && !c->state)
        c->state = bt_xcalloc(1, c->verb->state_size);
    if (!c->verb->prepare) {
        submit_apply(c);
        return;
    }
    c->prep = (struct bt_work){.run = prep_run, .done = prep_done};
    c->rc = bt_pool_submit(c->svc->cpu, &c->prep, &c->err);
    if (c->rc < 0)
        fail_later(c);
}

void service_call_fini(struct service_call *c)
{
    if (c->state && c->verb->state_free)
        c->verb->state_free(c->state);
    free(c->state);
    c->state = NULL;
    if (c->answer.body.data)
        bt_erase(c->answer.body.data, c->answer.body.len);
    bt_buf_fini(&c->answer.body);
    agentlink_out_reset(&c->out);
}
