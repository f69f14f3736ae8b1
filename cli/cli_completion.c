/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static void print_nouns(void)
{
    const char *last = "";
    for (size_t t = 0; cli_commands[t]; t++) {
        for (const struct cli_cmd *cmd = cli_commands[t]; cmd->noun; cmd++) {
            if (strcmp(last, cmd->noun) != 0)
                (void)printf(" %s", cmd->noun);
            last = cmd->noun;
        }
    }
}

static void print_words(const char *noun)
{
    for (size_t t = 0; cli_commands[t]; t++) {
        for (const struct cli_cmd *cmd = cli_commands[t]; cmd->noun; cmd++) {
            if (cmd->verb && strcmp(noun, cmd->noun) == 0)
                (void)printf(" %s", cmd->verb);
        }
    }
}

/* For each noun with verbs, @fmt_before noun @fmt_between words @fmt_after. */
static void each_noun(const char *before, const char *between, const char *after)
{
    const char *last = "";
    for (size_t t = 0; cli_commands[t]; t++) {
        for (const struct cli_cmd *cmd = cli_commands[t]; cmd->noun; cmd++) {
            if (!cmd->verb || strcmp(last, cmd->noun) == 0)
                continue;
            last = cmd->noun;
            (void)printf("%s%s%s", before, last, between);
            print_words(last);
            (void)printf("%s", after);
        }
    }
}

static void bash(void)
{
    (void)printf("_berth() {\n  local cur=${COMP_WORDS[COMP_CWORD]} words=\n"
                 "  if [ \"$COMP_CWORD\" = 1 ]; then words=\"");
    print_nouns();
    (void)printf("\"\n  elif [ \"$COMP_CWORD\" = 2 ]; then\n    case ${COMP_WORDS[1]} in\n");
    each_noun("      ", ") words=\"", "\" ;;\n");
    (void)printf(
        "    esac\n  fi\n  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\n"
        "complete -F _berth berth\n");
}

static void zsh(void)
{
    (void)printf("#compdef berth\nif (( CURRENT == 2 )); then compadd --");
    print_nouns();
    (void)printf("\nelif (( CURRENT == 3 )); then\n  case $words[2] in\n");
    each_noun("    ", ") compadd --", " ;;\n");
    (void)printf("  esac\nfi\n");
}

static void fish(void)
{
    (void)printf("complete -c berth -f\ncomplete -c berth -n __fish_use_subcommand -a \"");
    print_nouns();
    (void)printf("\"\n");
    each_noun("complete -c berth -n \"__fish_seen_subcommand_from ", "\" -a \"", "\"\n");
}

int cli_completion(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
                   struct bt_err *err)
{
    (void)c;
    (void)cmd;
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++) {
        if (strcmp(shells[i].name, a->pos[0]) == 0) {
            shells[i].print();
            return 0;
        }
    }
    return bt_fail(err, BT_E_INVALID, "bash, zsh or fish");
}
