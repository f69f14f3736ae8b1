/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/loop/loop.h"
#include "common/rpc/rpc_peer.h"
#include "controller/agentlink/agentlink_out.h"
#include "db/core/db.h"
#include "proto/link.h"

/*
 * One object per agent session over struct rpc_peer, one record per host with its lease
 * (docs/decisions/0043-agent-sessions.md). Everything that lasts is done in transactions by the
 * callbacks of struct agentlink_ops (service); this part frames, orders, times and counts.
 * Loop thread only.
 */
struct agentlink;

/* Facts of the certificate with which a peer came; checked against the database at hello. */
struct agentlink_cert {
    char serial[65];
    char cn[128];
    int64_t not_after_ms; /* 0 = unknown */
};

/* A complete inventory with its hello. */
struct agentlink_sync {
    struct agentlink_cert cert;
    const struct link_hello *hello;
    const struct bt_arr *items; /* struct link_item */
    int64_t clock_skew_ms;      /* agent minus controller */
    /* out */
    int64_t host_id;
    char host_name[64];
    int64_t epoch;
    int64_t applied_seq;
    bool joining;
};

struct agentlink_host {
    int64_t id;
    const char *name;
};

/* A record of an agent's journal. */
struct agentlink_record {
    int64_t host_id;
    const char *journal_id;
    const struct link_report *report;
    const struct bt_err *why; /* report_skip: why it can never be applied */
};

/* An apply that was not accepted. */
struct agentlink_refusal {
    int64_t host_id;
    const char *uuid;
    const struct link_accepted *answer; /* task_id as it was sent */
};

struct agentlink_ops {
    /* Writer, just before sync. Whose certificate is it, may it speak at all? Sets host_id,
     * host_name, joining. DENIED (revoked, removed host), UNSUPPORTED. */
    int (*hello)(struct db_tx *tx, void *ctx, struct agentlink_sync *s, struct agentlink_out *out,
                 struct bt_err *err);
    /* Writer. Act on a complete inventory: epoch, facts, instances, orphans, tasks. */
    int (*sync)(struct db_tx *tx, void *ctx, struct agentlink_sync *s, struct agentlink_out *out,
                struct bt_err *err);
    /* Writer. One record of a journal, in order; must store its seq in this transaction. */
    int (*report)(struct db_tx *tx, void *ctx, const struct agentlink_record *r,
                  struct agentlink_out *out, struct bt_err *err);
    /* Writer. A record that can never be applied: only its seq is stored, and an alarm raised. */
    int (*report_skip)(struct db_tx *tx, void *ctx, const struct agentlink_record *r,
                       struct agentlink_out *out, struct bt_err *err);
    /* Writer. An apply was not accepted. */
    int (*refused)(struct db_tx *tx, void *ctx, const struct agentlink_refusal *r,
                   struct agentlink_out *out, struct bt_err *err);
    /* Writer. The lease: 0 = answers, 1 = suspect, 2 = unreachable. */
    int (*lease)(struct db_tx *tx, void *ctx, int64_t host_id, int level, struct agentlink_out *out,
                 struct bt_err *err);
    /* Writer. Free space and use of a host have changed enough to matter to placement. */
    int (*figures)(struct db_tx *tx, void *ctx, int64_t host_id, const struct link_renew *r,
                   struct bt_err *err);
    /* Pool thread. Sign a CSR for the host @cn; serial and expiry are stored by cert_store. */
    int (*cert_sign)(void *ctx, const char *csr, const char *cn, char **ret_pem,
                     struct agentlink_cert *ret, struct bt_err *err);
    int (*cert_store)(struct db_tx *tx, void *ctx, int64_t host_id, const struct agentlink_cert *c,
                      struct bt_err *err);
    /* Loop. A transaction of this part has committed: hand out events, wake who waits. The commands
     * in @out are sent by agentlink itself afterwards. */
    void (*committed)(void *ctx, const struct agentlink_out *out);
    /* Loop. */
    void (*progress)(void *ctx, const struct link_progress *p);
    void *ctx;
};

struct agentlink_config {
    struct db *db;
    struct bt_loop *loop;
    struct bt_pool *cpu; /* cert_sign; may be NULL when that is */
    struct agentlink_ops ops;
    const char *controller_id;
    int64_t lease_ms, suspect_ms, unreachable_ms; /* 0 = LINK_* */
};

/** Make it. */
struct agentlink *agentlink_new(const struct agentlink_config *cfg);

/** Free a stopped one. NULL is fine. */
void agentlink_free(struct agentlink *a);

/**
 * Begin to time the leases of @hosts (all that are not removed or joining): those that do not come
 * back after a start of the controller become suspect and unreachable like any other.
 */
void agentlink_start(struct agentlink *a, const struct agentlink_host *hosts, size_t n);

/** Close every session, then @done on the loop. */
void agentlink_stop(struct agentlink *a, void (*done)(void *ctx), void *ctx);

/**
 * A connection comes in: the peer that the transport shall fill and drive; it lives until closed().
 * NULL refuses (stopping).
 */
struct rpc_peer *agentlink_accept(struct agentlink *a, const struct agentlink_cert *cert);

/** Send the commands of a committed transaction to hosts that have a session (others get theirs
 * when they come back). Takes nothing: the caller resets @out. */
void agentlink_flush(struct agentlink *a, const struct agentlink_out *out);

/** Has @host_id a session that has finished its inventory? */
bool agentlink_live(const struct agentlink *a, int64_t host_id);

/** Close the session of a host (revoked, adopted, removed); it may dial again. */
void agentlink_disconnect(struct agentlink *a, int64_t host_id);

/** Forget a removed host. */
void agentlink_forget(struct agentlink *a, int64_t host_id);

/* Newest figures of a host's renew; in memory only. */
struct agentlink_figures {
    bool live;
    int64_t at_utc_ms;
    struct link_renew renew;
};

/** Figures of a host; false when none have come since the start. */
bool agentlink_figures_get(const struct agentlink *a, int64_t host_id,
                           struct agentlink_figures *ret);

/* ---- questions to a host ---- */

/* A question (doctor, confirm): one answer or one failure. */
struct agentlink_ask {
    struct bt_list link;
    struct bt_timer timer;
    int64_t id;
    const char *op;
    /* @body: answer, NULL on failure (HOST_UNREACHABLE, TIMEOUT, or the agent's own error). */
    void (*done)(struct agentlink_ask *q, const char *body, size_t len, const struct bt_err *err);
    void *owner;
};

struct agentlink_question {
    int64_t host_id;
    const char *op;   /* LINK_OP_*, static */
    const char *body; /* JSON, copied; NULL = {} */
    int64_t timeout_ms;
};

/** Ask a host; done follows exactly once, never inside. */
void agentlink_ask_begin(struct agentlink_ask *q, struct agentlink *a,
                         const struct agentlink_question *what);

/* (q, a, host_id, op, body, timeout_ms) */
#define agentlink_ask_start(q, a, ...)                                                             \
    agentlink_ask_begin((q), (a), &(const struct agentlink_question){__VA_ARGS__})

/** Do not call done() any more. */
void agentlink_ask_stop(struct agentlink_ask *q);

/* ---- for /metrics ---- */

struct agentlink_stats {
    int64_t sessions, suspect, unreachable, reports, refused;
};

/** Counters. */
void agentlink_stats_get(const struct agentlink *a, struct agentlink_stats *ret);
