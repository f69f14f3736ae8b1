/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Group commit: batches, savepoints, reruns after a lost transaction, memory that follows, order of
 * done(). */
#include "db/core/db_fault.h"
#include "db/core/db_int.h"
#include "tests/unit/db/dbt.h"

static const struct db_migration migrations[] = {
    {1, "0001_n", "aa",
     "CREATE TABLE n (id INTEGER PRIMARY KEY, v INTEGER NOT NULL UNIQUE, data BLOB) STRICT;\n"},
    {0}};

enum { ITEMS_MAX = 64 };

struct fixture {
    struct dbt t;
    struct db_vfs_faults *faults;
    int64_t memory; /* follows the table by hooks */
    int64_t published;
    int done[ITEMS_MAX];
    int n_done;
};

struct item {
    struct db_work work;
    struct fixture *f;
    int64_t v;
    int64_t bytes; /* blob beside it */
    int refuse;    /* code that apply gives back after writing */
    bool scan;     /* read the whole table first */
    bool ignore;   /* apply says 0 whatever SQLite said, and writes again */
    int runs, finished;
    int rc;
    struct bt_err err;
};

static void memory_undo(void *ctx, void *arg)
{
    ((struct fixture *)ctx)->memory -= *(int64_t *)arg;
}

static void memory_publish(void *ctx, void *arg)
{
    ((struct fixture *)ctx)->published += *(int64_t *)arg;
}

static int64_t *boxed(int64_t v)
{
    int64_t *p = bt_xmalloc(sizeof *p);
    *p = v;
    return p;
}

static int item_apply(struct db_tx *tx, struct db_work *w, struct bt_err *err)
{
    struct item *it = BT_CONTAINER_OF(w, struct item, work);
    it->runs++;
    it->f->memory += it->v;
    db_tx_on_rollback(tx, memory_undo, it->f, boxed(it->v));
    db_tx_on_commit(tx, memory_publish, it->f, boxed(it->v));
    int64_t sum = 0;
    int rc = it->scan ? db_int(tx, "SELECT sum(data IS NULL) FROM n", DB_NOARGS, &sum, err) : 0;
    if (rc == 0)
        rc = db_exec(tx, "INSERT INTO n (v, data) VALUES (?1, zeroblob(?2))",
                     DB_ARGS(DB_I(it->v), DB_I(it->bytes)), NULL, err);
    if (it->ignore) {
        /* Another row in each run: one that was committed on its own would stay. */
        (void)db_exec(tx, "INSERT INTO n (v) VALUES (?1)", DB_ARGS(DB_I(it->v * -100 - it->runs)),
                      NULL, NULL);
        return 0;
    }
    if (rc == 0 && it->refuse)
        rc = bt_fail(err, (enum bt_code)it->refuse, "refused");
    return rc;
}

static void item_done(struct db_work *w, int rc, const struct bt_err *err)
{
    struct item *it = BT_CONTAINER_OF(w, struct item, work);
    it->finished++;
    it->rc = rc;
    it->err = *err;
    if (it->f->n_done < ITEMS_MAX)
        it->f->done[it->f->n_done++] = (int)it->v;
}

static struct item item_of(struct fixture *f, int64_t v)
{
    return (struct item){.work = {.apply = item_apply, .done = item_done}, .f = f, .v = v};
}

static void submit(struct item *it)
{
    assert_int_equal(db_submit(it->f->t.db, &it->work, NULL), 0);
}

static void settle(struct fixture *f)
{
    bt_loop_run(f->t.loop);
}

static int sum_tx(struct db_tx *tx, void *arg, struct bt_err *err)
{
    return db_int(tx, "SELECT sum(v) FROM n", DB_NOARGS, arg, err);
}

static int64_t stored(struct fixture *f)
{
    int64_t sum = -1;
    dbt_run(&f->t, sum_tx, &sum);
    return sum;
}

static void open_all(struct fixture *f, bool real_loop)
{
    dbt_init(&f->t, migrations);
    if (real_loop) {
        bt_loop_free(f->t.loop);
        f->t.loop = bt_loop_new(NULL);
        f->t.cfg.loop = f->t.loop;
    }
    assert_int_equal(db_fault_new("fault-writer", &f->faults, NULL), 0);
    f->t.cfg.vfs = "fault-writer";
    dbt_open(&f->t);
}

static int setup(void **state)
{
    *state = bt_xcalloc(1, sizeof(struct fixture));
    open_all(*state, false);
    return 0;
}

static int setup_real(void **state)
{
    *state = bt_xcalloc(1, sizeof(struct fixture));
    open_all(*state, true);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    dbt_fini(&f->t);
    db_fault_free(f->faults);
    free(f);
    return 0;
}

