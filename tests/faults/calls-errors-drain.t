#!/bin/bash
# Every call fails, with each error that is legal for it, and reads and writes come short: never a
# receipt for what is not stored, the right status and words, no hang, no crash, and done again
# everything is there. Normally some points of each kind, TS_FULL=1: every one.
# The drain, and devices that push; put and files: calls-errors.t.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
# shellcheck source=tests/faults/calls.sh
. "$ROOT/tests/faults/calls.sh"
broken errors drain 3 --victim "ts-spool drain"
broken errors read-http 3 --victim ts-read
done_testing
