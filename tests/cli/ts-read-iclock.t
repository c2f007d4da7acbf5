#!/bin/bash
# SPDX-License-Identifier: MIT
# ts-read -l http:// as the server of ZKTeco devices that push: what each page answers, who may,
# OK after receipts and never before, periods asked for again, what is noticed, and what is not
# shown. The device is tests/sim/zk_push.py, and curl.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-read >/dev/null || skip_all "ts-read is not built"
for tool in curl jq python3; do
    command -v $tool >/dev/null || skip_all "needs $tool"
done
cd "$T" || exit 1
store=$ROOT/tests/support/store.pl
sim=$ROOT/tests/sim/zk_push.py
t=$'\t'

# listening ARG...: starts it; sets $reader, $port and $url.
listening() {
    rm -f out err
    spawn ts-read -l "$@" >out 2>err
    reader=$spawned
    wait_for 5 grep -q '^listening on ' err
    port=$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' err)
    url=http://127.0.0.1:$port
}
ends() {
    kill -TERM "$reader" 2>/dev/null
    wait "$reader"
    status=$?
}
# get PAGE?QUERY [CURL OPTION...]: prints the status and the answer.
get() {
    local page=$1
    shift
    curl -s -g -m 20 -o answer -w '%{http_code} ' "$@" "$url/iclock/$page"
    cat answer
}
# post PAGE?QUERY BODY: the same.
post() {
    local page=$1 body=$2
    shift 2
    get "$page" --data-binary "$body" -H 'Content-Type: text/plain' "$@"
}
# device NAME OPTION...: a device, whose end is told.
device() {
    local name=$1
    shift
    python3 "$sim" "$@" "$port" >device.json 2>device.err
    is "$? $(<device.err)" "0 " "$name"
}

# --- pages -----------------------------------------------------------------------------------------
listening http://:0
is "$(get 'cdata?SN=CGXH2012345&options=all&pushver=2.4.0' | head -n 1)" \
    '200 GET OPTION FROM: CGXH2012345' "a handshake"
is "$(sed -n 's/^TransFlag=//p' answer)" 1100000000 "asks for attendance and operations, not for people"
is "$(grep -c '^TimeZone' answer)" 0 "and says no zone, for none is configured"
is "$(grep -c -x -e 'Stamp=9999' -e 'ATTLOGStamp=9999' -e 'Realtime=1' answer)" 3 "stamps of both generations"
is "$(get 'cdata?SN=NYU7251601501&options=all&DeviceType=acc' | head -n 1)" '200 registry=ok' \
    "a handshake of access control"
code=$(sed -n 's/^RegistryCode=//p' answer)
is "$(grep -c '^TransTables=Transaction$' answer)" 1 "asks for passages alone"
is "$(post 'registry?SN=NYU7251601501' 'DeviceType=acc,~OEMVendor=ZKTECO CO., LTD.,CommKey=12345')" \
    "200 RegistryCode=$code" "the registry, with the same code"
is "$(get 'push?SN=NYU7251601501' | head -n 1)" '200 ServerVersion=3.1.2' "push by GET"
is "$(post 'push?SN=NYU7251601501' '' | head -n 1)" '200 ServerVersion=3.1.2' "and by POST"
row="17${t}2026-03-02 08:01:12${t}0${t}1"
while IFS='|' read -r page body want name; do
    is "$(post "$page" "$body")" "200 $want" "$name"
