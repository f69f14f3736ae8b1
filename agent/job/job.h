/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/driver/driver.h"
#include "agent/journal/journal.h"
#include "agent/journal/journal_instance.h"
#include "common/loop/loop.h"
#include "common/sm/sm.h"
#include "db/core/db.h"
#include "proto/link.h"

/*
 * What an agent does: for each instance a serial machine that brings the kernel to what the journal
 * says, task by task, and keeps it there while nobody asks (docs/decisions/0031-agent-jobs.md,
 * docs/STATES.md). It never destroys anything by absence; destroys pass the brake (0032).
 * Loop thread only.
 */
struct job;

/* agent.conf: out of the controller's reach. */
struct job_brake {
    int64_t deletes, delete_pct, purges, purge_pct;
    int64_t window_ms;
    int64_t trash_ms; /* shortest stay in the trash */
};

/* Of which message an apply came: given back with the answer. */
struct job_from {
    int64_t session, id;
};

struct job_events {
    /* Every instance has been probed once (or its probe is overdue): the inventory is true. Once.
     */
    void (*ready)(void *ctx);
    /* Answer to an apply, taken into the journal or not. @a is the caller's. */
    void (*accepted)(void *ctx, struct job_from from, const struct link_accepted *a);
    void (*progress)(void *ctx, const struct link_progress *p);
    /* Reports were added to the journal. */
    void (*reported)(void *ctx);
    /* Answer to job_confirm. */
    void (*confirmed)(void *ctx, struct job_from from, int rc, const struct bt_err *err);
    void *ctx;
};

/* Tests only: the agent dies at a write. Each returns true to say so; nothing is written or heard
 * afterwards. */
struct job_fault {
    bool (*before)(void *ctx); /* writer, before the write takes effect */
    bool (*after)(void *ctx);  /* loop, after its commit, before anybody hears of it */
    void *ctx;
};

#define JOB_DRIVERS 2

struct job_config {
    struct bt_loop *loop;
    struct db *db; /* journal_open */
    const struct journal_meta *meta;
    struct driver
        *drivers[JOB_DRIVERS]; /* by enum driver_kind, NULL = none; both may be the same */
    const char *boot_id;       /* of the host */
    struct journal_ids ids;
    struct job_brake brake;
    int parallel_starts; /* starts that nobody asked for; 0 = 4 */
    struct job_events events;
    const struct job_fault *fault; /* NULL in production */
};

extern const struct bt_sm_def job_sm;

/** Make the engine; nothing runs yet. */
struct job *job_new(const struct job_config *cfg);

/** Read the journal, begin to probe, resume what was under way. Blocking on the database; before
 * the loop runs. */
int job_start(struct job *j, struct bt_err *err);

/**
 * Forget everything in memory. The drivers have been freed before, so no request is under way;
 * writes that are still queued take effect without being heard of. NULL is fine.
 */
void job_free(struct job *j);

/**
 * A spec or a task from the controller. Taken into the journal when its turn comes, then accepted()
 * follows; work begins after that. @a is taken over (emptied).
 */
void job_apply(struct job *j, struct link_apply *a, struct job_from from);

/** End a task at its next step boundary. One that is unknown is noted as cancelled, so that it can
 * never begin. */
void job_cancel(struct job *j, int64_t task_id);

/** An operator confirms destroys until @until_ms (UTC); stored first, then confirmed(). */
void job_confirm(struct job *j, int64_t until_ms, struct job_from from);

/** Number of instances in the journal. */
size_t job_count(const struct job *j);

/** Hand every instance to @each as an item of the inventory, in order of id; what it points to is
 * borrowed for the call. */
void job_inventory(struct job *j, void (*each)(void *ctx, const struct link_item *item), void *ctx);

/* What the doctor and streams want to know of one instance; pointers live until the loop turns. */
struct job_view {
    const char *uuid;
    const struct instance_spec *spec;
    const struct journal_instance *row;
    struct driver *driver; /* NULL = this host has none for it */
    int state;             /* enum instance_state */
    bool busy;
};

/** View of one instance; false when there is none. */
bool job_view(struct job *j, const char *uuid, struct job_view *ret);

/** Walk over all: start with *@pos = 0; false at the end. */
bool job_next(struct job *j, size_t *pos, struct job_view *ret);
