/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "agent/driver/fake/fake.h"
#include "agent/job/job.h"
#include "agent/link/link.h"
#include "common/loop/loop.h"
#include "common/rpc/rpc_sim.h"

/*
 * One agent with its real journal on a virtual clock, a fake kernel that outlives it, and a
 * scripted controller behind a simulated link. The agent can die at any write and any driver call;
 * then it is thrown away and made again on the same files.
 */
#define WORLD_INSTANCES 24
#define WORLD_TASKS 256

enum world_crash { CRASH_NEVER, CRASH_BEFORE_WRITE, CRASH_AFTER_WRITE };

/* A task as the controller has it. */
struct world_task {
    int64_t id;
    int action, inst;
    struct link_apply apply;
    bool ended, ok, cancelled, asked_cancel;
    char code[64], step[64], waiting_for[128];
    int results; /* RESULT reports that were applied for it */
};

/* An instance as the controller has it. */
struct world_inst {
    struct instance_spec spec;
    bool seen; /* an item was applied */
    int state, desired, desired_by;
    bool paused, trashed;
    int64_t generation, done_generation, started_at, purge_at;
    int64_t memory_bytes; /* effective */
};

struct world {
    struct bt_loop *loop;
    struct bt_random_seeded rnd;
    struct rpc_sim *sim;
    struct fake_kernel *kernel;
    char dir[64];
    char boot_id[40];
    struct job_brake brake;
    struct journal_ids ids;

    /* the agent */
    struct db *db;
    struct journal_meta meta;
    struct driver *driver;
    struct job *job;
    struct link *link;
    struct job_fault fault;
    bool alive, keep_dead;
    int lives;
    struct bt_timer crash_timer;
    int64_t writes; /* of all lives */
    int64_t crash_at;
    enum world_crash crash;

    /* the controller */
    struct rpc_peer *peer; /* of the present session */
    char controller_id[BT_UUID_LEN + 1];
    int64_t epoch, next_id;
    bool joining, silent; /* say joining; do not acknowledge */
    int64_t applied_seq;
    char journal_id[BT_UUID_LEN + 1];
    bool live, inventory_done;
    int hellos, inventory_items;
    struct link_hello hello;
    struct world_inst insts[WORLD_INSTANCES];
    struct world_task tasks[WORLD_TASKS];
    int n_tasks;
    const char *wrong; /* seen on the way */
    struct bt_timer ack_timer;
    char last_event[64];
    int events_held, events_lost;
    char last_op[32];   /* newest answer that is not of a task */
    char last_code[64]; /* its error code */
    int findings;
    struct bt_buf stream_out; /* content of channel 1 */
    char stream_end[16];      /* exit, failed, close */
    int64_t stream_status, stream_got, stream_end_at;
    bool stream_opened, stream_greedy; /* greedy: never gives credit */
};

/** A world with a living agent; run it to let them meet. */
void world_init(struct world *w, uint64_t seed);

/** End it and remove its files. */
void world_fini(struct world *w);

/** Let @ms of virtual time pass. */
void world_run(struct world *w, int64_t ms);

/** Run until nothing is open, at most @ms; true when so. */
bool world_settle(struct world *w, int64_t ms);

/** kill -9 now (from outside of any callback), and a new agent. */
void world_restart(struct world *w);

/** kill -9; stays dead until world_restart. */
void world_kill(struct world *w);

/** The host restarts. */
void world_reboot(struct world *w);

/** The agent dies at its @n-th write from now. */
void world_crash_at_write(struct world *w, int64_t n, enum world_crash how);

/** A new task for instance @i; the spec is changed as the action says. Returns its index. */
int world_task(struct world *w, int i, int action);

/** As world_task with arguments of the halt. */
int world_task_with(struct world *w, int i, int action, bool force, int64_t timeout_ms);

/** Send it (again), if the link is up. */
void world_send_task(struct world *w, int t);

/** Ask to cancel it. */
void world_cancel(struct world *w, int t);

/** Task, then run until it has ended (at most @ms). */
struct world_task *world_do(struct world *w, int i, int action, int64_t ms);

/** Send any frame. */
void world_send(struct world *w, const char *op, const struct bt_schema *s, const void *body);

/** Send text as it is. */
void world_send_raw(struct world *w, const char *text);

/** uuid of instance @i. */
const char *world_uuid(int i);

/** What the fake kernel has of @i. */
struct fake_instance *world_fake(struct world *w, int i);

/**
 * The invariants of a quiet world: no task is open, what the controller knows is what the kernel
 * has, nothing leaks, no range of host ids is used twice. NULL when they hold, else what is wrong.
 */
const char *world_wrong(struct world *w);
