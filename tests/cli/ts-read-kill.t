#!/bin/bash
# SPDX-License-Identifier: MIT
# kill -9 at random moments: of ts-read, of a program of its command, of all of them, and of a device
# that pushes.  Every kind of source that can be read again comes to its end all the same: nothing is
# lost, and by its id nothing is in the queue twice.
# TS_FULL=1: many more kills; TS_SEED repeats the moments of a run.
# shellcheck disable=SC2317 # functions that are called by a name that is made
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
for tool in ts-read ts-enrich ts-spool jq python3 curl pgrep; do
    command -v $tool >/dev/null || skip_all "needs $tool"
done
cd "$T" || exit 1
kills=4
[ -z "${TS_FULL:-}" ] || kills=60
seed=${TS_SEED:-$RANDOM}
echo "# TS_SEED=$seed"
printf 'admin:Fine-2026\n' >login
chmod 600 login

# --- one kind, in a folder of its own --------------------------------------------------------------
# Each sets: $reading (the command that is killed), $again (which reads all once more), $wanted (how
# many), and may have a function `happens` that makes the events of another moment.

sim() {
    python3 "$ROOT/tests/sim/$1" "${@:2}" >port.out 2>/dev/null &
    others+=($!)
    wait_for 20 grep -q '[0-9]' port.out
    port=$(grep -o '[0-9]*' port.out | head -n 1)
}
rows() {
    seq "$1" "$2" | awk '{ printf "%9d\t2026-01-%02d %02d:%02d:%02d\t1\t0\t15\t0\n",
        $1 % 400, 1 + $1 / 1000, $1 / 3600 % 24, $1 / 60 % 60, $1 % 60 }'
}
kind_file() {
    rows 1 1500 >gate.dat
    reading=(ts-read -d D --checkpoint cp gate.dat)
    again=(ts-read -d D gate.dat)
    wanted=1500
}
kind_follow() {
    rows 1 1000 >gate.dat
    reading=(ts-read -F -d D --checkpoint cp gate.dat)
    again=(ts-read -d D gate.dat)
    wanted=2000
    happens() { rows $((1001 + $1 * 1000 / moments)) $((1000 + ($1 + 1) * 1000 / moments)) >>gate.dat; }
}
kind_zk() {
    mkfifo fifo
    exec 8<>fifo
    sim zk.py --records 1000 --pace 60 --happens fifo
    reading=(ts-read -F --checkpoint cp "zk://127.0.0.1:$port")
    again=(ts-read "zk://127.0.0.1:$port")
    wanted=$((1000 + moments * 10))
    happens() { seq 10 19 | sed "s/.*/punch 1& 2026-03-02T08:$((10 + $1)):&/" >&8; }
}
kind_hikvision() {
    sim hikvision.py now=2026-03-02T12:00:00 log=300
    reading=(ts-read -F --password-file ../login --checkpoint cp "hikvision://127.0.0.1:$port")
    again=(ts-read --password-file ../login "hikvision://127.0.0.1:$port")
    wanted=$((moments * 10))
    happens() {
        jq -nc "[range(10) | {time: \"2026-03-02T08:$((10 + $1)):1\\(.)+03:00\"}]" |
            curl -s "http://127.0.0.1:$port/_sim/log" --data-binary @- >/dev/null
    }
}
kind_dahua() {
    sim dahua.py
    reading=(ts-read -F --password-file ../login --checkpoint cp "dahua://127.0.0.1:$port")
    again=(ts-read --password-file ../login "dahua://127.0.0.1:$port")
    wanted=$((moments * 10))
    happens() {
        jq -nc "[range(10) | {CreateTime: (1772427600 + $1 * 60 + .)}]" |
            curl -s "http://127.0.0.1:$port/_sim/log" --data-binary @- >/dev/null
    }
}
# Old firmware asks the server how far it has sent (Stamp): what it hears must be in the queue.
kind_push() {
    rows 1 200 >gate.dat
    push_port=$(port_free)
    reading=(ts-read -F -l "http://127.0.0.1:$push_port")
    again=(ts-read -d CGXH2012345 gate.dat)
    wanted=200
    device() {
        python3 "$ROOT/tests/sim/zk_push.py" --attlog gate.dat --firmware 2009 --batch 10 --tries 400 \
            "$push_port" >/dev/null 2>&1 &
        device=$!
    }
    device
}

# What is on its way stays there for more than half a second, which is when it can be lost.
late="perl -e 'while (sysread STDIN, \$b, 65536) { select undef, undef, undef, 0.6; syswrite STDOUT, \$b }'"

# --- killing ---------------------------------------------------------------------------------------
below() {
    local p
    for p in $(pgrep -P "$1"); do
        echo "$p"
        below "$p"
    done
}
strike() {
    local tree
    mapfile -t tree < <(below "$reader")
    [ ${#tree[@]} -gt 0 ] || return
    case $((RANDOM % 3)) in
    0) kill -9 "$reader" ;;
    1) kill -9 "${tree[RANDOM % ${#tree[@]}]}" ;;
    2) kill -9 "$reader" "${tree[@]}" ;;
    esac
    [ -z "${device:-}" ] || [ $((RANDOM % 2)) -eq 0 ] || kill -9 "$device"
}
begin() {
    "${reading[@]}" --into "ts-enrich -z UTC 2>/dev/null | $late | ts-spool put q.db 2>/dev/null" >>said 2>&1 &
    reader=$!
}
come() { [ "$(ts-spool stat --json q.db 2>/dev/null | jq .stored)" = "$wanted" ]; }
keep_on() {
    kill -0 "$reader" 2>/dev/null || begin
    [ -z "${device:-}" ] || kill -0 "$device" 2>/dev/null || device
}
# shellcheck disable=SC2317 # called by wait_for
come_at_last() {
    keep_on
    come
}
one() {
    local n
    RANDOM=$((seed + ${#1}))
    mkdir "$1"
    cd "$1" || exit 1
    others=()
    moments=$((kills < 8 ? 8 : kills))
    [ $moments -lt 45 ] || moments=45
    "kind_$1"
    begin
    for ((n = 0; n < moments || n < kills; n++)); do
        if [ $n -lt $moments ] && declare -F happens >/dev/null; then happens $n; fi
        [ $n -ge "$kills" ] || { sleep "0.$((RANDOM % 250 + 50))"; strike; }
        keep_on
    done 2>/dev/null
    wait_for 60 come_at_last
    sent=$?
    kill -TERM "$reader"
    wait "$reader"
    "${again[@]}" 2>/dev/null | ts-enrich -z UTC 2>/dev/null | ts-spool audit --against - --json q.db >held
    kill -9 "${others[@]}" ${device:+"$device"} 2>/dev/null
    echo "$sent $(tail -n 1 held | jq -c '[.holds, .received, .missing]') $(ts-spool stat --json q.db |
        jq .stored)" >result
}

kinds="file follow zk hikvision dahua push"
for kind in $kinds; do
    (trap - EXIT; one "$kind") 2>/dev/null &
    tap_pids+=($!)
done
wait
for kind in $kinds; do
    wanted=$(sed 's/.*\] //' "$kind/result")
    is "$(cat "$kind/result")" "0 [$wanted,$wanted,0] $wanted" "$kind: all of it came, each once"
    ! grep -q 'makes no sense\|cleared\|damaged\|not the file' "$kind/said"
    ok $? "$kind: and no place was lost on the way"
done
done_testing
