# shellcheck shell=bash disable=SC2154,SC2034 # what tap.sh sets; what tests read
# SPDX-License-Identifier: MIT
# For tests of ts-read zk://, after tap.sh: a simulated ZKTeco device (tests/sim/zk.py), and what
# happens there.
command -v ts-read >/dev/null || skip_all "ts-read is not built"
command -v python3 >/dev/null || skip_all "needs python3"
command -v jq >/dev/null || skip_all "needs jq"
cd "$T" || exit 1

# device OPTION...: starts one, in the place of the last; sets $sim and $port. What happens there
# goes to descriptor 8, what it is asked is in `sent`.
device() {
    [ -z "${sim:-}" ] || kill "$sim" 2>/dev/null
    rm -f happens sent device.out
    mkfifo happens
    exec 8<>happens
    spawn python3 "$ROOT/tests/sim/zk.py" --log sent --happens happens "$@" >device.out 2>device.err
    sim=$spawned
    wait_for 20 grep -qx ready device.out
    port=$(sed -n 's/^listening on \([0-9]*\)$/\1/p' device.out)
}
# port_of QUIRK: of the device that has it, by --each.
port_of() { sed -n "s/^listening on \([0-9]*\) $1\$/\1/p" device.out; }
happens() { printf '%s\n' "$*" >&8; }
# what people did, in the order of the events
who() { jq -r '.local_time + " " + .person_id' "$1"; }
# the same of a memory stick's file
stick() {
    python3 "$ROOT/tests/sim/zk.py" --attlog stick.dat "$@"
    ts-read -d X stick.dat >stick.out 2>/dev/null
    who stick.out
}
# pull SCHEME ARG...: one reading; sets $status.
pull() {
    local scheme=$1
    shift
    timeout 60 ts-read "$@" "$scheme://127.0.0.1:$port" >out 2>err
    status=$?
}
# For wait_for: what the log holds now; lines that came of `follow`; events in the queue; requests
# that the device got; the end of $reader.
holds() { [ "$(ts-read "zk://127.0.0.1:$port" 2>/dev/null | wc -l)" -eq "$1" ]; }
lines() { [ "$(wc -l <out)" -ge "$1" ]; }
stored() { [ "$(ts-spool stat --json q.db | jq .stored)" -eq "$1" ]; }
asked() { [ "$(grep -c " $1\$" sent)" -ge "$2" ]; }
gone() { ! kill -0 "$reader" 2>/dev/null; }
# follow ARG...: -F, in the background.
follow() {
    rm -f out err
    spawn ts-read -F "$@" >out 2>err
    reader=$spawned
}
# SIGTERM; sets $status.
ends() {
    kill -TERM "$reader" 2>/dev/null
    wait "$reader"
    status=$?
}
