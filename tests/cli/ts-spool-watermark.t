#!/bin/bash
# SPDX-License-Identifier: MIT
# ts-spool watermark: up to when is everything of a device in? Never later than the truth, whatever the
# order of events and answers; then ts-send --watermark tells it to Frappe (tests/sim/hrms), forward only.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
for p in ts-spool ts-send ts-enrich jq python3 curl; do
    command -v $p >/dev/null || skip_all "needs $p"
done
cd "$T" || exit 1
umask 077

day=$(date -u -d yesterday +%F)
# passage DEVICE CLOCK [MEMBERS]: an event of yesterday; its person is its clock
passage() {
    local more=${3:-}
    printf '{"device_id":"%s","person_id":"%s","kind":"granted","local_time":"%sT%s:00"%s}\n' \
        "$1" "${2/:/}" "$day" "$2" "${more:+,$more}"
}
put() {
    ts-enrich -z Asia/Manila 2>/dev/null | ts-spool put q.db >/dev/null
}
# Answers each event with what the file `fate` says of its device and clock, else delivered.
cat >answers <<'E'
while IFS= read -r line; do
    case $line in *'"event_id"'*) ;; *) continue ;; esac
    ack=${line#*\"ack\":\"} clock=${line#*\"local_time\":\"*T} device=${line#*\"device_id\":\"}
    fate=$(grep "^${device%%\"*} ${clock%%:00\"*} " fate 2>/dev/null | tail -n 1)
    [ "${fate##* }" = none ] && { : >reached; cat >/dev/null; }
    echo "{\"ack\":\"${ack%%\"*}\",\"outcome\":\"${fate:+${fate##* }}${fate:-delivered}\"}" |
        sed 's/"outcome":"\([a-z]*\)[^"]*"/"outcome":"\1"/'
done
E
drain() {
    ts-spool drain --into 'bash answers' q.db 2>drain.err
}
# marks ARGUMENTS...: "A 04:00, B 02:00", or nothing; the status to $rc
marks() {
    ts-spool watermark --settle 0 "$@" q.db >marks.out 2>marks.err
    rc=$?
    said=$(jq -r '"\(.device_id) \(.local_time // .time | .[11:16])"' marks.out | paste -sd, | sed 's/,/, /g')
}
fresh() {
    rm -f q.db* fate
    : >fate
}

# --- one rule

fresh
for c in 01:00 02:00 03:00 04:00; do
    passage A $c
    passage B $c
done | put
marks
is "$rc [$said]" "75 []" "nothing is delivered: no device has a mark, and none is told"
like "$(cat marks.err)" "A: no mark: nothing of it is settled before ${day}T01:00:00 \(4 waiting\)" "… and why"
printf 'A 03:00 held\nB 02:00 rejected\nB 04:00 deferred\n' >fate
drain
marks
is "$rc [$said]" "0 [A 02:00, B 01:00]" "held, dead and waiting events hold their own device back"
is "$(jq -c '[.marks, .behind.held, .behind.dead, .behind.waiting, .behind.from[11:16]]' marks.out | paste -sd' ')" \
    '[2,1,null,null,"03:00"] [2,null,1,1,"02:00"]' "each line says how many there are, and what is behind"
marks --ignore dead
is "$said" "A 02:00, B 03:00" "--ignore dead: as if they were settled"
marks --ignore dead --ignore held
is "$said" "A 04:00, B 03:00" "--ignore held: likewise; what waits does not"
is "$(marks --ignore waiting; echo $rc)" "64" "nobody can ignore what waits"
ts-spool skip --dead --reason test q.db 2>/dev/null >&2
marks
is "$said" "A 02:00, B 03:00" "a dead one that somebody skips is settled"
: >fate
ts-spool retry --held --waiting q.db 2>/dev/null >&2
drain
marks
is "$said" "A 04:00, B 04:00" "when all is in it is the newest event"
ts-spool retry --delivered --device A --since "${day}T02:00:00" --until "${day}T02:30:00" --reason test q.db 2>/dev/null >&2
marks
is "$said" "A 01:00, B 04:00" "what is sent again is not in"
drain
passage A 00:30 | put
marks
is "$rc [$said]" "75 []" "an event that comes late goes back before all"
drain
marks
is "$said" "A 04:00, B 04:00" "… until it is in"
echo 'A 04:30 none' >fate
passage A 04:30 | put
passage A 05:00 | put
ts-spool drain --into 'bash answers' q.db 2>/dev/null &
drain_pid=$!
wait_for 20 test -e reached
kill -9 $drain_pid
wait $drain_pid 2>/dev/null
marks
is "$said" "A 04:00, B 04:00" "what is on its way is not in; nor when its drain was killed"
: >fate
drain
marks
is "$said" "A 05:00, B 04:00" "… until it was answered"

passage A 05:00 | sed 's/"person_id":"[0-9]*"/"person_id":"other"/' | put
marks
is "$said" "A 04:30, B 04:00" "two in one second are in when both are"
drain

# --- clocks

passage B 06:00 | sed "s/$day/2099-01-01/g" | put
drain
marks
is "$said" "A 05:00, B 04:00" "a clock that is ahead of ours is no mark, delivered or not"
passage B 06:00 | sed "s/$day/2000-01-01/g" | put
marks
is "$rc [$said]" "75 []" "an unset clock: nobody knows when that was"
like "$(cat marks.err)" 'B: no mark.*2000-01-01' "… and it is said"
marks --ignore held
is "$said" "A 05:00, B 04:00" "… unless somebody takes it on himself"
ts-spool skip --held --reason test q.db 2>/dev/null >&2
printf '{"device_id":"B","person_id":"9","kind":"granted"}\n' | ts-spool put q.db >/dev/null
marks
is "$rc [$said]" "75 []" "an event without a time: likewise"
like "$(cat marks.err)" 'B: no mark: one of its events that are not settled has no time' "… and it is said"
drain
marks
is "$said" "A 05:00, B 04:00" "… until it is settled"
passage A 07:00 '"time":"'"$day"'T07:00:00"' | ts-spool put q.db >/dev/null
drain
marks
is "$said" "A 05:00, B 04:00" "a time without an offset is no mark"
ts-spool watermark q.db >marks.out 2>/dev/null
is "$? $(wc -c <marks.out)" "75 0" "by default an event has an hour to be overtaken"

# --- which devices

marks --device A
is "$said" "A 05:00" "--device"
marks --without A
is "$said" "B 04:00" "--without"
marks --without C
is "$rc" "66" "a device that nobody knows is a mistake"
marks --complete "B=${day}T08:00:00+08:00"
is "$said" "A 05:00, B 08:00" "--complete: somebody knows that all was put up to then"
passage B 07:30 | put
marks --complete "B=${day}T08:00:00+08:00"
is "$said" "A 05:00, B 04:00" "… which what waits contradicts"
marks --complete "B=${day}T08:00:00"
is "$rc" "64" "… and which needs an offset"
drain
passage C 02:00 | put
marks
is "$rc [$said]" "75 []" "a device without any mark: none is told"
drain
echo 'garbage' | ts-spool put q.db >/dev/null 2>&1
marks
is "$rc [$said]" "75 []" "a line that nobody understood may be of any device"
like "$(cat marks.err)" '1 events that are not settled name no device' "… and it is said"
marks --ignore dead
is "$said" "A 05:00, B 07:30, C 02:00" "… unless somebody takes it on himself"

# --- any order: against the list of what is not in

cat >storm.py <<'E'
# Random events in random order, random answers; after each round no mark may lie at or after anything
# that is not in, and what is told must be some delivered event's time.
import json, random, subprocess, sys

random.seed(int(sys.argv[1]))
day, store = sys.argv[2], "storm.db"
fate, told = {}, 0


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, **more)


