/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "agent/job/job.h"
#include "agent/journal/journal_destroy.h"
#include "agent/journal/journal_job.h"
#include "common/base/list.h"
#include "common/base/map.h"

/*
 * Inside of the engine. One struct job_inst an instance; it is in one phase at a time and has at
 * most one driver call or one write under way, so nothing here needs to be asked twice.
 */
enum job_phase {
    JOB_NEW,    /* read from the journal, or named by a request; not yet looked at */
    JOB_PROBE,  /* the driver looks what is there */
    JOB_RECORD, /* what was seen goes into the journal */
    JOB_IDLE,
    JOB_INTENT, /* a request goes into the journal */
    JOB_WORK,   /* steps */
    JOB_HELD,   /* waits for the destroy brake */
    JOB_UNDO,   /* the steps of a failed create are taken back */
    JOB_END,    /* the result goes into the journal */
};

enum job_step_id {
    STEP_UNTRASH,
    STEP_IMAGE,
    STEP_THAW,
    STEP_HALT,
    STEP_DISK,
    STEP_REBUILD,
    STEP_PORT,
    STEP_LIMITS,
    STEP_START,
    STEP_FREEZE,
    STEP_BRAKE_DELETE,
    STEP_CUT,
    STEP_TRASH,
    STEP_BRAKE_PURGE,
    STEP_PURGE,
    STEP__COUNT
};

#define JOB_BIT(step) (UINT32_C(1) << (step))

struct job_inst;

/* Whether a step is needed says job_plan_needed. */
struct job_step {
    const char *name;
    void (*run)(struct job_inst *in);  /* ends in job_run_step_done, never inside */
    void (*undo)(struct job_inst *in); /* ends in job_undo_step_done; NULL = nothing to take back */
};

/* The steps of an action, in order, ended by STEP__COUNT. */
struct job_plan {
    const char *name;
    unsigned char steps[STEP__COUNT + 1];
};

struct job_request {
    struct link_apply apply;
    struct job_from from;
};

/* What is being done to an instance. */
struct job_run {
    bool on;
    bool resumed;                                      /* found in the journal at the start */
    bool cancel;                                       /* end at the next step boundary */
    bool local;                                        /* nobody asked for it */
    bool untrashed, trashed, purged, started, rebuilt; /* steps that ended well */
    bool undo_failed;
    bool waits;             /* halt: for the guest, between two requests */
    int action;             /* enum action */
    struct journal_job job; /* id 0 = nobody waits for a result */
    struct journal_job_args args;
    const struct job_plan *plan;
    size_t at;       /* index into plan->steps */
    uint32_t begun;  /* bits of steps */
    uint32_t passed; /* brake steps that the intent has passed already */
    int undo_tries;
    int64_t halt_until_ms; /* mono */
    int rc;
    struct bt_err err;
    const char *step; /* where it failed */
};

struct job_inst {
    struct job *job;
    char uuid[BT_UUID_LEN + 1];
    unsigned phase;
    struct journal_instance row; /* as committed, without the text of the spec; id 0 = none */
    struct instance_spec spec;   /* as committed */
    struct driver_observed seen;
    struct limits effective; /* as read back in this run */
    bool has_effective;
    char hint_cause[16]; /* why it ended, by the event */
    bool stale;          /* look again when idle */
    bool resume;         /* `run` was found in the journal */
    bool unsynced;       /* a spec without a task whose steps did not end */
    bool lost;           /* "monitor lost" was told */
    bool blind;          /* a probe is overdue or could not tell */
    bool first;          /* counts for ready() */
    struct driver_req req;
    struct job_run run;
    struct job_request *next;  /* newest request that waits ... */
    struct job_request *later; /* ... while the spec of `next` is in use */
    struct bt_timer timer;     /* of the phase */
    struct bt_timer watchdog;  /* of a driver call */
    struct bt_timer look;      /* an event came: look again, but not too often */
    int64_t looked_ms;         /* mono */
    int64_t asked_until_ms;    /* mono: a power-off until then is an answer to us */
    bool watched;              /* the driver tells of its end */
    struct bt_list link;       /* of job->probes, job->starts or job->held */
    bool starting;             /* counts as one of the parallel starts */
    int retries;               /* of a write or a probe, for the back-off */
    int local_fails;           /* runs of ours that failed in a row ... */
    int64_t calm_until_ms;     /* ... and when (mono) the next may begin */
};

