/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/driver/fake/fake_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/*
 * The verbs. A call waits its latency, then takes effect and ends in one step; a graceful stop of a
 * deaf guest waits the whole timeout. What is under way when the agent dies may still take effect:
 * helpers do not die with it.
 */
#define STOP_MS 20

struct fake_verb {
    const char *name;
    int (*effect)(struct fake_kernel *k, struct driver_req *req, struct bt_err *err);
};

struct fake_call {
    struct bt_list link;
    struct bt_timer timer;
    struct fake_driver *driver;
    struct driver_req *req;
    const struct fake_verb *verb;
    enum fake_fault fault;
    enum bt_code fault_code; /* 0 = no fault */
};

/* An event on its way to the agent. */
struct fake_note {
    struct bt_list link;
    struct bt_timer timer;
    struct fake_driver *driver;
    char uuid[BT_UUID_LEN + 1];
    enum { NOTE_ENDED, NOTE_REBOOTED } kind;
};

static struct fake_driver *self(struct driver *d)
{
    return d->impl;
}

/* ---- effects ---- */

static int do_probe(struct fake_kernel *k, struct driver_req *req, struct bt_err *err)
{
    (void)err;
    fake_instance_observe(k, fake_kernel_find(k, req->spec->uuid), &req->observed);
    return 0;
}

static int do_image(struct fake_kernel *k, struct driver_req *req, struct bt_err *err)
{
    (void)k;
    if (bt_streq(req->spec->image.name, "missing"))
        return bt_fail(err, BT_E_BAD_IMAGE, "there is no image %s", req->spec->image.name);
    return 0;
}

static int64_t disk_bytes(const struct driver_req *req)
{
    struct bt_opt_int v = limits_get(&req->spec->limits, LIMIT_disk_bytes);
    return v.is == BT_VALUE ? v.v : 0;
}

static int64_t memory_bytes(const struct driver_req *req)
{
    struct bt_opt_int v = limits_get(&req->spec->limits, LIMIT_memory_bytes);
    return v.is == BT_VALUE ? v.v : 0;
}

static int do_disk(struct fake_kernel *k, struct driver_req *req, struct bt_err *err)
{
    struct fake_instance *in = fake_instance_get(k, req->spec->uuid);
    if (in->trash)
        return bt_fail(err, BT_E_CONFLICT, "its disk is in the trash");
    if (in->disk && disk_bytes(req) < in->disk_bytes)
        return bt_fail(err, BT_E_UNSUPPORTED_BY_BACKEND, "the disk cannot shrink");
    if (!in->disk) {
        in->disk = true;
        in->disks++;
        in->id_base = req->place.id_base;
        in->rebuild_seq = req->spec->rebuild_seq;
    }
    in->disk_bytes = disk_bytes(req);
    return 0;
}

static int do_rebuild(struct fake_kernel *k, struct driver_req *req, struct bt_err *err)
{
    struct fake_instance *in = fake_kernel_find(k, req->spec->uuid);
    if (!in || !in->disk)
        return bt_fail(err, BT_E_NOT_FOUND, "it has no disk");
    if (in->running)
        return bt_fail(err, BT_E_BAD_STATE, "it runs");
    if (in->rebuild_seq < req->spec->rebuild_seq) {
        in->rebuild_seq = req->spec->rebuild_seq;
        in->disks++;
    }
    return 0;
}

static int do_trash(struct fake_kernel *k, struct driver_req *req, struct bt_err *err)
{
    struct fake_instance *in = fake_kernel_find(k, req->spec->uuid);
    if (!in || !in->disk)
        return 0;
    if (in->running)
        return bt_fail(err, BT_E_BAD_STATE, "it runs");
    in->disk = false;
    in->trash = true;
    return 0;
}

static int do_restore(struct fake_kernel *k, struct driver_req *req, struct bt_err *err)
{
    struct fake_instance *in = fake_kernel_find(k, req->spec->uuid);
    if (in && in->disk)
        return 0;
    if (!in || !in->trash)
        return bt_fail(err, BT_E_NOT_FOUND, "it is not in the trash");
    in->trash = false;
    in->disk = true;
    return 0;
}

static int do_purge(struct fake_kernel *k, struct driver_req *req, struct bt_err *err)
{
    struct fake_instance *in = fake_kernel_find(k, req->spec->uuid);
    if (!in)
        return 0;
    if (in->running)
        return bt_fail(err, BT_E_BAD_STATE, "it runs");
    in->disk = in->trash = false;
    fake_instance_drop_empty(k, in);
    return 0;
}

