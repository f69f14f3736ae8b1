/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/json/json_doc.h"

/*
 * `berth NOUN VERB [ARG] [--flag]`: most commands are rows of data (cli_cmd): a method, a path,
 * flags that become the body or the query, and the columns of the table. Single-threaded;
 * everything returns an error that main() prints as "berth: CODE: message" and turns into the exit
 * code.
 */
#define CLI_POS_MAX 4
#define CLI_VALUES_MAX 256
#define CLI_ANSWER_MAX (64u << 20)
#define CLI_EXEC_FAILED 125 /* berth exec's own failures, apart from the command's status */

enum cli_format { CLI_TABLE, CLI_JSON, CLI_CSV, CLI_NAME };

struct cli {
    char *url; /* no path, no trailing slash */
    char *token;
    char *cacert;
    enum cli_format format;
    bool no_wait;
    int exit_status; /* of a remote command; counts when there is no error */
};

enum cli_kind {
    CLI_STR,
    CLI_INT,
    CLI_SIZE,     /* 512M: powers of 1024 */
    CLI_SI,       /* 100M: powers of 1000 */
    CLI_DURATION, /* 30s, 7d: ms */
    CLI_MILLI,    /* 1.5: thousandths */
    CLI_TRUE,     /* no value: true */
    CLI_FALSE,    /* no value: false */
    CLI_LIST,     /* repeatable, commas split: array of strings */
    CLI_KEYS,     /* repeatable, @FILE or text: array of strings */
    CLI_FILE,     /* content of the file */
    CLI_BOOL,     /* yes or no */
    CLI_PAIRS,    /* repeatable K=V: object of strings */
};

enum cli_where { CLI_BODY, CLI_QUERY, CLI_LOCAL };

struct cli_flag {
    const char *name; /* without the dashes */
    enum cli_kind kind;
    enum cli_where where;
    const char *key; /* "plan", "limits.memory_bytes", query name */
    bool nullable;   /* "unlimited" and "none" are null */
    const char *help;
};

struct cli_value {
    const struct cli_flag *flag;
    const char *text;
};

struct cli_args {
    const char *pos[CLI_POS_MAX];
    size_t n_pos;
    struct cli_value values[CLI_VALUES_MAX];
    size_t n_values;
    char *const *rest; /* after "--" */
    size_t n_rest;
};

enum cli_col_kind { COL_TEXT, COL_SIZE, COL_TIME, COL_RATE, COL_MILLI, COL_LIST, COL_ADDRESSES };

struct cli_col {
    const char *title; /* NULL ends the list */
    const char *path;
    enum cli_col_kind kind;
};

enum cli_out { OUT_NONE, OUT_OBJECT, OUT_LIST, OUT_TASK, OUT_SECRET };

struct cli_cmd {
    const char *noun, *verb;
    const char *usage;
    int min_pos, max_pos;
    const struct cli_flag *const *flags; /* sets, ends with NULL; may be NULL */
    const char *method;
    const char *path;                  /* {0}, {1}: positionals */
    const char *pos_keys[CLI_POS_MAX]; /* body keys of positionals, NULL = only in the path */
    const char *query;                 /* fixed, e.g. "purge=true"; may be NULL */
    enum cli_out out;
    const struct cli_col *cols;
    const char *secret; /* OUT_SECRET: the member that the table form prints */
    int (*run)(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
               struct bt_err *err);
    const char *help;
};

/* All commands, ends with noun NULL lists (cli_commands.c). */
extern const struct cli_cmd *const cli_commands[];

/* ---- cli_args.c ---- */

/** Split argv[first..] by the flags of @cmd and the global ones of @c. INVALID = usage error. */
int cli_args_parse(struct cli *c, const struct cli_cmd *cmd, int argc, char **argv,
                   struct cli_args *ret, struct bt_err *err);

/** Value of flag @name, NULL when it was not given. */
const char *cli_arg(const struct cli_args *a, const char *name);

/** Append the JSON body made of the body flags and @cmd's positional keys. */
int cli_body(const struct cli_cmd *cmd, const struct cli_args *a, struct bt_buf *out,
             struct bt_err *err);

