/* SPDX-License-Identifier: GPL-2.0-or-later */
/* suspend, unsuspend. */
#include <stdlib.h>

#include "common/base/mem.h"
#include "controller/service/service_instance_priv.h"

#define BIT(reason) (INT64_C(1) << (reason))

/* Who names no reason: a billing installation means billing, staff mean admin. */
static int64_t reasons_of(const struct service_call *c)
{
    const struct api_action *a = c->args;
    if (a && a->reasons)
        return (int64_t)a->reasons;
    return auth_is_operator(&c->who) ? BIT(SUSPEND_ADMIN) : BIT(SUSPEND_BILLING);
}

static void set_text(struct repo_instance_row *row, const char *text)
{
    free(row->suspend_text);
    row->suspend_text = bt_xstrdup(text);
}

static int change_suspend(struct db_tx *tx, struct service_verb_run *v, struct bt_err *err)
{
    (void)tx;
    const struct api_action *a = v->c->args;
    int rc = service_instance_live(&v->row, err);
    if (rc < 0)
        return rc;
    v->row.suspended |= reasons_of(v->c);
    if (a && a->text)
        set_text(&v->row, a->text);
    return 0;
}

static int suspend(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(service_verb_run_fini) struct service_verb_run v;
    int rc = service_verb_run_load(tx, c, true, &v, err);
    if (rc < 0)
        return rc;
    int64_t reasons = reasons_of(c);
    v.action = ACTION_SUSPEND;
    v.holds =
        (v.row.suspended & reasons) == reasons && v.row.observed_generation == v.row.generation;
    v.event = "instance.suspended";
    return service_instance_run(tx, &v, change_suspend, err);
}

static int change_unsuspend(struct db_tx *tx, struct service_verb_run *v, struct bt_err *err)
{
    (void)tx;
    const struct api_action *a = v->c->args;
    int rc = service_instance_live(&v->row, err);
    if (rc < 0)
        return rc;
    /* Lifting one reason lifts only that one; none named = all of them. */
    v->row.suspended &= a && a->reasons ? ~(int64_t)a->reasons : 0;
    if (!v->row.suspended)
        set_text(&v->row, NULL);
    return 0;
}

static int unsuspend(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct api_action *a = c->args;
    _cleanup_(service_verb_run_fini) struct service_verb_run v;
    int rc = service_verb_run_load(tx, c, true, &v, err);
    if (rc < 0)
        return rc;
    int64_t lifted = a && a->reasons ? (int64_t)a->reasons : ~INT64_C(0);
    v.action = ACTION_UNSUSPEND;
    v.holds = !(v.row.suspended & lifted) && v.row.observed_generation == v.row.generation;
    v.event = "instance.unsuspended";
    return service_instance_run(tx, &v, change_unsuspend, err);
}

const struct service_verb service_instance_suspend = {.name = "instance.suspend",
                                                      .scope = SCOPE_BILLING,
                                                      .args_schema = &api_action_schema,
                                                      .apply = suspend};
const struct service_verb service_instance_unsuspend = {.name = "instance.unsuspend",
                                                        .scope = SCOPE_BILLING,
                                                        .args_schema = &api_action_schema,
                                                        .apply = unsuspend};
