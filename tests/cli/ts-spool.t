#!/bin/bash
# SPDX-License-Identifier: MIT
# ts-spool: the command line, put, list, retry, skip, purge: options and exit statuses. What stat,
# audit, alerts and backups are about has tests of its own.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-spool >/dev/null || skip_all "ts-spool is not built"
command -v jq >/dev/null || skip_all "needs jq"
cd "$T" || exit 1

# event N PERSON [MEMBERS]: an event of the day 2024-05-DD, DD = N modulo 28 + 1.
event() {
    printf '{"event_id":"00000000-0000-8000-8000-%012d","time":"2024-05-%02dT08:00:00+08:00",' \
        "$1" $(($1 % 28 + 1))
    printf '"device_id":"D%d","person_id":"%s"%s}\n' $(($1 % 2)) "$2" "${3:+,$3}"
}

# status NAME WANTED COMMAND...: runs it with its output in out and err.
status() {
    local name=$1 wanted=$2
    shift 2
    "$@" >out 2>err
    is "$?" "$wanted" "$name"
}

stat_of() {
    ts-spool stat --json "$1" | jq -c '[.waiting, .held, .dead, .skipped, .delivered]'
}

ids() {
    jq -r '.event_id[-2:]' | tr '\n' ' '
}

# --- the command line

status "--help ends with 0" 0 ts-spool --help
like "$(cat out)" "put.*drain.*stat.*list.*audit.*retry.*skip.*purge.*actions.*backup" "and lists the commands"
status "--version" 0 ts-spool --version
like "$(cat out)" '^ts-spool [0-9]' "prints the version"
for c in put drain stat list audit retry skip purge actions backup; do
    status "$c --help ends with 0" 0 ts-spool $c --help
    like "$(cat out)" "^usage: ts-spool $c " "$c --help says how to call it"
    status "$c --version" 0 ts-spool $c -V
    status "$c without a store is a usage fault" 64 ts-spool $c
    status "$c with an unknown option is a usage fault" 64 ts-spool $c --nonsense q.db
    like "$(cat err)" "^ts-spool: --nonsense: no such option; try ts-spool $c --help$" "and says so"
done
status "no command" 64 ts-spool
status "unknown command" 64 ts-spool frobnicate
status "two stores for stat" 64 ts-spool stat a b
ts-spool stat 'postgresql://me:secret@127.0.0.1:1/db' >out 2>err
like "$?" '^(69|78)$' "PostgreSQL is not there, or not built in"
is "$(grep -c secret err)" 0 "and its password is not shown"
status "drain needs --into" 64 ts-spool drain q.db
status "a bad number" 64 ts-spool drain -w 0 --into true q.db
status "a bad size" 64 ts-spool put --max-size 5 q.db
status "a bad time" 64 ts-spool list --since yesterday q.db
status "a bad key" 64 ts-spool list --by shoe q.db
for c in stat list "retry --held" "skip --held --reason x" "purge --person 1" "drain --into true"; do
    # shellcheck disable=SC2086 # words
    status "${c%% *} of a store that is not there" 66 ts-spool $c no.db
done
is "$(ls)" "$(printf 'err\nout')" "and nothing was made"

# --- put

{
    event 1 10 '"ack":"x1"'
    event 2 20 '"ack":"x2"'
    event 1 10 '"ack":"x3"'
} | ts-spool put q.db >receipts
is "$?" 0 "put ends with 0"
is "$(jq -c '[.ack, .outcome]' receipts | tr '\n' ' ')" \
    '["x1","stored"] ["x2","stored"] ["x3","duplicate"] ' "one receipt a line, in order"
is "$(jq -r 'select(.at | fromdateiso8601? // (sub("\\.[0-9]+";"") | fromdateiso8601)) | .event_id' \
    receipts | wc -l)" 3 "with id and time"
event 2 20 | ts-spool put q.db | jq -r .outcome >outcome
is "$(cat outcome)" duplicate "the same id another time is a duplicate"
is "$(ts-spool list q.db | jq -c 'has("ack")' | sort -u)" false "the ack is not stored"
is "$(stat -c %a q.db)" 600 "nobody else may read the store"

