/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "common/base/mem.h"

int cli_path(const struct cli_cmd *cmd, const struct cli_args *a, struct bt_buf *out,
             struct bt_err *err)
{
    for (const char *p = cmd->path; *p; p++) {
        if (p[0] == '{' && p[1] >= '0' && p[1] < '0' + CLI_POS_MAX && p[2] == '}') {
            cli_urlencode(a->pos[p[1] - '0'] ? a->pos[p[1] - '0'] : "", out);
            p += 2;
        } else {
            (void)bt_buf_addc(out, *p);
        }
    }
    return cli_query(cmd, a, out, err);
}

static int call(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
                struct cli_answer *ret, struct bt_err *err)
{
    _cleanup_buf_ struct bt_buf path = BT_BUF(8192);
    _cleanup_buf_ struct bt_buf body = BT_BUF(4u << 20);
    int rc = cli_path(cmd, a, &path, err);
    bool with_body = strcmp(cmd->method, "GET") != 0 && strcmp(cmd->method, "DELETE") != 0;
    if (rc >= 0 && with_body)
        rc = cli_body(cmd, a, &body, err);
    if (rc < 0)
        return rc;
    const struct cli_call request = {.method = cmd->method,
                                     .path = path.data,
                                     .body = with_body ? body.data : NULL,
                                     .idempotent_key = strcmp(cmd->method, "POST") == 0};
    return cli_http(c, &request, ret, err);
}

/* The object of {task, NAME}: whatever is not the task. */
static const struct bt_doc *resource_of(const struct bt_doc *d, const char **ret_path)
{
    static const struct {
        const char *key, *path;
    } kinds[] = {{"instance", "/instances"}, {"image", "/images"}, {"host", "/hosts"}};
    for (size_t i = 0; i < BT_ARRAY_LEN(kinds); i++) {
        const struct bt_doc *r = bt_doc_at(d, kinds[i].key);
        if (r) {
            *ret_path = kinds[i].path;
            return r;
        }
    }
    return NULL;
}

/* Fetch the resource again after its task, so that what is printed is how it ended. */
static int print_fresh(struct cli *c, const struct cli_cmd *cmd, const struct bt_doc *r,
                       const char *base, struct bt_err *err)
{
    int64_t id = 0;
    (void)bt_doc_int(bt_doc_at(r, "id"), &id);
    char path[96];
    (void)snprintf(path, sizeof path, "%s/%lld", base, (long long)id);
    struct cli_answer answer;
    const struct cli_call request = {.method = "GET", .path = path};
    int rc = cli_http(c, &request, &answer, err);
    if (rc < 0)
        return rc;
    struct bt_doc *d = NULL;
    rc = bt_doc_parse(answer.body.data ? answer.body.data : "", answer.body.len, &d, err);
    if (rc >= 0)
        cli_print_object(c, cmd, d);
    bt_doc_free(d);
    bt_buf_fini(&answer.body);
    return rc;
}

static int after_task(struct cli *c, const struct cli_cmd *cmd, const struct bt_doc *d,
                      struct bt_err *err)
{
    int64_t task = 0;
    const char *base = NULL;
    const struct bt_doc *r = resource_of(d, &base);
    bool waits = bt_doc_int(bt_doc_at(d, "task.id"), &task) && task > 0 && !c->no_wait;
    int rc = waits ? cli_task_wait(c, task, err) : 0;
    if (rc < 0 || !r)
        return rc;
    if (!waits) {
        cli_print_object(c, cmd, r);
        return 0;
    }
    struct bt_err gone = BT_ERR_INIT;
    rc = print_fresh(c, cmd, r, base, &gone);
    /* After a purge there is nothing to show: that is its success. */
    if (rc < 0 && gone.code == BT_E_NOT_FOUND) {
        cli_print_object(c, cmd, r);
        return 0;
    }
    if (rc < 0)
        *err = gone;
    return rc;
}

static int print_answer(struct cli *c, const struct cli_cmd *cmd, const struct cli_answer *answer,
                        struct bt_err *err)
{
    if (cmd->out == OUT_NONE || answer->body.len == 0)
        return 0;
    struct bt_doc *d = NULL;
    int rc = bt_doc_parse(answer->body.data, answer->body.len, &d, err);
    if (rc < 0)
        return rc;
    if (cmd->out == OUT_TASK)
        rc = after_task(c, cmd, d, err);
    else
        cli_print_object(c, cmd, d);
    bt_doc_free(d);
    return rc;
}

/* One page; *next (owned) = cursor of the following one or NULL. */
static int page(struct cli *c, const char *path, struct cli_list *l, char **next,
                struct bt_err *err)
{
    struct cli_answer answer;
    const struct cli_call request = {.method = "GET", .path = path};
    int rc = cli_http(c, &request, &answer, err);
    if (rc < 0)
        return rc;
    struct bt_doc *d = NULL;
    rc = bt_doc_parse(answer.body.data ? answer.body.data : "", answer.body.len, &d, err);
    if (rc >= 0) {
        cli_list_add(l, bt_doc_at(d, "items"));
        *next = bt_xstrdup(bt_doc_str(bt_doc_at(d, "next")));
    }
    bt_doc_free(d);
    bt_buf_fini(&answer.body);
    return rc;
}

static int run_list(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
                    struct bt_err *err)
{
    _cleanup_buf_ struct bt_buf first = BT_BUF(8192);
    int rc = cli_path(cmd, a, &first, err);
    if (rc < 0)
        return rc;
    char sep = strchr(first.data, '?') ? '&' : '?';
    struct cli_list l;
    char *cursor = NULL;
    bool begun = false;
    do {
        _cleanup_buf_ struct bt_buf path = BT_BUF(16384);
        (void)bt_buf_addf(&path, "%s%climit=200", first.data, sep);
        if (cursor) {
            (void)bt_buf_adds(&path, "&cursor=");
            cli_urlencode(cursor, &path);
        }
        _cleanup_free_ char *old = TAKE_PTR(cursor);
        if (!begun)
            cli_list_begin(&l, c, cmd);
        begun = true;
        rc = page(c, path.data, &l, &cursor, err);
    } while (rc >= 0 && cursor);
    free(cursor);
    if (rc >= 0)
        cli_list_end(&l);
    else
        bt_buf_fini(&l.cells);
    return rc;
}

int cli_run(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a, struct bt_err *err)
{
    if (cmd->out == OUT_LIST)
        return run_list(c, cmd, a, err);
    struct cli_answer answer;
    int rc = call(c, cmd, a, &answer, err);
    if (rc < 0)
        return rc;
    rc = print_answer(c, cmd, &answer, err);
    bt_buf_fini(&answer.body);
    return rc;
}
