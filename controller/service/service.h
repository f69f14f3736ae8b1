/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/crypto/crypto.h"
#include "common/json/json.h"
#include "common/loop/loop.h"
#include "controller/auth/auth.h"
#include "controller/service/service_setting.h"
#include "controller/task/task.h"
#include "db/core/db.h"
#include "db/repo/repo_event.h"
#include "proto/enums.h"

/*
 * Use cases of the controller. A verb is one const row; its apply is straight-line code in one
 * transaction on the writer. The framework does, in this order: authenticate again, authorise,
 * idempotency key (a stored answer is replayed byte for byte), If-Match and the verb itself,
 * idempotency row, audit row; then COMMIT; then after() and done() on the loop. A failure (also any
 * 4xx) rolls all of it back and stores nothing. dry_run does everything, then rolls back.
 *
 *   static const struct service_verb verb = {.name = "plan.create", .scope = SCOPE_OPERATOR,
 *                                            .apply = plan_create};
 *   c->svc, c->verb, c->who, c->args, ..., c->done; service_submit(c)
 *
 * apply() may run more than once (db.h): it changes nothing but the transaction, the placement
 * state through sched_* (which registers undo), and the answer of its call, which the framework
 * empties before each run (docs/decisions/0040-service-calls.md).
 */
#define SERVICE_BODY_MAX (4 << 20) /* bytes of an answer */

struct sched;
struct tasks;
struct agentlink;
struct events;
struct blob_store;
struct pki;
struct console;
struct service_keeper;

struct service {
    struct db *db;
    struct bt_loop *loop;
    const struct bt_clock *clock;
    const struct bt_random *random;
    struct bt_pool *cpu;           /* prepare() runs there */
    struct sched *sched;           /* writer thread */
    struct tasks *tasks;           /* loop thread */
    struct agentlink *link;        /* loop thread */
    struct events *events;         /* loop thread */
    struct service_keeper *keeper; /* loop thread */
    /* Set by app.c, opaque here; NULL in tests that need none. */
    struct blob_store *blob;
    struct pki *pki;
    struct console *console;
    int64_t agent_port;    /* told to hosts that join */
    const char *agent_url; /* the same as a whole address, NULL = the host they joined at */
    char controller_id[37];
    uint32_t seal_key_id;
    unsigned char seal_key[BT_SEAL_KEY_LEN];
};

struct service_call;

enum service_kind {
    SERVICE_WRITE, /* writer: idempotency, audit, commit */
    SERVICE_READ,  /* reader thread: a list or an object; no key, no audit */
    SERVICE_ASK,   /* writer thread, changes nothing: what needs the placement state */
};

struct service_verb {
    const char *name; /* "instance.start": in audit and logs */
    enum service_kind kind;
    enum scope scope;   /* what the principal needs; SCOPE_OPERATOR = operators only */
    bool secret_answer; /* its body is stored sealed under an idempotency key */
    bool open;          /* for anybody: what the body brings is judged by the verb itself */
    /* Form of args, for who parses the body (NULL = no body). */
    const struct bt_schema *args_schema;
    size_t state_size; /* zeroed memory c->state for prepare -> apply -> after */
    /* Pool thread, optional: hashing, key checks; no database. Writes c->state, c->errors. */
    int (*prepare)(struct service_call *c, struct bt_err *err);
    /* Writer (or reader) thread: check, write, answer. */
    int (*apply)(struct db_tx *tx, struct service_call *c, struct bt_err *err);
    /* Loop thread, optional, only after a commit that was neither a dry run nor a replay. */
    void (*after)(struct service_call *c);
    void (*state_free)(void *state); /* what c->state points to; the memory itself is freed */
};

/* Page of a list: filled by the caller from ?limit and ?cursor. */
struct service_page {
    int limit;          /* 1..200; 0 = 50 */
    int64_t after_id;   /* cursor of lists by id */
    char after_key[64]; /* cursor of lists by text (orphans) */
};

struct service_idem {
    const char *key; /* NULL = none */
    const char *method;
    const char *path;
    char fingerprint[65]; /* service_fingerprint() */
};

