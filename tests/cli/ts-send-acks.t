#!/bin/bash
# Events with an ack: answered in time whatever happens, in order, and the end is orderly.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
# shellcheck source=tests/support/ledger.sh
. "$(dirname "$0")/../support/ledger.sh"
command -v receiver >/dev/null || skip_all "the receiver is not built"
command -v curl >/dev/null || skip_all "needs curl"

# event N PERSON [MORE]: one line with ack aN; MORE is further members, with their comma.
event() {
    printf '{"event_id":"00000000-0000-8000-8000-%012d","local_time":"2024-05-01T08:%02d:%02d",' \
        "$1" $(($1 / 60 % 60)) $(($1 % 60))
    printf '"person_id":"%s"%s,"ack":"a%d"}\n' "$2" "${3:-}" "$1"
}

# sender_start ARGS...: $sender, its stdin is descriptor 3, $T/out has its receipts.
sender_start() {
    # Not the words of the one before: they would be taken for its own.
    rm -f "$T/fifo" "$T/out" "$T/err"
    mkfifo "$T/fifo"
    ts-send --retry-first 20ms --retry-max 100ms "$@" <"$T/fifo" >"$T/out" 2>"$T/err" &
    sender=$!
    tap_pids+=("$sender")
    exec 3>"$T/fifo"
}

sender_end() {
    exec 3>&-
    wait "$sender"
}

# outcome_of N: the outcomes of event N's receipts so far, on one line.
outcome_of() {
    sed -n 's/.*"ack":"a'"$1"'".*"outcome":"\([a-z]*\)".*/\1/p' "$T/out" | tr '\n' ' '
}

# shellcheck disable=SC2317 # called by wait_for
receipts() {
    [ "$(wc -l <"$T/out")" -ge "$1" ]
}

# shellcheck disable=SC2317
receipts_of() {
    [ -n "$(outcome_of "$1")" ]
}

# due N: the time that its last receipt names has come.
# shellcheck disable=SC2317
due() {
    local at
    at=$(sed -n 's/.*"ack":"a'"$1"'".*"retry_at":"\([^"]*\)".*/\1/p' "$T/out" | tail -1)
    [ "$(date +%s%3N)" -gt "$(date -d "$at" +%s%3N)" ]
}

# shellcheck disable=SC2317
refusals() {
    [ "$(wc -l <"$refused")" -ge "$1" ]
}

# --- nothing to send -------------------------------------------------------------------------------

receiver_start
{
    event 1 p1 ',"skip":"visitor"'
    event 2 p2 ',"hold":"person unmapped"'
    event 3 p3 ',"error":"no date"'
    event 4 p4 ',"skip":null,"hold":false'
    echo '{"broken'
    echo
    echo '[1]'
    printf '{"event_id":"torn"'
} | ts-send "$url" >"$T/out" 2>"$T/err"
is $? 75 "a held event: status 75"
receiver_stop
is "$(outcome_of 1)$(outcome_of 2)$(outcome_of 3)$(outcome_of 4)" "skipped held rejected delivered " \
    "skip, hold, error and an event to be sent"
is "$(receiver_sum events)" 1 "only one is sent"
is "$(grep -c 'line [578]: not' "$T/out")" 3 "what is no event is rejected, with its line"
is "$(wc -l <"$T/out")" 7 "a blank line is no event"
like "$(grep a1 "$T/out")" '"error":"visitor"' "the reason of skip"
like "$(tail -n 1 "$T/err")" '4 not understood, 1 held, 1 delivered' "the last line counts them"
echo '{"broken' | ts-send "$url" >/dev/null 2>&1
is $? 65 "not understood: status 65"
ts-send "$url" </dev/null >"$T/out" 2>"$T/err"
is "$? $(cat "$T/out" "$T/err")" "0 " "no input: status 0, not a word"

# --- a destination that stays away -----------------------------------------------------------------

port=$(port_free)
url=http://127.0.0.1:$port/x
sender_start --answer-within 2s "$url"
event 1 p1 >&3
event 2 p1 >&3
event 3 p2 >&3
wait_for 5 receipts 3
ok $? "nobody there: all are answered in time"
is "$(outcome_of 1)$(outcome_of 2)$(outcome_of 3)" "deferred deferred deferred " "deferred"
is "$(grep -c '"retry_at":"20' "$T/out")" 3 "with the time of the next try"
is "$(grep -c '"attempts"' "$T/out")" 0 "and without having used up an attempt"
event 4 p1 >&3
wait_for 1 receipts 4
ok $? "a later event of the person is answered at once"
is "$(outcome_of 4)" "deferred " "deferred too, since the first has not come again"
receiver_start --order-field local_time --port "$port" 3>&-
for n in 1 2 4; do
    event $n p1 ',"attempts":3,"ambiguous":true' >&3