answers = (
    "import json, random, sys\n"
    "random.seed(%d)\n"
    "for line in sys.stdin:\n"
    "    ack = json.loads(line)['ack']\n"
    "    outcome = random.choice(['delivered'] * 7 + ['held', 'deferred', 'duplicate', None])\n"
    "    if outcome: print(json.dumps({'ack': ack, 'outcome': outcome}), flush=True)\n")
for turn in range(20):
    events = []
    for i in range(random.randrange(8)):
        clock = "%sT%02d:%02d:%02d" % (day, random.randrange(0, 24), random.randrange(60), random.randrange(60))
        zone = random.choice(["+08:00", "+08:00", "+08:00", "+05:00", "Z"])
        events.append({"event_id": "e%d-%d" % (turn, i), "device_id": random.choice("ABC"), "person_id": str(random.randrange(90)),
                       "local_time": clock, "time": clock + zone})
    run("ts-spool", "put", store, input="".join(json.dumps(e) + "\n" for e in events))
    run("ts-spool", "drain", "--answer-within", "1s", "--into", "python3 -c \"%s\"" % (answers % turn).replace('"', '\\"'), store)
    marks = [json.loads(l) for l in run("ts-spool", "watermark", "--settle", "0", store).stdout.splitlines()]
    rows = [json.loads(l) for l in run("ts-spool", "list", store).stdout.splitlines()]
    for m in marks:
        of = [r for r in rows if r["device_id"] == m["device_id"]]
        if not any(r["time"] == m["time"] and r["state"] == "delivered" for r in of):
            sys.exit("round %d: a mark that is no delivered event: %s" % (turn, m))
        for r in of:
            if r["state"] in ("waiting", "held", "dead") and r["local_time"] <= m["local_time"]:
                sys.exit("round %d: %s is not in, but the mark is %s" % (turn, r, m))
    told += len(marks)
    if marks and len(marks) != len({r["device_id"] for r in rows}):
        sys.exit("round %d: not all devices, but some" % turn)
