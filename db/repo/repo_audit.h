/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "db/core/db_sql.h"

/*
 * Append-only audit log as a hash chain: hash = SHA-256(previous hash | canonical row), the first
 * previous hash is 32 zero bytes. {count, head} stand apart and move in the same transaction, so a
 * cut tail shows. Form of a row: docs/decisions/0005-audit-chain.md.
 */
struct repo_audit_row {
    int64_t seq; /* 1, 2, 3, ... without gaps */
    int64_t at;
    char *actor;
    char *action;
    char *resource_type;
    int64_t resource_id;
    int64_t tenant_id;
    char *result;
    char *ip;
    char *request_id;
    char *data; /* JSON object */
    struct db_blob hash;
};

extern const struct db_table repo_audit_table;

/** Free what @r owns and zero it. */
void repo_audit_row_free(struct repo_audit_row *r);

/* A row to write; texts stay the caller's, NULL = "". */
struct repo_audit_new {
    const char *actor;
    const char *action;
    const char *resource_type;
    int64_t resource_id, tenant_id;
    const char *result; /* "ok" or an error code */
    const char *ip;
    const char *request_id;
    const char *data; /* JSON object, NULL = {} */
};

/** Append at the present time and move the head, in this transaction. */
int repo_audit_append(struct db_tx *tx, const struct repo_audit_new *a, struct bt_err *err);

struct repo_audit_filter {
    int64_t after_seq;
    int limit;
    int64_t tenant_id;         /* 0 = any */
    const char *actor;         /* NULL = any */
    const char *action;        /* NULL = any */
    const char *resource_type; /* NULL = any */
    int64_t resource_id;       /* 0 = any */
    int64_t from_ms, to_ms;    /* 0 = open */
};

/** One page in order of seq. */
int repo_audit_list(struct db_tx *tx, const struct repo_audit_filter *f, struct bt_arr *ret,
                    struct bt_err *err);

/* Head of the chain; also where a verification in pages stands. */
struct repo_audit_head {
    int64_t count;
    unsigned char head[32];
};

/** The stored head; zeros before the first row. */
int repo_audit_head_get(struct db_tx *tx, struct repo_audit_head *ret, struct bt_err *err);

/**
 * Verify up to @limit rows after *@at (zeros = from the start) and move it; *@ret_n = rows seen
 * (less than @limit = the end, then @at was compared with the stored head). CHECKSUM names the
 * first bad seq.
 */
int repo_audit_verify(struct db_tx *tx, struct repo_audit_head *at, int limit, int64_t *ret_n,
                      struct bt_err *err);
