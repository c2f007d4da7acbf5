#!/bin/bash
# hikvision://: the log from the checkpoint, then live, against a simulated terminal; and that the
# same passage has one id by search, stream and push.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-read >/dev/null || skip_all "ts-read is not built"
for tool in curl jq python3; do
    command -v $tool >/dev/null || skip_all "needs $tool"
done
cd "$T" || exit 1
printf 'admin:Fine-2026\n' >login
printf 'admin:wrong\n' >wrong
printf 'Fine-2026\n' >password
echo 'user = "admin:Fine-2026"' >login.curl
chmod 600 login wrong password login.curl

# device KNOB=VALUE...: a terminal; sets $sim, $port and $url.
device() {
    : >port.out
    spawn python3 "$ROOT/tests/sim/hikvision.py" "$@" >port.out
    sim=$spawned
    wait_for 10 test -s port.out
    read -r port <port.out
    url=hikvision://127.0.0.1:$port
}
sim() { curl -s -m 10 "http://127.0.0.1:$port/_sim/$1" "${@:2}"; }
count() { grep -c "^$1\$" port.out; }
# happens FIRST LAST: a passage in each second from FIRST to LAST after 08:00.
happens() {
    seq "$1" "$2" | jq -sc 'map({time: "2026-03-02T08:\(. / 60 | floor + 100 | tostring[1:]):\(. % 60 + 100 | tostring[1:])+03:00"})' |
        sim log --data-binary @- >/dev/null
}
# follow [ARG...]: reads live; sets $reader.
follow() {
    rm -f out err
    spawn ts-read -F --password-file login "$@" "$url" >out 2>err
    reader=$spawned
}
came() { [ "$(wc -l <"${2:-out}")" -ge "$1" ]; }
armed() { [ "$(count alertStream)" -ge "$1" ]; }
ends() {
    kill -TERM "$reader" 2>/dev/null
    wait "$reader"
    status=$?
}
serials() { jq -r .serial_no out | tr "\n" " "; }
range() { seq "$1" "$2" | tr '\n' ' '; }

# --- the log -------------------------------------------------------------------------------------
device
happens 1 70
ts-read --password-file login "$url" >out 2>err
is "$? $(serials) $(<err)" "0 $(range 1 70) " "without -F: the log, and the end"
is "$(jq -c '[.kind, .local_time, .utc_offset, .device_id, .reader, .code, .person_id, .credential,
    .serial_no, .source, has("received_at"), (.raw | has("name"))]' out | head -n 1)" \
    '["granted","2026-03-02T08:00:01","+03:00","FZ1234567","1","5/75","1001","face",1,"hikvision",false,false]' \
    "a record of it"
ts-read --password-file password "hikvision://admin@127.0.0.1:$port" 2>err | wc -l >n
is "$(<n) $(<err)" "70 " "the user may stand in the address"
ts-read --password-file password -o user=admin "$url" 2>err | wc -l >n
is "$(<n) $(<err)" "70 " "or in -o user"
ts-read "hikvision://admin:x@127.0.0.1:$port" >out 2>err
like "$? $(<err)" '^64 .*no password in an address' "but no password in the address"
is "$(ts-read --password-file login --since 2026-03-02T08:00:31 --until 2026-03-02T08:00:41 -F "$url" | jq -r .serial_no | tr '\n' ' ')" \
    "$(range 31 40)" "a range, which ends even with -F"

sim 'set?page=7&split=1' >/dev/null
is "$(ts-read --password-file login "$url" 2>err | jq -r .serial_no | tr '\n' ' ')" "$(range 1 70)" \
    "small pages, byte by byte"
sim 'set?page=30&split=0&overwrite=5' >/dev/null
is "$(ts-read --password-file login "$url" 2>err | jq -r .serial_no | sort -n | tr '\n' ' ')" \
    "$(range 1 70)" "records that are overwritten between two pages move no other out of sight"

ts-read --count --password-file login "$url" >out 2>err
is "$? $(jq -c 'select(.day) | [.device, .day, .events, .records]' out)" \
    '0 ["FZ1234567","2026-03-02",65,65]' "--count says what it holds (5 were overwritten)"
sim 'set?heartbeat_ms=50&pictures=1&replay=1' >/dev/null
spawn curl -s -m 20 --digest -K login.curl -N "http://127.0.0.1:$port/ISAPI/Event/notification/alertStream" \
    -o recording
