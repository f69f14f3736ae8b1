/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/service/service.h"

/* Use cases of the plain nouns: rows with a name, kept by operators. Lists take service_query. */
struct service_query {
    struct bt_ref tenant, host, pool; /* empty = any */
    const char *name;                 /* exact, NULL = any */
    bool deleted;                     /* deleted, revoked or used ones too */
};

extern const struct service_verb service_plan_list, service_plan_get, service_plan_create,
    service_plan_patch, service_plan_delete;
extern const struct service_verb service_location_list, service_location_get,
    service_location_create, service_location_patch, service_location_delete;
extern const struct service_verb service_host_group_list, service_host_group_get,
    service_host_group_create, service_host_group_patch, service_host_group_delete;
extern const struct service_verb service_pool_list, service_pool_get, service_pool_create,
    service_pool_patch, service_pool_delete;
extern const struct service_verb service_tenant_list, service_tenant_get, service_tenant_create,
    service_tenant_patch, service_tenant_delete;
extern const struct service_verb service_token_list, service_token_create, service_token_delete;
extern const struct service_verb service_ssh_key_list, service_ssh_key_create,
    service_ssh_key_delete;
