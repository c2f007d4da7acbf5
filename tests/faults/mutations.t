#!/bin/bash
# SPDX-License-Identifier: MIT
# The fault tests notice programs that are broken on purpose: see mutations.
. "$(dirname "$0")/../support/tap.sh"
[ -n "${TS_FULL:-}" ] || skip_all "long: runs with --full"
[ "${MODE:-release}" = release ] || skip_all "one build of the broken programs is enough"
trap - EXIT
rm -rf "$T"
exec "$ROOT/tests/faults/mutations"
