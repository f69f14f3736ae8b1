/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PID 1 of the image `tiny`: loopback up, a shell on the console, a web server on demand, and power
 * off or reboot within 100 ms of being asked.
 *
 *   SIGPWR, SIGRTMIN+3, SIGUSR1, SIGUSR2   power off (engines; busybox halt and poweroff)
 *   SIGTERM, SIGINT                        reboot (busybox reboot)
 *
 * All signals stay blocked and are taken one by one: a blocked signal is queued even for PID 1,
 * whose unhandled ones the kernel throws away (signal(7), pid_namespaces(7)).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/images/tiny/ping.h"

#define TERM_GRACE_MS 50
#define KILL_GRACE_MS 1000
#define RESPAWN_MS 1000

/* Mounted when the engine has not: `magic` is what statfs(2) says of a mounted one. */
struct filesystem {
    const char *point;
    const char *type;
    const char *data;
    long magic;
};

static const struct filesystem filesystems[] = {
    {"/proc", "proc", NULL, 0x9fa0},
    {"/sys", "sysfs", NULL, 0x62656572},
    {"/run", "tmpfs", "mode=0755", 0x01021994},
};

/*
 * What is kept running. `flag`: only when this file is there; a missing one is looked for again
 * after every signal (SIGHUP does nothing else), never by a timer.
 */
struct service {
    const char *flag;
    const char *tty;
    char *const *argv;
    pid_t pid;
    long long started_ms;
};

static char *const console_argv[] = {"-sh", NULL};
static char *const httpd_argv[] = {"httpd", "-f", "-p", "80", "-h", "/var/www", NULL};

static long long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void mount_missing(void)
{
    for (size_t i = 0; i < sizeof(filesystems) / sizeof(filesystems[0]); i++) {
        const struct filesystem *fs = &filesystems[i];
        struct statfs st;

        if (statfs(fs->point, &st) == 0 && st.f_type != fs->magic)
            mount(fs->type, fs->point, fs->type, MS_NOSUID | MS_NODEV, fs->data);
    }
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (write(fd, text, strlen(text)) < 0) {
        /* A read-only or foreign /proc/sys: the guest runs without it. */
    }
    close(fd);
}

static void loopback_up(void)
{
    struct ifreq req = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return;
    if (ioctl(fd, SIOCGIFFLAGS, &req) == 0 && !(req.ifr_flags & IFF_UP)) {
        req.ifr_flags = (short)(req.ifr_flags | IFF_UP);
        ioctl(fd, SIOCSIFFLAGS, &req);
    }
    close(fd);
}

static void set_hostname(void)
{
    char name[65];
    int fd = open("/etc/hostname", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, name, sizeof(name) - 1);

    if (fd >= 0)
        close(fd);
    if (len <= 0)
        return;
    name[len] = '\0';
    name[strcspn(name, " \t\n")] = '\0';
    if (name[0] != '\0')
        sethostname(name, strlen(name));
}

/* The child's side of a start: does not return. */
static _Noreturn void run_service(const struct service *s)
{
    sigset_t none;
    int fd = open(s->tty ? s->tty : "/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC);

    setsid();
    if (fd < 0)
        _exit(127);
    if (s->tty)
        ioctl(fd, TIOCSCTTY, 1);
    for (int i = 0; i < 3; i++)
        dup2(fd, i);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (chdir("/root") < 0 && chdir("/") < 0)
        _exit(127);
    execv("/bin/busybox", s->argv);
    _exit(127);
}

static void start_service(struct service *s)
{
    s->started_ms = now_ms();
    s->pid = fork();
    if (s->pid == 0)
        run_service(s);
    if (s->pid < 0)
        s->pid = 0;
}

/* Starts what is down and due; returns the ms until something is due, -1 for never. */
static long long start_due(struct service *services, size_t count)
{
    long long wait_ms = -1;

    for (size_t i = 0; i < count; i++) {
        struct service *s = &services[i];
        long long due_ms = s->started_ms + RESPAWN_MS - now_ms();

        if (s->pid != 0 || access(s->flag, F_OK) < 0)
            continue;
        if (due_ms <= 0)
            start_service(s);
        else if (wait_ms < 0 || due_ms < wait_ms)
            wait_ms = due_ms;
    }
    return wait_ms;
}

/* Reaps all that ended; false when no child is left. */
static bool reap(struct service *services, size_t count)
{
    for (;;) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);

        if (pid <= 0)
            return pid == 0;
        for (size_t i = 0; i < count; i++) {
            if (services[i].pid == pid)
                services[i].pid = 0;
        }
    }
}

static int take_signal(const sigset_t *set, long long wait_ms)
{
    struct timespec t = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000};

    if (wait_ms < 0)
        return sigwaitinfo(set, NULL);
    return sigtimedwait(set, NULL, &t);
}

static void wait_for_children(const sigset_t *child, long long limit_ms)
{
    long long end_ms = now_ms() + limit_ms;
    long long left_ms = limit_ms;

    while (reap(NULL, 0) && left_ms > 0) {
        take_signal(child, left_ms);
        left_ms = end_ms - now_ms();
    }
}

/*
 * Ends everything, then the machine. No sync(2): it would write out the whole host; what is left in
 * this root is written when its owner unmounts it.
 */
static _Noreturn void shut_down(int how)
{
    sigset_t child;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    kill(-1, SIGTERM);
    kill(-1, SIGHUP); /* an interactive shell passes over SIGTERM */
    kill(-1, SIGCONT);
    wait_for_children(&child, TERM_GRACE_MS);
    kill(-1, SIGKILL);
    wait_for_children(&child, KILL_GRACE_MS);
    reboot(how);
    _exit(how == RB_AUTOBOOT ? 1 : 0); /* a reboot(2) that is refused: PID 1's end does the same */
}

static void handle(struct service *services, size_t count, int signo)
{
    if (signo == SIGPWR || signo == SIGUSR1 || signo == SIGUSR2 || signo == SIGRTMIN + 3)
        shut_down(RB_POWER_OFF);
    if (signo == SIGTERM || signo == SIGINT)
        shut_down(RB_AUTOBOOT);
    if (signo == SIGCHLD)
        reap(services, count);
}

static void set_environment(void)
{
    setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
    setenv("HOME", "/root", 1);
    setenv("USER", "root", 1);
    setenv("TERM", "linux", 0);
}

static _Noreturn void run_init(void)
{
    struct service services[] = {
        {.flag = "/dev/console",
         .tty = "/dev/console",
         .argv = console_argv,
         .started_ms = -RESPAWN_MS},
        {.flag = "/etc/tiny/httpd", .argv = httpd_argv, .started_ms = -RESPAWN_MS},
    };
    const size_t count = sizeof(services) / sizeof(services[0]);
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    loopback_up();
    mount_missing();
    set_hostname();
    /* Lets ping work without CAP_NET_RAW, icmp(7); 65535 is the last id that every instance has. */
    write_file("/proc/sys/net/ipv4/ping_group_range", "0 65535");
    set_environment();
    umask(022);
    for (;;)
        handle(services, count, take_signal(&all, start_due(services, count)));
}

int main(int argc, char **argv)
{
    const char *name = argc > 0 ? basename(argv[0]) : "";

    if (strncmp(name, "ping", 4) == 0)
        return tiny_ping(argc, argv);
    run_init();
}
