/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening: one process only, migrations by copy and swap, refusals, power loss at every step. */
#include "db/core/db_fault.h"
#include "db/core/db_int.h"
#include "tests/unit/db/dbt.h"

#define FIRST                                                                                      \
    {                                                                                              \
        1, "0001_n", "aa", "CREATE TABLE n (id INTEGER PRIMARY KEY, v INTEGER NOT NULL) STRICT;\n" \
    }
#define SECOND                                                                                     \
    {                                                                                              \
        2, "0002_w", "bb",                                                                         \
            "CREATE TABLE w (id INTEGER PRIMARY KEY, n_id INTEGER NOT NULL REFERENCES n (id))"     \
            " STRICT;\nINSERT INTO w (n_id) SELECT id FROM n;\n"                                   \
    }
#define THIRD                                                                                      \
    {                                                                                              \
        3, "0003_n", "cc", "ALTER TABLE n ADD COLUMN note TEXT NOT NULL DEFAULT 'x';\n"            \
    }

static const struct db_migration one[] = {FIRST, {0}};
static const struct db_migration two[] = {FIRST, SECOND, {0}};
static const struct db_migration three[] = {FIRST, SECOND, THIRD, {0}};
static const struct db_migration changed[] = {{1, "0001_n", "xx", ""}, {0}};
static const struct db_migration broken[] = {
    FIRST, {2, "0002_bad", "bb", "CREATE TABLE n (x);"}, {0}};
static const struct db_migration dangling[] = {
    FIRST,
    {2, "0002_bad", "bb",
     "CREATE TABLE w (n_id INTEGER REFERENCES n (id)) STRICT; INSERT INTO w VALUES (9999);"},
    {0}};

static int setup(void **state)
{
    struct dbt *t = bt_xcalloc(1, sizeof *t);
    dbt_init(t, one);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    dbt_fini(*state);
    free(*state);
    return 0;
}

static int add_tx(struct db_tx *tx, void *arg, struct bt_err *err)
{
    return db_exec(tx, "INSERT INTO n (v) VALUES (?1)", DB_ARGS(DB_I(*(int64_t *)arg)), NULL, err);
}

static int count_tx(struct db_tx *tx, void *arg, struct bt_err *err)
{
    return db_int(tx, "SELECT count(*) FROM n", DB_NOARGS, arg, err);
}

static int count_w_tx(struct db_tx *tx, void *arg, struct bt_err *err)
{
    return db_int(tx, "SELECT count(*) FROM w", DB_NOARGS, arg, err);
}

static int version_tx(struct db_tx *tx, void *arg, struct bt_err *err)
{
    return db_int(tx, "SELECT max(version) FROM schema_history", DB_NOARGS, arg, err);
}

static int64_t ask(struct dbt *t, int (*fn)(struct db_tx *tx, void *arg, struct bt_err *err))
{
    int64_t n = -1;
    dbt_run(t, fn, &n);
    return n;
}

static void add(struct dbt *t, int64_t v)
{
    dbt_run(t, add_tx, &v);
}

static bool there(const struct dbt *t, const char *suffix)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s%s", t->path, suffix);
    return access(path, F_OK) == 0;
}

static void reopen_with(struct dbt *t, const struct db_migration *migrations)
{
    dbt_close(t);
    t->cfg.migrations = migrations;
    dbt_open(t);
}

static void makes_and_keeps(void **state)
{
    struct dbt *t = *state;
    struct stat st;
    dbt_open(t);
    add(t, 1);
    assert_int_equal(stat(t->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_false(there(t, ".new"));
    reopen_with(t, one);
    assert_int_equal(ask(t, count_tx), 1);
    assert_false(there(t, ".previous"));
}

static int pragmas_tx(struct db_tx *tx, void *arg, struct bt_err *err)
{
    static const struct {
        const char *sql;
        int64_t want;
    } rows[] = {
        {"PRAGMA synchronous", 2},          {"PRAGMA foreign_keys", 1},
        {"PRAGMA trusted_schema", 0},       {"PRAGMA cell_size_check", 1},
        {"PRAGMA wal_autocheckpoint", 0},   {"PRAGMA user_version", 1},
        {"PRAGMA application_id", DBT_APP},
    };
    (void)arg;
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        int64_t v = -1;
        assert_int_equal(db_int(tx, rows[i].sql, DB_NOARGS, &v, err), 0);
        if (v != rows[i].want)
            fail_msg("%s is %lld", rows[i].sql, (long long)v);
    }
    char *mode = NULL;
    assert_int_equal(db_text(tx, "PRAGMA journal_mode", DB_NOARGS, &mode, err), 0);
    assert_string_equal(mode, "wal");
    free(mode);
    return 0;
}

static void the_pragmas_hold(void **state)
{
    dbt_open(*state);
    dbt_run(*state, pragmas_tx, NULL);
}

static void a_second_process_is_refused(void **state)
{
    struct dbt *t = *state;
    char want[32];
    dbt_open(t);
    (void)snprintf(want, sizeof want, "pid %ld", (long)getpid());
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct db *second = NULL;
        struct bt_err err = BT_ERR_INIT;
        int rc = db_open(&t->cfg, &second, &err);
        _exit(rc == -BT_E_IN_USE && strstr(err.msg, want) ? 0 : 1);
    }
    assert_int_equal(dbt_wait(pid), 0);
    /* Neither a second time in the same process; and free again after closing. */
    struct db *second = NULL;
    assert_int_equal(db_open(&t->cfg, &second, NULL), -BT_E_IN_USE);
    reopen_with(t, one);
}

