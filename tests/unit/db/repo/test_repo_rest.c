/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: db_repo */
/* Audit chain, tasks, events, idempotency, usage, alarms, tokens, journals and the other small
 * ones. */
#include "common/base/str.h"
#include "db/repo/repo_alarm.h"
#include "db/repo/repo_audit.h"
#include "db/repo/repo_blob.h"
#include "db/repo/repo_event.h"
#include "db/repo/repo_host_cert.h"
#include "db/repo/repo_host_group.h"
#include "db/repo/repo_idem.h"
#include "db/repo/repo_join_token.h"
#include "db/repo/repo_journal.h"
#include "db/repo/repo_meta.h"
#include "db/repo/repo_orphan.h"
#include "db/repo/repo_setting.h"
#include "db/repo/repo_ssh_key.h"
#include "db/repo/repo_task.h"
#include "db/repo/repo_token.h"
#include "db/repo/repo_tombstone.h"
#include "db/repo/repo_usage.h"
#include "db/repo/repo_user.h"
#include "tests/unit/db/repo/world.h"

/* ---- audit ---- */

static void audit(struct db_tx *tx, int n)
{
    for (int i = 0; i < n; i++) {
        char *data = bt_xasprintf("{\"i\":%d}", i);
        OK(repo_audit_append(tx,
                             &(struct repo_audit_new){.actor = "token,1",
                                                      .action = "instance.create",
                                                      .resource_type = "instance",
                                                      .resource_id = i,
                                                      .result = "ok",
                                                      .data = data},
                             NULL));
        free(data);
    }
}

/* Verify all in pages of @limit; the code of the end. */
static int verify(struct db_tx *tx, int limit, struct bt_err *err)
{
    struct repo_audit_head at = {0};
    int64_t n = limit;
    int rc = 0;
    while (rc == 0 && n == limit)
        rc = repo_audit_verify(tx, &at, limit, &n, err);
    return rc;
}

IN_WORLD(the_chain_verifies_in_pages)
{
    (void)w;
    OK(verify(tx, 10, NULL));
    audit(tx, 25);
    OK(verify(tx, 1, NULL));
    OK(verify(tx, 5, NULL));
    OK(verify(tx, 10, NULL));
    OK(verify(tx, 1000, NULL));
    struct repo_audit_head h;
    OK(repo_audit_head_get(tx, &h, NULL));
    assert_int_equal(h.count, 25);
    struct bt_arr rows = {0};
    OK(repo_audit_list(tx, &(struct repo_audit_filter){.after_seq = 20, .limit = 10}, &rows, NULL));
    assert_int_equal(rows.len, 5);
    db_rows_free(&repo_audit_table, &rows);
    OK(repo_audit_list(tx, &(struct repo_audit_filter){.limit = 10, .resource_id = 7}, &rows,
                       NULL));
    assert_int_equal(rows.len, 1);
    db_rows_free(&repo_audit_table, &rows);
}

IN_WORLD(the_log_refuses_changes)
{
    (void)w;
    audit(tx, 2);
    assert_true(db_exec(tx, "UPDATE audit SET actor = 'x' WHERE seq = 1", DB_NOARGS, NULL, NULL) <
                0);
    assert_true(db_exec(tx, "DELETE FROM audit WHERE seq = 2", DB_NOARGS, NULL, NULL) < 0);
}

