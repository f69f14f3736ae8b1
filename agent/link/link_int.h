/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "agent/link/link.h"
#include "agent/stream/stream.h"
#include "common/base/list.h"
#include "proto/link_op.h"

/* Inside of the link. A session is one connection; its number tells late answers apart. */
enum link_state {
    LINK_DOWN, /* waits to dial */
    LINK_DIALING,
    LINK_HELLO,   /* hello and inventory are out */
    LINK_JOINING, /* welcome, but nothing more */
    LINK_LIVE,
};

#define LINK_WINDOW 64 /* reports that may be without acknowledgement */

struct link_fetch; /* a read of the journal */
struct link_ack_write;

/* The transport's side of a session. It outlives the link when it must: its last callback frees it.
 */
struct link_peer {
    struct rpc_peer rpc;
    struct link *link; /* NULL = nobody listens any more */
};

struct link {
    struct link_config cfg;
    char boot_id[64];
    char session_id[BT_UUID_LEN + 1]; /* of this life of the agent */
    struct journal_meta meta;
    struct job *job;
    struct stream_set *streams;

    unsigned state;
    struct link_peer *peer; /* of the present session, NULL = none */
    int64_t session;        /* its number */
    int64_t epoch;          /* of the session, 0 before the welcome */
    int64_t next_id;        /* of our frames */
    int64_t backoff_ms;
    struct bt_timer dial_timer, welcome_timer, renew_timer, ack_timer, cert_timer;
    int64_t lease_ms;

    int64_t sent_seq;            /* newest report that was sent in this session */
    int64_t window[LINK_WINDOW]; /* what was sent and not acknowledged, oldest first */
    size_t n_window;
    int64_t acked_seq, deleted_seq; /* acknowledged; and forgotten by the journal */
    struct link_fetch *fetch;
    struct link_ack_write *ack_write;
    bool more;       /* reports may have come since the last read */
    int64_t cert_id; /* our question for a certificate, 0 = none */
};

/* ---- link.c ---- */

/** End the session; another is dialled later. */
void link_drop(struct link *l, const char *why);

/** Move to @state. */
void link_move(struct link *l, enum link_state state);

/* ---- link_out.c ---- */

/* A frame towards the controller. */
struct link_frame {
    const char *op;
    int64_t re;
    const struct bt_schema *schema;
    const void *body;
};

/** Send; returns its id, 0 when there is no session. */
int64_t link_send(struct link *l, const struct link_frame *f);

/** Send hello and the whole inventory. */
void link_send_hello(struct link *l);

/** Answer with an error. */
void link_send_error(struct link *l, int64_t re, const struct bt_err *err);

/** renew_timer. */
void link_renew_fired(struct bt_timer *t);

/* ---- link_report.c ---- */

/** The session is live: @applied_seq is what the controller has applied of this journal. */
void link_report_begin(struct link *l, int64_t applied_seq);

/** Send what the window allows. */
void link_report_more(struct link *l);

/** The controller has applied everything up to @seq. */
void link_report_ack(struct link *l, int64_t seq);

/** ack_timer. */
void link_report_ack_fired(struct bt_timer *t);

/** The link goes away: what is under way is not heard any more. */
void link_report_detach(struct link *l);

/* ---- link_in.c ---- */

/** A text frame has come. */
void link_in_text(struct link *l, const char *json, size_t len);

/* ---- link_cert.c ---- */

/** Live: ask for a new certificate when it is time, now or later. */
void link_cert_begin(struct link *l);

/** cert_timer. */
void link_cert_fired(struct bt_timer *t);

/** The answer. */
void link_cert_answer(struct link *l, const struct link_cert *c);
