/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/id.h"
#include "proto/link.h"
#include "proto/spec.h"

/*
 * A driver makes one kind of instance on this host. Every verb is asynchronous and idempotent: run
 * again after a crash it finds what is there by names derived from the uuid and finishes. A verb
 * ends with exactly one req->done on the loop (never inside the call). Verbs of one instance never
 * overlap (the job engine serialises them); verbs of different instances do.
 */
struct driver;

/* Where an instance lives on this host; facts from the journal, never from the controller. */
struct driver_place {
    uint32_t id_base; /* first host id of its range */
    int64_t boots;    /* starts so far */
};

/* What the driver sees of an instance in the kernel. */
struct driver_observed {
    int state;         /* enum instance_state: RUNNING, STOPPED, PAUSED, UNKNOWN */
    bool disk, port;   /* are they there? */
    bool monitor_lost; /* it runs, but its monitor is dead */
    int64_t pid, pid_start;
    int64_t started_at; /* of the guest's present boot */
    char cause[16];     /* why it ended: poweroff, killed, exit, crash, host_reboot; "" = unknown */
    int64_t ended_at;
};

struct driver_req {
    /* in */
    const struct instance_spec *spec; /* borrowed until done */
    struct driver_place place;
    bool force;         /* stop: kill when the timeout is over */
    int64_t timeout_ms; /* stop */
    bool on;            /* freeze: pause or resume */
    /* out, valid in done with rc == 0 */
    struct driver_observed observed; /* probe, start */
    struct limits effective;         /* start, limits: as read back */
    /* end */
    void (*done)(struct driver_req *req, int rc, const struct bt_err *err);
    void *owner;
    void *impl; /* the driver's, freed by it before done */
};

/* Ends and reboots that nobody asked for. From the loop, any time after watch(). */
struct driver_events {
    void (*ended)(void *ctx, const char *uuid, const struct driver_observed *what);
    void (*rebooted)(void *ctx, const char *uuid, int64_t started_at);
    void (*alarm)(void *ctx, const char *uuid, const char *event,
                  const char *text); /* instance.oom ... */
    void *ctx;
};

/* A stream into an instance: exec or console. Owner's callbacks on the loop; none after closed. */
struct driver_stream {
    const struct driver_stream_ops *ops;
    void (*opened)(struct driver_stream *s);
    void (*data)(struct driver_stream *s, int channel, const void *data,
                 size_t n); /* 1 out, 2 err */
    void (*closed)(struct driver_stream *s, int status,
                   const struct bt_err *err); /* status -1: no exit status */
    void *owner;
    void *impl;
};

struct driver_stream_ops {
    size_t (*write)(struct driver_stream *s, const void *data,
                    size_t n); /* returns bytes still queued */
    void (*eof)(struct driver_stream *s);
    void (*resize)(struct driver_stream *s, int rows, int cols);
    void (*pause)(struct driver_stream *s,
                  bool on);                 /* stop reading from the instance (no credit) */
    void (*close)(struct driver_stream *s); /* closed follows */
};

struct driver_ops {
    const char *name; /* container, kvm, fake */
    /* Is it usable on this host, and if not why? Copied strings; cheap (cached). */
    void (*available)(struct driver *d, struct link_driver *ret);
    /* What is there of this instance? A probe that cannot tell ends with UNKNOWN, never STOPPED. */
    void (*probe)(struct driver *d, struct driver_req *req);
    void (*image_ensure)(struct driver *d, struct driver_req *req);
    void (*disk_ensure)(struct driver *d, struct driver_req *req); /* make, or grow to the spec */
    void (*disk_rebuild)(struct driver *d,
                         struct driver_req *req); /* fresh, once per rebuild_seq */
    void (*disk_trash)(struct driver *d, struct driver_req *req);
    void (*disk_restore)(struct driver *d, struct driver_req *req);
    void (*disk_purge)(struct driver *d, struct driver_req *req); /* final; from live or trash */
    void (*port_ensure)(struct driver *d, struct driver_req *req);
    void (*port_remove)(struct driver *d, struct driver_req *req);
    void (*start)(struct driver *d,
                  struct driver_req *req); /* done when init runs and addresses are up */
    void (*stop)(struct driver *d,
                 struct driver_req *req); /* graceful; GUEST_TIMEOUT unless force */
    void (*kill)(struct driver *d, struct driver_req *req);
    void (*freeze)(struct driver *d, struct driver_req *req);
    void (*limits)(struct driver *d,
                   struct driver_req *req); /* apply to a running one, read back */
    /* Begin to report ends of a running instance (after start, and after a restart of the agent).
     */
    void (*watch)(struct driver *d, const char *uuid, bool on);
    /* NULL when the driver has none. */
    int (*stream_open)(struct driver *d, const struct link_stream_open *open,
                       struct driver_stream *s, struct bt_err *err);
    /* Every uuid of which something of this driver exists on this host (doctor, orphans); caller
     * frees. */
    int (*list)(struct driver *d, struct bt_arr *ret_uuids, struct bt_err *err);
    /* Append what differs between the kernel and these specs (doctor). */
    void (*check)(struct driver *d, const struct bt_arr *specs, struct link_doctor *out);
    void (*free)(struct driver *d);
};

struct driver {
    const struct driver_ops *ops;
    struct driver_events events; /* set by the job engine before the first verb */
    void *impl;
};
