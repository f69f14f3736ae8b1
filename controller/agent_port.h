/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/http/http_server.h"
#include "controller/service/service.h"

/*
 * What agents find on their port, where TLS has demanded a certificate of our CA:
 *   WebSocket /agent/v1                 the agent link
 *   GET /agent/v1/blobs/SHA256 [Range]  image content (docs/decisions/0071-agent-port.md)
 * Loop thread.
 */
struct agent_port;

/** Make it. Free after the listener has stopped. */
struct agent_port *agent_port_new(struct service *svc);

/** Free it; agent_port_load must be 0. NULL is fine. */
void agent_port_free(struct agent_port *p);

/** Requests that are not answered yet. */
size_t agent_port_load(const struct agent_port *p);

/** What the listener calls (http_handler with @p as ctx). */
void agent_port_handler(struct agent_port *p, struct http_handler *ret);