/* Somebody with the file: every column of every row, a cut tail, a missing row, a replaced head. */
IN_WORLD(tampering_shows)
{
    static const char *const bad[] = {
        "UPDATE audit SET at = at + 1 WHERE seq = 3",
        "UPDATE audit SET actor = 'token:2' WHERE seq = 3",
        "UPDATE audit SET actor = 'token', action = '1,instance.create' WHERE seq = 3",
        "UPDATE audit SET action = 'instance.delete' WHERE seq = 3",
        "UPDATE audit SET resource_type = 'plan' WHERE seq = 3",
        "UPDATE audit SET resource_id = 99 WHERE seq = 3",
        "UPDATE audit SET tenant_id = 99 WHERE seq = 3",
        "UPDATE audit SET result = 'denied' WHERE seq = 3",
        "UPDATE audit SET ip = '1' WHERE seq = 3",
        "UPDATE audit SET request_id = '1' WHERE seq = 3",
        "UPDATE audit SET data = '{}' WHERE seq = 3",
        "UPDATE audit SET hash = zeroblob(32) WHERE seq = 3",
        "UPDATE audit SET resource_type = resource_type || result, result = '' WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 6",
        "DELETE FROM audit",
        "UPDATE audit_head SET count = 5",
        "UPDATE audit_head SET head = zeroblob(32)",
        "DELETE FROM audit_head",
    };
    (void)w;
    audit(tx, 6);
    OK(db_exec(tx, "DROP TRIGGER audit_no_update", DB_NOARGS, NULL, NULL));
    OK(db_exec(tx, "DROP TRIGGER audit_no_delete", DB_NOARGS, NULL, NULL));
    for (size_t i = 0; i < BT_ARRAY_LEN(bad); i++) {
        struct bt_err err = BT_ERR_INIT;
        OK(db_exec(tx, "SAVEPOINT tamper", DB_NOARGS, NULL, NULL));
        OK(db_exec(tx, bad[i], DB_NOARGS, NULL, NULL));
        if (verify(tx, 4, &err) != -BT_E_CHECKSUM)
            fail_msg("not seen: %s", bad[i]);
        if (strstr(bad[i], "UPDATE audit SET"))
            assert_non_null(strstr(err.msg, "audit row 3"));
        OK(db_exec(tx, "ROLLBACK TO tamper", DB_NOARGS, NULL, NULL));
        OK(db_exec(tx, "RELEASE tamper", DB_NOARGS, NULL, NULL));
        OK(verify(tx, 4, NULL));
    }
}

/* ---- tasks ---- */

static int64_t task(struct db_tx *tx, int64_t instance, int64_t host, int state)
{
    struct repo_task_row t = {.action = (char *)"start",
                              .state = state,
                              .instance_id = instance,
                              .host_id = host,
                              .actor = (char *)"system"};
    OK(repo_task_insert(tx, &t, NULL));
    return t.id;
}

IN_WORLD(tasks_move_until_they_end)
{
    struct repo_task_row t;
    int64_t inst = world_add(w, tx, "a", w->tenant);
    int64_t id = task(tx, inst, w->host, TASK_QUEUED);
    OK(repo_task_move(tx, id, &(struct repo_task_move){TASK_WAITING, -1, NULL, "host"}, NULL));
    OK(repo_task_move(tx, id, &(struct repo_task_move){TASK_RUNNING, 40, "copy", NULL}, NULL));
    OK(repo_task_get(tx, id, &t, NULL));
    assert_int_equal(t.state, TASK_RUNNING);
    assert_int_equal(t.progress, 40);
    assert_string_equal(t.step, "copy");
    assert_null(t.waiting_for);
    assert_true(t.started_at == DBT_UTC_MS);
    assert_int_equal(t.finished_at, 0);
    repo_task_row_free(&t);
    bt_loop_shift_utc(w->t.loop, 10);
    OK(repo_task_move(tx, id, &(struct repo_task_move){TASK_SUCCESS, -1, NULL, NULL}, NULL));
    CODE(repo_task_move(tx, id, &(struct repo_task_move){TASK_RUNNING, -1, NULL, NULL}, NULL),
         BT_E_BAD_STATE);
    struct bt_err e = {.code = BT_E_TIMEOUT, .msg = "slow", .hint = "wait"};
    CODE(repo_task_fail(tx, id, &e, NULL), BT_E_BAD_STATE);
    CODE(repo_task_fail(tx, 999, &e, NULL), BT_E_NOT_FOUND);
    OK(repo_task_get(tx, id, &t, NULL));
    assert_int_equal(t.progress, 100);
    assert_true(t.started_at == DBT_UTC_MS && t.finished_at == DBT_UTC_MS + 10);
    repo_task_row_free(&t);
    int64_t other = task(tx, inst, w->host, TASK_QUEUED);
    OK(repo_task_fail(tx, other, &e, NULL));
    OK(repo_task_get(tx, other, &t, NULL));
    assert_int_equal(t.state, TASK_ERROR);
    assert_string_equal(t.error_code, "timeout");
    assert_string_equal(t.error_hint, "wait");
    repo_task_row_free(&t);
    CODE(repo_task_move(tx, id, &(struct repo_task_move){.state = 99}, NULL), BT_E_BAD_STATE);
    t = (struct repo_task_row){.action = (char *)"start", .actor = (char *)"x", .instance_id = 999};
    CODE(repo_task_insert(tx, &t, NULL), BT_E_IN_USE);
}

