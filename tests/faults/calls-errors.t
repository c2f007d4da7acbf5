#!/bin/bash
# Every call fails, with each error that is legal for it, and reads and writes come short: never a
# receipt for what is not stored, the right status and words, no hang, no crash, and done again
# everything is there. Normally some points of each kind, TS_FULL=1: every one.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
export B
[ "${MODE:-}" = asan ] && skip_all "the sanitizers have to be the first library"
cd "$ROOT" || exit 1

# broken CASE POINTS [OPTION...]: normally of its first program alone.
broken() {
    local words=(--points "$2" "${@:3}") rc
    [ -n "${TS_FULL:-}" ] && words=()
    python3 tests/faults/calls.py errors "$1" "${words[@]}" >"$T/said" 2>"$T/err"
    rc=$?
    cut -c 1-600 "$T/said"
    sed 's/^/#  /' "$T/err" | tail -n 20
    ok $rc "$1: broken at $(sed -n 's/^# .*: \([0-9]* error points\).*/\1/p' "$T/said")"
}
broken put 6
broken drain 3 --victim "ts-spool drain"
broken read-file 3 --victim ts-read
broken read-http 3 --victim ts-read
if [ -n "${TS_FULL:-}" ]; then
    broken put-old 0
    broken pipeline 0
fi
done_testing
