/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/service/service_start.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/sched/sched.h"
#include "controller/service/service_host_link.h"
#include "controller/service/service_host_sched.h"
#include "controller/service/service_instance_result.h"
#include "controller/service/service_keeper.h"
#include "controller/service/service_spec.h"
#include "db/repo/repo_meta.h"
#include "db/repo/repo_ref.h"

/* Host as tasks see it. */
static int task_host(struct db_tx *tx, void *ctx, int64_t host_id, struct task_host *ret,
                     struct bt_err *err)
{
    const struct service *svc = ctx;
    struct sched_host h;
    _cleanup_free_ char *name = NULL;
    int rc = repo_ref_name(tx, REPO_REF_HOST, host_id, &name, err);
    if (rc < 0)
        return rc;
    ret->live = sched_host_get(svc->sched, host_id, &h) && !h.silent &&
                h.state != HOST_UNREACHABLE && h.state != HOST_FENCED;
    (void)bt_strcpy(ret->name, sizeof ret->name, name);
    return 0;
}

static void committed(void *ctx, const struct agentlink_out *out)
{
    struct service *svc = ctx;
    tasks_committed(svc->tasks, out);
    if (out->events)
        events_poke(svc->events);
}

static void task_committed(void *ctx, struct agentlink_out *out)
{
    service_flush(ctx, out);
}

static void progress(void *ctx, const struct link_progress *p)
{
    tasks_on_progress(((struct service *)ctx)->tasks, p);
}

/* ---- what the database has ---- */

struct found {
    struct service *svc;
    struct bt_arr hosts; /* struct agentlink_host, names owned */
    int64_t last_event;
};

static int list_hosts(struct db_tx *tx, struct found *f, struct bt_err *err)
{
    struct repo_host_filter filter = {.limit = 500, .state = -1};
    size_t got = 500;
    int rc = 0;
    while (rc >= 0 && got == 500) {
        struct bt_arr rows = {0};
        rc = repo_host_list(tx, &filter, &rows, err);
        got = rows.len;
        const struct repo_host_row *h = rows.items;
        for (size_t i = 0; rc >= 0 && i < got; i++) {
            filter.after_id = h[i].id;
            if (h[i].state == HOST_JOINING)
                continue;
            struct agentlink_host *to = bt_arr_push(&f->hosts, sizeof *to);
            *to = (struct agentlink_host){.id = h[i].id, .name = bt_xstrdup(h[i].name)};
        }
        db_rows_free(&repo_host_table, &rows);
    }
    return rc < 0 ? rc : 0;
}

static int find(struct db_tx *tx, void *arg, struct bt_err *err)
{
    struct found *f = arg;
    int rc = repo_meta_controller_id(tx, f->svc->random, f->svc->controller_id, err);
    if (rc >= 0)
        rc = service_host_sched_refresh_all(tx, f->svc, err);
    if (rc >= 0)
        rc = list_hosts(tx, f, err);
    return rc < 0 ? rc : repo_event_last_seq(tx, &f->last_event, err);
}

static void found_fini(struct found *f)
{
    struct agentlink_host *h = f->hosts.items;
    for (size_t i = 0; i < f->hosts.len; i++)
        free((void *)(uintptr_t)h[i].name);
    free(f->hosts.items);
}

/* ---- parts ---- */

static void make_tasks(struct service *svc, const struct service_config *cfg)
{
    struct tasks_config t = {.db = svc->db,
                             .loop = svc->loop,
                             .actions = service_instance_task_actions,
                             .build = service_spec_apply,
                             .host = task_host,
                             .committed = task_committed,
                             .ctx = svc,
                             .deadline_ms = cfg->deadline_ms};
    svc->tasks = tasks_new(&t);
}

static void make_link(struct service *svc, const struct service_config *cfg)
{
    struct agentlink_config a = {.db = svc->db,
                                 .loop = svc->loop,
                                 .cpu = svc->cpu,
                                 .controller_id = svc->controller_id,
                                 .lease_ms = cfg->lease_ms,
                                 .suspect_ms = cfg->suspect_ms,
                                 .unreachable_ms = cfg->unreachable_ms,
                                 .ops = {.hello = service_host_hello,
                                         .sync = service_host_sync,
                                         .report = service_host_report,
                                         .report_skip = service_host_report_skip,
                                         .refused = service_host_refused,
                                         .lease = service_host_lease,
                                         .figures = service_host_figures,
                                         .cert_sign = cfg->cert_sign,
                                         .cert_store = service_host_cert_store,
                                         .committed = committed,
                                         .progress = progress,
                                         .ctx = svc}};
    svc->link = agentlink_new(&a);
}

int service_init(struct service *svc, const struct service_config *cfg, struct bt_err *err)
{
    struct found f = {.svc = svc};
    svc->db = cfg->db;
    svc->loop = cfg->loop;
    svc->clock = bt_loop_clock(cfg->loop);
    svc->random = cfg->random;
    svc->cpu = cfg->cpu;
    svc->seal_key_id = cfg->seal_key_id;
    memcpy(svc->seal_key, cfg->seal_key, sizeof svc->seal_key);
    svc->sched = sched_new();
    svc->events = events_new(cfg->db, cfg->loop);
    make_tasks(svc, cfg);
    int rc = db_run_sync(cfg->db, find, &f, err);
    if (rc >= 0) {
        make_link(svc, cfg);
        events_start(svc->events, f.last_event);
        tasks_start(svc->tasks);
        agentlink_start(svc->link, f.hosts.items, f.hosts.len);
        svc->keeper = service_keeper_new(svc);
    }
    found_fini(&f);
    return rc;
}

void service_stop(struct service *svc, void (*done)(void *ctx), void *ctx)
{
    service_keeper_stop(svc->keeper);
    tasks_stop(svc->tasks);
    agentlink_stop(svc->link, done, ctx);
}

void service_fini(struct service *svc)
{
    service_keeper_free(svc->keeper);
    agentlink_free(svc->link);
    tasks_free(svc->tasks);
    events_free(svc->events);
    sched_free(svc->sched);
    bt_erase(svc->seal_key, sizeof svc->seal_key);
    *svc = (struct service){0};
}
