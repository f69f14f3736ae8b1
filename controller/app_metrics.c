/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/app_metrics.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/agentlink/agentlink.h"
#include "controller/api/v1/api_priv.h"
#include "controller/console/console.h"
#include "controller/http/http_problem.h"
#include "db/repo/repo_host.h"
#include "db/repo/repo_task.h"

#define TEXT_MAX (4u << 20)
#define PAGE 500

struct scrape {
    struct service *svc;
    struct app_metrics_now now;
    size_t *load;
    struct http_request *req;
    struct auth_request auth;
    struct db_read read;
    struct bt_buf text;
};

/* ---- the text ---- */

static void family(struct scrape *s, const char *name, const char *type, const char *help)
{
    (void)bt_buf_addf(&s->text, "# HELP berth_%s %s\n# TYPE berth_%s %s\n", name, help, name, type);
}

static void figure(struct scrape *s, const char *name, const char *type, const char *help,
                   int64_t v)
{
    family(s, name, type, help);
    (void)bt_buf_addf(&s->text, "berth_%s %" PRId64 "\n", name, v);
}

static int64_t resident_bytes(void)
{
    _cleanup_buf_ struct bt_buf text = BT_BUF(256);
    int64_t pages = 0;
    if (bt_read_file(AT_FDCWD, "/proc/self/statm", 255, &text, NULL) < 0)
        return 0;
    char *save = NULL;
    (void)strtok_r(text.data, " ", &save); /* size, then resident (proc(5)) */
    const char *resident = strtok_r(NULL, " ", &save);
    if (!resident || bt_parse_i64(resident, 0, INT64_MAX, &pages, NULL) < 0)
        return 0;
    return pages * sysconf(_SC_PAGESIZE);
}

/* What the loop knows without the database. */
static void add_process(struct scrape *s)
{
    struct agentlink_stats link;
    struct db_stats db;
    agentlink_stats_get(s->svc->link, &link);
    db_stats_get(s->svc->db, &db);
    figure(s, "start_time_ms", "gauge", "UTC ms of the start", s->now.started_ms);
    figure(s, "resident_bytes", "gauge", "resident memory", resident_bytes());
    figure(s, "http_requests_open", "gauge", "requests not answered yet", (int64_t)s->now.requests);
    figure(s, "agent_sessions", "gauge", "agents with a session", link.sessions);
    figure(s, "hosts_suspect", "gauge", "hosts that were silent for a while", link.suspect);
    figure(s, "hosts_unreachable", "gauge", "hosts that do not answer", link.unreachable);
    figure(s, "agent_reports_total", "counter", "reports applied", link.reports);
    figure(s, "agent_refused_total", "counter", "sessions refused", link.refused);
    figure(s, "consoles_open", "gauge", "exec and console sessions",
           (int64_t)console_sessions(s->svc->console));
    figure(s, "db_commits_total", "counter", "commits", (int64_t)db.commits);
    figure(s, "db_items_total", "counter", "works in commits", (int64_t)db.items);
    figure(s, "db_reruns_total", "counter", "works run again alone", (int64_t)db.reruns);
    figure(s, "db_checkpoints_total", "counter", "checkpoints", (int64_t)db.checkpoints);
    figure(s, "db_queued", "gauge", "works that wait for the writer", (int64_t)db.queued);
    figure(s, "db_wal_bytes", "gauge", "size of the log", db.wal_bytes);
}

/* ---- what only the database knows ---- */

static void host_figures(struct scrape *s, const char *name, const char *help,
                         const struct bt_arr *hosts, int64_t (*value)(const struct repo_host_row *))
{
    const struct repo_host_row *h = hosts->items;
    family(s, name, "gauge", help);
    for (size_t i = 0; i < hosts->len; i++)
        (void)bt_buf_addf(&s->text, "berth_%s{host=\"%s\"} %" PRId64 "\n", name, h[i].name,
                          value(&h[i]));
}

static int64_t is_online(const struct repo_host_row *h)
{
    return h->state == HOST_ONLINE;
}

static int64_t is_cordoned(const struct repo_host_row *h)
{
    return h->cordoned;
}

static int64_t skew(const struct repo_host_row *h)
{
    return h->clock_skew_ms;
}

static const char *host_name(const struct bt_arr *hosts, int64_t id)
{
    const struct repo_host_row *h = hosts->items;
    for (size_t i = 0; i < hosts->len; i++) {
        if (h[i].id == id)
            return h[i].name;
    }
    return "";
}

