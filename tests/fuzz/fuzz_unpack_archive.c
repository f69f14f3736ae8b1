/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: runtime_unpack */
/*
 * Bytes as an archive, unpacked into an empty directory without the jail (whose rlimits a sanitizer
 * does not live with): no fault, limits hold, and nothing beside the directory changes. As root the
 * file system is used as nobody (setfsuid(2)), so that even an escape would find nothing to write.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "runtime/unpack/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BYTES = 1 << 20, MAX_FILES = 64 };

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* base/canary, base/in: the archive goes into "in". */
struct world {
    char base[64];
    int base_fd, in_fd, home_fd;
    struct stat canary;
};

static void open_world(struct world *w)
{
    memcpy(w->base, "/dev/shm/berth-fuzz-unpack-XXXXXX",
           sizeof "/dev/shm/berth-fuzz-unpack-XXXXXX");
    must(mkdtemp(w->base) != NULL && chmod(w->base, 0755) == 0);
    w->base_fd = open(w->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    w->home_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    must(w->base_fd >= 0 && w->home_fd >= 0);
    int fd = openat(w->base_fd, "canary", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    must(fd >= 0 && write(fd, "untouched", 9) == 9 && fstat(fd, &w->canary) == 0);
    (void)close(fd);
    must(mkdirat(w->base_fd, "in", 0777) == 0 && fchmodat(w->base_fd, "in", 0777, 0) == 0);
    w->in_fd = openat(w->base_fd, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(w->in_fd >= 0 && fchdir(w->in_fd) == 0);
}

static void check_beside(const struct world *w)
{
    struct stat st;
    must(fstatat(w->base_fd, "canary", &st, AT_SYMLINK_NOFOLLOW) == 0);
    must(st.st_ino == w->canary.st_ino && st.st_size == 9 && st.st_nlink == 1 &&
         st.st_mode == w->canary.st_mode && st.st_mtim.tv_nsec == w->canary.st_mtim.tv_nsec);
    DIR *d = opendir(w->base);
    must(d != NULL);
    int names = 0;
    while (readdir(d))
        names++;
    (void)closedir(d);
    must(names == 4); /* canary, in, ".", ".." */
}

static void close_world(struct world *w)
{
    must(fchdir(w->home_fd) == 0);
    must(bt_remove_tree(AT_FDCWD, w->base, NULL) == 0);
    (void)close(w->base_fd);
    (void)close(w->in_fd);
    (void)close(w->home_fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct helper_unpack_request limits = {MAX_BYTES, MAX_FILES};
    struct helper_unpack_ok done = {0};
    struct bt_err err = BT_ERR_INIT;
    struct world w;
    int fd = memfd_create("archive", MFD_CLOEXEC);
    must(fd >= 0 && write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
    open_world(&w);
    (void)setfsgid(65534);
    (void)setfsuid(65534);
    int rc = unpack_archive(fd, &limits, &done, &err);
    (void)setfsuid(geteuid());
    (void)setfsgid(getegid());
    check_beside(&w);
    close_world(&w);
    (void)close(fd);
    if (rc < 0)
        must(err.code != BT_E_OK && err.msg[0] && done.files == 0);
    else
        must(done.files > 0 && done.files <= MAX_FILES && done.bytes <= MAX_BYTES);
    return 0;
}
