#!/bin/bash
# SPDX-License-Identifier: MIT
# Several at once: puts beside a drain, one put into several stores, a store that fails among them,
# a copy and audits under load, a command that is silent, a receiver that fails.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-spool >/dev/null || skip_all "ts-spool is not built"
command -v jq >/dev/null || skip_all "needs jq"
cd "$T" || exit 1

# events FROM TO DEVICE: NDJSON, thirty a day, numbered by the device.
events() {
    awk -v from="$1" -v to="$2" -v device="$3" 'BEGIN { for (i = from; i <= to; i++)
        printf "{\"event_id\":\"00000000-0000-8000-8000-%012d\",\"local_time\":\"2026-05-%02dT08:00:00\",\"device_id\":\"%s\",\"person_id\":\"%d\",\"serial_no\":%d}\n",
            i, i / 30 % 28 + 1, device, i % 17, i }'
}

field() {
    ts-spool stat --json "$1" | jq "$2"
}

# shellcheck disable=SC2317 # called by wait_for
field_is() {
    [ "$(field "$1" "$2")" = "$3" ]
}

lines_of() {
    wc -l <"$1" | tr -d ' '
}

# shellcheck disable=SC2317 # called by wait_for
ten_receipts() {
    [ "$(lines_of receipts)" -eq 10 ]
}

# --- four puts, half of whose events another one has too, and one drain

deliver='jq --unbuffered -c "{ack, outcome: \"delivered\", event_id}" | tee -a delivered'
: >delivered
spawn ts-spool drain -F --into "$deliver" many.db
drain=$spawned
puts=()
for n in 0 1 2 3; do
    # in small pieces: a put that waits for input stores what it has
    events $((n * 500 + 1)) $((n * 500 + 1000)) D | ts-spool put many.db >"receipts.$n" &
    puts+=($!)
done
wait_for 10 test -s receipts.3
ts-spool backup many.db beside.db
backup=$?
ts-spool audit many.db >/dev/null
like "$?" "^(0|75)$" "audit beside four puts and a drain"
failed=0
for p in "${puts[@]}"; do
    wait "$p" || failed=1
done
is "$failed" 0 "four puts at once"
is "$backup" 0 "backup beside four puts and a drain"
wait_for 60 field_is many.db .delivered 2500
ok "$?" "the drain delivers what all of them put"
is "$(field many.db '[.stored, .duplicates, .waiting]' | tr -d ' \n')" "[2500,1500,0]" "each once"
is "$(cat receipts.* | jq -r .outcome | sort | uniq -c | tr -s ' \n' ' ')" " 1500 duplicate 2500 stored " \
    "and every event has its receipt"
is "$(jq -r .event_id delivered | sort -u | wc -l | tr -d ' ')" 2500 "every id arrives"
is "$(lines_of delivered)" 2500 "once"
kill "$drain" && wait "$drain"
is "$(ts-spool audit --json many.db | jq -s 'map(select(.day).received) | add')" 2500 "audit counts all of them"
# what it holds and its own words agree
is "$(ts-spool audit --json beside.db | jq -s 'map(select(.day).received) | add')" "$(field beside.db .stored)" \
    "the copy is whole"

# --- several stores

events 1 10 D | ts-spool put a.db >/dev/null
events 6 20 D | ts-spool put a.db b.db c.db >receipts
is "$(jq -r .outcome receipts | sort | uniq -c | tr -s ' \n' ' ')" " 15 stored " "not a duplicate while one store lacks it"
is "$(field a.db .stored) $(field b.db .stored) $(field c.db .stored)" "20 15 15" "three stores have all"
events 6 20 D | ts-spool put a.db b.db c.db | jq -r .outcome | sort -u >out
is "$(cat out)" duplicate "duplicate where all have it"

events 21 30 D | ts-spool put a.db nowhere/b.db c.db >receipts 2>err
is "$?" 73 "a store that cannot be made: 73"
is "$(lines_of receipts)" 0 "no receipt"
like "$(cat err)" "nowhere/b.db: cannot make the store" "and the message says which"
is "$(field a.db .stored)" 20 "nothing is put anywhere"

# One that fails in the middle: what had its receipt is in all; the rest has none and is put again.
mkfifo feed
ts-spool put a.db b.db c.db <feed >receipts 2>err &
put=$!
tap_pids+=("$put")
exec 7>feed
events 31 40 D >&7
wait_for 10 ten_receipts
ok "$?" "receipts of what all three have"
mv b.db away.db
events 41 50 D >&7
exec 7>&-
wait "$put"
is "$?" 75 "a store that is moved away: 75"
is "$(lines_of receipts)" 10 "no receipt for what it did not get"
like "$(cat err)" "b.db: was moved or deleted" "and the message says which"
mv away.db b.db
is "$(field b.db .stored)" 25 "what had a receipt is there"
events 41 50 D | ts-spool put a.db b.db c.db | jq -r .outcome | sort -u >out
is "$(cat out)" stored "put again it gets its receipt"
for s in a b c; do
    ts-spool list $s.db | jq -r .event_id | sort >$s.ids
done
is "$(comm -13 b.ids <(jq -r .event_id receipts | sort))" "" "each receipt stands for all of them"
is "$(comm -3 b.ids c.ids)" "" "and two of them hold the same"

# --- a command that is silent, a receiver that fails

events 1 3 D | ts-spool put silent.db >/dev/null
ts-spool drain --answer-within 300ms --into 'cat >/dev/null' silent.db 2>err
is "$?" 75 "a silent command ends after --answer-within"
is "$(field silent.db .waiting)" 3 "and the events wait"
like "$(ts-spool drain --help)" "answer-within TIME .*10m" "ten minutes by default"
ts-spool drain --answer-within 0 --into 'jq --unbuffered -c "{ack, outcome: \"delivered\"}"' silent.db
is "$?" 0 "0: no limit"

since() {
    sqlite3 fails.db "SELECT value FROM meta WHERE key='failing_$1'"
}
if command -v sqlite3 >/dev/null; then
    refuse='jq --unbuffered -c "{ack, outcome: \"deferred\", status: 503}"'
    events 1 3 D | ts-spool put fails.db >/dev/null
    ts-spool drain --into "$refuse" fails.db
    first=$(since since)
    ok "$([ "$first" -gt 0 ]; echo $?)" "since when the receiver fails is kept"
    is "$(since status)" 503 "with its status"
    ts-spool drain --into "$refuse" fails.db
    is "$(since since)" "$first" "by the next drain as well"
    ts-spool drain --into 'jq --unbuffered -c "{ack, outcome: \"delivered\"}"' fails.db
    is "$(since since) $(since status)" "0 0" "until it works"
else
    for _ in 1 2 3 4; do
        skip "needs sqlite3"
    done
fi
done_testing
