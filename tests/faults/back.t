#!/bin/bash
# The back-channel of ts-read --into under stress: who waits hears the truth, and all of it is kept.
# Short form in about 35 s; TS_FULL=1 does each part more often.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
for tool in ts-read pushers curl jq python3 prlimit; do
    command -v $tool >/dev/null || skip_all "needs $tool"
done
cd "$T" || exit 1
store="exec $ROOT/tests/support/back_store.py ledger"
full=${TS_FULL:+1}
most_kib=32768
[ "${MODE:-release}" = release ] || most_kib=0 # sanitizers and coverage need more: not measured

# listening ARG...: starts it; sets $reader and $port.
listening() {
    rm -f out err ledger go acks
    spawn ts-read -d D -l "$@" >out 2>err
    reader=$spawned
    wait_for 10 grep -q '^listening on ' err
    port=$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' err)
}
ends() {
    kill -TERM "$reader" 2>/dev/null
    wait "$reader"
    status=$?
}
peak() { sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$reader/status"; }
# small NAME: the peak of the reader so far is within the budget.
small() {
    local kib
    kib=$(peak)
    echo "# $1: peak $kib KiB"
    [ "$most_kib" -eq 0 ] || [ "$kib" -lt "$most_kib" ]
    ok $? "$1: memory stays below 32 MiB"
}
numbers() { LC_ALL=C grep -ao '"n":[0-9]*' "${1:-ledger}" | cut -d: -f2 | sort -n; }
# shellcheck disable=SC2317 # called by wait_for
handed() { [ "$(wc -l 2>/dev/null <ledger)" -ge "$1" ]; }
# kept: every acknowledged request's event is in the ledger.
kept() { [ -z "$(comm -23 <(sort acks) <(numbers | sort -u))" ]; }
all_kept() { # all_kept COUNT NAME
    is "$(sort -u acks | wc -l) $(numbers | sort -u | wc -l)" "$1 $1" "$2: all accepted, all there"
    kept
    ok $? "$2: nothing was acknowledged that is not"
}

# --- thousands that wait ---------------------------------------------------------------------------
listening -F --into "$store gate=go order=random noise=1" http://:0
spawn pushers -c 4000 -a 40 -n 4000 -t 60 -l acks "$port" >pushed
pushers=$spawned
wait_for 20 handed 4000
is "$(numbers | sort -u | wc -l) $(wc -c <acks)" "4000 0" "4000 requests wait, none is answered"
small "4000 waiting"
touch go
wait "$pushers"
is $? 0 "each hears 200 when its receipt is there, in any order, among doubled and foreign ones"
all_kept 4000 "4000 at once"
ends
is "$status" 0 "nothing of it is left over"

# More than there are places: they wait in the kernel, and come in their turn.
listening -F --into "$store" http://:0
prlimit --pid "$reader" --nofile=200:200
pushers -c 600 -a 10 -n 3000 -t 60 -r -l acks "$port" >pushed
is $? 0 "600 devices with 200 descriptors"
echo "# $(<pushed)"
all_kept 3000 "few descriptors"
like "$(<err)" 'out of file descriptors' "which is said"
ends
rm -f ledger
(
    ulimit -n 200
    exec ts-read -d D -F -l http://:0 --into "$store" >out 2>err
) &
reader=$!
tap_pids+=("$reader")
wait_for 10 grep -q '^listening on ' err
port=$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' err)
pushers -c 600 -a 10 -n 3000 -t 60 -r -l acks "$port" >pushed
is $? 0 "the same from the beginning on"
like "$(<err)" 'at most [0-9]+ connections at once' "which is said"
all_kept 3000 "few from the beginning on"
ends

# --- a slow disk -----------------------------------------------------------------------------------
listening -F --into "$store rate=400" http://:0
pushers -c 64 -n ${full:+1}1200 -t 100 -l acks "$port" >pushed
is $? 0 "a slow store slows the devices down: all are accepted, none is sent away"
echo "# $(<pushed)"
all_kept ${full:+1}1200 "slow store"
small "a slow store"
ends

# Bodies that are larger than all that is kept in memory together, and a store that stands still.
listening -F --answer-within 20s --into "$store gate=go" http://:0
spawn pushers -c 300 -a 3 -n 300 -b 200000 -t 60 -r -l acks "$port" >pushed
pushers=$spawned
wait_for 10 handed 10
sleep 1 # what comes in this second has no room
small "60 MB wait for a store that stands still"
touch go
wait "$pushers"
is $? 0 "all of it is accepted when it goes on"
echo "# $(<pushed)"
all_kept 300 "large bodies"
ends

# --- many events in little ---------------------------------------------------------------------------
yes '{}' | head -c 1048000 >objects
listening -F --answer-within 3s --into 'cat >/dev/null' http://:0
for n in $(seq 100); do
    curl -s -o /dev/null -m 20 -w '%{http_code}\n' --data-binary @objects "http://127.0.0.1:$port/" >"code.$n" &
    codes+=($!)
done
wait "${codes[@]}"
is "$(cat code.* | grep -cv -e '^413$' -e '^503$')" 0 "100 bodies of 349000 objects: refused, 413 or 503"
small "100 bodies of {}"
ends

listening -F --into 'exec sleep 1000' tcp://:0
python3 - "$port" <<'END'
import socket, sys, time
peers = []
for n in range(900):
    s = socket.socket()
    s.bind(("127.1.0.%d" % (n // 200 + 1), 0))
    s.connect(("127.0.0.1", int(sys.argv[1])))
    s.setblocking(False)
    peers.append(s)
line = b'{"local_time":"2026-01-07T10:34:08","pad":"' + b"x" * 500000 + b'"}\n'
left = {s: line for s in peers}
end = time.time() + 6
while left and time.time() < end:
    for s in list(left):
        try:
            left[s] = left[s][s.send(left[s]):]
            if not left[s]:
                del left[s]
        except BlockingIOError:
            pass
        except OSError:
            del left[s]
    time.sleep(0.02)
END
small "900 peers with lines of 500 KiB"
kill -9 "$reader"
wait "$reader" 2>/dev/null

# --- a command that dies -----------------------------------------------------------------------------
listening -F --into "$store die=${full:+4}97" http://:0
pushers -c 32 -n ${full:+1}300 -t 100 -r -l acks "$port" >pushed
is $? 0 "a command that dies again and again: each is accepted at last"
like "$(<pushed)" '503 [1-9]' "after 503 for those that waited"
echo "# $(<pushed)"
all_kept ${full:+1}300 "a dying command"
ends

if command -v ts-enrich >/dev/null && command -v ts-spool >/dev/null; then
    listening -F --into 'ts-enrich | ts-spool put q.db' http://:0
    spawn pushers -c 64 -n 4000 -t 100 -r -l acks "$port" >pushed
    pushers=$spawned
    killed=0
    while kill -0 "$pushers" 2>/dev/null && [ $killed -lt ${full:+2}5 ]; do
        sleep "0.$((RANDOM % 5 + 1))"
        shell=$(pgrep -P "$reader" | head -n 1)
        victim=$(pgrep -P "${shell:-0}" | shuf -n 1)
        [ -n "$victim" ] && kill -9 "$victim" 2>/dev/null && killed=$((killed + 1))
    done
    wait "$pushers"
    is $? 0 "ts-enrich or ts-spool put killed $killed times under load: each request is accepted at last"
    echo "# $(<pushed)"
    ends
    ts-spool list --waiting q.db >ledger
    all_kept 4000 "with the real ones"
    is "$(jq -r .event_id ledger | sort | uniq -d | wc -l)" 0 "and each once"
else
    skip "ts-enrich and ts-spool are not built"
fi

# --- receipts ----------------------------------------------------------------------------------------
event() { printf '{"local_time":"2026-01-07T10:34:08","n":%d}\n' "$1"; }
for n in 1 2 3 4 5; do event $n; done >five
listening --into "$store keep=3 gate=go" --answer-within 1s http://:0
touch go
is "$(curl -s -o /dev/null -w '%{http_code}' --data-binary @five "http://127.0.0.1:$port/")" 503 \
    "one of five events without a receipt: no 200 for the request"
is "$(curl -s -o /dev/null -w '%{http_code}' -d "$(event 6)" "http://127.0.0.1:$port/")" 200 "which harms no other"
ends
listening --into "$store late=0.7" --answer-within 400ms http://:0
is "$(curl -s -o /dev/null -w '%{http_code}' -d "$(event 1)" "http://127.0.0.1:$port/")" 503 "--answer-within: too late"
is "$(curl -s -o /dev/null -w '%{http_code}' -d "$(event 2)" "http://127.0.0.1:$port/")" 503 \
    "a late receipt answers no other request, though it comes while that waits"
ends
is "$status" 0 "an end in order"

# --- the checkpoint ----------------------------------------------------------------------------------
line_of() { jq -r '.sources[0].line' checkpoint 2>/dev/null || echo none; }
# shellcheck disable=SC2317 # called by wait_for
at_line() { [ "$(line_of)" = "$1" ]; }
seq 200 | sed 's/.*/{"local_time":"2026-01-07T10:34:08","n":&}/' >log
for kind in file followed; do
    follow=()
    [ $kind = followed ] && follow=(-F)
    rm -f checkpoint ledger go
    spawn ts-read "${follow[@]}" -d D --checkpoint checkpoint --into "$store keep=41 gate=go order=reverse noise=1" log 2>err
    reader=$spawned
    wait_for 10 handed 200
    touch go
    if [ $kind = followed ]; then
        wait_for 10 at_line 40
        ok $? "$kind: 199 of 200 receipts, in reverse order: it stands before the one that is missing"
        sleep 0.5 # two more saves
        is "$(line_of)" 40 "$kind: and stays"
        kill -9 "$reader"
        wait "$reader" 2>/dev/null
        rm -f ledger
        spawn ts-read -F -d D --checkpoint checkpoint --into "$store" log 2>err
        reader=$spawned
        wait_for 10 at_line 200
        is "$(numbers | head -n 1) $(numbers | wc -l)" "41 160" "$kind: killed, it goes on from there"
        ends
    else
        wait "$reader"
        is "$? $(line_of)" "0 200" "$kind: at the end, with all receipts, it stands at the end"
    fi
done
rm -f checkpoint ledger
ts-read -d D --checkpoint checkpoint --into "$store keep=41 never=1 order=random seed=7" log 2>err
is "$? $(line_of)" "75 40" "file: the 41st never answered, it stands before it"
mkfifo pipe
timeout 5 ts-read --checkpoint pipe --into cat log 2>err
is $? 73 "a FIFO is no checkpoint, and nothing hangs on it"

# A growing log, rotated, and kill -9 at any moment: nothing is skipped.
rm -f checkpoint ledger live*
: >live
past=0
for round in $(seq ${full:+4}6); do
    spawn ts-read -F -d D --checkpoint checkpoint --into "$store order=random late=0.02 seed=$round" live 2>err
    reader=$spawned
    for part in 1 2 3; do
        seq $((round * 3000 + part * 1000)) $((round * 3000 + part * 1000 + 299)) |
            sed 's/.*/{"local_time":"2026-01-07T10:34:08","n":&}/' >>live
        sleep "0.0$((RANDOM % 90 + 10))"
        if [ $((round % 3)) -eq 0 ] && [ $part -eq 2 ]; then
            mv live "live.$round"
            : >live
        fi
    done
    sleep "0.$((RANDOM % 30 + 10))"
    kill -9 "$reader"
    wait "$reader" 2>/dev/null
    # What is before the place of the file that is there now has its receipt, so it is in the ledger.
    if [ "$(jq -r '.sources[0].inode' checkpoint 2>/dev/null)" = "$(stat -c %i live)" ]; then
        comm -23 <(head -n "$(line_of)" live | numbers /dev/stdin | sort -u) <(numbers | sort -u) |
            grep -q . && past=$((past + 1))
    fi
done
is "$past" 0 "killed $round times: the place is never past what is stored"
spawn ts-read -F -d D --checkpoint checkpoint --into "$store" live 2>err
reader=$spawned
cat live* | numbers /dev/stdin | sort -u >wanted
# shellcheck disable=SC2317 # called by wait_for
complete() { [ -z "$(comm -23 wanted <(numbers | sort -u))" ]; }
wait_for 20 complete
ok $? "and in the end every line of the log and of the rotated ones is there"
is "$(wc -l <wanted)" "$((${full:+4}6 * 900))" "(of so many)"
ends

done_testing
