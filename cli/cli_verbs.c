/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define ADOPT_LOOKS 75
#define ADOPT_LOOK_MS 200

static int parse_answer(struct cli_answer *answer, struct bt_doc **ret, struct bt_err *err)
{
    int rc = bt_doc_parse(answer->body.data ? answer->body.data : "", answer->body.len, ret, err);
    bt_buf_fini(&answer->body);
    return rc;
}

static int post(struct cli *c, const char *method, const char *path, const char *body,
                struct bt_doc **ret, struct bt_err *err)
{
    struct cli_answer answer;
    const struct cli_call call = {.method = method,
                                  .path = path,
                                  .body = body,
                                  .idempotent_key = strcmp(method, "POST") == 0};
    int rc = cli_http(c, &call, &answer, err);
    return rc < 0 ? rc : parse_answer(&answer, ret, err);
}

/* Wait for {task, image} and print the image. */
static int finish_import(struct cli *c, const struct cli_cmd *cmd, const struct bt_doc *d,
                         struct bt_err *err)
{
    int64_t task = 0;
    int64_t id = 0;
    if (!bt_doc_int(bt_doc_at(d, "image.id"), &id))
        (void)bt_doc_int(bt_doc_at(d, "id"), &id);
    if (!c->no_wait && bt_doc_int(bt_doc_at(d, "task.id"), &task)) {
        int rc = cli_task_wait(c, task, err);
        if (rc < 0)
            return rc;
    }
    char path[64];
    (void)snprintf(path, sizeof path, "/images/%lld", (long long)id);
    struct bt_doc *image = NULL;
    int rc = post(c, "GET", path, NULL, &image, err);
    if (rc >= 0)
        cli_print_object(c, cmd, image);
    bt_doc_free(image);
    return rc;
}

static int upload(struct cli *c, const struct cli_cmd *cmd, const struct bt_doc *created,
                  const char *file, struct bt_err *err)
{
    int64_t id = 0;
    if (!bt_doc_int(bt_doc_at(created, "image.id"), &id) &&
        !bt_doc_int(bt_doc_at(created, "id"), &id))
        return bt_fail(err, BT_E_PROTOCOL, "the answer has no image id");
    _cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return bt_fail_errno(err, errno, "open %.200s", file);
    char path[64];
    (void)snprintf(path, sizeof path, "/images/%lld/content", (long long)id);
    struct cli_answer answer;
    struct bt_doc *d = NULL;
    int rc = cli_http_upload(c, path, fd, &answer, err);
    if (rc >= 0)
        rc = parse_answer(&answer, &d, err);
    if (rc >= 0)
        rc = finish_import(c, cmd, d, err);
    bt_doc_free(d);
    return rc;
}

int cli_image_import(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
                     struct bt_err *err)
{
    const char *from = a->pos[1];
    bool url = bt_starts_with(from, "https://") || bt_starts_with(from, "http://");
    if (!url && access(from, R_OK) != 0)
        return bt_fail(err, BT_E_INVALID, "cannot read %.200s", from);
    struct cli_cmd create = *cmd;
    create.pos_keys[1] = url ? "url" : NULL;
    _cleanup_buf_ struct bt_buf body = BT_BUF(65536);
    int rc = cli_body(&create, a, &body, err);
    struct bt_doc *d = NULL;
    if (rc >= 0)
        rc = post(c, "POST", "/images", body.data, &d, err);
    if (rc >= 0)
        rc = url ? finish_import(c, cmd, d, err) : upload(c, cmd, d, from, err);
    bt_doc_free(d);
    return rc;
}

struct follower {
    const struct cli *cli;
    const struct cli_cmd *cmd;
};

/* One line of the event stream (SSE, WHATWG HTML 9.2): only "data:" lines matter here. */
static bool print_event(void *ctx, const char *line)
{
    const struct follower *f = ctx;
    if (strncmp(line, "data:", 5) != 0)
        return true;
    struct bt_doc *d = NULL;
    if (bt_doc_parse(line + 5, strlen(line + 5), &d, NULL) < 0)
        return true;
    if (f->cli->format == CLI_JSON) {
        _cleanup_buf_ struct bt_buf text = BT_BUF(1u << 20);
        bt_doc_dump(d, 0, &text);
        (void)printf("%s\n", text.data);
    } else {
        const char *type = bt_doc_str(bt_doc_at(d, "type"));
        const char *actor = bt_doc_str(bt_doc_at(d, "actor"));
        _cleanup_buf_ struct bt_buf resource = BT_BUF(4096);
        int64_t id = 0;
        (void)bt_doc_int(bt_doc_at(d, "id"), &id);
        bt_doc_dump(bt_doc_at(d, "resource"), 0, &resource);
        (void)printf("%lld  %-28s %-16s %s\n", (long long)id, type ? type : "?", actor ? actor : "",
                     resource.data ? resource.data : "");
    }
    bt_doc_free(d);
    return fflush(stdout) == 0;
}

