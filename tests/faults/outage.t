#!/bin/bash
# A receiver that misbehaves: the same events arrive, and exactly those refused for good are dead.
# TS_FULL=1: 20,000 events a case.
. "$(dirname "$0")/../support/tap.sh"
. "$(dirname "$0")/../support/ledger.sh"
events=3000 persons=300
[ -n "${TS_FULL:-}" ] && events=20000 persons=2000
quarter=$((events / 4))

python3 "$ROOT/tests/bench/gen.py" $events --persons $persons |
    ts-read -d OUT1 -f zk-attlog - | ts-enrich -z Asia/Manila >"$T/events" || exit 1
event_ids "$T/events" >"$T/wanted"
ts-spool put "$T/full.db" <"$T/events" >/dev/null || exit 1

# settled STORE: nothing waits, is deferred or handed out.
# shellcheck disable=SC2317 # called by wait_for
settled() {
    spool_has "$1" waiting 0
}

# shellcheck disable=SC2317
gone() {
    ! kill -0 "$1"
}

# shellcheck disable=SC2317
settled_or_gone() {
    settled "$1" || gone "$2"
}

# outage NAME SEND-OPTIONS RECEIVER-OPTION...: drains a full spool into a receiver with faults.
# Leaves $arrived, $dead (sorted ids) and the receiver's summary.
outage() {
    local name=$1 options=$2 drain
    shift 2
    cp "$T/full.db" "$T/q.db"
    receiver_start --order-field local_time "$@"
    ts-spool drain -F --into "ts-send $options $url" "$T/q.db" 2>"$T/drain.err" &
    drain=$!
    tap_pids+=("$drain")
    wait_for "${limit:-40}" settled_or_gone "$T/q.db" $drain
    settled "$T/q.db"
    ok $? "$name: settled"
    kill -TERM $drain 2>/dev/null
    wait_for 20 gone $drain || kill -9 $drain
    wait $drain
    is $? 0 "$name: the drain ends with 0"
    receiver_stop
    ledger_ids "$ledger" >"$T/arrived"
    touch "$refused"
    cut -d ' ' -f 1 "$refused" | sort -u >"$T/refused"
    ts-spool list --dead "$T/q.db" >"$T/dead.ndjson"
    event_ids "$T/dead.ndjson" >"$T/dead"
    comm -23 "$T/wanted" "$T/refused" >"$T/due"
    is "$(only_first "$T/due" "$T/arrived") $(only_first "$T/arrived" "$T/due")" "0 0" \
        "$name: at the receiver every event but those refused ($(wc -l <"$T/refused"))"
    is "$(only_first "$T/refused" "$T/dead") $(only_first "$T/dead" "$T/refused")" "0 0" \
        "$name: the dead are exactly those"
    is "$(receiver_sum order_violations) $(receiver_sum overlapping) $(receiver_sum key_wrong)" \
        "0 0 0" "$name: order, one request a person at a time, idempotency keys"
    [ "$name" = "all well" ] || [ "$(receiver_sum faults)" -gt 0 ]
    ok $? "$name: it did happen"
    echo "# $name: $(receiver_sum requests) requests, $(receiver_sum duplicates) sent again," \
        "$SECONDS s since the start"
}

outage "all well" "-j 8"
is "$(receiver_sum requests) $(receiver_sum key_missing)" "$events 0" "all well: no request too many"

outage "down at first" "-j 8" --fault 'time 0..3 down'
outage "down in the middle" "-j 8" --fault "event $quarter.. down for 2"
outage "503 with Retry-After" "-j 8" --fault "event $quarter.. status 503 retry-after 2 for 1.5"
outage "503 with a date" "-j 8" --fault "event $quarter.. status 503 retry-date 2 for 1.5"
outage "401 for a while" "-j 8" --fault "event $quarter.. status 401 for 2"
outage "closed after the body" "-j 8" --fault "event $quarter.. nth 9 close for 1" \
    --fault "event $((2 * quarter)).. nth 7 close stored for 1"
outage "half an answer" "-j 8" --fault "event $quarter.. nth 50 half stored for 1" \
    --fault "event $((2 * quarter)).. nth 50 close-early for 1"

# The last refusal of all is believed when its time is up: nothing is delivered after it.
outage "every 97th refused" "-j 8 --answer-within 5s" --fault 'every 97 status 422'
is "$(jq -r 'select((.reason // "" | tostring | test("422")) | not)' "$T/dead.ndjson" | wc -l)" 0 \
    "every 97th refused: each of the dead says 422"
like "$(wc -l <"$T/dead")" '^[1-9][0-9]+$' "every 97th refused: there are some"

outage "every 97th refused, arrays" "-j 8 -b 100 --answer-within 5s" --fault 'every 97 status 422'
is "$(jq -r 'select((.reason // "" | tostring | test("422")) | not)' "$T/dead.ndjson" | wc -l)" 0 \
    "every 97th refused, arrays: each of the dead says 422"

one=$(sed -n "$((events / 2))p" "$T/wanted")
outage "one always refused" "-j 8" --fault "id $one status 400"
is "$(cat "$T/dead")" "$one" "one always refused: costs one dead event"
outage "one always refused, arrays" "-j 8 -b 500" --fault "id $one status 400"
is "$(cat "$T/dead")" "$one" "one always refused, arrays: costs one dead event"
outage "arrays cut off" "-j 8 -b 100" --fault "event $quarter.. nth 3 close stored for 1"
done_testing