wait_for 20 grep -aq videoloss recording # behind the log
sim cut >/dev/null
wait "$spawned"
ts-read recording 2>err | jq -r '[.device_id, .serial_no, has("received_at"), .snapshot] | join(" ")' >out
is "$(head -n 65 out)" "$(seq 6 70 | sed 's/.*/FZ1234567 & false /')" \
    "what curl records of the stream reads alike"
like "$(curl -s -m 5 --digest -K - "http://127.0.0.1:$port/ISAPI/System/deviceInfo" <<<'user = "admin:Fine-2026"')" \
    '<serialNumber>' "curl and the simulated terminal agree on digest authentication"
sim 'set?heartbeat_ms=200&pictures=0&replay=0' >/dev/null

# --- passwords -----------------------------------------------------------------------------------
ts-read -F --password-file wrong "$url" >out 2>err
like "$? $(<err)" "^77 ts-read: $url: refuses the user or the password \(4 tries are left.*not trying again$" \
    "a wrong password ends it, also with -F"
is "$(sim get | jq .counts.wrong)" 1 "after one try"
ts-read "$url" >out 2>err
like "$? $(<err)" '^77 .*give --password-file$' "none at all"
sim 'set?locked_s=1800' >/dev/null
ts-read -F --password-file login "$url" >out 2>err
like "$? $(<err)" '^77 .*the account is locked for 1800 s.*not trying again$' "a locked account: for how long"
is "$(cat out err | grep -c -e Fine-2026 -e :wrong)" 0 "and no password in any message"
kill "$sim"

# --- TLS -----------------------------------------------------------------------------------------
if command -v openssl >/dev/null; then
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=terminal -addext 'subjectAltName=IP:127.0.0.1' \
        -keyout key.pem -out cert.pem 2>/dev/null
    cat key.pem cert.pem >both.pem
    pin=sha256//$(openssl x509 -in cert.pem -pubkey -noout | openssl pkey -pubin -outform der |
        openssl dgst -sha256 -binary | base64)
    device tls=both.pem
    curl -sk "https://127.0.0.1:$port/_sim/log" --data-binary '[{"time":"2026-03-02T08:00:01+03:00"}]' >/dev/null
    secure() { ts-read --password-file login "$@" "hikvisions://127.0.0.1:$port" 2>err | jq -r .serial_no; }
    is "$(secure) $(<err)" " ts-read: hikvisions://127.0.0.1:$port: SSL certificate problem: self-signed certificate" \
        "a certificate that nobody vouches for is refused"
    is "$(secure --ca cert.pem)" 1 "--ca"
    is "$(secure --insecure)" 1 "--insecure"
    is "$(secure --insecure --pin-sha256 "$pin")" 1 "--pin-sha256 of its key"
    is "$(secure --insecure --pin-sha256 "sha256//$(printf %032d 0 | base64)")" "" "and of another"
    kill "$sim"
else
    skip "TLS: needs openssl"
fi

# --- live ----------------------------------------------------------------------------------------
device arm_gap=2 now=2026-03-02T08:01:00
happens 1 40
follow
wait_for 20 came 42
is "$(serials)" "$(range 1 42)" "what happens between log and stream is not missed, nor given twice"
happens 61 63
wait_for 20 came 45
is "$(serials)" "$(range 1 45)" "then live"
is "$(jq -c 'select(.serial_no > 42) | has("received_at")' out | sort -u)" true "with the time of receipt"
sim cut >/dev/null
happens 64 65
wait_for 20 came 47
wait_for 20 armed 2
happens 66 66
wait_for 20 came 48
is "$(serials)" "$(range 1 48)" "a connection that ends: nothing lost, nothing twice"
like "$(<err)" 'the stream of events ended: trying again until it works.*answers again' "which is said"
sim 'set?lose=2' >/dev/null
happens 67 69
wait_for 20 came 51
is "$(serials)" "$(range 1 51)" "what the stream left out is searched for, by frontSerialNo"
sim 'set?cut_after=300' >/dev/null
happens 70 70
wait_for 20 came 52
is "$(serials)" "$(range 1 52)" "cut in the middle of an event"
ends
is $status 0 "SIGTERM ends it in order"
kill "$sim"

