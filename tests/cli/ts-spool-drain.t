#!/bin/bash
# SPDX-License-Identifier: MIT
# ts-spool drain: what it hands out and when, what answers do, exit statuses, one drain a store.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-spool >/dev/null || skip_all "ts-spool is not built"
command -v jq >/dev/null || skip_all "needs jq"
cd "$T" || exit 1

# put STORE N:PERSON...: an event each.
put() {
    local store=$1 e
    shift
    for e; do
        printf '{"event_id":"00000000-0000-8000-8000-%012d","person_id":"%s"}\n' "${e%%:*}" "${e##*:}"
    done | ts-spool put "$store" >/dev/null
}

# answer PROGRAM: a command that writes what it gets to `seen` and answers by a jq expression.
answer() {
    printf "tee -a seen | jq --unbuffered -c '{ack} + (%s)'" "$1"
}
delivered='{outcome: "delivered"}'

seen() {
    jq -r '.event_id[-2:]' seen | tr '\n' ' '
    rm -f seen
}

stat_of() {
    ts-spool stat --json "$1" | jq -c '[.waiting, .held, .dead, .skipped, .delivered]'
}

# shellcheck disable=SC2317 # called by wait_for
stat_is() {
    [ "$(stat_of "$1")" = "$2" ]
}

# --- a single run

put q.db 1:a 2:b 3:a
ts-spool drain --into "$(answer "$delivered")" q.db
is "$?" 0 "everything delivered: 0"
is "$(jq -c 'has("ack"), has("attempts"), has("ambiguous")' seen | sort | uniq -c | tr -s ' \n' ' ')" \
    " 6 false 3 true " "events have an ack, and nothing that says they were tried"
is "$(seen)" "01 02 03 " "in order of arrival"
ts-spool drain --into 'touch started' q.db
is "$?" 0 "nothing to do: 0"
ok "$([ -e started ]; echo $((1 - $?)))" "and the command is not started"

put q.db 4:a 5:b 6:c
ts-spool drain --into "$(answer 'if .person_id == "a" then {outcome: "rejected", status: 422, error: "no"}
    else {outcome: "duplicate"} end')" q.db 2>err
is "$?" 65 "something rejected: 65"
is "$(cat err)" "ts-spool: 1 event rejected: see ts-spool list --dead --by reason" "is said"
is "$(ts-spool list --dead q.db | jq -r '.event_id[-1:] + " " + .reason + " " + (.attempts|tostring)')" \
    "4 422: no 1" "with status, reason and attempts"
is "$(ts-spool stat --json q.db | jq .known_to_receiver)" 2 "duplicates are counted"

put q.db 7:h 8:h 9:c
rm seen
ts-spool drain --into "$(answer 'if .person_id == "h" then {outcome: "held", error: "unmapped"}
    else {outcome: "delivered"} end')" q.db
is "$?" 0 "something held: 0"
put q.db 10:h
rm seen
ts-spool drain --into "$(answer '{outcome: "held", error: "unmapped"}')" q.db
is "$?" 0 "still held: 0, what is behind it waits"
is "$(jq -r '.event_id[-2:]' seen | sort | uniq -d)" "" "none is tried twice"
rm seen
ts-spool drain --into "$(answer "$delivered")" q.db
is "$? $(seen)" "0 07 08 10 " "the next drain tries it, and then they come in order"

put q.db 11:d 12:e
ts-spool drain --into "$(answer 'if .person_id == "d" then {outcome: "deferred", attempts: 3,
    retry_at: "2999-01-01T00:00:00Z", error: "down"} else {outcome: "delivered"} end')" q.db
is "$?" 75 "something deferred: 75"
is "$(ts-spool list --waiting q.db | jq -c '[.reason, .attempts]')" '["down",3]' "it waits"
rm seen
ts-spool drain --into "$(answer "$delivered")" q.db
is "$?" 0 "a new drain tries it at once"
is "$(jq -c '[.attempts, .ambiguous]' seen)" '[3,null]' "and says how often it was tried"

put q.db 13:a 14:b
ts-spool drain --into 'head -n 1 >seen' q.db 2>err
is "$?" 75 "the command ends without an answer: 75"
is "$(cat err)" "ts-spool: --into: the command ended with exit status 0; 2 events were not answered" \
    "is said"
is "$(ts-spool list --waiting q.db | jq -c '[.attempts, .ambiguous]' | tr '\n' ' ')" \
    '[1,true] [1,true] ' "its events are ambiguous"
