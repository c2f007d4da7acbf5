#!/bin/bash
# SPDX-License-Identifier: MIT
# ts-spool audit: counts by device and day, missing serial numbers, forms and exit statuses.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-spool >/dev/null || skip_all "ts-spool is not built"
command -v jq >/dev/null || skip_all "needs jq"
cd "$T" || exit 1

# events DEVICE DAY FIRST LAST [MEMBERS]: one event a serial number.
events() {
    jq -nc --arg d "$1" --arg day "$2" --argjson a "$3" --argjson b "$4" --argjson more "{${5:-}}" \
        'range($a; $b + 1) | {event_id: "\($d) \(.)", local_time: "\($day)T08:00:00",
            device_id: $d, person_id: "\(. % 5)", serial_no: .} + $more'
}

without() {
    jq -c 'del(.serial_no)'
}

# The rows of a device as [day, received, delivered, …]; and the sum.
rows() {
    jq -c "select(.device == \"$1\") | [.day, .received, .delivered, .waiting, .held, .dead, .skipped,
        .erased, .duplicates, .first_serial, .last_serial, .missing, .missing_before]" out
}

deliver='jq --unbuffered -c "{ack, outcome: (if .hold then \"held\" else \"delivered\" end)}"'

# status NAME WANTED COMMAND...: runs it with its output in out and err.
status() {
    local name=$1 wanted=$2
    shift 2
    "$@" >out 2>err
    is "$?" "$wanted" "$name"
}

# --- all is in

{
    events A 2026-05-04 1 40
    events A 2026-05-05 41 60
    events B 2026-05-04 7 9
} | ts-spool put q.db >/dev/null
status "while events wait" 75 ts-spool audit q.db
like "$(tail -n 1 out)" "^not everything is in: 63 received, 0 delivered, 63 waiting; 2 devices; no serial number is missing$" \
    "the last line says so"
ts-spool drain --into "$deliver" q.db
status "all is delivered" 0 ts-spool audit q.db
is "$(cat out)" "\
device day        received delivered missing  serial numbers
A      2026-05-04       40        40       -  1-40
A      2026-05-05       20        20       -  41-60
B      2026-05-04        3         3       -  7-9
all                     63        63       -
everything is in: 63 received, 63 delivered; 2 devices; no serial number is missing" \
    "a table without empty columns"
status "one device on one day" 0 ts-spool audit --device A --day 2026-05-05 --csv q.db
is "$(tr -d '\r' <out)" "\
device,day,received,delivered,waiting,held,dead,skipped,erased,duplicates,first_serial,last_serial,missing,missing_before
\"A\",2026-05-05,20,20,0,0,0,0,0,0,41,60,0,0" "as CSV"
status "days from to" 0 ts-spool audit --since 2026-05-05 --until 2026-05-06 --json q.db
is "$(jq -c .day out | head -n 1)$(wc -l <out)" '"2026-05-05"2' "both inside"

# --- gaps

{
    events A 2026-05-06 64 70 | grep -v '"A 6[67]"' # 61-63 never came, nor 66 and 67
} | ts-spool put q.db >/dev/null
ts-spool drain --into "$deliver" q.db
status "numbers are missing" 65 ts-spool audit --json q.db
is "$(rows A | tail -n 1)" '["2026-05-06",5,5,0,0,0,0,0,0,64,70,2,3]' "within the day, and before it"
is "$(tail -n 1 out | jq -c '[.missing, .everything_in, .devices, .devices_with_serials]')" \
    '[5,true,2,2]' "and the sum has them"
status "named" 65 ts-spool audit --gaps --json q.db
is "$(jq -c 'select(.exact) | [.device, .day, .first_missing, .last_missing, .missing]' out |
    tr '\n' ' ')" '["A","2026-05-06",61,63,3] ["A","2026-05-06",66,67,2] ' "each stretch"
ts-spool audit --gaps q.db >out
is "$(sed -n 2,3p out)" "\
A      2026-05-06       3  61-63
A      2026-05-06       2  66-67" "in a table"
like "$(tail -n 1 out)" "^all that came is in, but something is missing: .*; 5 serial numbers are missing$" \
    "with the sum"
is "$(ts-spool audit --gaps --csv q.db | tr -d '\r' | tail -n 1)" '"A",2026-05-06,66,67,2,yes' \
    "and as CSV"
ts-spool purge --delivered-before 2999-01-01 q.db >/dev/null
status "when the lines are gone" 65 ts-spool audit --gaps q.db
is "$(sed -n 2,3p out)" "\
A      2026-05-06       3  61-63
A      2026-05-06       2  somewhere in 64-70" "only the stretch is named"
is "$(ts-spool audit --json q.db | tail -n 1 | jq -c '[.received, .delivered]')" '[68,68]' \
    "the counts stay"

