#!/bin/bash
# ts-read --into on files: receipts, exit status, and the checkpoint through kill -9.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-read >/dev/null || skip_all "ts-read is not built"
command -v jq >/dev/null || skip_all "needs jq"
cd "$T" || exit 1
store=$ROOT/tests/support/store.pl

event() { printf '{"local_time":"2026-01-07T10:34:08","n":"%s"}\n' "$1"; }
events() { seq "$1" "$2" | sed 's/.*/{"local_time":"2026-01-07T10:34:08","n":"&"}/'; }
numbers() { sed -n 's/.*"n":"\([^"]*\)".*/\1/p' "$1"; }
# into COMMAND ARG...: runs it; sets $status and $err.
into() {
    local command=$1
    shift
    rm -f ledger
    ts-read -d D --into "$command" "$@" >out 2>err
    status=$?
    err=$(<err)
}

# --- receipts --------------------------------------------------------------------------------------
events 1 2000 >log
into "$store ledger" log
is "$status$err" 0 "all stored: exit 0, nothing said"
is "$(numbers ledger | cksum)" "$(seq 2000 | cksum)" "each event once, in order"
is "$(jq -r .ack ledger | sort -u | wc -l)" 2000 "each with an ack of its own"
is "$(wc -c <out)" 0 "nothing on standard output"
{ event 1 | sed 's/}/,"ack":"old"}/'; } >tagged
into "$store ledger" tagged
is "$(grep -o '"ack"' ledger | wc -l)" 1 "an ack of an earlier life is replaced"
for outcome in held deferred mute; do
    into "$store ledger $outcome 100" log
    is "$status" 75 "$outcome is not final: exit 75"
    like "$err" '20 events without a final receipt' "the events are counted"
done
into "$store ledger die 500" log
is "$status" 75 "a command that dies: exit 75"
like "$err" 'exit status 9' "its status is told"
into 'cat >/dev/null' log
is "$status" 75 "a command that answers nothing: exit 75"
like "$err" '2000 events without a final receipt' "and ends"
into "cat >/dev/null; exit 3" empty /dev/null
is "$status" 66 "a missing file counts more"
into 'exec no-such-command' log
is "$status" 75 "a command that is none"
into "tac | $store ledger" log
is "$status" 0 "a command that answers at its end gets the end of its input"
printf 'broken\n' >>log
into "$store ledger" -f ndjson log
is "$status $(grep -c '"error"' ledger)" "65 1" "what is not understood is handed over too"
events 1 200 >log
into "sleep 1000 <&- >&- & exec $store ledger" log
is "$status" 0 "a process that the command leaves behind holds up nothing"
began=$SECONDS
into "trap '' TERM; cat >/dev/null; while :; do sleep 1; done" --answer-within 300ms log
is "$status" 75 "--answer-within: no answer is waited for longer"
is "$((SECONDS - began < 15))" 1 "and a command that does not want to end is ended"

# SIGTERM: what was handed over is waited for.
mkfifo fifo
STORE_DELAY_MS=50 spawn ts-read -d D --into "$store ledger" fifo 2>err
reader=$spawned
rm -f ledger
exec 7>fifo
events 1 10 >&7
wait_for 5 test -s ledger
kill -TERM "$reader"
wait "$reader"
is $? 0 "SIGTERM waits for what is on its way"
is "$(numbers ledger | tr '\n' ' ')" "1 2 3 4 5 6 7 8 9 10 " "and all of it is stored"
exec 7>&-

