/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>

#include "common/base/mem.h"
#include "common/loop/loop_uv.h"

#define CHILD_FDS_MAX 8

/* Closes asynchronously, so it outlives the child that it served. */
struct child {
    uv_process_t process;
    struct bt_child *owner;
    struct bt_loop *loop;
};

static void child_closed(uv_handle_t *handle)
{
    free(BT_CONTAINER_OF((uv_process_t *)handle, struct child, process));
}

static void on_process_exit(uv_process_t *process, int64_t status, int signum)
{
    struct child *impl = BT_CONTAINER_OF(process, struct child, process);
    struct bt_child *c = impl->owner;
    impl->loop->n_users--;
    c->impl = NULL;
    uv_close((uv_handle_t *)process, child_closed);
    c->on_exit(c, (int)status, signum);
}

static void fill_stdio(const struct bt_spawn *spawn, uv_stdio_container_t *stdio)
{
    for (size_t i = 0; i < CHILD_FDS_MAX; i++) {
        int fd = i < spawn->n_fds ? spawn->fds[i] : -1;
        /* UV_IGNORE is /dev/null on 0 to 2 and nothing above. */
        stdio[i].flags = fd >= 0 ? UV_INHERIT_FD : UV_IGNORE;
        stdio[i].data.fd = fd;
    }
}

int bt_child_spawn(struct bt_child *c, struct bt_loop *l, const struct bt_spawn *spawn,
                   struct bt_err *err)
{
    static char *const empty[] = {NULL};
    struct loop_uv *u = loop_uv_find(l);
    assert(loop_on_thread(l) && spawn->n_fds <= CHILD_FDS_MAX && spawn->argv[0][0] == '/');
    if (!u)
        return loop_uv_missing(err, "children");
    uv_stdio_container_t stdio[CHILD_FDS_MAX];
    fill_stdio(spawn, stdio);
    uv_process_options_t options = {
        .exit_cb = on_process_exit,
        .file = spawn->argv[0],
        .args = (char **)(uintptr_t)spawn->argv,
        .env = (char **)(uintptr_t)(spawn->envp ? (const void *)spawn->envp : (const void *)empty),
        .cwd = spawn->cwd ? spawn->cwd : "/",
        .flags = spawn->detached ? UV_PROCESS_DETACHED : 0,
        .stdio_count = (int)(spawn->n_fds > 3 ? spawn->n_fds : 3),
        .stdio = stdio,
    };
    struct child *impl = bt_xcalloc(1, sizeof *impl);
    impl->owner = c;
    impl->loop = l;
    int rc = uv_spawn(&u->uv, &impl->process, &options);
    if (rc < 0) {
        uv_close((uv_handle_t *)&impl->process, child_closed);
        return loop_uv_fail(err, BT_E_HELPER, rc, spawn->argv[0]);
    }
    l->n_users++;
    c->impl = impl;
    c->pid = impl->process.pid;
    return 0;
}

void bt_child_kill(struct bt_child *c, int signum)
{
    struct child *impl = c->impl;
    if (impl)
        (void)uv_process_kill(&impl->process, signum);
}
