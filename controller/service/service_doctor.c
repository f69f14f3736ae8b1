/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/service/service_doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/agentlink/agentlink.h"
#include "controller/blob/blob.h"
#include "controller/sched/sched.h"
#include "db/repo/repo_address.h"
#include "db/repo/repo_host.h"
#include "db/repo/repo_image.h"
#include "db/repo/repo_instance.h"
#include "db/repo/repo_orphan.h"
#include "db/repo/repo_task.h"
#include "proto/api_fleet.h"
#include "proto/link_op.h"

/*
 * rows (writer, where the placement state lives) -> hosts asked side by side -> answer.
 * The struct lives until done() has been called.
 */
#define PAGE 500
#define ASK_TIMEOUT_MS 30000
#define SKEW_MS 2000
#define BODY_MAX (8u << 20)

struct asked {
    struct agentlink_ask ask;
    struct doctor *doctor;
    int64_t host_id;
    char name[64];
};

struct doctor {
    struct service *svc;
    struct principal who;
    struct db_work work;
    struct bt_arr findings; /* struct api_finding */
    struct bt_arr hosts;    /* struct asked, while the rows are read */
    struct asked *asked;    /* the same, once it stays put */
    size_t n_asked, waiting;
    struct bt_post post;
    struct bt_err err;
    void (*done)(void *ctx, const char *body, size_t len, const struct bt_err *err);
    void *ctx;
};

/* ---- findings ---- */

struct found {
    const char *host;
    enum doctor_kind kind;
    const char *object, *expected, *fix;
};