done <<END
cdata?SN=A1&table=ATTLOG&Stamp=9999|$row|OK: 1|ATTLOG
cdata?SN=A1&Stamp=289503453|$row|OK: 1|without a table, as in 2009
cdata?SN=A1&table=ATTLOG%20Stamp=123|$row|OK: 1|a table and a stamp in one value
cdata.aspx?sn=A1&Table=attlog&ATTLOGStamp=9999|$row|OK: 1|with .aspx, in other letters
iclock/cdata/?SN=A1&table=ATTLOG|$row|OK: 1|iclock twice, and a slash
cdata?SN=A1&OpStamp=5|OPLOG 4${t}0${t}2026-03-02 08:01:12${t}0|OK: 1|an operation log without a table
cdata?SN=A1&table=OPERLOG&OpStamp=5|USER PIN=1${t}Passwd=SECRET|OK: 1|a person is dropped
cdata?SN=A1&table=rtlog|time=2026-03-02 08:01:13${t}pin=17${t}event=3|OK|rtlog
cdata?SN=A1&table=rtstate|time=2026-03-02 08:01:13${t}sensor=02|OK|rtstate
cdata?SN=A1&table=options|~DeviceName=X,CommKey=SECRET|OK|options
cdata?SN=A1&table=tabledata&tablename=user&count=2|user uid=1${t}password=SECRET|user=2|people of access control
cdata?SN=A1&table=BIODATA|BIODATA Pin=1${t}Tmp=SECRET|OK|templates
cdata?SN=A1&table=ATTPHOTO&Stamp=9999|PIN=1.jpg|OK|a photo
fdata?SN=A1&PIN=1&PhotoStamp=4|PIN=1.jpg|OK|a photo of old firmware
querydata?SN=A1&type=tabledata&cmdid=1&tablename=user&count=3&packcnt=1&packidx=1|user uid=1${t}name=SECRET|user=3|an answer about people
querydata?SN=A1&type=tabledata&cmdid=1&tablename=transaction&count=1&packcnt=1&packidx=1|transaction pin=17${t}eventtype=3${t}time_second=841132873|transaction=1|an answer about passages
querydata?SN=A1&type=tabledata&cmdid=1&tablename=transaction&count=2|transaction pin=17${t}eventtype=3${t}time_second=841132873|transaction=2|the number that it says, or it comes for ever
querydata?SN=A1&type=tabledata&cmdid=1&tablename=transaction|transaction pin=17${t}eventtype=3${t}time_second=841132873|transaction=1|rows where it says none
querydata?SN=A1&type=options&cmdid=1|CommKey=SECRET|OK|an answer about options
devicecmd?SN=A1|ID=1&Return=0&CMD=DATA|OK|a result of nothing that was asked
getrequest?SN=A1|ID=1&Return=0&CMD=DATA|OK|the same, as old firmware posts it
exchange?SN=A1&type=publickey|x|OK|an exchange of keys
rtdata?SN=A1|x|OK|rtdata
END
is "$(get 'getrequest?SN=A1')" '200 OK' "no work"
is "$(get 'getreq?SN=A1')" '200 OK' "under its other name"
is "$(get 'ping?SN=A1')" '200 OK' "ping"
is "$(get ping)" '200 OK' "also of nobody"
is "$(get 'service/control?SN=A1')" '200 OK' "service/control"
is "$(get 'rtdata?SN=A1&type=time')" '200 OK' "no time, for no zone is configured"
is "$(get 'nowhere?SN=A1')" '404 UNKNOWN' "an unknown page"
is "$(get 'cdata?options=all' | head -c 3)" 400 "no serial number"
is "$(get "cdata?SN=$(head -c 40 /dev/zero | tr '\0' A)" | head -c 3)" 400 "one that is too long"
is "$(get 'cdata?SN=../../etc' | head -c 3)" 400 "one that is a path"
is "$(post 'cdata?SN=A1&table=ATTLOG' '')" '200 OK: 0' "a post without a row"
printf 'GET /iclock/getrequest?SN=A1&INFO=Ver 6.39 Apr 28 2008,1,1,5 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' \
    >request
like "$(timeout 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port; cat request >&3; cat <&3")" \
    '^HTTP/1.1 200 .*OK' "spaces in a query"
printf '%s' "$row" | gzip >zip
is "$(get 'cdata?SN=A1&table=ATTLOG' --data-binary @zip -H 'Content-Encoding: gzip')" '200 OK: 1' \
    "a packed post"
is "$(get 'cdata?SN=A1&table=ATTLOG' --data-binary "$row" -H 'Expect: 100-continue' --http1.0)" \
    '200 OK: 1' "HTTP/1.0"
is "$(curl -s -d '{"local_time":"2026-03-02T08:00:00"}' "$url/events")" '{"accepted":1}' \
    "any other path is what it was"
head -c 3000000 /dev/zero | tr '\0' x >large
is "$(get 'cdata?SN=A1&table=tabledata&tablename=biophoto&count=1' --data-binary @large -H 'Expect:')" \
    '200 biophoto=1' "what is dropped may be larger than a body"
is "$(get 'cdata?SN=A1&table=ATTLOG' --data-binary @large -H 'Expect:' | head -c 3)" 413 \
    "records may not"
like "$(<err)" 'A1: sends more than 1048576 bytes at once.*raise --max-body' "which is said"
is "$(curl -sI "$url/iclock/cdata?SN=A1" | tr -d '\r' | sed -n 's/^\(Content-Type\|Cache-Control\): //p' | paste -sd' ')" \
    "text/plain no-store" "as a device wants its answers"
