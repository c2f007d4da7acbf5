#!/bin/bash
# SPDX-License-Identifier: MIT
# The same passages read by each path that a family offers have the same event_id: persons, cards,
# refusals without a person, doors, numbers with leading zeros, two people in one second.  (ZKTeco's
# push, pull and memory stick: also ts-read-iclock.t, at length.)
# shellcheck disable=SC2317 # functions that wait_for calls
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
for tool in ts-read ts-enrich jq python3 curl; do
    command -v $tool >/dev/null || skip_all "needs $tool"
done
cd "$T" || exit 1
printf 'admin:Fine-2026\n' >login
chmod 600 login

ids() { ts-enrich "$@" 2>/dev/null | jq -r .event_id | sort; }
started() {
    : >port.out
    spawn python3 "$ROOT/tests/sim/$1" "${@:2}" >port.out
    sim=$spawned
    wait_for 20 grep -q '[0-9]' port.out
    port=$(grep -o '[0-9]*' port.out | head -n 1)
}
back_door() { curl -s "http://127.0.0.1:$port/_sim/$1" "${@:2}"; }
came() { [ "$(wc -l <"$2")" -ge "$1" ]; }
ends() {
    kill -TERM "$reader" 2>/dev/null
    wait "$reader"
}
# live NAME SECONDS COMMAND…: what a terminal says live, in NAME.out.
live() {
    rm -f err
    spawn "${@:2}" >"$1.out" 2>err
    reader=$spawned
}
listening() {
    live "$1" ts-read -l "${@:2}" http://:0
    wait_for 10 grep -q '^listening on ' err
    lport=$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' err)
}
push() {
    curl -s -m 10 -o /dev/null --data-binary @- -H "Content-Type: $1" "http://127.0.0.1:$lport/x"
}
# same NAME WANTED: the ids of NAME.out are those of the log.
same() {
    is "$(ids <"$1.out" | cmp - log.ids 2>&1)" "" "$2"
}

# --- Hikvision -------------------------------------------------------------------------------------
records='[
 {"time": "T08:00:01"}, {"time": "T08:00:01", "employeeNoString": "0007"},
 {"time": "T08:00:02", "minor": 1, "cardNo": "0012345678", "employeeNoString": ""},
 {"time": "T08:00:03", "minor": 76, "employeeNoString": "", "name": ""},
 {"time": "T08:00:04", "minor": 9, "cardNo": "99887766", "employeeNoString": ""},
 {"time": "T08:00:05", "minor": 21, "employeeNoString": "", "cardReaderNo": 0, "name": ""},
 {"time": "T08:00:06", "major": 2, "minor": 1024, "employeeNoString": "", "cardReaderNo": 0, "doorNo": 0, "name": ""},
 {"time": "T08:00:07", "minor": 38, "employeeNoString": "Z\u00e9-9", "cardNo": "5"}]'