print(told)
E
for seed in 1 2; do
    rm -f storm.db*
    python3 storm.py $seed "$day" >storm.out 2>storm.err
    rc=$?
    ok $((rc != 0 || $(cat storm.out || echo 0) < 10)) "20 rounds of any order (seed $seed): no mark is too late"
    [ $rc -ne 0 ] && sed 's/^/# /' storm.err
done

# --- to Frappe

: >frappe.port
spawn python3 -B "$ROOT/tests/sim/hrms/frappe.py" >frappe.port
wait_for 20 test -s frappe.port
url=http://127.0.0.1:$(cat frappe.port)
printf key:secret >key
set_to() { curl -sS -o /dev/null -H 'Content-Type: application/json' -d "$1" "$url/_set"; }
moves() { curl -sS "$url/_moves" | jq -c "map([.[0], (.[1] // \"-\" | .[11:16]), .[2][11:16]])"; }
tell() {
    timeout 60 ts-send --watermark -p frappe-hr --token-file key -o zone=Asia/Manila "$@" "$url" 2>err
}
set_to '{"shifts": {"Day": null, "Night": null, "Late": null}}'
fresh
for c in 01:00 02:00 03:00 04:00; do
    passage A $c
    passage B $c
done | put
echo 'B 03:00 held' >fate
drain
marks
tell -o shift=Day <marks.out
is "$? $(moves)" '0 [["Day","","02:00"]]' "the oldest device decides"
tell -o shift=Day <marks.out
is "$? $(moves)" '0 [["Day","","02:00"]]' "told again, nothing moves"
: >fate
ts-spool retry --held q.db 2>/dev/null >&2
drain
marks
ts-enrich -z Asia/Manila <marks.out | tell -o shift=Day,Night
is "$? $(moves | jq -c '.[1:] | sort')" '0 [["Day","02:00","04:00"],["Night","","04:00"]]' \
    "it moves on, by way of ts-enrich too; several shifts at once"
ts-spool retry --delivered --device A --since "${day}T02:00:00" --reason test q.db 2>/dev/null >&2
marks
tell -o shift=Day <marks.out
is "$? $said $(moves | jq length)" "0 A 01:00, B 04:00 3" "it never moves back, whatever the marks say"
drain
marks
head -n 1 marks.out | tell -o shift=Late
is "$? $(moves | jq length)" "65 3" "a set that is not whole is refused"
like "$(cat err)" '1 marks of 2: the others are missing' "… and it is said"
head -c 200 marks.out | tell -o shift=Late
is "$? $(moves | jq length)" "65 3" "a set that is cut off: likewise"
tell -o shift=Late </dev/null
is "$? $(moves | jq length)" "0 3" "no marks: nothing is told"
tell <marks.out
is "$? $(moves | jq length)" "78 3" "no -o shift: it says so"
ts-send --watermark "$url" <marks.out 2>err
is "$?" "64" "a receiver that has no watermark"
set_to '{"faults": ["drop"]}'
tell -o shift=Late <marks.out
is "$? $(moves | jq length)" "69 3" "a lost answer to the question: nothing moves"
set_to '{"faults": [null, "drop"]}'
tell -o shift=Late <marks.out
is "$?" "69" "a lost answer to the move is told"
tell -o shift=Late <marks.out
is "$? $(moves | jq -c '.[3:]')" '0 [["Late","","04:00"]]' "… and the next run finds it moved"
set_to '{"may_shift": false, "shifts": {"Day": null}}'
tell -o shift=Day <marks.out
is "$?" "78" "a user who may not write Shift Type"
like "$(cat err)" "may not write Shift Type" "… and it is said"
set_to '{"token": "other:key"}'
tell -o shift=Day <marks.out
is "$?" "78" "a wrong key"

done_testing
