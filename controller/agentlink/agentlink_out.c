/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/agentlink/agentlink_out.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "proto/link_op.h"

void agentlink_out_reset(struct agentlink_out *o)
{
    struct agentlink_cmd *cmds = o->cmds.items;
    for (size_t i = 0; i < o->cmds.len; i++) {
        bt_erase(cmds[i].body, strlen(cmds[i].body));
        free(cmds[i].body);
    }
    free(o->cmds.items);
    free(o->ended.items);
    *o = (struct agentlink_out){0};
}

static struct agentlink_cmd *push(struct agentlink_out *o, int64_t host_id, const char *op,
                                  char *body)
{
    struct agentlink_cmd *c = bt_arr_push(&o->cmds, sizeof *c);
    *c = (struct agentlink_cmd){.host_id = host_id, .op = op, .body = body};
    return c;
}

void agentlink_out_apply(struct agentlink_out *o, int64_t host_id, const struct link_apply *a)
{
    struct agentlink_cmd *c =
        push(o, host_id, LINK_OP_APPLY, bt_schema_emit_str(&link_apply_schema, a));
    c->task_id = a->task_id;
    (void)bt_strcpy(c->uuid, sizeof c->uuid, a->spec.uuid);
}

void agentlink_out_cancel(struct agentlink_out *o, int64_t host_id, int64_t task_id)
{
    struct link_cancel body = {.task_id = task_id};
    struct agentlink_cmd *c =
        push(o, host_id, LINK_OP_CANCEL, bt_schema_emit_str(&link_cancel_schema, &body));
    c->task_id = task_id;
}

void agentlink_out_ended(struct agentlink_out *o, int64_t task_id, int state, const char *code)
{
    struct agentlink_ended *e = bt_arr_push(&o->ended, sizeof *e);
    *e = (struct agentlink_ended){.task_id = task_id, .state = state};
    (void)bt_strcpy(e->code, sizeof e->code, code ? code : "");
}