happens() { jq -c 'map(.time = "2026-03-02" + .time + "+03:00")' <<<"$records" | back_door log --data-binary @- >/dev/null; }
attached() { [ "$(back_door get | jq ".counts[\"$1\"] // 0")" -ge 1 ]; }
for form in "xml=1 replay=1 quirks=1" ""; do
    # shellcheck disable=SC2086 # words
    started hikvision.py now=2026-03-02T08:01:00 $form
    live stream ts-read -F --password-file login "hikvision://127.0.0.1:$port"
    wait_for 20 attached alertStream
    happens
    wait_for 20 came 8 stream.out
    ends
    ts-read --password-file login "hikvision://127.0.0.1:$port" >search.out 2>err
    ids <search.out >log.ids
    is "$(sort -u log.ids | wc -l)" 8 "hikvision${form:+, $form}: each record of the log has an id of its own"
    same stream "hikvision${form:+, $form}: alertStream has the ids of the search"
    kill "$sim"
done
listening push
while IFS= read -r event; do
    printf '%s' "$event" | push application/json
done < <(jq -c .raw stream.out)
wait_for 10 came 8 push.out
ends
same push "hikvision: a push has them too"
listening parts
while IFS= read -r event; do
    printf -- '--b\r\nContent-Disposition: form-data; name="event_log"\r\n\r\n%s\r\n--b--\r\n' "$event" |
        push 'multipart/form-data; boundary=b'
done < <(jq -c .raw stream.out)
wait_for 10 came 8 parts.out
ends
same parts "hikvision: and one in parts"
# Without its serial number the address stands for it: as an alias in the site file.
listening bare -d gate-1
while IFS= read -r event; do
    printf '%s' "$event" | push application/json
done < <(jq -c '.raw | del(.shortSerialNumber)' stream.out)
wait_for 10 came 8 bare.out
ends
echo '{"zone":"Europe/Moscow","devices":{"FZ1234567":{"aliases":["gate-1"]}}}' >site.json
is "$(ids -c site.json <bare.out | cmp - log.ids 2>&1)" "" "hikvision: a push without the serial number, by an alias"

# --- Dahua -----------------------------------------------------------------------------------------
records='[{"t": 1}, {"t": 1, "UserID": "0007"}, {"t": 2, "UserID": "", "CardNo": "7A087D0F", "Method": 1},
 {"t": 3, "UserID": "", "Status": 0, "ErrorCode": 16}, {"t": 4, "UserID": "28", "CardNo": "12345678", "Method": 1},
 {"t": 5, "UserID": "", "Method": 5}]'
happens() { jq -c 'map(.CreateTime = 1772427600 + .t | del(.t))' <<<"$records" | back_door log --data-binary @- >/dev/null; }
mkdir pictures
for how in "number=0" pictures; do
    # shellcheck disable=SC2086 # words
    started dahua.py ${how/pictures/}
    options=()
    [ "$how" != pictures ] || options=(--snapshots pictures)
    live stream ts-read -F --password-file login "${options[@]}" "dahua://127.0.0.1:$port"
    wait_for 20 attached "$([ "$how" = pictures ] && echo snapManager.cgi || echo eventManager.cgi)"
    happens
    wait_for 20 came 6 stream.out
    ends
    ts-read --password-file login "dahua://127.0.0.1:$port" >find.out 2>err
    ids <find.out >log.ids
    is "$(sort -u log.ids | wc -l)" 6 "dahua${how:+, $how}: each record of the log has an id of its own"
    same stream "dahua${how:+, $how}: what is said live has the ids of recordFinder"
    kill "$sim"
done
listening push -d 6G0123ABCD0001
jq -c '.raw | {Code: "AccessControl", Action: "Pulse", Index: 0,
    Data: (with_entries(select(.key != "CreateTime" and .key != "Door")) + {RealUTC: (.CreateTime | tonumber),
        Status: (.Status | tonumber), Method: (.Method | tonumber), RecNo: (.RecNo | tonumber)})}' find.out >pushes
while IFS= read -r event; do
    printf '%s' "$event" | push application/json
done <pushes
wait_for 10 came 6 push.out
ends
same push "dahua: a push has them too"
listening newer -d 6G0123ABCD0001
jq -sc '{Events: ., Time: "2026-03-02 08:00:05"}' pushes | push application/json
wait_for 10 came 6 newer.out
ends
same newer "dahua: and one of the newer form"

# --- ZKTeco ----------------------------------------------------------------------------------------
python3 "$ROOT/tests/sim/zk.py" --records 60 --attlog 1_attlog.dat
ts-read -d CGXH2012345 1_attlog.dat >stick.out
ids <stick.out >log.ids
for layout in 8 16 40 49; do
    started zk.py --records 60 --layout $layout
    ts-read "zk://127.0.0.1:$port" >pull.out 2>err
    same pull "zk: the log of $layout bytes a record has the ids of the memory stick"
    kill "$sim"
done
for firmware in 2009 2.4 3; do
    listening push
    python3 "$ROOT/tests/sim/zk_push.py" --attlog 1_attlog.dat --firmware $firmware "$lport" >/dev/null
    ends
    same push "zk: push of firmware $firmware has them too"
done
listening acc
python3 "$ROOT/tests/sim/zk_push.py" --attlog 1_attlog.dat --acc --firmware 3 "$lport" >/dev/null
ends
same acc "zk: and push of access control"
done_testing
