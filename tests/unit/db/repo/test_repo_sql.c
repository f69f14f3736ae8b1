/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: db_repo */
/*
 * Every statement of the program, taken from the sources themselves: a run of string literals that
 * begins with a SQL verb. Each must prepare against the schema that it is for; what reads or
 * changes a table that grows must not scan it. And the enums of the rows are the enums of the
 * schema.
 */
#include <dirent.h>
#include <sqlite3.h>

#include "db/core/db_migrate.h"
#include "db/repo/repo_instance.h"
#include "db/repo/repo_pool.h"
#include "db/repo/repo_task.h"
#include "db/repo/repo_user.h"
#include "tests/unit/db/dbt.h"

#define SQL_MAX 8192
#define SOURCE_MAX (1u << 20)

struct scan {
    struct db_tx *tx;
    sqlite3 *plan; /* a connection to the same file, for EXPLAIN */
    int statements, bad;
    bool hot_seen[64];
};

/* ---- sources ---- */

static const char *root(void)
{
    static const char self[] = __FILE__;
    static char path[512];
    (void)snprintf(path, sizeof path, "%.*s",
                   (int)(strlen(self) - strlen("tests/unit/db/repo/test_repo_sql.c")), self);
    return path[0] ? path : "./";
}

static bool begins_sql(const char *s)
{
    static const char *const verbs[] = {"SELECT ", "INSERT ", "UPDATE ",
                                        "DELETE ", "WITH ",   "REPLACE "};
    for (size_t i = 0; i < BT_ARRAY_LEN(verbs); i++) {
        if (strncmp(s, verbs[i], strlen(verbs[i])) == 0)
            return true;
    }
    return false;
}

/* Append the literal at *@p (behind its quote) to @b; *@p ends behind the closing quote. */
static void take_literal(const char **p, struct bt_buf *b)
{
    const char *s = *p;
    for (; *s && *s != '"'; s++) {
        if (*s == '\\' && s[1])
            s++;
        (void)bt_buf_addc(b, *s);
    }
    *p = *s ? s + 1 : s;
}

static const char *skip_space(const char *s)
{
    while (*s == ' ' || *s == '\n' || *s == '\t')
        s++;
    return s;
}

static const char *skip_comment(const char *s)
{
    const char *end = strstr(s + 2, "*/");
    return end ? end + 2 : s + strlen(s);
}

/* The next run of literals in @s into @b; where to go on, NULL at the end. */
static const char *next_text(const char *s, struct bt_buf *b)
{
    bt_buf_reset(b);
    while (*s && *s != '"') {
        if (s[0] == '/' && s[1] == '*')
            s = skip_comment(s);
        else if (s[0] == '\'' && s[1] && s[2] == '\'')
            s += 3;
        else
            s++;
    }
    if (!*s)
        return NULL;
    while (*s == '"') {
        s++;
        take_literal(&s, b);
        s = skip_space(s);
    }
    return s;
}

/* Tables that stay small, or whose statement is a rare job that looks at all of it. */
static bool may_scan(const char *sql, const char *detail)
{
    static const char *const small[] = {
        "SCAN p",      "SCAN pools",    "SCAN settings",    "SCAN blobs",
        "SCAN k",      "SCAN i",        "SCAN n",           "SCAN CONSTANT ROW",
        "SCAN starts", "SCAN destroys", "SCAN join_tokens", "SCAN sqlite_sequence"};
    for (size_t i = 0; i < BT_ARRAY_LEN(small); i++) {
        if (strncmp(detail, small[i], strlen(small[i])) == 0)
            return true;
    }
    /* A walk over an index in its order is no scan of the table. */
    return strstr(detail, "COVERING INDEX") || strstr(detail, "USING INDEX tasks_open") ||
           strstr(sql, "LIMIT 1000000");
}

/* ---- the hot ones, and the index that must carry them ---- */

struct hot {
    const char *begins; /* of the statement */
    const char *plan;   /* a step of its plan */
};

