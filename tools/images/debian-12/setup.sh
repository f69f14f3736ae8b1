#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# mmdebstrap setup hook, $1 = the new root: packages come from this machine's sources; the sources.list
# that mmdebstrap wrote is the image's own and comes back in customize.sh.
set -eu
mv "$1/etc/apt/sources.list" "$1/etc/apt/sources.list.image"
cp "${BERTH_SOURCES:?}" "$1/etc/apt/sources.list"
