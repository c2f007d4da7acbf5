#!/bin/bash
# ts-read on TCP: many peers, limits, connecting again, and who may connect.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-read >/dev/null || skip_all "ts-read is not built"
command -v jq >/dev/null || skip_all "needs jq"
cd "$T" || exit 1

event() { printf '{"local_time":"2026-01-07T10:34:08","n":"%s"}\n' "$1"; }
# shellcheck disable=SC2317 # called by wait_for
lines() { [ "$(wc -l <out)" -ge "$1" ]; }
# shellcheck disable=SC2317
has() { grep -q "\"n\":\"$1\"" out; }
# listening ARG...: starts it; sets $reader and $port.
listening() {
    rm -f out err
    spawn ts-read -l "$@" >out 2>err
    reader=$spawned
    wait_for 5 grep -q '^listening on ' err
    port=$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' err)
}
ends() {
    kill -TERM "$reader" 2>/dev/null
    wait "$reader"
    status=$?
}
send() { cat >"/dev/tcp/127.0.0.1/$port"; }

listening tcp://:0
like "$(<err)" '^listening on 127\.0\.0\.1:[0-9]+$' "it says where it listens: on loopback"
event 1 | send
wait_for 5 has 1
ok $? "an event comes out"
is "$(jq -r '.device_id+" "+.source' out)" "127.0.0.1 ndjson" "the device is the peer's address"
like "$(jq -r .origin out)" '^127\.0\.0\.1:[0-9]+$' "the origin is the peer"
like "$(jq -r .received_at out)" '^20[0-9-]+T[0-9:.]+Z$' "and when it came"
exec 7<>"/dev/tcp/127.0.0.1/$port"
event 2 >&7
wait_for 5 has 2
ok $? "a peer may stay"
printf '{"local_time":"2026-01-07T10:34:08",' >&7
event 3 | send
wait_for 5 has 3
ok $? "half a line of one peer holds up no other"
printf '"n":"4"}\n' >&7
wait_for 5 has 4
ok $? "and is put together"
printf 'hello\n' | send
printf '    17\t2026-01-07 10:00:00\t1\t0\t1\t0\n' | send
wait_for 5 lines 6
is "$(jq -r 'select(.error).error' out)" "unknown format" "a line that fits no format is told"
is "$(jq -r 'select(.source=="zk-attlog").person_id' out)" 17 "each peer has its own format"
printf '{"half' >&7
exec 7>&-
wait_for 5 lines 7
is "$(tail -n 1 out | jq -r .error)" "torn last line" "half a line at the end is told"
kill -STOP "$reader"
event 5 | send
kill -TERM "$reader"
kill -CONT "$reader"
ends
is "$status" 0 "SIGTERM ends it in order"
has 5
ok $? "with what had come by then"

listening -d GATE -f ndjson tcp://:0
python3 - "$port" <<'END'
import socket, sys
peers = []
for i in range(200):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.sendall(b'{"local_time":"2026-01-07T10:34:08","n":"%d"}\n{"local' % i)
    peers.append(s)
for i, s in enumerate(peers):
    s.sendall(b'_time":"2026-01-07T10:34:09","n":"b%d"}\n' % i)
for s in peers:
    s.close()
END
wait_for 10 lines 400
is "$(jq -r .n out | sort -u | wc -l)" 400 "200 peers at once: every line once"
is "$(jq -r .device_id out | sort -u)" GATE "-d names them"
ends

# Out of descriptors, though it began with more: some are refused, it goes on.
listening_few() {
    spawn ts-read -l -d D tcp://:0 >out 2>err
    reader=$spawned
    wait_for 5 grep -q '^listening on ' err
    port=$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' err)
    prlimit --pid "$reader" --nofile=24:24
}
rm -f out err
listening_few
python3 - "$port" <<'END'
import socket, sys
peers = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(40)]
import time
end = time.time() + 5
refused = 0
while refused == 0 and time.time() < end:
    for s in peers:
        s.settimeout(0.05)
        try:
            refused += s.recv(1) == b""
        except OSError:
            pass