static void a_killed_owner_frees_the_lock(void **state)
{
    struct dbt *t = *state;
    int ready[2];
    char c = 0;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dbt_open(t);
        add(t, 5);
        (void)!write(ready[1], "x", 1);
        (void)pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(dbt_try_open(t), -BT_E_IN_USE);
    (void)kill(pid, SIGKILL);
    (void)dbt_wait(pid);
    dbt_open(t);
    assert_int_equal(ask(t, count_tx), 1);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

static void upgrades_a_copy_and_keeps_the_old(void **state)
{
    struct dbt *t = *state;
    dbt_open(t);
    for (int i = 0; i < 10; i++)
        add(t, i);
    reopen_with(t, two);
    assert_int_equal(ask(t, count_tx), 10);
    assert_int_equal(ask(t, count_w_tx), 10);
    assert_int_equal(ask(t, version_tx), 2);
    assert_true(there(t, ".previous"));
    assert_false(there(t, ".new"));
    add(t, 10);
    reopen_with(t, three);
    assert_int_equal(ask(t, version_tx), 3);
    assert_int_equal(ask(t, count_tx), 11);
    /* The kept one is the schema before, whole. */
    struct dbt old = *t;
    char path[128];
    (void)snprintf(path, sizeof path, "%s.previous", t->path);
    old.cfg.path = path;
    old.cfg.migrations = two;
    old.db = NULL;
    dbt_open(&old);
    assert_int_equal(ask(&old, count_tx), 11);
    assert_int_equal(ask(&old, version_tx), 2);
    dbt_close(&old);
}

static void upgrades_what_is_only_in_the_log(void **state)
{
    struct dbt *t = *state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dbt_open(t);
        for (int i = 0; i < 20; i++)
            add(t, i);
        (void)kill(getpid(), SIGKILL);
    }
    (void)dbt_wait(pid);
    assert_true(there(t, "-wal"));
    t->cfg.migrations = two;
    dbt_open(t);
    assert_int_equal(ask(t, count_w_tx), 20);
}

static void refuses_a_newer_schema(void **state)
{
    struct dbt *t = *state;
    t->cfg.migrations = two;
    dbt_open(t);
    dbt_close(t);
    t->cfg.migrations = one;
    assert_int_equal(dbt_try_open(t), -BT_E_UNSUPPORTED);
    assert_non_null(strstr(t->err.msg, "schema 2"));
    assert_true(t->err.hint[0] != '\0');
}

static void refuses_a_changed_migration(void **state)
{
    struct dbt *t = *state;
    dbt_open(t);
    dbt_close(t);
    t->cfg.migrations = changed;
    assert_int_equal(dbt_try_open(t), -BT_E_DB);
    assert_non_null(strstr(t->err.msg, "0001_n"));
}

static void refuses_another_application(void **state)
{
    struct dbt *t = *state;
    dbt_open(t);
    dbt_close(t);
    t->cfg.application_id = 7;
    assert_int_equal(dbt_try_open(t), -BT_E_UNSUPPORTED);
}

static void scribble(const char *path, off_t off, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(pwrite(fd, "\xa5", 1, off + (off_t)i), 1);
    (void)close(fd);
}

static void refuses_what_is_no_database(void **state)
{
    struct dbt *t = *state;
    scribble(t->path, 0, 5000);
    assert_int_equal(dbt_try_open(t), -BT_E_DB);
    assert_true(t->err.hint[0] != '\0');
}