{
    event 3 30 '"error":"no such date","raw":"x"'
    event 4 40 '"skip":"test card"'
    event 5 50 '"hold":"person not in the roster"'
    event 6 60 '"error":null,"skip":false,"hold":null'
} | ts-spool put q.db >receipts
is "$?" 0 "marked events are no fault of put"
is "$(jq -r .outcome receipts | sort -u)" stored "they are stored"
is "$(stat_of q.db)" '[3,1,1,1,0]' "as dead, skipped and held"
is "$(ts-spool list --dead q.db | jq -r '.state + ": " + .reason')" "dead: no such date" "with reason"

{
    printf '%s\n' 'not json' '[1]' '{"a":' '' '  '
    event 7 70
    head -c 300 /dev/zero | tr '\0' 'x'
    echo
} >bad
status "lines that are not understood" 65 ts-spool put --max-line 256 bad.db <bad
is "$(cat err)" "ts-spool: 4 lines were not understood: they are among the dead" "are counted"
is "$(jq -r .outcome out | sort | uniq -c | tr -s ' ')" " 5 stored" "and have their receipts"
is "$(stat_of bad.db)" '[1,0,4,0,0]' "and are among the dead"
is "$(ts-spool list --dead bad.db | jq -r 'select(.kind == "other" and .raw and .event_id) | .reason' |
    sort | head -n 1)" "longer than 256 bytes" "with reason, raw bytes and id"
status "the same again" 65 ts-spool put --max-line 256 bad.db <bad
is "$(stat_of bad.db)" '[1,0,4,0,0]' "is known"

printf 'a;b\nc;d\n' >csv
status "nothing but lines that are not understood" 65 ts-spool put csv.bad.db <csv
is "$(cat err)" "ts-spool: 2 lines were not understood: they are among the dead; is this NDJSON? ts-read makes it" \
    "is no NDJSON"
mkfifo live
ts-spool put live.db <live >out 2>live.err &
put=$!
exec 4>live
printf 'x\n' >&4
wait_for 5 grep -q . live.err
is "$(cat live.err)" "ts-spool: 1 line not understood so far: see ts-spool list --dead" \
    "a live pipe tells of the first at once"
exec 4>&-
wait $put

printf '{"event_id":"00000000-0000-8000-8000-000000000099"}' >torn
status "a last line without its end, that is whole" 0 ts-spool put torn.db <torn
is "$(stat_of torn.db)" '[1,0,0,0,0]' "is an event"
printf '{"event_id":"00000000-0000-8000-8000-0000' >torn
status "a torn one" 65 ts-spool put torn.db <torn
is "$(cat out)$(stat_of torn.db)" '[1,0,0,0,0]' "is not stored and has no receipt"

# Ids: of other forms, and those that are missing.
printf '%s\n' '{"event_id":"my own id","ack":"1"}' '{"event_id":"my own id"}' \
    '{"event_id":"my own ID"}' |
    ts-spool put own.db | jq -r '.event_id + " " + .outcome' >out
is "$(cat out)" "$(printf 'my own id stored\nmy own id duplicate\nmy own ID stored')" \
    "an id of any form is an id"
without='"local_time":"2024-05-01T08:00:00","device_id":"D","person_id":"5"'
printf '{%s}\n{%s,"ack":"7"}\n{%s,"ack":"8","time":"2024-05-01T08:00:00Z"}\n{"x":1}\n{"x":1,"ack":"9"}\n' \
    "$without" "$without" "$without" | ts-spool put own.db | jq -r .outcome | tr '\n' ' ' >out
is "$(cat out)" "stored duplicate duplicate stored duplicate " "a missing id is worked out"
is "$(ts-spool list own.db | jq -r 'select(.event_id == null)')" "" "and stored with the event"

printf '{"event_id":"00000000-0000-8000-8000-000000000001","a":1.10,"b":12345678901234567890,"\\u0061b":{"x":[]}}  \r\n' |
    ts-spool put bytes.db >/dev/null
