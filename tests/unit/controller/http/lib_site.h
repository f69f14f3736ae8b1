/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/base/buf.h"
#include "common/loop/loop.h"
#include "controller/http/http_server.h"

/*
 * A controller for tests: a real listener on 127.0.0.1 with a CA of its own, and pages that show
 * what arrived. Outside clients run as children while the loop turns.
 */
struct site {
    struct bt_loop *loop;
    struct http_server *server;
    struct http_config cfg;
    char dir[64]; /* ca.crt, server.crt, agent.crt ... */
    bool done;
    int child_status;
    /* what the handlers saw */
    int requests, sinks_ok, sinks_failed, ws_opened, ws_closed, streams_closed;
    char serial[64], cn[64]; /* of the last client certificate */
    struct bt_list later;    /* answers that wait for their time */
};

/** Make keys and certificates, start; @mtls: client certificates are demanded. */
void site_start(struct site *s, bool mtls);

/** Stop, free, remove the files. */
void site_stop(struct site *s);

/** Run `/usr/bin/python3 FOLDER/client.py CASE PORT DIR` while the loop turns; fails unless it
 * exits 0. */
void site_client(struct site *s, const char *test_case);

/** Run @script with sh ($PORT and $DIR set) while the loop turns; fails unless it exits 0. */
void site_shell(struct site *s, const char *script);

/** Turn the loop for @ms. */
void site_turn(struct site *s, int64_t ms);

/** Make server.crt and .key again: signed by the CA @ca_name ("ca", "foreign"), the site's CA
 * behind it. */
void site_server_cert(struct site *s, const char *ca_name);

/** Write DIR/NAME.crt and .key: a client certificate @cn of the site's CA, or of a foreign one. */
void site_client_cert(struct site *s, const char *name, const char *cn, bool foreign);