static char *task_pages(struct db_tx *tx, struct repo_task_filter f)
{
    struct bt_buf b = BT_BUF(4096);
    for (;;) {
        struct bt_arr rows = {0};
        OK(repo_task_list(tx, &f, &rows, NULL));
        const struct repo_task_row *r = rows.items;
        for (size_t i = 0; i < rows.len; i++)
            (void)bt_buf_addf(&b, "%d ", (int)r[i].id);
        size_t n = rows.len;
        if (n > 0)
            f.after_id = r[n - 1].id;
        db_rows_free(&repo_task_table, &rows);
        if (n == 0)
            return bt_buf_take(&b);
    }
}

static void expect_tasks(struct db_tx *tx, struct repo_task_filter f, const char *up,
                         const char *down)
{
    for (f.limit = 1; f.limit < 4; f.limit++) {
        f.newest_first = false;
        char *got = task_pages(tx, f);
        assert_string_equal(got, up);
        free(got);
        f.newest_first = true;
        got = task_pages(tx, f);
        assert_string_equal(got, down);
        free(got);
    }
}

IN_WORLD(tasks_in_pages)
{
    int64_t a = world_add(w, tx, "a", w->tenant);
    int64_t b = world_add(w, tx, "b", w->tenant);
    for (int i = 1; i <= 6; i++) {
        struct repo_task_row t = {.action = (char *)(i % 2 ? "start" : "stop"),
                                  .state = TASK_QUEUED,
                                  .instance_id = i <= 3 ? a : b,
                                  .host_id = i == 5 ? 0 : w->host,
                                  .tenant_id = i >= 4 ? w->tenant : 0,
                                  .actor = (char *)"x",
                                  .deadline_at = i * 100};
        OK(repo_task_insert(tx, &t, NULL));
        assert_int_equal(t.id, i);
    }
    OK(repo_task_move(tx, 2, &(struct repo_task_move){TASK_CANCELLED, -1, NULL, NULL}, NULL));
    OK(repo_task_move(tx, 6, &(struct repo_task_move){TASK_RUNNING, -1, NULL, NULL}, NULL));
    const struct repo_task_filter any = {.state = -1};
    struct repo_task_filter f = any;
    expect_tasks(tx, f, "1 2 3 4 5 6 ", "6 5 4 3 2 1 ");
    f.open = true;
    expect_tasks(tx, f, "1 3 4 5 6 ", "6 5 4 3 1 ");
    f.instance_id = a;
    expect_tasks(tx, f, "1 3 ", "3 1 ");
    f = any;
    f.host_id = w->host;
    expect_tasks(tx, f, "1 2 3 4 6 ", "6 4 3 2 1 ");
    f = any;
    f.tenant_id = w->tenant;
    f.action = "stop";
    expect_tasks(tx, f, "4 6 ", "6 4 ");
    f.state = TASK_RUNNING;
    expect_tasks(tx, f, "6 ", "6 ");
    struct bt_arr rows = {0};
    int64_t n = 0;
    OK(repo_task_list_late(tx, 350, 10, &rows, NULL));
    assert_int_equal(rows.len, 2);
    db_rows_free(&repo_task_table, &rows);
    OK(repo_task_list_open(tx, b, &rows, NULL));
    assert_int_equal(rows.len, 3);
    db_rows_free(&repo_task_table, &rows);
    OK(repo_task_count_open(tx, &n, NULL));
    assert_int_equal(n, 5);
    OK(repo_task_prune(tx, DBT_UTC_MS + 1, 10, &n, NULL));
    assert_int_equal(n, 1);
    /* An id is never given twice. */
    OK(db_exec(tx, "DELETE FROM tasks WHERE id = 6", DB_NOARGS, NULL, NULL));
    assert_int_equal(task(tx, a, 0, TASK_QUEUED), 7);
}

/* ---- events, idempotency ---- */

