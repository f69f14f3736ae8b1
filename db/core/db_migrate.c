/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/core/db_migrate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "db/core/db_int.h"

/*
 * The file at `path` is at every instant a whole database of one schema: a new schema is built in
 * PATH.new (a checked copy, or an empty file), made durable, and renamed over it. The former file
 * stays as PATH.previous. Whatever a crash leaves in PATH.new is thrown away at the next start.
 */
struct paths {
    const char *db;
    char *fresh, *fresh_journal, *previous, *wal;
};

static struct paths paths_of(const char *path)
{
    return (struct paths){.db = path,
                          .fresh = bt_xasprintf("%s.new", path),
                          .fresh_journal = bt_xasprintf("%s.new-journal", path),
                          .previous = bt_xasprintf("%s.previous", path),
                          .wal = bt_xasprintf("%s-wal", path)};
}

static void paths_free(struct paths *p)
{
    free(p->fresh);
    free(p->fresh_journal);
    free(p->previous);
    free(p->wal);
}

static bool has_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_size > 0;
}

static int remove_file(const char *path, struct bt_err *err)
{
    if (unlink(path) == 0 || errno == ENOENT)
        return 0;
    return bt_fail_errno(err, errno, "removing %s", path);
}

static int newest(const struct db_migration *table)
{
    int version = 0;
    for (const struct db_migration *m = table; m->version; m++)
        version = m->version;
    return version;
}

/* ---- the history of a file ---- */

static int compare_one(const struct db_migration *table, int version, const char *sha256,
                       struct bt_err *err)
{
    for (const struct db_migration *m = table; m->version; m++) {
        if (m->version != version)
            continue;
        if (bt_streq(m->sha256, sha256))
            return 0;
        return bt_fail(err, BT_E_DB, "migration %d (%s) is not the one that was applied", version,
                       m->name);
    }
    bt_fail(err, BT_E_UNSUPPORTED, "the database has schema %d, this program knows only %d",
            version, newest(table));
    bt_hint(err, "Run the newer program, or restore a backup that was made before the upgrade");
    return -(int)BT_E_UNSUPPORTED;
}

/* Version of the file after comparing each applied migration with ours, 0 when there is no history.
 */
static int history(struct db_conn *c, const struct db_migration *table, int *ret,
                   struct bt_err *err)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(c->h, "SELECT version, sha256 FROM schema_history ORDER BY version", -1,
                           &st, NULL) != SQLITE_OK)
        return db_conn_fail(c, "reading the history of migrations", err);
    int version = 0;
    int rc = 0;
    int step = sqlite3_step(st);
    for (; rc == 0 && step == SQLITE_ROW; step = sqlite3_step(st)) {
        int v = sqlite3_column_int(st, 0);
        rc = v == version + 1
                 ? compare_one(table, v, (const char *)sqlite3_column_text(st, 1), err)
                 : bt_fail(err, BT_E_DB, "the history of migrations lacks %d", version + 1);
        version = v;
    }
    if (rc == 0 && step != SQLITE_DONE)
        rc = db_conn_fail(c, "reading the history of migrations", err);
    (void)sqlite3_finalize(st);
    if (rc == 0)
        *ret = version;
    return rc;
}

static int check_application(struct db_conn *c, const struct db_config *cfg, struct bt_err *err)
{
    int64_t id = 0;
    int rc = db_conn_int(c, "PRAGMA application_id", &id, err);
    if (rc == 0 && id != cfg->application_id)
        rc = bt_fail(err, BT_E_UNSUPPORTED, "the file is not this program's (application id %lld)",
                     (long long)id);
    return rc;
}

/* ---- building the new file ---- */

