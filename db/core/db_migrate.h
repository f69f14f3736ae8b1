/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One embedded migration; tables of them end with version 0. Files are append-only: the hash of
 * each applied one is stored and compared at every start. */
struct db_migration {
    int version;
    const char *name;
    const char *sha256; /* of the text, hex */
    const char *sql;
};

/* Generated from migrations/controller and migrations/agent (tools/gen/embed_sql.py). */
extern const struct db_migration bt_migrations_controller[];
extern const struct db_migration bt_migrations_agent[];
