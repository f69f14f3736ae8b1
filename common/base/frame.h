/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * Helper frames: u32 length (big-endian, <= BT_FRAME_MAX) + one JSON object, on an inherited
 * AF_UNIX SOCK_STREAM socket; descriptors travel by SCM_RIGHTS with the first byte of a frame.
 */
#define BT_FRAME_MAX (1u << 20)
#define BT_FRAME_FDS_MAX 8

struct bt_frame_reader {
    struct bt_buf in;
    int fds[BT_FRAME_FDS_MAX]; /* received and not yet taken, in order */
    size_t n_fds;
};

/** Start an empty reader. */
void bt_frame_reader_init(struct bt_frame_reader *r);

/** Free the buffer and close descriptors that nobody took. */
void bt_frame_reader_fini(struct bt_frame_reader *r);

/**
 * Read once from @sock (blocking or not). Returns 1 when bytes came, 0 when the socket would block;
 * errors: UNAVAILABLE (peer closed), PROTOCOL (too many descriptors), KERNEL.
 */
int bt_frame_read(struct bt_frame_reader *r, int sock, struct bt_err *err);

/**
 * Take one whole frame as NUL-terminated text into *@ret_json (caller frees) with its length.
 * Returns 1 when there was one, 0 when more bytes are needed; PROTOCOL when the length is 0 or too
 * large.
 */
int bt_frame_next(struct bt_frame_reader *r, char **ret_json, size_t *ret_len, struct bt_err *err);

/** Take the oldest received descriptor, -1 when there is none. The caller owns it. */
int bt_frame_take_fd(struct bt_frame_reader *r);

/**
 * Write one frame, blocking, with @n_fds descriptors (they stay the caller's).
 * Errors: TOO_LARGE, UNAVAILABLE (EPIPE; no signal is raised), KERNEL.
 */
int bt_frame_send(int sock, const char *json, size_t len, const int *fds, size_t n_fds,
                  struct bt_err *err);

/** Read until one whole frame is there (blocking socket), for single-threaded helpers. Caller
 * frees. */
int bt_frame_recv(struct bt_frame_reader *r, int sock, char **ret_json, size_t *ret_len,
                  struct bt_err *err);