static int do_port(struct fake_kernel *k, struct driver_req *req, struct bt_err *err)
{
    (void)err;
    struct fake_instance *in = fake_instance_get(k, req->spec->uuid);
    const struct spec_nic *nic = req->spec->nics.items;
    in->port = true;
    free(in->mac);
    in->mac = bt_xstrdup(req->spec->nics.len ? nic->mac : NULL);
    return 0;
}

static int do_unport(struct fake_kernel *k, struct driver_req *req, struct bt_err *err)
{
    (void)err;
    struct fake_instance *in = fake_kernel_find(k, req->spec->uuid);
    if (!in)
        return 0;
    in->port = false;
    fake_instance_drop_empty(k, in);
    return 0;
}

static void boot(struct fake_kernel *k, struct fake_instance *in)
{
    in->running = true;
    in->frozen = false;
    in->pid = k->next_pid++;
    in->pid_start = bt_mono_ms(bt_loop_clock(k->cfg.loop));
    in->started_at = fake_now(k);
    in->ended_at = 0;
    free(in->cause);
    in->cause = NULL;
}

static int do_start(struct fake_kernel *k, struct driver_req *req, struct bt_err *err)
{
    struct fake_instance *in = fake_kernel_find(k, req->spec->uuid);
    if (!in || !in->disk || !in->port)
        return bt_fail(err, BT_E_BAD_STATE, "no disk or no port");
    if (in->id_base != req->place.id_base)
        return bt_fail(err, BT_E_CONFLICT, "the disk belongs to other host ids");
    if (!in->running) {
        in->starts++;
        boot(k, in);
    }
    in->memory_bytes = memory_bytes(req);
    fake_instance_observe(k, in, &req->observed);
    req->effective = req->spec->limits;
    return 0;
}

static int do_stop(struct fake_kernel *k, struct driver_req *req, struct bt_err *err)
{
    struct fake_instance *in = fake_kernel_find(k, req->spec->uuid);
    if (!in || !in->running)
        return 0;
    if (in->frozen || (in->deaf && !req->force))
        return bt_fail(err, BT_E_GUEST_TIMEOUT, "the guest did not stop in time");
    fake_instance_end(k, in, in->deaf ? "killed" : "poweroff");
    return 0;
}

static int do_kill(struct fake_kernel *k, struct driver_req *req, struct bt_err *err)
{
    (void)err;
    struct fake_instance *in = fake_kernel_find(k, req->spec->uuid);
    if (in && in->running)
        fake_instance_end(k, in, "killed");
    return 0;
}

static int do_freeze(struct fake_kernel *k, struct driver_req *req, struct bt_err *err)
{
    struct fake_instance *in = fake_kernel_find(k, req->spec->uuid);
    if (!in || !in->running)
        return bt_fail(err, BT_E_BAD_STATE, "it does not run");
    in->frozen = req->on;
    return 0;
}

static int do_limits(struct fake_kernel *k, struct driver_req *req, struct bt_err *err)
{
    struct fake_instance *in = fake_kernel_find(k, req->spec->uuid);
    if (!in || !in->running)
        return bt_fail(err, BT_E_BAD_STATE, "it does not run");
    in->memory_bytes = memory_bytes(req);
    req->effective = req->spec->limits;
    return 0;
}

/* ---- calls ---- */

static void call_free(struct fake_call *c)
{
    bt_timer_stop(&c->timer);
    bt_list_remove(&c->link);
    free(c);
}

static int call_effect(struct fake_call *c, struct bt_err *err)
{
    struct fake_kernel *k = c->driver->kernel;
    int rc = c->verb->effect(k, c->req, err);
    if (c->verb->effect != do_probe)
        fake_kernel_save(k);
    return rc;
}

static void order_crash(struct fake_driver *d)
{
    d->dead = true;
    if (d->kernel->cfg.crash)
        d->kernel->cfg.crash(d->kernel->cfg.ctx);
}

static int call_run(struct fake_call *c, struct bt_err *err)
{
    struct fake_kernel *k = c->driver->kernel;
    if (k->fail_verb && bt_streq(k->fail_verb, c->verb->name))
        return bt_fail(err, k->fail_code, "%s failed", c->verb->name);
    if (c->fault_code && c->fault == FAKE_FAIL)
        return bt_fail(err, c->fault_code, "%s failed", c->verb->name);
    int rc = call_effect(c, err);
    if (rc == 0 && c->fault_code && c->fault == FAKE_FAIL_AFTER)
        rc = bt_fail(err, c->fault_code, "%s failed in the end", c->verb->name);
    return rc;
}

