/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Doctor: what of containers exists on this host that no spec knows, and the other way round. */
#include <string.h>

#include "agent/driver/container/container_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

static const struct instance_spec *find_spec(const struct bt_arr *specs, const char *uuid)
{
    const struct instance_spec *list = specs->items;
    for (size_t i = 0; i < specs->len; i++) {
        if (strcmp(list[i].uuid, uuid) == 0)
            return &list[i];
    }
    return NULL;
}

struct finding {
    int kind;
    const char *expected, *found, *fix;
};

static void add(struct link_doctor *out, const char *object, const struct finding *f)
{
    struct link_doctor_finding *row = bt_arr_push(&out->findings, sizeof *row);
    row->kind = f->kind;
    row->object = bt_xstrdup(object);
    row->expected = bt_xstrdup(f->expected);
    row->found = bt_xstrdup(f->found);
    row->fix = bt_xstrdup(f->fix);
}

static void check_cgroups(struct container_driver *cd, const struct bt_arr *specs,
                          struct link_doctor *out)
{
    struct sys *sys = cd->cfg.sys;
    _cleanup_rows_str_ struct sys_rows groups = {0};
    struct bt_err err = BT_ERR_INIT;
    if (sys->cgroup->list(sys, &groups, &err) < 0) {
        const struct finding f = {DOCTOR_CGROUP, "readable", err.msg, "look at the agent's log"};
        add(out, cd->cgroup_parent, &f);
        return;
    }
    for (size_t i = 0; i < groups.len; i++) {
        const char *name = ((char **)groups.items)[i];
        _cleanup_rows_ struct sys_rows pids = {0};
        /* UUID, UUID.monitor and UUID.pivot belong to one instance; monitors to all of them. */
        if (strcmp(name, "monitors") == 0)
            continue;
        char uuid[BT_UUID_LEN + 1];
        (void)bt_strcpy(uuid, sizeof uuid, name);
        if (find_spec(specs, uuid) && (name[BT_UUID_LEN] == '\0' || name[BT_UUID_LEN] == '.'))
            continue;
        (void)sys->cgroup->pids(sys, name, &pids, NULL);
        const struct finding f = {DOCTOR_CGROUP, "none",
                                  pids.len ? "a group with processes" : "an empty group",
                                  "no instance of this host has it: see berth orphan list"};
        add(out, name, &f);
    }
}

void container_check(struct driver *d, const struct bt_arr *specs, struct link_doctor *out)
{
    check_cgroups(container_of(d), specs, out);
}