date=$(curl -sI "$url/iclock/cdata?SN=A1" | tr -d '\r' | sed -n 's/^Date: //p')
is "$((($(date +%s) - $(date -d "$date" +%s)) / 5))" 0 "with the right Date"
is "$(grep -c SECRET out err | paste -sd' ')" "out:0 err:0" "nothing of people comes out"
is "$(jq -r 'select(.source == "zk-push") | .device_id' out | sort -u)" A1 "device_id is the serial number"
is "$(jq -c 'select(.error)' out)" "" "and all of it was understood"
ends
is "$status" 0 "SIGTERM ends it in order"

# --- devices of each generation, over bad wires ----------------------------------------------------
for firmware in 2009 2.2 2.4 3; do
    listening -d OTHER http://:0
    device "firmware $firmware" --firmware $firmware --rows 25
    is "$(jq -r 'select(.device_id == "CGXH2012345").local_time' out | sort -u | wc -l)" 25 "gives its rows"
    ends
done
listening http://:0
device "in pieces of one byte, with CR LF" --cut 1 --crlf --rows 3
device "one connection, 100-continue" --keep --expect --sn A2
device "slow" --cut 100 --slow 0.05 --rows 2 --sn A3
device "with .aspx, twice iclock, bare spaces" --path /iclock/iclock/%s.aspx --spaces --sn A4
device "lost answers: each post comes twice" --twice --sn A5
is "$(jq .again device.json)" 3 "which it does"
is "$(jq -r 'select(.device_id == "A5").local_time' out | sort | uniq -c | awk '{print $1}' | sort -u)" 2 \
    "so each row came twice"
is "$(jq -c 'select(.device_id == "A5")' out | ts-enrich 2>/dev/null | jq -r .event_id | sort -u | wc -l)" 10 \
    "with one id"
device "access control" --acc --firmware 3 --sn A6
is "$(jq -r 'select(.device_id == "A6") | [.kind, .code, .serial_no, .reader] | join(" ")' out | sed -n 5p)" \
    "granted 3 5 1" "has its own fields"
printf 'USER PIN=1%sName=Zoe%sPasswd=4711\r\nFP PIN=1%sTMP=AAAA\r\nBBBB\r\nOPLOG 23%s0%s2026-03-02 10:00:00%s0\r\n' \
    "$t" "$t" "$t" "$t" "$t" "$t" >people
device "with people and photos" --sn A7 --rows 0 --body OPERLOG=people --body ATTPHOTO=large \
    --body BIODATA=large --body tabledata:user=people
is "$(jq -c 'select(.device_id == "A7") | [.kind, .code, .local_time]' out)" \
    '["other","OPLOG 23","2026-03-02T10:00:00"]' "only the deletion is an event"
like "$(<err)" 'A7: its attendance records were deleted, at 2026-03-02T10:00:00' "and is said"
is "$(grep -c -e Zoe -e 4711 -e BBBB out err | paste -sd' ')" "out:0 err:0" "nothing of people comes out"
ends

# --- photos ----------------------------------------------------------------------------------------
mkdir pictures
listening --snapshots pictures http://:0
is "$(get 'cdata?SN=A1&options=all' | grep TransFlag)" TransFlag=1110000000 "with --snapshots photos are wanted"
printf 'PIN=20260302080112-17.jpg\nSN=A1\nsize=9999\nCMD=uploadphoto\0\xff\xd8\xff\xe0SMILE\0\nx' >photo
sha256=$(printf '\xff\xd8\xff\xe0SMILE\0\nx' | sha256sum | cut -c1-64)
is "$(get 'cdata?SN=A1&table=ATTPHOTO&Stamp=9999' --data-binary @photo)" '200 OK' "a photo"
is "$(get 'fdata?SN=A1&PIN=20260302080112-17&PhotoStamp=3' --data-binary @photo)" '200 OK' "as old firmware sends it"
is "$(jq -c '[.kind, .local_time, .code, .person_id, .snapshot.sha256, .snapshot.media_type]' out | sort -u)" \
    "[\"other\",\"2026-03-02T08:01:12\",\"ATTPHOTO-17\",null,\"$sha256\",\"image/jpeg\"]" "is an event of its own"
