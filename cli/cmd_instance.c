/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/cli.h"
#include "cli/cli_flags.h"

static const struct cli_col list_cols[] = {{"ID", "id", COL_TEXT},
                                           {"NAME", "name", COL_TEXT},
                                           {"TENANT", "tenant", COL_TEXT},
                                           {"STATE", "state", COL_TEXT},
                                           {"PLAN", "plan", COL_TEXT},
                                           {"IMAGE", "image", COL_TEXT},
                                           {"HOST", "host", COL_TEXT},
                                           {"ADDRESSES", "addresses", COL_ADDRESSES},
                                           {NULL}};

static const struct cli_col show_cols[] = {{"id", "id", COL_TEXT},
                                           {"uuid", "uuid", COL_TEXT},
                                           {"name", "name", COL_TEXT},
                                           {"hostname", "hostname", COL_TEXT},
                                           {"tenant", "tenant", COL_TEXT},
                                           {"plan", "plan", COL_TEXT},
                                           {"image", "image", COL_TEXT},
                                           {"driver", "driver", COL_TEXT},
                                           {"host", "host", COL_TEXT},
                                           {"desired", "desired", COL_TEXT},
                                           {"state", "state", COL_TEXT},
                                           {"suspended", "suspended", COL_LIST},
                                           {"addresses", "addresses", COL_ADDRESSES},
                                           {"features", "features", COL_LIST},
                                           {"generation", "generation", COL_TEXT},
                                           {"created", "created_at", COL_TIME},
                                           {"started", "started_at", COL_TIME},
                                           {"delete at", "delete_at", COL_TIME},
                                           {"last error", "last_error.message", COL_TEXT},
                                           {NULL}};

static const struct cli_flag create_flags[] = {
    {"plan", CLI_STR, CLI_BODY, "plan", false, "plan (needed)"},
    {"image", CLI_STR, CLI_BODY, "image", false, "image (needed)"},
    {"driver", CLI_STR, CLI_BODY, "driver", false, "container or kvm"},
    {"tenant", CLI_STR, CLI_BODY, "tenant", false, "owner"},
    {"host", CLI_STR, CLI_BODY, "host", false, "this host only"},
    {"location", CLI_STR, CLI_BODY, "location", false, "a host of this location"},
    {"hostname", CLI_STR, CLI_BODY, "hostname", false, "default: the name"},
    {"ssh-key", CLI_KEYS, CLI_BODY, "ssh_keys", false, "KEY, @FILE or a stored name; repeatable"},
    {"password", CLI_STR, CLI_BODY, "password", false, "root password"},
    {"user-data", CLI_FILE, CLI_BODY, "user_data", false, "file"},
    {"external-id", CLI_STR, CLI_BODY, "external_id", false, "id in a billing system"},
    {"source", CLI_STR, CLI_BODY, "source", false, "billing installation"},
    {"network", CLI_LIST, CLI_BODY, "networks", false, "private network; repeatable"},
    {"address", CLI_LIST, CLI_BODY, "addresses", false, "this address; repeatable"},
    {"mac", CLI_STR, CLI_BODY, "mac", false, "this MAC"},
    {"feature", CLI_LIST, CLI_BODY, "features", false, "instead of the plan's; none = strict"},
    {"label", CLI_PAIRS, CLI_BODY, "labels", false, "KEY=VALUE; repeatable"},
    {"notes", CLI_STR, CLI_BODY, "notes", false, "text"},
    {"no-start", CLI_FALSE, CLI_BODY, "start", false, "leave it stopped"},
    {"dry-run", CLI_TRUE, CLI_QUERY, "dry_run", false, "check only"},
    {NULL}};

static const struct cli_flag stop_flags[] = {
    {"force", CLI_TRUE, CLI_BODY, "force", false, "kill when the timeout is over"},
    {"timeout", CLI_DURATION, CLI_BODY, "timeout_ms", false, "wait so long for the guest"},
    {NULL}};
static const struct cli_flag suspend_flags[] = {
    {"reason", CLI_LIST, CLI_BODY, "reasons", false, "billing, traffic, abuse, admin"},
    {"text", CLI_STR, CLI_BODY, "text", false, "what the customer reads"},
    {NULL}};
static const struct cli_flag rebuild_flags[] = {
    {"image", CLI_STR, CLI_BODY, "image", false, "another image"},
    {"ssh-key", CLI_KEYS, CLI_BODY, "ssh_keys", false, "KEY, @FILE or a stored name"},
    {"password", CLI_STR, CLI_BODY, "password", false, "root password"},
    {NULL}};
static const struct cli_flag resize_flags[] = {
    {"plan", CLI_STR, CLI_BODY, "plan", false, "another plan"}, {NULL}};
