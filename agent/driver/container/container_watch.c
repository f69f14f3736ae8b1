/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ends and reboots that nobody asked for. The monitor is watched by pidfd: when it ends, a stat
 * says whether the guest ended (exit.json tells how) or the monitor was lost and init lives on,
 * which is then watched itself. A reboot inside is handled by the monitor alone and shows in the
 * boot file, which is looked at once a second.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/driver/container/container_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define POLL_MS 500
#define BOOT_FILE_MAX 4096

static void begin(struct container_watch *w);

static struct container_watch *get(struct container_driver *cd, const char *uuid)
{
    struct container_watch *w = bt_map_find(&cd->watches, uuid);
    if (w)
        return w;
    w = bt_xcalloc(1, sizeof *w);
    w->cd = cd;
    (void)bt_strcpy(w->uuid, sizeof w->uuid, uuid);
    (void)bt_map_set(&cd->watches, uuid, w);
    return w;
}

static void stop(struct container_watch *w)
{
    if (w->watching)
        w->cd->cfg.sys->proc->unwatch(w->cd->cfg.sys, &w->pid);
    w->watching = false;
}

static void forget(struct container_watch *w)
{
    stop(w);
    (void)bt_map_remove(&w->cd->watches, w->uuid);
    free(w);
}

static void remember(struct container_watch *w, const struct helper_container_stat *st)
{
    w->monitor = st->monitor;
    w->monitor_start = st->monitor_start;
    w->init = st->pid;
    w->init_start = st->pid_start;
    w->on_init = st->monitor_lost;
    w->boot = st->boot;
}

static void tell_ended(struct container_watch *w, const struct driver_observed *o)
{
    const struct driver_events *ev = &w->cd->driver.events;
    char uuid[37];
    (void)bt_strcpy(uuid, sizeof uuid, w->uuid);
    forget(w);
    if (ev->ended)
        ev->ended(ev->ctx, uuid, o);
}

/* A stat after something happened. */
static void judge(struct container_watch *w, const struct helper_container_stat *st)
{
    const struct driver_events *ev = &w->cd->driver.events;
    struct driver_observed o = {0};
    container_observed(st, &o);
    if (o.state == INSTANCE_STOPPED) {
        tell_ended(w, &o);
        return;
    }
    bool rebooted = st->boot > w->boot && w->boot > 0;
    bool lost = st->monitor_lost && !w->on_init;
    if (w->monitor != st->monitor || w->monitor_start != st->monitor_start || lost)
        stop(w);
    remember(w, st);
    begin(w);
    if (lost && ev->alarm)
        ev->alarm(ev->ctx, w->uuid, "instance.monitor_lost", "its monitor is gone; it runs on");
    if (rebooted && ev->rebooted)
        ev->rebooted(ev->ctx, w->uuid, st->started_at);
}

static void on_stat(struct container_call *c, const char *ok, const struct bt_err *err)
{
    struct container_watch *w = bt_map_find(&c->cd->watches, c->uuid);
    struct helper_container_stat st;
    (void)err;
    if (w)
        w->looking = false;
    if (!w || !w->want)
        return;
    /* A stat that fails leaves things as they are; the poll asks again. */
    if (!ok || bt_schema_parse(&helper_container_stat_schema, ok, strlen(ok), BT_LENIENT, &st, NULL,
                               NULL) < 0)
        return;
    judge(w, &st);
    bt_schema_free(&helper_container_stat_schema, &st);
}

static void look(struct container_watch *w)
{
    struct helper_container_request request = {.op = HELPER_CONTAINER_STAT};
    const struct container_call how = {.done = on_stat};
    if (w->looking)
        return;
    w->looking = true;
    (void)container_call_start(w->cd, w->uuid, &request, &how);
    bt_schema_free(&helper_container_request_schema, &request);
}

