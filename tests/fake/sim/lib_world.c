/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/log/log.h"
#include "db/repo/repo_host.h"
#include "db/repo/repo_host_cert.h"
#include "db/repo/repo_image.h"
#include "db/repo/repo_location.h"
#include "db/repo/repo_plan.h"
#include "db/repo/repo_pool.h"
#include "db/repo/repo_setting.h"
#include "db/repo/repo_tenant.h"
#include "tests/fake/sim/lib_sim.h"

#define GIB (INT64_C(1) << 30)
#define MIB (INT64_C(1) << 20)
#define UTC_MS INT64_C(1760000000000)

bool sim_fail(struct sim *s, const char *fmt, ...)
{
    va_list ap;
    if (s->failure[0])
        return false;
    va_start(ap, fmt);
    (void)vsnprintf(s->failure, sizeof s->failure, fmt, ap);
    va_end(ap);
    return false;
}

int64_t sim_below(struct sim *s, int64_t bound)
{
    return (int64_t)bt_random_below(&s->rnd.table, (uint64_t)bound);
}

void sim_run(struct sim *s, int64_t ms)
{
    bt_loop_run_until(s->loop, bt_mono_ms(bt_loop_clock(s->loop)) + ms);
}

/* ---- hand-made peers ---- */

static void hand_text(struct rpc_peer *p, const char *json, size_t len)
{
    struct sim_hand *h = p->owner;
    if (h->n_texts == SIM_HAND_TEXTS)
        return;
    h->texts[h->n_texts++] = bt_xstrndup(json, len);
}

static void hand_closed(struct rpc_peer *p, const struct bt_err *why)
{
    (void)why;
    ((struct sim_hand *)p->owner)->closed = true;
}

static void hand_opened(struct rpc_peer *p)
{
    ((struct sim_hand *)p->owner)->open = true;
}

static void hand_failed(struct rpc_peer *p, const struct bt_err *err)
{
    (void)err;
    ((struct sim_hand *)p->owner)->closed = true;
}

void sim_hand_dial(struct sim *s, struct sim_hand *h, const char *name, const char *serial)
{
    *h = (struct sim_hand){.sim = s};
    (void)snprintf(h->name, sizeof h->name, "hand%d", s->n_hands);
    (void)bt_strcpy(h->cn, sizeof h->cn, name);
    (void)bt_strcpy(h->serial, sizeof h->serial, serial);
    s->hands[s->n_hands++] = h;
    h->peer = (struct rpc_peer){.text = hand_text, .closed = hand_closed, .owner = h};
    struct rpc_dialer *d = rpc_sim_dialer(s->net, h->name);
    d->dial(d, &h->peer, hand_opened, hand_failed);
    for (int i = 0; i < 20000 && !h->open && !h->closed; i++)
        sim_run(s, 1);
}

void sim_hand_say(struct sim_hand *h, int64_t epoch, const char *op, const char *body)
{
    _cleanup_free_ char *text =
        bt_xasprintf("{\"v\":1,\"id\":%d,\"epoch\":%lld,\"op\":\"%s\",\"body\":%s}", ++h->id,
                     (long long)epoch, op, body);
    sim_hand_raw(h, text);
}

void sim_hand_raw(struct sim_hand *h, const char *text)
{
    if (!h->closed)
        (void)rpc_send_text(&h->peer, text, strlen(text));
    sim_run(h->sim, 200);
}

const char *sim_hand_heard(const struct sim_hand *h, const char *part)
{
    for (int i = 0; i < h->n_texts; i++)
        if (strstr(h->texts[i], part))
            return h->texts[i];
    return NULL;
}

void sim_hand_end(struct sim_hand *h)
{
    if (!h->closed)
        rpc_close(&h->peer);
    while (!h->closed)
        sim_run(h->sim, 10);
    for (int i = 0; i < h->n_texts; i++)
        free(h->texts[i]);
    h->n_texts = 0;
}

static void must(int rc, const struct bt_err *err, const char *what)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, bt_code_str(err->code), err->msg);
    abort();
}