device replay=1 quirks=1 split=3 now=2026-03-02T08:01:00
happens 1 20
follow
wait_for 20 armed 1
happens 61 62
wait_for 20 came 22
is "$(serials)" "$(range 1 22)" "a stream with all its quirks that repeats the whole log"
ends
kill "$sim"

device xml=1 busy=1 heartbeat_ms=20000 now=2026-03-02T08:01:00
happens 1 3
follow -o busy=1 -o silence=1
wait_for 20 came 3
happens 61 61
wait_for 20 came 4
like "$(<err)" 'has no place for live events \(status 404: Device Busy\)' "no place for live events: the log is looked into"
wait_for 20 grep -q 'silent for too long' err
ok $? "a stream without a byte is given up"
happens 62 62
wait_for 20 came 5
is "$(serials)" "$(range 1 5)" "events as XML"
ends
kill "$sim"

device lose=100 now=2026-03-02T08:01:00
follow -o sweep=1
wait_for 20 armed 1
happens 1 1
wait_for 20 came 1
happens 61 61
wait_for 20 came 2
wait_for 20 grep -q 'has events that it does not say live' err
ok $? "a stream that says nothing of what happens is noticed, and the log is read"
is "$(serials)" "1 2 " "once"
ends
kill "$sim"

device no_search=1
follow
wait_for 20 armed 1
happens 1 2
wait_for 20 came 2
is "$(serials)" "1 2 " "a terminal without a search"
like "$(<err)" 'its log cannot be searched \(Invalid Operation \(notSupport\)\)' "which is said"
ends
kill "$sim"

# --- the checkpoint ------------------------------------------------------------------------------
if command -v ts-spool >/dev/null && command -v ts-enrich >/dev/null; then
    into='ts-enrich | ts-spool put q.db'
    ids() { ts-spool list q.db 2>/dev/null | jq -r .serial_no | sort -n | tr '\n' ' '; }
    fetch() { ts-read --password-file login --checkpoint c --into "$into" "$url" >out 2>err; }
    device now=2026-03-02T08:20:00
    happens 1 65
    fetch
    is "$? $(ids)" "0 $(range 1 65)" "into a queue"
    happens 600 600
    fetch
    happens 900 905 # more than the overlap later
    before=$(count AcsEvent)
    fetch
    is "$? $(ids)" "0 $(range 1 72)" "and on from the checkpoint"
    is "$(($(count AcsEvent) - before))" 1 "with a page of what is new"
    is "$(jq -r '.sources[0].cursor | fromjson | [.device, .serial, .time] | join(" ")' c)" \
        "FZ1234567 72 2026-03-02T08:15:05+03:00" "whose place is the last record"
    ts-read --password-file login --checkpoint c --into 'cat >/dev/null' "$url" >out 2>err
    sim clear >/dev/null
    happens 960 961
    fetch
    like "$(<err)" 'its records are numbered anew \(1 after 72\)' "an emptied log is noticed"
    is "$(ts-spool list q.db | jq -r .local_time | sort | tail -n 2 | tr '\n' ' ')" \
        "2026-03-02T08:16:00 2026-03-02T08:16:01 " "and read"
    sim 'set?serial=DS-K1T673DX20240101V031000ENFZ7654321' >/dev/null
    fetch
    like "$(<err)" 'another device is there now: "FZ7654321" after "FZ1234567"' "so is another device"
    happens 962 962
    rm -f out err
    spawn ts-read -F --password-file login --checkpoint c2 --into 'false' "$url" >out 2>err
    reader=$spawned
    wait_for 20 grep -q . err
    ends
    is "$(test ! -e c2 || grep -c cursor c2)" "" "without receipts the checkpoint stays"
    kill "$sim"
else
    skip "the checkpoint: needs ts-spool and ts-enrich"
fi

# --- one passage, one id; pictures ---------------------------------------------------------------
device pictures=1 now=2026-03-02T08:01:00
mkdir pictures
follow --snapshots pictures
wait_for 20 armed 1
happens 61 61
wait_for 20 came 1
cp out stream.out
ends
file=$(jq -r .snapshot.file stream.out)
is "$(jq -r .snapshot.sha256 stream.out)" "$(sha256sum "pictures/$file" | cut -d ' ' -f 1)" \
    "a picture is kept by its hash"
