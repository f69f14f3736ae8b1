/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log/log.h"
#include "controller/app.h"

#define CONF "/etc/berth/berthd.conf"

static int usage(void)
{
    (void)fprintf(stderr, "usage: berthd run [--config FILE]\n"
                          "       berthd check [--config FILE]\n"
                          "       berthd config | version\n");
    return 2;
}

static int fail(const struct bt_err *err)
{
    (void)fprintf(stderr, "berthd: %s: %s\n", bt_code_str(err->code), err->msg);
    if (err->hint[0])
        (void)fprintf(stderr, "hint: %s\n", err->hint);
    return bt_code_exit(err->code);
}

static int print_manual(void)
{
    _cleanup_buf_ struct bt_buf text = BT_BUF(1u << 20);
    bt_conf_manual(app_conf_opts, &text);
    return fputs(text.data, stdout) < 0;
}

static int with_conf(const char *verb, const char *path)
{
    struct app_conf conf;
    struct bt_err err = BT_ERR_INIT;
    if (app_conf_load(path, &conf, &err) < 0)
        return fail(&err);
    bt_log_level_set((enum bt_level)conf.log_level);
    int rc = strcmp(verb, "run") == 0 ? app_run(&conf, &err) : 0;
    app_conf_free(&conf);
    return rc < 0 ? fail(&err) : 0;
}

int main(int argc, char **argv)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    const char *path = access(CONF, R_OK) == 0 ? CONF : NULL;
    const char *verb = NULL;
    (void)sigaction(SIGPIPE, &ignore, NULL);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            path = argv[++i];
        else if (verb)
            return usage();
        else
            verb = argv[i];
    }
    if (!verb)
        return usage();
    if (strcmp(verb, "config") == 0)
        return print_manual();
    if (strcmp(verb, "version") == 0)
        return printf("berthd %s\n", BT_VERSION) < 0;
    if (strcmp(verb, "run") != 0 && strcmp(verb, "check") != 0)
        return usage();
    return with_conf(verb, path);
}