static const struct hot hot[] = {
    {"SELECT ?1 AS host_id, coalesce(sum(CASE",
     "USING COVERING INDEX instances_alloc (host_id=? AND purged_at=?)"},
    {"SELECT host_id, sum(CASE", "USING COVERING INDEX instances_alloc"},
    {"SELECT * FROM instances WHERE tenant_id = ?1 AND name", "USING INDEX instances_name"},
    {"SELECT * FROM instances WHERE uuid", "USING INDEX sqlite_autoindex_instances_1"},
    {"SELECT * FROM instances WHERE tenant_id = ?3",
     "INDEX instances_tenant (tenant_id=? AND id>?"},
    {"SELECT * FROM instances WHERE host_id = ?4",
     "USING INDEX instances_host (host_id=? AND purged_at=?"},
    {"SELECT * FROM instances WHERE name = ?8", "USING INDEX instances_by_name (name=? AND id>?"},
    {"SELECT * FROM instances WHERE source = ?9", "USING INDEX instances_external"},
    {"SELECT id FROM instances WHERE name = ?1 AND trashed_at = 0",
     "INDEX instances_by_name (name=?"},
    {"SELECT id FROM instances WHERE delete_at", "INDEX instances_trash (delete_at<?"},
    {"SELECT count(*) FROM instances WHERE plan_id", "INDEX instances_plan (plan_id=?)"},
    {"SELECT count(*) FROM instances WHERE image_id", "INDEX instances_image (image_id=?)"},
    {"SELECT * FROM tasks WHERE instance_id = ?1 AND finished_at", "INDEX tasks_instance"},
    {"SELECT * FROM tasks WHERE instance_id = ?3 AND id <",
     "INDEX tasks_instance (instance_id=? AND id<?"},
    {"SELECT * FROM tasks WHERE tenant_id = ?5 AND id <",
     "INDEX tasks_tenant (tenant_id=? AND id<?"},
    {"SELECT * FROM tasks WHERE host_id = ?4 AND id >", "INDEX tasks_host (host_id=? AND id>?"},
    {"SELECT * FROM tasks WHERE finished_at = 0 AND id >", "INDEX tasks_open (state=?"},
    {"SELECT * FROM tasks WHERE finished_at = 0 AND state IN", "INDEX tasks_open (state=?"},
    {"SELECT count(*) FROM addresses WHERE pool_id = ?1 AND n",
     "INDEX sqlite_autoindex_addresses_2"},
    {"SELECT a.n + 1 FROM addresses a",
     "SEARCH a USING COVERING INDEX sqlite_autoindex_addresses_2"},
    {"SELECT a.n + 1 FROM addresses a",
     "SEARCH b USING COVERING INDEX sqlite_autoindex_addresses_2"},
    {"SELECT * FROM addresses WHERE instance_id", "INDEX addresses_instance (instance_id=?)"},
    {"UPDATE address_history SET to_at = ?2 WHERE to_at = 0 AND instance_uuid",
     "INDEX address_history_open"},
    {"SELECT * FROM tokens WHERE secret_hash", "USING INDEX sqlite_autoindex_tokens_1"},
    {"SELECT * FROM idempotency_keys WHERE principal",
     "USING INDEX sqlite_autoindex_idempotency_keys_1"},
    {"SELECT * FROM outbox WHERE seq", "USING INTEGER PRIMARY KEY (rowid>?)"},
    {"SELECT * FROM audit WHERE seq", "USING INTEGER PRIMARY KEY (rowid>?)"},
    {"SELECT * FROM usage WHERE tenant_id", "INDEX usage_tenant (tenant_id=? AND id>?"},
    {"SELECT * FROM tombstones WHERE host_id", "INDEX tombstones_host (host_id=? AND uuid>?"},
};

static void note_hot(struct scan *s, const char *sql, const char *detail)
{
    for (size_t i = 0; i < BT_ARRAY_LEN(hot); i++) {
        if (strncmp(sql, hot[i].begins, strlen(hot[i].begins)) == 0 && strstr(detail, hot[i].plan))
            s->hot_seen[i] = true;
    }
}

static void expect_hot(const struct scan *s)
{
    for (size_t i = 0; i < BT_ARRAY_LEN(hot); i++) {
        if (!s->hot_seen[i])
            fail_msg("no statement \"%s...\" with the step \"%s\"", hot[i].begins, hot[i].plan);
    }
}

static void explain(struct scan *s, const char *file, const char *sql)
{
    char *text = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sql);
    sqlite3_stmt *st = NULL;
    assert_int_equal(sqlite3_prepare_v2(s->plan, text, -1, &st, NULL), SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW) {
        const char *detail = (const char *)sqlite3_column_text(st, 3);
        note_hot(s, sql, detail);
        if (strncmp(detail, "SCAN ", 5) == 0 && !may_scan(sql, detail)) {
            print_error("# %s: %s\n#   %s\n", file, detail, sql);
            s->bad++;
        }
    }
    (void)sqlite3_finalize(st);
    sqlite3_free(text);
}

static void check_text(struct scan *s, const char *file, const char *sql)
{
    struct bt_err err = BT_ERR_INIT;
    s->statements++;
    if (db_check_sql(s->tx, sql, &err) < 0) {
        print_error("# %s: %s\n", file, err.msg);
        s->bad++;
        return;
    }
    explain(s, file, sql);
}

static void check_file(struct scan *s, const char *path)
{
    struct bt_buf src = BT_BUF(SOURCE_MAX);
    struct bt_buf text = BT_BUF(SQL_MAX);
    if (bt_read_file(AT_FDCWD, path, SOURCE_MAX, &src, NULL) == 0) {
        for (const char *p = src.data; p && (p = next_text(p, &text));) {
            if (text.data && begins_sql(text.data) && strstr(text.data, " ") &&
                !strchr(text.data, '%'))
                check_text(s, path, text.data);
        }
    }
    bt_buf_fini(&text);
    bt_buf_fini(&src);
}

