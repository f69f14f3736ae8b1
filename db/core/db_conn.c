/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"
#include "db/core/db_int.h"

/* Order matters: the busy timeout first, the journal mode before what depends on it. */
static const char common_pragmas[] = "PRAGMA foreign_keys = ON;"
                                     "PRAGMA trusted_schema = OFF;"
                                     "PRAGMA cell_size_check = ON;"
                                     "PRAGMA mmap_size = 0;"
                                     "PRAGMA temp_store = MEMORY;";

static const char *const mode_pragmas[] = {
    [DB_MODE_WRITER] = "PRAGMA journal_mode = WAL;"
                       "PRAGMA synchronous = FULL;"
                       "PRAGMA wal_autocheckpoint = 0;"
                       "PRAGMA cache_size = -8192;",
    [DB_MODE_READER] = "PRAGMA query_only = ON;"
                       "PRAGMA wal_autocheckpoint = 0;"
                       "PRAGMA cache_size = -2048;",
    [DB_MODE_PLAIN] = "PRAGMA synchronous = FULL;",
    [DB_MODE_COPY] = "PRAGMA journal_mode = DELETE;"
                     "PRAGMA synchronous = FULL;"
                     "PRAGMA foreign_keys = OFF;",
};

static enum bt_code constraint_code(int ext)
{
    switch (ext) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        return BT_E_EXISTS;
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return BT_E_IN_USE;
    default:
        return BT_E_INVALID;
    }
}

static enum bt_code code_of(int ext)
{
    switch (ext & 0xff) {
    case SQLITE_CONSTRAINT:
        return constraint_code(ext);
    case SQLITE_FULL:
        return BT_E_STORAGE_FULL;
    case SQLITE_NOMEM:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return BT_E_UNAVAILABLE;
    default:
        return BT_E_DB;
    }
}

int db_conn_fail(struct db_conn *c, const char *doing, struct bt_err *err)
{
    int ext = c->h ? sqlite3_extended_errcode(c->h) : SQLITE_NOMEM;
    int primary = ext & 0xff;
    if (primary != SQLITE_CONSTRAINT)
        c->cause = ext;
    if (ext == SQLITE_IOERR_FSYNC || ext == SQLITE_IOERR_DIR_FSYNC)
        c->fsync_failed = true;
    int rc = bt_fail(err, code_of(ext), "%s: %s", doing,
                     c->h ? sqlite3_errmsg(c->h) : sqlite3_errstr(ext));
    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB)
        bt_hint(err, "The database file is damaged: restore a backup");
    return rc;
}

int db_conn_exec(struct db_conn *c, const char *sql, struct bt_err *err)
{
    if (sqlite3_exec(c->h, sql, NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    return db_conn_fail(c, "database", err);
}

int db_conn_int(struct db_conn *c, const char *sql, int64_t *ret, struct bt_err *err)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(c->h, sql, -1, &st, NULL) != SQLITE_OK)
        return db_conn_fail(c, "database", err);
    int rc = sqlite3_step(st);
    int64_t value = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    int out = rc == SQLITE_ROW ? 0 : db_conn_fail(c, "database", err);
    (void)sqlite3_finalize(st);
    if (out == 0)
        *ret = value;
    return out;
}

int db_conn_quick_check(struct db_conn *c, struct bt_err *err)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(c->h, "PRAGMA quick_check(1)", -1, &st, NULL) != SQLITE_OK)
        return db_conn_fail(c, "checking the database", err);
    int rc = sqlite3_step(st);
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
    int out = 0;
    if (!text)
        out = db_conn_fail(c, "checking the database", err);
    else if (strcmp(text, "ok") != 0)
        out = bt_fail(err, BT_E_DB, "the database file is damaged: %.200s", text);
    (void)sqlite3_finalize(st);
    return out;
}

static void harden(sqlite3 *h)
{
    (void)sqlite3_extended_result_codes(h, 1);
    (void)sqlite3_db_config(h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(h, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    (void)sqlite3_db_config(h, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    /* Closing must not checkpoint: only the writer does, and only where an error is seen. */
    (void)sqlite3_db_config(h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    (void)sqlite3_busy_timeout(h, 5000);
}

int db_conn_open(struct db_conn *c, const char *path, const char *vfs, enum db_mode mode,
                 struct bt_err *err)
{
    *c = (struct db_conn){0};
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    flags |=
        mode == DB_MODE_READER ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    int rc = 0;
    if (sqlite3_open_v2(path, &c->h, flags, vfs) != SQLITE_OK) {
        rc = db_conn_fail(c, path, err);
    } else {
        harden(c->h);
        rc = db_conn_exec(c, common_pragmas, err);
        if (rc == 0)
            rc = db_conn_exec(c, mode_pragmas[mode], err);
        if (rc < 0)
            (void)bt_wrap(err, "%s", path);
    }
    if (rc < 0)
        db_conn_close(c);
    return rc;
}

void db_conn_close(struct db_conn *c)
{
    db_stmt_clear(c);
    if (c->h)
        (void)sqlite3_close(c->h);
    c->h = NULL;
}

void db_die(const struct db *db, const char *doing)
{
    char quoted[512];
    const struct db_conn *c = &db->writer.conn;
    bt_log(BT_ERROR, "db",
           "msg=\"%s failed, the state of the disk is in doubt: ending\" path=%s code=%d", doing,
           bt_logq(db->path, quoted, sizeof quoted), c->h ? sqlite3_extended_errcode(c->h) : 0);
    abort();
}