static void refuses_a_damaged_file(void **state)
{
    struct dbt *t = *state;
    dbt_open(t);
    for (int i = 0; i < 500; i++)
        add(t, i);
    dbt_close(t);
    scribble(t->path, 4096 + 8, 200);
    assert_int_equal(dbt_try_open(t), -BT_E_DB);
    assert_non_null(strstr(t->err.hint, "backup"));
}

static void refuses_a_log_without_its_database(void **state)
{
    struct dbt *t = *state;
    char wal[128];
    (void)snprintf(wal, sizeof wal, "%s-wal", t->path);
    scribble(wal, 0, 100);
    assert_int_equal(dbt_try_open(t), -BT_E_DB);
    assert_int_equal(unlink(wal), 0);
    dbt_open(t);
}

static void a_failing_migration_changes_nothing(void **state)
{
    struct dbt *t = *state;
    dbt_open(t);
    add(t, 1);
    dbt_close(t);
    t->cfg.migrations = broken;
    assert_int_equal(dbt_try_open(t), -BT_E_DB);
    assert_non_null(strstr(t->err.msg, "0002_bad"));
    t->cfg.migrations = dangling;
    assert_int_equal(dbt_try_open(t), -BT_E_DB);
    t->cfg.migrations = two;
    dbt_open(t);
    assert_int_equal(ask(t, count_w_tx), 1);
}

/* Left behind between link(2) and rename(2), or by a crash while building. */
static void leftovers_are_thrown_away(void **state)
{
    struct dbt *t = *state;
    char path[128];
    dbt_open(t);
    add(t, 1);
    dbt_close(t);
    (void)snprintf(path, sizeof path, "%s.new", t->path);
    scribble(path, 0, 9000);
    (void)snprintf(path, sizeof path, "%s.new-journal", t->path);
    scribble(path, 0, 9000);
    (void)snprintf(path, sizeof path, "%s.previous", t->path);
    assert_int_equal(link(t->path, path), 0);
    t->cfg.migrations = three;
    dbt_open(t);
    assert_int_equal(ask(t, count_w_tx), 1);
    assert_false(there(t, ".new"));
    assert_false(there(t, ".new-journal"));
}

/* The child upgrades and loses power at operation @n; true when it got through before. */
static bool upgrade_with_power_loss(struct dbt *t, int64_t n, bool torn)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct db_vfs_faults *f = NULL;
        if (db_fault_new("fault-open", &f, NULL) < 0)
            _exit(1);
        t->cfg.vfs = "fault-open";
        t->cfg.migrations = three;
        db_fault_arm(f, &(struct db_fault_plan){.ops = DB_FAULT_WRITE | DB_FAULT_SYNC |
                                                       DB_FAULT_TRUNCATE | DB_FAULT_OPEN |
                                                       DB_FAULT_DELETE,
                                                .at = n,
                                                .kind = DB_FAULT_POWER,
                                                .torn = torn,
                                                .seed = (uint64_t)n});
        _exit(dbt_try_open(t) == 0 ? 0 : 2);
    }
    int status = dbt_wait(pid);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DB_FAULT_EXIT);
    return WEXITSTATUS(status) == 0;
}

static void power_loss_at_every_step(void **state)
{
    struct dbt *t = *state;
    bool through = false;
    int64_t n = 1;
    for (; !through; n++) {
        t->cfg.migrations = one;
        dbt_open(t);
        for (int i = 0; i < 30; i++)
            add(t, i);
        dbt_close(t);
        through = upgrade_with_power_loss(t, n, n % 2 == 0);
        /* Whatever stands there opens as it is or upgrades; all rows are there. */
        t->cfg.migrations = three;
        dbt_open(t);
        assert_int_equal(ask(t, count_tx), 30);
        assert_int_equal(ask(t, count_w_tx), 30);
        assert_int_equal(ask(t, version_tx), 3);
        dbt_close(t);
        int dir = bt_open_dir(t->dir, NULL);
        assert_int_equal(bt_remove_tree(dir, "test.db", NULL), 0);
        (void)close(dir);
    }
    assert_true(n > 30);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(makes_and_keeps),
        T(the_pragmas_hold),
        T(a_second_process_is_refused),
        T(a_killed_owner_frees_the_lock),
        T(upgrades_a_copy_and_keeps_the_old),
        T(upgrades_what_is_only_in_the_log),
        T(refuses_a_newer_schema),
        T(refuses_a_changed_migration),
        T(refuses_another_application),
        T(refuses_what_is_no_database),
        T(refuses_a_damaged_file),
        T(refuses_a_log_without_its_database),
        T(a_failing_migration_changes_nothing),
        T(leftovers_are_thrown_away),
        T(power_loss_at_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
