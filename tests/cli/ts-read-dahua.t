#!/bin/bash
# dahua://: the log from the checkpoint, then live, against a simulated terminal; and that the same
# passage has one id by recordFinder, stream and push.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-read >/dev/null || skip_all "ts-read is not built"
for tool in curl jq python3; do
    command -v $tool >/dev/null || skip_all "needs $tool"
done
cd "$T" || exit 1
printf 'admin:Fine-2026\n' >login
printf 'admin:wrong\n' >wrong
chmod 600 login wrong

# device KNOB=VALUE...: a terminal; sets $sim, $port and $url.
device() {
    : >port.out
    spawn python3 "$ROOT/tests/sim/dahua.py" "$@" >port.out
    sim=$spawned
    wait_for 10 test -s port.out
    port=$(<port.out)
    url=dahua://127.0.0.1:$port
}
sim() { curl -s -m 10 "http://127.0.0.1:$port/_sim/$1" "${@:2}"; }
count() { sim get | jq -r ".counts[\"$1\"] // 0"; }
# happens FIRST LAST [STEP]: a passage in each second from FIRST to LAST after 2026-03-02T05:00:00Z.
happens() {
    seq "$1" "${3:-1}" "$2" | jq -sc 'map({CreateTime: (. + 1772427600)})' | sim log --data-binary @- >/dev/null
}
follow() {
    rm -f out err
    spawn ts-read -F --password-file login "$@" "$url" >out 2>err
    reader=$spawned
}
came() { [ "$(wc -l <out)" -ge "$1" ]; }
attached() {
    [ "$(sim get | jq '.counts["eventManager.cgi"] // .counts["snapManager.cgi"] // 0')" -ge "$1" ]
}
ends() {
    kill -TERM "$reader" 2>/dev/null
    wait "$reader"
    status=$?
}
serials() { jq -r .serial_no out | tr '\n' ' '; }
range() { seq "$1" "$2" | tr '\n' ' '; }

# --- the log -------------------------------------------------------------------------------------
device
happens 1 250
ts-read --password-file login "$url" >out 2>err
is "$? $(serials) $(<err)" "0 $(range 1 250) " "without -F: the log in pages, and the end"
is "$(jq -c '[.kind, .time, .device_id, .reader, .code, .person_id, .credential, .serial_no, .source,
    has("received_at"), (.raw | has("Password") or has("CardName"))]' out | head -n 1)" \
    '["granted","2026-03-02T05:00:01+00:00","6G0123ABCD0001","1","AccessControl","1001","face",1,"dahua",false,false]' \
    "a record of it, without password and name"
is "$(grep -c -e 123456 -e Somebody out)" 0 "which are nowhere"
is "$(ts-read --password-file login --since 2026-03-02T05:00:31Z --until 2026-03-02T05:00:41Z -F "$url" | jq -r .serial_no | tr '\n' ' ')" \
    "$(range 31 40)" "a range, which ends even with -F"
sim 'set?most=50&split=7' >/dev/null
is "$(ts-read --password-file login "$url" | jq -r .serial_no | tr '\n' ' ')" "$(range 1 250)" \
    "a small device, a few bytes at a time"
sim 'set?most=1024&split=0&newest_first=1' >/dev/null
is "$(ts-read --password-file login "$url" | jq -r .serial_no | sort -n | tr '\n' ' ')" "$(range 1 250)" \
    "one that lists the newest first"
sim 'set?newest_first=0&cap=20' >/dev/null
is "$(ts-read --password-file login "$url" | jq -r .serial_no | tr '\n' ' ')" "$(range 1 250)" \
    "one that gives fewer than it is asked for, whatever that is"
sim 'set?cap=0&drop=2' >/dev/null
ts-read -F --password-file login --until 2026-03-03 "$url" >out 2>err
is "$(serials)" "$(range 1 250)" "a connection that is lost in the middle: nothing twice"
ts-read -F --password-file wrong "$url" >out 2>err
like "$? $(<err)" "^77 ts-read: $url: refuses the user or the password; not trying again$" \
    "a wrong password ends it, also with -F"
is "$(count wrong)" 1 "after one try"
sim 'set?basic=1' >/dev/null
ts-read --password-file login "$url" >out 2>err
like "$? $(<err)" "^77 .*asks for the password in the clear" "a device that knows Basic alone does not get it in the clear"
kill "$sim"