IN_WORLD(events_keep_their_numbers)
{
    int64_t seq = 0;
    int64_t n = 0;
    struct bt_arr rows = {0};
    OK(repo_event_last_seq(tx, &seq, NULL));
    assert_int_equal(seq, 0);
    for (int i = 0; i < 5; i++) {
        OK(repo_event_append(tx,
                             &(struct repo_event_new){.type = i % 2 ? "a.b" : "c.d",
                                                      .actor = "x",
                                                      .tenant_id = i < 3 ? w->tenant : 0,
                                                      .resource_type = "instance",
                                                      .resource_id = i},
                             &seq, NULL));
        assert_int_equal(seq, i + 1);
    }
    OK(repo_event_list(
        tx, &(struct repo_event_filter){.after_seq = 1, .limit = 10, .tenant_id = w->tenant}, &rows,
        NULL));
    assert_int_equal(rows.len, 2);
    assert_string_equal(((struct repo_event_row *)rows.items)[0].data, "{}");
    db_rows_free(&repo_event_table, &rows);
    OK(repo_event_prune(tx, DBT_UTC_MS + 1, 100, &n, NULL));
    assert_int_equal(n, 5);
    OK(repo_event_last_seq(tx, &seq, NULL));
    assert_int_equal(seq, 5);
    OK(repo_event_append(
        tx, &(struct repo_event_new){.type = "e", .actor = "x", .resource_type = "r"}, &seq, NULL));
    assert_int_equal(seq, 6);
}

IN_WORLD(a_key_gives_the_same_answer)
{
    struct repo_idem_scope s = {"token:1", "POST", "/instances", "k1"};
    struct repo_idem_row got;
    int64_t n = 0;
    struct repo_idem_row row = {.principal = (char *)"token:1",
                                .method = (char *)"POST",
                                .path = (char *)"/instances",
                                .key = (char *)"k1",
                                .fingerprint = (char *)"f1",
                                .status = 202,
                                .body = (char *)"{\"task\":1}"};
    (void)w;
    CODE(repo_idem_get(tx, &s, "f1", &got, NULL), BT_E_NOT_FOUND);
    OK(repo_idem_insert(tx, &row, NULL));
    CODE(repo_idem_insert(tx, &row, NULL), BT_E_EXISTS);
    OK(repo_idem_get(tx, &s, "f1", &got, NULL));
    assert_string_equal(got.body, "{\"task\":1}");
    assert_int_equal(got.status, 202);
    repo_idem_row_free(&got);
    CODE(repo_idem_get(tx, &s, "f2", &got, NULL), BT_E_IDEMPOTENCY_MISMATCH);
    s.path = "/plans";
    CODE(repo_idem_get(tx, &s, "f1", &got, NULL), BT_E_NOT_FOUND);
    row.key = (char *)"k2";
    row.body = NULL;
    row.sealed = (struct db_blob){(void *)"sealed", 6};
    OK(repo_idem_insert(tx, &row, NULL));
    s = (struct repo_idem_scope){"token:1", "POST", "/instances", "k2"};
    OK(repo_idem_get(tx, &s, "f1", &got, NULL));
    assert_int_equal(got.sealed.len, 6);
    repo_idem_row_free(&got);
    OK(repo_idem_erase_secrets(tx, DBT_UTC_MS + 1, &n, NULL));
    assert_int_equal(n, 1);
    CODE(repo_idem_get(tx, &s, "f1", &got, NULL), BT_E_EXPIRED);
    OK(repo_idem_prune(tx, DBT_UTC_MS, 10, &n, NULL));
    assert_int_equal(n, 0);
    OK(repo_idem_prune(tx, DBT_UTC_MS + 1, 10, &n, NULL));
    assert_int_equal(n, 2);
}

/* ---- usage, alarms ---- */

IN_WORLD(usage_grows_until_it_is_closed)
{
    int64_t id = world_add(w, tx, "a", w->tenant);
    struct repo_usage_row u;
    struct repo_usage_row d = {.instance_id = id,
                               .tenant_id = w->tenant,
                               .period_start = 1000,
                               .period_end = 2000,
                               .in_bytes = 5,
                               .out_bytes = 7};
    int64_t n = 0;
    OK(repo_usage_add(tx, &d, NULL));
    d.memory_mib_hours = 3;
    OK(repo_usage_add(tx, &d, NULL));
    OK(repo_usage_get(tx, id, 1000, &u, NULL));
    assert_int_equal(u.in_bytes, 10);
    assert_int_equal(u.out_bytes, 14);
    assert_int_equal(u.memory_mib_hours, 3);
    assert_int_equal(u.revision, 2);
    d.in_bytes = -1;
    CODE(repo_usage_add(tx, &d, NULL), BT_E_INVALID);
    d.in_bytes = INT64_MAX;
    CODE(repo_usage_add(tx, &d, NULL), BT_E_INVALID);
    OK(repo_usage_close(tx, 1999, 10, &n, NULL));
    assert_int_equal(n, 0);
    OK(repo_usage_close(tx, 2000, 10, &n, NULL));
    assert_int_equal(n, 1);
    d.in_bytes = 1;
    CODE(repo_usage_add(tx, &d, NULL), BT_E_BAD_STATE);
    d.period_start = 2000;
    d.period_end = 3000;
    OK(repo_usage_add(tx, &d, NULL));
    struct bt_arr rows = {0};
    OK(repo_usage_list(
        tx, &(struct repo_usage_filter){.limit = 10, .state = -1, .tenant_id = w->tenant}, &rows,
        NULL));
    assert_int_equal(rows.len, 2);
    db_rows_free(&repo_usage_table, &rows);
    OK(repo_usage_list(
        tx,
        &(struct repo_usage_filter){.limit = 10, .state = -1, .instance_id = id, .from_ms = 2000},
        &rows, NULL));
    assert_int_equal(rows.len, 1);
    db_rows_free(&repo_usage_table, &rows);
    OK(repo_usage_list(
        tx, &(struct repo_usage_filter){.limit = 10, .state = USAGE_CLOSED, .to_ms = 2000}, &rows,
        NULL));
    assert_int_equal(rows.len, 1);
    db_rows_free(&repo_usage_table, &rows);
}

