#!/bin/bash
# SPDX-License-Identifier: MIT
# A person who is mapped late: one SIGHUP to the drain, and the held punches go out with the time
# at which they were made. Programs that know nothing of SIGHUP are not ended by it.
. "$(dirname "$0")/../support/tap.sh"
cd "$T" || exit 1

printf '{"zone":"Asia/Manila","roster":"roster.csv","require_employee":true}' >site.json
printf 'person_id,employee_id\n1,E1\n' >roster.csv
for n in 1 2 3 4; do
    printf '{"local_time":"2026-05-04T06:35:0%s","device_id":"G","person_id":"%s"}\n' $n $((n % 2 + 1))
done | ts-enrich -c site.json | ts-spool put q.db >/dev/null

receiver --ledger ledger >receiver.out &
tap_pids+=($!)
wait_for 10 grep -q listening receiver.out
port=$(awk '{print $2}' receiver.out)

ts-spool drain -F q.db --into \
    "ts-enrich -c site.json | cat | ts-send http://127.0.0.1:$port/" 2>drain.err &
drain=$!
tap_pids+=("$drain")

count() {
    [ "$(ts-spool list "--$1" q.db | wc -l)" = "$2" ]
}
wait_for 20 count delivered 2
is "$(ts-spool list --held --by reason q.db)" \
    '{"reason":"person not in the roster","events":2,"held":2}' "the unmapped person's events wait"

printf 'person_id,employee_id\n1,E1\n2,E2\n' >roster.csv
kill -HUP "$drain"
wait_for 20 count delivered 4
ok $? "one SIGHUP to the drain, and they are delivered"
is "$(ts-spool list --held q.db)" '' "nobody is held any more"

# The command of a drain without anything to reload sleeps on.
mkfifo silence
exec 9<>silence
ts-spool put other.db <&9 >/dev/null &
put=$!
tap_pids+=("$put")
wait_for 10 test -s other.db
kill -HUP "$put"
before=$(awk '{print $14 + $15}' "/proc/$put/stat")
sleep 0.5
after=$(awk '{print $14 + $15}' "/proc/$put/stat")
[ $((after - before)) -lt 10 ]
ok $? "a program with nothing to reload does not spin after SIGHUP"

kill -TERM "$drain"
wait "$drain"
is $? 0 "the drain ends in order"
done_testing