void sim_tx(struct sim *s, int (*fn)(struct db_tx *tx, void *arg, struct bt_err *err), void *arg)
{
    struct bt_err err = BT_ERR_INIT;
    must(db_run_sync(s->db, fn, arg, &err), &err, "transaction");
}

/* ---- agents ---- */

static void facts(void *ctx, struct link_host *ret)
{
    (void)ctx;
    *ret = (struct link_host){.cpus = 4,
                              .memory_bytes = 8 * GIB,
                              .disk_bytes = 200 * GIB,
                              .disk_free_bytes = 200 * GIB,
                              .features = 0x3f};
}

static void figures(void *ctx, struct link_renew *ret)
{
    (void)ctx;
    *ret = (struct link_renew){
        .memory_used_bytes = GIB, .disk_used_bytes = 10 * GIB, .disk_free_bytes = 190 * GIB};
}

void sim_agent_start(struct sim_agent *a)
{
    struct sim *s = a->sim;
    struct bt_err err = BT_ERR_INIT;
    char path[200];
    if (a->alive)
        return;
    (void)snprintf(path, sizeof path, "%s/journal.db", a->dir);
    struct journal_config jc = {
        .path = path, .loop = s->loop, .random = &s->rnd.table, .sync_off = true};
    must(journal_open(&jc, &a->db, &a->meta, &err), &err, "journal");
    a->driver = fake_driver_new(a->kernel);
    struct journal_ids ids = {1000000, 65536 * 500};
    struct link_config lc = {.loop = s->loop,
                             .random = &s->rnd.table,
                             .dialer = rpc_sim_dialer(s->net, a->name),
                             .db = a->db,
                             .meta = &a->meta,
                             .boot_id = a->boot_id,
                             .version = "sim",
                             .drivers = {a->driver, NULL},
                             .ids = ids,
                             .host = {.facts = facts, .figures = figures}};
    a->link = link_new(&lc);
    struct job_config cfg = {
        .loop = s->loop,
        .db = a->db,
        .meta = &a->meta,
        .drivers = {a->driver, NULL},
        .boot_id = a->boot_id,
        .ids = ids,
        .brake = {.deletes = 100000,
                  .purges = 100000,
                  .window_ms = 600000,
                  .trash_ms = s->trash_ms ? s->trash_ms : 7 * INT64_C(86400000)},
        .events = link_job_events(a->link),
        .fault = &a->fault};
    a->job = job_new(&cfg);
    link_set_job(a->link, a->job);
    must(job_start(a->job, &err), &err, "job_start");
    a->alive = true;
    a->lives++;
}

void sim_agent_kill(struct sim_agent *a)
{
    if (!a->alive)
        return;
    a->alive = false;
    a->driver->ops->free(a->driver);
    link_free(a->link);
    job_free(a->job);
    db_close(a->db);
    a->db = NULL;
}

/* Posts are done when a timer fires: nothing of the dead agent is under way then. */
static void crash_fired(struct bt_timer *t)
{
    struct sim_agent *a = BT_CONTAINER_OF(t, struct sim_agent, crash_timer);
    sim_agent_kill(a);
    bt_timer_start(&a->birth_timer, 100 + sim_below(a->sim, 8000));
}

static void birth_fired(struct bt_timer *t)
{
    sim_agent_start(BT_CONTAINER_OF(t, struct sim_agent, birth_timer));
}

static void order_crash(void *ctx)
{
    struct sim_agent *a = ctx;
    if (!bt_timer_running(&a->crash_timer))
        bt_timer_start(&a->crash_timer, 0);
}

static bool fault_before(void *ctx)
{
    struct sim_agent *a = ctx;
    a->writes++;
    if (!a->die_at_write || a->writes < a->die_at_write || a->die_at_write % 2)
        return false;
    a->die_at_write = 0;
    order_crash(a);
    return true;
}

static bool fault_after(void *ctx)
{
    struct sim_agent *a = ctx;
    if (!a->die_at_write || a->writes < a->die_at_write || a->die_at_write % 2 == 0)
        return false;
    a->die_at_write = 0;
    order_crash(a);
    return true;
}