is "$(jq -c .snapshot.bytes stream.out)" "$(stat -c %s "pictures/$file")" "whole"
is "$(stat -c %a "pictures/$file")" 600 "for us alone"
ts-read --password-file login "$url" >search.out 2>err
rm -f listen.err
spawn ts-read -l --snapshots pictures http://:0 >push.out 2>listen.err
reader=$spawned
wait_for 10 grep -q '^listening' listen.err
lport=$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' listen.err)
{
    printf -- '--b\r\nContent-Disposition: form-data; name="event_log"\r\nContent-Type: application/json\r\n\r\n'
    jq '.raw' stream.out
    printf -- '\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n\377\330\377\331\r\n--b--\r\n'
} >body
answer=$(curl -s -m 10 -i --data-binary @body -H 'Content-Type: multipart/form-data; boundary=b' \
    "http://127.0.0.1:$lport/hik" | tr -d '\r' | grep -E '^(HTTP|Content-Length)' | tr '\n' ' ')
is "$answer" "HTTP/1.1 200 OK Content-Length: 0 " "a push is answered with nothing"
wait_for 10 came 1 push.out
is "$(jq -c '[.snapshot.bytes, .snapshot.media_type]' push.out)" '[4,"image/jpeg"]' "and its picture is kept too"
cp push.out pushed.out

# push TYPE [CURL-ARG...]: standard input, to the listener; prints the status.
push() {
    curl -s -m 10 -o answer -w '%{http_code} ' --data-binary @- -H "Content-Type: $1" -H 'User-Agent: Mozilla/5.0 (MSIE 9.0)' \
        "http://127.0.0.1:$lport/any/path?x=1"
}
event() { jq -c --argjson n "$1" '.raw | .AccessControllerEvent.serialNo = $n' stream.out; }
{
    printf -- '--b\r\nContent-Type: image/jpeg\r\n\r\n\377\330'
    head -c 20000 /dev/zero | tr '\0' x
    printf -- '\377\331\r\n--b\r\nContent-Length: 9\r\n\r\n%s\r\n' "$(event 2)"
    printf -- '--b\nContent-Type: image/jpeg\nContent-Length: 70000\n\n\377\330\377one\377\331\n--b\n\n\377\330second\n'
} | push 'multipart/form-data;boundary=c' >statuses
{
    echo '{"eventType":"heartBeat"}' | push application/json
    printf -- '--b\r\nContent-Type: application/json\r\n\r\n{"eventType":"heartBeat"}\r\n--b--\r\n' | push 'multipart/form-data; boundary=b'
    jq -c -n --argjson e "$(event 3)" '{EventNotificationAlert: $e}' | push application/json
    jq -c -n --argjson e "$(event 4)" '{header: {deviceId: "FZ1234567"}, body: {payload: $e}}' | push application/json
    echo '<?xml version="1.0"?><EventNotificationAlert xmlns="urn:x"><shortSerialNumber>FZ1234567</shortSerialNumber><dateTime>2026-03-02T08:01:01+03:00</dateTime><eventType>AccessControllerEvent</eventType><AccessControllerEvent><majorEventType>5</majorEventType><subEventType>75</subEventType><employeeNoString>1001</employeeNoString><serialNo>5</serialNo></AccessControllerEvent></EventNotificationAlert>' |
        push 'application/xml; charset="UTF-8"'
} >>statuses
wait_for 10 came 5 push.out
is "$(<statuses)" "200 200 200 200 200 200 " "a push in each of its forms, and a heartbeat, is answered with 200"
is "$(jq -c '[.serial_no, .device_id, .kind, .snapshot.bytes]' push.out | tail -n 4 | tr '\n' ' ')" \
    '[2,"FZ1234567","granted",8] [3,"FZ1234567","granted",null] [4,"FZ1234567","granted",null] [5,"FZ1234567","granted",null] ' \
    "pictures before, behind, of wrong length, and two: each event once, with the first behind it"
ends
mv pushed.out push.out
if command -v ts-enrich >/dev/null; then
    for f in stream search push; do ts-enrich <$f.out | jq -r .event_id; done >ids
    is "$(sort -u ids | wc -l) $(wc -l <ids)" "1 3" "stream, search and push: one passage, one event_id"
else
    skip "one event_id: needs ts-enrich"
fi
done_testing