# --- the checkpoint --------------------------------------------------------------------------------
place() { jq -r ".sources[] | select(.source==\"$1\") | .$2" checkpoint; }
events 1 100 >log
into "$store ledger" --checkpoint checkpoint log
is "$status $(wc -l <ledger) $(place log offset)" "0 100 $(wc -c <log)" "it stands at the end"
is "$(stat -c %a checkpoint)" 600 "for nobody else to read"
into "$store ledger" --checkpoint checkpoint log
is "$status $(test -e ledger && wc -l <ledger)" "0 0" "nothing is read twice"
events 101 105 >>log
into "$store ledger" --checkpoint checkpoint log
is "$(numbers ledger | tr '\n' ' ')" "101 102 103 104 105 " "only what is new"
is "$(jq -r .origin ledger | head -n 1)" log:101 "with the right line numbers"
events 201 203 >other
into "$store ledger" --checkpoint checkpoint log other
is "$(numbers ledger | tr '\n' ' ')" "201 202 203 " "each source has its own place"
into "$store ledger held 41 1" --checkpoint fresh log
is "$status $(jq -r '.sources[0].line' fresh)" "75 40" "it stays before what got no final receipt"
into "$store ledger" --checkpoint fresh log
is "$(numbers ledger | head -n 1)" 41 "from where it is read again"
events 301 330 >replaced
mv replaced log
into "$store ledger" --checkpoint checkpoint log
is "$(wc -l <ledger)" 30 "a replaced file is read from its start"
like "$err" 'not the file that the checkpoint tells of' "which is said"
events 301 303 >short
cat short >log
into "$store ledger" --checkpoint checkpoint log
is "$(wc -l <ledger)" 3 "a truncated one too"
printf 'time,pin\n2026-01-07 10:00:01,1\n2026-01-07 10:00:02,2\n' >rows.csv
into "$store ledger" --checkpoint checkpoint rows.csv
printf '2026-01-07 10:00:03,3\n' >>rows.csv
into "$store ledger" --checkpoint checkpoint rows.csv
is "$(jq -r '.person_id+" "+.origin' ledger)" "3 rows.csv:4" "rows keep their header"
printf '{"sources":[' >damaged
into "$store ledger" --checkpoint damaged log
is "$status" 78 "a damaged checkpoint is a fault"
into "$store ledger" --checkpoint missing/checkpoint log
is "$status" 73 "a missing folder is one"
mkfifo slow
spawn ts-read -d D --checkpoint shared --into "$store ledger" slow 2>err
reader=$spawned
wait_for 5 test -e shared.lock
ts-read -d D --checkpoint shared --into "$store ledger" log 2>second
is "$? $(<second)" "75 ts-read: shared: another ts-read works with it: give each its own checkpoint" \
    "two programs do not share one"
: >slow
wait "$reader"
into "$store ledger" --checkpoint shared log
is "$status" 0 "then the next may"
ts-read --checkpoint c --into cat -l tcp://:0 2>err
is $? 64 "what cannot be read again has none"

# Followed, rotated while nobody looked.
events 1 5 >live
rm -f ledger
# follow N: until N events are in the ledger.
# shellcheck disable=SC2317 # called by wait_for
stored() { [ "$(numbers ledger 2>/dev/null | sort -u | wc -l)" -ge "$1" ]; }
follow() {
    spawn ts-read -F -d D --checkpoint followed --into "$store ledger" live 2>err
    reader=$spawned
    wait_for 10 stored "$1"
    kill -TERM "$reader"
    wait "$reader"
    status=$?
}
follow 5
is "$status $(jq '.sources[0].line' followed)" "0 5" "a followed file has a place"
events 6 7 >>live
mv live live.1
events 8 9 >live
follow 9
is "$(numbers ledger | tr '\n' ' ')" "1 2 3 4 5 6 7 8 9 " "rotated meanwhile: the rest of the old one comes first"
events 10 11 >>live
follow 11
is "$(numbers ledger | tr '\n' ' ')" "1 2 3 4 5 6 7 8 9 10 11 " "then it goes on"

# Killed at any moment: every event is stored, and a place is never past what is (ts-read-kill.t has
# the real store, and the other kinds of sources).
most=6
[ -z "${TS_FULL:-}" ] || most=100
events 1 15000 >log
rm -f ledger checkpoint
runs=0
backwards=0
last=0
unsettled=0
while [ $runs -le $most ]; do
    runs=$((runs + 1))
    STORE_DELAY_MS=0.01 setsid ts-read -d D --checkpoint checkpoint --into "$store ledger" log 2>err &
    reader=$!
    [ $runs -gt $most ] || {
        sleep "0.$((RANDOM % 300 + 100))"
        kill -9 "$reader" 2>/dev/null
    }
    wait "$reader" 2>/dev/null
    status=$?
    line=$(jq -r '.sources[0].line' checkpoint 2>/dev/null || echo 0)
    [ "${line:-0}" -ge "$last" ] || backwards=$((backwards + 1))
    last=${line:-0}
    [ "$(numbers ledger | sort -un | awk -v last="$last" '$1 == NR && NR <= last' | wc -l)" -eq "$last" ] ||
        unsettled=$((unsettled + 1))
    [ $status -eq 0 ] && break
done 2>/dev/null
is "$status" 0 "killed $((runs - 1)) times, it comes to the end"
is "$(numbers ledger | sort -un | cksum)" "$(seq 15000 | cksum)" "no event is missing"
is "$backwards $unsettled" "0 0" "the place only moves on, and everything before it is stored"

done_testing
