/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "proto/spec.h"

/*
 * Agent link v1: every text frame is {v, id, re, op, epoch, body}. `id` numbers requests of a side,
 * `re` answers one (0 = none). Bodies are lenient to unknown optional fields; an unknown op is
 * answered with op "error", code unknown_operation. Order of a session:
 *   agent: hello, inventory pages (last: done) -> controller: welcome, ack -> apply, cancel, stream
 * ... agent: renew every lease_ms / 3, report (seq), progress.
 */
#define LINK_VERSION 1
#define LINK_INVENTORY_PAGE 100
#define LINK_LEASE_MS 5000
#define LINK_SUSPECT_MS 15000
#define LINK_UNREACHABLE_MS 45000
#define LINK_STREAM_CREDIT 65536

struct link_envelope {
    int64_t v, id, re, epoch;
    char *op;
    char *body; /* raw JSON object */
};

struct link_driver {
    char *name;
    bool available;
    char *reason;
};

struct link_host {
    int64_t cpus, memory_bytes, disk_bytes;
    int64_t disk_free_bytes;
    struct bt_arr drivers; /* struct link_driver */
    char *kernel;
    char *cgroup;       /* v1, hybrid, v2 */
    char *disk_backend; /* loop, xfs, ext4 */
    uint64_t features;  /* of instances that this host can give */
};

struct link_hello {
    int64_t protocol_min, protocol_max;
    struct bt_arr features; /* char * */
    char *agent_version;
    char *boot_id;
    char *session;    /* random, each start of the agent */
    char *journal_id; /* random, life of the journal */
    int64_t clock_ms;
    char *controller_id; /* the one it obeys, NULL = none yet */
    int64_t epoch;       /* highest seen */
    struct link_host host;
};

struct link_welcome {
    char *controller_id;
    char *host_name;
    int64_t epoch;
    int64_t protocol;
    bool joining;        /* hello and inventory only: no change is sent or taken */
    int64_t applied_seq; /* of the agent's journal */
    int64_t lease_ms;
    int64_t clock_ms;
};

/* One instance as the agent has it. */
struct link_item {
    char *uuid;
    int64_t generation, done_generation;
    int state;   /* enum instance_state */
    int desired; /* enum desired */
    int desired_by;
    bool paused, trashed;
    int64_t purge_at, started_at;
    struct limits *effective;
    struct instance_spec *spec; /* whole: what an orphan is adopted from */
};

struct link_inventory {
    int64_t page;
    bool done;
    struct bt_arr items; /* struct link_item */
};

struct link_apply {
    int64_t task_id; /* 0 = no task: the spec alone (resync) */
    int action;      /* enum action */
    bool force;
    int64_t timeout_ms; /* graceful stop */
    struct instance_spec spec;
};

/* Answer to apply: taken into the journal, or not. */
struct link_accepted {
    int64_t task_id;
    int64_t generation; /* the agent's own */
    char *code;         /* NULL = accepted; stale_generation, brake_held, joining, ... */
    char *message;
};

struct link_cancel {
    int64_t task_id;
};

struct link_progress {
    int64_t task_id;
    int64_t progress; /* 0..100 */
    char *step;
    char *waiting_for;
};

struct link_result {
    int64_t task_id;
    int action;
    bool ok, cancelled;
    char *code, *message, *hint;
    char *step; /* where it failed */
    bool retryable;
};

/* Sequenced report: the observed state of one instance, with a result or an event when there is
 * one. */
struct link_report {
    int64_t seq;
    int kind; /* enum report_kind */
    int64_t at;
    struct link_item *item;     /* state after it, for RESULT and STATE */
    struct link_result *result; /* RESULT */
    char *event; /* EVENT: type, e.g. instance.oom, host.brake_held, instance.guest_reboot */
    char *uuid;  /* EVENT of an instance */
    char *text;
};

struct link_ack {
    int64_t seq; /* all up to this one are applied */
};

struct link_renew {
    int64_t clock_ms;
    int64_t memory_used_bytes, disk_used_bytes, disk_free_bytes, instances;
    int64_t cpu_used_millicores;
};

struct link_stream_open {
    int64_t stream; /* u32, chosen by the controller, never reused in a session */
    int kind;       /* enum stream_kind */
    char *uuid;
    struct bt_arr argv; /* char * */
    bool tty;
    int64_t rows, cols;
};

/* Control of a stream, both ways; exactly one of the members counts. Data: binary frames with the
 * stream id, then 1 byte channel (0 in, 1 out, 2 err), then bytes. */
struct link_stream_ctl {
    int64_t stream;
    char *what; /* opened, failed, resize, eof, exit, close, credit */
    int64_t rows, cols;
    int64_t status; /* exit */
    /* credit: bytes more that the other side may send; eof and ends: bytes that went before */
    int64_t credit;
    char *code, *message;
};

struct link_error {
    char *code, *message;
};

/* Questions about the host, answered with the body of the same op. */
struct link_doctor_finding {
    int kind; /* enum doctor_kind */
    char *object, *expected, *found, *fix;
};

struct link_doctor {
    struct bt_arr findings; /* struct link_doctor_finding */
};

struct link_confirm {
    int64_t until_ms; /* destroys held by the brake may go until then */
};

/* Renewal of the agent's certificate over the link. */
struct link_cert {
    char *csr;  /* agent's question */
    char *cert; /* controller's answer */
};

extern const struct bt_schema link_envelope_schema, link_host_schema, link_hello_schema,
    link_welcome_schema, link_item_schema, link_inventory_schema, link_apply_schema,
    link_accepted_schema, link_cancel_schema, link_progress_schema, link_result_schema,
    link_report_schema, link_ack_schema, link_renew_schema, link_stream_open_schema,
    link_stream_ctl_schema, link_error_schema, link_doctor_schema, link_confirm_schema,
    link_cert_schema, link_driver_schema;