is "$(ts-spool list --waiting bytes.db | sed 's/,"stored_at":"2[^"]*Z"}$/}/')" \
    '{"event_id":"00000000-0000-8000-8000-000000000001","a":1.10,"b":12345678901234567890,"\u0061b":{"x":[]},"state":"waiting"}' \
    "fields that nobody knows keep their bytes"

event 1 1 | ts-spool put two-a.db >/dev/null
{
    event 1 1 '"ack":"a"'
    event 2 2 '"ack":"b"'
    event 2 2 '"ack":"c"'
} | ts-spool put two-a.db two-b.db | jq -c '[.ack, .outcome]' | tr '\n' ' ' >out
is "$(cat out)" '["a","stored"] ["b","stored"] ["c","duplicate"] ' \
    "into two stores: one receipt, duplicate when both had it"
is "$(stat_of two-a.db)$(stat_of two-b.db)" '[2,0,0,0,0][2,0,0,0,0]' "and both have the events"
event 3 3 >three
status "when one of two stores fails" 73 ts-spool put two-a.db no/two-b.db <three
is "$(cat out)" "" "there is no receipt"

{
    event 1 1 # 2 May
    event 9 1 # 10 May
    printf '{"event_id":"x"}\n'
} | ts-spool put --not-before 2024-05-03 cut.db >/dev/null
is "$(ts-spool list cut.db | jq -r .state | tr '\n' ' ')" "skipped waiting waiting " \
    "--not-before stores older events as skipped"
is "$(ts-spool list --skipped cut.db | jq -r .reason)" "before 2024-05-03" "and says why"
event 2 2 | ts-spool put --not-before 2024-05-03T08:00:00+08:00 cut.db >/dev/null
event 30 2 | ts-spool put --not-before 2024-05-03T01:00:00Z cut.db >/dev/null
is "$(ts-spool list cut.db | tail -n 2 | jq -r .state | tr '\n' ' ')" "waiting skipped " \
    "with an offset moments are compared"

for i in $(seq 1000); do event "$i" 1; done >thousand
status "--max-size refuses what is too much" 74 ts-spool put --max-size 100k full.db <thousand
like "$(cat err)" "full.db: has reached its largest size" "and says so"
is "$(jq -r .outcome out | sort -u)" "" "without a receipt"
head -n 50 thousand | ts-spool put --max-size 100k full.db | jq -r .outcome | sort | uniq -c |
    tr -s ' ' >out
is "$(cat out)" " 50 stored" "what fits is stored"
status "after a full store" 0 ts-spool put full.db <thousand
is "$(stat_of full.db)" '[1000,0,0,0,0]' "nothing was lost"

# At once when idle: the receipt comes while the input is still open.
mkfifo in
ts-spool put idle.db <in >idle.out &
put=$!
exec 4>in
event 1 1 >&4
wait_for 5 grep -q stored idle.out
ok $? "a receipt comes at once when no more input is there"
event 2 2 >&4
kill -TERM $put
wait $put
is $? 0 "SIGTERM ends put with 0"
exec 4>&-
is "$(wc -l <idle.out)" "$(ts-spool list idle.db | wc -l)" "and what has a receipt is there"

# --- stat

ts-spool put empty.db </dev/null
status "stat of an empty store" 0 ts-spool stat empty.db
is "$(cat out)" "nothing was ever put: 0 delivered, 0 waiting, 0 held, 0 dead, 0 skipped" "says so"
status "stat when events wait" 75 ts-spool stat q.db
like "$(cat out)" "^not everything is in: 0 delivered, 3 waiting, 1 held, 1 dead, 1 skipped; the oldest has waited [0-9]+s; held for up to [0-9]+s; no drain is at work$" \
    "says how many and how long"
status "stat --json" 75 ts-spool stat --json q.db
is "$(jq -c '[.everything_in, .stored, .duplicates, .waiting, (.bytes > 1000), (.oldest_waiting_s < 60),
    (.last_put[:2]), .draining]' out)" '[false,6,2,3,true,true,"20",false]' "is one object"