int cli_events(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
               struct bt_err *err)
{
    if (cli_arg(a, "no-follow")) {
        struct cli_cmd list = *cmd;
        list.out = OUT_LIST;
        list.method = "GET";
        return cli_run(c, &list, a, err);
    }
    _cleanup_buf_ struct bt_buf path = BT_BUF(1024);
    int rc = cli_path(cmd, a, &path, err);
    struct follower f = {c, cmd};
    return rc < 0 ? rc : cli_http_follow(c, path.data, print_event, &f, err);
}

int cli_doctor(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
               struct bt_err *err)
{
    (void)a;
    struct bt_doc *d = NULL;
    int rc = post(c, "GET", cmd->path, NULL, &d, err);
    if (rc < 0)
        return rc;
    const struct bt_doc *items = bt_doc_at(d, "items");
    struct cli_list l;
    cli_list_begin(&l, c, cmd);
    cli_list_add(&l, items);
    cli_list_end(&l);
    c->exit_status = bt_doc_len(items) > 0 ? 1 : 0;
    bt_doc_free(d);
    return 0;
}

int cli_task_wait_cmd(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
                      struct bt_err *err)
{
    int64_t id = 0;
    int rc = bt_parse_i64(a->pos[0], 1, INT64_MAX, &id, err);
    if (rc >= 0)
        rc = cli_task_wait(c, id, err);
    if (rc < 0)
        return rc;
    struct cli_cmd show = *cmd;
    show.method = "GET";
    show.out = OUT_OBJECT;
    return cli_run(c, &show, a, err);
}

/* An adopted host comes back by itself, with all that it has: what is printed can be used. */
int cli_host_adopt(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
                   struct bt_err *err)
{
    struct bt_doc *d = NULL;
    _cleanup_buf_ struct bt_buf path = BT_BUF(1024);
    char host[64];
    int64_t id = 0;
    int rc = cli_path(cmd, a, &path, err);
    if (rc >= 0)
        rc = post(c, "POST", path.data, "{}", &d, err);
    if (rc >= 0 && !bt_doc_int(bt_doc_at(d, "id"), &id))
        rc = bt_fail(err, BT_E_PROTOCOL, "the answer has no host");
    (void)snprintf(host, sizeof host, "/hosts/%lld", (long long)id);
    for (int i = 0; rc >= 0 && !c->no_wait && i < ADOPT_LOOKS; i++) {
        const char *state = bt_doc_str(bt_doc_at(d, "state"));
        if (!state || strcmp(state, "unreachable") != 0)
            break;
        (void)usleep(ADOPT_LOOK_MS * 1000);
        bt_doc_free(TAKE_PTR(d));
        rc = post(c, "GET", host, NULL, &d, err);
    }
    if (rc >= 0)
        cli_print_object(c, cmd, d);
    bt_doc_free(d);
    return rc;
}

static bool has_body(const struct cli_args *a, bool limits)
{
    for (size_t i = 0; i < a->n_values; i++) {
        if (a->values[i].flag->where == CLI_BODY &&
            bt_starts_with(a->values[i].flag->key, "limits.") == limits)
            return true;
    }
    return false;
}

/* The values of @a that are (not) limits. */
static void pick(const struct cli_args *a, bool limits, struct cli_args *ret)
{
    *ret = *a;
    ret->n_values = 0;
    for (size_t i = 0; i < a->n_values; i++) {
        if (bt_starts_with(a->values[i].flag->key, "limits.") == limits)
            ret->values[ret->n_values++] = a->values[i];
    }
}

int cli_instance_set(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
                     struct bt_err *err)
{
    if (!has_body(a, false) && !has_body(a, true))
        return bt_fail(err, BT_E_INVALID, "nothing to set");
    struct cli_args part;
    if (has_body(a, false)) {
        pick(a, false, &part);
        struct cli_cmd patch = *cmd;
        patch.out = has_body(a, true) ? OUT_NONE : OUT_OBJECT;
        int rc = cli_run(c, &patch, &part, err);
        if (rc < 0 || patch.out == OUT_OBJECT)
            return rc;
    }
    pick(a, true, &part);
    struct cli_cmd resize = *cmd;
    resize.method = "POST";
    resize.path = "/instances/{0}/actions/resize";
    resize.out = OUT_TASK;
    return cli_run(c, &resize, &part, err);
}

int cli_version(struct cli *c, const struct cli_cmd *cmd, const struct cli_args *a,
                struct bt_err *err)
{
    (void)cmd;
    (void)a;
    (void)err;
    (void)printf(c->format == CLI_JSON ? "{\"version\": \"%s\"}\n" : "berth %s\n", BT_VERSION);
    return 0;
}