is "$(sha256sum "pictures/$(jq -r .snapshot.file out | head -n 1)" | cut -c1-64)" "$sha256" "with its picture"
printf 'PIN=20260302080113-17.jpg\nSN=A1\nsize=9\nCMD=uploadphoto\n\xff\xd8\tSMILE\t\0\tSMILE\nx' >photo
is "$(get 'cdata?SN=A1&table=ATTPHOTO&Stamp=9999' --data-binary @photo)" '200 OK' "a photo in another form"
like "$(<err)" 'A1: a photo is dropped: no picture was found in it' "is dropped, and that is said"
is "$(grep -c SMILE out err | paste -sd' ')" "out:0 err:0" "no picture is anywhere else"
cat photo large >photos
is "$(curl -s -w ' %{http_code} %{num_connects}\n' --data-binary @photos -H Expect: \
    "$url/iclock/cdata?SN=A1&table=ATTPHOTO" --next -s -w ' %{http_code} %{num_connects}' -d "$row" \
    "$url/iclock/cdata?SN=A1&table=ATTLOG" | paste -sd' ')" \
    'OK  200 1 OK: 1  200 0' "one that is too large stands in nobody's way"
like "$(<err)" 'A1: a photo of 30000[0-9]* bytes is dropped: --max-body is 1048576' "which is said"
ends

# --- OK after receipts -----------------------------------------------------------------------------
# rows FILE: rows of attendance as persons and times.
rows() { awk -F'\t' '{ sub(" ", "T", $2); print $1, $2 }' "$1" | sort; }
stored() { jq -r '[.person_id, .local_time] | join(" ")' "$1" | sort -u; }
for outcome in held deferred mute; do
    rm -f ledger acked
    listening -F --answer-within 500ms --into "$store ledger $outcome 2 1" http://:0
    device "one row $outcome: it comes again" --rows 8 --ledger acked
    is "$(jq '[.heard[] | select(.[1] == 503)] | length' device.json)" 1 "after a 503"
    is "$(rows acked)" "$(stored ledger)" "all that it forgot is stored"
    ends
done
rm -f ledger acked
listening -F --into "$store ledger die 5" http://:0
device "the command dies and is started again" --rows 20 --ledger acked --delay 0.3
is "$(stored ledger | grep -c -x -F -f <(rows acked))" 20 "all that it forgot is stored"
ends
rm -f ledger
listening --into "$store ledger" http://:0
is "$(post 'cdata?SN=A1&table=ATTLOG' "$row
no row at all
$row")" "200 OK: 3" "a row that is not understood is stored, and stands in nobody's way"
is "$(jq -r '.error // "good"' ledger | paste -sd, )" "good,no tab-separated columns,good" "as such"
ends

# --- a thousand serial numbers, and hostile ones ---------------------------------------------------
listening -o serial=A1 -o serial=A2 http://:0
is "$(post 'cdata?SN=A1&table=ATTLOG' "$row")" '200 OK: 1' "a device of the list"
is "$(post 'cdata?SN=B1&table=ATTLOG' "$row" | head -c 3)" 503 "one that is not in it keeps its data"
is "$(get 'cdata?SN=B1&options=all' | head -c 3)" 503 "also at its handshake"
is "$(grep -c 'serial number B1 is not in the list' err)" 1 "which is said once"
curl -s -o /dev/null "$url/iclock/cdata?SN=X[1-80]"
is "$(grep -c 'not in the list' err)" 65 "of many numbers not all are named"
ends
printf '# site A\nA1\nA2\t# the gate\r\n\n' >serials
listening -o serials=serials http://:0
is "$(post 'cdata?SN=A2&table=ATTLOG' "$row")" '200 OK: 1' "a list in a file"
is "$(post 'cdata?SN=A3&table=ATTLOG' "$row" | head -c 3)" 503 "A3 is not in it"
echo A3 >>serials
kill -HUP "$reader"
# shellcheck disable=SC2317 # called by wait_for
taken() { [ "$(post 'cdata?SN=A3&table=ATTLOG' "$row")" = '200 OK: 1' ]; }
wait_for 5 taken
ok $? "after SIGHUP it is"
echo 'A 4' >serials
kill -HUP "$reader"
wait_for 5 grep -q 'line 1: not a serial number; the list of serial numbers stays' err
ok $? "a list that is none changes nothing"
is "$(post 'cdata?SN=A3&table=ATTLOG' "$row")" '200 OK: 1' "A3 still may"
ends
# refused REGEX ARGUMENT...
refused() {
    local regex=$1
    shift
    ts-read -l "$@" http://:0 2>said </dev/null
    is "$?" "$want" "$*: status"
    like "$(<said)" "$regex" "$*: is told"
}
want=66 refused 'missing: cannot open' -o serials=missing
want=64 refused 'not a serial number' -o 'serial=a b'
want=64 refused 'write 2026-01-01' -o request=yesterday
want=64 refused 'write 2026-01-01' -o request=2026-01-31..2026-01-01
want=78 refused 'Mars' -o timezone=Mars
printf 's3cret-token\n' >token
chmod 600 token
listening --token-file token http://:0
is "$(get 'cdata?SN=A1' | head -c 3)" 401 "a device can show no token"
like "$(<err)" 'give|-o serial=' "which is told, with what to do"
ends
listening --token-file token -o serial=A1 http://:0
is "$(post 'cdata?SN=A1&table=ATTLOG' "$row")" '200 OK: 1' "its serial number stands for it"
is "$(curl -s -o /dev/null -w '%{http_code}' -d '{}' "$url/")" 401 "on other paths the token is needed"
ends
listening http://:0
python3 - "$port" <<'END'
import socket, sys
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
answers = c.makefile("rb")
for first in range(0, 20000, 100):
    c.sendall(b"".join(b"GET /iclock/push?SN=%08X HTTP/1.1\r\nHost: x\r\n\r\n" % (
        n * 2654435761 % 2**32) for n in range(first, first + 100)))
    for _ in range(100):
        assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
        head = iter(answers.readline, b"\r\n")
        answers.read(sum(int(x.split()[1]) for x in head if x.startswith(b"Content-Length")))
