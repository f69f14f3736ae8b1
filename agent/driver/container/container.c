/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/driver/container/container_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

static void available(struct driver *d, struct link_driver *ret)
{
    struct container_driver *cd = container_of(d);
    ret->name = bt_xstrdup("container");
    ret->available = cd->probed && cd->works;
    ret->reason = ret->available ? NULL : bt_xstrdup(cd->probed ? cd->reason : "not probed yet");
}

int container_list(struct driver *d, struct bt_arr *ret_uuids, struct bt_err *err)
{
    struct container_driver *cd = container_of(d);
    struct sys *sys = cd->cfg.sys;
    _cleanup_rows_str_ struct sys_rows all = {0};
    _cleanup_rows_str_ struct sys_rows names = {0};
    int rc = storage_list(cd->cfg.storage, &all, err);
    if (rc >= 0)
        rc = sys->fs->list(sys, cd->run_dir, &names, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < names.len; i++) {
        if (bt_uuid_ok(((char **)names.items)[i]))
            sys_rows_push_str(&all, ((char **)names.items)[i]);
    }
    sys_rows_sort_str(&all);
    for (size_t i = 0; i < all.len; i++)
        bt_arr_push_str(ret_uuids, ((char **)all.items)[i]);
    return 0;
}

static void driver_free(struct driver *d)
{
    struct container_driver *cd = container_of(d);
    container_watch_fini(cd);
    container_bury(cd);
}

static const struct driver_ops ops = {
    .name = "container",
    .available = available,
    .probe = container_probe,
    .image_ensure = container_image_ensure,
    .disk_ensure = container_disk_ensure,
    .disk_rebuild = container_disk_rebuild,
    .disk_trash = container_disk_trash,
    .disk_restore = container_disk_restore,
    .disk_purge = container_disk_purge,
    .port_ensure = container_port_ensure,
    .port_remove = container_port_remove,
    .start = container_start,
    .stop = container_stop,
    .kill = container_kill,
    .freeze = container_freeze,
    .limits = container_limits,
    .watch = container_watch,
    .stream_open = container_stream_open,
    .list = container_list,
    .check = container_check,
    .free = driver_free,
};

struct driver *driver_container_new(const struct container_config *cfg)
{
    struct container_driver *cd = bt_xcalloc(1, sizeof *cd);
    cd->cfg = *cfg;
    cd->helper = bt_xstrdup(cfg->helper);
    cd->run_dir = bt_xstrdup(cfg->run_dir);
    cd->state_dir = bt_xstrdup(cfg->state_dir);
    cd->cgroup_parent = bt_xstrdup(cfg->cgroup_parent);
    cd->log_dir = bt_xstrdup(cfg->log_dir);
    bt_list_init(&cd->calls);
    cd->driver.ops = &ops;
    cd->driver.impl = cd;
    bt_timer_init(&cd->poll, cfg->sys->loop, container_watch_poll);
    return &cd->driver;
}

/* ---- what this host can do ---- */

static void take_facts(struct container_driver *cd, const struct helper_container_probed *p)
{
    const struct helper_quota_backend *b = p->backends.items;
    cd->facts.features = p->features;
    (void)bt_strcpy(cd->facts.cgroup, sizeof cd->facts.cgroup, p->cgroup ? p->cgroup : "");
    cd->works = false;
    (void)bt_strcpy(cd->reason, sizeof cd->reason, "no quota back end works");
    for (size_t i = 0; i < p->backends.len; i++) {
        if (b[i].works && strcmp(b[i].name, "loop") == 0) {
            cd->works = true;
            (void)bt_strcpy(cd->facts.backend, sizeof cd->facts.backend, b[i].name);
        } else if (b[i].reason && !cd->works) {
            (void)bt_strcpy(cd->reason, sizeof cd->reason, b[i].reason);
        }
    }
}

static void on_probed(struct container_call *c, const char *ok, const struct bt_err *err)
{
    struct container_driver *cd = c->cd;
    struct helper_container_probed p;
    struct bt_err why = BT_ERR_INIT;
    cd->probed = true;
    cd->works = false;
    if (!ok) {
        (void)bt_strcpy(cd->reason, sizeof cd->reason, err->msg);
    } else if (bt_schema_parse(&helper_container_probed_schema, ok, strlen(ok), BT_LENIENT, &p,
                               NULL, &why) < 0) {
        (void)bt_strcpy(cd->reason, sizeof cd->reason, why.msg);
    } else {
        take_facts(cd, &p);
        bt_schema_free(&helper_container_probed_schema, &p);
    }
    if (cd->probe_done)
        cd->probe_done(cd->probe_ctx);
}

void driver_container_probe(struct driver *d, void (*done)(void *ctx), void *ctx)
{
    struct container_driver *cd = container_of(d);
    struct helper_container_probe *probe = bt_xcalloc(1, sizeof *probe);
    *probe = (struct helper_container_probe){.dir = bt_xstrdup(cd->state_dir),
                                             .cgroup_parent = bt_xstrdup(cd->cgroup_parent)};
    struct helper_container_request request = {.op = HELPER_CONTAINER_PROBE, .probe = probe};
    const struct container_call how = {.done = on_probed};
    cd->probe_done = done;
    cd->probe_ctx = ctx;
    (void)container_call_start(cd, "00000000-0000-4000-8000-000000000000", &request, &how);
    bt_schema_free(&helper_container_request_schema, &request);
}

const struct container_facts *driver_container_facts(const struct driver *d)
{
    return &((const struct container_driver *)d->impl)->facts;
}