IN_WORLD(one_open_alarm_each)
{
    struct repo_alarm_new a = {"host_silent", SEVERITY_WARNING, "host", w->host, "silent"};
    bool flag = false;
    struct bt_arr rows = {0};
    OK(repo_alarm_raise(tx, &a, &flag, NULL));
    assert_true(flag);
    a.severity = SEVERITY_CRITICAL;
    a.text = "still silent";
    OK(repo_alarm_raise(tx, &a, &flag, NULL));
    assert_false(flag);
    OK(repo_alarm_list(tx, &(struct repo_alarm_filter){.limit = 10}, &rows, NULL));
    assert_int_equal(rows.len, 1);
    const struct repo_alarm_row *r = rows.items;
    assert_string_equal(r->text, "still silent");
    assert_int_equal(r->severity, SEVERITY_CRITICAL);
    OK(repo_alarm_ack(tx, r->id, "op", NULL));
    db_rows_free(&repo_alarm_table, &rows);
    OK(repo_alarm_clear(tx, &a, &flag, NULL));
    assert_true(flag);
    OK(repo_alarm_clear(tx, &a, &flag, NULL));
    assert_false(flag);
    OK(repo_alarm_raise(tx, &a, &flag, NULL));
    assert_true(flag);
    OK(repo_alarm_list(tx, &(struct repo_alarm_filter){.limit = 10, .cleared = true}, &rows, NULL));
    assert_int_equal(rows.len, 2);
    db_rows_free(&repo_alarm_table, &rows);
}

/* ---- keys to the house ---- */

IN_WORLD(tokens_end)
{
    unsigned char hash[REPO_HASH_LEN] = {1, 2, 3};
    struct repo_token_row got;
    struct repo_token_row t = {.name = (char *)"t",
                               .tenant_id = w->tenant,
                               .secret_hash = {hash, sizeof hash},
                               .scopes = (char *)"read",
                               .expires_at = DBT_UTC_MS + 1000};
    OK(repo_token_insert(tx, &t, NULL));
    OK(repo_token_get_by_hash(tx, hash, DBT_UTC_MS, &got, NULL));
    assert_int_equal(got.id, t.id);
    assert_int_equal(got.user_id, 0);
    repo_token_row_free(&got);
    CODE(repo_token_get_by_hash(tx, hash, DBT_UTC_MS + 1000, &got, NULL), BT_E_NOT_FOUND);
    OK(repo_token_touch(tx, t.id, NULL));
    OK(repo_token_revoke(tx, t.id, NULL));
    OK(repo_token_revoke(tx, t.id, NULL));
    CODE(repo_token_revoke(tx, 99, NULL), BT_E_NOT_FOUND);
    CODE(repo_token_get_by_hash(tx, hash, DBT_UTC_MS, &got, NULL), BT_E_NOT_FOUND);
    struct bt_arr rows = {0};
    OK(repo_token_list(tx, &(struct repo_token_filter){.limit = 5}, &rows, NULL));
    assert_int_equal(rows.len, 0);
    db_rows_free(&repo_token_table, &rows);
    OK(repo_token_list(tx, &(struct repo_token_filter){.limit = 5, .revoked = true}, &rows, NULL));
    assert_int_equal(rows.len, 1);
    db_rows_free(&repo_token_table, &rows);
}

