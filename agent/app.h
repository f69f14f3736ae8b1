/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "agent/host/host_conf.h"
#include "agent/link/link.h"
#include "common/base/err.h"

/* Files below the state directory (docs/decisions/0038-agent-files.md). */
#define APP_JOURNAL "journal.db"
#define APP_KEY "agent.key"
#define APP_CERT "agent.crt"
#define APP_CA "ca.crt"
#define APP_LINK "link" /* the controller's address, one line */

/** Run the agent until SIGTERM or SIGINT; instances stay as they are. Blocking. */
int app_run(const struct host_conf *conf, struct bt_err *err);

/** `berth-agent join URL TOKEN`: key, request, certificate, address of the controller into the
 * state directory. */
int app_join(const struct host_conf *conf, const char *url, const char *token, struct bt_err *err);

/** STATE_DIR/@name. Caller frees. */
char *app_path(const struct host_conf *conf, const char *name);

/* Renewal of the certificate (link_cert_ops). */
struct app_cert {
    const struct host_conf *conf;
    char *new_key; /* of the request under way, PEM; erased when stored */
    int (*reload)(void *ctx, struct bt_err *err); /* the dialer reads the files again */
    void *ctx;
};

/** The table of @c. */
struct link_cert_ops app_cert_ops(struct app_cert *c);

/** Erase what is left. */
void app_cert_fini(struct app_cert *c);
