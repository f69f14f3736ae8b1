/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/repo/repo_enum.h"

#include <stddef.h>

const char *const repo_user_role_names[] = {"operator", "tenant", NULL};
const char *const repo_member_role_names[] = {"owner", "admin", "member", "viewer", NULL};
