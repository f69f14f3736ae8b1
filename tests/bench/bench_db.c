/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: db_core */
/*
 * Rows a second through the writer (one at a time, and as many as 512 waiting) against the same
 * statement in bare SQLite (one and 100 rows a transaction), all in WAL mode with synchronous=FULL
 * on the same file system. One JSON line each; ratio = ours / bare. bench_db [SECONDS [DIRECTORY]]
 */
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/loop/loop.h"
#include "db/core/db.h"
#include "db/core/db_sql.h"

#define SCHEMA                                                                                     \
    "CREATE TABLE rows (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, owner INTEGER NOT "     \
    "NULL,"                                                                                        \
    " body TEXT NOT NULL) STRICT; CREATE INDEX rows_owner ON rows (owner, id);"
#define INSERT "INSERT INTO rows (name, owner, body) VALUES (?1, ?2, ?3)"

static const char body[] = "{\"state\":\"running\",\"host\":17,\"generation\":3,\"addresses\":["
                           "\"198.18.4.7\",\"2001:db8:1:7::1\"]}";

static const struct db_migration migrations[] = {{1, "0001_rows", "bench", SCHEMA}, {0}};

struct bench;

struct item {
    struct db_work work;
    struct bench *bench;
    int64_t n;
};

struct bench {
    struct bt_loop *loop;
    struct db *db;
    struct item items[512];
    int64_t next, done;
    int flying;
    double until;
};

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
    (void)fprintf(stderr, "bench_db: %s\n", what);
    exit(1);
}

/* ---- ours ---- */

static int apply(struct db_tx *tx, struct db_work *w, struct bt_err *err)
{
    struct item *it = BT_CONTAINER_OF(w, struct item, work);
    char name[32];
    (void)snprintf(name, sizeof name, "web-%" PRId64, it->n);
    return db_exec(tx, INSERT, DB_ARGS(DB_T(name), DB_I(it->n % 97), DB_T(body)), NULL, err);
}

static void fly(struct item *it)
{
    it->n = it->bench->next++;
    it->bench->flying++;
    if (db_submit(it->bench->db, &it->work, NULL) < 0)
        die("submit");
}

static void done(struct db_work *w, int rc, const struct bt_err *err)
{
    struct item *it = BT_CONTAINER_OF(w, struct item, work);
    struct bench *b = it->bench;
    if (rc < 0)
        die(err->msg);
    b->done++;
    b->flying--;
    if (now_s() < b->until)
        fly(it);
    else if (b->flying == 0)
        bt_loop_stop(b->loop);
}

static double ours(const char *path, int in_flight, double seconds)
{
    struct bench *b = bt_xcalloc(1, sizeof *b);
    struct bt_err err = BT_ERR_INIT;
    b->loop = bt_loop_new(&err);
    struct db_config cfg = {.path = path,
                            .migrations = migrations,
                            .application_id = 1,
                            .loop = b->loop,
                            .readers = 1,
                            .queue_max = 1024};
    if (!b->loop || db_open(&cfg, &b->db, &err) < 0)
        die(err.msg);
    double start = now_s();
    b->until = start + seconds;
    for (int i = 0; i < in_flight; i++) {
        b->items[i] = (struct item){.work = {.apply = apply, .done = done}, .bench = b};
        fly(&b->items[i]);
    }
    bt_loop_run(b->loop);
    double rate = (double)b->done / (now_s() - start);
    db_close(b->db);
    bt_loop_free(b->loop);
    free(b);
    return rate;
}

/* ---- bare ---- */

static void run(sqlite3 *h, const char *sql)
{
    if (sqlite3_exec(h, sql, NULL, NULL, NULL) != SQLITE_OK)
        die(sqlite3_errmsg(h));
}

static void bare_row(sqlite3_stmt *st, int64_t n)
{
    char name[32];
    (void)snprintf(name, sizeof name, "web-%" PRId64, n);
    (void)sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(st, 2, n % 97);
    (void)sqlite3_bind_text(st, 3, body, -1, SQLITE_STATIC);
    if (sqlite3_step(st) != SQLITE_DONE)
        die("insert");
    (void)sqlite3_reset(st);
}

static double bare(const char *path, int per_tx, double seconds)
{
    sqlite3 *h = NULL;
    sqlite3_stmt *st = NULL;
    int64_t n = 0;
    if (sqlite3_open(path, &h) != SQLITE_OK)
        die(sqlite3_errmsg(h));
    run(h, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" SCHEMA);
    if (sqlite3_prepare_v2(h, INSERT, -1, &st, NULL) != SQLITE_OK)
        die(sqlite3_errmsg(h));
    double start = now_s();
    while (now_s() < start + seconds) {
        run(h, "BEGIN");
        for (int i = 0; i < per_tx; i++)
            bare_row(st, n++);
        run(h, "COMMIT");
    }
    double rate = (double)n / (now_s() - start);
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(h);
    return rate;
}

static void print(const char *name, double value, double against)
{
    (void)printf("{\"name\": \"%s\", \"value\": %.0f, \"unit\": \"rows/s\", \"ratio\": %.3f}\n",
                 name, value, value / against);
}

int main(int argc, char **argv)
{
    int64_t ms = 2000;
    char dir[256];
    char paths[4][300];
    if (argc > 1 && (bt_parse_milli(argv[1], &ms, NULL) < 0 || ms <= 0))
        die("usage: bench_db [SECONDS [DIRECTORY]]");
    (void)snprintf(dir, sizeof dir, "%.200s/berth-bench-XXXXXX", argc > 2 ? argv[2] : "/tmp");
    if (!mkdtemp(dir))
        die("no directory to write in");
    for (int i = 0; i < 4; i++)
        (void)snprintf(paths[i], sizeof paths[i], "%s/%d.db", dir, i);
    double seconds = (double)ms / 1000;
    double bare_one = bare(paths[0], 1, seconds);
    double bare_many = bare(paths[1], 100, seconds);
    print("db_rows_single", ours(paths[2], 1, seconds), bare_one);
    print("db_rows_batched", ours(paths[3], 512, seconds), bare_many);
    print("db_rows_bare_single", bare_one, bare_one);
    print("db_rows_bare_batched", bare_many, bare_many);
    bool absolute = dir[0] == '/';
    int base = bt_open_dir(absolute ? "/" : ".", NULL);
    (void)bt_remove_tree(base, absolute ? dir + 1 : dir, NULL);
    (void)close(base);
    return 0;
}