status "stat --prometheus ends with 0" 0 ts-spool stat --prometheus q.db
like "$(cat out)" 'ts_spool_events\{store="q.db",state="waiting"\} 3' "and counts by state"
is "$(grep -v '^#' out | grep -cvE '^ts_spool_[a-z_]+\{store="q.db"(,state="[a-z]+")?\} [0-9.]+$')" 0 \
    "in the text format"
cp q.db 'we"ird.db'
like "$(ts-spool stat --prometheus 'we"ird.db')" 'store="we\\"ird.db"' "labels are escaped"

# --- list

is "$(ts-spool list q.db | ids)" "01 02 03 04 05 06 " "list prints all, in order of arrival"
is "$(ts-spool list --held --dead q.db | ids)" "03 05 " "or those in some states"
is "$(ts-spool list --waiting q.db | jq -r .state | sort -u)" waiting "with their state"
is "$(ts-spool list --device D1 q.db | ids)" "01 03 05 " "or of a device"
is "$(ts-spool list --person 20 q.db | ids)" "02 " "or of a person"
is "$(ts-spool list --since 2024-05-04 --until 2024-05-05 q.db | ids)" "03 04 " "or of some days"
is "$(ts-spool list --since 2024-05-03T23:59:00Z q.db | ids)" "03 04 05 06 " "or from a moment on"
is "$(ts-spool list --id 00000000-0000-8000-8000-000000000004 q.db | ids)" "04 " "or one"
is "$(ts-spool list --id 00000000-0000-8000-8000-000000000044 q.db)" "" "or none"
is "$(ts-spool list --id 'my own ID' own.db | wc -l)" 1 "also by an id of another form"
is "$(ts-spool list --dead --id 00000000-0000-8000-8000-000000000004 q.db)" "" "id and state"
is "$(ts-spool list --by device q.db | jq -c '[.device, .events, .waiting, .held]' | tr '\n' ' ')" \
    '["D1",3,1,1] ["D0",3,2,null] ' "--by counts"
is "$(ts-spool list --by day --csv q.db | tr -d '\r' | sed -n 2p)" '"2024-05-02",1,1,0,0,0,0' \
    "also as a table"
event 8 '=cmd()' '"reader":"  @x","hold":"a \"quoted\", thing"' | ts-spool put csv.db >/dev/null
is "$(ts-spool list --csv csv.db | tr -d '\r' | tail -n 1 | sed 's/,2[^,]*Z$//')" \
    '"00000000-0000-8000-8000-000000000008","2024-05-09T08:00:00+08:00","","D0","'"'"'  @x","","","'"'"'=cmd()","","","","held","a ""quoted"", thing",0' \
    "--csv starts no formula"
event 9 '\u0000=1+1' '"reader":"\u001b[31m\r\n","hold":"\u009b2J\u202e"' | ts-spool put cell.db >/dev/null
is "$(ts-spool list --csv cell.db | tail -n 1 | cut -d, -f5,8,13 | LC_ALL=C tr -d ' -~')" "" \
    "--csv moves no cursor"
is "$(ts-spool list --csv cell.db | tail -n 1 | cut -d, -f8)" '"\x00=1+1"' "nor hides a formula"
printf '{"event_id":"s","state":"of mind","reason":"mine","attempts":7,"stored_at":"shop"}\n' |
    ts-spool put s.db >/dev/null
is "$(ts-spool list s.db | sed 's/,"stored_at":"2[^"]*Z"}$/}/')" '{"event_id":"s","attempts":7,"state":"waiting"}' \
    "members of the same name make room"
ts-spool list full.db | head -n 1 >/dev/null
is "${PIPESTATUS[0]}" 74 "a closed pipe ends list"
is "$(ts-spool list full.db 2>&1 >/dev/full)" \
    "ts-spool: standard output: cannot write: No space left on device" "a full one is said"

# --- retry, skip, purge

