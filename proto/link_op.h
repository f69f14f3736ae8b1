/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Operations of the agent link v1 and the form of their bodies (proto/link.h). `re` of an answer is
 * the `id` of the question. Every message carries the session's `epoch` once welcome has said it;
 * one of another epoch is dropped.
 */

/* agent -> controller */
#define LINK_OP_HELLO "hello"         /* link_hello; first message of a session */
#define LINK_OP_INVENTORY "inventory" /* link_inventory; pages 0, 1, ... the last one with done */
#define LINK_OP_REPORT "report"       /* link_report; in order of seq, answered by ack */
#define LINK_OP_RENEW "renew"         /* link_renew; every lease_ms */
#define LINK_OP_PROGRESS "progress"   /* link_progress */
#define LINK_OP_ACCEPTED "accepted"   /* link_accepted; answers apply */

/* controller -> agent */
#define LINK_OP_WELCOME "welcome" /* link_welcome; answers a complete inventory */
#define LINK_OP_ACK "ack"         /* link_ack; all reports up to seq are applied */
#define LINK_OP_APPLY "apply"     /* link_apply */
#define LINK_OP_CANCEL "cancel"   /* link_cancel; its end comes as a report */
#define LINK_OP_STREAM_OPEN                                                                        \
    "stream_open" /* link_stream_open; answered by stream opened or failed */

/* both ways */
#define LINK_OP_STREAM "stream_ctl" /* link_stream_ctl */
#define LINK_OP_ERROR "error"     /* link_error; answers anything (re), or ends a session (re 0) */
#define LINK_OP_DOCTOR "doctor"   /* question: empty body; answer: link_doctor */
#define LINK_OP_CONFIRM "confirm" /* question: link_confirm; answer: link_confirm, or error */
#define LINK_OP_CERT "cert"       /* question of the agent: csr; answer: cert, or error */