struct job_store;

struct job {
    struct job_config cfg;
    char boot_id[64];
    struct bt_map insts; /* by uuid */
    struct job_store *store;
    struct bt_list probes; /* first probes that wait */
    struct bt_list starts; /* local starts that wait, in order of the spec's id */
    struct bt_list held;   /* waits for the brake, oldest first */
    struct bt_timer held_timer, pump_timer, ready_timer;
    int probing, starting;
    size_t first_left; /* first probes that have not ended */
    int64_t confirm_until_ms;
    bool ready, asking;
};

/* ---- job_write: one transaction ---- */

enum job_row_op { JOB_ROW_KEEP, JOB_ROW_PUT, JOB_ROW_DELETE };
enum job_job_op { JOB_JOB_NONE, JOB_JOB_LOOKUP, JOB_JOB_INSERT, JOB_JOB_MOVE };

#define JOB_REPORTS_MAX 4

/* All that goes into the journal together. Filled by the caller, owned by the store once submitted.
 * What apply() finds out is in `ret_*`: the rest is only read, so it may run again. */
struct job_write {
    struct db_work work;
    struct job_store *store;
    struct job_inst *in; /* NULL = of no instance */
    void (*then)(struct job_write *w, int rc, const struct bt_err *err);
    void *owner; /* of a write of no instance */

    enum job_row_op row_op;
    struct journal_instance row;
    bool take_ids; /* choose a free range */
    enum job_job_op job_op;
    struct journal_job job;
    struct bt_err refusal; /* code set: refuse, unless the task is known */
    bool ask; /* the brake; the rest is written either way, `held_event` when it holds */
    struct journal_destroy destroy;
    struct link_report reports[JOB_REPORTS_MAX];
    size_t n_reports;
    struct link_report held_event; /* event NULL = none */
    bool confirm;
    int64_t confirm_until_ms;
    struct job_from from;

    bool ret_repeated; /* the task is in the journal: `ret_found`, nothing was written but a report
                        */
    struct journal_job ret_found;
    bool ret_held;
    int64_t ret_row_id, ret_id_base, ret_job_id;
    bool ret_reported;
};

/** The queue to the journal, kept alive by its writes. */
struct job_store *job_store_new(struct job *j);

/** The engine goes away: no `then` is called any more. */
void job_store_detach(struct job_store *s);

/** A write about @in (may be NULL). */
struct job_write *job_write_new(struct job *j, struct job_inst *in);

/** Free one that is not submitted. */
void job_write_free(struct job_write *w);

/** Submit; `then` follows from the loop, never inside. */
void job_write_submit(struct job_write *w);

/* ---- reports ---- */

/** Item of @row (borrowed spec: none). Free with link_item_schema. */
void job_report_item(const struct journal_instance *row, struct link_item *ret);

/** Add a STATE report of @w->row when it differs from what was told last. */
void job_report_state(struct job_write *w, const struct journal_instance *before);

/** Add the RESULT report of a run; @w->job gets its text too. */
void job_report_result(struct job_write *w, const struct job_run *run,
                       const struct journal_instance *row);

/** Add an EVENT; @uuid may be NULL. */
void job_report_event(struct job_write *w, const char *uuid, const char *event, const char *fmt,
                      ...) __attribute__((format(printf, 4, 5)));

/** Write an EVENT by itself. */
void job_event(struct job *j, const char *uuid, const char *event, const char *text);

/** JSON of a run's result. Caller frees. */
char *job_result_text(const struct job_run *run);

/* ---- job_inst.c ---- */

/** The instance of @uuid, made when there is none. */
struct job_inst *job_inst_get(struct job *j, const char *uuid);

/** Forget one. */
void job_inst_free(struct job_inst *in);

/** Move to @phase (a table says from where). */
void job_inst_move(struct job_inst *in, enum job_phase phase);

/** Idle: what comes next? May free @in when nothing is left of it. */
void job_inst_kick(struct job_inst *in);

/** Become idle and go on. */
void job_inst_idle(struct job_inst *in);

/** Text of the spec into @row. */
void job_inst_emit_spec(const struct instance_spec *spec, struct journal_instance *row);

/** A write of the row was committed: @w->row is the truth. */
void job_inst_commit_row(struct job_inst *in, struct job_write *w);

/** The driver of the instance, NULL when this host has none. */
struct driver *job_inst_driver(const struct job_inst *in);

