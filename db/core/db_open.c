/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "db/core/db_int.h"

/* Who holds the lock, for the message only. */
static void lock_holder(int fd, char *dst, size_t size)
{
    ssize_t n = pread(fd, dst, size - 1, 0);
    dst[n > 0 ? n : 0] = '\0';
    dst[strcspn(dst, "\n")] = '\0';
}

static int lock_file(struct db *db, struct bt_err *err)
{
    char pid[32];
    _cleanup_free_ char *path = bt_xasprintf("%s.lock", db->path);
    _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return bt_fail_errno(err, errno, "%s", path);
    if (bt_try_lock(fd, NULL) < 0) {
        lock_holder(fd, pid, sizeof pid);
        return bt_fail(err, BT_E_IN_USE, "%s is open in another process (pid %.16s)", db->path,
                       pid);
    }
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) < 0)
        return bt_fail_errno(err, errno, "%s", path);
    db->lock_fd = TAKE_FD(fd);
    return 0;
}

int db_open(const struct db_config *cfg, struct db **ret, struct bt_err *err)
{
    struct db *db = bt_xcalloc(1, sizeof *db);
    db->cfg = *cfg;
    db->lock_fd = -1;
    db->path = bt_xstrdup(cfg->path);
    db->vfs = bt_xstrdup(cfg->vfs);
    db->cfg.path = db->path;
    db->cfg.vfs = db->vfs;
    int rc = lock_file(db, err);
    if (rc == 0)
        rc = db_migrate(&db->cfg, err);
    if (rc == 0)
        rc = db_writer_start(db, err);
    if (rc == 0)
        rc = db_readers_start(db, err);
    if (rc < 0) {
        db_close(db);
        return rc;
    }
    *ret = db;
    return 0;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    /* Readers first: the writer's last checkpoint then has nobody in its way. */
    db_readers_stop(db);
    db_writer_stop(db);
    if (db->lock_fd >= 0)
        (void)close(db->lock_fd);
    free(db->path);
    free(db->vfs);
    free(db);
}

void db_stats_get(const struct db *db, struct db_stats *ret)
{
    struct db_writer *w = (struct db_writer *)&db->writer;
    *ret = (struct db_stats){.commits = atomic_load(&db->count.commits),
                             .items = atomic_load(&db->count.items),
                             .reruns = atomic_load(&db->count.reruns),
                             .checkpoints = atomic_load(&db->count.checkpoints),
                             .wal_bytes = atomic_load(&db->count.wal_bytes)};
    (void)pthread_mutex_lock(&w->lock);
    ret->queued = w->queued;
    (void)pthread_mutex_unlock(&w->lock);
}
