/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "db/core/db_int.h"

#define STEP_PAGES 256

int db_backup_pages(struct db_conn *from, struct db_conn *to, struct bt_err *err)
{
    sqlite3_backup *b = sqlite3_backup_init(to->h, "main", from->h, "main");
    if (!b)
        return db_conn_fail(to, "backup", err);
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK)
        rc = sqlite3_backup_step(b, STEP_PAGES);
    (void)sqlite3_backup_finish(b);
    if (rc == SQLITE_DONE)
        return 0;
    return (rc & 0xff) == SQLITE_FULL
               ? bt_fail(err, BT_E_STORAGE_FULL, "backup: %s", sqlite3_errstr(rc))
               : bt_fail(err, BT_E_DB, "backup: %s", sqlite3_errstr(rc));
}

static int sync_fd(const char *path, int flags, struct bt_err *err)
{
    _cleanup_close_ int fd = open(path, flags | O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fsync(fd) < 0)
        return bt_fail_errno(err, errno, "fsync of %s", path);
    return 0;
}

int db_sync_path(const char *path, struct bt_err *err)
{
    _cleanup_free_ char *copy = bt_xstrdup(path);
    int rc = sync_fd(path, 0, err);
    return rc < 0 ? rc : sync_fd(dirname(copy), O_DIRECTORY, err);
}

int db_create_empty(const char *path, struct bt_err *err)
{
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0)
        return 0;
    return errno == EEXIST ? bt_fail(err, BT_E_EXISTS, "%s exists", path)
                           : bt_fail_errno(err, errno, "%s", path);
}

/* Copy through two connections of its own, then check the copy. */
static int copy_checked(const struct db *db, const char *path, struct bt_err *err)
{
    struct db_conn from;
    struct db_conn to;
    int rc = db_conn_open(&from, db->path, db->vfs, DB_MODE_READER, err);
    if (rc < 0)
        return rc;
    rc = db_conn_open(&to, path, db->vfs, DB_MODE_COPY, err);
    if (rc < 0) {
        db_conn_close(&from);
        return rc;
    }
    rc = db_backup_pages(&from, &to, err);
    /* The pages carry the WAL flag; a backup is one file. */
    if (rc == 0)
        rc = db_conn_exec(&to, "PRAGMA journal_mode = DELETE", err);
    if (rc == 0)
        rc = db_conn_quick_check(&to, err);
    db_conn_close(&to);
    db_conn_close(&from);
    return rc;
}

int db_tx_backup(struct db_tx *tx, const char *path, struct bt_err *err)
{
    int rc = db_create_empty(path, err);
    if (rc < 0)
        return rc;
    rc = copy_checked(tx->db, path, err);
    if (rc == 0)
        rc = db_sync_path(path, err);
    if (rc < 0) {
        (void)unlink(path);
        (void)bt_wrap(err, "backup to %s", path);
    }
    return rc;
}