deliver='jq --unbuffered -c "{ack, outcome: \"delivered\"}"'
hold='jq --unbuffered -c "{ack, outcome: (if .hold then \"held\" else \"delivered\" end)}"'
status "drain delivers what waits" 0 ts-spool drain --into "$hold" q.db
is "$(stat_of q.db)" '[0,1,1,1,3]' "and leaves the rest"
status "retry needs to know which" 64 ts-spool retry q.db
status "retry --delivered needs more" 64 ts-spool retry --delivered --reason lost q.db
status "and a reason" 64 ts-spool retry --delivered --id x q.db
status "retry --held" 0 ts-spool retry --held --reason 'roster corrected' q.db
is "$(cat out)" "retry: 1 event" "says how many"
is "$(stat_of q.db)" '[1,0,1,1,3]' "puts them back"
is "$(ts-spool list --waiting q.db | jq -r .reason)" "put back by hand" "with a reason"
status "retry of delivered ones" 0 \
    ts-spool retry --delivered --since 2024-05-03 --reason 'receiver lost a disk' q.db
is "$(stat_of q.db)" '[3,0,1,1,1]' "puts them back"
ts-spool retry --id 00000000-0000-8000-8000-000000000003 q.db >out
is "$(cat out) $(stat_of q.db)" "retry: 1 event [4,0,0,1,1]" "retry of one dead"
ts-spool drain --into "$deliver" q.db
is "$(stat_of q.db)" '[0,0,0,1,5]' "all are delivered"
event 20 5 '"hold":"x"' | ts-spool put q.db >/dev/null
status "skip needs a reason" 64 ts-spool skip --held q.db
status "skip" 0 ts-spool skip --held --reason 'left the company' q.db
is "$(ts-spool list --skipped q.db | jq -r .reason | tail -n 1)" "left the company" "gives events up"
status "purge needs to know what" 64 ts-spool purge q.db
event 21 10 '"hold":"x"' | ts-spool put q.db >/dev/null
status "purge of a person" 0 ts-spool purge --person 10 q.db
is "$(cat out) $(ts-spool list --person 10 q.db | jq -r .state)" \
    "purge: 1 event; what is not delivered stays, unless --undelivered asks held" \
    "takes what is delivered"
status "purge --undelivered" 0 ts-spool purge --person 10 --undelivered --reason request q.db
is "$(cat out)$(ts-spool list --person 10 q.db)" "purge: 1 event" "takes all"
is "$(grep -c '"person_id":"10"' q.db)" 0 "and leaves no trace in the file"
event 1 10 | ts-spool put q.db | jq -r .outcome >out
is "$(cat out)" duplicate "the ids stay known"
status "purge --delivered-before" 0 ts-spool purge --delivered-before 2000-01-01 q.db
is "$(cat out)" "purge: 0 events" "a long time ago there was nothing"
ts-spool purge --delivered-before 2999-01-01 q.db >out
is "$(cat out) $(stat_of q.db)" "purge: 4 events [0,0,0,2,5]" "later there was"
gone=00000000-0000-8000-8000-000000000001
is "$(ts-spool list --id $gone q.db)$(ts-spool retry --id $gone q.db | cut -d ';' -f 1) $(stat_of q.db)" \
    "retry: 0 events [0,0,0,2,5]" "an id whose line was purged names no other event"
ts-spool purge --delivered-before 2999-01-01 --skipped q.db >out
is "$(cat out) $(ts-spool list q.db | wc -l)" "purge: 2 events 0" "--skipped too"
is "$(ts-spool stat q.db | head -c 17)" "everything is in:" "everything is in"
is "$(ts-spool actions --json q.db | head -n 3 | jq -r '"\(.what)|\(.reason)|\(.events)"' | tr '\n' ' ')" \
    "retry --held|roster corrected|1 retry --delivered --since 2024-05-03|receiver lost a disk|2 $(
        )retry --id 00000000-0000-8000-8000-000000000003|null|1 " \
    "what was done by hand is on record"
done_testing