/* What the answer is; emptied before each run of apply. */
struct service_answer {
    int status;
    struct bt_buf body;
    char location[128]; /* "" = none */
    int64_t etag;       /* row version, 0 = none */
    int64_t task_id;    /* of a slow verb: what Prefer: wait waits for */
    bool replayed;      /* stored answer of an earlier request */
};

/* What the audit row says; type NULL = the verb's noun. */
struct service_audit {
    const char *type;
    int64_t id;
    int64_t tenant_id;
    const char *result; /* static; NULL = "ok" */
    char data[512];     /* JSON object, "" = {} */
};

struct service_call {
    /* In. Everything here stays the caller's and put until done(). */
    struct service *svc;
    const struct service_verb *verb;
    struct principal who;
    struct bt_ref target; /* {ref} of the path; by id, or name (uuid) */
    const char *sub;      /* second element of the path, NULL = none */
    const void *args;     /* parsed body (verb->args_schema), or the verb's own struct */
    struct service_page page;
    struct service_idem idem;
    int64_t if_match; /* row version, 0 = not asked for */
    bool dry_run;
    void (*done)(struct service_call *c, int rc, const struct bt_err *err);
    void *owner;

    /* Out, valid in done(). */
    struct service_answer answer;
    struct bt_field_errors errors; /* bad fields (code INVALID) */
    int64_t error_task;            /* code LOCKED: the task that holds the resource */

    /* The framework's and the verb's. */
    void *state;
    struct service_audit audit;
    struct agentlink_out out; /* commands for agents, sent after COMMIT */
    struct db_work work;
    struct db_read read;
    struct bt_work prep;
    struct bt_post post; /* of a call that ends before it began */
    int rc;
    struct bt_err err;
};

/**
 * Run a call. done() follows from the loop exactly once, never inside; also when a queue is full
 * (UNAVAILABLE). Call service_call_fini when done with it. Loop thread.
 */
void service_submit(struct service_call *c);

/** After COMMIT of any transaction: send commands, wake who waits, hand out events. Empties @out.
 */
void service_flush(struct service *svc, struct agentlink_out *out);

/** Free what the framework put into @c (answer, state). */
void service_call_fini(struct service_call *c);

/** SHA-256 over method, path, raw query and canonical body: what a repeated key must match. */
void service_fingerprint(struct service_call *c, const char *query, const char *body, size_t len);

/** {ref} of a path: all digits = id, else name or uuid (@seg is borrowed). */
struct bt_ref service_ref(const char *seg);

/* ---- for verbs: inside apply ---- */

/** Emit @obj as the answer's body. */
void service_answer_obj(struct service_call *c, int status, const struct bt_schema *s,
                        const void *obj);

/** An empty answer (204). */
void service_answer_none(struct service_call *c);

/** Location header. */
void service_location(struct service_call *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** Begin a list. */
void service_list_begin(struct service_call *c);

/** One item more. */
void service_list_add(struct service_call *c, const struct bt_schema *s, const void *obj);

/** End a list with the cursor of the next page (@more false = null). */
void service_list_end(struct service_call *c, bool more, int64_t last_id);

/** As service_list_end for lists by text. */
void service_list_end_key(struct service_call *c, bool more, const char *last_key);

/** Items of a page: asks the repository for one more than this to know whether there is a next. */
int service_page_limit(const struct service_call *c);

/** Read ?cursor= into @page. INVALID. */
int service_cursor_parse(const char *cursor, struct service_page *page, struct bt_err *err);

/** If-Match against the version of the row that the verb has just read. PRECONDITION. */
int service_match(struct service_call *c, int64_t version, struct bt_err *err);

/** What the audit row is about. */
void service_audited(struct service_call *c, const char *type, int64_t id, int64_t tenant_id);

/** Append an event to the outbox; an actor of NULL is the caller. */
int service_event(struct db_tx *tx, struct service_call *c, const struct repo_event_new *e,
                  struct bt_err *err);

/** A bad field: add it to c->errors; returns -INVALID with the code's text in @err. */
int service_bad_field(struct service_call *c, struct bt_err *err, const char *field,
                      const char *code, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