/* ---- on a virtual loop ---- */

static void pending_items_share_a_commit(void **state)
{
    struct fixture *f = *state;
    struct item items[10];
    struct db_stats before;
    struct db_stats after;
    db_stats_get(f->t.db, &before);
    for (int i = 0; i < 10; i++) {
        items[i] = item_of(f, i + 1);
        submit(&items[i]);
    }
    assert_int_equal(f->n_done, 0);
    settle(f);
    db_stats_get(f->t.db, &after);
    assert_int_equal(after.commits - before.commits, 1);
    assert_int_equal(after.reruns, before.reruns);
    assert_int_equal(f->n_done, 10);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(f->done[i], i + 1);
        assert_int_equal(items[i].runs, 1);
        assert_int_equal(items[i].finished, 1);
        assert_int_equal(items[i].rc, 0);
    }
    assert_int_equal(stored(f), 55);
    assert_int_equal(f->memory, 55);
    assert_int_equal(f->published, 55);
}

static void a_refusing_item_leaves_the_others(void **state)
{
    struct fixture *f = *state;
    struct item items[5];
    for (int i = 0; i < 5; i++)
        items[i] = item_of(f, i + 1);
    items[2].refuse = BT_E_NO_CAPACITY;
    items[3].work.dry_run = true;
    for (int i = 0; i < 5; i++)
        submit(&items[i]);
    settle(f);
    assert_int_equal(items[2].rc, -BT_E_NO_CAPACITY);
    assert_string_equal(items[2].err.msg, "refused");
    assert_int_equal(items[3].rc, 0);
    assert_int_equal(stored(f), 1 + 2 + 5);
    assert_int_equal(f->memory, 8);
    assert_int_equal(f->published, 8);
    assert_int_equal(items[4].runs, 1);
}

static void a_conflict_is_seen_by_the_later_item_only(void **state)
{
    struct fixture *f = *state;
    struct item a = item_of(f, 7);
    struct item b = item_of(f, 7);
    submit(&a);
    submit(&b);
    settle(f);
    assert_int_equal(a.rc, 0);
    assert_int_equal(b.rc, -BT_E_EXISTS);
    assert_int_equal(f->memory, 7);
}

static void the_queue_has_an_end(void **state)
{
    struct fixture *f = *state;
    dbt_close(&f->t);
    f->t.cfg.queue_max = 2;
    dbt_open(&f->t);
    struct item items[3] = {item_of(f, 1), item_of(f, 2), item_of(f, 3)};
    submit(&items[0]);
    submit(&items[1]);
    assert_int_equal(db_submit(f->t.db, &items[2].work, NULL), -BT_E_UNAVAILABLE);
    settle(f);
    submit(&items[2]);
    settle(f);
    assert_int_equal(stored(f), 6);
}

static void batches_have_a_size(void **state)
{
    struct fixture *f = *state;
    struct item items[10];
    dbt_close(&f->t);
    f->t.cfg.batch_max = 4;
    dbt_open(&f->t);
    for (int i = 0; i < 10; i++) {
        items[i] = item_of(f, i + 1);
        submit(&items[i]);
    }
    settle(f);
    struct db_stats s;
    db_stats_get(f->t.db, &s);
    assert_int_equal(s.commits, 3);
    assert_int_equal(s.items, 10);
    assert_int_equal(stored(f), 55);
}

static int small_file(struct db_tx *tx, void *arg, struct bt_err *err)
{
    (void)arg;
    char *none = NULL;
    int rc = db_text(tx, "PRAGMA max_page_count = 40", DB_NOARGS, &none, err);
    free(none);
    return rc;
}

/* FULL in the middle ends SQLite's whole transaction: only the guilty item may fail. */
static void only_the_guilty_item_fails(void **state)
{
    struct fixture *f = *state;
    struct item items[10];
    dbt_run(&f->t, small_file, NULL);
    for (int i = 0; i < 10; i++) {
        items[i] = item_of(f, i + 1);
        items[i].bytes = i == 5 ? 1 << 20 : 16;
        submit(&items[i]);
    }
    settle(f);
    for (int i = 0; i < 10; i++)
        assert_int_equal(items[i].rc, i == 5 ? -BT_E_STORAGE_FULL : 0);
    assert_int_equal(stored(f), 55 - 6);
    assert_int_equal(f->memory, 55 - 6);
    assert_int_equal(f->published, 55 - 6);
}

