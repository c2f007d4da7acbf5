#!/bin/bash
# -l dahua://: terminals that register themselves are logged in to and their logs read, over the one
# connection that each has made; against simulated terminals, and hostile ones.
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

# listens ARG...: ts-read, into out and err; sets $reader and $lport.
listens() {
    rm -f out err
    spawn ts-read -F -l --password-file login -o sweep=1 "$@" "dahua://:${lport:-0}" >out 2>err
    reader=$spawned
    wait_for 10 grep -q '^listening' err
    lport=$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' err)
}
# terminal KNOB=VALUE...: one that registers there; sets $sim and $port.
terminal() {
    : >port.out
    spawn python3 "$ROOT/tests/sim/dahua.py" register="$lport" again_ms=50 "$@" >port.out
    sim=$spawned
    wait_for 10 test -s port.out
    port=$(<port.out)
}
sim() { curl -s -m 10 "http://127.0.0.1:$port/_sim/$1" "${@:2}"; }
count() { sim get | jq -r ".counts[\"$1\"] // 0"; }
counted() { [ "$(count "$1")" -ge "$2" ]; }
# happens FIRST LAST: a passage in each second from FIRST to LAST after 2026-03-02T05:00:00Z.
happens() {
    seq "$1" "$2" | jq -sc 'map({CreateTime: (. + 1772427600)})' | sim log --data-binary @- >/dev/null
}
came() { [ "$(wc -l <out)" -ge "$1" ]; }
ends() {
    kill -TERM "$reader" 2>/dev/null
    wait "$reader"
    status=$?
}
serials() { jq -r .serial_no out | tr '\n' ' '; }
range() { seq "$1" "$2" | tr '\n' ' '; }
# say TEXT: what somebody hears who sends it (as printf has it).
say() {
    # shellcheck disable=SC2059 # a format on purpose
    printf "$1" | timeout 10 python3 -c '
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
try:
    s.sendall(sys.stdin.buffer.read())
    while True:
        got = s.recv(65536)
        if not got:
            break
        sys.stdout.write(got.decode("latin-1"))
except OSError:
    pass' "$lport" | tr -d '\r' | grep -v '^$' | tr '\n' ' '
}
register='POST /cgi-bin/api/autoRegist/connect HTTP/1.1\r\nHost: x\r\nContent-Length: '

# --- how it is called ----------------------------------------------------------------------------
ts-read -l dahua://:0 >out 2>err
like "$? $(<err)" "^64 .*needs --password-file" "without a password nobody can be logged in to"
ts-read -l --password-file login dahua://0.0.0.0:0 >out 2>err
like "$? $(<err)" "^64 .*--allow" "an outside address needs --allow"

# --- the log, and what happens then --------------------------------------------------------------
listens
terminal drop=2 close=1
happens 1 250
wait_for 20 came 250
is "$(serials)" "$(range 1 250)" "the log, in pages, though the connection ended in its middle: nothing twice"
is "$(jq -c '[.kind, .time, .device_id, .person_id, .source, has("received_at")]' out | head -n 1)" \
    '["granted","2026-03-02T05:00:01+00:00","6G0123ABCD0001","1001","dahua",false]' "a record of it"
happens 901 903
wait_for 20 came 253
is "$(serials)" "$(range 1 253)" "what happens then"
is "$(count registered) $(count login) $(count 'no token') $(count wrong)" "2 2 0 0" \
    "one connection, one login, and its token from then on"
ok "$(counted keep-alive 2; echo $?)" "it is kept alive"
sim forget >/dev/null
happens 904 904
wait_for 20 came 254
is "$(serials)" "$(range 1 254)" "a forgotten login: it is logged in to again"
sim 'set?quirks=1&split=3&cap=20' >/dev/null
happens 905 975
wait_for 20 came 325
is "$(serials)" "$(range 1 325)" "answers a few bytes at a time, and of fewer records than asked for"
is "$(grep -c -e 123456 -e Somebody -e Fine-2026 out err)" "out:0
err:0" "no password and no name anywhere"
like "$(<err)" 'GATE: has registered itself' "who has come is said"
# Another one with the same name.
first=$sim
first_port=$port
terminal serial=6GOTHER
wait_for 10 counted 'turned away' 2
is "$(count registered) $(grep -c 'do two terminals have this device id' err)" "0 1" \
    "two with the same device id: the second is kept out, and said once"
