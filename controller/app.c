/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Composition root of berthd: every part is made here and handed to the others.
 *   start: database -> keys -> service (placement, tasks, sessions, events) -> blobs, consoles ->
 *          API -> listeners
 *   end:   sessions and waits -> answers under way -> listeners -> last writes -> database
 * An end that does not come within STOP_MS is left to the kernel: a start after it is like any.
 */
#include "controller/app.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/crypto/crypto.h"
#include "common/log/log.h"
#include "controller/agent_port.h"
#include "controller/api/v1/api.h"
#include "controller/app_metrics.h"
#include "controller/blob/blob.h"
#include "controller/console/console.h"
#include "controller/http/http_server.h"
#include "controller/pki/pki.h"
#include "controller/service/service_start.h"
#include "db/repo/repo_token.h"

#define PART "app"
#define STOP_MS 10000
#define STOP_LOOK_MS 20
#define STOP_LOOKS                                                                                 \
    50 /* for answers under way; followers of events end with their listener only                  \
        */
#define RENEW_EVERY_MS (INT64_C(24) * 3600 * 1000)
#define PREPARE_QUEUE 4096
#define SEAL_KEY_ID 1

struct app {
    const struct app_conf *conf;
    struct bt_loop *loop;
    struct db *db;
    struct pki *pki;
    struct bt_pool *cpu;
    struct service svc;
    bool has_service;
    struct api *api;
    struct agent_port *agents;
    struct http_handler api_handler;
    struct http_server *api_server, *agent_server;
    struct bt_timer renew, stop_look, stop_limit;
    struct db_work barrier;
    size_t scrapes; /* of /metrics, not answered yet */
    unsigned servers_left, looks;
    int64_t started_ms;
    enum { APP_RUNS, APP_SESSIONS_END, APP_ANSWERS_END, APP_LISTENERS_END, APP_WRITES_END } state;
};

static char *path_of(const struct app *a, const char *name)
{
    return bt_xasprintf("%s/%s", a->conf->state_dir, name);
}

/* ---- the operator's first token ---- */

/* The file comes first: a token that nobody can read would lock the operator out. */
static int first_token(struct db_tx *tx, void *arg, struct bt_err *err)
{
    const struct app *a = arg;
    char secret[AUTH_SECRET_LEN + 2];
    unsigned char hash[REPO_HASH_LEN];
    struct bt_arr rows = {0};
    const struct repo_token_filter any = {.limit = 1, .revoked = true};
    int rc = repo_token_list(tx, &any, &rows, err);
    bool have = rows.len > 0;
    db_rows_free(&repo_token_table, &rows);
    if (rc < 0 || have)
        return rc;
    auth_secret_new(bt_random_real(), secret, hash);
    secret[AUTH_SECRET_LEN] = '\n';
    secret[AUTH_SECRET_LEN + 1] = '\0';
    _cleanup_free_ char *path = path_of(a, APP_TOKEN_FILE);
    rc = bt_write_file_atomic(AT_FDCWD, path, secret, AUTH_SECRET_LEN + 1, 0600, err);
    bt_erase(secret, sizeof secret);
    if (rc < 0)
        return rc;
    _cleanup_(repo_token_row_free) struct repo_token_row row = {
        .name = bt_xstrdup("operator"),
        .secret_hash = {bt_xmalloc(sizeof hash), sizeof hash},
        .scopes = auth_scopes_to_str(UINT64_C(1) << SCOPE_OPERATOR),
        .source = bt_xstrdup("")};
    memcpy(row.secret_hash.data, hash, sizeof hash);
    rc = repo_token_insert(tx, &row, err);
    if (rc >= 0)
        bt_log(BT_INFO, PART, "event=first_start operator_token=%s", path);
    return rc;
}

/* ---- start ---- */

