/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/job/job.h"
#include "agent/journal/journal.h"
#include "common/loop/loop.h"
#include "common/rpc/rpc_peer.h"
#include "common/sm/sm.h"
#include "db/core/db.h"
#include "proto/link.h"

/*
 * The agent's side of the link to its controller (proto/link.h): it dials, says hello and what is
 * here, obeys a controller that it trusts, and sends what the journal has to report until it is
 * acknowledged (docs/decisions/0033-agent-link.md). Loop thread only.
 */
struct link;

/* This host, as hello, renew and the doctor tell it. */
struct link_host_ops {
    void (*facts)(void *ctx, struct link_host *ret);    /* without drivers */
    void (*figures)(void *ctx, struct link_renew *ret); /* without clock and instances */
    void (*doctor)(void *ctx, struct link_doctor *out); /* more findings; may be NULL */
    /* Look at the kernel before doctor() is asked: @done once, also inside; never after
     * link_free (then @arg is freed). NULL = nothing to wait for. */
    void (*inspect)(void *ctx, void (*done)(void *arg), void *arg);
    void *ctx;
};

/* Renewal of the certificate; NULL ops in simulations. */
struct link_cert_ops {
    /* UTC ms at which it should be renewed. */
    int64_t (*renew_at)(void *ctx);
    /* A request for a new key. Caller frees. */
    int (*csr)(void *ctx, char **ret_pem, struct bt_err *err);
    /* The answer: replace key and certificate; the next session uses them. */
    int (*store)(void *ctx, const char *cert_pem, struct bt_err *err);
    void *ctx;
};

struct link_config {
    struct bt_loop *loop;
    const struct bt_random *random;
    struct rpc_dialer *dialer;
    struct db *db; /* the journal */
    const struct journal_meta *meta;
    const char *boot_id, *version;
    struct driver *drivers[JOB_DRIVERS];
    struct journal_ids ids;
    struct link_host_ops host;
    const struct link_cert_ops *cert;
};

extern const struct bt_sm_def link_sm;

/** Make it; nothing is dialled before the engine is ready. */
struct link *link_new(const struct link_config *cfg);

/** What the engine tells: give it to job_new, then call link_set_job. */
struct job_events link_job_events(struct link *l);

/** The engine of which this link speaks. */
void link_set_job(struct link *l, struct job *j);

/** Close the session and forget everything. The drivers have been freed before. NULL is fine. */
void link_free(struct link *l);

/* Whom to obey. */
enum link_trust {
    LINK_OBEY,  /* ours, or one that has adopted us */
    LINK_JOINS, /* it says hello only: a new controller, or one that was put back from a copy */
};

/**
 * Judge a welcome by what the journal knows; @m becomes what the journal shall know. A foreign
 * controller, or ours with a lower epoch than it had, is obeyed only after it has once said
 * "joining" (an operator adopts in between).
 */
enum link_trust link_judge(struct journal_meta *m, const struct link_welcome *w);