static void add(struct doctor *d, const struct found *f, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void add(struct doctor *d, const struct found *f, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    if (d->findings.len >= SERVICE_DOCTOR_FINDINGS_MAX)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct api_finding *out = bt_arr_push(&d->findings, sizeof *out);
    *out = (struct api_finding){.host = bt_xstrdup(f->host),
                                .kind = (int)f->kind,
                                .object = bt_xstrdup(f->object),
                                .expected = bt_xstrdup(f->expected),
                                .found = bt_xstrdup(text),
                                .fix = bt_xstrdup(f->fix)};
}

/* ---- hosts ---- */

static int check_placement(struct db_tx *tx, struct doctor *d, const struct repo_host_row *h,
                           struct bt_err *err)
{
    struct repo_host_allocated sum = {0};
    struct sched_host known;
    char expected[128];
    int rc = repo_host_allocated(tx, h->id, &sum, err);
    if (rc < 0 || !sched_host_get(d->svc->sched, h->id, &known))
        return rc;
    const struct sched_amount *a = &known.allocated;
    if (a->cpus == sum.cpus && a->memory_bytes == sum.memory_bytes &&
        a->disk_bytes == sum.disk_bytes && a->instances == sum.instances)
        return 0;
    (void)snprintf(expected, sizeof expected, "%lld cores, %lld instances by the rows",
                   (long long)sum.cpus, (long long)sum.instances);
    add(d,
        &(struct found){h->name, DOCTOR_ROW, "placement state", expected,
                        "restart berthd: it is made from the rows"},
        "%lld cores, %lld instances", (long long)a->cpus, (long long)a->instances);
    return 0;
}

static void check_clock(struct doctor *d, const struct repo_host_row *h)
{
    int64_t skew = h->clock_skew_ms < 0 ? -h->clock_skew_ms : h->clock_skew_ms;
    if (skew > SKEW_MS)
        add(d,
            &(struct found){h->name, DOCTOR_CLOCK, "clock", "within 2,000 ms of the controller's",
                            "run a time service on the host"},
            "off by %lld ms", (long long)h->clock_skew_ms);
}

static void want_asked(struct doctor *d, const struct repo_host_row *h)
{
    struct asked *a = bt_arr_push(&d->hosts, sizeof *a);
    a->host_id = h->id;
    (void)bt_strcpy(a->name, sizeof a->name, h->name);
}

static int check_host(struct db_tx *tx, struct doctor *d, const struct repo_host_row *h,
                      struct bt_err *err)
{
    if (h->state == HOST_JOINING) {
        add(d, &(struct found){h->name, DOCTOR_ROW, "host", "an adopted host", "berth host adopt"},
            "joining");
        return 0;
    }
    check_clock(d, h);
    want_asked(d, h);
    return check_placement(tx, d, h, err);
}

static int check_hosts(struct db_tx *tx, struct doctor *d, struct bt_err *err)
{
    struct repo_host_filter f = {.limit = PAGE, .state = -1};
    size_t got = PAGE;
    int rc = 0;
    while (rc >= 0 && got == PAGE) {
        struct bt_arr rows = {0};
        rc = repo_host_list(tx, &f, &rows, err);
        got = rows.len;
        const struct repo_host_row *h = rows.items;
        for (size_t i = 0; rc >= 0 && i < got; i++) {
            f.after_id = h[i].id;
            rc = check_host(tx, d, &h[i], err);
        }
        db_rows_free(&repo_host_table, &rows);
    }
    return rc;
}

/* ---- instances ---- */

static int check_lock(struct db_tx *tx, struct doctor *d, const struct repo_instance_row *i,
                      struct bt_err *err)
{
    _cleanup_(repo_task_row_free) struct repo_task_row t = {0};
    if (!i->locked_by)
        return 0;
    int rc = repo_task_get(tx, i->locked_by, &t, err);
    if (rc == -BT_E_NOT_FOUND || (rc >= 0 && (t.finished_at || t.instance_id != i->id)))
        add(d,
            &(struct found){NULL, DOCTOR_ROW, i->uuid, "locked by an open task of its own", NULL},
            "locked by task %lld", (long long)i->locked_by);
    return rc == -BT_E_NOT_FOUND ? 0 : rc;
}

static int check_instances(struct db_tx *tx, struct doctor *d, struct bt_err *err)
{
    struct repo_instance_filter f = {.limit = PAGE, .state = -1, .deleted = true};
    size_t got = PAGE;
    int rc = 0;
    while (rc >= 0 && got == PAGE) {
        struct bt_arr rows = {0};
        rc = repo_instance_list(tx, &f, &rows, err);
        got = rows.len;
        const struct repo_instance_row *i = rows.items;
        for (size_t n = 0; rc >= 0 && n < got; n++) {
            f.after_id = i[n].id;
            rc = check_lock(tx, d, &i[n], err);
        }
        db_rows_free(&repo_instance_table, &rows);
    }
    return rc;
}

/* An open task holds its instance, or waits behind the one that does. */
static int check_task(struct db_tx *tx, struct doctor *d, const struct repo_task_row *t,
                      struct bt_err *err)
{
    _cleanup_(repo_instance_row_free) struct repo_instance_row i = {0};
    char object[40];
    if (!t->instance_id || t->state == TASK_QUEUED)
        return 0;
    int rc = repo_instance_get(tx, t->instance_id, &i, err);
    if (rc < 0 && rc != -BT_E_NOT_FOUND)
        return rc;
    if (rc >= 0 && i.locked_by == t->id)
        return 0;
    (void)snprintf(object, sizeof object, "task %lld", (long long)t->id);
    add(d, &(struct found){NULL, DOCTOR_ROW, object, "the lock of its instance", NULL},
        "the lock is held by task %lld", (long long)i.locked_by);
    return 0;
}

static int check_tasks(struct db_tx *tx, struct doctor *d, struct bt_err *err)
{
    struct repo_task_filter f = {.limit = PAGE, .state = -1, .open = true};
    size_t got = PAGE;
    int rc = 0;
    while (rc >= 0 && got == PAGE) {
        struct bt_arr rows = {0};
        rc = repo_task_list(tx, &f, &rows, err);
        got = rows.len;
        const struct repo_task_row *t = rows.items;
        for (size_t n = 0; rc >= 0 && n < got; n++) {
            f.after_id = t[n].id;
            rc = check_task(tx, d, &t[n], err);
        }
        db_rows_free(&repo_task_table, &rows);
    }
    return rc;
}

/* ---- addresses, orphans, images ---- */

static int check_address(struct db_tx *tx, struct doctor *d, const struct repo_address_row *a,
                         struct bt_err *err)
{
    _cleanup_(repo_instance_row_free) struct repo_instance_row i = {0};
    int rc = repo_instance_get(tx, a->instance_id, &i, err);
    if (rc == -BT_E_NOT_FOUND || (rc >= 0 && i.purged_at))
        add(d,
            &(struct found){NULL, DOCTOR_ROW, a->address, "an instance that is not purged",
                            "berth address release"},
            "instance %lld is gone", (long long)a->instance_id);
    return rc == -BT_E_NOT_FOUND ? 0 : rc;
}

static int check_addresses(struct db_tx *tx, struct doctor *d, struct bt_err *err)
{
    struct repo_address_filter f = {.limit = PAGE, .state = ADDRESS_USED};
    size_t got = PAGE;
    int rc = 0;
    while (rc >= 0 && got == PAGE) {
        struct bt_arr rows = {0};
        rc = repo_address_list(tx, &f, &rows, err);
        got = rows.len;
        const struct repo_address_row *a = rows.items;
        for (size_t n = 0; rc >= 0 && n < got; n++) {
            f.after_id = a[n].id;
            rc = check_address(tx, d, &a[n], err);
        }
        db_rows_free(&repo_address_table, &rows);
    }
    return rc;
}

static int check_orphans(struct db_tx *tx, struct doctor *d, struct bt_err *err)
{
    struct bt_arr rows = {0};
    int rc = repo_orphan_list(tx, &(struct repo_orphan_filter){.limit = PAGE}, &rows, err);
    const struct repo_orphan_row *o = rows.items;
    for (size_t n = 0; rc >= 0 && n < rows.len; n++)
        add(d,
            &(struct found){NULL, DOCTOR_ROW, o[n].uuid, "an instance that is known here",
                            "berth orphan adopt"},
            "host %lld has it as %s", (long long)o[n].host_id, o[n].name ? o[n].name : "?");
    db_rows_free(&repo_orphan_table, &rows);
    return rc;
}

static int check_image(struct db_tx *tx, struct doctor *d, const struct repo_image_row *image,
                       struct bt_err *err)
{
    struct bt_arr kinds = {0};
    int rc = repo_image_kinds(tx, image->id, &kinds, err);
    const struct repo_image_kind_row *k = kinds.items;
    for (size_t n = 0; rc >= 0 && n < kinds.len; n++) {
        int64_t bytes = -1;
        _cleanup_close_ int fd = blob_open(d->svc->blob, k[n].sha256, &bytes, NULL);
        if (fd < 0 || bytes != k[n].bytes)
            add(d,
                &(struct found){NULL, DOCTOR_FILE, k[n].sha256, "a whole file of this image",
                                "import the image again"},
                "%lld of %lld bytes (image %s)", (long long)bytes, (long long)k[n].bytes,
                image->name);
    }
    db_rows_free(&repo_image_kind_table, &kinds);
    return rc;
}

static int check_images(struct db_tx *tx, struct doctor *d, struct bt_err *err)
{
    struct repo_image_filter f = {.limit = PAGE, .state = IMAGE_READY, .hidden = true};
    struct bt_arr rows = {0};
    if (!d->svc->blob)
        return 0;
    int rc = repo_image_list(tx, &f, &rows, err);
    const struct repo_image_row *i = rows.items;
    for (size_t n = 0; rc >= 0 && n < rows.len; n++)
        rc = check_image(tx, d, &i[n], err);
    db_rows_free(&repo_image_table, &rows);
    return rc;
}

/* ---- the writer's part ---- */

static int (*const checks[])(struct db_tx *tx, struct doctor *d, struct bt_err *err) = {
    check_hosts, check_instances, check_tasks, check_addresses, check_orphans, check_images};

static int apply(struct db_tx *tx, struct db_work *w, struct bt_err *err)
{
    struct doctor *d = BT_CONTAINER_OF(w, struct doctor, work);
    bt_schema_free_array(&api_finding_schema, &d->findings);
    free(d->hosts.items);
    d->hosts = (struct bt_arr){0};
    int rc = auth_recheck(tx, &d->who, err);
    if (rc >= 0)
        rc = auth_may(&d->who, SCOPE_OPERATOR, err);
    for (size_t i = 0; rc >= 0 && i < BT_ARRAY_LEN(checks); i++)
        rc = checks[i](tx, d, err);
    return rc < 0 ? rc : 0;
}

static void end(struct doctor *d, const struct bt_err *err)
{
    _cleanup_buf_ struct bt_buf body = BT_BUF(BODY_MAX);
    if (!err) {
        (void)bt_buf_adds(&body, "{\"items\":");
        (void)bt_schema_emit_array(&api_finding_schema, &d->findings, &body);
        (void)bt_buf_addc(&body, '}');
    }
    d->done(d->ctx, err ? NULL : body.data, body.len, err);
    bt_schema_free_array(&api_finding_schema, &d->findings);
    free(d->hosts.items);
    free(d);
}

/* ---- the hosts' part ---- */

static void take_answer(struct asked *a, const char *body, size_t len)
{
    struct link_doctor in;
    struct doctor *d = a->doctor;
    if (bt_schema_parse(&link_doctor_schema, body, len, BT_LENIENT | BT_ALLOW_RO, &in, NULL, NULL) <
        0) {
        add(d, &(struct found){a->name, DOCTOR_PROCESS, "agent", "a list of findings", NULL},
            "an answer that cannot be read");
        return;
    }
    const struct link_doctor_finding *f = in.findings.items;
    for (size_t i = 0; i < in.findings.len; i++)
        add(d,
            &(struct found){a->name, (enum doctor_kind)f[i].kind, f[i].object, f[i].expected,
                            f[i].fix},
            "%s", f[i].found ? f[i].found : "");
    bt_schema_free(&link_doctor_schema, &in);
}

static void on_answer(struct agentlink_ask *q, const char *body, size_t len,
                      const struct bt_err *err)
{
    struct asked *a = BT_CONTAINER_OF(q, struct asked, ask);
    struct doctor *d = a->doctor;
    if (body)
        take_answer(a, body, len);
    else
        add(d,
            &(struct found){a->name, DOCTOR_PROCESS, "agent", "it answers",
                            "look at the host and its agent"},
            "%s", err->msg);
    if (--d->waiting == 0)
        end(d, NULL);
}

static void ask_hosts(struct doctor *d)
{
    d->asked = d->hosts.items;
    d->n_asked = d->waiting = d->hosts.len;
    if (d->n_asked == 0) {
        end(d, NULL);
        return;
    }
    for (size_t i = 0; i < d->n_asked; i++) {
        struct asked *a = &d->asked[i];
        a->doctor = d;
        a->ask.done = on_answer;
        agentlink_ask_start(&a->ask, d->svc->link, a->host_id, LINK_OP_DOCTOR, "{}",
                            ASK_TIMEOUT_MS);
    }
}

static void rows_done(struct db_work *w, int rc, const struct bt_err *err)
{
    struct doctor *d = BT_CONTAINER_OF(w, struct doctor, work);
    if (rc < 0)
        end(d, err);
    else
        ask_hosts(d);
}

static void fail_posted(struct bt_post *p)
{
    struct doctor *d = BT_CONTAINER_OF(p, struct doctor, post);
    end(d, &d->err);
}

void service_doctor_start(struct service *svc, const struct principal *who,
                          void (*done)(void *ctx, const char *body, size_t len,
                                       const struct bt_err *err),
                          void *ctx)
{
    struct doctor *d = bt_xcalloc(1, sizeof *d);
    d->svc = svc;
    d->who = *who;
    d->done = done;
    d->ctx = ctx;
    d->work = (struct db_work){.apply = apply, .done = rows_done, .dry_run = true};
    if (db_submit(svc->db, &d->work, &d->err) < 0) {
        d->post.cb = fail_posted;
        bt_loop_post(svc->loop, &d->post);
    }
}
