/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/sys/sys_real.h"
#include "agent/sys/sys_record.h"
#include "common/base/mem.h"

#include <cmocka.h>

/* A network namespace of this process's own; its links, rules and sysctls die with it. */
bool lib_sys_unshare(void);

/* cmocka setup and teardown: *state = the machine's struct sys, on a libuv loop. */
int lib_sys_setup(void **state);
int lib_sys_teardown(void **state);

/* 0, or the message printed and the code. */
int lib_sys_ok(int rc, struct bt_err *err);

struct bt_ip lib_ip(const char *text);
struct bt_cidr lib_cidr(const char *text);

#define OK(call) assert_int_equal(lib_sys_ok((call), &err), 0)
