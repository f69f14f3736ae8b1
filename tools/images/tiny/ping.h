/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What /bin/ping and /bin/ping6, links to /sbin/init, do; returns the exit status. argv[0] goes on
 * to busybox, which looks at it. */
int tiny_ping(int argc, char **argv);
