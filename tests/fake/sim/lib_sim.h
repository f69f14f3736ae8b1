/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/driver/fake/fake.h"
#include "agent/job/job.h"
#include "agent/journal/journal.h"
#include "agent/link/link.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/loop/loop.h"
#include "common/rpc/rpc_sim.h"
#include "controller/service/service.h"
#include "controller/service/service_start.h"
#include "db/core/db.h"
#include "proto/api_instance.h"

/*
 * A whole fleet in one process on a virtual clock: one controller (real services, database on a
 * memory file system) and agents (real journals, job engines and links over a fake kernel), joined
 * by simulated links. A seeded client asks for random verbs while controller, agents and links die;
 * then faults end, the fleet becomes quiet, and the invariants must hold.
 */
#define SIM_AGENTS_MAX 32
#define SIM_NAMES 40
#define SIM_TENANTS 3

struct sim;

struct sim_agent {
    struct sim *sim;
    int n;
    char name[16], dir[160], boot_id[40], serial[33];
    struct fake_kernel *kernel;
    struct driver *driver;
    struct db *db;
    struct journal_meta meta;
    struct job *job;
    struct link *link;
    bool alive, keep_dead;
    int lives;
    struct bt_timer crash_timer, birth_timer;
    struct job_fault fault;
    int64_t writes, die_at_write; /* 0 = never */
};

/* One request of the client, kept until the end: what was acknowledged must be true for ever. */
struct sim_req {
    struct bt_list link;
    struct sim *sim;
    struct service_call call;
    char key[24], path[96], target[40], body_hash[24];
    char code[64]; /* of a refusal */
    bool dry_run;
    int64_t if_match;
    int64_t error_task;
    struct api_instance_create create;
    struct api_action action;
    bool is_create, open, lost; /* lost: the controller died before it answered */
    bool acked;
    int status;
    int64_t task_id;
    char *answer; /* bytes of the acknowledged answer */
    int tries;
};

#define SIM_HANDS_MAX 16
#define SIM_HAND_TEXTS 64

/* A peer whose frames the test writes itself. */
struct sim_hand {
    struct sim *sim;
    struct rpc_peer peer;
    char name[16], cn[64], serial[40];
    bool open, closed;
    int id, n_texts;
    char *texts[SIM_HAND_TEXTS];
};

struct sim {
    uint64_t seed;
    struct bt_random_seeded rnd;
    struct bt_loop *loop;
    struct rpc_sim *net;
    char dir[128];
    /* controller */
    struct db *db;
    struct bt_pool *cpu;
    struct service svc;
    bool up;
    int lives;
    /* agents */
    struct sim_agent agents[SIM_AGENTS_MAX];
    int n_agents;
    struct sim_hand *hands[SIM_HANDS_MAX];
    int n_hands;
    int pool_len;     /* of each host's IPv4 pool, 0 = 28 */
    int64_t trash_ms; /* of agents that start from now on, 0 = 7 days */
    /* client */
    struct bt_list reqs;
    int n_reqs, n_acked, n_refused, n_replayed, n_lost;
    int64_t next_key;
    bool faults;
    int n_faults;
    char failure[512]; /* what is wrong; "" = nothing */
};

/* ---- lib_world.c ---- */

/** Build it: @agents hosts, plans, pools, image, tenants; everything runs. */
void sim_init(struct sim *s, uint64_t seed, int agents);

/** As sim_init with IPv4 pools of another length than /28. */
void sim_init_pools(struct sim *s, uint64_t seed, int agents, int pool_len);

/** The database is lost: the controller dies and starts on an empty one with the same plans, image
 * and tenants, but without hosts and pools. */
void sim_wipe(struct sim *s);

/** Plans, image, tenants, location, IPv6 pool into the database at hand. */
int sim_fill(struct db_tx *tx, void *sim, struct bt_err *err);

/** The IPv4 pool of host @n (from 0), whose row is @host_id. */
int sim_put_pool(struct db_tx *tx, struct sim *s, int n, int64_t host_id, struct bt_err *err);

/** End it and remove its files. */
void sim_fini(struct sim *s);

/** Let @ms pass. */
void sim_run(struct sim *s, int64_t ms);

/** Note the first thing that is wrong. Returns false. */
bool sim_fail(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Random number in [0, bound). */
int64_t sim_below(struct sim *s, int64_t bound);

/** The controller dies: nothing more comes from it. */
void sim_controller_kill(struct sim *s);

/** The controller starts again on its database. */
void sim_controller_start(struct sim *s);

void sim_agent_kill(struct sim_agent *a);
void sim_agent_start(struct sim_agent *a);

/** Run @fn in a transaction of its own at once (the controller is up). Aborts on failure. */
void sim_tx(struct sim *s, int (*fn)(struct db_tx *tx, void *arg, struct bt_err *err), void *arg);

/** Dial as host @name with the certificate @serial; open or closed when it returns. */
void sim_hand_dial(struct sim *s, struct sim_hand *h, const char *name, const char *serial);

/** Send a message and let 200 ms pass. */
void sim_hand_say(struct sim_hand *h, int64_t epoch, const char *op, const char *body);

/** Send just these bytes and let 200 ms pass. */
void sim_hand_raw(struct sim_hand *h, const char *text);

/** The first message heard that has @part in it, NULL = none. */
const char *sim_hand_heard(const struct sim_hand *h, const char *part);

/** Close and forget. */
void sim_hand_end(struct sim_hand *h);

/* ---- lib_client.c ---- */

/** Ask for one random thing. */
void sim_client_step(struct sim *s);

/** Ask again, with the same key, for something acknowledged: the same bytes must come. */
void sim_client_replay(struct sim *s);

/** Ask again for everything that was lost. */
void sim_client_retry_lost(struct sim *s);

/** Is any request still open? */
bool sim_client_busy(const struct sim *s);

/** Create one instance and wait for its answer; returns the request. */
struct sim_req *sim_create(struct sim *s, const char *name, const char *tenant, const char *plan);

/** One verb ("start") on an instance (name or uuid); waits for the answer, not for the task. */
struct sim_req *sim_do(struct sim *s, const char *verb, const char *target,
                       const struct api_action *args);

/** Wait until the task of @r has ended, at most @ms; its state (enum task_state), -1 = not ended.
 * @code (may be NULL, 64 bytes) gets its error code. */
int sim_wait_task(struct sim_req *r, int64_t ms, char *code);

/** A request of the given principal on a target, not yet sent; sim_send sends it and waits. */
struct sim_req *sim_request(struct sim *s, const char *verb, const char *target);
struct sim_req *sim_request_create(struct sim *s, const char *name, const char *tenant,
                                   const char *plan);
void sim_send(struct sim_req *r);

/** Send without waiting. */
void sim_send_only(struct sim_req *r);

/** Error code of a refused request ("locked"), "" when it was acknowledged. */
const char *sim_code(const struct sim_req *r);

/** Free every request. */
void sim_client_fini(struct sim *s);

/* ---- lib_check.c ---- */

/** Wait until nothing is open, at most @ms. */
bool sim_quiet(struct sim *s, int64_t ms);

/** The invariants (reliability: I1 to I11 as far as they exist). */
bool sim_check(struct sim *s);
