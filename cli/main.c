/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "common/base/mem.h"

static const struct cli_cmd *find(const char *noun, const char *verb)
{
    for (size_t t = 0; cli_commands[t]; t++) {
        for (const struct cli_cmd *cmd = cli_commands[t]; cmd->noun; cmd++) {
            if (strcmp(cmd->noun, noun) == 0 &&
                (!cmd->verb || (verb && strcmp(cmd->verb, verb) == 0)))
                return cmd;
        }
    }
    return NULL;
}

static void print_flags(const struct cli_cmd *cmd)
{
    for (size_t s = 0; cmd->flags && cmd->flags[s]; s++) {
        for (const struct cli_flag *f = cmd->flags[s]; f->name; f++)
            (void)fprintf(stderr, "  --%-20s %s\n", f->name, f->help ? f->help : "");
    }
}

static int usage(const char *noun, const struct cli_cmd *cmd)
{
    if (cmd) {
        (void)fprintf(stderr, "usage: berth %s%s%s %s\n", cmd->noun, cmd->verb ? " " : "",
                      cmd->verb ? cmd->verb : "", cmd->usage ? cmd->usage : "");
        print_flags(cmd);
        return 2;
    }
    (void)fprintf(stderr,
                  "usage: berth NOUN VERB [ARG] [--flag] [-o table|json|csv|name] [--no-wait]\n");
    for (size_t t = 0; cli_commands[t]; t++) {
        for (const struct cli_cmd *row = cli_commands[t]; row->noun; row++) {
            if (!noun || strcmp(noun, row->noun) == 0)
                (void)fprintf(stderr, "  %-12s %-16s %s\n", row->noun, row->verb ? row->verb : "",
                              row->usage ? row->usage : "");
        }
    }
    return 2;
}

static int fail(const struct cli_cmd *cmd, const struct bt_err *err)
{
    (void)fprintf(stderr, "berth: %s: %s\n", bt_code_str(err->code), err->msg);
    if (err->hint[0])
        (void)fprintf(stderr, "hint: %s\n", err->hint);
    return strcmp(cmd->noun, "exec") == 0 ? CLI_EXEC_FAILED : bt_code_exit(err->code);
}

static int run(struct cli *c, const struct cli_cmd *cmd, int argc, char **argv, struct bt_err *err)
{
    struct cli_args args = {0};
    int rc = cli_args_parse(c, cmd, argc, argv, &args, err);
    if (rc >= 0)
        rc = cli_profile_load(c, err);
    if (rc >= 0 && !c->url && cmd->path)
        rc = bt_fail(err, BT_E_INVALID, "no controller: set BERTH_URL or run berth login");
    if (rc < 0)
        return rc;
    return cmd->run ? cmd->run(c, cmd, &args, err) : cli_run(c, cmd, &args, err);
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    if (argc < 2)
        return usage(NULL, NULL);
    const char *verb = argc > 2 ? argv[2] : NULL;
    const struct cli_cmd *cmd = find(argv[1], verb);
    if (!cmd || wants_help(argc, argv))
        return usage(find(argv[1], NULL) || !cmd ? argv[1] : NULL, cmd);
    struct cli c = {0};
    struct bt_err err = BT_ERR_INIT;
    int skip = cmd->verb ? 3 : 2;
    int rc = run(&c, cmd, argc - skip, argv + skip, &err);
    int status = rc < 0 ? fail(cmd, &err) : c.exit_status;
    if (c.token)
        bt_erase(c.token, strlen(c.token));
    free(c.url);
    free(c.token);
    free(c.cacert);
    return fflush(stdout) == 0 ? status : 1;
}
