/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/core/db_fault.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/base/world.h"

/* What brings a file back to the moment before one write or truncation. */
struct undo {
    struct bt_list link;
    sqlite3_int64 off;
    sqlite3_int64 size; /* of the file before */
    sqlite3_int64 len;  /* bytes that were written over or behind it, 0 = truncation */
    size_t n;           /* bytes of `old` */
    char old[];
};

/* The writes of one path that no sync has made durable yet; outlives its open files. */
struct trace {
    struct bt_list link;
    struct bt_list undos; /* oldest first */
    char *path;
};

struct db_vfs_faults {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    char *name;
    pthread_mutex_t lock; /* everything below */
    struct db_fault_plan plan;
    int64_t seen, hits;
    struct bt_list traces;
};

struct fault_file {
    sqlite3_file base;
    struct db_vfs_faults *f;
    struct trace *trace; /* NULL = a temporary file without a name */
};

static sqlite3_file *real_of(sqlite3_file *file)
{
    return (sqlite3_file *)(void *)((char *)file + sizeof(struct fault_file));
}

static struct fault_file *fault_of(sqlite3_file *file)
{
    return (struct fault_file *)(void *)file;
}

static struct undo *undo_of(struct bt_list *l)
{
    return BT_CONTAINER_OF(l, struct undo, link);
}

static void trace_clear(struct trace *t)
{
    struct bt_list *l;
    while ((l = bt_list_pop(&t->undos)) != NULL)
        free(undo_of(l));
}

/* With the lock held. */
static struct trace *trace_find(struct db_vfs_faults *f, const char *path)
{
    BT_LIST_FOREACH(l, &f->traces) {
        struct trace *t = BT_CONTAINER_OF(l, struct trace, link);
        if (bt_streq(t->path, path))
            return t;
    }
    return NULL;
}

static struct trace *trace_get(struct db_vfs_faults *f, const char *path)
{
    struct trace *t = trace_find(f, path);
    if (!t) {
        t = bt_xcalloc(1, sizeof *t);
        t->path = bt_xstrdup(path);
        bt_list_init(&t->undos);
        bt_list_push(&f->traces, &t->link);
    }
    return t;
}

/* ---- power loss ---- */

static void put(int fd, const void *data, size_t n, off_t off)
{
    if (n > 0 && pwrite(fd, data, n, off) != (ssize_t)n)
        _exit(1);
}

/* All later ones were taken back before: the file is as it was. */
static void take_back(int fd, const struct undo *u)
{
    put(fd, u->old, u->n, u->off);
    if (ftruncate(fd, u->size) < 0)
        _exit(1);
}

/* Later ones may stay: the size does, and what was new reads as zeros. */
static void take_back_alone(int fd, const struct undo *u)
{
    put(fd, u->old, u->n, u->off);
    if ((size_t)u->len <= u->n)
        return;
    size_t n = (size_t)u->len - u->n;
    char *zeros = bt_xcalloc(n, 1);
    put(fd, zeros, n, u->off + (off_t)u->n);
    free(zeros);
}

static void lose_power(struct db_vfs_faults *f)
{
    struct bt_random_seeded coin;
    bt_random_seeded_init(&coin, f->plan.seed);
    BT_LIST_FOREACH(l, &f->traces) {
        struct trace *t = BT_CONTAINER_OF(l, struct trace, link);
        int fd = open(t->path, O_RDWR | O_CLOEXEC);
        for (struct bt_list *u = t->undos.prev; fd >= 0 && u != &t->undos; u = u->prev) {
            if (!f->plan.torn)
                take_back(fd, undo_of(u));
            else if (bt_random_below(&coin.table, 2) == 0)
                take_back_alone(fd, undo_of(u));
        }
    }
    _exit(DB_FAULT_EXIT);
}

static int code_of(enum db_fault_op op, enum db_fault_kind kind)
{
    switch (op) {
    case DB_FAULT_READ:
        return SQLITE_IOERR_READ;
    case DB_FAULT_WRITE:
        return kind == DB_FAULT_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    case DB_FAULT_SYNC:
        return SQLITE_IOERR_FSYNC;
    case DB_FAULT_TRUNCATE:
        return SQLITE_IOERR_TRUNCATE;
    case DB_FAULT_OPEN:
        return SQLITE_CANTOPEN;
    case DB_FAULT_DELETE:
        return SQLITE_IOERR_DELETE;
    }
    return SQLITE_IOERR;
}

