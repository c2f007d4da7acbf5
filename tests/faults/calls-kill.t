#!/bin/bash
# kill -9 at every call that the programs make: nothing with a receipt is lost, what arrives twice
# is marked, one person's order is kept, a checkpoint never runs ahead, the store stays sound.
# Normally some points of each kind, TS_FULL=1: every one.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
# shellcheck source=tests/faults/calls.sh
. "$ROOT/tests/faults/calls.sh"
library=$B/tests/support/fault_calls.so

# The library is told of all that is done to files: strace, where it can be used, sees no more.
calls_seen() {
    python3 - "$T/page" <<'END'
import sys
sys.path.insert(0, "tests/faults")
from calls_run import Page
seen = Page(sys.argv[1]).seen
for name, calls in (("pwrite64", ("pwrite", "pwrite64")), ("fdatasync", ("fdatasync",)),
                    ("fsync", ("fsync",)), ("ftruncate", ("ftruncate", "ftruncate64")),
                    ("unlink", ("unlink",)), ("write", ("write",))):
    print(name, sum(seen.get(c, 0) for c in calls))
END
}
if command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null; then
    export FAULT_PROGRAM="ts-spool put" FAULT_PAGE=$T/page FAULT_AT=0
    head -c 2848 /dev/zero >"$T/page" # sizeof (struct page)
    echo '{"kind":"granted","local_time":"2026-01-05T08:00:00","device_id":"D","person_id":"1"}' |
        strace -o "$T/trace" -E LD_PRELOAD="$library" ts-spool put "$T/seen.db" >"$T/out"
    unset FAULT_PROGRAM FAULT_PAGE FAULT_AT
    for call in pwrite64 fdatasync fsync ftruncate unlink write; do
        echo "$call $(grep -c "^$call(" "$T/trace")"
    done >"$T/wanted"
    is "$(calls_seen)" "$(<"$T/wanted")" "the library sees every call that the kernel sees"
else
    skip "strace is not usable here"
fi

broken kill put 30
broken kill put-old 10
broken kill drain 20
broken kill read-file 10
broken kill read-http 12
broken kill pipeline 4
done_testing
