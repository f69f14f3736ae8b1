/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/auth/auth.h"
#include "db/repo/repo_tenant.h"
#include "db/repo/repo_token.h"

#include <cmocka.h>

#define NOW INT64_C(1700000000000)
#define BIT(s) (UINT64_C(1) << (s))

struct world {
    char dir[64];
    struct bt_loop *loop;
    struct db *db;
    struct bt_random_seeded rnd;
    char secrets[5][AUTH_SECRET_LEN + 1]; /* operator, tenant, expired, revoked, of a dead tenant */
    int64_t ids[5], tenants[2];
};

static int put_token(struct db_tx *tx, struct world *w, int n, struct repo_token_row *t,
                     struct bt_err *err)
{
    unsigned char hash[32];
    auth_secret_new(&w->rnd.table, w->secrets[n], hash);
    t->name = bt_xasprintf("token%d", n);
    t->secret_hash.data = bt_xmalloc(32);
    memcpy(t->secret_hash.data, hash, 32);
    t->secret_hash.len = 32;
    int rc = repo_token_insert(tx, t, err);
    w->ids[n] = t->id;
    repo_token_row_free(t);
    return rc;
}

static int fill(struct db_tx *tx, void *arg, struct bt_err *err)
{
    struct world *w = arg;
    int rc = 0;
    for (int i = 0; rc >= 0 && i < 2; i++) {
        struct repo_tenant_row t = {.name = bt_xasprintf("tenant%d", i),
                                    .source = bt_xstrdup(""),
                                    .suspended = bt_xstrdup(""),
                                    .limits = bt_xstrdup("{}")};
        rc = repo_tenant_insert(tx, &t, err);
        w->tenants[i] = t.id;
        repo_tenant_row_free(&t);
    }
    struct repo_token_row rows[5] = {
        {.scopes = bt_xstrdup("operator"), .source = bt_xstrdup("")},
        {.scopes = bt_xstrdup("read,power,operator"),
         .source = bt_xstrdup("whmcs1"),
         .tenant_id = w->tenants[0]},
        {.scopes = bt_xstrdup("read"), .source = bt_xstrdup(""), .expires_at = NOW + 1000},
        {.scopes = bt_xstrdup("read"), .source = bt_xstrdup("")},
        {.scopes = bt_xstrdup("read"), .source = bt_xstrdup(""), .tenant_id = w->tenants[1]}};
    for (int i = 0; rc >= 0 && i < 5; i++)
        rc = put_token(tx, w, i, &rows[i], err);
    return rc;
}

static int setup(void **state)
{
    struct world *w = bt_xcalloc(1, sizeof *w);
    struct bt_err err = BT_ERR_INIT;
    char path[96];
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/berth-auth-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    (void)snprintf(path, sizeof path, "%s/t.db", w->dir);
    bt_random_seeded_init(&w->rnd, 3);
    w->loop = bt_loop_new_virtual(NOW);
    struct db_config cfg = {.path = path,
                            .migrations = bt_migrations_controller,
                            .application_id = 1,
                            .loop = w->loop,
                            .readers = 1,
                            .queue_max = 16,
                            .sync_off = true};
    if (db_open(&cfg, &w->db, &err) < 0 || db_run_sync(w->db, fill, w, &err) < 0)
        fail_msg("%s", err.msg);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    char cmd[96];
    db_close(w->db);
    bt_loop_free(w->loop);
    (void)snprintf(cmd, sizeof cmd, "rm -rf %s", w->dir);
    assert_int_equal(system(cmd), 0);
    free(w);
    return 0;
}

struct
try {
    const char *secret;
    struct principal who;
    struct bt_err err;
    bool recheck;
};

static int try_get(struct db_tx *tx, void *arg, struct bt_err *err)
{
    struct try *t = arg;
    return t->recheck ? auth_recheck(tx, &t->who, err)
                      : auth_get(tx, t->secret, strlen(t->secret), &t->who, err);
}

static int get(struct world *w, struct try *t)
{
    t->err = BT_ERR_INIT;
    return db_run_sync(w->db, try_get, t, &t->err);
}

static int revoke_token(struct db_tx *tx, void *arg, struct bt_err *err)
{
    return repo_token_revoke(tx, *(int64_t *)arg, err);
}

static int end_tenant(struct db_tx *tx, void *arg, struct bt_err *err)
{
    return repo_tenant_delete(tx, *(int64_t *)arg, err);
}

