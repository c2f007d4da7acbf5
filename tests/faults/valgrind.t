#!/bin/bash
# SPDX-License-Identifier: MIT
# The main loop of each program under valgrind, on the demonstration's dirty log: no invalid
# access, no use of unset memory, nothing lost at the end.
. "$(dirname "$0")/../support/tap.sh"
[ -n "${TS_FULL:-}" ] || skip_all "long: runs with --full"
[ "${MODE:-release}" = release ] || skip_all "valgrind and the sanitizers exclude each other"
command -v valgrind >/dev/null || skip_all "valgrind is not installed"

demo=$ROOT/share/demo
cp "$demo/1_attlog.dat" "$demo/site.json" "$demo/roster.csv" "$T"
cd "$T" || exit 1

# vg PROGRAM ARGUMENT...: a complaint of valgrind makes the status 99.
vg() {
    local name=$1
    shift
    valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
        --log-file="$T/$name.%p.vg" "$B/$name" "$@" 2>"$T/$name.err"
}

# judge STATUS NAME FILE-PREFIX: rows that were not understood (65) are part of the job.
judge() {
    [ "$1" -eq 0 ] || [ "$1" -eq 65 ]
    ok $? "$2: status $1"
    # Lines from -- tell of valgrind itself: that of Debian 12 does not know pidfd_open.
    cat "$T/$3".*.vg 2>/dev/null | grep -v '^--' >"$T/said"
    is "$(head -n 40 "$T/said")" "" "$2: nothing to complain of"
}

vg ts-read -d CGXH2012345 1_attlog.dat >events.ndjson
judge $? "ts-read" ts-read
rows=$(wc -l <events.ndjson)
vg ts-enrich -c site.json events.ndjson >enriched.ndjson
judge $? "ts-enrich" ts-enrich
is "$(wc -l <enriched.ndjson)" "$rows" "one line in, one line out"
vg ts-spool put q.db <enriched.ndjson >receipts.ndjson
judge $? "ts-spool put" ts-spool
is "$(wc -l <receipts.ndjson)" "$rows" "a receipt for each line"

# The listener with a pipeline behind it, and the sender in front of it.
rm -f ts-*.vg
port=$(port_free)
spawn valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
    --log-file="$T/listener.%p.vg" "$B/ts-read" -l "http://:$port" \
    --into 'ts-enrich | ts-spool put ledger.db' 2>listener.err
listener=$spawned
wait_for 30 port_open "$port"
ok $? "the listener listens"
into="valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
    --log-file=$T/ts-send.%p.vg $B/ts-send http://localhost:$port/api/turnstile"
vg ts-spool drain --into "ts-enrich -c site.json | $into" q.db
judge $? "ts-spool drain" ts-spool
judge 0 "ts-send" ts-send
kill -TERM "$listener"
wait "$listener"
judge $? "ts-read as a listener" listener
distinct=$(ts-spool list ledger.db | wc -l)
is "$distinct" "$(jq .delivered "$demo/expected.json")" "$distinct events arrived"
done_testing