/** Fill the request for the next driver call of @in. */
struct driver_req *job_inst_req(struct job_inst *in,
                                void (*done)(struct driver_req *, int, const struct bt_err *));

/** Now, UTC ms. */
int64_t job_utc(const struct job *j);

/** Now, monotonic ms. */
int64_t job_mono(const struct job *j);

/** 1, 2, 4 ... seconds, at most @max_ms. */
int64_t job_backoff(int tries, int64_t max_ms);

/* ---- job_observe.c ---- */

/** Look what is there (phase PROBE). */
void job_observe_start(struct job_inst *in);

/** The probe takes too long: nothing can be told of it. */
void job_observe_overdue(struct job_inst *in);

/** Write what was seen, again after a failure (phase RECORD). */
void job_observe_record(struct job_inst *in);

/** `look` has fired. */
void job_observe_look(struct bt_timer *t);

/** First probes, a few at a time. */
void job_observe_pump(struct job *j);

/** Events of the drivers. */
extern const struct driver_events job_observe_events;

/** State by what was seen and the trash, while nothing is being done. */
int job_observe_state(const struct job_inst *in, const struct journal_instance *row);

/** After a failed start: when to try again. */
void job_observe_failed_start(const struct job_inst *in, struct journal_instance *row);

/** May it run by what the journal says? */
bool job_observe_should_run(const struct instance_spec *spec, const struct journal_instance *row);

/* ---- job_apply.c ---- */

/** Take the waiting request into the journal (phase INTENT). */
void job_apply_begin(struct job_inst *in);

/** Answer @r with an error and free it. */
void job_apply_refuse(struct job *j, struct job_request *r, const struct bt_err *err,
                      int64_t generation);

/* ---- job_plan.c ---- */

/** The plan of @action for a spec that wants @desired. */
const struct job_plan *job_plan_find(int action, int desired);

/** Is a restart, reset or rebuild asked for and not done? */
bool job_plan_reboots(const struct job_inst *in);

/** State while @in->run works on @spec and @row, for the journal. */
int job_plan_state(const struct job_inst *in, const struct instance_spec *spec,
                   const struct journal_instance *row);

/** Is the guest ended without being asked? */
bool job_plan_kills(const struct job_inst *in);

/* Is the step needed? */
extern bool (*const job_plan_needed[STEP__COUNT])(const struct job_inst *in);

extern const struct job_step job_steps[STEP__COUNT];

/** Halt: the guest may have stopped, or the run was cancelled. */
void job_step_halt_wake(struct job_inst *in);

/* ---- job_run.c ---- */

/** Begin to walk @in->run from where it stands (from IDLE or INTENT). */
void job_run_start(struct job_inst *in);

/** A run that nobody asked for. */
void job_run_local(struct job_inst *in, int action);

/** Go on with a run of the journal. */
void job_run_resume(struct job_inst *in);

/** The present step has ended. */
void job_run_step_done(struct job_inst *in, int rc, const struct bt_err *err);

/** Ask it to end at its next step boundary. */
void job_run_cancel(struct job_inst *in);

/** Tell how far it is; @waiting_for may be NULL. */
void job_run_progress(struct job_inst *in, const char *waiting_for);

/** Free what a run owns; nothing is on. */
void job_run_clear(struct job_run *run);

/* ---- job_undo.c ---- */

/** Take back what a failed create did. */
void job_undo_start(struct job_inst *in);

/** The present step is taken back, or not. */
void job_undo_step_done(struct job_inst *in, int rc, const struct bt_err *err);

/** Take back the present step again after a failure. */
void job_undo_again(struct job_inst *in);

/** Write the end of the run again after a failure. */
void job_end_again(struct job_inst *in);

/** Write the end of the run (phase END). */
void job_end_start(struct job_inst *in);

/* ---- job_brake.c ---- */

/** Steps BRAKE_*: pass or wait. */
void job_brake_step(struct job_inst *in);

/** The question for the brake about @in. */
void job_brake_question(const struct job_inst *in, enum journal_destroy_kind kind,
                        struct journal_destroy *ret);

/** It waits from now on. */
void job_brake_hold(struct job_inst *in);

/** It waits no more. */
void job_brake_release(struct job_inst *in);

/** Fill the event that the first one that waits brings. */
void job_brake_event(struct job_write *w, const struct job_inst *in);

/** The timer of those that wait. */
void job_brake_timer(struct bt_timer *t);
