/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/sm/sm.h"
#include "controller/agentlink/agentlink.h"
#include "controller/agentlink/agentlink_stream.h"
#include "proto/link_op.h"

#define AGENTLINK_ITEMS_MAX 20000 /* instances of one inventory */
#define AGENTLINK_REPORTS_AT_ONCE 64
#define AGENTLINK_REPORTS_MAX                                                                      \
    10000 /* waiting; an agent sends no more than its window before acks */
#define AGENTLINK_QUEUE_MAX (8u << 20) /* bytes that a peer may leave unread */
#define AGENTLINK_TICK_MS 1000

enum agentlink_state {
    AGENTLINK_HELLO,     /* waits for hello */
    AGENTLINK_INVENTORY, /* collects pages */
    AGENTLINK_SYNC,      /* the inventory is being applied */
    AGENTLINK_LIVE,      /* welcome was sent */
    AGENTLINK_CLOSED,    /* no word goes out or is heard any more */
};

extern const struct bt_sm_def agentlink_sm;

struct agentlink_session;

/* What is known of a host, with or without a session. */
struct agentlink_rec {
    struct agentlink *al;
    int64_t id;
    char name[64];
    struct agentlink_session *session; /* the live one, or NULL */
    int64_t heard_mono_ms;
    int level, wanted; /* of the lease: as stored, as being stored */
    bool busy, gone;   /* a lease work is in flight; forgotten meanwhile */
    bool has_figures;
    struct agentlink_figures figures;
    int64_t disk_told; /* percent of disk used that placement knows */
    bool figures_busy;
    struct link_renew figures_sent;
    struct db_work lease_work, figures_work;
    struct agentlink_out out;
};

/* A report that waits for its transaction. */
struct agentlink_report {
    struct bt_list link;
    struct link_report r;
};

/* An apply whose answer is not there yet. */
struct agentlink_sent {
    int64_t task_id;
    char uuid[37];
};

struct agentlink_session {
    struct bt_list link;
    struct agentlink *al;
    struct rpc_peer rpc;
    struct rpc_peer *peer; /* &rpc, NULL once closed */
    unsigned state;        /* enum agentlink_state */
    unsigned works;        /* in flight; the struct lives as long */
    struct agentlink_cert cert;
    struct link_hello hello;
    struct bt_arr items; /* struct link_item */
    int64_t next_page;
    struct agentlink_sync sync;
    struct db_work sync_work;
    struct agentlink_out out;
    int64_t skew_ms;
    struct agentlink_rec *host;
    int64_t epoch, next_id;
    bool joining;
    struct bt_map sent; /* id -> struct agentlink_sent */
    /* reports */
    struct bt_list reports;
    size_t n_reports, in_work; /* waiting; of them in the work */
    struct db_work report_work;
    struct agentlink_out report_out;
    struct bt_timer retry;
    bool report_busy, skip;
    struct bt_err skip_why;
    int64_t acked;
    /* questions, streams */
    struct bt_list asks, streams;
    uint32_t next_stream;
};

struct agentlink {
    struct agentlink_config cfg;
    struct bt_map hosts;     /* id -> struct agentlink_rec */
    struct bt_list sessions; /* struct agentlink_session */
    struct bt_list failed_asks, failed_streams;
    struct bt_timer tick;
    struct bt_post fail_post;
    bool fail_posted, stopping;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    struct agentlink_stats stats;
};

/* ---- agentlink_session.c ---- */

/** Send one message; nothing when the session is closed. Returns its id. */
int64_t agentlink_say(struct agentlink_session *s, const char *op, const char *body, int64_t re);

/** Tell why and close. */
void agentlink_end(struct agentlink_session *s, const struct bt_err *why);

/** Free a closed session whose works have ended. */
void agentlink_session_release(struct agentlink_session *s);

/* ---- agentlink_live.c: what a session hears once it has its welcome ---- */

/** Queue a report. */
void agentlink_on_report(struct agentlink_session *s, const char *body);

/** An apply was taken, or refused. */
void agentlink_on_accepted(struct agentlink_session *s, int64_t re, const char *body);

/** The lease is renewed. */
void agentlink_on_renew(struct agentlink_session *s, const char *body);

/** Progress of a task. */
void agentlink_on_progress(struct agentlink_session *s, const char *body);

/** The agent wants a new certificate. */
void agentlink_on_cert(struct agentlink_session *s, int64_t id, const char *body);

/** Drop what waits (the session has closed). */
void agentlink_live_fini(struct agentlink_session *s);

/* ---- agentlink_ask.c ---- */

/** An answer or an error to one of our messages; false when nobody asked. */
bool agentlink_on_answer(struct agentlink_session *s, int64_t re, const char *op, const char *body);

/** Fail every question of a session. */
void agentlink_asks_fail(struct agentlink_session *s);

/** Run what fails later. */
void agentlink_fail_soon(struct agentlink *a);

/* ---- agentlink_stream.c ---- */

/** Control of a stream. */
void agentlink_on_stream(struct agentlink_session *s, const char *body);

/** Data of a stream. */
void agentlink_on_binary(struct agentlink_session *s, uint32_t id, const void *data, size_t len);

/** End every stream of a session with HOST_UNREACHABLE. */
void agentlink_streams_fail(struct agentlink_session *s);

/* ---- agentlink_lease.c ---- */

/** Record of a host, made when it is new. */
struct agentlink_rec *agentlink_rec_get(struct agentlink *a, int64_t id, const char *name);

/** Judge every lease. */
void agentlink_lease_tick(struct bt_timer *t);

/** The host has been heard now. */
void agentlink_heard(struct agentlink_rec *h);

/** Keep figures; tell placement when they matter. */
void agentlink_figures_take(struct agentlink_rec *h, const struct link_renew *r);
