/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The client's former name. */
#include "common/rpc/rpc_client.h"