/* All .c files of @folder and below. */
static void check_folder(struct scan *s, const char *folder)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s%s", root(), folder);
    DIR *d = opendir(path);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));) {
        char sub[1024];
        size_t n = strlen(e->d_name);
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(sub, sizeof sub, "%.400s/%.250s", folder, e->d_name);
        if (e->d_type == DT_DIR) {
            check_folder(s, sub);
        } else if (n > 2 && strcmp(e->d_name + n - 2, ".c") == 0) {
            (void)snprintf(path, sizeof path, "%.300s%.700s", root(), sub);
            check_file(s, path);
        }
    }
    (void)closedir(d);
}

struct job {
    struct dbt *t;
    const char *const *folders;
    int least;
    bool hot;
};

static int scan_tx(struct db_tx *tx, void *arg, struct bt_err *err)
{
    struct job *job = arg;
    struct scan s = {.tx = tx};
    (void)err;
    assert_int_equal(sqlite3_open_v2(job->t->path, &s.plan, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    for (size_t i = 0; job->folders[i]; i++)
        check_folder(&s, job->folders[i]);
    (void)sqlite3_close(s.plan);
    print_message("# %d statements\n", s.statements);
    assert_true(s.statements >= job->least);
    assert_int_equal(s.bad, 0);
    if (job->hot)
        expect_hot(&s);
    return 0;
}

static void statements_of(const struct db_migration *migrations, const char *const *folders,
                          int least)
{
    struct dbt t;
    dbt_init(&t, migrations);
    dbt_open(&t);
    struct job job = {&t, folders, least, migrations == bt_migrations_controller};
    dbt_run(&t, scan_tx, &job);
    dbt_fini(&t);
}

static void controller_statements(void **state)
{
    static const char *const folders[] = {"db/repo", "controller", NULL};
    (void)state;
    statements_of(bt_migrations_controller, folders, 150);
}

static void agent_statements(void **state)
{
    static const char *const folders[] = {"agent", NULL};
    (void)state;
    statements_of(bt_migrations_agent, folders, 0);
}

/* ---- enums ---- */

struct check {
    const char *table, *column;
    const char *const *names;
};

static const struct check checks[] = {
    {"users", "role", repo_user_role_names},     {"memberships", "role", repo_member_role_names},
    {"host_groups", "policy", enum_policy},      {"hosts", "state", enum_host_state},
    {"images", "state", enum_image_state},       {"image_kinds", "kind", enum_image_kind},
    {"pools", "delivery", enum_delivery},        {"instances", "driver", enum_driver},
    {"instances", "desired", enum_desired},      {"instances", "desired_by", enum_desired_by},
    {"instances", "state", enum_instance_state}, {"addresses", "state", enum_address_state},
    {"tasks", "state", enum_task_state},         {"usage", "state", enum_usage_state},
    {"alarms", "severity", enum_severity},
};

/* "CHECK (column IN ('a', 'b'))" of the table's own text. */
static void names_of_check(const char *sql, const char *column, struct bt_buf *out)
{
    char head[64];
    (void)snprintf(head, sizeof head, "CHECK (%s IN", column);
    const char *p = strstr(sql, head);
    assert_non_null(p);
    p += strlen(head);
    const char *end = strchr(p + 2, ')');
    assert_non_null(end);
    for (bool in = false; p < end; p++) {
        if (*p == '\'')
            in = !in;
        if (*p == '\'' && !in)
            (void)bt_buf_addc(out, ',');
        else if (*p != '\'' && in)
            (void)bt_buf_addc(out, *p);
    }
}

static int enums_tx(struct db_tx *tx, void *arg, struct bt_err *err)
{
    (void)arg;
    for (size_t i = 0; i < BT_ARRAY_LEN(checks); i++) {
        const struct check *c = &checks[i];
        char *sql = NULL;
        struct bt_buf schema = BT_BUF(4096);
        struct bt_buf mine = BT_BUF(4096);
        assert_int_equal(db_text(tx, "SELECT sql FROM sqlite_schema WHERE name = ?1",
                                 DB_ARGS(DB_T(c->table)), &sql, err),
                         0);
        names_of_check(sql, c->column, &schema);
        for (size_t n = 0; c->names[n]; n++)
            (void)bt_buf_addf(&mine, "%s,", c->names[n]);
        assert_string_equal(schema.data, mine.data);
        bt_buf_fini(&schema);
        bt_buf_fini(&mine);
        free(sql);
    }
    return 0;
}

static void enums_are_those_of_the_schema(void **state)
{
    struct dbt t;
    (void)state;
    dbt_init(&t, bt_migrations_controller);
    dbt_open(&t);
    dbt_run(&t, enums_tx, NULL);
    dbt_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(controller_statements),
        cmocka_unit_test(agent_statements),
        cmocka_unit_test(enums_are_those_of_the_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
