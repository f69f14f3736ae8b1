/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/cli.h"
#include "cli/cli_flags.h"

#define SETS(...)                                                                                  \
    (const struct cli_flag *const[])                                                               \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static const struct cli_col task_cols[] = {{"ID", "id", COL_TEXT},
                                           {"ACTION", "action", COL_TEXT},
                                           {"STATE", "state", COL_TEXT},
                                           {"%", "progress", COL_TEXT},
                                           {"STEP", "step", COL_TEXT},
                                           {"WAITING FOR", "waiting_for", COL_TEXT},
                                           {"INSTANCE", "instance", COL_TEXT},
                                           {"HOST", "host", COL_TEXT},
                                           {"ACTOR", "actor", COL_TEXT},
                                           {"CREATED", "created_at", COL_TIME},
                                           {"ERROR", "error.message", COL_TEXT},
                                           {NULL}};
static const struct cli_col token_cols[] = {{"ID", "id", COL_TEXT},
                                            {"NAME", "name", COL_TEXT},
                                            {"TENANT", "tenant", COL_TEXT},
                                            {"SCOPES", "scopes", COL_LIST},
                                            {"EXPIRES", "expires_at", COL_TIME},
                                            {NULL}};
static const struct cli_flag token_flags[] = {
    {"tenant", CLI_STR, CLI_BODY, "tenant", false, "whose; none = operator's"},
    {"scope", CLI_LIST, CLI_BODY, "scopes", false,
     "read, power, create, destroy, billing, metrics, operator"},
    {"expires", CLI_DURATION, CLI_BODY, "expires_ms", false, "life"},
    {"source", CLI_STR, CLI_BODY, "source", false, "billing installation"},
    {"name", CLI_STR, CLI_BODY, "name", false, "name"},
    {NULL}};
static const struct cli_col tenant_cols[] = {{"ID", "id", COL_TEXT},
                                             {"NAME", "name", COL_TEXT},
                                             {"MAX VPS", "max_instances", COL_TEXT},
                                             {"SUSPENDED", "suspended", COL_LIST},
                                             {NULL}};
static const struct cli_flag tenant_flags[] = {
    {"display-name", CLI_STR, CLI_BODY, "display_name", false, "for people"},
    {"external-id", CLI_STR, CLI_BODY, "external_id", false, "id in a billing system"},
    {"source", CLI_STR, CLI_BODY, "source", false, "billing installation"},
    {"instances", CLI_INT, CLI_BODY, "max_instances", true, "at most so many"},
    {NULL}};
static const struct cli_col key_cols[] = {
    {"ID", "id", COL_TEXT}, {"NAME", "name", COL_TEXT}, {"KEY", "public_key", COL_TEXT}, {NULL}};
static const struct cli_flag key_flags[] = {
    {"key", CLI_STR, CLI_BODY, "public_key", false, "public key text"},
    {"key-file", CLI_FILE, CLI_BODY, "public_key", false, "file"},
    {"tenant", CLI_STR, CLI_BODY, "tenant", false, "whose"},
    {NULL}};
static const struct cli_col event_cols[] = {{"ID", "id", COL_TEXT},
                                            {"AT", "at", COL_TIME},
                                            {"TYPE", "type", COL_TEXT},
                                            {"ACTOR", "actor", COL_TEXT},
                                            {"RESOURCE", "resource", COL_TEXT},
                                            {"DATA", "data", COL_TEXT},
                                            {NULL}};
static const struct cli_flag event_flags[] = {
    {"after", CLI_INT, CLI_QUERY, "after", false, "only later than this id"},
    {"no-follow", CLI_TRUE, CLI_LOCAL, "", false, "print what is there and end"},
    {NULL}};
static const struct cli_col alarm_cols[] = {{"ID", "id", COL_TEXT},
                                            {"KIND", "kind", COL_TEXT},
                                            {"SEVERITY", "severity", COL_TEXT},
                                            {"TEXT", "text", COL_TEXT},
                                            {"SINCE", "since", COL_TIME},
                                            {"CLEARED", "cleared_at", COL_TIME},
                                            {NULL}};