END
ok $? "20,000 serial numbers"
if [ "${MODE:-release}" = release ]; then
    is "$(($(awk '/VmHWM/ {print $2}' "/proc/$reader/status") < 32768))" 1 "take less than 32 MiB"
else
    skip "32 MiB: needs MODE=release"
fi
ends

# --- a period again --------------------------------------------------------------------------------
listening -o request=2026-03-02..2026-03-02 -o timezone=+05:30 http://:0
device "attendance is asked" --rows 5 --polls 3 --sn A1
is "$(jq -r '.work[]' device.json | cut -d: -f3-)" \
    "DATA QUERY ATTLOG StartTime=2026-03-02 00:00:00${t}EndTime=2026-03-02 23:59:59" "once, for that period"
is "$(jq -r .options.TimeZone device.json)" 330 "TimeZone is told where it is configured"
like "$(<err)" 'A1: 2026-03-02..2026-03-02: has sent what it has; 5 records' "what came of it is said"
device "access control is asked" --acc --firmware 3 --rows 9 --polls 3 --sn A2
is "$(jq -r '.work[]' device.json | cut -d: -f3-)" "DATA QUERY tablename=transaction,fielddesc=*,filter=*" "in its way"
like "$(<err)" 'A2: 2026-03-02..2026-03-02: has sent what it has; 9 records' "what came of it is said"
is "$(jq -c 'select(.device_id == "A2")' out | ts-enrich 2>/dev/null | jq -r .event_id | sort -u | wc -l)" 9 \
    "and what it sent again has the ids of before"
device "one that refuses" --no-query --polls 3 --sn A3
like "$(<err)" 'A3: 2026-03-02..2026-03-02: refused: -1004, it has no such table' "is told of"
device "one without such records" --start '2026-04-02 08:00:00' --polls 3 --sn A4
like "$(<err)" 'A4: .*: refused: -1, not supported, or no records in it' "likewise"
is "$(get 'rtdata?SN=A1&type=time' | sed 's/DateTime=[0-9]*/T/')" '200 T,ServerTZ=+0530' "the time, with the zone"
ends
# anew SN: a device that begins anew, and what it is asked
anew() {
    get "cdata?SN=$1&options=all" >/dev/null
    get "getrequest?SN=$1" | cut -d: -f3-
}
row="transaction pin=17${t}eventtype=3${t}time_second=841132873"
pages='type=tabledata&cmdid=1&packcnt=2'
asked='DATA QUERY ATTLOG StartTime=2026-03-'
listening -o request=2026-03-02..2026-03-02 -o request=2026-03-03..2026-03-03 http://:0
for n in 1 2 3; do
    is "$(anew A1)" "${asked}02 00:00:00${t}EndTime=2026-03-02 23:59:59" "what was not answered is asked again"
