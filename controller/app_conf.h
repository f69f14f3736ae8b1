/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "common/base/err.h"
#include "common/conf/conf.h"

#define APP_CONF_LIST_MAX 32

/* berthd.conf: what must be known before the database is open. All else are settings in it. */
struct app_conf {
    char *listen;       /* comma list */
    char *server_names; /* comma list, NULL = what this machine is called and listens on */
    char *state_dir, *agent_url;
    int64_t api_port, agent_port;
    int64_t lease, suspect, unreachable, task_deadline; /* ms */
    int64_t db_readers, db_queue, cpu_threads, connections_per_address;
    int64_t log_level; /* enum bt_level */
    /* Made of the comma lists; NULL-terminated, owned. */
    char *listen_on[APP_CONF_LIST_MAX + 1];
    char *sans[APP_CONF_LIST_MAX + 1]; /* "DNS:x" or "IP:y" */
};

extern const struct bt_opt app_conf_opts[];

/** Read berthd.conf at @path (NULL = defaults) and check what a table cannot. Errors: INVALID with
 * the line, NOT_FOUND. Free with app_conf_free. */
int app_conf_load(const char *path, struct app_conf *ret, struct bt_err *err);

/** Free what @c owns and zero it. */
void app_conf_free(struct app_conf *c);