static const struct cli_col orphan_cols[] = {{"UUID", "uuid", COL_TEXT},
                                             {"HOST", "host", COL_TEXT},
                                             {"NAME", "name", COL_TEXT},
                                             {"PLAN", "plan", COL_TEXT},
                                             {"STATE", "state", COL_TEXT},
                                             {"ADDRESSES", "addresses", COL_LIST},
                                             {NULL}};
static const struct cli_flag adopt_flags[] = {
    {"tenant", CLI_STR, CLI_BODY, "tenant", false, "new owner (needed)"},
    {"name", CLI_STR, CLI_BODY, "name", false, "new name"},
    {NULL}};
static const struct cli_col capacity_cols[] = {{"HOST", "host", COL_TEXT},
                                               {"PLAN", "plan", COL_TEXT},
                                               {"FITS", "fits", COL_TEXT},
                                               {"LIMITED BY", "limited_by", COL_TEXT},
                                               {NULL}};
static const struct cli_flag plan_query[] = {
    {"plan", CLI_STR, CLI_QUERY, "plan", false, "only this plan"}, {NULL}};
static const struct cli_col explain_cols[] = {{"HOST", "host", COL_TEXT},
                                              {"OK", "ok", COL_TEXT},
                                              {"REASON", "reason", COL_TEXT},
                                              {"DETAIL", "detail", COL_TEXT},
                                              {NULL}};
static const struct cli_flag explain_flags[] = {
    {"plan", CLI_STR, CLI_QUERY, "plan", false, "plan (needed)"},
    {"image", CLI_STR, CLI_QUERY, "image", false, "image"},
    {"driver", CLI_STR, CLI_QUERY, "driver", false, "driver"},
    {"host", CLI_STR, CLI_QUERY, "host", false, "host"},
    {"location", CLI_STR, CLI_QUERY, "location", false, "location"},
    {"tenant", CLI_STR, CLI_QUERY, "tenant", false, "tenant"},
    {NULL}};
static const struct cli_col finding_cols[] = {{"HOST", "host", COL_TEXT},
                                              {"KIND", "kind", COL_TEXT},
                                              {"OBJECT", "object", COL_TEXT},
                                              {"EXPECTED", "expected", COL_TEXT},
                                              {"FOUND", "found", COL_TEXT},
                                              {"FIX", "fix", COL_TEXT},
                                              {NULL}};
static const struct cli_col audit_cols[] = {{"SEQ", "seq", COL_TEXT},
                                            {"AT", "at", COL_TIME},
                                            {"ACTOR", "actor", COL_TEXT},
                                            {"ACTION", "action", COL_TEXT},
                                            {"RESOURCE", "resource", COL_TEXT},
                                            {"RESULT", "result", COL_TEXT},
                                            {NULL}};
static const struct cli_col setting_cols[] = {
    {"KEY", "key", COL_TEXT}, {"VALUE", "value", COL_TEXT}, {NULL}};
static const struct cli_flag login_flags[] = {
    {"url", CLI_STR, CLI_LOCAL, "", false, "https://HOST:8443"},
    {"token", CLI_STR, CLI_LOCAL, "", false, "token"},
    {"cacert", CLI_STR, CLI_LOCAL, "", false, "CA file"},
    {NULL}};

#define LIST(n, v, p, f, c)                                                                        \
    {                                                                                              \
        .noun = n, .verb = v, .flags = f, .method = "GET", .path = p, .out = OUT_LIST, .cols = c   \
    }
#define ONE(n, v, m, p, o, c)                                                                      \
    {                                                                                              \
        .noun = n, .verb = v, .usage = "ID", .min_pos = 1, .max_pos = 1, .method = m, .path = p,   \
        .out = o, .cols = c                                                                        \
    }

