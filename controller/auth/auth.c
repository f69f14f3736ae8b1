/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/auth/auth.h"

#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/crypto/crypto.h"
#include "db/repo/repo_tenant.h"
#include "db/repo/repo_token.h"

#define SCOPE_BIT(s) (UINT64_C(1) << (s))

static int unknown(struct bt_err *err)
{
    return bt_fail(err, BT_E_UNAUTHENTICATED, "the token is not valid");
}

void auth_system(struct principal *ret, const char *what)
{
    *ret = (struct principal){.scopes = SCOPE_BIT(SCOPE_OPERATOR)};
    (void)bt_strcpy(ret->name, sizeof ret->name, what);
}

void auth_secret_hash(const char *secret, size_t len, unsigned char ret[32])
{
    bt_sha256(secret, len, ret);
}

void auth_secret_new(const struct bt_random *random, char ret[AUTH_SECRET_LEN + 1],
                     unsigned char ret_hash[32])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for (size_t i = 0; i < AUTH_SECRET_LEN; i++)
        ret[i] = alphabet[bt_random_below(random, sizeof alphabet - 1)];
    ret[AUTH_SECRET_LEN] = '\0';
    auth_secret_hash(ret, AUTH_SECRET_LEN, ret_hash);
}

/* Does the tenant of a token still exist? */
static int check_tenant(struct db_tx *tx, int64_t tenant_id, struct bt_err *err)
{
    if (!tenant_id)
        return 0;
    _cleanup_(repo_tenant_row_free) struct repo_tenant_row t = {0};
    struct bt_err why = BT_ERR_INIT;
    int rc = repo_tenant_get(tx, tenant_id, &t, &why);
    if (rc < 0 && why.code != BT_E_NOT_FOUND) {
        *err = why;
        return rc;
    }
    return rc < 0 || t.deleted_at ? unknown(err) : 0;
}

static void from_row(const struct repo_token_row *t, struct principal *ret)
{
    *ret = (struct principal){.token_id = t->id,
                              .user_id = t->user_id,
                              .tenant_id = t->tenant_id,
                              .scopes = auth_scopes_from_str(t->scopes)};
    /* A right over the whole fleet is never a tenant's, whatever its row says. */
    if (t->tenant_id)
        ret->scopes &= ~SCOPE_BIT(SCOPE_OPERATOR);
    (void)snprintf(ret->name, sizeof ret->name, "token:%s", t->name);
    (void)bt_strcpy(ret->source, sizeof ret->source, t->source ? t->source : "");
}

int auth_get(struct db_tx *tx, const char *secret, size_t len, struct principal *ret,
             struct bt_err *err)
{
    unsigned char hash[32];
    if (len != AUTH_SECRET_LEN)
        return unknown(err);
    auth_secret_hash(secret, len, hash);
    _cleanup_(repo_token_row_free) struct repo_token_row t = {0};
    struct bt_err why = BT_ERR_INIT;
    int rc = repo_token_get_by_hash(tx, hash, db_tx_now_ms(tx), &t, &why);
    if (rc < 0 && why.code == BT_E_NOT_FOUND)
        return unknown(err);
    if (rc < 0) {
        *err = why;
        return rc;
    }
    rc = check_tenant(tx, t.tenant_id, err);
    if (rc >= 0)
        from_row(&t, ret);
    return rc;
}

int auth_recheck(struct db_tx *tx, const struct principal *who, struct bt_err *err)
{
    if (!who->token_id)
        return 0;
    _cleanup_(repo_token_row_free) struct repo_token_row t = {0};
    struct bt_err why = BT_ERR_INIT;
    int rc = repo_token_get(tx, who->token_id, &t, &why);
    if (rc < 0 && why.code != BT_E_NOT_FOUND) {
        *err = why;
        return rc;
    }
    bool gone = rc < 0 || t.revoked_at || (t.expires_at && t.expires_at <= db_tx_now_ms(tx));
    return gone ? unknown(err) : check_tenant(tx, t.tenant_id, err);
}

int auth_may(const struct principal *who, enum scope scope, struct bt_err *err)
{
    if (who->scopes & (SCOPE_BIT(SCOPE_OPERATOR) | SCOPE_BIT(scope)))
        return 0;
    return bt_fail(err, BT_E_DENIED, "this needs the scope %s", enum_scope[scope]);
}

bool auth_is_operator(const struct principal *who)
{
    return who->tenant_id == 0 && (who->scopes & SCOPE_BIT(SCOPE_OPERATOR)) != 0;
}

uint64_t auth_scopes_from_str(const char *s)
{
    uint64_t scopes = 0;
    for (const char *at = s ? s : ""; *at;) {
        size_t n = strcspn(at, ",");
        for (int i = 0; enum_scope[i]; i++)
            if (strlen(enum_scope[i]) == n && memcmp(enum_scope[i], at, n) == 0)
                scopes |= SCOPE_BIT(i);
        at += n + (at[n] == ',');
    }
    return scopes;
}

char *auth_scopes_to_str(uint64_t scopes)
{
    struct bt_buf b = BT_BUF(1024);
    for (int i = 0; enum_scope[i]; i++)
        if (scopes & SCOPE_BIT(i))
            (void)bt_buf_addf(&b, "%s%s", b.len ? "," : "", enum_scope[i]);
    return bt_buf_take(&b);
}

/* ---- one hop to a reader ---- */

static int read_token(struct db_tx *tx, struct db_read *read, struct bt_err *err)
{
    struct auth_request *r = BT_CONTAINER_OF(read, struct auth_request, read);
    return auth_get(tx, r->secret, r->len, &r->who, err);
}

static void read_done(struct db_read *read, int rc, const struct bt_err *err)
{
    struct auth_request *r = BT_CONTAINER_OF(read, struct auth_request, read);
    bt_erase(r->secret, sizeof r->secret);
    r->done(r, rc, err);
}

int auth_start(struct auth_request *r, struct db *db, const char *secret, struct bt_err *err)
{
    r->len = strlen(secret);
    if (r->len != AUTH_SECRET_LEN)
        return unknown(err);
    memcpy(r->secret, secret, r->len);
    r->read.read = read_token;
    r->read.done = read_done;
    return db_read_submit(db, &r->read, err);
}
