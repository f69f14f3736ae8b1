/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * Any JSON document, read by path: for programs that show what others made (the CLI's tables),
 * never for input that has a field table.
 */
struct bt_doc;

/** Parse a document of any type (depth <= 32). Free with bt_doc_free. Errors: BAD_REQUEST. */
int bt_doc_parse(const char *text, size_t len, struct bt_doc **ret, struct bt_err *err);

/** Free a parsed document (not a borrowed part); NULL is fine. */
void bt_doc_free(struct bt_doc *d);

/** The part at @path ("plan.name", "limits.cpus.effective"), NULL when absent. Borrowed. */
const struct bt_doc *bt_doc_at(const struct bt_doc *d, const char *path);

/** Elements of an array (0 for anything else). */
size_t bt_doc_len(const struct bt_doc *d);

/** Element @i of an array. Borrowed. */
const struct bt_doc *bt_doc_item(const struct bt_doc *d, size_t i);

/** Text of a string, NULL for anything else. Borrowed. */
const char *bt_doc_str(const struct bt_doc *d);

/** Is it an integer? Its value into *@ret. */
bool bt_doc_int(const struct bt_doc *d, int64_t *ret);

/** Is it `true`? */
bool bt_doc_true(const struct bt_doc *d);

/** Is it null or absent? */
bool bt_doc_null(const struct bt_doc *d);

/** Append the document as JSON, indented by @indent spaces (0 = one line). */
void bt_doc_dump(const struct bt_doc *d, int indent, struct bt_buf *out);
