#!/bin/bash
# SPDX-License-Identifier: MIT
# Site file and roster are read again between two lines when they change, and on SIGHUP, while the
# input is idle and under load; what cannot be read or has lost everybody is refused, and the old
# one stays.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-enrich >/dev/null || skip_all "ts-enrich is not built"
cd "$T" || exit 70

line='{"local_time":"2026-01-07T10:34:08","device_id":"GATE-2","person_id":"126"}'

site() {
    printf '{"zone":"%s","roster":"roster.csv","require_employee":true,"devices":{"GATE-2":{}}}' \
        "$1" >site.json
}
roster() {
    printf 'person_id,employee_id\n%s' "$1" >roster.csv
}
site Asia/Manila
roster $'126,E1\n'

mkfifo in
exec 7<>in
spawn bash -c 'exec ts-enrich -c site.json <in >out 2>err'
enricher=$spawned
sent=0

# send: one line, and wait for what becomes of it; sets $got.
send() {
    echo "$line" >&7
    sent=$((sent + 1))
    wait_for 10 eval "[ \$(wc -l <out) -eq $sent ]"
    got=$(tail -n 1 out | jq -r '[.time[19:], .employee_id // .hold] | join(" ")')
}

said=0
# reload: SIGHUP while nothing comes in, until a message says what became of it; sets $said_now.
reload() {
    kill -HUP "$enricher"
    wait_for 10 eval "[ \$(grep -cE 'read again|going on with' err) -gt $said ]"
    said=$((said + 1))
    said_now=$(tail -n 1 err)
}

send
is "$got" "+08:00 E1" "before"
site Europe/Berlin
roster $'126,E2\n5,E5\n'
changed() {
    send
    [ "$got" != "+08:00 E1" ]
}
wait_for 10 changed
is "$got" "+01:00 E2" "changed files are read again by themselves"
like "$(tail -n 1 err)" "read again" "and that is said"
said=$(grep -cE 'read again|going on with' err)
site Asia/Manila
roster $'126,E1\n5,E5\n'
reload
send
is "$got" "+08:00 E1" "at once on SIGHUP"
site Europe/Berlin
roster $'126,E2\n5,E5\n'
reload
is "$said_now" "ts-enrich: site and roster read again: 1 devices, 2 people" "SIGHUP reads them, while idle"
send
is "$got" "+01:00 E2" "and the next event knows"

roster $'125,E2\n'
reload
send
is "$got" "+01:00 person not in the roster" "somebody who is gone is held"

echo '{"zone":' >site.json
reload
like "$said_now" 'site.json:2:1: not JSON.*; going on with the old site and roster' "a broken site file is refused"
site Asia/Manila
roster ''
reload
like "$said_now" 'the new roster has nobody in it; going on with the old' "a roster without people too"
: >roster.csv
reload
like "$said_now" 'roster.csv: empty.*going on with the old' "an empty one too"
rm roster.csv
reload
like "$said_now" 'roster.csv: cannot open.*going on with the old' "a missing one too"
roster $'126,E3\n'
echo '{"zone":"UTC","roster":"roster.csv"}' >site.json
reload
like "$said_now" 'the new site file has no devices; going on with the old' "a site that lost its devices too"
send
is "$got" "+01:00 person not in the roster" "all that time the old ones were in use"
site UTC
reload
send
is "$got" "+00:00 E3" "until there were good ones"
kill -0 "$enricher"
ok $? "it still runs"
# A process that spins after a signal would show here: a second is a hundred ticks.
read -r -a stat <"/proc/$enricher/stat"
[ $((stat[13] + stat[14])) -lt 50 ]
ok $? "and spent no time waiting ($((stat[13] + stat[14])) ticks)"
exec 7>&-
kill -TERM "$enricher"
wait "$enricher"
is "$?" 0 "SIGTERM: status 0"

# Under load: reloads in the middle of many lines lose and change nothing.
site Asia/Manila
yes "$line" | head -n 400000 >many
mkfifo slow
spawn bash -c 'exec ts-enrich -c site.json <many >slow 2>err'
enricher=$spawned
spawn bash -c 'exec cat <slow >loaded'
reader=$spawned
wait_for 10 test -s loaded # it listens to signals
hups=0
while kill -HUP "$enricher" 2>/dev/null; do
    hups=$((hups + 1))
done
wait "$enricher"
is "$?" 0 "reloads under load: status 0"
wait "$reader"
[ "$hups" -gt 3 ] && [ "$(grep -c 'read again' err)" -gt 1 ]
ok $? "there were some ($hups sent)"
is "$(wc -l <loaded) $(sort -u loaded | wc -l)" "400000 1" "every line came out, all alike"
done_testing