kill "$sim"
sim=$first
port=$first_port
happens 976 976
wait_for 20 came 326
is "$(serials)" "$(range 1 326)" "the first goes on"
kill "$sim"
terminal serial=6GOTHER
happens 1 2
wait_for 20 came 328
is "$(jq -r .device_id out | tail -n 2 | uniq)" 6GOTHER "another terminal in its place"
like "$(<err)" 'GATE: another device is there now: "6GOTHER" after "6G0123ABCD0001"' "which is said"
like "$(<err)" 'GATE: has hung up: waiting for it to register again.*GATE: answers again' \
    "as is that one has left, and one has come"
ends
is $status 0 "SIGTERM ends it in order"
kill "$sim"

# --- many, and who may ---------------------------------------------------------------------------
listens -o serial=GATE7 -o serial=GATE8
terminal terminals=9
happens 1 2
wait_for 20 came 4
is "$(jq -r .device_id out | sort | uniq -c | tr -s '\n ' ' ')" " 2 6G0123ABCD00017 2 6G0123ABCD00018 " \
    "only those in the list"
wait_for 10 grep -q 'GATE6 is not in the list: refused' err
is "$(grep -c 'GATE6 is not in' err)" 1 "of the others it is said, once"
ends
kill "$sim"
n=40
[ -z "${TS_FULL:-}" ] || n=400
listens
terminal terminals=$n
happens 1 120
wait_for 60 came $((n * 120))
is "$(jq -r '.device_id' out | sort | uniq -c | awk '{print $1}' | sort | uniq -c | tr -s ' ')" " $n 120" \
    "$n terminals at once, each with its log"
rss=$(awk '/VmHWM/ {print $2}' "/proc/$reader/status")
[ "${MODE:-release}" != asan ] || rss=0 # the sanitizer's own
ok $((rss > 32768)) "in little memory ($rss KiB)"
ends
kill "$sim"

# --- the password --------------------------------------------------------------------------------
cp wrong changing
chmod 600 changing
listens --password-file changing
terminal
happens 1 3
wait_for 20 counted 'turned away' 3
is "$(count wrong) $(count login)" "1 0" "a wrong password is tried once, however often it registers"
is "$(grep -c 'GATE: refuses the user or the password; not trying again' err)" 1 "which is said"
cat login >changing
kill -HUP "$reader"
wait_for 20 came 3
is "$(serials) $(count wrong)" "1 2 3  1" "another one after SIGHUP"
ends
kill "$sim"

# --- the checkpoint ------------------------------------------------------------------------------
if command -v ts-spool >/dev/null && command -v ts-enrich >/dev/null; then
    stored() { [ "$(ts-spool list q.db 2>/dev/null | wc -l)" -ge "$1" ]; }
    queue() { listens --checkpoint c --into 'ts-enrich | ts-spool put q.db'; }
    queue
    terminal delay_ms=100
    happens 1 900
    wait_for 20 stored 200
    kill -KILL "$reader"
    wait "$reader" 2>/dev/null
    queue
    sim 'set?delay_ms=0' >/dev/null
    wait_for 20 stored 900
    is "$(ts-spool list q.db | jq -r .serial_no | sort -n | tr '\n' ' ')" "$(range 1 900)" \
        "killed in the middle, and on: all of it, once"
    ends
    queue
    happens 1001 1001
    wait_for 20 stored 901
    wait_for 10 grep -q '901,' c
    is "$(jq -r '.sources[] | .source, (.cursor | fromjson | .serial)' c | tr '\n' ' ')" \
        "dahua://:$lport/GATE 901 " "the checkpoint has a place for each terminal"
    ts-read --password-file login --since 2026-03-02T05:16:00Z "dahua://127.0.0.1:$port" 2>err.pull |
        ts-enrich | jq -r .event_id >ids
    is "$(<ids)" "$(ts-spool list q.db | jq -r 'select(.serial_no == 901).event_id')" \
        "by dahua:// the same passage has the same id"
    ends
    kill "$sim"
    lport=0