# --- live ----------------------------------------------------------------------------------------
# live KNOBS: what came is in a folder of its own: serial numbers, the last time, the exit status.
live() {
    trap 'kill "$sim" "$reader"' EXIT
    mkdir "$1" && cp login "$1" && cd "$1" || exit
    # shellcheck disable=SC2086 # words
    device $2
    happens 1 20
    follow
    wait_for 20 attached 1
    happens 61 62
    wait_for 20 came 22
    happens 63 63
    wait_for 20 came 23
    sim cut >/dev/null
    happens 64 65
    wait_for 20 attached 2
    wait_for 20 came 25
    sim 'set?lose=2' >/dev/null
    happens 66 68
    wait_for 20 came 28
    # The clock is set back.
    happens -8000 -7999
    wait_for 20 came 30
    ends
    echo "$(serials)$(jq -r .time out | tail -n 1) $status" >result
}
knobs=("" "quirks=1 split=5" "number=0" "number=0 late_ms=400" "number=0 clock=0" "number=0 clock=2" "number=2")
jobs=()
for i in "${!knobs[@]}"; do
    (live "live$i" "${knobs[i]}") 2>/dev/null &
    jobs+=($!)
done
wait "${jobs[@]}"
for i in "${!knobs[@]}"; do
    is "$(<"live$i/result")" "$(range 1 30)2026-03-02T02:46:41+00:00 0" \
        "live${knobs[i]:+ with ${knobs[i]}}: nothing lost, nothing twice, at its true time"
done
device no_log=1
follow -o silence=1 -o sweep=1
wait_for 20 attached 1
happens 1 2
wait_for 20 came 2
is "$(serials)" "1 2 " "a device without a log"
like "$(<err)" 'its log cannot be read \(status 400\)' "which is said"
before=$(count challenges)
again() { [ "$(count challenges)" -ge $((before + 3)) ]; }
wait_for 20 again
ok $(($(awk '{print $14 + $15}' "/proc/$reader/stat") > 100)) "which is asked again now and then, and no oftener"
sim 'set?silent=1' >/dev/null
wait_for 20 grep -q 'silent for too long' err
ok $? "a stream without a byte is given up"
ends
kill "$sim"

# --- the checkpoint ------------------------------------------------------------------------------
if command -v ts-spool >/dev/null && command -v ts-enrich >/dev/null; then
    ids() { ts-spool list q.db 2>/dev/null | jq -r .serial_no | sort -n | tr '\n' ' '; }
    fetch() {
        ts-read --password-file login --checkpoint c --into 'ts-enrich | ts-spool put q.db' "$url" >out 2>err
    }
    device
    happens 1 65
    fetch
    is "$? $(ids)" "0 $(range 1 65)" "into a queue"
    happens 900 905
    fetch
    is "$? $(ids)" "0 $(range 1 71)" "and on from the checkpoint"
    is "$(jq -r '.sources[0].cursor | fromjson | [.device, .serial, .time] | join(" ")' c)" \
        "6G0123ABCD0001 71 2026-03-02T05:15:05+00:00" "whose place is the last record"
    happens -3000 -2998
    happens 910 910
    fetch
    is "$(ids)" "$(range 1 75)" "records of a clock that was set back are found by their numbers"
    like "$(<err)" 'its clock was set back by 3905 s' "which is said"
    echo '[{"RecNo": 86, "CreateTime": 1772428513}]' | sim log --data-binary @- >/dev/null
    fetch
    like "$(ids) $(<err)" ' 75 86  .*records 76 to 85 are not in its log' "numbers that are nowhere are said"
    sim clear >/dev/null
    happens 960 961
    fetch
    like "$(<err)" 'its records are numbered anew \(1 after 86\)' "an emptied log is noticed"
    is "$(ts-spool list q.db | jq -r .time | sort | tail -n 2 | tr '\n' ' ')" \
        "2026-03-02T05:16:00+00:00 2026-03-02T05:16:01+00:00 " "and read"
    sim 'set?serial=6G9' >/dev/null
    fetch
    like "$(<err)" 'another device is there now: "6G9" after "6G0123ABCD0001"' "so is another device"
    kill "$sim"
    rm q.db* c
    device
    happens 1 2
    happens 300000000 300000000
    fetch
    now=$(date +%s)
    echo "[{\"CreateTime\": $now}, {\"CreateTime\": $((now + 1))}]" | sim log --data-binary @- >/dev/null
    fetch
    is "$(ids)" "1 2 3 4 5 " "what comes behind a clock that was years ahead"
    kill "$sim"