done
is "$(anew A1)" "${asked}03 00:00:00${t}EndTime=2026-03-03 23:59:59" "and given up, for the next"
like "$(<err)" 'A1: 2026-03-02..2026-03-02: asked 3 times, and nothing came of it' "which is said"
get 'cdata?SN=A2&DeviceType=acc&options=all' >/dev/null
get 'getrequest?SN=A2' >/dev/null
post "querydata?SN=A2&$pages&packidx=2&tablename=user&count=1" "user pin=1" >/dev/null
post "querydata?SN=A2&$pages&packidx=1&tablename=transaction&count=1" "$row" >/dev/null
is "$(grep -c 'has sent' err)" 0 "people, or the first of two pages, are not the answer"
post "querydata?SN=A2&$pages&packidx=2&tablename=transaction&count=1" "$row" >/dev/null
like "$(<err)" 'A2: 2026-03-02..2026-03-02: has sent what it has; 2 records' "the last page is"
ends
listening -o request=A2:2026-03-01..2026-03-31 http://:0
device "one device" --polls 2 --sn A1
is "$(jq -r '.work | length' device.json)" 0 "is not asked"
device "the other" --polls 2 --sn A2
is "$(jq -r '.work | length' device.json)" 1 "is"
ends

# --- what is noticed -------------------------------------------------------------------------------
at() { printf '17\t2026-03-02 %s\t0\t1\n' "$1"; }
listening http://:0
post 'cdata?SN=A1&table=ATTLOG' "$(at 10:00:00 && at 09:00:00)" >/dev/null
like "$(<err)" 'A1: its clock went back: a record of 2026-03-02T09:00:00 stands behind one of 2026-03-02T10:00:00' \
    "a clock that goes back"
post 'cdata?SN=A2&table=ATTLOG' "$(at 10:00:00 && at 09:59:58)" >/dev/null
is "$(grep -c 'A2: its clock' err)" 0 "two seconds are none"
# event NUMBER TIME
event() { printf 'time=2026-03-02 %s\tpin=17\tevent=3\tindex=%d\n' "$2" "$1"; }
post 'cdata?SN=A3&table=rtlog' "$(event 100 10:00:00)" >/dev/null
post 'cdata?SN=A3&table=rtlog' "$(event 99 09:00:00)" >/dev/null
is "$(grep -c 'A3: its c' err)" 0 "an old event that comes again is none"
post 'cdata?SN=A3&table=rtlog' "$(event 101 09:00:00)" >/dev/null
like "$(<err)" 'A3: its clock went back' "a newer one with an earlier time is"
post 'cdata?SN=A3&table=rtlog' "$(event 1 11:00:00)" >/dev/null
like "$(<err)" 'A3: its counter is at 1 and was at 101: its log was erased' "a counter that begins again"
get 'getrequest?SN=A4&INFO=Ver,5,5,300,x' >/dev/null
get 'getrequest?SN=A4&INFO=Ver,5,5,7,x' >/dev/null
like "$(<err)" 'A4: its log has 7 records, and had 300' "a log that shrinks"
post 'cdata?SN=A5&table=OPERLOG' "OPLOG 21${t}0${t}2026-03-02 10:00:00${t}0" >/dev/null
like "$(<err)" 'A5: its clock was set, at 2026-03-02T10:00:00 by that clock' "a clock that was set"
for n in 1 2; do
    post 'cdata?SN=A5&table=OPERLOG' "OPLOG 21${t}0${t}2026-03-02 08:00:00${t}0" >/dev/null
done
is "$(grep -c 'A5: its clock was set, at 2026-03-02T08:00:00' err)" 1 "to an earlier time: said, and once"
post 'cdata?SN=A6&table=ATTLOG' "17${t}1971--10--29 -23:-59:-53${t}0${t}1" >/dev/null
like "$(<err)" 'A6: its clock is not set' "a clock that is not set"
# stamp ADDRESS: what a device of this address is told to have sent
stamp() { get 'cdata?SN=A7&options=all' --interface "$1" | sed -n 's/^Stamp=//p'; }
post 'cdata?SN=A7&Stamp=841132872' "$(at 08:01:12)" >/dev/null
is "$(stamp 127.0.0.1)" 841132872 "old firmware goes on where it was"
is "$(stamp 127.0.0.2)" 9999 "another device with its number begins anew, and loses nothing"
is "$(stamp 127.0.0.1) $(stamp 127.0.0.2)" "9999 9999" "both do"
is "$(grep -c 'serial number A7 comes from 127.0.0.1 and from 127.0.0.2 by turns' err)" 1 "two devices with one number are told of, once"
ends