static void good_tokens(void **state)
{
    struct world *w = *state;
    struct try t = {.secret = w->secrets[0]};
    assert_int_equal(get(w, &t), 0);
    assert_string_equal(t.who.name, "token:token0");
    assert_true(auth_is_operator(&t.who));
    assert_int_equal(auth_may(&t.who, SCOPE_DESTROY, NULL), 0);
    t.secret = w->secrets[1];
    assert_int_equal(get(w, &t), 0);
    /* A tenant's token is never an operator's, whatever its row says. */
    assert_int_equal(t.who.scopes, BIT(SCOPE_READ) | BIT(SCOPE_POWER));
    assert_false(auth_is_operator(&t.who));
    assert_string_equal(t.who.source, "whmcs1");
    assert_true(auth_sees(&t.who, w->tenants[0]));
    assert_false(auth_sees(&t.who, w->tenants[1]));
    struct bt_err err = BT_ERR_INIT;
    assert_int_equal(auth_may(&t.who, SCOPE_POWER, &err), 0);
    assert_int_equal(auth_may(&t.who, SCOPE_CREATE, &err), -BT_E_DENIED);
    assert_int_equal(auth_may(&t.who, SCOPE_OPERATOR, &err), -BT_E_DENIED);
}

/* Whatever is wrong with a token, the answer is the same. */
static void bad_tokens(void **state)
{
    struct world *w = *state;
    char almost[AUTH_SECRET_LEN + 1];
    memcpy(almost, w->secrets[0], sizeof almost);
    almost[10] = almost[10] == 'x' ? 'y' : 'x';
    assert_int_equal(db_run_sync(w->db, revoke_token, &w->ids[3], NULL), 0);
    assert_int_equal(db_run_sync(w->db, end_tenant, &w->tenants[1], NULL), 0);
    struct try expired = {.secret = w->secrets[2]};
    assert_int_equal(get(w, &expired), 0);
    bt_loop_run_until(w->loop, bt_mono_ms(bt_loop_clock(w->loop)) + 2000);
    const char *bad[] = {almost, "", "short", w->secrets[2], w->secrets[3], w->secrets[4]};
    char first[320] = "";
    for (size_t i = 0; i < BT_ARRAY_LEN(bad); i++) {
        struct try t = {.secret = bad[i]};
        assert_int_equal(get(w, &t), -BT_E_UNAUTHENTICATED);
        if (!first[0])
            (void)bt_strcpy(first, sizeof first, t.err.msg);
        assert_string_equal(t.err.msg, first);
    }
    expired.recheck = true;
    assert_int_equal(get(w, &expired), -BT_E_UNAUTHENTICATED);
}

static void revoked_meanwhile(void **state)
{
    struct world *w = *state;
    struct try t = {.secret = w->secrets[0]};
    assert_int_equal(get(w, &t), 0);
    t.recheck = true;
    assert_int_equal(get(w, &t), 0);
    assert_int_equal(db_run_sync(w->db, revoke_token, &w->ids[0], NULL), 0);
    assert_int_equal(get(w, &t), -BT_E_UNAUTHENTICATED);
}

static void the_system_itself(void **state)
{
    struct world *w = *state;
    struct try t = {.recheck = true};
    auth_system(&t.who, "system:trash");
    assert_int_equal(get(w, &t), 0);
    assert_int_equal(auth_may(&t.who, SCOPE_BILLING, NULL), 0);
}

static void got(struct auth_request *r, int rc, const struct bt_err *err)
{
    (void)err;
    *(int *)r->owner = rc;
}

static void one_hop(void **state)
{
    struct world *w = *state;
    int rc = 1;
    struct auth_request r = {.done = got, .owner = &rc};
    assert_int_equal(auth_start(&r, w->db, w->secrets[1], NULL), 0);
    assert_int_equal(rc, 1);
    bt_loop_run_until(w->loop, bt_mono_ms(bt_loop_clock(w->loop)));
    assert_int_equal(rc, 0);
    assert_int_equal(r.who.tenant_id, w->tenants[0]);
    for (size_t i = 0; i < sizeof r.secret; i++)
        assert_int_equal(r.secret[i], 0);
    assert_int_equal(auth_start(&r, w->db, "short", NULL), -BT_E_UNAUTHENTICATED);
}

static void names_of_scopes(void **state)
{
    (void)state;
    uint64_t set = BIT(SCOPE_READ) | BIT(SCOPE_METRICS);
    _cleanup_free_ char *text = auth_scopes_to_str(set);
    assert_string_equal(text, "read,metrics");
    assert_int_equal(auth_scopes_from_str(text), set);
    assert_int_equal(auth_scopes_from_str("rea,,readx,nonsense"), 0);
    assert_int_equal(auth_scopes_from_str(NULL), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {T(good_tokens),       T(bad_tokens),
                                       T(revoked_meanwhile), T(the_system_itself),
                                       T(one_hop),           cmocka_unit_test(names_of_scopes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
