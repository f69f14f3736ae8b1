/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Composition root of berth-agent: every part is made here and handed to the others.
 *   start: files -> kernel settings -> network -> what containers need -> journal -> jobs -> link
 *   end:   drivers, link, jobs, journal, kernel tables; instances run on
 */
#include "agent/app.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "agent/driver/container/driver_container.h"
#include "agent/driver/fake/fake.h"
#include "agent/host/host.h"
#include "agent/host/host_sysctl.h"
#include "agent/sys/sys_real.h"
#include "common/base/fd.h"
#include "common/base/ip.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/crypto/crypto.h"
#include "common/log/log.h"
#include "common/rpc/rpc_lws.h"

#define PART "app"

struct app {
    const struct host_conf *conf;
    struct bt_loop *loop;
    struct sys *sys;
    struct host *host;
    struct net *net;
    struct net_setup setup;
    struct image_store *images;
    struct storage *storage;
    struct fake_kernel *fake;
    struct driver *driver;
    struct db *db;
    struct journal_meta meta;
    struct rpc_client *client;
    struct app_cert cert;
    struct link_cert_ops cert_ops;
    struct link *link;
    struct job *job;
    char *url, *cert_file, *key_file, *ca_file;
    struct app_doctor *doctor; /* under way; NULL = none */
    struct sys_rows findings;  /* of the last look at the network */
    struct bt_err err;         /* why the start failed, when it did on the loop */
};

/* One look at the kernel's network; several who ask meanwhile get an older answer. */
struct app_doctor {
    struct app *app;
    struct net_check check;
    struct sys_rows specs; /* struct net_port_spec */
    void (*done)(void *arg);
    void *arg;
};

static int read_url(struct app *a, struct bt_err *err)
{
    if (a->conf->controller) {
        a->url = bt_xstrdup(a->conf->controller);
        return 0;
    }
    _cleanup_free_ char *path = app_path(a->conf, APP_LINK);
    _cleanup_buf_ struct bt_buf text = BT_BUF(4096);
    int rc = bt_read_file(AT_FDCWD, path, 1024, &text, err);
    if (rc < 0) {
        bt_hint(err, "join first: berth-agent join URL TOKEN");
        return rc;
    }
    text.data[strcspn(text.data, "\r\n")] = '\0';
    a->url = bt_xstrdup(text.data);
    return 0;
}

static int prepare_files(struct app *a, struct bt_err *err)
{
    a->cert_file = app_path(a->conf, APP_CERT);
    a->key_file = app_path(a->conf, APP_KEY);
    a->ca_file = app_path(a->conf, APP_CA);
    int rc = bt_mkdir_p(AT_FDCWD, a->conf->state_dir, 0711, err);
    if (rc >= 0)
        rc = bt_mkdir_p(AT_FDCWD, a->conf->run_dir, 0711, err);
    return rc < 0 ? rc : read_url(a, err);
}

static int prepare_host(struct app *a, struct bt_err *err)
{
    const struct sys_real_config sc = {.cgroup_parent = a->conf->cgroup_parent};
    a->sys = sys_real_new(a->loop, &sc, err);
    if (!a->sys)
        return -(int)err->code;
    const struct host_config hc = {.sys = a->sys, .conf = a->conf};
    int rc = host_new(&hc, &a->host, err);
    if (rc >= 0 && !a->conf->driver_fake)
        rc = host_sysctl_apply(a->sys, a->conf->sysctls, err);
    return rc;
}

/* ---- what the link and the doctor ask of this host ---- */

static void facts(void *ctx, struct link_host *ret)
{
    struct app *a = ctx;
    host_facts(a->host, ret);
    if (a->conf->driver_fake) {
        ret->features = UINT64_MAX >> (64 - 6);
        return;
    }
    const struct container_facts *f = driver_container_facts(a->driver);
    ret->features = f->features;
    free(ret->disk_backend);
    ret->disk_backend = bt_xstrdup(f->backend);
    free(ret->cgroup);
    ret->cgroup = bt_xstrdup(f->cgroup);
}

static void figures(void *ctx, struct link_renew *ret)
{
    host_figures(((struct app *)ctx)->host, ret);
}

