#!/bin/bash
# SPDX-License-Identifier: MIT
# ts-spool backup: a copy of a store in use holds all that had a receipt; what a restored old copy
# sends again, and that a receiver which honours ids has each event once.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
# shellcheck source=tests/support/ledger.sh
. "$(dirname "$0")/../support/ledger.sh"
for p in ts-spool ts-send; do
    [ -x "$B/$p" ] || skip_all "$p is not built"
done
cd "$T" || exit 1

# events FIRST LAST
events() {
    jq -nc --argjson a "$1" --argjson b "$2" 'range($a; $b + 1) | {
        event_id: "00000000-0000-8000-8000-\(1000000000000 + . | tostring | .[1:])",
        local_time: "2026-05-04T06:00:00", device_id: "G", person_id: "\(. % 9)", serial_no: .}'
}

# status NAME WANTED COMMAND...: runs it with its output in out and err.
status() {
    local name=$1 wanted=$2
    shift 2
    "$@" >out 2>err
    is "$?" "$wanted" "$name"
}

# --- the command

events 1 3 | ts-spool put q.db >/dev/null
status "one operand" 64 ts-spool backup q.db
status "no store" 66 ts-spool backup no.db to.db
is "$(ls)" "$(printf 'err\nout\nq.db\nq.db-journal\nq.db-reserve')" "and nothing was made"
status "a copy" 0 ts-spool backup q.db b.db
like "$(cat out)" "^b.db: 3 events, [0-9.]+ kB; restored, it sends 3 again that are not delivered yet$" \
    "says what is in it"
is "$(stat -c %a b.db)" 600 "nobody else may read it"
status "onto something" 73 ts-spool backup q.db b.db
status "into nowhere" 73 ts-spool backup q.db no/b.db
like "$(ls)" "b.db" "the copy is there"
is "$(find . -name '*b.db*' | sort | tr '\n' ' ')" "./b.db " "and nothing beside it"
is "$(ts-spool list b.db | jq -r .event_id | sort)" "$(ts-spool list q.db | jq -r .event_id | sort)" \
    "it has the same events"
ts-spool drain --into 'jq --unbuffered -c "{ack, outcome: \"delivered\"}"' q.db
ts-spool backup q.db c.db >out
is "$(sed 's/[0-9.]* kB/N kB/' out)" "c.db: 3 events, N kB" "all delivered: nothing is sent again"
rm ./*.db*

# --- while it is in use

events 1 12000 >all
mkfifo in
ts-spool put q.db <in >receipts &
put=$!
exec 7>in
head -n 2000 all >&7
wait_for 10 test -s receipts
spawn ts-spool drain -F --into 'jq --unbuffered -c "{ack, outcome: \"delivered\"}"' q.db 2>/dev/null 7>&-
tail -n +2001 all >&7 &
feed=$!
lost=0
for n in 1 2 3 4; do
    event_ids receipts >before
    ts-spool backup q.db "copy$n.db" >/dev/null 2>err || lost=$((lost + 100000))
    ts-spool list "copy$n.db" | event_ids >there
    lost=$((lost + $(only_first before there)))
    ts-spool audit --json "copy$n.db" >sums
    [ "$(tail -n 1 sums | jq .received)" = "$(wc -l <there)" ] || lost=$((lost + 1000000))
done
is "$lost" 0 "copies of a store in use: each event with a receipt is there, and the counts are theirs"
wait $feed
exec 7>&-
wait $put
ok $? "put went on"
wait_for 20 ts-spool stat q.db
ok $? "and so did the drain"
kill -TERM "$spawned"
wait "$spawned"
rm ./*.db*

# --- what a restored old copy sends again

receiver_start --dup 409
deliver() {
    ts-spool drain --into "ts-send $url" q.db
}
events 1 100 | ts-spool put q.db >/dev/null # delivered before the copy
deliver
events 101 150 | ts-spool put q.db >/dev/null # waiting in the copy
ts-spool backup q.db old.db >out
like "$(cat out)" "restored, it sends 50 again" "50 are not delivered yet"
deliver
events 151 180 | ts-spool put q.db >/dev/null # put since
deliver
is "$(ledger_ids "$ledger" | wc -l) $(receiver_sum duplicates)" "180 0" "180 were delivered, each once"
rm q.db*
cp old.db q.db
is "$(ts-spool list --waiting q.db | jq -c .ambiguous | uniq -c | tr -s ' ')" " 50 true" \
    "the restored copy marks what waits: it may have arrived"
events 1 180 | ts-spool put q.db | jq -r .outcome | sort | uniq -c | tr -s ' ' >out
is "$(tr '\n' ' ' <out)" " 150 duplicate  30 stored " "reading all again: what was put since is new"
deliver
is "$(ts-spool stat --json q.db | jq -c '[.delivered, .known_to_receiver, .everything_in]')" \
    '[180,80,true]' "80 were sent again, and the receiver had them"
is "$(ledger_ids "$ledger" | wc -l) $(grep -vcE ' dup( |$)' "$ledger") $(receiver_sum duplicates)" "180 180 80" \
    "it has each event once"
receiver_stop
done_testing