ts-spool drain --into 'exit 7' q.db 2>err
is "$?" 75 "a command that does not start: 75"
rm -f seen
ts-spool drain --into "$(answer "$delivered")" q.db
is "$?" 0 "another one gets them"
is "$(jq -c '[.event_id[-2:], .ambiguous]' seen | tr '\n' ' ')" '["13",true] ["14",true] ' "in order"
rm seen

# A command that answers at its end only.
put q.db 15:a 16:b
ts-spool drain --into "jq -s -c '.[] | {ack, outcome: \"delivered\"}'" q.db
is "$? $(stat_of q.db)" "0 [0,0,1,0,15]" "answers at the end of input are answers"

put q.db 17:a
ts-spool drain --answer-within 200ms --into 'cat >/dev/null; exec sleep 0.2' q.db 2>err
is "$?" 75 "--answer-within gives up on an event"
ts-spool drain --into 'echo garbage; echo "{\"ack\":\"1-2-3\",\"outcome\":\"delivered\"}"; exec cat' q.db 2>err
is "$? $(stat_of q.db)" "75 [1,0,1,0,15]" "what is no receipt settles nothing"
ts-spool drain --into "$(answer '{outcome: "skipped", error: "not ours"}')" q.db
is "$? $(stat_of q.db)" "0 [0,0,1,1,15]" "skipped is final"
rm seen

# The window: never more than that many without an answer.
for i in $(seq 50); do printf '{"event_id":"w%d"}\n' "$i"; done | ts-spool put w.db >/dev/null
cat >window.py <<'P'
import json, os, select
most = 0
rest = b""
acks = []
ended = False
while not ended or acks:
    ready = select.select([0], [], [], 0.05)[0]
    if ready:
        text = os.read(0, 1 << 16)
        ended = not text
        lines = (rest + text).split(b"\n")
        rest = lines.pop()
        acks += [json.loads(line)["ack"] for line in lines]
        most = max(most, len(acks))
    if len(acks) >= 3 or ended or not ready:
        for ack in acks:
            print(json.dumps({"ack": ack, "outcome": "delivered"}), flush=True)
        acks = []
open("most", "w").write(str(most))
P
if command -v python3 >/dev/null; then
    ts-spool drain -w 3 --into 'python3 window.py' w.db
    is "$? $(cat most)" "0 3" "-w 3: three are outstanding, never more"
else
    skip "needs python3"
fi

# --- a receiver that is down must not turn the whole backlog into deferred events

for i in $(seq 5000); do printf '{"event_id":"d%d","person_id":"%d"}\n' "$i" $((i % 700)); done |
    ts-spool put down.db >/dev/null
ts-spool drain -w 100 --into "jq --unbuffered -c '{ack, outcome: \"deferred\", error: \"down\"}'" \
    down.db 2>err
is "$?" 75 "a receiver that is down: 75"
like "$(cat err)" "answers without a success" "is said once"
tried=$(ts-spool list --waiting down.db | jq -r 'select(.reason == "down")' | grep -c '"reason"')
ok "$([ "$tried" -ge 256 ] && [ "$tried" -le 700 ]; echo $?)" "after some hundred tries ($tried)"
ts-spool drain --into "$(answer "$delivered")" down.db
is "$? $(stat_of down.db)" "0 [0,0,0,0,5000]" "when it is up again, all of them come"
is "$(jq -r '[.person_id, .event_id[1:]] | join(" ")' seen | sort -s -n -k1,1 |
    awk '$1 == p && $2 < n { bad++ } { p = $1; n = $2 } END { print bad + 0 }')" 0 \
    "each person's in order"
rm seen

# --- for ever

spawn ts-spool drain -F --into "$(answer 'if .person_id == "h" and .attempts == null
    then {outcome: "held"} else {outcome: "delivered"} end')" f.db