# A clock that was never set, and one that was set back over midnight.
{
    events C 2026-05-04 1 30 | grep -vE '"C (12|28|29)"'
    events C 2000-01-01 12 12
    events C 2026-05-05 28 29
    events C 2026-05-05 31 40
} | ts-spool put clock.db >/dev/null
ts-spool drain --into "$deliver" clock.db
status "clocks that jump" 0 ts-spool audit --gaps clock.db
is "$(wc -l <out)" 2 "make no gap"

# --- what became of them

{
    events D 2026-05-04 1 5 | without
    events E 2026-05-04 1 1 '"hold":"person not in the roster","person_id":"h"'
    events E 2026-05-04 2 2 '"skip":"test card"'
    events E 2026-05-04 3 3 '"error":"no such date"'
    events E 2026-05-04 4 6
    echo garbage
} >mixed
ts-spool put mixed.db <mixed >/dev/null 2>&1
ts-spool put mixed.db <mixed >/dev/null 2>&1
ts-spool drain --into "$deliver" mixed.db
events E 2026-05-05 7 8 '"person_id":"gone"' | ts-spool put mixed.db >/dev/null
ts-spool purge --person gone --undelivered --reason request mixed.db >/dev/null
status "what waits or is held" 75 ts-spool audit --json mixed.db
is "$(rows E | tr '\n' ' ')" '["2026-05-04",6,3,0,1,1,1,0,6,1,6,0,0] ["2026-05-05",2,0,0,0,0,0,2,0,7,8,0,0] ' \
    "counts by state; numbers of what was put again or erased stay"
is "$(jq -c 'select(has("device") and .device == null) | [.day, .received, .dead, .duplicates]' out)" \
    '[null,1,1,1]' "what was not understood has no device"
is "$(tail -n 1 out | jq -c '[.received, .delivered + .held + .dead + .skipped + .erased]')" \
    "[$(ts-spool stat --json mixed.db | jq .stored),14]" "the sum is what is stored"
ts-spool audit mixed.db >out
like "$(tail -n 1 out)" "^not everything is in: 14 received, 8 delivered, 1 held, 2 dead, 1 skipped, 2 erased; 2 devices; no serial number is missing; 1 device has no serial numbers" \
    "a device without numbers is told of"
status "retry and skip" 0 ts-spool skip --held --reason left mixed.db
status "only dead ones are left" 65 ts-spool audit mixed.db
like "$(tail -n 1 out)" "^everything but the dead is in: " "it says so"

# --- the rest

status "a device that nobody knows" 66 ts-spool audit --device X mixed.db
is "$(cat out)$(cat err)" "ts-spool: --device: nothing was ever put from this device" "is a fault"
status "a day without events" 0 ts-spool audit --day 2026-01-01 mixed.db
is "$(tail -n 1 out)" "nothing was put for this" "is none"
status "a bad day" 64 ts-spool audit --day 2026-05 mixed.db
status "no such day" 64 ts-spool audit --day 2026-02-30 mixed.db
status "no store" 66 ts-spool audit no.db
printf '{"event_id":"x","device_id":"\\u001b[31m=A\\u202e","local_time":"2026-05-04T08:00:00"}\n' |
    ts-spool put odd.db >/dev/null
is "$(ts-spool audit odd.db | LC_ALL=C tr -d ' -~\n')" "" "a device moves no cursor"
is "$(ts-spool audit --csv odd.db | sed -n 2p | cut -d, -f1)" '"\x1b[31m=A\xe2\x80\xae"' \
    "and begins no formula"
# Many rows of two tables: pages, and memory.
jq -nc 'range(3000) | {event_id: "m\(.)", device_id: "d\(. % 7)", serial_no: ((. - . % 7) / 7),
    local_time: "\(2026 + ((. / 2100) | floor))-\(101 + ((. / 175) | floor) % 12 | tostring | .[1:])-\(
        101 + (. / 7 | floor) % 25 | tostring | .[1:])T00:00:00"}' | ts-spool put many.db >/dev/null
ts-spool audit --json many.db >out
is "$(tail -n 1 out | jq -c '[.received, .devices, .days]')" \
    "[3000,7,$(($(wc -l <out) - 1))]" "many days: each row once"
is "$(head -n -1 out | jq -r '.device + .day' | sort -c 2>&1)" "" "in order"
ts-spool audit many.db | head -n 1 >/dev/null
is "${PIPESTATUS[0]}" 74 "a closed pipe ends it"
done_testing