static int tiny_cache(struct db_tx *tx, void *arg, struct bt_err *err)
{
    (void)arg;
    return db_exec(tx, "PRAGMA cache_size = 8", DB_NOARGS, NULL, err);
}

/* An apply() that swallows the error must not go on outside of a transaction. */
static void a_careless_item_cannot_commit_by_itself(void **state)
{
    struct fixture *f = *state;
    int64_t expected = 0;
    int64_t v = 0;
    bool met = true;
    int64_t reruns = 0;
    dbt_run(&f->t, tiny_cache, NULL);
    for (int n = 1; met; n += 5) {
        struct item items[4];
        for (int i = 0; i < 4; i++) {
            items[i] = item_of(f, ++v);
            items[i].bytes = 100000;
            items[i].ignore = i == 1;
            submit(&items[i]);
        }
        db_fault_arm(f->faults,
                     &(struct db_fault_plan){
                         .ops = DB_FAULT_WRITE, .at = n, .times = 1, .kind = DB_FAULT_FULL});
        settle(f);
        met = db_fault_hits(f->faults) > 0;
        db_fault_arm(f->faults, &(struct db_fault_plan){0});
        for (int i = 0; i < 4; i++) {
            assert_int_equal(items[i].rc, 0);
            expected += items[i].v;
        }
        expected += items[1].v * -100 - items[1].runs;
        reruns += items[1].runs - 1;
        assert_int_equal(stored(f), expected);
    }
    assert_true(reruns > 5);
}

/* One shot: everything passes in the rerun. For good: everything fails, nothing stays, then it
 * heals. */
static void full_at_every_write(void **state)
{
    struct fixture *f = *state;
    int64_t expected = 0;
    int64_t v = 0;
    bool met = true;
    int n = 1;
    dbt_run(&f->t, tiny_cache, NULL);
    for (; met; n++) {
        struct item items[6];
        for (int i = 0; i < 6; i++) {
            items[i] = item_of(f, ++v);
            items[i].bytes = 30000;
            submit(&items[i]);
        }
        bool for_good = n % 2 == 0;
        db_fault_arm(f->faults, &(struct db_fault_plan){.ops = DB_FAULT_WRITE,
                                                        .at = n,
                                                        .times = for_good ? 0 : 1,
                                                        .kind = DB_FAULT_FULL});
        settle(f);
        met = db_fault_hits(f->faults) > 0;
        db_fault_arm(f->faults, &(struct db_fault_plan){0});
        for (int i = 0; i < 6; i++) {
            assert_int_equal(items[i].finished, 1);
            if (!for_good || !met)
                assert_int_equal(items[i].rc, 0);
            else if (items[i].rc != 0)
                assert_int_equal(items[i].rc, -BT_E_STORAGE_FULL);
            expected += items[i].rc == 0 ? items[i].v : 0;
        }
        assert_int_equal(stored(f), expected);
        assert_int_equal(f->memory, expected);
        assert_int_equal(f->published, expected);
    }
    assert_true(n > 50);
}

static int fill_tx(struct db_tx *tx, void *arg, struct bt_err *err)
{
    (void)arg;
    return db_exec(tx,
                   "WITH RECURSIVE k (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 200)"
                   " INSERT INTO n (v, data) SELECT -i, zeroblob(3000) FROM k",
                   DB_NOARGS, NULL, err);
}

/* Reading fails: the item that met it is run again, and fails alone when it lasts. */
static void io_errors_of_reads(void **state)
{
    struct fixture *f = *state;
    int64_t expected = 0;
    int64_t v = 0;
    bool met = true;
    int n = 1;
    dbt_run(&f->t, tiny_cache, NULL);
    dbt_run(&f->t, fill_tx, NULL);
    for (; met && n < 400; n++) {
        struct item items[4];
        for (int i = 0; i < 4; i++) {
            items[i] = item_of(f, ++v);
            items[i].bytes = 3000;
            items[i].scan = true;
            submit(&items[i]);
        }
        db_fault_arm(f->faults,
                     &(struct db_fault_plan){
                         .ops = DB_FAULT_READ, .at = n, .times = n % 3, .kind = DB_FAULT_IO});
        settle(f);
        met = db_fault_hits(f->faults) > 0;
        db_fault_arm(f->faults, &(struct db_fault_plan){0});
        for (int i = 0; i < 4; i++) {
            assert_true(items[i].rc == 0 || items[i].rc == -BT_E_DB);
            expected += items[i].rc == 0 ? items[i].v : 0;
        }
        assert_int_equal(stored(f), expected - 200 * 201 / 2);
        assert_int_equal(f->memory, expected);
    }
    assert_true(n > 50);
}

