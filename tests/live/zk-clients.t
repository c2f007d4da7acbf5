#!/bin/bash
# SPDX-License-Identifier: MIT
# Other people's clients read our ZKTeco simulator and get the records that ts-read gets: what they
# and we make of the protocol is the same. They come from npm: into $B/npm, by the long run
# (TS_FULL=1) or by hand (tests/support/zk_clients build/release/npm).
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-read >/dev/null || skip_all "ts-read is not built"
command -v node >/dev/null || skip_all "needs nodejs and npm (scripts/deps --full)"
command -v jq >/dev/null || skip_all "needs jq"
[ -n "${TS_FULL:-}" ] || [ -e "$B/npm/zk-clients" ] ||
    skip_all "the clients are not installed (tests/support/zk_clients; TS_FULL=1 does it)"
why=$("$ROOT/tests/support/zk_clients" "$B/npm" 2>&1) || skip_all "$why"
cp "$ROOT/tests/support/zk_client.js" "$B/npm/" || exit 70
cd "$T" || exit 1

device() {
    [ -z "${sim:-}" ] || kill "$sim" 2>/dev/null
    spawn python3 "$ROOT/tests/sim/zk.py" --frames "$@" >device.out 2>device.err
    sim=$spawned
    wait_for 10 grep -q '^listening on ' device.out
    port=$(sed -n 's/^listening on //p' device.out)
}
client() { timeout 60 node "$B/npm/zk_client.js" "$1" "$port" "$2" >out 2>err; }

# Beyond one part, and within one; a day with midnight in it, 28 February, the end of a year.
for records in 3 5000; do
    for start in 2026-01-07T06:00:00 2024-02-28T22:00:00 2025-12-31T23:00:00; do
        device --records $records --start $start
        ts-read "zk://127.0.0.1:$port" | jq -r '.local_time + " " + .person_id' >wanted
        is "$(wc -l <wanted)" $records "ts-read: $records records from $start"
        for module in zkteco-js node-zklib zklib-js; do
            client $module log
            cmp out wanted
            ok $? "$module: the same $records from $start"
        done
    done
done
for module in zkteco-js node-zklib zklib-js; do
    client $module users
    is "$(tr '\n' ' ' <out)" "$(seq -s ' ' 101 120) " "$module: the users"
done
done_testing
