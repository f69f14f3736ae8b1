/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/service/service_console.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/console/console.h"
#include "controller/service/service_instance.h"

#define WS_PATH "/api/v1/stream"

static void state_free(void *state)
{
    struct console_ticket *t = state;
    for (size_t i = 0; t->argv && t->argv[i]; i++)
        free(t->argv[i]);
    free(t->argv);
    t->argv = NULL;
}

static int check(const struct repo_instance_row *row, int kind, struct bt_err *err)
{
    if (kind == STREAM_EXEC && row->driver != DRIVER_CONTAINER)
        return bt_fail(err, BT_E_UNSUPPORTED, "exec is for containers: use the console");
    if (row->state != INSTANCE_RUNNING)
        return bt_fail(err, BT_E_BAD_STATE, "the instance is %s", enum_instance_state[row->state]);
    if (!row->host_id)
        return bt_fail(err, BT_E_BAD_STATE, "the instance has no host");
    return 0;
}

static char **copy_argv(const struct bt_arr *argv)
{
    char **out = bt_xcalloc(argv->len + 1, sizeof *out);
    for (size_t i = 0; i < argv->len; i++)
        out[i] = bt_xstrdup(((char **)argv->items)[i]);
    return out;
}

static int issue(struct db_tx *tx, struct service_call *c, int kind, struct bt_err *err)
{
    const struct api_exec *in = c->args;
    _cleanup_(repo_instance_row_free) struct repo_instance_row row = {0};
    struct console_ticket *t = c->state;
    if (kind == STREAM_EXEC && in->argv.len == 0)
        return service_bad_field(c, err, "argv", "required", "is empty");
    int rc = service_instance_load(tx, c, false, &row, err);
    if (rc >= 0)
        rc = check(&row, kind, err);
    if (rc < 0)
        return rc;
    state_free(t);
    *t = (struct console_ticket){.kind = kind,
                                 .host_id = row.host_id,
                                 .tty = in->tty || kind == STREAM_CONSOLE,
                                 .rows = in->rows ? (int)in->rows : 24,
                                 .cols = in->cols ? (int)in->cols : 80};
    (void)bt_strcpy(t->uuid, sizeof t->uuid, row.uuid);
    console_ticket_new(c->svc->random, t->ticket);
    if (kind == STREAM_EXEC)
        t->argv = copy_argv(&in->argv);
    const struct api_ticket out = {.ticket = t->ticket,
                                   .url = (char *)(uintptr_t)WS_PATH,
                                   .expires_at = db_tx_now_ms(tx) + CONSOLE_TICKET_MS};
    service_answer_obj(c, 201, &api_ticket_schema, &out);
    service_audited(c, "instance", row.id, row.tenant_id);
    return 0;
}

static int exec(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    return issue(tx, c, STREAM_EXEC, err);
}

static int console(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    return issue(tx, c, STREAM_CONSOLE, err);
}

static void keep(struct service_call *c)
{
    if (c->svc->console)
        console_ticket_put(c->svc->console, c->state);
}

const struct service_verb service_instance_exec = {.name = "instance.exec",
                                                   .scope = SCOPE_OPERATOR,
                                                   .secret_answer = true,
                                                   .args_schema = &api_exec_schema,
                                                   .state_size = sizeof(struct console_ticket),
                                                   .apply = exec,
                                                   .after = keep,
                                                   .state_free = state_free};
const struct service_verb service_instance_console = {.name = "instance.console",
                                                      .scope = SCOPE_POWER,
                                                      .secret_answer = true,
                                                      .args_schema = &api_exec_schema,
                                                      .state_size = sizeof(struct console_ticket),
                                                      .apply = console,
                                                      .after = keep,
                                                      .state_free = state_free};
