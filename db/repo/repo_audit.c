/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/crypto/crypto.h"
#include "db/repo/repo_cols.h"

#define ST struct repo_audit_row

static const struct db_col cols[] = {
    REPO_INT(ST, seq),
    REPO_INT(ST, at),
    REPO_TEXT(ST, actor),
    REPO_TEXT(ST, action),
    REPO_TEXT_OR(ST, resource_type, ""),
    REPO_INT(ST, resource_id),
    REPO_INT(ST, tenant_id),
    REPO_TEXT(ST, result),
    REPO_TEXT_OR(ST, ip, ""),
    REPO_TEXT_OR(ST, request_id, ""),
    REPO_TEXT_OR(ST, data, "{}"),
    REPO_BLOB(ST, hash),
    {0},
};

const struct db_table repo_audit_table = REPO_TABLE("audit", cols, ST);

/* A row is a few short texts and a bounded JSON object. */
#define CANONICAL_MAX (1u << 20)

struct head_row {
    int64_t count;
    struct db_blob head;
};

static const struct db_col head_cols[] = {
    REPO_INT(struct head_row, count), REPO_BLOB(struct head_row, head), {0}};
static const struct db_table head_table = REPO_TABLE("audit_head", head_cols, struct head_row);

void repo_audit_row_free(struct repo_audit_row *r)
{
    db_row_free(&repo_audit_table, r);
}

/* ---- the chain ---- */

/* Length before text: no two different rows have the same form. */
static void add_text(struct bt_buf *b, const char *s)
{
    (void)bt_buf_addf(b, "%zu:", strlen(s));
    (void)bt_buf_adds(b, s);
    (void)bt_buf_addc(b, ',');
}

static void add_int(struct bt_buf *b, int64_t v)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRId64, v);
    add_text(b, text);
}

static const char *or_empty(const char *s)
{
    return s ? s : "";
}

/* SHA-256(previous hash | canonical row); false when the row is too long. */
static bool chain(const unsigned char prev[BT_SHA256_LEN], const struct repo_audit_row *r,
                  unsigned char ret[BT_SHA256_LEN])
{
    _cleanup_buf_ struct bt_buf b = BT_BUF(CANONICAL_MAX);
    (void)bt_buf_add(&b, prev, BT_SHA256_LEN);
    add_int(&b, r->seq);
    add_int(&b, r->at);
    add_text(&b, or_empty(r->actor));
    add_text(&b, or_empty(r->action));
    add_text(&b, or_empty(r->resource_type));
    add_int(&b, r->resource_id);
    add_int(&b, r->tenant_id);
    add_text(&b, or_empty(r->result));
    add_text(&b, or_empty(r->ip));
    add_text(&b, or_empty(r->request_id));
    add_text(&b, or_empty(r->data));
    if (!b.overflow)
        bt_sha256(b.data, b.len, ret);
    return !b.overflow;
}

int repo_audit_head_get(struct db_tx *tx, struct repo_audit_head *ret, struct bt_err *err)
{
    struct head_row row = {0};
    struct bt_err e = BT_ERR_INIT;
    int rc = db_row(tx, &head_table, "SELECT count, head FROM audit_head WHERE id = 1", DB_NOARGS,
                    &row, &e);
    if (rc < 0 && rc != -(int)BT_E_NOT_FOUND) {
        if (err)
            *err = e;
        return rc;
    }
    struct repo_audit_head head = {.count = row.count};
    if (row.head.len == sizeof head.head)
        memcpy(head.head, row.head.data, sizeof head.head);
    db_row_free(&head_table, &row);
    *ret = head;
    return 0;
}

static int head_set(struct db_tx *tx, const struct repo_audit_head *h, struct bt_err *err)
{
    return db_exec(tx,
                   "INSERT INTO audit_head (id, count, head) VALUES (1, ?1, ?2)"
                   " ON CONFLICT (id) DO UPDATE SET count = excluded.count, head = excluded.head",
                   DB_ARGS(DB_I(h->count), DB_B(h->head, sizeof h->head)), NULL, err);
}