# Another device behind the same address, ten minutes after the last word of the one before.
if [ "${MODE:-release}" = release ] && [ -e "$B/tests/support/fault_warp.so" ]; then
    warp=$ROOT/tests/support/warp.py
    # shellcheck disable=SC2317 # called by wait_for
    later() { [ "$(python3 "$warp" clock)" -gt 600 ]; }
    python3 "$warp" clock 1
    TS_WARP=$T/clock LD_PRELOAD=$B/tests/support/fault_warp.so \
        listening -o request=OLD:2026-03-01..2026-03-31 http://:0
    get 'cdata?SN=OLD' >/dev/null
    is "$(get 'getrequest?SN=OLD' | head -c 6) $(get 'getrequest?SN=OLD')" "200 C: 200 OK" "a question"
    get 'cdata?SN=OTHER' --interface 127.0.0.2 >/dev/null
    get 'cdata?SN=TWIN' --interface 127.0.0.2 >/dev/null
    python3 "$warp" clock 5000
    wait_for 5 later
    python3 "$warp" clock 1
    get 'cdata?SN=NEW' >/dev/null
    get 'cdata?SN=THIRD' --interface 127.0.0.2 >/dev/null
    is "$(grep -o 'serial number.*' err)" \
        'serial number NEW where OLD was: was the device replaced?' "a device in another's place is noticed"
    is "$(get 'getrequest?SN=OLD' | head -c 6) $(get 'getrequest?SN=OLD')" "200 C: 200 OK" \
        "a question that nothing came of comes again after ten minutes"
    ends
else
    skip "a device in another's place: needs MODE=release"
fi

# --- the same passage by push, by pull and from the stick ------------------------------------------
fields='[.kind, .local_time, .person_id, .punch, .code, .credential, .device_id]'
ids() { ts-enrich "$1" 2>/dev/null | jq -r .event_id | sort; }
python3 "$ROOT/tests/sim/zk.py" --records 500 --attlog 1_attlog.dat
ts-read -d CGXH2012345 1_attlog.dat >stick.out
is "$(wc -l <stick.out)" 500 "from the stick"
spawn python3 "$ROOT/tests/sim/zk.py" --records 500 >zk.out
wait_for 10 grep -q '^listening on ' zk.out
ts-read "zk://127.0.0.1:$(sed -n 's/^listening on //p' zk.out)" >pull.out
for firmware in 2009 2.4 3; do
    listening http://:0
    device "push, firmware $firmware" --attlog 1_attlog.dat --firmware $firmware --batch 100
    ends
    is "$(ids out | cmp - <(ids stick.out) && ids out | cmp - <(ids pull.out) && echo same)" same \
        "has the ids of the stick and of the pull"
    is "$(jq -c "$fields" out)" "$(jq -c "$fields" stick.out)" "and the same fields"
done
listening http://:0
device "push of access control" --attlog 1_attlog.dat --acc --firmware 3 --batch 100
ends
is "$(ids out | cmp - <(ids stick.out) && echo same)" same "has them too"

# --- real bodies -----------------------------------------------------------------------------------
# A second reading of the same bytes, from the description of the protocol alone: what each body
# gives, as [kind, local_time, person, punch, credential, code, reader, serial_no, card] lines.
cat >second.py <<'END'
import json, re, sys
PUNCH = ["check_in", "check_out", "break_out", "break_in", "overtime_in", "overtime_out"]
CREDENTIAL = {"1": "fingerprint", "4": "card", "15": "face", "25": "palm"}
SHOWN = {"13": "other", "21": "other", "22": "other", "23": "other", "32": "alarm"}