static void doctor(void *ctx, struct link_doctor *out)
{
    const struct app *a = ctx;
    if (a->conf->driver_fake)
        return;
    host_sysctl_check(a->sys, out);
    SYS_ROWS_FOREACH(struct net_finding, f, &a->findings) {
        struct link_doctor_finding *row = bt_arr_push(&out->findings, sizeof *row);
        row->kind = f->kind;
        row->object = bt_xstrdup(f->object);
        row->expected = bt_xstrdup(f->expected);
        row->found = bt_xstrdup(f->found);
        row->fix = bt_xstrdup("start the instance again, or restart the agent");
    }
}

static void on_inspected(struct net_check *c, int rc, const struct bt_err *err)
{
    struct app_doctor *d = c->owner;
    struct app *a = d->app;
    sys_rows_fini(&a->findings);
    a->findings = c->findings;
    if (rc < 0) {
        struct net_finding *f = sys_rows_push(&a->findings, sizeof *f);
        f->kind = DOCTOR_LINK;
        (void)bt_strcpy(f->object, sizeof f->object, "network");
        (void)bt_strcpy(f->expected, sizeof f->expected, "readable");
        (void)bt_strcpy(f->found, sizeof f->found, err->msg);
    }
    a->doctor = NULL;
    sys_rows_fini(&d->specs);
    if (d->done)
        d->done(d->arg);
    free(d);
}

/* Ports of what runs must be there; those of stopped instances may be. */
static void wanted_ports(struct app *a, struct sys_rows *ret)
{
    struct job_view v;
    size_t pos = 0;
    while (job_next(a->job, &pos, &v)) {
        struct net_port_spec spec;
        bool runs = v.state == INSTANCE_RUNNING || v.state == INSTANCE_PAUSED;
        if (v.spec->nics.len == 0 || (!runs && !net_port_known(a->net, v.uuid, 0)))
            continue;
        if (!v.row->trashed_at && net_port_spec_from(v.spec, 0, &spec, NULL) >= 0)
            *(struct net_port_spec *)sys_rows_push(ret, sizeof spec) = spec;
    }
}

static void inspect(void *ctx, void (*done)(void *arg), void *arg)
{
    struct app *a = ctx;
    if (a->conf->driver_fake || a->doctor) {
        done(arg);
        return;
    }
    struct app_doctor *d = bt_xcalloc(1, sizeof *d);
    *d = (struct app_doctor){.app = a, .done = done, .arg = arg};
    wanted_ports(a, &d->specs);
    d->check = (struct net_check){
        .specs = d->specs.items, .n_specs = d->specs.len, .done = on_inspected, .owner = d};
    a->doctor = d;
    net_check_start(a->net, &d->check);
}

/* ---- journal, jobs, link ---- */

static int reload_certificate(void *ctx, struct bt_err *err)
{
    return rpc_client_reload(((struct app *)ctx)->client, err);
}

static int open_link(struct app *a, struct bt_err *err)
{
    const struct rpc_client_config rc = {.loop = a->loop,
                                         .url = a->url,
                                         .ca_file = a->ca_file,
                                         .cert_file = a->cert_file,
                                         .key_file = a->key_file};
    int n = rpc_client_new(&rc, &a->client, err);
    if (n < 0)
        return n;
    a->cert = (struct app_cert){.conf = a->conf, .reload = reload_certificate, .ctx = a};
    a->cert_ops = app_cert_ops(&a->cert);
    const struct link_config lc = {
        .loop = a->loop,
        .random = bt_random_real(),
        .dialer = rpc_client_dialer(a->client),
        .db = a->db,
        .meta = &a->meta,
        .boot_id = host_boot_id(a->host),
        .version = BT_VERSION,
        .drivers = {[DRIVER_CONTAINER] = a->driver,
                    [DRIVER_KVM] = a->conf->driver_fake ? a->driver : NULL},
        .ids = {a->conf->id_base, a->conf->id_count},
        .host =
            {.facts = facts, .figures = figures, .doctor = doctor, .inspect = inspect, .ctx = a},
        .cert = &a->cert_ops,
    };
    a->link = link_new(&lc);
    return 0;
}

