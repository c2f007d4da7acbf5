#!/bin/bash
# SPDX-License-Identifier: MIT
# Corrections: a zone that was wrong for a month is set right. What waits goes out right by itself;
# what was delivered is listed with what changes, and sent again on purpose, with its old id.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
# shellcheck source=tests/support/ledger.sh
. "$(dirname "$0")/../support/ledger.sh"
for p in ts-enrich ts-spool ts-send receiver; do
    command -v $p >/dev/null || skip_all "$p is not built"
done
cd "$T" || exit 1
# shellcheck disable=SC2119 # no options for the receiver
receiver_start || skip_all "no receiver"

# --- a month: two gates, three people, one of whom HR learns of late -------------------------------

cat >site.json <<'END'
{"zone": "Asia/Manila", "roster": "roster.csv", "require_employee": true, "devices": {
    "GATE-1": {},
    "GATE-2": {"zone": "Asia/Manila", "readers": {"1": "in", "2": "out"}}}}
END
printf 'person_id,employee_id\n1,E1\n2,E2\n' >roster.csv
for day in 01 02 03 04 05 06 07 08 09 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28; do
    for person in 1 2 3; do
        for gate in 1 2; do
            printf '{"local_time":"2026-03-%sT0%s:30:0%s","device_id":"GATE-%s","person_id":"%s"}\n' \
                $day $((6 + gate)) $person $gate $person
        done
    done
done >month.ndjson
put() {
    ts-enrich -c site.json | ts-spool put q.db >put.out
}
drain() {
    ts-spool drain q.db --into \
        "ts-enrich -c site.json | tee -a $1 | ts-send $url" 2>drain.err
}
# moments FILE: what a receiver was sent, a line an event: id, time, employee.
moments() {
    jq -r '[.event_id, .time, .employee_id // "-"] | @tsv' "$1" | sort
}
# right FILE…: the same as it ought to be, from the files of today in one run.
right() {
    ts-enrich -c site.json "$@" | jq -r '[.event_id, .time, .employee_id // "-"] | @tsv' | sort
}

head -n 144 month.ndjson | put
drain first.sent
is "$(grep -c '"time":"2026-03-0[1-9]T08:30:.*+08:00"' first.sent)" 18 \
    "half a month is delivered with the wrong zone"
is "$(ts-spool list --delivered q.db | wc -l) $(ts-spool list --held q.db | wc -l)" "96 48" \
    "one person is held: nobody has told HR's number"
tail -n +145 month.ndjson | put

# --- set right ------------------------------------------------------------------------------------

cp site.json site.old.json
sed -i '/GATE-2/s/Manila/Tokyo/' site.json
printf 'person_id,employee_id\n1,E1\n2,E2\n3,E3\n' >roster.csv
cp q.db before.db

ts-spool list --delivered q.db | ts-enrich -c site.json --changes >changes 2>err
is "$?" 0 "--changes ends with 0"
is "$(wc -l <changes)" 48 "what changes of the delivered is listed: the events of that gate"
is "$(cat err)" "ts-enrich: 48 of 96 events change: time 48" "and counted by field"
is "$(head -n 1 changes)" '{"event_id":"019ca884-cb28-818a-a3a6-1c9882df6cf4",'\
'"device_id":"GATE-2","local_time":"2026-03-01T08:30:01","person_id":"1","employee_id":"E1",'\
'"changes":{"time":{"was":"2026-03-01T08:30:01+08:00","now":"2026-03-01T08:30:01+09:00"}}}' \
    "with what it was and what it is now"
ts-spool list --delivered q.db | ts-enrich -c site.old.json | ts-enrich -c site.old.json --changes \
    >none 2>err
is "$(cat none err)" "ts-enrich: 0 of 96 events change" "the old file changes nothing"
cmp -s q.db before.db
ok $? "to look changes nothing in the store"

drain second.sent
is "$(wc -l <second.sent)" 72 "what waited goes out, with the one who was held"
is "$(moments second.sent)" "$(right <(tail -n +145 month.ndjson) \
    <(head -n 144 month.ndjson | grep '"person_id":"3"'))" "with the zones and people of today"
is "$(grep -c '"GATE-2".*+08:00\|"GATE-1".*+09:00' second.sent)" 0 "each gate has its own zone"
is "$(cut -d ' ' -f 3 "$ledger" | sort | uniq -c | xargs)" "168 201" "nothing was sent again so far"

# --- sent again on purpose ------------------------------------------------------------------------

ts-spool retry --delivered --ids changes q.db >out 2>err
is "$? $(cat out)" "64 " "no reason, no second delivery"
is "$(ts-spool retry --delivered --ids changes -n q.db)" \
    "retry: 48 events at most would be changed" "-n says how many it would be"
is "$(ts-spool retry --delivered --ids changes --reason 'zone of GATE-2' q.db)" \
    "retry: 48 events" "those and no others are put back"
is "$(ts-spool retry --delivered --ids changes --reason 'zone of GATE-2' q.db)" \
    "retry: 0 events" "once"
drain third.sent
is "$(moments third.sent)" \
    "$(right <(head -n 144 month.ndjson | grep 'GATE-2.*person_id":"[12]"'))" \
    "they go out with the right time, under the id that they had"
