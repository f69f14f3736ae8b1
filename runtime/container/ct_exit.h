/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "proto/helper_container.h"

/**
 * Why init ended, from liblxc's error_num: a signal that ended it as 0xSS7f (a pid namespace's init
 * "dies" of SIGINT by power-off and of SIGHUP by reboot, pid_namespaces(7)), an exit status as
 * 0xEE00, anything else as a wait status.
 */
enum helper_container_cause ct_exit_cause(int error_num);

/** Write RUN_DIR/UUID/exit.json of the boot that the file `boot` records (@fallback: its number
 * when there is none). */
int ct_exit_write(int dir, int error_num, enum helper_container_cause cause, int64_t fallback,
                  struct bt_err *err);