static void call_due(struct bt_timer *t)
{
    struct fake_call *c = BT_CONTAINER_OF(t, struct fake_call, timer);
    struct fake_driver *d = c->driver;
    struct bt_err err = BT_ERR_INIT;
    if (d->dead || (c->fault_code && c->fault == FAKE_HANG))
        return;
    if (c->fault_code && c->fault == FAKE_CRASH_BEFORE) {
        order_crash(d);
        return;
    }
    if (c->fault_code && c->fault == FAKE_CRASH_AFTER) {
        (void)call_effect(c, &err);
        order_crash(d);
        return;
    }
    int rc = call_run(c, &err);
    struct driver_req *req = c->req;
    call_free(c);
    req->impl = NULL;
    req->done(req, rc, rc < 0 ? &err : NULL);
}

static int64_t call_latency(struct fake_call *c)
{
    struct fake_kernel *k = c->driver->kernel;
    uint64_t span = (uint64_t)(k->cfg.latency_max_ms - k->cfg.latency_min_ms) + 1;
    int64_t ms = k->cfg.latency_min_ms + (int64_t)bt_random_below(k->cfg.random, span);
    if (c->verb->effect != do_stop)
        return ms;
    const struct fake_instance *in = fake_kernel_find(k, c->req->spec->uuid);
    bool waits = in && in->running && (in->deaf || in->frozen);
    return ms + (waits ? c->req->timeout_ms : STOP_MS);
}

static void call_start(struct driver *base, struct driver_req *req, const struct fake_verb *verb)
{
    struct fake_driver *d = self(base);
    struct fake_kernel *k = d->kernel;
    struct fake_call *c = bt_xcalloc(1, sizeof *c);
    c->driver = d;
    c->req = req;
    c->verb = verb;
    k->changes += verb->effect != do_probe;
    if (++k->calls == k->fault_call) {
        c->fault = k->fault;
        c->fault_code = k->fault_code ? k->fault_code : BT_E_FAULT;
    }
    req->impl = c;
    bt_list_push(&d->calls, &c->link);
    bt_timer_init(&c->timer, k->cfg.loop, call_due);
    bt_timer_start(&c->timer, call_latency(c));
}

