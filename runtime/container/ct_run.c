/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Start an instance and stay as its monitor (docs/decisions/0015-container-runtime.md).
 *
 *   lock - session - [companion moves us] - mount - files - configure - start() ... end
 *
 * Everything before start() is undone on failure; what mounts there are die with this process.
 */
#include <errno.h>
#include <fcntl.h>
#include <lxc/lxccontainer.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/container/ct.h"
#include "runtime/container/ct_cgroup.h"
#include "runtime/container/ct_config.h"
#include "runtime/container/ct_exit.h"
#include "runtime/container/ct_files.h"
#include "runtime/container/ct_mount.h"
#include "runtime/container/ct_proc.h"
#include "runtime/container/ct_profile.h"
#include "runtime/container/ct_rlimit.h"
#include "runtime/container/ct_watch.h"

#define LOCK_TRIES 10
#define KILL_TIMEOUT_MS 5000
#define LOG_MAX (1u << 20)
#define EXE_MAX 4096

struct run {
    struct ct *c;
    const struct helper_container_spec *spec;
    struct helper_container_place place; /* borrows from spec */
    struct ct_cg cg;
    struct ct_watch watch;
    struct ct_root root;
    int lock;
    bool own_nodes;
    char exe[EXE_MAX];
};

/* A prober holds the lock shared for an instant. */
static int take_lock(struct run *r, struct bt_err *err)
{
    r->lock = openat(r->c->dir, CT_F_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (r->lock < 0)
        return bt_fail_errno(err, errno, "open the lock");
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (bt_try_lock(r->lock, NULL) == 0)
            return 0;
        ct_sleep_ms(10);
    }
    return bt_fail(err, BT_E_LOCKED, "the instance runs already");
}

static int refuse_lost(struct run *r, struct bt_err *err)
{
    struct ct_life life;
    ct_life_read(r->c->dir, &life);
    bool lives = life.init_lives;
    ct_life_fini(&life);
    if (!lives)
        return 0;
    int rc = bt_fail(err, BT_E_IN_USE, "the instance runs, its monitor is lost");
    bt_hint(err, "stop or kill it, then start it");
    return rc;
}

static void remove_groups(const struct run *r)
{
    char *(*const names[])(const struct helper_container_place *) = {
        ct_cgroup_of, ct_cgroup_monitor, ct_cgroup_pivot};
    for (size_t i = 0; i < BT_ARRAY_LEN(names); i++) {
        _cleanup_free_ char *path = names[i](&r->place);
        if (!ct_cg_exists(&r->cg, path))
            continue;
        (void)ct_cg_kill(&r->cg, path, KILL_TIMEOUT_MS, NULL);
        (void)ct_cg_remove(&r->cg, path, NULL);
    }
}

/* liblxc would go on with a name of its own beside one that is there. */
static int prepare_groups(struct run *r, struct bt_err *err)
{
    _cleanup_free_ char *own = ct_cgroup_of(&r->place);
    remove_groups(r);
    if (ct_cg_exists(&r->cg, own))
        return bt_fail(err, BT_E_IN_USE, "control group %s cannot be removed", own);
    return ct_cg_make(&r->cg, r->spec->cgroup_parent, true, err);
}

static int own_session(struct bt_err *err)
{
    _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)setsid();
    (void)umask(022);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
        return bt_fail_errno(err, errno, "/dev/null");
    ct_rlimits_set();
    /* With newuidmap on the path liblxc would call it, and fail as root without /etc/subuid. */
    if (clearenv() != 0 || setenv("PATH", "", 1) < 0)
        return bt_fail_errno(err, errno, "environment");
    return 0;
}

static int write_mask_points(int dir, struct bt_err *err)
{
    int rc = bt_mkdir_p(dir, "maskdir", 0555, err);
    return rc < 0 ? rc : bt_write_file_atomic(dir, "mask", "", 0, 0444, err);
}