IN_WORLD(join_tokens_work_once)
{
    unsigned char id[REPO_JOIN_ID_LEN] = "\1\2\3\4\5\6\7";
    struct repo_join_token_row got;
    struct repo_join_token_row t = {.token_id = {id, sizeof id},
                                    .secret_hash = {id, sizeof id},
                                    .host_name = (char *)"h9",
                                    .location_id = w->location,
                                    .expires_at = DBT_UTC_MS + 1000};
    OK(repo_join_token_insert(tx, &t, NULL));
    OK(repo_join_token_use(tx, t.id, w->host, NULL));
    CODE(repo_join_token_use(tx, t.id, w->host, NULL), BT_E_EXPIRED);
    CODE(repo_join_token_use(tx, 99, w->host, NULL), BT_E_NOT_FOUND);
    OK(repo_join_token_get(tx, id, &got, NULL));
    assert_int_equal(got.host_id, w->host);
    assert_true(got.used_at == DBT_UTC_MS);
    repo_join_token_row_free(&got);
    id[0] = 9;
    OK(repo_join_token_insert(tx,
                              &(struct repo_join_token_row){.token_id = {id, sizeof id},
                                                            .secret_hash = {id, sizeof id},
                                                            .host_name = (char *)"h10",
                                                            .location_id = w->location,
                                                            .expires_at = DBT_UTC_MS},
                              NULL));
    OK(repo_join_token_get(tx, id, &got, NULL));
    CODE(repo_join_token_use(tx, got.id, w->host, NULL), BT_E_EXPIRED);
    repo_join_token_row_free(&got);
}

IN_WORLD(records_are_applied_once)
{
    struct repo_journal_row r = {.host_id = w->host, .journal_id = (char *)"j1", .applied_seq = 3};
    bool fresh = false;
    int64_t seq = -1;
    OK(repo_journal_applied(tx, w->host, "j1", &seq, NULL));
    assert_int_equal(seq, 0);
    OK(repo_journal_advance(tx, &r, &fresh, NULL));
    assert_true(fresh);
    OK(repo_journal_advance(tx, &r, &fresh, NULL));
    assert_false(fresh);
    r.applied_seq = 2;
    OK(repo_journal_advance(tx, &r, &fresh, NULL));
    assert_false(fresh);
    r.applied_seq = 4;
    OK(repo_journal_advance(tx, &r, &fresh, NULL));
    assert_true(fresh);
    OK(repo_journal_applied(tx, w->host, "j1", &seq, NULL));
    assert_int_equal(seq, 4);
    r.journal_id = (char *)"j2";
    r.applied_seq = 1;
    OK(repo_journal_advance(tx, &r, &fresh, NULL));
    assert_true(fresh);
    r.host_id = 99;
    CODE(repo_journal_advance(tx, &r, &fresh, NULL), BT_E_IN_USE);
}

IN_WORLD(certificates_are_revoked)
{
    struct repo_host_cert_row c = {.serial = (char *)"0a", .host_id = w->host, .not_after = 9};
    struct repo_host_cert_row got;
    int64_t n = 0;
    OK(repo_host_cert_insert(tx, &c, NULL));
    CODE(repo_host_cert_insert(tx, &c, NULL), BT_E_EXISTS);
    c.serial = (char *)"0b";
    OK(repo_host_cert_insert(tx, &c, NULL));
    OK(repo_host_cert_revoke(tx, "0a", NULL));
    CODE(repo_host_cert_revoke(tx, "0c", NULL), BT_E_NOT_FOUND);
    OK(repo_host_cert_revoke_all(tx, w->host, &n, NULL));
    assert_int_equal(n, 1);
    OK(repo_host_cert_get(tx, "0b", &got, NULL));
    assert_true(got.revoked_at > 0);
    repo_host_cert_row_free(&got);
    CODE(repo_host_delete(tx, w->host, NULL), BT_E_IN_USE);
}

