/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/service/service.h"
#include "db/repo/repo_host.h"
#include "proto/api_fleet.h"

/* Hosts, join tokens and joining, capacity and placement explained. */
extern const struct service_verb service_host_list, service_host_get, service_host_patch,
    service_host_cordon, service_host_uncordon, service_host_drain, service_host_retire;
extern const struct service_verb service_join_token_list, service_join_token_create,
    service_join_token_delete;
/* POST /hosts/join: no token of ours but the one in the body; signs the CSR in prepare. */
extern const struct service_verb service_host_join;
/* GET /capacity: args struct service_capacity_query. POST and GET /placement/explain. */
extern const struct service_verb service_capacity, service_explain;

struct service_capacity_query {
    struct bt_ref plan, host; /* empty = all */
};

/** What the API shows of a row. Free @ret with bt_schema_free(&api_host_schema). */
int service_host_view(struct db_tx *tx, struct service *svc, const struct repo_host_row *row,
                      struct api_host *ret, struct bt_err *err);