/* What later boots and other verbs go by. */
static int write_records(struct run *r, struct bt_err *err)
{
    struct helper_container_limits l = {.limits = r->spec->limits, .cpuset = r->spec->cpuset};
    _cleanup_buf_ struct bt_buf seccomp = BT_BUF(65536);
    int dir = r->c->dir;
    (void)unlinkat(dir, CT_F_BOOT, 0);
    (void)unlinkat(dir, CT_F_EXIT, 0);
    (void)unlinkat(dir, CT_F_LOG, 0);
    ct_seccomp_emit(r->spec->features, &seccomp);
    int rc = ct_put(dir, CT_F_PLACE, &helper_container_place_schema, &r->place, err);
    if (rc == 0)
        rc = ct_put(dir, CT_F_LIMITS, &helper_container_limits_schema, &l, err);
    if (rc == 0)
        rc = bt_write_file_atomic(dir, CT_F_SECCOMP, seccomp.data, seccomp.len, 0600, err);
    return rc == 0 ? write_mask_points(dir, err) : rc;
}

static void fill_place(struct run *r)
{
    const struct helper_container_spec *s = r->spec;
    r->place = (struct helper_container_place){
        .uuid = (char *)(uintptr_t)r->c->uuid,
        .name = s->name,
        .cgroup_parent = s->cgroup_parent,
        .cgroup = s->cgroup,
        .lower = s->lower,
        .upper_path = s->upper.path,
        .upper_backend = s->upper.backend,
        .id_base = s->id_base,
        .id_count = s->id_count,
        .features = s->features,
        .stop_signal = s->stop_signal,
        .nics = s->nics,
        .monitor = getpid(),
        .monitor_start = ct_pid_start(getpid()),
        .boot = s->boot,
    };
}

static int write_files(struct run *r, struct bt_err *err)
{
    struct ct_files f = {.root = r->root.fd, .id_base = r->spec->id_base};
    f.seeded = ct_files_seed_is_new(r->root.upper, r->spec->seed_id);
    r->place.seeded = f.seeded;
    int rc = ct_files_check_points(&f, err);
    if (rc == 0)
        rc = ct_files_apply(&f, r->spec, err);
    if (rc == 0 && f.seeded)
        rc = ct_files_mark(r->root.upper, r->spec->seed_id, err);
    return rc;
}

/* The first error that liblxc wrote down: the cause, the others follow from it. */
static int engine_failed(struct run *r, struct bt_err *err)
{
    _cleanup_buf_ struct bt_buf b = BT_BUF(LOG_MAX);
    if (r->spec->log || bt_read_file(r->c->dir, CT_F_LOG, LOG_MAX, &b, NULL) < 0)
        return bt_fail(err, BT_E_KERNEL, "the container did not start");
    const char *line = strstr(b.data, " ERROR ");
    const char *text = line ? strstr(line, " - ") : NULL;
    text = text ? text + 3 : b.data;
    return bt_fail(err, BT_E_KERNEL, "%.*s", (int)strcspn(text, "\n"), text);
}

static struct lxc_container *configure(struct run *r, struct bt_err *err)
{
    struct bt_arr items;
    struct ct_config_in in = {.spec = r->spec,
                              .uuid = r->c->uuid,
                              .run_dir = r->c->req.run_dir,
                              .exe = r->exe,
                              .kind = r->cg.kind};
    in.own_nodes = r->own_nodes;
    in.devices = r->cg.kind == CT_CG_V2 || ct_cg_find(&r->cg, "devices");
    struct lxc_container *lxc = lxc_container_new(r->c->uuid, r->c->req.run_dir);
    if (!lxc) {
        (void)bt_fail(err, BT_E_KERNEL, "liblxc: no container object");
        return NULL;
    }
    ct_config_build(&in, &items);
    const struct bt_pair *p = items.items;
    bool good = true;
    for (size_t i = 0; i < items.len && good; i++) {
        good = lxc->set_config_item(lxc, p[i].key, p[i].value);
        if (!good)
            (void)bt_fail(err, BT_E_KERNEL, "liblxc refuses %s = %s", p[i].key, p[i].value);
    }
    ct_config_free(&items);
    if (good && lxc->want_daemonize(lxc, false))
        return lxc;
    if (good)
        (void)bt_fail(err, BT_E_KERNEL, "liblxc: no foreground start");
    (void)lxc_container_put(lxc);
    return NULL;
}