/** Append "?a=b&..." of the query flags (nothing when there are none). */
int cli_query(const struct cli_cmd *cmd, const struct cli_args *a, struct bt_buf *out,
              struct bt_err *err);

/** Append @s percent-encoded. */
void cli_urlencode(const char *s, struct bt_buf *out);

/* ---- cli_http.c ---- */

struct cli_answer {
    long status;
    struct bt_buf body;
};

struct cli_call {
    const char *method, *path; /* path with query, begins with "/" and is under /api/v1 */
    const char *body;          /* NULL = none */
    int prefer_wait_s;         /* 0 = no Prefer header */
    bool idempotent_key;       /* send a fresh Idempotency-Key */
};

/**
 * One request. A problem answer (>= 400) becomes its code and detail in @err; UNAVAILABLE when
 * there is no connection. @ret->body is the caller's.
 */
int cli_http(struct cli *c, const struct cli_call *call, struct cli_answer *ret,
             struct bt_err *err);

/** PUT a file as octet-stream with a progress line. */
int cli_http_upload(struct cli *c, const char *path, int fd, struct cli_answer *ret,
                    struct bt_err *err);

/** GET an endless stream (SSE); @line gets each line until it returns false. */
int cli_http_follow(struct cli *c, const char *path, bool (*line)(void *ctx, const char *text),
                    void *ctx, struct bt_err *err);

/* ---- cli_out.c ---- */

/** Print one object in the wanted format. */
void cli_print_object(const struct cli *c, const struct cli_cmd *cmd, const struct bt_doc *d);

/** Begin, continue and end a list over pages; JSON is one array. */
struct cli_list {
    const struct cli *cli;
    const struct cli_cmd *cmd;
    struct bt_buf cells; /* NUL-separated, for the widths */
    size_t rows;
};

/** Start printing a list. */
void cli_list_begin(struct cli_list *l, const struct cli *c, const struct cli_cmd *cmd);

/** Add the items of one page (an array). */
void cli_list_add(struct cli_list *l, const struct bt_doc *items);

/** Print what is left and free. */
void cli_list_end(struct cli_list *l);

/* ---- cli_task.c ---- */

/**
 * Wait for a task with a progress line on stderr (only on a terminal). Its error becomes @err with
 * the task's code.
 */
int cli_task_wait(struct cli *c, int64_t task_id, struct bt_err *err);

/* ---- cli_run.c ---- */

/** Run a command that is all data. */
int cli_run(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a, struct bt_err *err);

/** The path of @cmd with {N} replaced and the query appended. */
int cli_path(const struct cli_cmd *cmd, const struct cli_args *a, struct bt_buf *out,
             struct bt_err *err);

/* ---- cli_profile.c ---- */

/** Fill url, token, cacert from the environment, else from the profile file. */
int cli_profile_load(struct cli *c, struct bt_err *err);

/** `berth login`: check and write the profile (0600). */
int cli_login(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
              struct bt_err *err);

/* ---- cli_stream.c ---- */

/** `berth exec NAME -- CMD` and `berth console NAME`. Own failures exit 125. */
int cli_exec(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
             struct bt_err *err);

/* ---- cli_verbs.c: commands that are more than a row ---- */

/** `berth image import NAME FILE|URL`. */
int cli_image_import(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
                     struct bt_err *err);

/** `berth events`: follow. */
int cli_events(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
               struct bt_err *err);

/** `berth doctor`: exit 1 when there are findings. */
int cli_doctor(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
               struct bt_err *err);

/** `berth task wait ID`. */
int cli_task_wait_cmd(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
                      struct bt_err *err);

/** `host adopt`: waits until the host has come back (15 s at most). */
int cli_host_adopt(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
                   struct bt_err *err);

/** `berth instance set`: PATCH of the object, then a resize when limits or the plan are given. */
int cli_instance_set(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
                     struct bt_err *err);

/** `berth version`. */
int cli_version(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
                struct bt_err *err);

/** `berth completion bash|zsh|fish`. */
int cli_completion(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
                   struct bt_err *err);
