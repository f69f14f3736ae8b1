/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "controller/agentlink/agentlink.h"

/*
 * A stream into an instance over its host's session (exec, console). Both ways have a credit window
 * of LINK_STREAM_CREDIT bytes: what the instance writes is stopped by not giving credit, what goes
 * in is counted here. The owner embeds the struct; no callback after closed().
 */
struct agentlink_stream {
    /* The owner's callbacks. They may call the functions below. */
    void (*opened)(struct agentlink_stream *s);
    void (*data)(struct agentlink_stream *s, int channel, const void *data,
                 size_t n);                       /* 1 out, 2 err */
    void (*writable)(struct agentlink_stream *s); /* credit came back */
    /* Last. @status: exit status of exec, -1 = none. @err: why it failed, NULL = a normal end.
     * After a lost session: HOST_UNREACHABLE. */
    void (*closed)(struct agentlink_stream *s, int status, const struct bt_err *err);
    void *owner;

    /* agentlink's */
    struct bt_list link;
    struct bt_post post;
    struct agentlink *al;
    int64_t host_id;
    uint32_t id;
    int64_t send_credit; /* bytes that may still be sent in */
    int64_t owed;        /* bytes consumed by the owner, not credited yet */
    int64_t sent, got;   /* bytes both ways: control may overtake data */
    int64_t end_at;      /* the end that was told counts when so much has come; -1 = none told */
    int status;
    bool open, ended;
    struct bt_err why;
};

struct agentlink_stream_open {
    int64_t host_id;
    int kind; /* enum stream_kind */
    const char *uuid;
    const char *const *argv; /* NULL-terminated; exec only */
    bool tty;
    int rows, cols;
};

/** Open; opened() or closed() follows from the loop, never inside. */
void agentlink_stream_start(struct agentlink_stream *s, struct agentlink *a,
                            const struct agentlink_stream_open *o);

/** Send input; returns how many bytes were taken (fewer when the credit is used up: writable()
 * follows). */
size_t agentlink_stream_write(struct agentlink_stream *s, const void *data, size_t n);

/** End of input. */
void agentlink_stream_eof(struct agentlink_stream *s);

/** New size of the terminal. */
void agentlink_stream_resize(struct agentlink_stream *s, int rows, int cols);

/** @n bytes of data() were handed on: the instance may write that many more. */
void agentlink_stream_consumed(struct agentlink_stream *s, size_t n);

/** Close; closed() follows from the loop. */
void agentlink_stream_close(struct agentlink_stream *s);
