/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a command in an instance: its namespaces, groups, capabilities and seccomp profile, its
 * root, a session of its own. The agent gets the terminal or three pipes; when it hangs up, the
 * command is hung up too.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <lxc/attach_options.h>
#include <lxc/lxccontainer.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/container/ct.h"
#include "runtime/container/ct_proc.h"
#include "runtime/container/ct_profile.h"
#include "runtime/container/ct_rlimit.h"

#define HANGUP_MS 5000
#define TTY_GROUP 5
#define PTMX_MAJOR 5
#define PTMX_MINOR 2
#define EXIT_NOT_FOUND 127
#define EXIT_NOT_RUN 126
#define FDS 3

/* The command's ends and ours; with a terminal only [0] of ours is used. */
struct streams {
    int inner[FDS];
    int outer[FDS];
    size_t n;
};

static void streams_init(struct streams *s)
{
    for (size_t i = 0; i < FDS; i++)
        s->inner[i] = s->outer[i] = -1;
    s->n = 0;
}

static void close_all(int fds[FDS])
{
    for (size_t i = 0; i < FDS; i++) {
        bt_close_p(&fds[i]);
        fds[i] = -1;
    }
}

static int make_pipes(struct streams *s, struct bt_err *err)
{
    for (size_t i = 0; i < FDS; i++) {
        int p[2];
        if (pipe2(p, O_CLOEXEC) < 0)
            return bt_fail_errno(err, errno, "pipe");
        s->inner[i] = p[i == 0 ? 0 : 1];
        s->outer[i] = p[i == 0 ? 1 : 0];
        /* The command runs as the guest's root, who must be able to open /dev/stdout again. */
        (void)fchmod(s->inner[i], 0666);
    }
    s->n = FDS;
    return 0;
}

