/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/app.h"
#include "common/log/log.h"

#define CONF "/etc/berth/agent.conf"

static int usage(void)
{
    (void)fprintf(stderr, "usage: berth-agent [--config FILE] run\n"
                          "       berth-agent [--config FILE] join URL TOKEN\n"
                          "       berth-agent config | version\n");
    return 2;
}

static int fail(const struct bt_err *err)
{
    (void)fprintf(stderr, "berth-agent: %s: %s\n", bt_code_str(err->code), err->msg);
    if (err->hint[0])
        (void)fprintf(stderr, "hint: %s\n", err->hint);
    return bt_code_exit(err->code);
}

static int print_manual(void)
{
    _cleanup_buf_ struct bt_buf text = BT_BUF(1u << 20);
    bt_conf_manual(host_conf_opts, &text);
    return fputs(text.data, stdout) < 0;
}

static int with_conf(const char *path, int argc, char **argv)
{
    struct host_conf conf;
    struct bt_err err = BT_ERR_INIT;
    bool join = argc == 3 && strcmp(argv[0], "join") == 0;
    if (!join && !(argc == 1 && strcmp(argv[0], "run") == 0))
        return usage();
    int rc = host_conf_load(path, &conf, &err);
    if (rc < 0)
        return fail(&err);
    bt_log_level_set((enum bt_level)conf.log_level);
    rc = join ? app_join(&conf, argv[1], argv[2], &err) : app_run(&conf, &err);
    host_conf_free(&conf);
    return rc < 0 ? fail(&err) : 0;
}

int main(int argc, char **argv)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    const char *path = access(CONF, R_OK) == 0 ? CONF : NULL;
    (void)sigaction(SIGPIPE, &ignore, NULL);
    /* What whoever started us left open must not reach the helpers (close_range(2)). */
    (void)syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC);
    int at = 1;
    if (argc > 2 && strcmp(argv[1], "--config") == 0) {
        path = argv[2];
        at = 3;
    }
    if (argc <= at)
        return usage();
    if (strcmp(argv[at], "config") == 0)
        return print_manual();
    if (strcmp(argv[at], "version") == 0)
        return printf("berth-agent %s\n", BT_VERSION) < 0;
    return with_conf(path, argc - at, argv + at);
}