done
wait_for 5 receipts 7
ok $? "it has come again"
is "$(outcome_of 1)$(outcome_of 4)" "deferred delivered deferred delivered " "and all are delivered"
is "$(grep delivered "$T/out" | grep -c '"attempts":4,"ambiguous":true')" 3 \
    "attempts and ambiguous of earlier lives are kept"
sender_end
is $? 75 "status 75: some were deferred"
receiver_stop
is "$(receiver_sum distinct) $(receiver_sum order_violations)" "3 0" "in order"

# --- a held event ----------------------------------------------------------------------------------

receiver_start --order-field local_time
sender_start "$url"
event 1 p1 ',"hold":"person unmapped"' >&3
event 2 p1 >&3
event 3 p2 >&3
wait_for 5 receipts 3
is "$(outcome_of 1)$(outcome_of 2)$(outcome_of 3)" "held deferred delivered " \
    "behind a held event: deferred, nobody else"
event 1 p1 >&3
event 2 p1 >&3
wait_for 5 receipts 5
is "$(outcome_of 1)$(outcome_of 2)" "held delivered deferred delivered " "when it comes again: in order"
sender_end
receiver_stop
is "$(receiver_sum order_violations)" 0 "behind a held event: order"

# The roster was read again between the two: now it is known whose they are.
receiver_start --order-field local_time
sender_start --retry-max 20ms "$url"
event 1 p1 ',"hold":"person unmapped"' >&3
wait_for 5 receipts 1
event 2 p1 ',"employee_id":"E1"' >&3
event 3 p3 ',"employee_id":"E3"' >&3
wait_for 5 receipts 3
is "$(outcome_of 2)$(outcome_of 3)" "deferred delivered " \
    "behind an event held for want of an employee: deferred, though it has one now"
event 1 p1 ',"employee_id":"E1"' >&3
event 2 p1 ',"employee_id":"E1"' >&3
wait_for 5 receipts 5
is "$(outcome_of 1)$(outcome_of 2)" "held delivered deferred delivered " "it comes again: in order"

# The one that was held will not come: it was dealt with by hand.
event 5 p5 ',"hold":"person unmapped"' >&3
event 6 p5 >&3
wait_for 5 receipts_of 6
event 7 p5 >&3
wait_for 5 receipts_of 7
is "$(outcome_of 6)$(outcome_of 7)" "deferred deferred " \
    "behind a held event, however late it comes: deferred"
wait_for 5 due 6
event 6 p5 >&3
event 7 p5 >&3
wait_for 5 receipts 10
is "$(outcome_of 6)$(outcome_of 7)" "deferred delivered deferred delivered " \
    "who brings the next one again knows that the first will not come"
sender_end
receiver_stop

# --- a request that gets no answer -----------------------------------------------------------------

receiver_start --fault 'slow 5000'
sender_start --answer-within 2s "$url"
event 1 p1 >&3
event 2 p1 >&3
wait_for 5 receipts 2
ok $? "no answer: answered in time all the same"
like "$(grep '"a1"' "$T/out")" '"outcome":"deferred".*"attempts":1,"ambiguous":true' \
    "no answer: deferred, ambiguous"
like "$(grep '"a2"' "$T/out")" '"outcome":"deferred".*behind' "behind it: deferred"
is "$(grep '"a2"' "$T/out" | grep -c attempts)" 0 "behind it: not tried"
sender_end
receiver_stop

# --- a lone refused event --------------------------------------------------------------------------

receiver_start --fault 'person p9 status 422'
sender_start --answer-within 3s "$url"
event 1 p9 >&3
wait_for 5 refusals 1
event 2 '' >&3
wait_for 5 receipts 2
is "$(outcome_of 1)$(outcome_of 2)" "rejected delivered " "a refusal is believed after a delivery"
SECONDS=0
event 3 p9 >&3
event 4 p9 | sed 's/,"ack":"a4"//' >&3
wait_for 8 receipts 4
[ $SECONDS -le 4 ]
ok $? "a lone refusal is believed when its time is up"
is "$(outcome_of 3) $(grep -c '^{"event_id":"0.*4","outcome":"rejected","status":422' "$T/out")" \
    "rejected  1" "… with and without an ack"
event 5 p9 >&3
wait_for 5 refusals 4
kill -TERM "$sender"
wait "$sender"
is $? 75 "SIGTERM before: status 75"
exec 3>&-
is "$(outcome_of 5)" "deferred " "SIGTERM before: it is deferred"
receiver_stop

# --- a receiver that refuses everything, after it has taken some -----------------------------------

# A small site: 3 persons, and everything of them in hand at once.
for persons in 1 3 8; do
    receiver_start --order-field local_time --fault 'event 12.. status 422 for 3'
    sender_start --answer-within 20s -j 4 "$url"
    for ((i = 1; i <= 160; i++)); do
        event $i p$((i % persons))
    done >&3
    wait_for 5 grep -q 'refuses every event' "$T/err"
    ok $? "$persons persons, all refused: is said"
    wait_for 15 receipts 160
    sender_end
    is "$? $(grep -c delivered "$T/out")" "0 160" "$persons persons, all refused: costs no event"
    receiver_stop
    is "$(receiver_sum order_violations) $(receiver_sum overlapping)" "0 0" "$persons persons: in order"
