/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/helper_unpack.h"

#include "proto/field.h"

#define FT helper_unpack_request
static const struct bt_field helper_unpack_request_schema_fields[] = {
    F_INT(max_bytes, 1, F_MAX_INT, BT_REQUIRED, NULL),
    F_INT(max_files, 1, F_MAX_INT, BT_REQUIRED, NULL), F_END};
F_SCHEMA(helper_unpack_request_schema, "HelperUnpackRequest", NULL);
#undef FT

#define FT helper_unpack_ok
static const struct bt_field unpack_ok_schema_fields[] = {
    F_ID(bytes, 0, NULL), F_ID(files, 0, NULL), F_ID(skipped, 0, NULL), F_END};
static F_SCHEMA(unpack_ok_schema, "HelperUnpackOk", NULL);
#undef FT

#define FT helper_fetch_request
static const struct bt_field helper_fetch_request_schema_fields[] = {
    F_STR(url, 2048, "", BT_REQUIRED, NULL), F_STR(sha256, 64, "sha256", BT_REQUIRED, NULL),
    F_ID(bytes, 0, NULL), F_INT(max_bytes, 1, F_MAX_INT, BT_REQUIRED, NULL), F_END};
F_SCHEMA(helper_fetch_request_schema, "HelperFetchRequest", NULL);
#undef FT

#define FT helper_fetch_ok
static const struct bt_field fetch_ok_schema_fields[] = {F_ID(bytes, 0, NULL), F_END};
static F_SCHEMA(fetch_ok_schema, "HelperFetchOk", NULL);
#undef FT

#define FT helper_unpack_reply
static const struct bt_field helper_unpack_reply_schema_fields[] = {
    F_OPTR(ok, &unpack_ok_schema, 0, NULL), F_OPTR(err, &helper_err_schema, 0, NULL), F_END};
F_SCHEMA(helper_unpack_reply_schema, "HelperUnpackReply", NULL);
#undef FT

#define FT helper_fetch_reply
static const struct bt_field helper_fetch_reply_schema_fields[] = {
    F_OPTR(ok, &fetch_ok_schema, 0, NULL), F_OPTR(err, &helper_err_schema, 0, NULL), F_END};
F_SCHEMA(helper_fetch_reply_schema, "HelperFetchReply", NULL);
#undef FT