static void agent_init(struct sim *s, int n)
{
    struct sim_agent *a = &s->agents[n];
    a->sim = s;
    a->n = n;
    (void)snprintf(a->name, sizeof a->name, "h%d", n + 1);
    (void)snprintf(a->dir, sizeof a->dir, "%s/h%d", s->dir, n + 1);
    (void)snprintf(a->boot_id, sizeof a->boot_id, "boot-%d-0", n);
    (void)snprintf(a->serial, sizeof a->serial, "%032x", n + 1);
    assert(mkdir(a->dir, 0700) == 0);
    a->fault = (struct job_fault){.before = fault_before, .after = fault_after, .ctx = a};
    bt_timer_init(&a->crash_timer, s->loop, crash_fired);
    bt_timer_init(&a->birth_timer, s->loop, birth_fired);
    a->kernel = fake_kernel_new(&(struct fake_config){.loop = s->loop,
                                                      .random = &s->rnd.table,
                                                      .latency_min_ms = 1,
                                                      .latency_max_ms = 60,
                                                      .crash = order_crash,
                                                      .ctx = a});
}

/* ---- controller ---- */

static struct rpc_peer *accept_agent(void *ctx, const char *name)
{
    struct sim *s = ctx;
    struct agentlink_cert cert = {.not_after_ms = INT64_C(4102444800000)};
    for (int i = 0; i < s->n_hands; i++) {
        if (!bt_streq(s->hands[i]->name, name))
            continue;
        (void)bt_strcpy(cert.serial, sizeof cert.serial, s->hands[i]->serial);
        (void)bt_strcpy(cert.cn, sizeof cert.cn, s->hands[i]->cn);
        return s->up ? agentlink_accept(s->svc.link, &cert) : NULL;
    }
    for (int i = 0; i < s->n_agents; i++) {
        if (!bt_streq(s->agents[i].name, name))
            continue;
        (void)bt_strcpy(cert.serial, sizeof cert.serial, s->agents[i].serial);
        (void)bt_strcpy(cert.cn, sizeof cert.cn, name);
        return s->up ? agentlink_accept(s->svc.link, &cert) : NULL;
    }
    return NULL;
}

static void open_db(struct sim *s)
{
    struct bt_err err = BT_ERR_INIT;
    char path[200];
    (void)snprintf(path, sizeof path, "%s/controller.db", s->dir);
    struct db_config cfg = {.path = path,
                            .migrations = bt_migrations_controller,
                            .application_id = 0x42545331,
                            .loop = s->loop,
                            .readers = 1,
                            .queue_max = 10000,
                            .sync_off = true};
    must(db_open(&cfg, &s->db, &err), &err, "database");
}

void sim_controller_start(struct sim *s)
{
    struct bt_err err = BT_ERR_INIT;
    if (s->up)
        return;
    if (!s->db)
        open_db(s);
    s->cpu = bt_pool_new(s->loop, "cpu", 1, 1000);
    struct service_config cfg = {.db = s->db,
                                 .loop = s->loop,
                                 .random = &s->rnd.table,
                                 .cpu = s->cpu,
                                 .seal_key_id = 1,
                                 .seal_key = "a key that only a simulation has"};
    must(service_init(&s->svc, &cfg, &err), &err, "service");
    s->up = true;
    s->lives++;
}

static void on_stopped(void *ctx)
{
    *(bool *)ctx = true;
}

/*
 * From here on nothing that it does is seen: answers are lost, links are cut. What was queued for
 * the database still counts, as if it had been committed a moment before the end.
 */
void sim_controller_kill(struct sim *s)
{
    bool stopped = false;
    if (!s->up)
        return;
    s->up = false;
    BT_LIST_FOREACH(it, &s->reqs) {
        struct sim_req *r = BT_CONTAINER_OF(it, struct sim_req, link);
        r->lost |= r->open;
    }
    for (int i = 0; i < s->n_agents; i++)
        rpc_sim_cut(s->net, s->agents[i].name);
    service_stop(&s->svc, on_stopped, &stopped);
    while (!stopped || sim_client_busy(s))
        sim_run(s, 1);
    sim_run(s, 0);
    bt_pool_free(s->cpu);
    db_close(s->db);
    s->db = NULL;
    sim_run(s, 0);
    service_fini(&s->svc);
}