done

# What is taken late, but was sent before, says nothing about what was refused since.
receiver_start --fault 'person p1 slow 500' --fault 'person p2 status 422' \
    --fault 'person p3 status 422'
sender_start --answer-within 20s -j 4 "$url"
{
    event 1 p1
    event 2 p2
    event 3 p3
} >&3
wait_for 5 receipts_of 1
is "$(wc -l <"$T/out")" 1 "a delivery that was under way proves nothing"
event 4 p4 >&3
wait_for 5 receipts 4
is "$(outcome_of 2)$(outcome_of 3)" "rejected rejected " "the next one does"
sender_end
receiver_stop

# One person is refused among others that are slow to come.
receiver_start --fault 'person p1 status 422'
sender_start --answer-within 20s "$url"
for ((i = 1; i <= 50; i++)); do
    event $i p1
done >&3
wait_for 5 grep -q 'refuses every event' "$T/err"
ok $? "a person alone, all refused: is said"
for ((i = 51; i <= 54; i++)); do
    event $i p$i >&3
    wait_for 5 receipts_of $i
done
event 55 p55 >&3
sender_end
is "$(grep -c rejected "$T/out") $(grep -c delivered "$T/out")" "50 5" \
    "a person alone, all refused: the next of others tell it apart"
receiver_stop

# --- the orderly end -------------------------------------------------------------------------------

receiver_start --order-field local_time --fault 'slow 500'
sender_start -j 2 "$url"
for ((i = 1; i <= 100; i++)); do
    event $i p$((i % 10))
done >&3
wait_for 5 receipts 2
kill -TERM "$sender"
wait "$sender"
is $? 75 "SIGTERM: status 75"
exec 3>&-
receiver_stop
is "$(wc -l <"$T/out")" 100 "SIGTERM: every event is answered"
is "$(grep -c delivered "$T/out")" "$(receiver_sum distinct)" \
    "SIGTERM: what was under way is awaited"
is "$(grep -c ambiguous "$T/out")" 0 "SIGTERM: nothing is left open"
like "$(grep -c deferred "$T/out")" '^9[0-9]$' "SIGTERM: the rest is deferred"

receiver_start
sender_start "$url"
event 1 p1 >&3
wait_for 5 receipts 1
kill -TERM "$sender"
wait "$sender"
is $? 0 "SIGTERM with nothing in hand: status 0"
exec 3>&-
receiver_stop

# --- what comes from a spool and goes back to it ---------------------------------------------------

receiver_start --order-field local_time --fault 'time 0..3 status 503' --fault 'nth 5 status 503'
cat >"$T/giver.py" <<'PY'
"""Hands over events with a window, as ts-spool drain does, and hands the deferred over again."""
import json, subprocess, sys, time, select, os
count, persons, url = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
send = subprocess.Popen(["ts-send", "--answer-within", "1s", "--retry-first", "50ms", "--retry-max",
                         "200ms", "-j", "4", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
lanes = {p: [] for p in range(persons)}
for i in range(count):
    lanes[i % persons].append(i)
out, blocked, tag, done, buf = {}, {}, 0, 0, b""
end = time.time() + 60
while done < count:
    assert time.time() < end, "too slow"
    now = time.time()
    for p, lane in lanes.items():
        # Several of a person at once, as long as none of them came back.
        flying = sum(1 for v in out.values() if v % persons == p)
        if flying or now < blocked.get(p, 0):
            continue
        for i in sorted(lane)[:3]:
            tag += 1
            out["t%d" % tag] = i
            lane.remove(i)
            send.stdin.write(json.dumps({"event_id": "id-%d" % i, "local_time": "%09d" % i,
                                         "person_id": str(p), "ack": "t%d" % tag}).encode() + b"\n")
    send.stdin.flush()
    if select.select([send.stdout], [], [], 0.02)[0]:
        buf += os.read(send.stdout.fileno(), 65536)
        *lines, buf = buf.split(b"\n")
        for line in lines:
            r = json.loads(line)
            i = out.pop(r["ack"])
            if r["outcome"] == "delivered":
                done += 1
            else:
                assert r["outcome"] == "deferred", line
                lanes[i % persons].append(i)
                blocked[i % persons] = now + 0.3
send.stdin.close()
print(tag > count, send.wait())
PY
is "$(timeout 100 python3 "$T/giver.py" 600 40 "$url" 2>"$T/err")" "True 75" \
    "a giver with a window: all delivered in the end, some handed over again"
receiver_stop
is "$(receiver_sum distinct) $(receiver_sum order_violations) $(receiver_sum overlapping)" "600 0 0" \
    "a giver with a window: once each, in order"
done_testing
