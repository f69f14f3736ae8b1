/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

/*
 * A shim over SQLite's file layer for tests: the n-th read, write, sync, truncation, opening or
 * deletion fails, or the machine loses power there. Power loss: the process ends at once with
 * DB_FAULT_EXIT after the writes that were never synced are taken back from the files (all of them,
 * or with `torn` each by the toss of a seeded coin, which also stands for reordering).
 */
#define DB_FAULT_EXIT 77

enum db_fault_op {
    DB_FAULT_READ = 1,
    DB_FAULT_WRITE = 2,
    DB_FAULT_SYNC = 4,
    DB_FAULT_TRUNCATE = 8,
    DB_FAULT_OPEN = 16,
    DB_FAULT_DELETE = 32,
};

enum db_fault_kind {
    DB_FAULT_FULL,  /* no space left: writes; other operations as IO */
    DB_FAULT_IO,    /* input/output error */
    DB_FAULT_POWER, /* power loss */
};

struct db_fault_plan {
    unsigned ops;  /* bit set of enum db_fault_op; 0 = nothing fails */
    int64_t at;    /* which of them fails, 1 = the next */
    int64_t times; /* how many in a row, 0 = all from then on */
    enum db_fault_kind kind;
    bool torn;
    uint64_t seed;
};

struct db_vfs_faults;

/** Register the shim as VFS @name (struct db_config.vfs). Fails only when SQLite has no default
 * VFS. */
int db_fault_new(const char *name, struct db_vfs_faults **ret, struct bt_err *err);

/** Unregister and free; no connection may be open on it. */
void db_fault_free(struct db_vfs_faults *f);

/** Set the plan and begin to count anew. Any thread. */
void db_fault_arm(struct db_vfs_faults *f, const struct db_fault_plan *plan);

/** Operations that the plan's set met since it was armed. Any thread. */
int64_t db_fault_seen(const struct db_vfs_faults *f);

/** How many of them failed. Any thread. */
int64_t db_fault_hits(const struct db_vfs_faults *f);