else
    skip "the checkpoint: needs ts-spool and ts-enrich"
fi

# --- one passage, one id; pictures ---------------------------------------------------------------
device
is "$(curl -s -m 5 --digest -K - "http://127.0.0.1:$port/cgi-bin/magicBox.cgi?action=getSerialNo" \
    <<<'user = "admin:Fine-2026"' | tr -d '\r')" "sn=6G0123ABCD0001" \
    "curl and the simulated terminal agree on digest authentication"
mkdir pictures
follow --snapshots pictures
wait_for 20 attached 1
happens 61 61
wait_for 20 came 1
cp out stream.out
happens 62 63
wait_for 20 came 3
sim cut >/dev/null
wait_for 20 attached 2
happens 64 64
wait_for 20 came 4
is "$(serials) $(jq -r '.snapshot.bytes' out | sort -u)" "1 2 3 4  7686" "all with theirs, once"
ends
file=$(jq -r .snapshot.file stream.out)
is "$(jq -r .snapshot.sha256 stream.out)" "$(sha256sum "pictures/$file" | cut -d ' ' -f 1)" \
    "a picture is kept by its hash"
kill "$sim"
# As the specification has them: such events have no time, and some no number.
for knobs in "number=1 clock=0" "number=0 clock=0"; do
    # shellcheck disable=SC2086 # words
    device $knobs
    happens 1 3
    follow --snapshots pictures
    wait_for 20 attached 1
    happens 61 61
    wait_for 20 came 4
    happens 62 62
    wait_for 20 came 5
    sim cut >/dev/null
    wait_for 20 attached 2
    is "$(jq -r '[.serial_no, .time[14:19], .snapshot.bytes // 0] | join(" ")' out | tr '\n' ,)" \
        "1 00:01 0,2 00:02 0,3 00:03 0,4 01:01 7686,5 01:02 7686," \
        "pictures with $knobs: each with its record, at its true time, once"
    ends
    kill "$sim"
done
device
happens 61 64
ts-read --password-file login --until 2026-03-02T05:01:01.5Z "$url" >find.out 2>err
rm -f listen.err
spawn ts-read -d 6G0123ABCD0001 -l http://:0 >push.out 2>listen.err
reader=$spawned
wait_for 10 grep -q '^listening' listen.err
lport=$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' listen.err)
body='{"Action":"Pulse","Code":"AccessControl","Data":{"CardName":"Somebody","Method":15,"ReaderID":"1",
 "RealUTC":1772427661,"RecNo":1,"Status":1,"UserID":"1001"},"Index":0}'
is "$(curl -s -m 10 --data-binary "$body" -H 'Content-Type: application/json' "http://127.0.0.1:$lport/x")" \
    OK "a push is answered with OK"
wait_for 10 test -s push.out
for window in 31 15 -15; do
    python3 -c '
import sys, zlib
z = zlib.compressobj(wbits=int(sys.argv[1]))
sys.stdout.buffer.write(z.compress(sys.argv[2].encode()) + z.flush())' $window "$body" >packed
    coding=deflate
    [ $window != 31 ] || coding=gzip
    curl -s -m 10 --data-binary @packed -H "Content-Encoding: $coding" "http://127.0.0.1:$lport/x"
done >answers
is "$(<answers) $(jq -c '[.person_id, .serial_no]' push.out | uniq -c | tr -s ' ')" 'OKOKOK  4 ["1001",1]' \
    "also packed: gzip, and both kinds of deflate"
head -n 1 push.out >first.out && mv first.out push.out
ends
if command -v ts-enrich >/dev/null; then
    for f in stream find push; do ts-enrich <$f.out | jq -r .event_id; done >ids
    is "$(sort -u ids | wc -l) $(wc -l <ids)" "1 3" "stream, recordFinder and push: one passage, one event_id"
else
    skip "one event_id: needs ts-enrich"
fi
done_testing
