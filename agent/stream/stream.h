/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/driver/driver.h"
#include "common/loop/loop.h"
#include "proto/link.h"

/*
 * Streams into instances (exec, console) of one link session: couples the stream of a driver with
 * frames of the link. Each way has a credit window of LINK_STREAM_CREDIT bytes of content (channel
 * bytes do not count): without credit the driver stops reading, and the other side may not send
 * more than it was given.
 *
 * Text frames may overtake binary ones, so what ends a direction says in `credit` how many bytes of
 * content went before it: exit, close and failed towards the controller, eof towards us (0 = does
 * not say). The receiver waits for them. Loop thread only.
 */
struct stream_set;

struct stream_config {
    struct bt_loop *loop;
    /* Towards the controller; what is passed is the callee's for the call only. */
    void (*ctl)(void *ctx, const struct link_stream_ctl *c);
    /* @frame: channel byte, content. True = the link's queue is long: stream_set_writable follows.
     */
    bool (*data)(void *ctx, uint32_t stream, const void *frame, size_t n);
    void *ctx;
};

/** An empty set. */
struct stream_set *stream_set_new(const struct stream_config *cfg);

/** Close every stream without a word to the controller, as when the session is lost. */
void stream_set_reset(struct stream_set *s);

/** Free; the drivers have been freed before, so nothing of theirs is heard any more. NULL is fine.
 */
void stream_set_free(struct stream_set *s);

/** Open a stream of @d (NULL = the host has none). "opened" or "failed" goes to the controller. */
void stream_open(struct stream_set *s, const struct link_stream_open *open, struct driver *d);

/** Refuse to open: "failed" with @err goes to the controller. */
void stream_refuse(struct stream_set *s, int64_t stream, const struct bt_err *err);

/** Control from the controller: resize, eof, close, credit. Unknown streams are ignored: their end
 * is on its way. */
void stream_ctl(struct stream_set *s, const struct link_stream_ctl *c);

/** Input from the controller: @frame is a channel byte and content. */
void stream_data(struct stream_set *s, uint32_t stream, const void *frame, size_t n);

/** The link's queue is short again. */
void stream_set_writable(struct stream_set *s);

/** Streams that are open. */
size_t stream_count(const struct stream_set *s);