static void on_pid(struct sys_pidwatch *p)
{
    struct container_watch *w = BT_CONTAINER_OF(p, struct container_watch, pid);
    w->watching = false;
    look(w);
}

static void begin(struct container_watch *w)
{
    struct sys *sys = w->cd->cfg.sys;
    int64_t pid = w->on_init ? w->init : w->monitor;
    int64_t start = w->on_init ? w->init_start : w->monitor_start;
    if (w->watching || !w->want || pid <= 0)
        return;
    w->pid = (struct sys_pidwatch){.ended = on_pid};
    w->watching = sys->proc->watch(sys, &w->pid, (pid_t)pid, start, NULL) >= 0;
}

void container_watch_know(struct container_driver *cd, const char *uuid,
                          const struct helper_container_stat *st)
{
    if (st->state == HELPER_CONTAINER_STOPPED) {
        struct container_watch *old = bt_map_find(&cd->watches, uuid);
        if (old)
            forget(old);
        return;
    }
    struct container_watch *w = get(cd, uuid);
    if (w->monitor != st->monitor || w->monitor_start != st->monitor_start)
        stop(w);
    remember(w, st);
    begin(w);
}

void container_watch(struct driver *d, const char *uuid, bool on)
{
    struct container_driver *cd = container_of(d);
    struct container_watch *w = bt_map_find(&cd->watches, uuid);
    if (!on) {
        if (w)
            forget(w);
        return;
    }
    w = get(cd, uuid);
    w->want = true;
    if (w->monitor > 0 || w->init > 0)
        begin(w);
    else
        look(w);
    if (!bt_timer_running(&cd->poll))
        bt_timer_start(&cd->poll, POLL_MS);
}

/* The boot file was replaced: a newer boot than the one we know is a reboot inside. */
static void read_boot(struct container_watch *w, const char *path)
{
    const struct driver_events *ev = &w->cd->driver.events;
    struct sys *sys = w->cd->cfg.sys;
    struct helper_container_boot b;
    _cleanup_buf_ struct bt_buf text = BT_BUF(BOOT_FILE_MAX + 1);
    if (sys->fs->read(sys, path, BOOT_FILE_MAX, &text, NULL) < 0 ||
        bt_schema_parse(&helper_container_boot_schema, text.data, text.len, BT_LENIENT, &b, NULL,
                        NULL) < 0)
        return;
    bool newer = w->boot > 0 && b.boot > w->boot;
    w->boot = b.boot;
    w->init = b.pid;
    w->init_start = b.pid_start;
    if (newer && ev->rebooted)
        ev->rebooted(ev->ctx, w->uuid, b.started_at);
}

static void poll_one(struct container_watch *w)
{
    struct sys *sys = w->cd->cfg.sys;
    struct sys_fs_stat st;
    _cleanup_free_ char *path = bt_xasprintf("%s/%s/boot", w->cd->run_dir, w->uuid);
    if (sys->fs->stat(sys, path, &st, NULL) >= 0 && st.mtime_ms != w->boot_mtime_ms) {
        w->boot_mtime_ms = st.mtime_ms;
        read_boot(w, path);
    }
    if (!w->watching)
        look(w); /* a pidfd could not be had, or a stat failed: ask again */
}

void container_watch_poll(struct bt_timer *t)
{
    struct container_driver *cd = BT_CONTAINER_OF(t, struct container_driver, poll);
    size_t pos = 0;
    size_t n = 0;
    for (struct container_watch *w; (w = bt_map_next(&cd->watches, &pos));) {
        n++;
        if (w->want)
            poll_one(w);
    }
    if (n > 0)
        bt_timer_start(t, POLL_MS);
}

void container_watch_fini(struct container_driver *cd)
{
    size_t pos = 0;
    bt_timer_stop(&cd->poll);
    for (struct container_watch *w; (w = bt_map_next(&cd->watches, &pos));)
        forget(w);
    bt_map_fini(&cd->watches);
}
