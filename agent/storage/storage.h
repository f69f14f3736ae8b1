/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "agent/sys/sys.h"

/*
 * Disks of containers, by names made of the uuid (docs/decisions/0060-storage.md):
 *   STATE/instances/UUID/upper.img   ext4 in a sparse file: the writable layer, its size the quota
 *   STATE/instances/UUID/rebuild     rebuild_seq of what upper.img holds
 *   STATE/trash/UUID/                the same, out of use
 * Every operation is idempotent and survives being cut short. Loop thread; the work is done on the
 * disk queue and by mkfs.ext4.
 */
struct storage;

struct storage_config {
    struct sys *sys;
    const char *state_dir;
    const char *mkfs; /* /sbin/mkfs.ext4 */
};

/** Make it; everything in @cfg is copied. */
struct storage *storage_new(const struct storage_config *cfg);

/** Free; no operation may be under way. NULL is fine. */
void storage_free(struct storage *s);

enum storage_verb {
    STORAGE_ENSURE,  /* make the disk when it is absent */
    STORAGE_REBUILD, /* a fresh one, once for each rebuild_seq */
    STORAGE_TRASH,   /* out of use; absent is fine */
    STORAGE_RESTORE, /* back in use */
    STORAGE_PURGE,   /* gone for good, from either place */
};

struct storage_op {
    enum storage_verb verb;
    char uuid[37];
    int64_t size_bytes, inodes; /* ENSURE, REBUILD */
    int64_t rebuild_seq;
    void (*done)(struct storage_op *op, int rc, const struct bt_err *err);
    void *owner;
    /* out, ENSURE: what was there before is smaller than asked for: grow it */
    bool smaller;
    /* ours */
    struct storage *storage;
    struct sys_op disk;
    struct sys_helper mkfs;
    bool make;
};

/** Start; done follows exactly once, never inside. NOT_FOUND (RESTORE), STORAGE_FULL, HELPER,
 * KERNEL. */
void storage_start(struct storage *s, struct storage_op *op);

/** Path of an instance's disk image. */
void storage_upper(const struct storage *s, const char *uuid, char *dst, size_t size);

/** Is there a disk in use? */
bool storage_has(const struct storage *s, const char *uuid);

/** Every uuid with a disk, in use or in the trash: rows of char *. */
int storage_list(const struct storage *s, struct sys_rows *ret, struct bt_err *err);
