#!/bin/bash
# SPDX-License-Identifier: MIT
# scripts/demo, as the README says it: it compares what arrived with what was read, and counts.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
B=$B "$ROOT/scripts/demo" >"$T/out" 2>&1 </dev/null
is $? 0 "status 0"
like "$(<"$T/out")" 'Everything is as expected' "all is as expected"
like "$(<"$T/out")" '\[200 OK\] Payload accepted\.' "the first events are shown"
done_testing
