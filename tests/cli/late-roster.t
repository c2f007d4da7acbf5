#!/bin/bash
# SPDX-License-Identifier: MIT
# A person who is mapped late: one SIGHUP to the drain, or its slow retry alone, and the held
# punches go out with the time at which they were made. Programs that know nothing of SIGHUP are not
# ended by it.
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
    "ts-enrich -c site.json | tee -a sent | ts-send http://127.0.0.1:$port/" 2>drain.err &
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
# times EMPLOYEE: the moments that were sent to the receiver under this employee_id.
times() {
    jq -r --arg e "$1" 'select(.employee_id == $e) | .time' sent | tr '\n' ' '
}
is "$(times E2)" "2026-05-04T06:35:01+08:00 2026-05-04T06:35:03+08:00 " \
    "with the time at which they were made, in their order"
is "$(cut -d ' ' -f 1 ledger | sort -u | wc -l)" 4 "each is at the receiver"

# Without a signal: what is held is tried again after --hold-retry, by then with the new roster.
cp site.json other.json
sed -i 's/roster.csv/slow.csv/' other.json
printf 'person_id,employee_id\n1,E1\n' >slow.csv
printf '{"local_time":"2026-05-03T06:35:0%s","device_id":"G","person_id":"7"}\n' 1 2 |
    ts-enrich -c other.json | ts-spool put slow.db >/dev/null
ts-spool drain -F --hold-retry 300ms slow.db --into \
    "ts-enrich -c other.json | tee -a sent | ts-send http://127.0.0.1:$port/" 2>slow.err &
slow=$!
tap_pids+=("$slow")
tried() {
    [ "$(grep -c '"person_id":"7"' sent)" -ge 2 ]
}
wait_for 20 tried
ok $? "the held are tried"
is "$(ts-spool list --held slow.db | wc -l)" 2 "and stay held"
printf 'person_id,employee_id\n1,E1\n7,E7\n' >slow.csv
all_in() {
    ts-spool stat slow.db
}
wait_for 20 all_in
ok $? "the slow retry delivers them when the person is in the roster, without a signal"
is "$(times E7)" "2026-05-03T06:35:01+08:00 2026-05-03T06:35:02+08:00 " "with their own time"
kill -TERM "$slow"
wait "$slow"
is $? 0 "and that drain ends in order"

# The same for cards that wait for the rule of their reader, and for PINs that wait for the day from
# which their new owner has them: what was made before that day stays the old owner's, or nobody's.
printf '{"zone":"Asia/Manila","require_employee":true,"roster":"dated.csv","roster_card":"pair"}' \
    >dated.json
cat >dated.csv <<'END'
person_id,card_no,employee_id,valid_from,valid_until
3;6,,E3,,2026-04-30
,"077,30211",E4,,
END
printf '{"local_time":"%s","device_id":"G",%s}\n' \
    2026-04-30T23:59:59 '"person_id":"3"' 2026-05-01T00:00:00 '"person_id":"6"' \
    2026-05-02T06:00:00 '"person_id":"3"' 2026-05-02T06:35:04 '"card_no":"0A004D7603"' |
    ts-enrich -c dated.json | ts-spool put dated.db >/dev/null
ts-spool drain -F dated.db --into \
    "ts-enrich -c dated.json | tee -a dated | ts-send http://127.0.0.1:$port/" 2>dated.err &
dated=$!
tap_pids+=("$dated")
dated_count() {
    [ "$(ts-spool list "--$1" dated.db | wc -l)" = "$2" ]
}
wait_for 20 dated_count delivered 1
is "$(ts-spool list --held dated.db | jq -r '.card_no // .local_time' | tr '\n' ' ')" \
    "2026-05-01T00:00:00 2026-05-02T06:00:00 0A004D7603 " "the last day of an owner is theirs"
ids=$(ts-spool list --held dated.db | jq -r .event_id | sort)
sed -i 's/^{/{"card":"hex last 24",/' dated.json
kill -HUP "$dated"
wait_for 20 dated_count delivered 2
ok $? "a rule for the reader wakes the card"
echo '3;6,,E5,2026-05-02,' >>dated.csv
kill -HUP "$dated"
wait_for 20 dated_count delivered 3
ok $? "a new owner wakes what was made since"
is "$(ts-spool list --held dated.db | jq -r .local_time)" 2026-05-01T00:00:00 \
    "the day between is nobody's"
row='[.employee_id, .card_no, .card_read, .local_time] | join(" ")'
is "$(jq -r "select(.employee_id) | $row" dated | sort -u)" \
    "E3   2026-04-30T23:59:59
E4 5076483 0A004D7603 2026-05-02T06:35:04
E5   2026-05-02T06:00:00" "each to the owner of that day"
is "$(jq -r 'select(.local_time > "2026-05") | .event_id' dated | sort -u)" "$ids" \
    "under their old ids"
kill -TERM "$dated"
wait "$dated"
is $? 0 "and that drain ends in order"

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
