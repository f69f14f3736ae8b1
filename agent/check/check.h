/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>

#include "agent/driver/driver.h"
#include "agent/journal/journal_instance.h"
#include "proto/link.h"

/*
 * The doctor of a host: compares the journal with itself, and what the drivers find in the kernel
 * with the journal. It changes nothing. Loop thread.
 */
struct check_instance {
    const struct journal_instance *row;
    const struct instance_spec *spec;
    struct driver *driver; /* NULL = none on this host */
};

struct check_config {
    const struct check_instance *instances;
    size_t n_instances;
    struct driver *const *drivers; /* NULL entries are skipped, repeated ones asked once */
    size_t n_drivers;
    struct journal_ids ids;
    /* More findings (kernel settings); NULL = none. */
    void (*more)(void *ctx, struct link_doctor *out);
    void *ctx;
};

/** Append what differs to @out (at most 1,000 findings). Free with link_doctor_schema. */
void check_run(const struct check_config *cfg, struct link_doctor *out);
