/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Enums of columns that no message carries; all others are in proto/enums.h. In a row an enum is an
 * int; in filters -1 means any. tests/unit/db/repo proves that the schema's CHECKs accept exactly
 * the names of these tables, in whatever table they stand.
 */
enum repo_user_role { REPO_ROLE_OPERATOR, REPO_ROLE_TENANT };
extern const char *const repo_user_role_names[];

enum repo_member_role {
    REPO_MEMBER_OWNER,
    REPO_MEMBER_ADMIN,
    REPO_MEMBER_MEMBER,
    REPO_MEMBER_VIEWER
};
extern const char *const repo_member_role_names[];
