/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/common/base/lib_tmp.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void tmp_new(struct tmp *t)
{
    (void)snprintf(t->path, sizeof t->path, "/tmp/berth-unit-XXXXXX");
    if (!mkdtemp(t->path))
        abort();
    t->fd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->fd < 0)
        abort();
}

void tmp_free(struct tmp *t)
{
    char command[128];
    (void)close(t->fd);
    (void)snprintf(command, sizeof command, "rm -rf %s", t->path);
    if (system(command) != 0)
        abort();
}

void tmp_write(const struct tmp *t, const char *name, const char *text)
{
    int fd = openat(t->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        abort();
    (void)close(fd);
}

int tmp_has(const struct tmp *t, const char *name)
{
    struct stat st;
    return fstatat(t->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}