const struct cli_cmd cli_other_commands[] = {
    LIST("task", "list", "/tasks", SETS(cli_filter_flags), task_cols),
    ONE("task", "show", "GET", "/tasks/{0}", OUT_OBJECT, task_cols),
    ONE("task", "cancel", "POST", "/tasks/{0}/actions/cancel", OUT_OBJECT, task_cols),
    {.noun = "task",
     .verb = "wait",
     .usage = "ID",
     .min_pos = 1,
     .max_pos = 1,
     .path = "/tasks/{0}",
     .cols = task_cols,
     .run = cli_task_wait_cmd},
    {.noun = "token",
     .verb = "create",
     .usage = "--scope S,... [--tenant T] [--expires D]",
     .flags = SETS(token_flags),
     .method = "POST",
     .path = "/tokens",
     .out = OUT_SECRET,
     .cols = token_cols,
     .secret = "token"},
    LIST("token", "list", "/tokens", SETS(cli_filter_flags), token_cols),
    ONE("token", "delete", "DELETE", "/tokens/{0}", OUT_NONE, NULL),
    {.noun = "tenant",
     .verb = "create",
     .usage = "NAME",
     .min_pos = 1,
     .max_pos = 1,
     .flags = SETS(tenant_flags, cli_limit_flags_nested),
     .method = "POST",
     .path = "/tenants",
     .pos_keys = {"name"},
     .out = OUT_OBJECT,
     .cols = tenant_cols},
    {.noun = "tenant",
     .verb = "set",
     .usage = "NAME [flags]",
     .min_pos = 1,
     .max_pos = 1,
     .flags = SETS(tenant_flags, cli_limit_flags_nested),
     .method = "PATCH",
     .path = "/tenants/{0}",
     .out = OUT_OBJECT,
     .cols = tenant_cols},
    LIST("tenant", "list", "/tenants", SETS(cli_filter_flags), tenant_cols),
    ONE("tenant", "show", "GET", "/tenants/{0}", OUT_OBJECT, tenant_cols),
    ONE("tenant", "delete", "DELETE", "/tenants/{0}", OUT_NONE, NULL),
    {.noun = "ssh-key",
     .verb = "create",
     .usage = "NAME --key K | --key-file F",
     .min_pos = 1,
     .max_pos = 1,
     .flags = SETS(key_flags),
     .method = "POST",
     .path = "/ssh-keys",
     .pos_keys = {"name"},
     .out = OUT_OBJECT,
     .cols = key_cols},
    LIST("ssh-key", "list", "/ssh-keys", SETS(cli_filter_flags), key_cols),
    ONE("ssh-key", "delete", "DELETE", "/ssh-keys/{0}", OUT_NONE, NULL),
    {.noun = "events",
     .flags = SETS(event_flags),
     .path = "/events",
     .cols = event_cols,
     .run = cli_events},
    LIST("alarm", "list", "/alarms", SETS(cli_filter_flags), alarm_cols),
    ONE("alarm", "ack", "POST", "/alarms/{0}/actions/ack", OUT_OBJECT, alarm_cols),
    LIST("orphan", "list", "/orphans", SETS(cli_filter_flags), orphan_cols),
    {.noun = "orphan",
     .verb = "adopt",
     .usage = "UUID --tenant T [--name N]",
     .min_pos = 1,
     .max_pos = 1,
     .flags = SETS(adopt_flags),
     .method = "POST",
     .path = "/orphans/{0}/actions/adopt",
     .out = OUT_TASK,
     .cols = orphan_cols},
    LIST("capacity", NULL, "/capacity", SETS(plan_query), capacity_cols),
    LIST("explain", NULL, "/placement/explain", SETS(explain_flags), explain_cols),
    {.noun = "doctor", .path = "/doctor", .cols = finding_cols, .run = cli_doctor},
    LIST("audit", "list", "/audit", SETS(cli_filter_flags), audit_cols),
    {.noun = "audit",
     .verb = "verify",
     .method = "GET",
     .path = "/audit/verify",
     .out = OUT_OBJECT},
    LIST("setting", "list", "/settings", NULL, setting_cols),
    {.noun = "setting",
     .verb = "set",
     .usage = "KEY VALUE",
     .min_pos = 2,
     .max_pos = 2,
     .method = "PUT",
     .path = "/settings/{0}",
     .pos_keys = {"key", "value"},
     .out = OUT_OBJECT,
     .cols = setting_cols},
    {.noun = "login", .flags = SETS(login_flags), .run = cli_login},
    {.noun = "version", .run = cli_version},
    {.noun = "completion",
     .usage = "bash|zsh|fish",
     .min_pos = 1,
     .max_pos = 1,
     .run = cli_completion},
    {NULL}};