is "$(cut -d ' ' -f 3 "$ledger" | sort | uniq -c | xargs)" "168 201 48 dup" \
    "the receiver sees the same 48 ids a second time"
is "$(ts-spool stat q.db)" "everything is in: 168 delivered, 0 waiting, 0 held, 0 dead, 0 skipped" \
    "everything is in"
like "$(ts-spool actions q.db)" 'retry --delivered --ids changes: 48 events: zone of GATE-2' \
    "the queue remembers who did it, and why"
for person in 1 2; do
    is "$(jq -r --arg p $person 'select(.person_id == $p) | .local_time' third.sent)" \
        "$(jq -r --arg p $person 'select(.person_id == $p) | .local_time' third.sent | sort)" \
        "person $person: in order"
done

# --- whatever the site file says ------------------------------------------------------------------

# A device under another name, readers the wrong way round, a key that means something else: put with
# the old files, drained with the new ones. Each comes out as if they had been there from the start,
# under the id that it got first.
cat >first.json <<'END'
{"zone": "Asia/Manila", "roster": "first.csv", "require_employee": true, "devices": {
    "GATE-1": {"readers": {"1": "in", "2": "out"}, "punch": {"check_in": "out"}}}}
END
cat >today.json <<'END'
{"zone": "Asia/Tokyo", "roster": "today.csv", "require_employee": true, "devices": {
    "GATE-1": {"readers": {"1": "out", "2": "in"}, "punch": {"check_in": "in"},
               "aliases": ["10.0.0.7"]}}}
END
printf 'person_id,employee_id,name\n1,E1,A\n2,E2,B\n' >first.csv
printf 'person_id,employee_id,name\n1,E7,A\n3,E3,C\n2,E2,B\n' >today.csv
for name in GATE-1 10.0.0.7; do
    for n in 1 2 3 4; do
        printf '{"local_time":"2026-05-04T08:00:0%s","device_id":"%s","person_id":"%s","reader":"%s"%s}\n' \
            $n "$name" $((n % 3 + 1)) $((n % 2 + 1)) "$([ $n = 4 ] && echo ',"punch":"check_in"')"
    done
done >passages.ndjson
ts-enrich -c first.json passages.ndjson | tee put.first | ts-spool put other.db >put.out
ts-enrich -c today.json passages.ndjson | jq -cS 'del(.event_id)' | sort >wanted
ts-spool drain other.db --into "ts-enrich -c today.json | tee -a other.sent | ts-send $url" 2>drain.err
is "$(jq -cS 'del(.event_id, .ack)' other.sent | sort)" "$(<wanted)" \
    "zone, roster, alias, readers and keys of today, for what was put with those of yesterday"
is "$(jq -r .event_id other.sent | sort)" "$(jq -r .event_id put.first | sort)" \
    "under the ids that were given first"
is "$(jq -cS 'del(.event_id)' put.first | sort | comm -12 - wanted | wc -l)" 0 "all of them changed"

# --- other ways to name them ----------------------------------------------------------------------

ts-spool list --delivered q.db | ts-enrich -c site.old.json | ts-enrich -c site.json --changes \
    2>/dev/null | ts-spool retry -n --delivered --ids - q.db >out
is "$(cat out)" "retry: 84 events at most would be changed" \
    "with the old file first: what was sent then against what would be sent now"
jq -r .event_id changes | ts-spool list --ids - q.db >out
is "$(wc -l <out)" 48 "list --ids takes ids alone, one a line"
cat changes changes | ts-spool retry -n --delivered --ids - q.db >out
is "$(<out)" "retry: 48 events at most would be changed" "an id that stands there twice counts once"
is "$(ts-spool list --ids /dev/null q.db)" "" "no ids are no events, not all of them"
is "$(ts-spool retry --delivered --ids /dev/null --reason x q.db)" "retry: 0 events" \
    "neither for retry"
for bad in '{"a":1}' '{' ''; do
    printf '%s\n%s\n' "$(head -n 1 changes)" "$bad" |
        ts-spool retry --delivered --ids - --reason x q.db >out 2>err
    is "$? $(cat out)" "65 " "a list with a line '$bad' is refused"
    like "$(cat err)" '^ts-spool: --ids -: line 2: .*; nothing was done$' "and nothing is done"
done
ts-spool retry --delivered --ids nowhere --reason x q.db 2>err
is "$?" 66 "a list that is not there: 66"

# --- --changes by itself --------------------------------------------------------------------------

changes() {
    printf '%s\n' "$1" | ts-enrich -z UTC --changes 2>err | jq -c .changes
}
is "$(changes '{"event_id":"x","device_id":"D","own":1,"time_note":"gap","local_time":"2026-01-01T00:00:00"}')" \
    '{"time":{"now":"2026-01-01T00:00:00+00:00"},"snapshot":{"now":null},"time_note":{"was":"gap"}}' \
    "new, other and lost fields"
is "$(cat err)" "ts-enrich: 1 of 1 events change: time 1, time_note 1, snapshot 1" "are counted"
printf 'no event\n{"event_id":"x","snapshot":null}\n' | ts-enrich --changes >out 2>err
is "$? $(cat out)" "65 " "a line that is no event is told by the status, and is not listed"
done_testing