static int add_allocated(struct db_tx *tx, struct scrape *s, const struct bt_arr *hosts,
                         struct bt_err *err)
{
    static const struct {
        const char *name, *help;
        size_t off;
    } figures[] = {
        {"host_instances", "instances of a host", offsetof(struct repo_host_allocated, instances)},
        {"host_trashed", "trashed instances", offsetof(struct repo_host_allocated, trashed)},
        {"host_sold_cpus", "cores sold", offsetof(struct repo_host_allocated, cpus)},
        {"host_sold_memory_bytes", "memory sold",
         offsetof(struct repo_host_allocated, memory_bytes)},
        {"host_sold_disk_bytes", "disk sold", offsetof(struct repo_host_allocated, disk_bytes)},
    };
    struct bt_arr sums = {0};
    int rc = repo_host_allocated_all(tx, &sums, err);
    const struct repo_host_allocated *sum = sums.items;
    for (size_t f = 0; rc >= 0 && f < BT_ARRAY_LEN(figures); f++) {
        family(s, figures[f].name, "gauge", figures[f].help);
        for (size_t i = 0; i < sums.len; i++) {
            int64_t v;
            memcpy(&v, (const char *)&sum[i] + figures[f].off, sizeof v);
            (void)bt_buf_addf(&s->text, "berth_%s{host=\"%s\"} %" PRId64 "\n", figures[f].name,
                              host_name(hosts, sum[i].host_id), v);
        }
    }
    db_rows_free(&repo_host_allocated_table, &sums);
    return rc;
}

static int add_rows(struct db_tx *tx, struct scrape *s, struct bt_err *err)
{
    struct bt_arr hosts = {0};
    int64_t open = 0;
    int rc = repo_task_count_open(tx, &open, err);
    if (rc >= 0)
        rc =
            repo_host_list(tx, &(struct repo_host_filter){.limit = PAGE, .state = -1}, &hosts, err);
    if (rc < 0)
        return rc;
    figure(s, "tasks_open", "gauge", "tasks that have not ended", open);
    host_figures(s, "host_online", "1 = online", &hosts, is_online);
    host_figures(s, "host_cordoned", "1 = takes nothing new", &hosts, is_cordoned);
    host_figures(s, "host_clock_skew_ms", "its clock minus ours", &hosts, skew);
    rc = add_allocated(tx, s, &hosts, err);
    db_rows_free(&repo_host_table, &hosts);
    return rc;
}

static int read_rows(struct db_tx *tx, struct db_read *r, struct bt_err *err)
{
    return add_rows(tx, BT_CONTAINER_OF(r, struct scrape, read), err);
}

/* ---- life of a request ---- */

static void finish(struct scrape *s, const struct bt_err *err)
{
    if (err) {
        http_problem(s->req, err);
    } else {
        struct http_response res = {.status = 200,
                                    .content_type = "text/plain; version=0.0.4; charset=utf-8",
                                    .body = s->text.data,
                                    .body_len = s->text.len};
        http_reply(s->req, &res);
    }
    bt_erase(s->auth.secret, sizeof s->auth.secret);
    bt_buf_fini(&s->text);
    (*s->load)--;
    free(s);
}

static void on_read(struct db_read *r, int rc, const struct bt_err *err)
{
    finish(BT_CONTAINER_OF(r, struct scrape, read), rc < 0 ? err : NULL);
}

static void on_auth(struct auth_request *r, int rc, const struct bt_err *err)
{
    struct scrape *s = r->owner;
    struct bt_err why = BT_ERR_INIT;
    if (rc < 0) {
        finish(s, err);
        return;
    }
    rc = r->who.tenant_id ? bt_fail(&why, BT_E_DENIED, "for tokens of the operator only")
                          : auth_may(&r->who, SCOPE_METRICS, &why);
    if (rc >= 0) {
        add_process(s);
        s->read = (struct db_read){.read = read_rows, .done = on_read};
        rc = db_read_submit(s->svc->db, &s->read, &why);
    }
    if (rc < 0)
        finish(s, &why);
}

void app_metrics(struct service *svc, const struct app_metrics_now *now, size_t *load,
                 struct http_request *req)
{
    struct bt_err err = BT_ERR_INIT;
    const char *secret = api_bearer(req->authorization);
    struct scrape *s = bt_xcalloc(1, sizeof *s);
    *s = (struct scrape){
        .svc = svc, .now = *now, .load = load, .req = req, .text = BT_BUF(TEXT_MAX)};
    s->auth.done = on_auth;
    s->auth.owner = s;
    (*load)++;
    if (!secret)
        (void)bt_fail(&err, BT_E_UNAUTHENTICATED, "a bearer token is needed");
    if (!secret || auth_start(&s->auth, svc->db, secret, &err) < 0)
        finish(s, &err);
}
