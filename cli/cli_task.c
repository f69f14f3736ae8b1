/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "common/base/mem.h"

#define HOLD_S 20
#define TRIES_WITHOUT_SERVER 30

static void show(const struct bt_doc *task)
{
    if (!isatty(STDERR_FILENO))
        return;
    const char *action = bt_doc_str(bt_doc_at(task, "action"));
    const char *state = bt_doc_str(bt_doc_at(task, "state"));
    const char *step = bt_doc_str(bt_doc_at(task, "step"));
    const char *wait = bt_doc_str(bt_doc_at(task, "waiting_for"));
    int64_t progress = 0;
    (void)bt_doc_int(bt_doc_at(task, "progress"), &progress);
    (void)fprintf(stderr, "\r\033[K%s: %s %d %% %s%s%s", action ? action : "task",
                  state ? state : "", (int)progress, step ? step : "", wait ? "; waiting for " : "",
                  wait ? wait : "");
}

static int ended(const struct bt_doc *task, bool *ret_done, struct bt_err *err)
{
    const char *state = bt_doc_str(bt_doc_at(task, "state"));
    *ret_done = state && (strcmp(state, "success") == 0 || strcmp(state, "error") == 0 ||
                          strcmp(state, "cancelled") == 0);
    if (!*ret_done || strcmp(state, "success") == 0)
        return 0;
    if (strcmp(state, "cancelled") == 0)
        return bt_fail(err, BT_E_CANCELLED, "the task was cancelled");
    const char *code = bt_doc_str(bt_doc_at(task, "error.code"));
    const char *message = bt_doc_str(bt_doc_at(task, "error.message"));
    const char *hint = bt_doc_str(bt_doc_at(task, "error.hint"));
    int rc = bt_fail(err, bt_code_from_str(code), "%.300s", message ? message : "the task failed");
    if (hint && *hint)
        bt_hint(err, "%.150s", hint);
    return rc;
}

/* One long poll. */
static int poll_task(struct cli *c, const char *path, bool *ret_done, struct bt_err *err)
{
    struct cli_answer answer;
    const struct cli_call call = {.method = "GET", .path = path, .prefer_wait_s = HOLD_S};
    int rc = cli_http(c, &call, &answer, err);
    if (rc < 0)
        return rc;
    struct bt_doc *task = NULL;
    rc = bt_doc_parse(answer.body.data ? answer.body.data : "", answer.body.len, &task, err);
    if (rc >= 0) {
        show(task);
        rc = ended(task, ret_done, err);
        if (rc < 0)
            *ret_done = true;
    }
    bt_doc_free(task);
    bt_buf_fini(&answer.body);
    return rc;
}

int cli_task_wait(struct cli *c, int64_t task_id, struct bt_err *err)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/tasks/%lld", (long long)task_id);
    bool done = false;
    int rc = 0;
    /* A controller that restarts meanwhile has not lost the task: ask again. */
    for (int lost = 0; !done;) {
        rc = poll_task(c, path, &done, err);
        if (rc >= 0 || done)
            continue;
        if (rc != -(int)BT_E_UNAVAILABLE || ++lost > TRIES_WITHOUT_SERVER)
            break;
        (void)usleep(500000);
        rc = 0;
    }
    if (isatty(STDERR_FILENO))
        (void)fprintf(stderr, "\r\033[K");
    return rc;
}