static int note_applied(struct db_conn *c, const struct db_migration *m, int64_t now_ms,
                        struct bt_err *err)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(c->h,
                           "INSERT INTO schema_history (version, name, sha256, applied_at)"
                           " VALUES (?1, ?2, ?3, ?4)",
                           -1, &st, NULL) != SQLITE_OK)
        return db_conn_fail(c, "noting a migration", err);
    (void)sqlite3_bind_int(st, 1, m->version);
    (void)sqlite3_bind_text(st, 2, m->name, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(st, 3, m->sha256, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(st, 4, now_ms);
    int rc = sqlite3_step(st) == SQLITE_DONE ? 0 : db_conn_fail(c, "noting a migration", err);
    (void)sqlite3_finalize(st);
    return rc;
}

static int apply_one(struct db_conn *c, const struct db_migration *m, int64_t now_ms,
                     struct bt_err *err)
{
    char version[64];
    (void)snprintf(version, sizeof version, "PRAGMA user_version = %d", m->version);
    int rc = db_conn_exec(c, "BEGIN IMMEDIATE", err);
    if (rc == 0)
        rc = db_conn_exec(c, m->sql, err);
    if (rc == 0)
        rc = note_applied(c, m, now_ms, err);
    if (rc == 0)
        rc = db_conn_exec(c, version, err);
    if (rc == 0)
        rc = db_conn_exec(c, "COMMIT", err);
    if (rc < 0)
        (void)bt_wrap(err, "migration %d (%s)", m->version, m->name);
    return rc;
}

static int check_references(struct db_conn *c, struct bt_err *err)
{
    int64_t bad = 0;
    int rc = db_conn_int(c, "SELECT count(*) FROM pragma_foreign_key_check", &bad, err);
    if (rc == 0 && bad > 0)
        rc = bt_fail(err, BT_E_DB, "the migration leaves %lld rows without what they refer to",
                     (long long)bad);
    return rc;
}

static int apply_from(struct db_conn *c, const struct db_config *cfg, int version,
                      struct bt_err *err)
{
    static const char first[] = "CREATE TABLE IF NOT EXISTS schema_history ("
                                "version INTEGER PRIMARY KEY, name TEXT NOT NULL,"
                                " sha256 TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT";
    char app[64];
    (void)snprintf(app, sizeof app, "PRAGMA application_id = %d", (int)cfg->application_id);
    int rc = db_conn_exec(c, app, err);
    if (rc == 0)
        rc = db_conn_exec(c, first, err);
    int64_t now_ms = bt_utc_ms(bt_loop_clock(cfg->loop));
    for (const struct db_migration *m = cfg->migrations; m->version && rc == 0; m++) {
        if (m->version > version)
            rc = apply_one(c, m, now_ms, err);
    }
    if (rc == 0)
        rc = check_references(c, err);
    return rc == 0 ? db_conn_quick_check(c, err) : rc;
}

/* PATH.new: a copy of @src (NULL: empty) brought to the newest schema, durable. */
static int build(const struct db_config *cfg, const struct paths *p, struct db_conn *src,
                 int version, struct bt_err *err)
{
    struct db_conn c;
    int rc = db_create_empty(p->fresh, err);
    if (rc == 0)
        rc = db_conn_open(&c, p->fresh, cfg->vfs, DB_MODE_COPY, err);
    if (rc < 0)
        return rc;
    if (src) {
        rc = db_backup_pages(src, &c, err);
        if (rc == 0)
            rc = db_conn_quick_check(&c, err);
    }
    if (rc == 0)
        rc = apply_from(&c, cfg, version, err);
    db_conn_close(&c);
    return rc == 0 ? db_sync_path(p->fresh, err) : rc;
}

static int swap(const struct paths *p, struct bt_err *err)
{
    if (rename(p->fresh, p->db) < 0)
        return bt_fail_errno(err, errno, "renaming %s", p->fresh);
    return db_sync_path(p->db, err);
}

/* ---- the three cases ---- */

static int make(const struct db_config *cfg, const struct paths *p, struct bt_err *err)
{
    /* A log without its database would be replayed into the new one. */
    if (has_bytes(p->wal)) {
        bt_fail(err, BT_E_DB, "%s is there, but %s is missing or empty", p->wal, p->db);
        bt_hint(err,
                "Restore a backup, or move the -wal file away to begin with an empty database");
        return -(int)BT_E_DB;
    }
    int rc = build(cfg, p, NULL, 0, err);
    return rc == 0 ? swap(p, err) : rc;
}

static int keep_previous(const struct paths *p, struct bt_err *err)
{
    int rc = remove_file(p->previous, err);
    if (rc == 0 && link(p->db, p->previous) < 0)
        rc = bt_fail_errno(err, errno, "keeping %s", p->previous);
    return rc;
}

static int upgrade(const struct db_config *cfg, const struct paths *p, struct db_conn *src,
                   int version, struct bt_err *err)
{
    /* Ends the WAL: all pages are in the one file, and no log is left to be replayed after the
     * swap. */
    int rc = db_conn_exec(src, "PRAGMA journal_mode = DELETE", err);
    if (rc == 0 && has_bytes(p->wal))
        rc = bt_fail(err, BT_E_UNAVAILABLE, "another program has the database open");
    if (rc == 0)
        rc = build(cfg, p, src, version, err);
    db_conn_close(src);
    if (rc == 0)
        rc = keep_previous(p, err);
    return rc == 0 ? swap(p, err) : rc;
}

static int check_and_upgrade(const struct db_config *cfg, const struct paths *p, struct bt_err *err)
{
    struct db_conn c;
    int version = 0;
    int rc = db_conn_open(&c, p->db, cfg->vfs, DB_MODE_PLAIN, err);
    if (rc < 0)
        return rc;
    rc = check_application(&c, cfg, err);
    if (rc == 0)
        rc = db_conn_quick_check(&c, err);
    if (rc == 0)
        rc = history(&c, cfg->migrations, &version, err);
    if (rc == 0 && version < newest(cfg->migrations))
        rc = upgrade(cfg, p, &c, version, err);
    db_conn_close(&c);
    if (rc == -(int)BT_E_DB && err && !err->hint[0])
        bt_hint(err, "Restore a backup; the file before the last upgrade is %.80s", p->previous);
    return rc;
}

int db_migrate(const struct db_config *cfg, struct bt_err *err)
{
    struct paths p = paths_of(cfg->path);
    int rc = remove_file(p.fresh, err);
    if (rc == 0)
        rc = remove_file(p.fresh_journal, err);
    if (rc == 0)
        rc = has_bytes(p.db) ? check_and_upgrade(cfg, &p, err) : make(cfg, &p, err);
    if (rc < 0)
        (void)bt_wrap(err, "%s", cfg->path);
    paths_free(&p);
    return rc;
}
