/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/enums.h"

#include <stddef.h>
#include <string.h>

#define ENUM_NAME(c, s) s,
#define ENUM_TABLE(lower, UPPER) const char *const enum_##lower[] = {ENUM_##UPPER(ENUM_NAME) NULL};
ENUM_ALL(ENUM_TABLE)

int enum_from_str(const char *const *names, const char *s)
{
    for (int i = 0; s && names[i]; i++) {
        if (strcmp(names[i], s) == 0)
            return i;
    }
    return -1;
}
