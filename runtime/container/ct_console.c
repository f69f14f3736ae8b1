/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/container/ct.h"
int ct_console(struct ct *c, struct bt_err *err)
{
    c->step = "console";
    return bt_fail(err, BT_E_UNSUPPORTED, "later");
}
