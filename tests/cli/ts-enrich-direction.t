#!/bin/bash
# SPDX-License-Identifier: MIT
# Directions by turns, across runs and replays: the same event gets the same answer whenever it
# comes again, and changes nothing. The rules themselves are in tests/golden/ts-enrich/passages.*.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-enrich >/dev/null || skip_all "ts-enrich is not built"
cd "$T" || exit 1
echo '{"zone":"UTC","direction":"alternate"}' >site.json

# event PERSON DAY-HOUR [DEVICE]: "1 05T08" is eight o'clock on the fifth.
event() {
    printf '{"kind":"granted","local_time":"2026-01-%s:00:00","device_id":"%s","person_id":"%s"}\n' \
        "$2" "${3:-GATE}" "$1"
}
ways() {
    sed 's/.*"direction":"\([a-z]*\)".*/\1/; /^{/s/.*/-/' | paste -sd ' '
}

for h in 08 12 13 17; do event 1 05T$h; done >day
is "$(ts-enrich -c site.json day | ways)" "in out in out" "in and out by turns"
is "$(ts-enrich -c site.json day day | ways)" "in out in out in out in out" "a file read twice: the same"

# Across runs: with --state alone.
head -n 1 day | ts-enrich -c site.json --state s >/dev/null
is "$(sed -n 2p day | ts-enrich -c site.json --state s | ways)" out "a later run goes on where the last one ended"
is "$(sed -n 3p day | ts-enrich -c site.json | ways)" in "without --state each run begins anew"
is "$(stat -c %a s)" 600 "the state is for its owner alone"
is "$(ts-enrich -c site.json --state s day | ways)" "in out in out" "a replay says the same"
is "$(event 1 05T18 | ts-enrich -c site.json --state s | ways)" in "and what comes after it goes on"

# A year of history, read again in the middle of everyday life.
for m in 01 02 03 04 05 06 07 08 09 10 11 12; do
    for d in 03 04 05 06; do
        for h in 08 12 13 17; do
            printf '{"kind":"granted","local_time":"2025-%s-%sT%s:00:00","device_id":"GATE","person_id":"9"}\n' \
                $m $d $h
        done
    done
done >year
ts-enrich -c site.json --state y year >once
event 9 05T08 | ts-enrich -c site.json --state y >now
ts-enrich -c site.json --state y year >again
is "$(cmp once again 2>&1)" "" "a year of history gets the same answers again"
is "$(event 9 05T12 | ts-enrich -c site.json --state y | ways)" out "and does not disturb the present"
sed -n '81,$p' year | ts-enrich -c site.json --state y >part
is "$(sed -n '81,$p' once | cmp - part 2>&1)" "" "nor does a history from some day on"

# A device that was cut off hands its events over late.
rm -f l
{ event 1 05T08 A; event 1 05T17 B; } | ts-enrich -c site.json --state l >/dev/null
is "$(event 1 05T12 A | ts-enrich -c site.json --state l | ways)" out "a late one is the other way than the one before it"
is "$({ event 1 05T17 B; event 1 05T18 B; } | ts-enrich -c site.json --state l | ways)" "out in" \
    "what was said of later ones stays"

# The person is one before and after they come into the roster, and on devices that know them by
# different ids.
printf 'person_id,card_no,employee_id\n7,70,E7\n' >roster.csv
event 7 05T08 | ts-enrich -c site.json --state p >/dev/null
is "$(event 7 05T08 | ts-enrich -c site.json --state p -r roster.csv | ways)" in "mapped late: the same event, the same answer"
is "$(event 7 05T12 | ts-enrich -c site.json --state p -r roster.csv | ways)" out "and the same person"
is "$(event 7 05T13 | sed 's/"person_id":"7"/"card_no":"70"/' | ts-enrich -c site.json --state p -r roster.csv | ways)" in \
    "who shows a card elsewhere"
printf 'person_id,device_id,employee_id\n7,A,EA\n7,B,EB\n' >both.csv
is "$({ event 7 06T08 A; event 7 06T09 B; event 7 06T10 A; } | ts-enrich -c site.json -r both.csv | ways)" "in in out" \
    "one PIN, two devices, two people"

# What is in an event already stays, and is learned from.
ts-enrich -c site.json day >once
is "$(ts-enrich -c site.json once | cmp - once 2>&1)" "" "a second run changes nothing"
is "$({ event 1 05T08 | sed 's/}/,"direction":"out"}/'; event 1 05T09; } | ts-enrich -c site.json | ways)" "out in" \
    "a direction that is there counts"

# A zone that is corrected moves the times; the same event stays the same.
rm -f z
ts-enrich -c site.json --state z day >/dev/null
echo '{"zone":"Asia/Manila","direction":"alternate"}' >moved.json
is "$(ts-enrich -c moved.json --state z day | ways)" "in out in out" "another zone: the same directions"

# The file: one process, ours, whole.
mkfifo in
ts-enrich -c site.json --state s <in >held &
tap_pids+=($!)
exec 7>in
event 1 07T08 >&7
wait_for 5 test -s held
ts-enrich -c site.json --state s day 2>err >/dev/null
is "$?" 75 "another process has it: 75"
like "$(<err)" 'another ts-enrich is using it' "… and says so"
exec 7>&-
wait
ts-enrich -c site.json --state s day >/dev/null 2>&1
is "$?" 0 "afterwards it is free"
refused() {
    ts-enrich -c site.json --state "$1" day 2>err >out
    is "$? $(<out)" "78 " "$2: 78, and no event"
    like "$(<err)" "$3" "… and a message what to do"
}
echo '{"a":"b"}' >foreign
refused foreign "a file that is none of ours" 'not a state file'
is "$(<foreign)" '{"a":"b"}' "it is left as it was"
head -c 5000 s >short
refused short "one that was cut short" 'cut short; move it away'
{ head -c 24 s; printf 'XXXX'; tail -c +29 s; } >broken
refused broken "one that is damaged" 'damaged; move it away'
head -c 32 /dev/zero | base64 >key && chmod 600 key
ts-enrich -c site.json --id-key key --state k day >/dev/null
refused k "one of another key" '--id-key'
is "$(strings -n 3 s | grep -c -e GATE -e person)" 0 "no name of a person or device is in it"

# What happens to a mark in the file costs one person their last passages, nothing else.
rm -f m
{ cat day; sed 's/"1"}/"2"}/' day; } | ts-enrich -c site.json --state m >/dev/null
printf 'x' | dd of=m bs=1 seek=$((528384 + 40)) conv=notrunc status=none
got=$({ event 1 05T18; event 2 05T18; } | ts-enrich -c site.json --state m 2>err | ways)
is "$got" "in in" "a damaged trail: that person begins anew"
like "$(<err)" '1 people were half written' "… and is counted"

# SIGTERM is obeyed at once, also while the state waits for its write.
ts-enrich -c site.json --state t <in >out &
pid=$!
exec 7>in
event 1 07T08 >&7
wait_for 5 test -s out
started=${EPOCHREALTIME/./}
kill $pid
wait $pid
is "$?" 0 "SIGTERM: an orderly end"
is "$(((${EPOCHREALTIME/./} - started) / 500000))" 0 "at once"
exec 7>&-
done_testing