int repo_audit_append(struct db_tx *tx, const struct repo_audit_new *a, struct bt_err *err)
{
    struct repo_audit_head head;
    int rc = repo_audit_head_get(tx, &head, err);
    if (rc < 0)
        return rc;
    struct repo_audit_head next = {.count = head.count + 1};
    /* The casts only lend the caller's texts to a row that is never freed. */
    struct repo_audit_row r = {.seq = next.count,
                               .at = db_tx_now_ms(tx),
                               .actor = (char *)or_empty(a->actor),
                               .action = (char *)or_empty(a->action),
                               .resource_type = (char *)or_empty(a->resource_type),
                               .resource_id = a->resource_id,
                               .tenant_id = a->tenant_id,
                               .result = (char *)or_empty(a->result),
                               .ip = (char *)or_empty(a->ip),
                               .request_id = (char *)or_empty(a->request_id),
                               .data = (char *)(a->data ? a->data : "{}"),
                               .hash = {.data = next.head, .len = sizeof next.head}};
    if (!chain(head.head, &r, next.head))
        return bt_fail(err, BT_E_TOO_LARGE, "the audit row is too long");
    rc = db_insert(tx, &repo_audit_table, &r, NULL, err);
    return rc == 0 ? head_set(tx, &next, err) : rc;
}

/* ---- verifying ---- */

static int verify_row(const struct repo_audit_row *r, struct repo_audit_head *at,
                      struct bt_err *err)
{
    unsigned char hash[BT_SHA256_LEN];
    if (r->seq != at->count + 1)
        return bt_fail(err, BT_E_CHECKSUM, "audit row %" PRId64 " is missing", at->count + 1);
    if (!chain(at->head, r, hash) || r->hash.len != sizeof hash ||
        memcmp(r->hash.data, hash, sizeof hash) != 0)
        return bt_fail(err, BT_E_CHECKSUM, "audit row %" PRId64 " does not match its hash", r->seq);
    at->count = r->seq;
    memcpy(at->head, hash, sizeof hash);
    return 0;
}

static int verify_end(struct db_tx *tx, const struct repo_audit_head *at, struct bt_err *err)
{
    struct repo_audit_head head;
    int rc = repo_audit_head_get(tx, &head, err);
    if (rc < 0)
        return rc;
    if (head.count != at->count)
        return bt_fail(err, BT_E_CHECKSUM, "the audit log ends at %" PRId64 ", not at %" PRId64,
                       at->count, head.count);
    if (memcmp(head.head, at->head, sizeof head.head) != 0)
        return bt_fail(err, BT_E_CHECKSUM, "the head of the audit log does not match row %" PRId64,
                       at->count);
    return 0;
}

int repo_audit_verify(struct db_tx *tx, struct repo_audit_head *at, int limit, int64_t *ret_n,
                      struct bt_err *err)
{
    struct bt_arr rows = {0};
    struct repo_audit_head pos = *at;
    int n = limit <= 0 || limit > REPO_PAGE_MAX ? REPO_PAGE_MAX : limit;
    int rc =
        db_rows(tx, &repo_audit_table, "SELECT * FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2",
                DB_ARGS(DB_I(pos.count), DB_I(n)), &rows, err);
    if (rc < 0)
        return rc;
    int64_t seen = (int64_t)rows.len;
    for (size_t i = 0; i < rows.len && rc == 0; i++)
        rc = verify_row(&((struct repo_audit_row *)rows.items)[i], &pos, err);
    db_rows_free(&repo_audit_table, &rows);
    if (rc == 0 && seen < n)
        rc = verify_end(tx, &pos, err);
    if (rc == 0) {
        *at = pos;
        *ret_n = seen;
    }
    return rc;
}

int repo_audit_list(struct db_tx *tx, const struct repo_audit_filter *f, struct bt_arr *ret,
                    struct bt_err *err)
{
    return db_rows(tx, &repo_audit_table,
                   "SELECT * FROM audit WHERE seq > ?1 AND (?3 = 0 OR tenant_id = ?3)"
                   " AND (?4 IS NULL OR actor = ?4) AND (?5 IS NULL OR action = ?5)"
                   " AND (?6 IS NULL OR resource_type = ?6) AND (?7 = 0 OR resource_id = ?7)"
                   " AND (?8 = 0 OR at >= ?8) AND (?9 = 0 OR at < ?9) ORDER BY seq LIMIT ?2",
                   DB_ARGS(DB_I(f->after_seq), repo_cols_limit(f->limit), DB_I(f->tenant_id),
                           DB_T(f->actor), DB_T(f->action), DB_T(f->resource_type),
                           DB_I(f->resource_id), DB_I(f->from_ms), DB_I(f->to_ms)),
                   ret, err);
}