drain=$spawned
wait_for 10 test -e f.db
ok $? "-F makes the store"
put f.db 1:a
wait_for 10 stat_is f.db '[0,0,0,0,1]'
ok $? "an event that comes later is delivered"
put f.db 2:h 3:h 4:b
wait_for 10 stat_is f.db '[0,2,0,0,2]' || stat_of f.db
ok $? "held ones are held"
kill -HUP "$drain"
wait_for 10 stat_is f.db '[0,0,0,0,4]'
ok $? "SIGHUP tries them again"
ts-spool drain --into cat f.db 2>err
is "$?" 75 "a second drain on the store: 75"
is "$(cat err)" "ts-spool: f.db: another drain is at work on it" "is told why"
ts-spool purge --person a --undelivered f.db 2>/dev/null
is "$?" 75 "nor can the undelivered be purged then"
ts-spool purge --person a f.db >out
like "$(cat out)" "^purge: 1 event; what is not delivered stays" "but the delivered"
ts-spool retry --delivered --person b --reason test f.db >/dev/null
wait_for 10 stat_is f.db '[0,0,0,0,4]'
ok $? "what is retried by hand is delivered at once"
is "$(jq -r '.event_id[-1:]' seen | tr '\n' ' ')" "1 2 3 4 2 3 4 " "in order"
kill -TERM "$drain"
wait "$drain"
is "$?" 0 "SIGTERM: 0"
rm seen

spawn ts-spool drain -F --into 'head -n 1 | jq --unbuffered -c "{ack, outcome: \"delivered\"}"' f.db 2>err
drain=$spawned
put f.db 5:a 6:b
wait_for 20 stat_is f.db '[0,0,0,0,6]'
ok $? "-F starts the command again when it ends"
like "$(cat err)" "the command ended .*\(exit status 0\): starting it again in" "and says so"
kill -TERM "$drain"
wait "$drain"
is "$?" 0 "SIGTERM while it is down: 0"

spawn ts-spool drain -F --into "$(answer '{outcome: "rejected", status: 422, error: "secret"}')" r.db 2>err
drain=$spawned
wait_for 10 test -e r.db
put r.db 1:a
wait_for 10 grep -q rejected err
is "$(cat err)" "ts-spool: 1 event rejected, the last with status 422: see ts-spool list --dead --by reason" \
    "-F says at once that an event died, without the receiver's words"
put r.db 2:b 3:c
wait_for 10 stat_is r.db '[0,0,3,0,0]'
is "$(wc -l <err)" 1 "and not for each one"
kill -TERM "$drain"
wait "$drain"
rm seen

# SIGTERM waits for the answers that are due.
cat >slow <<'P'
read -r line
touch got
while [ ! -e go ]; do sleep 0.02; done
printf '%s\n' "$line" | jq -c '{ack, outcome: "delivered"}'
P
spawn ts-spool drain -F --into 'sh slow' f.db
drain=$spawned
put f.db 7:a
wait_for 10 test -e got
kill -TERM "$drain"
touch go
wait "$drain"
is "$? $(stat_of f.db)" "0 [0,0,0,0,7]" "SIGTERM waits for what is outstanding"

# kill -9: what was out is ambiguous, once.
rm -f got go
spawn ts-spool drain -F --into 'sh slow' f.db
drain=$spawned
put f.db 8:a
wait_for 10 test -e got
kill -9 "$drain"
wait "$drain" 2>/dev/null
touch go
ts-spool drain --into "$(answer "$delivered")" f.db
is "$? $(jq -c '[.event_id[-1:], .attempts, .ambiguous]' seen)" '0 ["8",1,true]' \
    "after kill -9 what was out is handed out as ambiguous"
put f.db 9:a
rm seen
ts-spool drain --into "$(answer "$delivered")" f.db
is "$(jq -c '[.event_id[-1:], .attempts, .ambiguous]' seen)" '["9",null,null]' "and later ones are not"

# A store that is moved away: what is put now would go past a drain that stays with the old one.
spawn ts-spool drain -F --into "$(answer "$delivered")" f.db 2>err
drain=$spawned
mkfifo pipe
spawn sh -c 'exec ts-spool put f.db <pipe' >receipts 2>errors
putter=$spawned
exec 7>pipe
echo '{"event_id":"00000000-0000-8000-8000-000000000010"}' >&7
wait_for 10 stat_is f.db '[0,0,0,0,10]'
mv f.db moved.db
wait_for 10 grep -q moved err
wait "$drain"
is "$? $(cat err)" "75 ts-spool: f.db: was moved or deleted while it was in use" "a store moved away ends drain -F"
echo '{"event_id":"00000000-0000-8000-8000-000000000011"}' >&7
exec 7>&-
wait "$putter"
is "$? $(cat errors)" "75 ts-spool: f.db: was moved or deleted while it was in use" "and put"
is "$(wc -l <receipts) $(stat_of moved.db)" "1 [0,0,0,0,10]" "which takes nothing more"
done_testing
