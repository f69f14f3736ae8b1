/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/container/ct.h"
int ct_grow(struct ct *c, struct bt_err *err)
{
    c->step = "grow";
    return bt_fail(err, BT_E_UNSUPPORTED, "later");
}