def clock(text):
    """Also what a clock prints that was never set: fields of a negative number, cut toward zero."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", text):
        return text.replace(" ", "T")
    y, mo, d, h, mi, s = map(int, re.fullmatch(
        r"(-?\d+)-(-?\d+)-(-?\d+) (-?\d+):(-?\d+):(-?\d+)", text).groups())
    n = (((((y - 2000) * 12 + mo - 1) * 31 + d - 1) * 24 + h) * 60 + mi) * 60 + s
    n, s = divmod(n, 60)
    n, mi = divmod(n, 60)
    n, h = divmod(n, 24)
    n, d = divmod(n, 31)
    n, mo = divmod(n, 12)
    return "%04d-%02d-%02dT%02d:%02d:%02d" % (n + 2000, mo + 1, d + 1, h, mi, s)

def kind(event, somebody):
    n = int(event)
    return ("granted" if somebody else "door") if n < 20 else "denied" if n < 100 else \
        "alarm" if n < 200 else "door" if n <= 205 or n == 255 else "other"

for line in (x for name in sys.argv[1:] for x in open(name, encoding="utf-8", newline="\n")):
    part = line.rstrip("\r\n").split("\t")
    if part[0].startswith("OPLOG "):
        op = part[0][6:]
        if op in SHOWN:
            print(json.dumps([SHOWN[op], clock(part[2]), None, None, None, "OPLOG " + op, None, None, None]))
    elif re.match(r"[A-Z]+ PIN=", part[0]):
        pass
    elif "=" in part[0]:
        v = dict(x.split("=", 1) for x in part)
        pin = v.get("pin", "0") if v.get("pin", "0") != "0" else None
        card = v.get("cardno", "0") if v.get("cardno", "0") != "0" else None
        if "event" in v:
            row = [kind(v["event"], pin or card), clock(v["time"]), pin, PUNCH[int(v["inoutstatus"])]
                   if v["inoutstatus"] in "01" else None, CREDENTIAL.get(v["verifytype"]), v["event"],
                   v["eventaddr"], int(v["index"]), card]
        else:
            row = ["door", clock(v["time"]), None, None, None,
                   "/".join(["255", v["sensor"], v["relay"], v["alarm"]]), v["door"], None, None]
        print(json.dumps(row))
    elif part != [""]:
        status = int(part[2])
        print(json.dumps(["granted", clock(part[1]), part[0], PUNCH[status] if status < 6 else None,
                          CREDENTIAL.get(part[3]), str(status) if status > 5 else None,
                          None, None, None]))
END
fields='[.kind, .local_time, .person_id, .punch, .credential, .code, .reader, .serial_no, .card_no]'
bodies=()
# real FILE PAGE?QUERY ANSWER: posts the body; its answer.
real() {
    bodies+=("$TS_CORPUS/zk/push/$1.body")
    is "$(post "$2" "@${bodies[-1]}")" "200 $3" "$1: its answer"
}
if [ -d "$TS_CORPUS/zk/push" ]; then
    listening http://:0
    real 2009_attlog_4col 'cdata?SN=0066688490001&Stamp=289503453' \
        "OK: $(grep -c . "$TS_CORPUS/zk/push/2009_attlog_4col.body")"
    real 2009_operlog_user 'cdata?SN=0066688490001&OpStamp=289504127' 'OK: 4'
    real 2009_operlog_oplog_packed_time 'cdata?SN=0066688490001&OpStamp=289515406' 'OK: 1'
    real 2009_operlog_fp_template_removed 'cdata?SN=0066688490001&OpStamp=289504127' 'OK: 4'
    real 2024_attlog_trailing_tab_crlf 'cdata?SN=BOCK200961014&table=ATTLOG&Stamp=9999' 'OK: 3'
    real 2024_operlog_crlf_fp_removed 'cdata?SN=BOCK200961014&table=OPERLOG&Stamp=9999' \
        "OK: $(grep -c . "$TS_CORPUS/zk/push/2024_operlog_crlf_fp_removed.body")"
    real acc_rtlog_speedface_v3l 'cdata?SN=CRJP230860129&table=rtlog' OK
    real acc_rtlog_senseface_2a 'cdata?SN=NYU7251601501&table=rtlog' OK
    real acc_rtlog_senseface_2a_door_row 'cdata?SN=NYU7251601501&table=rtlog' OK
    real acc_rtlog_clock_unset 'cdata?SN=NYU7251601501&table=rtlog' OK
    real acc_rtlog_senseface_3a 'cdata?SN=SF3A&table=rtlog' OK
    real attlog_kv_lines 'cdata?SN=JJA1254800833&table=ATTLOG' 'OK: 1'
    real attlog_10col_palm_and_fp 'cdata?SN=A1&table=ATTLOG' 'OK: 2'
    python3 second.py "${bodies[@]}" | jq -c . >second
    is "$(wc -l <second)" 76 "they hold 76 events"
    is "$(jq -c "$fields" out | diff - second)" "" "which came out, as a second reading has them"
    is "$(ts-read -f zk-push -d X "${bodies[@]}" | jq -c "$fields" | diff - second)" "" "the same from files"
    before=$(wc -l <out)
    is "$(post 'registry?SN=NYU7251601501' "@$TS_CORPUS/zk/push/acc_registry_senseface_2a.body" | cut -c1-17)" \
        "200 RegistryCode=" "acc_registry_senseface_2a"
    for n in 1 2; do
        is "$(post 'devicecmd?SN=0066688490001' "@$TS_CORPUS/zk/push/2009_devicecmd_info_$n.body")" '200 OK' \
            "2009_devicecmd_info_$n"
    done
    is "$(wc -l <out)" "$before" "which give no event"
    ends
    # Whoever adds a body adds it here.
    is "$(find "$TS_CORPUS/zk/push" -name '*.body' | wc -l)" 16 "that was all of them"
else
    skip "real bodies: no folder $TS_CORPUS/zk/push (TS_CORPUS)"
fi

done_testing