IN_WORLD(hosts_change)
{
    struct repo_host_row h;
    int64_t epoch = 0;
    OK(repo_host_next_epoch(tx, w->host, 1, &epoch, NULL));
    assert_int_equal(epoch, 1);
    OK(repo_host_next_epoch(tx, w->host, 1000, &epoch, NULL));
    assert_int_equal(epoch, 1001);
    OK(repo_host_set_state(tx, w->host, HOST_ONLINE, NULL));
    OK(repo_host_get(tx, w->host, &h, NULL));
    assert_int_equal(h.version, 1);
    repo_host_row_free(&h);
    OK(repo_host_set_cordoned(tx, w->host, true, NULL));
    OK(repo_host_set_state(tx, w->host, HOST_UNREACHABLE, NULL));
    OK(repo_host_touch(tx, w->host, NULL));
    OK(repo_host_get_by_name(tx, "h1", &h, NULL));
    assert_int_equal(h.version, 3);
    assert_true(h.cordoned);
    assert_int_equal(h.state, HOST_UNREACHABLE);
    assert_int_equal(h.overcommit_cpu_milli.is, BT_NULL);
    assert_true(h.last_seen_at == DBT_UTC_MS);
    repo_host_row_free(&h);
    struct bt_arr rows = {0};
    OK(repo_host_list(tx, &(struct repo_host_filter){.limit = 5, .state = HOST_ONLINE}, &rows,
                      NULL));
    assert_int_equal(rows.len, 0);
    OK(repo_host_set_state(tx, w->host, HOST_REMOVED, NULL));
    OK(repo_host_list(tx, &(struct repo_host_filter){.limit = 5, .state = -1}, &rows, NULL));
    assert_int_equal(rows.len, 0);
    OK(repo_host_list(tx, &(struct repo_host_filter){.limit = 5, .state = -1, .removed = true},
                      &rows, NULL));
    assert_int_equal(rows.len, 1);
    db_rows_free(&repo_host_table, &rows);
    struct repo_host_group_row g = {
        .name = (char *)"g", .policy = POLICY_PACK, .overcommit_cpu_milli = BT_OPT_V(6000)};
    struct repo_host_group_row got;
    OK(repo_host_group_insert(tx, &g, NULL));
    OK(repo_host_group_get_by_name(tx, "g", &got, NULL));
    assert_int_equal(got.policy, POLICY_PACK);
    assert_int_equal(got.overcommit_cpu_milli.v, 6000);
    repo_host_group_row_free(&got);
}

IN_WORLD(people)
{
    struct repo_user_row u = {.email = (char *)"a@example.com", .role = REPO_ROLE_TENANT};
    struct repo_user_row got;
    struct bt_arr rows = {0};
    OK(repo_user_insert(tx, &u, NULL));
    OK(repo_user_join(tx, &(struct repo_user_membership_row){u.id, w->tenant, REPO_MEMBER_VIEWER},
                      NULL));
    OK(repo_user_join(tx, &(struct repo_user_membership_row){u.id, w->tenant, REPO_MEMBER_OWNER},
                      NULL));
    OK(repo_user_memberships(tx, u.id, &rows, NULL));
    assert_int_equal(rows.len, 1);
    assert_int_equal(((struct repo_user_membership_row *)rows.items)[0].role, REPO_MEMBER_OWNER);
    db_rows_free(&repo_user_membership_table, &rows);
    OK(repo_user_get_by_email(tx, "a@example.com", &got, NULL));
    assert_int_equal(got.role, REPO_ROLE_TENANT);
    repo_user_row_free(&got);
    OK(repo_user_delete(tx, u.id, NULL));
    OK(repo_user_memberships(tx, u.id, &rows, NULL));
    assert_int_equal(rows.len, 0);
    struct repo_ssh_key_row k = {
        .tenant_id = w->tenant, .name = (char *)"k", .public_key = (char *)"ssh-ed25519 A"};
    OK(repo_ssh_key_insert(tx, &k, NULL));
    CODE(repo_ssh_key_insert(tx,
                             &(struct repo_ssh_key_row){.tenant_id = w->tenant,
                                                        .name = (char *)"k",
                                                        .public_key = (char *)"x"},
                             NULL),
         BT_E_EXISTS);
}