/* Count one operation: SQLITE_OK, or how it fails. */
static int meet(struct db_vfs_faults *f, enum db_fault_op op)
{
    int rc = SQLITE_OK;
    (void)pthread_mutex_lock(&f->lock);
    const struct db_fault_plan *p = &f->plan;
    if (p->ops & op) {
        f->seen++;
        if (f->seen >= p->at && (p->times == 0 || f->seen < p->at + p->times)) {
            f->hits++;
            if (p->kind == DB_FAULT_POWER)
                lose_power(f);
            rc = code_of(op, p->kind);
        }
    }
    (void)pthread_mutex_unlock(&f->lock);
    return rc;
}

/* ---- files ---- */

/* Note what @n bytes at @off hold now (n = 0: the tail from @off on). */
static void note_old(sqlite3_file *file, sqlite3_int64 off, sqlite3_int64 n)
{
    struct fault_file *ff = fault_of(file);
    sqlite3_file *real = real_of(file);
    sqlite3_int64 size = 0;
    if (!ff->trace || real->pMethods->xFileSize(real, &size) != SQLITE_OK)
        return;
    sqlite3_int64 end = n == 0 || off + n > size ? size : off + n;
    size_t old = end > off ? (size_t)(end - off) : 0;
    struct undo *u = bt_xmalloc(sizeof *u + old);
    *u = (struct undo){.off = off, .size = size, .len = n, .n = old};
    if (old > 0 && real->pMethods->xRead(real, u->old, (int)old, off) != SQLITE_OK)
        u->n = 0;
    (void)pthread_mutex_lock(&ff->f->lock);
    bt_list_push(&ff->trace->undos, &u->link);
    (void)pthread_mutex_unlock(&ff->f->lock);
}

static int f_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int f_read(sqlite3_file *file, void *buf, int n, sqlite3_int64 off)
{
    int rc = meet(fault_of(file)->f, DB_FAULT_READ);
    return rc ? rc : real_of(file)->pMethods->xRead(real_of(file), buf, n, off);
}

static int f_write(sqlite3_file *file, const void *buf, int n, sqlite3_int64 off)
{
    int rc = meet(fault_of(file)->f, DB_FAULT_WRITE);
    if (rc)
        return rc;
    note_old(file, off, n);
    return real_of(file)->pMethods->xWrite(real_of(file), buf, n, off);
}

static int f_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int rc = meet(fault_of(file)->f, DB_FAULT_TRUNCATE);
    if (rc)
        return rc;
    note_old(file, size, 0);
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int f_sync(sqlite3_file *file, int flags)
{
    struct fault_file *ff = fault_of(file);
    int rc = meet(ff->f, DB_FAULT_SYNC);
    if (rc == SQLITE_OK)
        rc = real_of(file)->pMethods->xSync(real_of(file), flags);
    if (rc == SQLITE_OK && ff->trace) {
        (void)pthread_mutex_lock(&ff->f->lock);
        trace_clear(ff->trace);
        (void)pthread_mutex_unlock(&ff->f->lock);
    }
    return rc;
}

static int f_file_size(sqlite3_file *file, sqlite3_int64 *ret)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), ret);
}

static int f_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int f_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int f_check_reserved(sqlite3_file *file, int *ret)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), ret);
}

static int f_control(sqlite3_file *file, int op, void *arg)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int f_sector_size(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int f_device(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int f_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **ret)
{
    return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, ret);
}

static int f_shm_lock(sqlite3_file *file, int off, int n, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), off, n, flags);
}

static void f_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int f_shm_unmap(sqlite3_file *file, int remove)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, /* no memory-mapped reading: it is off */
    .xClose = f_close,
    .xRead = f_read,
    .xWrite = f_write,
    .xTruncate = f_truncate,
    .xSync = f_sync,
    .xFileSize = f_file_size,
    .xLock = f_lock,
    .xUnlock = f_unlock,
    .xCheckReservedLock = f_check_reserved,
    .xFileControl = f_control,
    .xSectorSize = f_sector_size,
    .xDeviceCharacteristics = f_device,
    .xShmMap = f_shm_map,
    .xShmLock = f_shm_lock,
    .xShmBarrier = f_shm_barrier,
    .xShmUnmap = f_shm_unmap,
};

static struct db_vfs_faults *faults_of(sqlite3_vfs *vfs)
{
    return vfs->pAppData;
}