static int open_jobs(struct app *a, struct bt_err *err)
{
    const struct job_config jc = {
        .loop = a->loop,
        .db = a->db,
        .meta = &a->meta,
        .drivers = {[DRIVER_CONTAINER] = a->driver,
                    [DRIVER_KVM] = a->conf->driver_fake ? a->driver : NULL},
        .boot_id = host_boot_id(a->host),
        .ids = {a->conf->id_base, a->conf->id_count},
        .brake = {.deletes = a->conf->brake_deletes,
                  .delete_pct = a->conf->brake_delete_pct,
                  .purges = a->conf->brake_purges,
                  .purge_pct = a->conf->brake_purge_pct,
                  .window_ms = a->conf->brake_window,
                  .trash_ms = a->conf->trash_time},
        .events = link_job_events(a->link),
    };
    a->job = job_new(&jc);
    link_set_job(a->link, a->job);
    return job_start(a->job, err);
}

static void go(struct app *a)
{
    int rc = open_link(a, &a->err);
    if (rc >= 0)
        rc = open_jobs(a, &a->err);
    if (rc < 0) {
        bt_loop_stop(a->loop);
        return;
    }
    bt_log(BT_INFO, PART, "event=started instances=%zu controller=%s", job_count(a->job), a->url);
}

static void on_probed(void *ctx)
{
    struct app *a = ctx;
    struct link_driver d = {0};
    a->driver->ops->available(a->driver, &d);
    bt_log(d.available ? BT_INFO : BT_WARN, PART, "driver=%s available=%d reason=\"%s\"", d.name,
           d.available, d.reason ? d.reason : "");
    bt_schema_free(&link_driver_schema, &d);
    go(a);
}

static void on_network(struct net_setup *setup, int rc, const struct bt_err *err)
{
    struct app *a = setup->owner;
    if (rc < 0) {
        a->err = *err;
        (void)bt_wrap(&a->err, "network");
        bt_loop_stop(a->loop);
        return;
    }
    driver_container_probe(a->driver, on_probed, a);
}

/* ---- drivers ---- */

static int use_fake(struct app *a)
{
    _cleanup_free_ char *state = app_path(a->conf, "fake-kernel.json");
    const struct fake_config fc = {.loop = a->loop,
                                   .random = bt_random_real(),
                                   .latency_min_ms = 1,
                                   .latency_max_ms = 5,
                                   .state_file = state};
    a->fake = fake_kernel_new(&fc);
    a->driver = fake_driver_new(a->fake);
    return 0;
}

/* Where instances must never go: the controller. Its name may be an address in the URL. */
static size_t denied(const struct app *a, struct bt_cidr *ret)
{
    const char *host = a->url + strlen("wss://");
    char text[BT_IP_STR_MAX];
    bool v6 = host[0] == '[';
    size_t n = v6 ? strcspn(++host, "]") : strcspn(host, ":/");
    if (n >= sizeof text)
        return 0;
    memcpy(text, host, n);
    text[n] = '\0';
    if (bt_ip_parse(text, &ret->ip, NULL) < 0)
        return 0;
    ret->len = bt_ip_bits(ret->ip.family);
    return 1;
}

static char *blob_url(const char *link)
{
    const char *path = strstr(link + strlen("wss://"), "/");
    size_t n = path ? (size_t)(path - link) : strlen(link);
    return bt_xasprintf("https%.*s/agent/v1/blobs", (int)(n - strlen("wss")), link + strlen("wss"));
}

static void make_stores(struct app *a)
{
    _cleanup_free_ char *unpack = bt_xasprintf("%s/berth-unpack", a->conf->helper_dir);
    _cleanup_free_ char *blobs = blob_url(a->url);
    const struct image_config ic = {.sys = a->sys,
                                    .state_dir = a->conf->state_dir,
                                    .helper = unpack,
                                    .base_url = blobs,
                                    .cert_file = a->cert_file,
                                    .key_file = a->key_file,
                                    .ca_file = a->ca_file};
    const struct storage_config stc = {
        .sys = a->sys, .state_dir = a->conf->state_dir, .mkfs = "/sbin/mkfs.ext4"};
    a->images = image_store_new(&ic);
    a->storage = storage_new(&stc);
}

