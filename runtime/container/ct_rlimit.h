/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/** Give this process the limits of an instance's processes, which inherit them; what may not be
 * raised (no CAP_SYS_RESOURCE) stays (setrlimit(2)). */
void ct_rlimits_set(void);
