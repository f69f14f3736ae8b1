/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/err.h"
#include "common/base/frame.h"
#include "common/base/id.h"
#include "common/json/json.h"
#include "proto/helper_container.h"

/*
 * One verb of `berth-container` (docs/decisions/0015-container-runtime.md): a single-threaded
 * process, one request, one reply. `run` stays as the monitor of its instance.
 */
#define CT_SOCK 3

struct ct {
    const char *uuid;
    int sock; /* the agent; may be dead at any time */
    struct bt_frame_reader reader;
    struct helper_container_request req;
    int dir;          /* RUN_DIR/UUID, -1 before ct_open_dir */
    const char *step; /* where we are, for helper_err.step */
    bool replied;
};

/** Names of the files below RUN_DIR/UUID (proto/helper_container.h and ours). */
#define CT_F_LOCK "lock"
#define CT_F_PLACE "place"
#define CT_F_BOOT "boot"
#define CT_F_EXIT "exit.json"
#define CT_F_LIMITS "limits"   /* struct helper_container_limits: applied at every boot */
#define CT_F_SECCOMP "seccomp" /* liblxc's profile, read at every boot */
#define CT_F_LOG "log"         /* liblxc's errors */
#define CT_F_KILLED "killed"   /* present while an end by our own hand is expected */

/* A verb: replies itself when it succeeds; on failure the caller replies with @err. */
typedef int (*ct_verb_fn)(struct ct *c, struct bt_err *err);

/** Open RUN_DIR/UUID into c->dir; @make: create it (0711). NOT_FOUND when it is absent. */
int ct_open_dir(struct ct *c, bool make, struct bt_err *err);

/** Send {"ok": @obj} with @n_fds descriptors. A dead agent is no error. */
void ct_reply_ok(struct ct *c, const struct bt_schema *s, const void *obj, const int *fds,
                 size_t n_fds);

/** Send {"err": ...} of @e and c->step. */
void ct_reply_err(struct ct *c, const struct bt_err *e);

/** Send {"exit": {status}}. */
void ct_reply_exit(struct ct *c, int status);

/** Replace file @name of @dir by @obj as JSON (mode 0600). */
int ct_put(int dir, const char *name, const struct bt_schema *s, const void *obj,
           struct bt_err *err);

/** Read file @name of @dir into @ret (free it by the schema). NOT_FOUND when it is absent. */
int ct_get(int dir, const char *name, const struct bt_schema *s, void *ret, struct bt_err *err);

/** Verbs, each in the file of its name. */
int ct_run(struct ct *c, struct bt_err *err);
/** Stop it: signal and wait, or kill everything in its cgroup. */
int ct_stop(struct ct *c, struct bt_err *err);
/** Run a command inside. */
int ct_exec(struct ct *c, struct bt_err *err);
/** Hand out the terminal of /dev/console; stays until the agent hangs up. */
int ct_console(struct ct *c, struct bt_err *err);
/** Grow the file system of a loop upper, mounted or not. */
int ct_grow(struct ct *c, struct bt_err *err);
/** State, limits as read back, usage. */
int ct_stat(struct ct *c, struct bt_err *err);
/** Apply limits to a running instance. */
int ct_limits(struct ct *c, struct bt_err *err);
/** Freeze or thaw. */
int ct_freeze(struct ct *c, struct bt_err *err);
/** What this host can do. */
int ct_probe(struct ct *c, struct bt_err *err);

/** Host-side hook of every boot, run by liblxc while init waits (@dir = RUN_DIR/UUID). */
int ct_boot(const char *dir, struct bt_err *err);