for s in peers:
    s.close()
END
event after | send
wait_for 5 has after
ok $? "out of descriptors it goes on"
like "$(<err)" 'out of file descriptors' "and says so"
ends

# --- who may connect -------------------------------------------------------------------------------
ts-read -l tcp://0.0.0.0:0 >/dev/null 2>err
is $? 64 "an outside address needs --allow"
listening --allow 127.0.0.2/32 --allow ::1 tcp://0.0.0.0:0
event no | send 2>/dev/null
python3 - "$port" <<'END'
import socket, sys
s = socket.socket()
s.bind(("127.0.0.2", 0))
s.connect(("127.0.0.1", int(sys.argv[1])))
s.sendall(b'{"local_time":"2026-01-07T10:34:08","n":"yes"}\n')
s.close()
END
wait_for 5 has yes
ok $? "a peer that is allowed is read"
is "$(grep -c '"n":"no"' out)" 0 "another is not"
like "$(<err)" '127\.0\.0\.1: is not allowed' "which is said"
ends
busy=$(port_free)
spawn ts-read -l "tcp://:$busy" 2>/dev/null
wait_for 5 port_open "$busy"
ts-read -l "tcp://:$busy" 2>err
is $? 69 "a port that is taken"

# --- connecting ------------------------------------------------------------------------------------
ts-read "tcp://127.0.0.1:$(port_free)" 2>err
is $? 69 "nobody there"
like "$(<err)" 'cannot connect: Connection refused' "is said"
cat >device.py <<'END'
import socket, sys
l = socket.socket()
l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
l.bind(("127.0.0.1", int(sys.argv[1])))
l.listen()
for n in range(int(sys.argv[2])):
    s, _ = l.accept()
    s.sendall(b'{"local_time":"2026-01-07T10:34:08","n":"c%d"}\n' % n)
    s.close()
END
port=$(port_free)
spawn python3 device.py "$port" 1
wait_for 5 grep -q ":$(printf %04X "$port") 00000000:0000 0A" /proc/net/tcp
is "$(ts-read -d D "tcp://127.0.0.1:$port" | jq -r .n)" c0 "a device is read to its end"
port=$(port_free)
rm -f out err
spawn ts-read -F -d D "tcp://127.0.0.1:$port" >out 2>err
reader=$spawned
wait_for 5 grep -q 'trying again' err
ok $? "with -F a device that is not there is tried again"
spawn python3 device.py "$port" 2
wait_for 20 has c1
ok $? "also after its connection ended"
ends
is "$status" 0 "SIGTERM ends it in order"

# --- --into: what was not stored is handed over again ----------------------------------------------
store=$ROOT/tests/support/store.pl
listening -F -d D --into "if [ -e mark ]; then exec $store ledger; fi; : >mark
    exec $store ledger die 4" tcp://:0
for n in 1 2 3 4 5 6; do event "s$n"; done | send
# shellcheck disable=SC2317
stored() { [ "$(sed -n 's/.*"n":"\([^"]*\)".*/\1/p' ledger | sort -u | wc -l)" -eq "$1" ]; }
wait_for 10 stored 6
ok $? "events of a command that died go to the next one"
ends
is "$status" 0 "and all had their receipt"
rm -f ledger
listening -F -d D --into "$store ledger deferred 3 1" tcp://:0
for n in 1 2 3 4 5 6; do event "s$n"; done | send
wait_for 10 grep -q '"n":"s3".*' ledger
# shellcheck disable=SC2317
twice() { [ "$(grep -c '"n":"s3"' ledger)" -ge 2 ]; }
wait_for 10 twice
ok $? "a deferred event is tried again"
ends
is "$status" 0 "until it is stored"
rm -f ledger
listening -d D --into "$store ledger die 2" tcp://:0
for n in 1 2 3; do event "s$n"; done | send
wait "$reader"
is $? 75 "without -F the end of the command is the end"
like "$(<err)" 'events without a final receipt' "which is counted"

done_testing
