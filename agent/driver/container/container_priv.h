/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "agent/driver/container/driver_container.h"
#include "common/base/map.h"
#include "proto/helper_container.h"

#define CONTAINER_PATH_MAX 512

/* One request to the helper: a process, a frame, a reply. */
struct container_call {
    struct container_driver *cd;
    struct bt_list link; /* the driver's calls */
    struct sys_helper helper;
    char uuid[37];
    bool replied, keep; /* keep: the process lives on after its reply (run) */
    /* @ok: JSON of the verb's ok struct, NULL = @err. Once, on the loop. */
    void (*done)(struct container_call *c, const char *ok, const struct bt_err *err);
    /* exec: after the reply, the exit status of the command. May be NULL. */
    void (*exited)(struct container_call *c, int status);
    /* The process is gone; last. May be NULL: the call is freed by itself. */
    void (*gone)(struct container_call *c);
    void *owner;
};

/* What the driver watches of a running instance. */
struct container_watch {
    struct container_driver *cd;
    char uuid[37];
    struct sys_pidwatch pid;
    bool watching, want;
    bool looking; /* a stat is under way */
    bool on_init; /* the monitor is lost: init itself is watched */
    int64_t monitor, monitor_start, init, init_start;
    int64_t boot, boot_mtime_ms;
};

struct container_driver {
    struct driver driver;
    struct container_config cfg;
    char *helper, *run_dir, *state_dir, *cgroup_parent, *log_dir;
    struct bt_list calls;
    size_t busy;           /* operations of image, storage, net and posts that will come back */
    bool dead;             /* freed by its owner: goes with the last of them, and answers nobody */
    struct bt_map watches; /* by uuid */
    struct bt_timer poll;  /* guest reboots: the boot file changes */
    bool probed, works;
    char reason[200];
    struct container_facts facts;
    void (*probe_done)(void *ctx);
    void *probe_ctx;
};

/** The driver behind the table. */
static inline struct container_driver *container_of(struct driver *d)
{
    return d->impl;
}

/* ---- container_call.c ---- */

/** Start the helper with @request (its run_dir is filled in). A failure comes by done too. */
struct container_call *container_call_start(struct container_driver *cd, const char *uuid,
                                            struct helper_container_request *request,
                                            const struct container_call *how);

/** Something will come back by container_return: the driver outlives it. */
void container_expect(struct container_driver *cd);

/** It came back: end @req, unless the driver was freed meanwhile; @cd may be gone afterwards. */
void container_return(struct container_driver *cd, struct driver_req *req, int rc,
                      const struct bt_err *err);

/** End @req after the loop has turned: verbs that have nothing to wait for. */
void container_req_end(struct container_driver *cd, struct driver_req *req, int rc,
                       const struct bt_err *err);

/**
 * Let go of every helper (no callback comes but `gone`; the processes live on) and free the driver,
 * now or when the last expected thing has come back.
 */
void container_bury(struct container_driver *cd);

/* ---- container_spec.c ---- */

/** The run request of a spec; everything in @ret is its own. Free with
 * bt_schema_free(&helper_container_request_schema). */
int container_spec_build(struct container_driver *cd, const struct driver_req *req,
                         struct helper_container_request *ret, struct bt_err *err);

/** Kernel list of the cores of an instance ("2-3"), NULL = all; caller frees. */
char *container_cpuset(const struct container_driver *cd, const struct instance_spec *spec);

/* ---- verbs (driver.h) ---- */

/** What is there of an instance. (driver.h) */
void container_probe(struct driver *d, struct driver_req *req);
/** Image unpacked on this host. (driver.h) */
void container_image_ensure(struct driver *d, struct driver_req *req);
/** Disk there, and as large as sold. (driver.h) */
void container_disk_ensure(struct driver *d, struct driver_req *req);
/** Fresh disk, once for each rebuild_seq. (driver.h) */
void container_disk_rebuild(struct driver *d, struct driver_req *req);
/** Disk out of use. (driver.h) */
void container_disk_trash(struct driver *d, struct driver_req *req);
/** Disk back in use. (driver.h) */
void container_disk_restore(struct driver *d, struct driver_req *req);
/** Disk and run directory gone for good. (driver.h) */
void container_disk_purge(struct driver *d, struct driver_req *req);
/** Port open. (driver.h) */
void container_port_ensure(struct driver *d, struct driver_req *req);
/** Port gone. (driver.h) */
void container_port_remove(struct driver *d, struct driver_req *req);
/** Init runs and addresses are up. (driver.h) */
void container_start(struct driver *d, struct driver_req *req);
/** Graceful stop. (driver.h) */
void container_stop(struct driver *d, struct driver_req *req);
/** Power off. (driver.h) */
void container_kill(struct driver *d, struct driver_req *req);
/** Pause or resume. (driver.h) */
void container_freeze(struct driver *d, struct driver_req *req);
/** Limits of a running one. (driver.h) */
void container_limits(struct driver *d, struct driver_req *req);
/** Report its end from now on. (driver.h) */
void container_watch(struct driver *d, const char *uuid, bool on);
/** exec or console. (driver.h) */
int container_stream_open(struct driver *d, const struct link_stream_open *open,
                          struct driver_stream *s, struct bt_err *err);
/** Every uuid of which something is here. (driver.h) */
int container_list(struct driver *d, struct bt_arr *ret_uuids, struct bt_err *err);
/** What no spec knows. (driver.h) */
void container_check(struct driver *d, const struct bt_arr *specs, struct link_doctor *out);

/* ---- container_watch.c ---- */

/** Remember what a stat or start said of an instance's processes. */
void container_watch_know(struct container_driver *cd, const char *uuid,
                          const struct helper_container_stat *st);

/** Free all watches. */
void container_watch_fini(struct container_driver *cd);

/** Timer of guest reboots. */
void container_watch_poll(struct bt_timer *t);

/** What a stat means for the engine. */
void container_observed(const struct helper_container_stat *st, struct driver_observed *ret);