else
    skip "the checkpoint: needs ts-spool and ts-enrich"
fi

# --- hostile peers -------------------------------------------------------------------------------
listens -o silence=1
is "$(say "GET / HTTP/1.1\r\nHost: x\r\n\r\n")" "HTTP/1.1 404 Not Found Content-Length: 0 Connection: close " \
    "somebody with something else"
like "$(<err)" 'what is pushed goes to -l http://' "is told of, with what helps"
like "$(say "${register}2\r\n\r\n{}")" "^HTTP/1.1 400" "one without a name"
like "$(say "${register}25\r\n\r\n{\"DeviceID\":\"../\\\\n\\\\u0001\"}")" "^HTTP/1.1 400" "one with a name that is none"
like "$(say "${register}19\r\n\r\n{\"DeviceID\":\"GATE\"}POST / HTTP/1.1\r\n")" "^HTTP/1.1 400" "bytes behind it"
like "$(say "${register}99999\r\n\r\n")" "^HTTP/1.1 400" "a body without an end"
like "$(say "POST /x HTTP/1.1\r\nX: $(head -c 9000 /dev/zero | tr '\0' x)\r\n")" "^HTTP/1.1 400" "a head without an end"
like "$(say "${register}19\r\n\r\n{\"Dev")" "^HTTP/1.1 408" "half of it"
is "$(say "${register}19\r\n\r\n{\"DeviceID\":\"MUTE\"}" | grep -o 'POST /[a-z/-]*')" \
    "POST /cgi-bin/api/global/login" "one that answers nothing is left"
wait_for 10 grep -q 'MUTE: no answer in time' err
ok $? "which is said"
like "$(say "${register}19\r\n\r\n{\"DeviceID\":\"LOUD\"}"; sleep 0)" "200 OK" "it may come again"
python3 - "$lport" <<'END'
import socket, sys
# Answers that are none, or have no end.
for text in (b'\0' * 9000, b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcdefgh', b'HTTP/1.1 200 OK\r\n\r\n' + b'x' * 600000,
             b'HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n', b'HTTP/1.1 401 X\r\n' + b'A: b\r\n' * 5000,
             b'HTTP/1.1 401 X\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'):
    s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
    s.settimeout(10)
    try:
        s.sendall(b'POST /cgi-bin/api/autoRegist/connect HTTP/1.1\r\nHost: x\r\nContent-Length: 18\r\n\r\n{"DeviceID":"BAD"}')
        while b'login' not in s.recv(4096):
            pass
        s.sendall(text)
        while s.recv(4096):
            pass
    except OSError:
        pass
    s.close()
END
terminal
happens 1 2
wait_for 20 came 2
is "$(serials)" "1 2 " "and in between a good one is served"
ends
is $status 0 "all that ends in order"
kill "$sim"

# --- the other door ------------------------------------------------------------------------------
spawn ts-read -l http://:0 >out 2>err
reader=$spawned
wait_for 10 grep -q '^listening' err
hport=$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' err)
is "$(curl -s -m 10 -o answer -w '%{http_code}' --data-binary '{"DevClass":"ASI","DeviceID":"GATE","ServerIP":"127.0.0.1"}' \
    "http://127.0.0.1:$hport/cgi-bin/api/autoRegist/connect") $(wc -l <out)" "404 0" "-l http:// takes no registration for an event"
like "$(<err)" 'registers itself: its door is that of -l dahua://' "and says where its door is"
ends

if [ -n "${TS_FULL:-}" ]; then
    listens
    terminal keep_ms=45000
    happens 1 1
    ok "$(timeout 70 tail -f /dev/null; counted keep-alive 4; echo $?)" "kept alive for a minute"
    is "$(count registered) $(count 'not kept')" "1 0" "over one connection"
    ends
    kill "$sim"
fi
done_testing