static int use_containers(struct app *a, struct bt_err *err)
{
    struct bt_cidr never;
    struct sys_machine machine;
    _cleanup_free_ char *helper = bt_xasprintf("%s/berth-container", a->conf->helper_dir);
    _cleanup_free_ char *parent = bt_xasprintf("/%s", a->conf->cgroup_parent);
    int rc = a->sys->proc->machine(a->sys, &machine, err);
    if (rc < 0)
        return rc;
    make_stores(a);
    const struct net_config nc = {.bridge_prefix = "berth",
                                  .denied = &never,
                                  .n_denied = denied(a, &never),
                                  .sysctls_check = a->conf->sysctls == HOST_SYSCTLS_CHECK};
    a->net = net_new(a->sys, &nc);
    const struct container_config cc = {.sys = a->sys,
                                        .net = a->net,
                                        .images = a->images,
                                        .storage = a->storage,
                                        .helper = helper,
                                        .run_dir = a->conf->run_dir,
                                        .state_dir = a->conf->state_dir,
                                        .cgroup_parent = parent,
                                        .id_count = JOURNAL_IDS_EACH,
                                        .cpus = machine.cpus};
    a->driver = driver_container_new(&cc);
    a->setup = (struct net_setup){.done = on_network, .owner = a};
    net_setup_start(a->net, &a->setup);
    return 0;
}

/* ---- life ---- */

static void on_signal(void *ctx, int signum)
{
    struct app *a = ctx;
    bt_log(BT_INFO, PART, "event=stopping signal=%d", signum);
    bt_loop_stop(a->loop);
}

static int start(struct app *a, struct bt_err *err)
{
    int rc = prepare_files(a, err);
    if (rc >= 0)
        rc = prepare_host(a, err);
    _cleanup_free_ char *journal = app_path(a->conf, APP_JOURNAL);
    const struct journal_config jc = {.path = journal, .loop = a->loop, .random = bt_random_real()};
    if (rc >= 0)
        rc = journal_open(&jc, &a->db, &a->meta, err);
    if (rc >= 0)
        rc = bt_loop_on_signal(a->loop, SIGTERM, on_signal, a, err);
    if (rc >= 0)
        rc = bt_loop_on_signal(a->loop, SIGINT, on_signal, a, err);
    if (rc < 0)
        return rc;
    if (!a->conf->driver_fake)
        return use_containers(a, err);
    rc = use_fake(a);
    go(a);
    return rc;
}

static void on_client_freed(void *ctx)
{
    bt_loop_stop(((struct app *)ctx)->loop);
}

static void finish(struct app *a)
{
    if (a->driver)
        a->driver->ops->free(a->driver);
    link_free(a->link);
    if (a->doctor) {
        free(a->doctor->arg);
        a->doctor->done = NULL;
    }
    job_free(a->job);
    app_cert_fini(&a->cert);
    if (a->client) {
        rpc_client_free(a->client, on_client_freed, a);
        bt_loop_run(a->loop);
    }
    db_close(a->db);
    sys_rows_fini(&a->findings);
    net_free(a->net);
    image_store_free(a->images);
    storage_free(a->storage);
    fake_kernel_free(a->fake);
    host_free(a->host);
    sys_real_free(a->sys);
    free(a->url);
    free(a->cert_file);
    free(a->key_file);
    free(a->ca_file);
}

int app_run(const struct host_conf *conf, struct bt_err *err)
{
    struct app a = {.conf = conf};
    int rc = bt_crypto_init(err);
    if (rc < 0)
        return rc;
    a.loop = bt_loop_new(err);
    if (!a.loop)
        return -(int)err->code;
    rc = start(&a, err);
    if (rc >= 0) {
        bt_loop_run(a.loop);
        if (a.err.code != BT_E_OK) {
            *err = a.err;
            rc = -(int)err->code;
        }
    }
    finish(&a);
    bt_loop_free(a.loop);
    return rc;
}