static int open_database(struct app *a, struct bt_err *err)
{
    int rc = bt_mkdir_p(AT_FDCWD, a->conf->state_dir, 0700, err);
    if (rc < 0)
        return rc;
    _cleanup_free_ char *path = path_of(a, "berth.db");
    const struct db_config cfg = {.path = path,
                                  .migrations = bt_migrations_controller,
                                  .application_id = APP_DB_ID,
                                  .loop = a->loop,
                                  .readers = (int)a->conf->db_readers,
                                  .queue_max = (size_t)a->conf->db_queue};
    return db_open(&cfg, &a->db, err);
}

static int open_keys(struct app *a, struct bt_err *err)
{
    _cleanup_free_ char *dir = path_of(a, "pki");
    const struct pki_config cfg = {.dir = dir,
                                   .sans = (const char *const *)a->conf->sans,
                                   .clock = bt_loop_clock(a->loop),
                                   .random = bt_random_real()};
    return pki_open(&cfg, &a->pki, err);
}

/* Pool thread: an agent renews its certificate over its session. */
static int sign_agent(void *ctx, const char *csr, const char *cn, char **ret_pem,
                      struct agentlink_cert *ret, struct bt_err *err)
{
    const struct service *svc = ctx;
    struct bt_cert_info info;
    int rc = pki_sign_agent(svc->pki, csr, cn, ret_pem, &info, err);
    if (rc < 0)
        return rc;
    *ret = (struct agentlink_cert){.not_after_ms = info.not_after_ms};
    (void)bt_strcpy(ret->serial, sizeof ret->serial, info.serial);
    (void)bt_strcpy(ret->cn, sizeof ret->cn, info.cn);
    return 0;
}

static int make_service(struct app *a, struct bt_err *err)
{
    struct service_config cfg = {.db = a->db,
                                 .loop = a->loop,
                                 .random = bt_random_real(),
                                 .cpu = a->cpu,
                                 .seal_key_id = SEAL_KEY_ID,
                                 .cert_sign = sign_agent,
                                 .lease_ms = a->conf->lease,
                                 .suspect_ms = a->conf->suspect,
                                 .unreachable_ms = a->conf->unreachable,
                                 .deadline_ms = a->conf->task_deadline};
    memcpy(cfg.seal_key, pki_seal_key(a->pki), sizeof cfg.seal_key);
    int rc = service_init(&a->svc, &cfg, err);
    bt_erase(cfg.seal_key, sizeof cfg.seal_key);
    a->has_service = true;
    if (rc < 0)
        return rc;
    a->svc.pki = a->pki;
    a->svc.agent_port = a->conf->agent_port;
    a->svc.agent_url = a->conf->agent_url;
    a->svc.console = console_new(a->loop, a->svc.link);
    rc = blob_store_open(a->conf->state_dir, &a->svc.blob, err);
    return rc < 0 ? rc : db_run_sync(a->db, first_token, a, err);
}

/* ---- requests ---- */

static bool healthy(void *ctx, char *text, size_t size)
{
    const struct app *a = ctx;
    struct db_stats s;
    db_stats_get(a->db, &s);
    if (a->state != APP_RUNS)
        (void)snprintf(text, size, "stopping");
    else if (s.queued * 10 >= (size_t)a->conf->db_queue * 9)
        (void)snprintf(text, size, "%zu writes wait", s.queued);
    else
        return true;
    return false;
}

static size_t load_of(const struct app *a)
{
    return api_load(a->api) + agent_port_load(a->agents) + a->scrapes;
}

static void log_request(const struct http_request *req)
{
    char path[256];
    bt_log(BT_DEBUG, "http", "method=%s path=%s peer=%s id=%s", http_method_str(req->method),
           bt_logq(req->path, path, sizeof path), req->peer_ip ? req->peer_ip : "",
           req->request_id);
}

static void on_request(void *ctx, struct http_request *req)
{
    struct app *a = ctx;
    log_request(req);
    if (req->method == HTTP_GET && bt_streq(req->path, "/metrics")) {
        const struct app_metrics_now now = {.requests = load_of(a), .started_ms = a->started_ms};
        app_metrics(&a->svc, &now, &a->scrapes, req);
        return;
    }
    a->api_handler.request(a->api_handler.ctx, req);
}