/* ---- what is sold ---- */

static int put_plans(struct db_tx *tx, struct bt_err *err)
{
    static const char *const names[] = {"nano", "small", "big"};
    int rc = 0;
    for (int i = 0; rc >= 0 && i < 3; i++) {
        struct repo_plan_row p = {
            .name = bt_xstrdup(names[i]),
            .drivers = 1,
            .limits =
                bt_xasprintf("{\"cpus\":%d,\"memory_bytes\":%lld,\"disk_bytes\":%lld}", 1 << i,
                             (long long)(128 * MIB << (2 * i)), (long long)(GIB << (2 * i))),
            .features = 0x0f,
            .images = bt_xstrdup("[]"),
            .host_groups = bt_xstrdup("[]")};
        rc = repo_plan_insert(tx, &p, err);
        repo_plan_row_free(&p);
    }
    return rc;
}

static int put_image(struct db_tx *tx, struct bt_err *err)
{
    struct repo_image_row i = {.name = bt_xstrdup("tiny"),
                               .state = IMAGE_READY,
                               .os_type = bt_xstrdup("linux"),
                               .default_user = bt_xstrdup("root"),
                               .stop_signal = bt_xstrdup("SIGPWR")};
    int rc = repo_image_insert(tx, &i, err);
    struct repo_image_kind_row k = {.image_id = i.id, .kind = IMAGE_KIND_ROOTFS, .bytes = 1000};
    k.sha256 = bt_xstrdup("00000000000000000000000000000000000000000000000000000000000000aa");
    if (rc >= 0)
        rc = repo_image_kind_set(tx, &k, err);
    repo_image_kind_row_free(&k);
    repo_image_row_free(&i);
    return rc;
}

static int put_tenants(struct db_tx *tx, struct bt_err *err)
{
    int rc = 0;
    for (int i = 0; rc >= 0 && i < SIM_TENANTS; i++) {
        struct repo_tenant_row t = {.name = bt_xasprintf("tenant%d", i),
                                    .source = bt_xstrdup(""),
                                    .suspended = bt_xstrdup(""),
                                    .limits = bt_xstrdup("{}")};
        if (i == 2)
            t.max_instances = BT_OPT_V(8);
        rc = repo_tenant_insert(tx, &t, err);
        repo_tenant_row_free(&t);
    }
    return rc < 0 ? rc : repo_setting_set(tx, "default_tenant", "tenant0", err);
}

static int put_pool(struct db_tx *tx, const char *name, const char *cidr, int family,
                    int64_t host_id, struct bt_err *err)
{
    struct repo_pool_row p = {.name = bt_xstrdup(name),
                              .family = family,
                              .cidr = bt_xstrdup(cidr),
                              .delivery = DELIVERY_ROUTED,
                              .host_id = host_id,
                              .ipv6_prefix_len = 64,
                              .resolvers = bt_xstrdup("[\"192.0.2.53\"]")};
    if (family == 4)
        p.gateway = bt_xasprintf("%.*s1", (int)(strrchr(cidr, '.') - cidr) + 1, cidr);
    int rc = repo_pool_insert(tx, &p, err);
    repo_pool_row_free(&p);
    return rc;
}

int sim_put_pool(struct db_tx *tx, struct sim *s, int n, int64_t host_id, struct bt_err *err)
{
    char name[32], cidr[40];
    int len = s->pool_len ? s->pool_len : 28;
    (void)snprintf(name, sizeof name, "pool-h%d", n + 1);
    (void)snprintf(cidr, sizeof cidr, "198.18.%d.0/%d", n, len);
    return put_pool(tx, name, cidr, 4, host_id, err);
}

