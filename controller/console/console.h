/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/loop/loop.h"
#include "controller/agentlink/agentlink_stream.h"
#include "controller/http/http_server.h"
#include "proto/enums.h"

/*
 * exec and console: a one-use ticket, then a WebSocket that is coupled to a stream of the host's
 * session. Outside: binary = 1 byte channel (0 in, 1 out, 2 err) + bytes; text = {"resize": {rows,
 * cols}}, {"eof": true}, {"exit": N}, {"error": {code, message}}. Loop thread only.
 */
#define CONSOLE_TICKET_LEN 43 /* base64url of 32 bytes */
#define CONSOLE_TICKET_MS 30000
#define CONSOLE_TICKETS_MAX 4096
#define CONSOLE_ARGV_MAX 256

struct console;

/** Make it. */
struct console *console_new(struct bt_loop *loop, struct agentlink *link);

/** Free; every session is closed before. NULL is fine. */
void console_free(struct console *c);

struct console_ticket {
    char ticket[CONSOLE_TICKET_LEN + 1];
    int kind; /* enum stream_kind */
    int64_t host_id;
    char uuid[37];
    char **argv; /* NULL-terminated, owned; exec only */
    bool tty;
    int rows, cols;
};

/** Make a random ticket text. */
void console_ticket_new(const struct bt_random *random, char ret[CONSOLE_TICKET_LEN + 1]);

/** Keep @t (its argv is taken over) for CONSOLE_TICKET_MS. */
void console_ticket_put(struct console *c, struct console_ticket *t);

/** Accept the WebSocket that brings a ticket as its subprotocol (used up by this). DENIED. */
struct http_ws *console_accept(struct console *c, const char *ticket, struct bt_err *err);

/** Sessions open now. */
size_t console_sessions(const struct console *c);