static int v_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *ret)
{
    struct db_vfs_faults *f = faults_of(vfs);
    struct fault_file *ff = fault_of(file);
    *ff = (struct fault_file){.f = f};
    int rc = meet(f, DB_FAULT_OPEN);
    if (rc == SQLITE_OK)
        rc = f->real->xOpen(f->real, path, real_of(file), flags, ret);
    if (rc != SQLITE_OK)
        return rc;
    if (path) {
        (void)pthread_mutex_lock(&f->lock);
        ff->trace = trace_get(f, path);
        (void)pthread_mutex_unlock(&f->lock);
    }
    ff->base.pMethods = &methods;
    return SQLITE_OK;
}

static int v_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
    struct db_vfs_faults *f = faults_of(vfs);
    int rc = meet(f, DB_FAULT_DELETE);
    if (rc == SQLITE_OK)
        rc = f->real->xDelete(f->real, path, sync);
    (void)pthread_mutex_lock(&f->lock);
    struct trace *t = rc == SQLITE_OK ? trace_find(f, path) : NULL;
    if (t)
        trace_clear(t);
    (void)pthread_mutex_unlock(&f->lock);
    return rc;
}

static int v_access(sqlite3_vfs *vfs, const char *path, int flags, int *ret)
{
    sqlite3_vfs *real = faults_of(vfs)->real;
    return real->xAccess(real, path, flags, ret);
}

static int v_full_pathname(sqlite3_vfs *vfs, const char *path, int n, char *ret)
{
    sqlite3_vfs *real = faults_of(vfs)->real;
    return real->xFullPathname(real, path, n, ret);
}

static int v_randomness(sqlite3_vfs *vfs, int n, char *ret)
{
    sqlite3_vfs *real = faults_of(vfs)->real;
    return real->xRandomness(real, n, ret);
}

static int v_sleep(sqlite3_vfs *vfs, int us)
{
    sqlite3_vfs *real = faults_of(vfs)->real;
    return real->xSleep(real, us);
}

static int v_time(sqlite3_vfs *vfs, double *ret)
{
    sqlite3_vfs *real = faults_of(vfs)->real;
    return real->xCurrentTime(real, ret);
}

static int v_last_error(sqlite3_vfs *vfs, int n, char *ret)
{
    sqlite3_vfs *real = faults_of(vfs)->real;
    return real->xGetLastError ? real->xGetLastError(real, n, ret) : 0;
}

int db_fault_new(const char *name, struct db_vfs_faults **ret, struct bt_err *err)
{
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    if (!real)
        return bt_fail(err, BT_E_INTERNAL, "SQLite has no default VFS");
    struct db_vfs_faults *f = bt_xcalloc(1, sizeof *f);
    f->real = real;
    f->name = bt_xstrdup(name);
    (void)pthread_mutex_init(&f->lock, NULL);
    bt_list_init(&f->traces);
    f->vfs = (sqlite3_vfs){.iVersion = 1,
                           .szOsFile = (int)sizeof(struct fault_file) + real->szOsFile,
                           .mxPathname = real->mxPathname,
                           .zName = f->name,
                           .pAppData = f,
                           .xOpen = v_open,
                           .xDelete = v_delete,
                           .xAccess = v_access,
                           .xFullPathname = v_full_pathname,
                           .xRandomness = v_randomness,
                           .xSleep = v_sleep,
                           .xCurrentTime = v_time,
                           .xGetLastError = v_last_error};
    (void)sqlite3_vfs_register(&f->vfs, 0);
    *ret = f;
    return 0;
}

void db_fault_free(struct db_vfs_faults *f)
{
    if (!f)
        return;
    (void)sqlite3_vfs_unregister(&f->vfs);
    struct bt_list *l;
    while ((l = bt_list_pop(&f->traces)) != NULL) {
        struct trace *t = BT_CONTAINER_OF(l, struct trace, link);
        trace_clear(t);
        free(t->path);
        free(t);
    }
    (void)pthread_mutex_destroy(&f->lock);
    free(f->name);
    free(f);
}

void db_fault_arm(struct db_vfs_faults *f, const struct db_fault_plan *plan)
{
    (void)pthread_mutex_lock(&f->lock);
    f->plan = *plan;
    f->seen = 0;
    f->hits = 0;
    (void)pthread_mutex_unlock(&f->lock);
}

static int64_t locked_get(const struct db_vfs_faults *f, const int64_t *v)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&f->lock;
    (void)pthread_mutex_lock(lock);
    int64_t value = *v;
    (void)pthread_mutex_unlock(lock);
    return value;
}

int64_t db_fault_seen(const struct db_vfs_faults *f)
{
    return locked_get(f, &f->seen);
}

int64_t db_fault_hits(const struct db_vfs_faults *f)
{
    return locked_get(f, &f->hits);
}