static struct http_sink *on_upload(void *ctx, struct http_request *req, uint64_t content_length,
                                   bool *replied)
{
    struct app *a = ctx;
    return a->api_handler.upload(a->api_handler.ctx, req, content_length, replied);
}

static struct http_ws *on_websocket(void *ctx, const struct http_request *req, const char *protocol,
                                    struct bt_err *err)
{
    struct app *a = ctx;
    log_request(req);
    return a->api_handler.websocket(a->api_handler.ctx, req, protocol, err);
}

static struct http_config listener(const struct app *a, int64_t port)
{
    return (struct http_config){.loop = a->loop,
                                .listen = (const char *const *)a->conf->listen_on,
                                .port = (int)port,
                                .cert_file = pki_server_cert_file(a->pki),
                                .key_file = pki_server_key_file(a->pki),
                                .max_connections_per_ip =
                                    (unsigned)a->conf->connections_per_address};
}

static int open_listeners(struct app *a, struct bt_err *err)
{
    const struct api_config ac = {.svc = &a->svc, .healthy = healthy, .ctx = a};
    a->api = api_new(&ac);
    api_handler(a->api, &a->api_handler);
    a->agents = agent_port_new(&a->svc);
    struct http_config people = listener(a, a->conf->api_port);
    people.handler = (struct http_handler){
        .ctx = a, .request = on_request, .upload = on_upload, .websocket = on_websocket};
    struct http_config agents = listener(a, a->conf->agent_port);
    agents.client_ca_file = pki_ca_file(a->pki);
    agent_port_handler(a->agents, &agents.handler);
    int rc = http_server_start(&people, &a->api_server, err);
    return rc < 0 ? rc : http_server_start(&agents, &a->agent_server, err);
}

/* ---- end ---- */

static void on_barrier(struct db_work *w, int rc, const struct bt_err *err)
{
    (void)rc;
    (void)err;
    bt_loop_stop(BT_CONTAINER_OF(w, struct app, barrier)->loop);
}

static int nothing(struct db_tx *tx, struct db_work *w, struct bt_err *err)
{
    (void)tx;
    (void)w;
    (void)err;
    return 0;
}

/* Works are done in order: when this one is, all that came before are. */
static void end_writes(struct app *a)
{
    a->state = APP_WRITES_END;
    a->barrier = (struct db_work){.apply = nothing, .done = on_barrier};
    if (db_submit(a->db, &a->barrier, NULL) < 0)
        bt_timer_start(&a->stop_look, STOP_LOOK_MS);
}

static void on_server_stopped(void *ctx)
{
    struct app *a = ctx;
    if (--a->servers_left == 0)
        bt_timer_start(&a->stop_look, 0);
}

static void end_listeners(struct app *a)
{
    a->state = APP_LISTENERS_END;
    a->servers_left = 2;
    http_server_stop(TAKE_PTR(a->api_server), on_server_stopped, a);
    http_server_stop(TAKE_PTR(a->agent_server), on_server_stopped, a);
}

static void on_stop_look(struct bt_timer *t)
{
    struct app *a = BT_CONTAINER_OF(t, struct app, stop_look);
    bool busy = load_of(a) > 0 || bt_pool_load(a->cpu) > 0;
    if (a->state == APP_ANSWERS_END && (!busy || ++a->looks == STOP_LOOKS))
        end_listeners(a);
    else if (busy)
        bt_timer_start(t, STOP_LOOK_MS);
    else
        end_writes(a);
}

static void on_sessions_ended(void *ctx)
{
    struct app *a = ctx;
    a->state = APP_ANSWERS_END;
    bt_timer_start(&a->stop_look, 0);
}

static void on_stop_limit(struct bt_timer *t)
{
    (void)t;
    bt_log(BT_WARN, PART, "event=stopped what=\"some work did not end\"");
    _exit(0);
}