IN_WORLD(tombstones_and_orphans)
{
    int64_t id = world_add(w, tx, "a", w->tenant);
    struct repo_tombstone_row t = {.uuid = (char *)"u1",
                                   .instance_id = id,
                                   .host_id = w->host,
                                   .reason = (char *)"delete",
                                   .actor = (char *)"x",
                                   .purge_at = 5};
    struct bt_arr rows = {0};
    OK(repo_tombstone_insert(tx, &t, NULL));
    CODE(repo_tombstone_insert(tx, &t, NULL), BT_E_EXISTS);
    OK(repo_tombstone_list_host(tx, w->host, NULL, &rows, NULL));
    assert_int_equal(rows.len, 1);
    db_rows_free(&repo_tombstone_table, &rows);
    OK(repo_tombstone_delete(tx, "u1", NULL));
    CODE(repo_tombstone_delete(tx, "u1", NULL), BT_E_NOT_FOUND);
    OK(repo_tombstone_insert(tx, &t, NULL));
    OK(repo_tombstone_set_purged(tx, "u1", NULL));
    CODE(repo_tombstone_delete(tx, "u1", NULL), BT_E_BAD_STATE);
    OK(repo_tombstone_list_host(tx, w->host, NULL, &rows, NULL));
    assert_int_equal(rows.len, 0);
    struct repo_orphan_row o = {
        .uuid = (char *)"o1", .host_id = w->host, .spec = (char *)"{}", .state = (char *)"running"};
    OK(repo_orphan_put(tx, &o, NULL));
    o.state = (char *)"stopped";
    OK(repo_orphan_put(tx, &o, NULL));
    OK(repo_orphan_list(tx, &(struct repo_orphan_filter){.limit = 5}, &rows, NULL));
    assert_int_equal(rows.len, 1);
    assert_string_equal(((struct repo_orphan_row *)rows.items)[0].state, "stopped");
    db_rows_free(&repo_orphan_table, &rows);
}

IN_WORLD(settings_meta_and_blobs)
{
    int64_t v = 0;
    char *text = NULL;
    char id[BT_UUID_LEN + 1];
    char again[BT_UUID_LEN + 1];
    (void)w;
    OK(repo_setting_int(tx, "rate", 200, &v, NULL));
    assert_int_equal(v, 200);
    OK(repo_setting_set(tx, "rate", "7", NULL));
    OK(repo_setting_int(tx, "rate", 200, &v, NULL));
    assert_int_equal(v, 7);
    OK(repo_setting_set(tx, "rate", "x", NULL));
    CODE(repo_setting_int(tx, "rate", 200, &v, NULL), BT_E_INVALID);
    OK(repo_setting_set(tx, "rate", NULL, NULL));
    CODE(repo_setting_get(tx, "rate", &text, NULL), BT_E_NOT_FOUND);
    OK(repo_meta_controller_id(tx, bt_random_real(), id, NULL));
    OK(repo_meta_controller_id(tx, bt_random_real(), again, NULL));
    assert_string_equal(id, again);
    struct bt_arr rows = {0};
    OK(repo_blob_put(tx, "aa", 5, NULL));
    OK(repo_blob_put(tx, "aa", 5, NULL));
    OK(repo_blob_put(tx, "bb", 6, NULL));
    struct repo_image_kind_row k = {
        .image_id = w->image, .kind = IMAGE_KIND_ROOTFS, .sha256 = (char *)"aa", .bytes = 5};
    OK(repo_image_kind_set(tx, &k, NULL));
    OK(repo_blob_list_unused(tx, 10, &rows, NULL));
    assert_int_equal(rows.len, 1);
    assert_string_equal(((struct repo_blob_row *)rows.items)[0].sha256, "bb");
    db_rows_free(&repo_blob_table, &rows);
    int64_t inst = world_add(w, tx, "a", w->tenant);
    OK(repo_image_delete(tx, w->image, NULL));
    OK(repo_blob_list_unused(tx, 10, &rows, NULL));
    assert_int_equal(rows.len, 1);
    db_rows_free(&repo_blob_table, &rows);
    OK(repo_instance_purge(tx, inst, NULL));
    OK(repo_blob_list_unused(tx, 10, &rows, NULL));
    assert_int_equal(rows.len, 2);
    db_rows_free(&repo_blob_table, &rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(the_chain_verifies_in_pages),
        WORLD_TEST(the_log_refuses_changes),
        WORLD_TEST(tampering_shows),
        WORLD_TEST(tasks_move_until_they_end),
        WORLD_TEST(tasks_in_pages),
        WORLD_TEST(events_keep_their_numbers),
        WORLD_TEST(a_key_gives_the_same_answer),
        WORLD_TEST(usage_grows_until_it_is_closed),
        WORLD_TEST(one_open_alarm_each),
        WORLD_TEST(tokens_end),
        WORLD_TEST(join_tokens_work_once),
        WORLD_TEST(records_are_applied_once),
        WORLD_TEST(certificates_are_revoked),
        WORLD_TEST(hosts_change),
        WORLD_TEST(people),
        WORLD_TEST(tombstones_and_orphans),
        WORLD_TEST(settings_meta_and_blobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