/* The engine keeps the guest's devpts open; that it is one, and its ptmx a ptmx, is looked at. */
static int open_ptmx(int devpts, struct bt_err *err)
{
    struct statfs fs;
    struct stat st;
    if (devpts < 0 || fstatfs(devpts, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC)
        return bt_fail(err, BT_E_BAD_STATE, "the guest's /dev/pts cannot be used");
    _cleanup_close_ int fd = openat(devpts, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return bt_fail_errno(err, errno, "open the guest's ptmx");
    if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(PTMX_MAJOR, PTMX_MINOR))
        return bt_fail(err, BT_E_BAD_STATE, "the guest's ptmx is none");
    return TAKE_FD(fd);
}

static int make_terminal(struct lxc_container *lxc, const struct helper_container_exec *x,
                         int64_t base, struct streams *s, struct bt_err *err)
{
    int unlocked = 0;
    struct winsize size = {.ws_row = (unsigned short)x->rows, .ws_col = (unsigned short)x->cols};
    _cleanup_close_ int devpts = lxc->devpts_fd(lxc);
    s->outer[0] = open_ptmx(devpts, err);
    if (s->outer[0] < 0)
        return s->outer[0];
    s->n = 1;
    if (ioctl(s->outer[0], TIOCSPTLCK, &unlocked) < 0)
        return bt_fail_errno(err, errno, "unlock the terminal");
    s->inner[0] = ioctl(s->outer[0], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (s->inner[0] < 0)
        return bt_fail_errno(err, errno, "open the terminal");
    if (fchown(s->inner[0], (uid_t)base, (gid_t)(base + TTY_GROUP)) < 0 ||
        fchmod(s->inner[0], 0620) < 0)
        return bt_fail_errno(err, errno, "own the terminal");
    if (x->rows > 0 && x->cols > 0)
        (void)ioctl(s->outer[0], TIOCSWINSZ, &size);
    for (size_t i = 1; i < FDS; i++) {
        s->inner[i] = fcntl(s->inner[0], F_DUPFD_CLOEXEC, 3);
        if (s->inner[i] < 0)
            return bt_fail_errno(err, errno, "dup");
    }
    return 0;
}

struct payload {
    char **argv;
    bool tty;
    uint64_t features;
};

/* In the instance, as its root, behind liblxc's own filter (which it leaves out behind another). */
static int command(void *ctx)
{
    const struct payload *p = ctx;
    if (ct_seccomp_architectures(p->features, NULL) < 0)
        _exit(EXIT_NOT_RUN);
    (void)setsid();
    if (p->tty)
        (void)ioctl(STDIN_FILENO, TIOCSCTTY, 0);
    (void)execvp(p->argv[0], p->argv);
    int status = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_RUN;
    static const char said[] = ": cannot be run: ";
    const char *why = strerror(errno);
    (void)bt_write_all(STDERR_FILENO, p->argv[0], strlen(p->argv[0]), NULL);
    (void)bt_write_all(STDERR_FILENO, said, sizeof said - 1, NULL);
    (void)bt_write_all(STDERR_FILENO, why, strlen(why), NULL);
    (void)bt_write_all(STDERR_FILENO, "\n", 1, NULL);
    _exit(status);
}

/* A NULL-terminated list of @fixed and the strings of @arr, borrowed; free the list alone. */
static char **vector(const char *const *fixed, const struct bt_arr *arr)
{
    size_t n = 0;
    size_t count = 0;
    while (fixed && fixed[n])
        n++;
    char **v = bt_xcalloc(n + arr->len + 1, sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[count++] = (char *)(uintptr_t)fixed[i];
    for (size_t i = 0; i < arr->len; i++)
        v[count++] = ((char **)arr->items)[i];
    return v;
}

/* The instance that is entered. */
struct target {
    struct lxc_container *lxc;
    int64_t id_base;
    uint64_t features;
};

static int attach(const struct target *t, const struct helper_container_exec *x,
                  const struct streams *s, pid_t *ret, struct bt_err *err)
{
    static const char *const base_env[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME=/root",
        "USER=root",
        "LOGNAME=root",
        "SHELL=/bin/sh",
        NULL};
    _cleanup_free_ char **env = vector(base_env, &x->env);
    _cleanup_free_ char **argv = vector(NULL, &x->argv);
    char slash[] = "/";
    struct payload p = {.argv = argv, .tty = x->tty, .features = t->features};
    lxc_attach_options_t o = LXC_ATTACH_OPTIONS_DEFAULT;
    o.env_policy = LXC_ATTACH_CLEAR_ENV;
    o.extra_env_vars = env;
    o.initial_cwd = slash;
    o.uid = 0;
    o.gid = 0;
    o.stdin_fd = s->inner[0];
    o.stdout_fd = s->inner[1];
    o.stderr_fd = s->inner[2];
    if (t->lxc->attach(t->lxc, command, &p, &o, ret) < 0)
        return bt_fail(err, BT_E_KERNEL, "cannot enter the instance");
    return 0;
}

static int exit_status(int wait_status)
{
    if (WIFSIGNALED(wait_status))
        return 128 + WTERMSIG(wait_status);
    return WEXITSTATUS(wait_status);
}

/* The command's end, or the agent's: then hang up first. */
static int wait_for(const struct ct *c, pid_t pid)
{
    int status = 0;
    int timeout = -1;
    bool hung_up = false;
    _cleanup_close_ int pidfd = ct_pidfd(pid, ct_pid_start(pid), NULL);
    while (pidfd >= 0) {
        struct pollfd p[] = {{.fd = pidfd, .events = POLLIN},
                             {.fd = hung_up ? -1 : c->sock, .events = POLLIN | POLLRDHUP}};
        int n = poll(p, BT_ARRAY_LEN(p), timeout);
        if (n < 0 && errno != EINTR)
            break;
        if (n > 0 && p[0].revents)
            break;
        if (n == 0)
            (void)kill(-pid, SIGKILL);
        if (n > 0 && p[1].revents) {
            hung_up = true;
            timeout = HANGUP_MS;
            (void)kill(-pid, SIGHUP);
            (void)kill(-pid, SIGCONT);
        }
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return exit_status(status);
}

static int exec_in(struct ct *c, const struct target *t, struct bt_err *err)
{
    const struct helper_container_exec *x = c->req.exec;
    struct streams s;
    pid_t pid = -1;
    streams_init(&s);
    int rc = x->tty ? make_terminal(t->lxc, x, t->id_base, &s, err) : make_pipes(&s, err);
    if (rc == 0)
        rc = attach(t, x, &s, &pid, err);
    close_all(s.inner);
    if (rc == 0) {
        struct helper_container_stream ok = {.fds = (int64_t)s.n, .pid = pid};
        ct_reply_ok(c, &helper_container_stream_schema, &ok, s.outer, s.n);
    }
    /* The agent's alone: the command sees the end when the agent closes. */
    close_all(s.outer);
    if (rc == 0)
        ct_reply_exit(c, wait_for(c, pid));
    return rc;
}

int ct_exec(struct ct *c, struct bt_err *err)
{
    struct ct_life life;
    c->step = "exec";
    if (!c->req.exec || c->req.exec->argv.len == 0)
        return bt_fail(err, BT_E_INVALID, "exec.argv: required");
    int rc = ct_open_dir(c, false, err);
    if (rc < 0)
        return rc;
    ct_life_read(c->dir, &life);
    struct target t = {.id_base = life.place.id_base, .features = life.place.features};
    bool runs = life.init_lives && life.lock_held;
    bool lost = life.init_lives && !life.lock_held;
    ct_life_fini(&life);
    if (lost)
        return bt_fail(err, BT_E_UNAVAILABLE, "the instance's monitor is lost");
    if (!runs)
        return bt_fail(err, BT_E_BAD_STATE, "the instance does not run");
    ct_rlimits_set();
    t.lxc = lxc_container_new(c->uuid, c->req.run_dir);
    if (!t.lxc)
        return bt_fail(err, BT_E_KERNEL, "liblxc: no container object");
    rc = exec_in(c, &t, err);
    (void)lxc_container_put(t.lxc);
    return rc;
}