#define VERB(fn, text)                                                                             \
    static void verb_##fn(struct driver *d, struct driver_req *req)                                \
    {                                                                                              \
        static const struct fake_verb verb = {text, do_##fn};                                      \
        call_start(d, req, &verb);                                                                 \
    }

VERB(probe, "probe")
VERB(image, "image_ensure")
VERB(disk, "disk_ensure")
VERB(rebuild, "disk_rebuild")
VERB(trash, "disk_trash")
VERB(restore, "disk_restore")
VERB(purge, "disk_purge")
VERB(port, "port_ensure")
VERB(unport, "port_remove")
VERB(start, "start")
VERB(stop, "stop")
VERB(kill, "kill")
VERB(freeze, "freeze")
VERB(limits, "limits")

/* ---- events ---- */

static void note_free(struct fake_note *n)
{
    bt_timer_stop(&n->timer);
    bt_list_remove(&n->link);
    free(n);
}

static void note_due(struct bt_timer *t)
{
    struct fake_note *n = BT_CONTAINER_OF(t, struct fake_note, timer);
    struct fake_driver *d = n->driver;
    struct fake_note copy = *n;
    struct driver_observed seen;
    note_free(n);
    if (d->dead || !bt_map_find(&d->watched, copy.uuid))
        return;
    fake_instance_observe(d->kernel, fake_kernel_find(d->kernel, copy.uuid), &seen);
    if (copy.kind == NOTE_ENDED)
        d->base.events.ended(d->base.events.ctx, copy.uuid, &seen);
    else
        d->base.events.rebooted(d->base.events.ctx, copy.uuid, seen.started_at);
}

static void note(struct fake_kernel *k, const struct fake_instance *in, int kind)
{
    if (!k->driver)
        return;
    struct fake_note *n = bt_xcalloc(1, sizeof *n);
    n->driver = k->driver;
    n->kind = (__typeof__(n->kind))kind;
    (void)bt_strcpy(n->uuid, sizeof n->uuid, in->uuid);
    bt_list_push(&k->driver->notes, &n->link);
    bt_timer_init(&n->timer, k->cfg.loop, note_due);
    bt_timer_start(&n->timer, 1 + (int64_t)bt_random_below(k->cfg.random, 20));
}

/* A running, unfrozen guest can do something. */
static struct fake_instance *acting(struct fake_kernel *k, const char *uuid)
{
    struct fake_instance *in = fake_kernel_find(k, uuid);
    return in && in->running && !in->frozen ? in : NULL;
}

static int guest_ends(struct fake_kernel *k, const char *uuid, const char *cause)
{
    struct fake_instance *in = acting(k, uuid);
    if (!in)
        return -(int)BT_E_NOT_FOUND;
    fake_instance_end(k, in, cause);
    fake_kernel_save(k);
    note(k, in, NOTE_ENDED);
    return 0;
}

int fake_guest_poweroff(struct fake_kernel *k, const char *uuid)
{
    return guest_ends(k, uuid, "poweroff");
}

int fake_guest_crash(struct fake_kernel *k, const char *uuid)
{
    return guest_ends(k, uuid, "crash");
}

int fake_guest_reboot(struct fake_kernel *k, const char *uuid)
{
    struct fake_instance *in = acting(k, uuid);
    if (!in)
        return -(int)BT_E_NOT_FOUND;
    /* Nobody is there to start it again: the reboot is its end. */
    if (in->monitor_lost)
        return guest_ends(k, uuid, "exit");
    boot(k, in);
    fake_kernel_save(k);
    note(k, in, NOTE_REBOOTED);
    return 0;
}

int fake_guest_lose_monitor(struct fake_kernel *k, const char *uuid)
{
    struct fake_instance *in = fake_kernel_find(k, uuid);
    if (!in || !in->running)
        return -(int)BT_E_NOT_FOUND;
    in->monitor_lost = true;
    fake_kernel_save(k);
    note(k, in, NOTE_ENDED);
    return 0;
}

/* ---- the rest of the table ---- */

static void available(struct driver *d, struct link_driver *ret)
{
    (void)d;
    *ret = (struct link_driver){.name = bt_xstrdup("fake"), .available = true};
}

static void watch(struct driver *d, const char *uuid, bool on)
{
    if (on)
        (void)bt_map_set(&self(d)->watched, uuid, d);
    else
        (void)bt_map_remove(&self(d)->watched, uuid);
}

static int list(struct driver *d, struct bt_arr *ret_uuids, struct bt_err *err)
{
    (void)err;
    size_t pos = 0;
    for (struct fake_instance *in; (in = bt_map_next(&self(d)->kernel->instances, &pos));)
        bt_arr_push_str(ret_uuids, in->uuid);
    return 0;
}

static void finding(struct link_doctor *out, int kind, const char *uuid, const char *expected)
{
    struct link_doctor_finding *f = bt_arr_push(&out->findings, sizeof *f);
    *f = (struct link_doctor_finding){.kind = kind,
                                      .object = bt_xstrdup(uuid),
                                      .expected = bt_xstrdup(expected),
                                      .found = bt_xstrdup("the contrary")};
}

static void check(struct driver *d, const struct bt_arr *specs, struct link_doctor *out)
{
    struct fake_kernel *k = self(d)->kernel;
    const struct instance_spec *s = specs->items;
    for (size_t i = 0; i < specs->len; i++) {
        const struct fake_instance *in = fake_kernel_find(k, s[i].uuid);
        if (s[i].desired != DESIRED_DELETED && !(in && in->disk))
            finding(out, DOCTOR_FILE, s[i].uuid, "a disk");
        if (s[i].desired == DESIRED_DELETED && in && in->port)
            finding(out, DOCTOR_LINK, s[i].uuid, "no port");
    }
}

/* An agent dies with calls under way: what a helper was doing is done or not. */
static void driver_free(struct driver *base)
{
    struct fake_driver *d = self(base);
    BT_LIST_FOREACH(l, &d->calls) {
        struct fake_call *c = BT_CONTAINER_OF(l, struct fake_call, link);
        bool faulty = c->fault_code != 0;
        if (!faulty && bt_random_below(d->kernel->cfg.random, 2) == 1)
            (void)call_effect(c, NULL);
        call_free(c);
    }
    BT_LIST_FOREACH(l, &d->notes)
        note_free(BT_CONTAINER_OF(l, struct fake_note, link));
    fake_stream_drop_all(d);
    bt_map_fini(&d->watched);
    d->kernel->driver = NULL;
    free(d);
}

static const struct driver_ops ops = {
    .name = "fake",
    .available = available,
    .probe = verb_probe,
    .image_ensure = verb_image,
    .disk_ensure = verb_disk,
    .disk_rebuild = verb_rebuild,
    .disk_trash = verb_trash,
    .disk_restore = verb_restore,
    .disk_purge = verb_purge,
    .port_ensure = verb_port,
    .port_remove = verb_unport,
    .start = verb_start,
    .stop = verb_stop,
    .kill = verb_kill,
    .freeze = verb_freeze,
    .limits = verb_limits,
    .watch = watch,
    .stream_open = fake_stream_open,
    .list = list,
    .check = check,
    .free = driver_free,
};

struct driver *fake_driver_new(struct fake_kernel *k)
{
    struct fake_driver *d = bt_xcalloc(1, sizeof *d);
    d->base.ops = &ops;
    d->base.impl = d;
    d->kernel = k;
    bt_list_init(&d->calls);
    bt_list_init(&d->streams);
    bt_list_init(&d->notes);
    k->driver = d;
    return &d->base;
}