static void on_stop_signal(void *ctx, int signum)
{
    struct app *a = ctx;
    if (a->state != APP_RUNS)
        return;
    bt_log(BT_INFO, PART, "event=stopping signal=%d", signum);
    a->state = APP_SESSIONS_END;
    bt_timer_stop(&a->renew);
    bt_timer_start(&a->stop_limit, STOP_MS);
    service_stop(&a->svc, on_sessions_ended, a);
}

/* ---- while it runs ---- */

static void reload_listeners(struct app *a)
{
    struct bt_err err = BT_ERR_INIT;
    if (http_server_reload(a->api_server, &err) < 0 ||
        http_server_reload(a->agent_server, &err) < 0)
        bt_log(BT_ERROR, PART, "event=reload error=\"%s\"", err.msg);
    else
        bt_log(BT_INFO, PART, "event=reload what=certificates");
}

static void on_reload_signal(void *ctx, int signum)
{
    struct app *a = ctx;
    (void)signum;
    if (a->state == APP_RUNS)
        reload_listeners(a);
}

static void on_renew(struct bt_timer *t)
{
    struct app *a = BT_CONTAINER_OF(t, struct app, renew);
    struct bt_err err = BT_ERR_INIT;
    bool changed = false;
    if (pki_renew_server(a->pki, &changed, &err) < 0)
        bt_log(BT_ERROR, PART, "event=renew_certificate error=\"%s\"", err.msg);
    else if (changed)
        reload_listeners(a);
    bt_timer_start(t, RENEW_EVERY_MS);
}

static int watch_signals(struct app *a, struct bt_err *err)
{
    static const int stops[] = {SIGTERM, SIGINT};
    int rc = bt_loop_on_signal(a->loop, SIGHUP, on_reload_signal, a, err);
    for (size_t i = 0; rc >= 0 && i < BT_ARRAY_LEN(stops); i++)
        rc = bt_loop_on_signal(a->loop, stops[i], on_stop_signal, a, err);
    return rc;
}

static int start(struct app *a, struct bt_err *err)
{
    bt_timer_init(&a->renew, a->loop, on_renew);
    bt_timer_init(&a->stop_look, a->loop, on_stop_look);
    bt_timer_init(&a->stop_limit, a->loop, on_stop_limit);
    a->started_ms = bt_utc_ms(bt_loop_clock(a->loop));
    a->cpu = bt_pool_new(a->loop, "cpu", (int)a->conf->cpu_threads, PREPARE_QUEUE);
    int rc = open_database(a, err);
    if (rc >= 0)
        rc = open_keys(a, err);
    if (rc >= 0)
        rc = make_service(a, err);
    if (rc >= 0)
        rc = open_listeners(a, err);
    if (rc >= 0)
        rc = watch_signals(a, err);
    if (rc < 0)
        return rc;
    bt_timer_start(&a->renew, RENEW_EVERY_MS);
    bt_log(BT_INFO, PART,
           "event=started version=%s controller=%s listen=%s api_port=%lld "
           "agent_port=%lld",
           BT_VERSION, a->svc.controller_id, a->conf->listen, (long long)a->conf->api_port,
           (long long)a->conf->agent_port);
    return 0;
}

static void finish(struct app *a)
{
    bt_timer_stop(&a->stop_limit);
    bt_pool_free(a->cpu);
    db_close(a->db);
    api_free(a->api);
    agent_port_free(a->agents);
    if (a->has_service) {
        console_free(a->svc.console);
        blob_store_close(a->svc.blob);
        service_fini(&a->svc);
    }
    pki_free(a->pki);
}

int app_run(const struct app_conf *conf, struct bt_err *err)
{
    struct app a = {.conf = conf};
    int rc = bt_crypto_init(err);
    if (rc < 0)
        return rc;
    a.loop = bt_loop_new(err);
    if (!a.loop)
        return -(int)err->code;
    rc = start(&a, err);
    if (rc < 0)
        return rc; /* the process ends: nothing is shared but the lock, which ends with it */
    bt_loop_run(a.loop);
    finish(&a);
    bt_loop_free(a.loop);
    bt_log(BT_INFO, PART, "event=stopped");
    return 0;
}