static int prepare(struct run *r, struct bt_err *err)
{
    struct ct *c = r->c;
    c->step = "session";
    int rc = own_session(err);
    if (rc == 0) {
        c->step = "cgroup";
        rc = prepare_groups(r, err);
    }
    if (rc == 0)
        rc = ct_watch_start(&r->watch, c, &r->place, r->lock, err);
    if (rc == 0) {
        c->step = "mount";
        rc = ct_mount_private(&c->dir, err);
    }
    if (rc == 0)
        rc = ct_mount_root(c->dir, r->spec, &r->root, err);
    if (rc == 0)
        rc = ct_mount_nodes(c->dir, r->spec->features, r->spec->id_base, &r->own_nodes, err);
    if (rc == 0) {
        c->step = "files";
        r->place.disk_major = r->root.disk.major;
        r->place.disk_minor = r->root.disk.minor;
        rc = write_files(r, err);
    }
    if (rc == 0)
        rc = write_records(r, err);
    ct_root_fini(&r->root);
    if (rc == 0) {
        c->step = "cgroup";
        rc = ct_watch_moved(&r->watch, err);
    }
    return rc;
}

/* Nothing but RUN_DIR/UUID with its records stays. */
static void clean_up(struct run *r)
{
    static const char *const files[] = {CT_F_BOOT, CT_F_LIMITS, CT_F_SECCOMP, "mask"};
    _cleanup_free_ char *monitors = ct_cgroup_monitors(&r->place);
    ct_mount_drop(r->c->dir);
    (void)ct_cg_enter(&r->cg, monitors, 0, NULL);
    remove_groups(r);
    for (size_t i = 0; i < BT_ARRAY_LEN(files); i++)
        (void)unlinkat(r->c->dir, files[i], 0);
    (void)unlinkat(r->c->dir, "maskdir", AT_REMOVEDIR);
}

/* The whole life of the instance passes in start(). */
static int live(struct run *r, struct bt_err *err)
{
    r->c->step = "start";
    struct lxc_container *lxc = configure(r, err);
    if (!lxc)
        return -(int)err->code;
    int rc = ct_seccomp_architectures(r->spec->features, err);
    if (rc < 0) {
        (void)lxc_container_put(lxc);
        return rc;
    }
    ct_watch_go(&r->watch);
    bool good = lxc->start(lxc, 0, NULL);
    int error_num = lxc->error_num;
    bool replied = ct_watch_end(&r->watch);
    (void)lxc_container_put(lxc);
    if (!replied)
        return good ? bt_fail(err, BT_E_BAD_IMAGE, "init ended at once (0x%x)", (unsigned)error_num)
                    : engine_failed(r, err);
    r->c->replied = true;
    enum helper_container_cause cause =
        good ? ct_exit_cause(error_num) : HELPER_CONTAINER_CAUSE_START_FAILED;
    struct bt_err ignored = BT_ERR_INIT;
    (void)ct_exit_write(r->c->dir, error_num, cause, r->spec->boot, &ignored);
    return 0;
}

static int locked(struct run *r, struct bt_err *err)
{
    int rc = refuse_lost(r, err);
    if (rc < 0)
        return rc;
    fill_place(r);
    rc = prepare(r, err);
    if (rc == 0)
        rc = live(r, err);
    (void)ct_watch_end(&r->watch);
    clean_up(r);
    if (rc < 0)
        (void)unlinkat(r->c->dir, CT_F_PLACE, 0);
    return rc;
}

static int check(struct run *r, struct bt_err *err)
{
    struct ct_config_in in = {
        .spec = r->spec, .uuid = r->c->uuid, .run_dir = r->c->req.run_dir, .exe = r->exe};
    ssize_t n = readlink("/proc/self/exe", r->exe, sizeof r->exe - 1);
    if (n <= 0)
        return bt_fail_errno(err, errno, "/proc/self/exe");
    r->exe[n] = '\0';
    return ct_config_check(&in, err);
}

int ct_run(struct ct *c, struct bt_err *err)
{
    struct run r = {
        .c = c, .spec = c->req.run, .watch = CT_WATCH_INIT, .root = CT_ROOT_INIT, .lock = -1};
    c->step = "spec";
    if (!r.spec)
        return bt_fail(err, BT_E_INVALID, "run: required");
    int rc = check(&r, err);
    if (rc == 0)
        rc = ct_open_dir(c, true, err);
    c->step = rc == 0 ? "lock" : c->step;
    if (rc == 0)
        rc = take_lock(&r, err);
    if (rc == 0)
        rc = ct_cg_init(&r.cg, err);
    if (rc == 0)
        rc = locked(&r, err);
    ct_cg_fini(&r.cg);
    bt_close_p(&r.lock);
    return rc;
}