static void out_of_memory_fails_the_item(void **state)
{
    struct fixture *f = *state;
    struct item items[3] = {item_of(f, 1), item_of(f, 2), item_of(f, 3)};
    items[1].bytes = 32 << 20;
    sqlite3_int64 before = sqlite3_hard_heap_limit64(sqlite3_memory_used() + (8 << 20));
    for (int i = 0; i < 3; i++)
        submit(&items[i]);
    settle(f);
    (void)sqlite3_hard_heap_limit64(before);
    assert_int_equal(items[0].rc, 0);
    assert_int_equal(items[1].rc, -BT_E_UNAVAILABLE);
    assert_int_equal(items[2].rc, 0);
    assert_int_equal(stored(f), 4);
    assert_int_equal(f->memory, 4);
}

/* In a child: the process must die there, and nothing that was acknowledged may be lost. */
static void expect_death(struct fixture *f, const struct db_fault_plan *plan)
{
    struct item it = item_of(f, 42);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dbt_no_core();
        (void)freopen("/dev/null", "w", stderr);
        db_fault_arm(f->faults, plan);
        (void)db_submit(f->t.db, &it.work, NULL);
        settle(f);
        _exit(it.finished ? 3 : 4);
    }
    int status = dbt_wait(pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void a_failed_fsync_ends_the_process(void **state)
{
    struct fixture *f = *state;
    expect_death(
        f, &(struct db_fault_plan){.ops = DB_FAULT_SYNC, .at = 1, .times = 1, .kind = DB_FAULT_IO});
}

static void a_failed_commit_ends_the_process(void **state)
{
    struct fixture *f = *state;
    expect_death(f, &(struct db_fault_plan){
                        .ops = DB_FAULT_WRITE, .at = 1, .times = 1, .kind = DB_FAULT_IO});
}

static int backup_tx(struct db_tx *tx, void *arg, struct bt_err *err)
{
    return db_tx_backup(tx, arg, err);
}

static void a_backup_is_a_whole_database(void **state)
{
    struct fixture *f = *state;
    struct item it = item_of(f, 11);
    char copy[96];
    submit(&it);
    settle(f);
    (void)snprintf(copy, sizeof copy, "%s/copy.db", f->t.dir);
    dbt_run(&f->t, backup_tx, copy);
    assert_int_equal(db_run_sync(f->t.db, backup_tx, copy, NULL), -BT_E_EXISTS);
    struct dbt other = f->t;
    other.cfg.path = copy;
    other.db = NULL;
    dbt_open(&other);
    int64_t sum = 0;
    dbt_run(&other, sum_tx, &sum);
    assert_int_equal(sum, 11);
    dbt_close(&other);
    struct stat st;
    assert_int_equal(stat(copy, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void the_log_is_kept_short(void **state)
{
    struct fixture *f = *state;
    struct db_stats s;
    for (int i = 0; i < 60; i++) {
        struct item it = item_of(f, i + 1);
        it.bytes = 500000;
        submit(&it);
        settle(f);
        db_stats_get(f->t.db, &s);
        assert_true(s.wal_bytes < 8 << 20);
    }
    assert_true(s.checkpoints >= 4);
    char wal[96];
    struct stat st;
    (void)snprintf(wal, sizeof wal, "%s-wal", f->t.path);
    assert_int_equal(stat(wal, &st), 0);
    assert_true(st.st_size < 8 << 20);
}

static off_t wal_size(const struct fixture *f)
{
    char wal[96];
    struct stat st;
    (void)snprintf(wal, sizeof wal, "%s-wal", f->t.path);
    assert_int_equal(stat(wal, &st), 0);
    return st.st_size;
}

static void an_idle_writer_empties_the_log(void **state)
{
    struct fixture *f = *state;
    struct item it = item_of(f, 1);
    struct db_stats s;
    submit(&it);
    settle(f);
    assert_true(wal_size(f) > 0);
    db_ckpt_idle(&f->t.db->writer);
    assert_int_equal(wal_size(f), 0);
    db_stats_get(f->t.db, &s);
    assert_int_equal(s.wal_bytes, 0);
    /* Nothing new: nothing to do. */
    uint64_t before = s.checkpoints;
    db_ckpt_idle(&f->t.db->writer);
    db_stats_get(f->t.db, &s);
    assert_int_equal(s.checkpoints, before);
    assert_int_equal(stored(f), 1);
}

/* ---- on a real loop, with the thread ---- */

struct reader {
    struct db_read read;
    struct fixture *f;
    int64_t sum;
    int rc;
    bool finished;
};

static int reader_read(struct db_tx *tx, struct db_read *r, struct bt_err *err)
{
    struct reader *rd = BT_CONTAINER_OF(r, struct reader, read);
    if (db_exec(tx, "INSERT INTO n (v) VALUES (1000)", DB_NOARGS, NULL, NULL) == 0)
        return bt_fail(err, BT_E_INTERNAL, "a reader could write");
    return db_int(tx, "SELECT coalesce(sum(v), 0) FROM n", DB_NOARGS, &rd->sum, err);
}

static void reader_done(struct db_read *r, int rc, const struct bt_err *err)
{
    struct reader *rd = BT_CONTAINER_OF(r, struct reader, read);
    (void)err;
    rd->rc = rc;
    rd->finished = true;
    bt_loop_stop(rd->f->t.loop);
}

static struct reader reader_of(struct fixture *f)
{
    return (struct reader){.read = {.read = reader_read, .done = reader_done}, .f = f};
}

struct last {
    struct item item;
    struct reader reader;
};

static void last_done(struct db_work *w, int rc, const struct bt_err *err)
{
    struct last *l = BT_CONTAINER_OF(w, struct last, item.work);
    item_done(w, rc, err);
    (void)db_read_submit(l->item.f->t.db, &l->reader.read, NULL);
}

static void the_thread_commits_in_groups(void **state)
{
    struct fixture *f = *state;
    static struct item items[500];
    struct last last = {.item = item_of(f, 501), .reader = reader_of(f)};
    last.item.work.done = last_done;
    for (int i = 0; i < 500; i++) {
        items[i] = item_of(f, i + 1);
        submit(&items[i]);
    }
    submit(&last.item);
    bt_loop_run(f->t.loop);
    assert_true(last.reader.finished);
    assert_int_equal(last.reader.rc, 0);
    assert_int_equal(last.reader.sum, 501 * 502 / 2);
    struct db_stats s;
    db_stats_get(f->t.db, &s);
    assert_int_equal(s.items, 501);
    assert_true(s.commits < 250);
    assert_int_equal(s.queued, 0);
    for (int i = 0; i < 500; i++)
        assert_int_equal(items[i].finished, 1);
    for (int i = 1; i < f->n_done; i++)
        assert_true(f->done[i] == f->done[i - 1] + 1);
    assert_int_equal(stored(f), 501 * 502 / 2);
}

static void closing_finishes_what_is_queued(void **state)
{
    struct fixture *f = *state;
    static struct item items[50];
    for (int i = 0; i < 50; i++) {
        items[i] = item_of(f, i + 1);
        submit(&items[i]);
    }
    dbt_close(&f->t);
    dbt_open(&f->t);
    assert_int_equal(stored(f), 50 * 51 / 2);
    struct last last = {.item = item_of(f, 51), .reader = reader_of(f)};
    last.item.work.done = last_done;
    submit(&last.item);
    bt_loop_run(f->t.loop);
    for (int i = 0; i < 50; i++)
        assert_int_equal(items[i].finished, 1);
}

static void reads_on_a_virtual_loop(void **state)
{
    struct fixture *f = *state;
    struct item it = item_of(f, 9);
    struct reader rd = reader_of(f);
    submit(&it);
    settle(f);
    assert_int_equal(db_read_submit(f->t.db, &rd.read, NULL), 0);
    assert_false(rd.finished);
    settle(f);
    assert_true(rd.finished);
    assert_int_equal(rd.rc, 0);
    assert_int_equal(rd.sum, 9);
}

#define VIRTUAL(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define REAL(name) cmocka_unit_test_setup_teardown(name, setup_real, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        VIRTUAL(pending_items_share_a_commit),
        VIRTUAL(a_refusing_item_leaves_the_others),
        VIRTUAL(a_conflict_is_seen_by_the_later_item_only),
        VIRTUAL(the_queue_has_an_end),
        VIRTUAL(batches_have_a_size),
        VIRTUAL(only_the_guilty_item_fails),
        VIRTUAL(a_careless_item_cannot_commit_by_itself),
        VIRTUAL(full_at_every_write),
        VIRTUAL(io_errors_of_reads),
        VIRTUAL(out_of_memory_fails_the_item),
        VIRTUAL(a_failed_fsync_ends_the_process),
        VIRTUAL(a_failed_commit_ends_the_process),
        VIRTUAL(a_backup_is_a_whole_database),
        VIRTUAL(the_log_is_kept_short),
        VIRTUAL(an_idle_writer_empties_the_log),
        VIRTUAL(reads_on_a_virtual_loop),
        REAL(the_thread_commits_in_groups),
        REAL(closing_finishes_what_is_queued),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
