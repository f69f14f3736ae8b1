/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/rpc/rpc_peer.h"
#include "controller/http/http_server.h"

/*
 * A struct rpc_peer on the server side of a WebSocket (agent link): text frames are messages,
 * binary frames are stream id (u32, big-endian) + data. Text goes out before what binary waits.
 */

/**
 * Make @peer (its callbacks are set, it stays the caller's) speak through a new WebSocket, which
 * the caller returns from its `websocket` hook; it frees itself after peer->closed. Nothing may be
 * sent before the hook has returned. Frames over RPC_TEXT_MAX or RPC_BINARY_MAX, or binary ones
 * without a stream id, close the connection.
 */
struct http_ws *http_rpc_new(struct rpc_peer *peer);