static int put_host(struct db_tx *tx, struct sim *s, int n, int64_t location, struct bt_err *err)
{
    const struct sim_agent *a = &s->agents[n];
    struct repo_host_row h = {.name = bt_xstrdup(a->name),
                              .location_id = location,
                              .state = HOST_ONLINE,
                              .cpus = 4,
                              .memory_bytes = 8 * GIB,
                              .disk_bytes = 200 * GIB,
                              .drivers = bt_xstrdup("[]"),
                              .facts = bt_xstrdup("{}")};
    int rc = repo_host_insert(tx, &h, err);
    struct repo_host_cert_row c = {.serial = bt_xstrdup(a->serial), .host_id = h.id};
    c.not_after = INT64_C(4102444800000);
    if (rc >= 0)
        rc = repo_host_cert_insert(tx, &c, err);
    if (rc >= 0)
        rc = sim_put_pool(tx, s, n, h.id, err);
    repo_host_cert_row_free(&c);
    repo_host_row_free(&h);
    return rc;
}

int sim_fill(struct db_tx *tx, void *sim, struct bt_err *err)
{
    (void)sim;
    struct repo_location_row l = {.name = bt_xstrdup("lab")};
    int rc = repo_location_insert(tx, &l, err);
    if (rc >= 0)
        rc = put_plans(tx, err);
    if (rc >= 0)
        rc = put_image(tx, err);
    if (rc >= 0)
        rc = put_tenants(tx, err);
    if (rc >= 0)
        rc = put_pool(tx, "public6", "2001:db8:1::/48", 6, 0, err);
    repo_location_row_free(&l);
    return rc;
}

static int fill_all(struct db_tx *tx, void *arg, struct bt_err *err)
{
    struct sim *s = arg;
    int rc = sim_fill(tx, s, err);
    for (int i = 0; rc >= 0 && i < s->n_agents; i++)
        rc = put_host(tx, s, i, 1, err);
    return rc;
}

void sim_wipe(struct sim *s)
{
    static const char *const names[] = {"", "-wal", "-shm", ".previous"};
    char path[220];
    sim_controller_kill(s);
    for (size_t i = 0; i < BT_ARRAY_LEN(names); i++) {
        (void)snprintf(path, sizeof path, "%s/controller.db%s", s->dir, names[i]);
        (void)unlink(path);
    }
    open_db(s);
    sim_tx(s, sim_fill, s);
    sim_controller_start(s);
}

void sim_init_pools(struct sim *s, uint64_t seed, int agents, int pool_len)
{
    *s = (struct sim){.seed = seed, .n_agents = agents, .pool_len = pool_len};
    if (!getenv("SIM_LOG"))
        bt_log_level_set((enum bt_level)(BT_ERROR + 1));
    bt_list_init(&s->reqs);
    bt_random_seeded_init(&s->rnd, seed);
    s->loop = bt_loop_new_virtual(UTC_MS);
    s->net = rpc_sim_new(&(struct rpc_sim_config){
        .loop = s->loop, .random = &s->rnd.table, .latency_min_ms = 1, .latency_max_ms = 30});
    (void)snprintf(s->dir, sizeof s->dir, "%s/berth-sim-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert(mkdtemp(s->dir));
    for (int i = 0; i < agents; i++)
        agent_init(s, i);
    open_db(s);
    sim_tx(s, fill_all, s);
    rpc_sim_listen(s->net, accept_agent, s);
    sim_controller_start(s);
    for (int i = 0; i < agents; i++)
        sim_agent_start(&s->agents[i]);
    sim_run(s, 2000);
}

void sim_init(struct sim *s, uint64_t seed, int agents)
{
    sim_init_pools(s, seed, agents, 0);
}

void sim_fini(struct sim *s)
{
    char cmd[256];
    for (int i = 0; i < s->n_agents; i++) {
        struct sim_agent *a = &s->agents[i];
        bt_timer_stop(&a->crash_timer);
        bt_timer_stop(&a->birth_timer);
        sim_agent_kill(a);
        sim_run(s, 0);
        fake_kernel_free(a->kernel);
    }
    sim_run(s, 1000);
    sim_controller_kill(s);
    sim_client_fini(s);
    sim_run(s, 20000);
    rpc_sim_free(s->net);
    bt_loop_free(s->loop);
    (void)snprintf(cmd, sizeof cmd, "rm -rf '%s'", s->dir);
    assert(system(cmd) == 0);
}