static const struct cli_flag delete_flags[] = {
    {"force", CLI_TRUE, CLI_BODY, "force", false, "running too; still to the trash"},
    {"purge", CLI_TRUE, CLI_BODY, "purge", false, "past trash and grace (operators)"},
    {"uuid", CLI_STR, CLI_BODY, "uuid", false, "must match"},
    {"external-id", CLI_STR, CLI_BODY, "external_id", false, "must match"},
    {NULL}};
static const struct cli_flag set_flags[] = {
    {"name", CLI_STR, CLI_BODY, "name", false, "new name"},
    {"hostname", CLI_STR, CLI_BODY, "hostname", false, "new host name"},
    {"notes", CLI_STR, CLI_BODY, "notes", false, "text"},
    {"external-id", CLI_STR, CLI_BODY, "external_id", false, "id in a billing system"},
    {"label", CLI_PAIRS, CLI_BODY, "labels", false, "KEY=VALUE; repeatable"},
    {"protect-delete", CLI_BOOL, CLI_BODY, "protect_delete", false, "yes or no"},
    {"protect-rebuild", CLI_BOOL, CLI_BODY, "protect_rebuild", false, "yes or no"},
    {NULL}};

#define SETS(...)                                                                                  \
    (const struct cli_flag *const[])                                                               \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }
#define ACTION(v, u, f, h)                                                                         \
    {                                                                                              \
        .noun = "instance", .verb = v, .usage = u, .min_pos = 1, .max_pos = 1, .flags = f,         \
        .method = "POST", .path = "/instances/{0}/actions/" v, .out = OUT_TASK, .cols = show_cols, \
        .help = h                                                                                  \
    }

const struct cli_cmd cli_instance_commands[] = {
    {.noun = "instance",
     .verb = "create",
     .usage = "NAME --plan P --image I [flags]",
     .min_pos = 1,
     .max_pos = 1,
     .flags = SETS(create_flags, cli_limit_flags_nested),
     .method = "POST",
     .path = "/instances",
     .pos_keys = {"name"},
     .out = OUT_TASK,
     .cols = show_cols,
     .help = "make a VPS"},
    {.noun = "instance",
     .verb = "list",
     .flags = SETS(cli_filter_flags),
     .method = "GET",
     .path = "/instances",
     .out = OUT_LIST,
     .cols = list_cols,
     .help = "list them"},
    {.noun = "instance",
     .verb = "show",
     .usage = "NAME",
     .min_pos = 1,
     .max_pos = 1,
     .method = "GET",
     .path = "/instances/{0}",
     .out = OUT_OBJECT,
     .cols = show_cols,
     .help = "show one"},
    ACTION("start", "NAME", NULL, "start"),
    ACTION("stop", "NAME [--force] [--timeout T]", SETS(stop_flags), "stop gracefully"),
    ACTION("kill", "NAME", NULL, "power off at once"),
    ACTION("restart", "NAME", SETS(stop_flags), "stop and start"),
    ACTION("reset", "NAME", NULL, "hard restart"),
    ACTION("pause", "NAME", NULL, "freeze"),
    ACTION("resume", "NAME", NULL, "go on after pause"),
    ACTION("suspend", "NAME --reason R [--text T]", SETS(suspend_flags),
           "stop and lock for the tenant"),
    ACTION("unsuspend", "NAME --reason R", SETS(suspend_flags), "lift one reason"),
    ACTION("rebuild", "NAME [--image I]", SETS(rebuild_flags), "fresh disk, same addresses"),
    ACTION("resize", "NAME [--plan P] [limits]", SETS(resize_flags, cli_limit_flags_nested),
           "other limits"),
    ACTION("delete", "NAME [--force] [--purge]", SETS(delete_flags), "to the trash"),
    ACTION("restore", "NAME", NULL, "out of the trash"),
    {.noun = "instance",
     .verb = "set",
     .usage = "NAME [flags] [limits]",
     .min_pos = 1,
     .max_pos = 1,
     .flags = SETS(set_flags, cli_limit_flags_nested),
     .method = "PATCH",
     .path = "/instances/{0}",
     .out = OUT_OBJECT,
     .cols = show_cols,
     .run = cli_instance_set,
     .help = "change fields or limits"},
    {.noun = "exec",
     .usage = "NAME -- CMD [ARG...]",
     .min_pos = 1,
     .max_pos = 1,
     .path = "/instances/{0}/exec",
     .run = cli_exec,
     .help = "run a command in a container"},
    {.noun = "console",
     .usage = "NAME",
     .min_pos = 1,
     .max_pos = 1,
     .path = "/instances/{0}/console",
     .run = cli_exec,
     .help = "attach to the console; ctrl-] leaves"},
    {NULL}};
