/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A directory of its own for one test. */
struct tmp {
    char path[64];
    int fd; /* O_RDONLY | O_DIRECTORY */
};

/** Make it, under /tmp. */
void tmp_new(struct tmp *t);

/** Remove it and all in it, with the machine's own rm. */
void tmp_free(struct tmp *t);

/** Write a file in it. */
void tmp_write(const struct tmp *t, const char *name, const char *text);

/** Does @name exist in it (links not followed)? */
int tmp_has(const struct tmp *t, const char *name);
