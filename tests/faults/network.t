#!/bin/bash
# SPDX-License-Identifier: MIT
# Networks that delay, lose, cut, reset and go half-open, between devices and the listener and
# between ts-send and the receiver, in network namespaces:
#
#     devices (10.77.1.2) -- relay and router -- (10.77.2.2) ts-read, spool, ts-send
#                            10.77.x.1        -- (10.77.3.2) receiver
#
# A ledger at the devices and one at the receiver are compared; recovery is timed.
# shellcheck disable=SC2317 # much is called by wait_for
[ -n "${TS_OWN_NET:-}" ] || ! unshare -n true 2>/dev/null ||
    TS_OWN_NET=1 exec unshare -n bash "$0" "$@"
. "$(dirname "$0")/../support/tap.sh"
for tool in ts-read ts-spool ts-send jq python3 perl ip nsenter; do
    command -v $tool >/dev/null || skip_all "needs $tool"
done
[ -n "${TS_OWN_NET:-}" ] || skip_all "needs network namespaces (root)"
cd "$T" || exit 1
network=$ROOT/tests/faults/network.py
request_s=1 # --timeout of ts-send and of the devices

# --- three hosts and a router ----------------------------------------------------------------------

ip link set lo up
host() {
    local name=$1 net=10.77.$2
    spawn unshare -n sleep 3000
    eval "$name=$spawned"
    wait_for 5 apart "$spawned"
    ip link add "to-$name" type veth peer name eth0 netns "$spawned" 2>/dev/null || return 1
    ip addr add "$net.1/24" dev "to-$name"
    ip link set "to-$name" up
    on "$spawned" ip link set lo up
    on "$spawned" ip addr add "$net.2/24" dev eth0
    on "$spawned" ip link set eth0 up
    on "$spawned" ip route add default via "$net.1"
}
apart() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
on() {
    local pid=$1
    shift
    nsenter -t "$pid" -n -- "$@"
}
# like on, for spawn: becomes the program
at() { exec nsenter -t "$1" -n -- "${@:2}"; }
devices='' spool='' receiver=''
{ host devices 1 && host spool 2 && host receiver 3; } || skip_all "no veth here"
echo 1 >/proc/sys/net/ipv4/ip_forward 2>/dev/null || skip_all "cannot route here"

# --- the chain -------------------------------------------------------------------------------------

lines() { [ "$(wc -l <"$1")" -ge "$2" ]; }
gone() { ! kill -0 "$1"; }
settled() { spool_has q.db waiting 0; }
listens() { on "$1" bash -c "exec 3<>/dev/tcp/$2/$3"; }
: >told && : >arrived && : >handed && : >receipts && : >tries

receiver_up() {
    spawn at "$receiver" python3 "$network" receiver --host 10.77.3.2 --port 9000 \
        --ledger arrived >receiver.out 2>receiver.err
    served=$spawned
    wait_for 10 listens "$receiver" 10.77.3.2 9000
}

# Writes each line down before it hands it on, so that what was marked is known.
note() { echo "perl -MIO::Handle -pe 'BEGIN { \$| = 1; open F, q(>>), shift; F->autoflush(1) } print F' $1"; }

# drain_up URL
drain_up() {
    spawn at "$spool" ts-spool drain -F -w 256 q.db --into "$(note handed) |
        ts-send --timeout ${request_s}s --connect-timeout 500ms --retry-first 100ms \
        --retry-max 500ms --answer-within 20s $1 | $(note receipts)" 2>>drain.err
    drain=$spawned
}

# devices_up URL NAME
devices_up() {
    spawn at "$devices" python3 "$network" devices --url "$1" --name "$2" --ledger told \
        --tries tries --devices 6 --timeout $request_s --pause 0.05 >"devices.$2"
    posting=$spawned
}

devices_down() {
    kill -TERM "$posting"
    wait "$posting"
    is "$?" 0 "$1: each device was told OK in the end ($(jq -c .answers "devices.$1"))"
}

drain_down() {
    wait_for 30 settled
    ok $? "$1: all is settled"
    kill -TERM "$drain"
    wait "$drain"
    is $? 0 "$1: the drain lived through all of it and ends with 0"
}

receiver_up
spawn at "$spool" ts-read -F -d D -l http://10.77.2.2:8080 --allow 10.77.0.0/16 \
    --into "ts-enrich -z Asia/Manila | ts-spool put q.db" 2>reader.err
reader=$spawned
wait_for 10 listens "$spool" 10.77.2.2 8080
mkfifo orders
exec 8<>orders
relay() {
    exec python3 "$network" relay "up=10.77.1.1:7001,10.77.2.2:8080" \
        "down=10.77.2.1:7002,10.77.3.2:9000" <orders 8>&-
}
spawn relay >relay.out 2>relay.err
wait_for 10 grep -q "listening down" relay.out

# order WORD...: tells the relay and waits until it is so.
order() {
    local before
    before=$(wc -l <relay.out)
    echo "$*" >&8
    wait_for 5 lines relay.out $((before + 1))
}
hits() {
    order hits
    tail -n 1 relay.out | cut -d ' ' -f 2
}
hit_since() { [ "$(hits)" -gt "$1" ]; }

# --- faults ----------------------------------------------------------------------------------------

more() { [ $(($(wc -l <"$1") - $2)) -ge "$3" ]; }
failed_tries() { grep -vc '^200 ' tries; }
failing_since() { [ "$(failed_tries)" -gt "$1" ]; }
# Nothing new in a ledger for so many seconds.
quiet() {
    [ $(($(date +%s%N) - $(date +%s%N -r "$1"))) -gt $(($2 * 100000000)) ]
}

worst_ms=0
# healed NAME: both ledgers grow again, in the time that the limits allow.
healed() {
    local told arrived ms
    told=$(wc -l <told) arrived=$(wc -l <arrived) ms=${EPOCHREALTIME/./}
    wait_for 30 more told "$told" 6 && wait_for 30 more arrived "$arrived" 6
    ok $? "$1: both sides go on"
    ms=$(((${EPOCHREALTIME/./} - ms) / 1000))
    [ $ms -gt $worst_ms ] && worst_ms=$ms
    # a request, a connect and a pause of each side, and the turns of a busy machine
    [ $ms -lt $((4000 * request_s + 6000)) ]
    ok $? "$1: soon enough: $ms ms after it was over"
}

# case_of LINK MODE...: one fault of the relay, until it was felt; the other side goes on meanwhile.
case_of() {
    local link=$1 name="$*" before failed told arrived
    before=$(hits) failed=$(failed_tries) told=$(wc -l <told) arrived=$(wc -l <arrived)
    order "$@"
    case "$link $2" in
    *\ delay | *\ trickle)
        wait_for 20 more told "$told" 6 && wait_for 20 more arrived "$arrived" 6
        ok $? "$name: slow, but it flows"
        ;;
    up\ abort | down\ abort) wait_for 10 hit_since "$before" ;;
    up\ *)
        wait_for 20 failing_since "$failed"
        ok $? "$name: devices see it"
        ;;
    down\ cut | down\ reset | down\ torn)
        wait_for 10 hit_since "$((before + 2))"
        ok $? "$name: ts-send sees it"
        ;;
    *)
        wait_for 20 quiet arrived $((request_s * 15))
        ok $? "$name: nothing arrives for longer than a request may take"
        told=$(wc -l <told)
        wait_for 10 more told "$told" 6
        ok $? "$name: devices are told OK all the while"
        ;;
    esac
    order "$link" pass
    healed "$name"
}

# Peers that stop in the middle of a head, and never say more.
spawn at "$devices" python3 -c 'import socket, time
held = []
for _ in range(20):
    held.append(socket.create_connection(("10.77.2.2", 8080)))
    held[-1].sendall(b"POST / HTTP/1.1\r\nHost:")
print("open", flush=True)
time.sleep(3000)' >half.out
wait_for 10 grep -q open half.out
sockets() { find "/proc/$reader/fd" -lname 'socket:*' | wc -l; }
half_began=${EPOCHREALTIME/./}
# shellcheck disable=SC2015
[ "$(sockets)" -ge 20 ] && ok 0 "20 peers hang in the middle of a head" ||
    ok 1 "20 peers hang in the middle of a head ($(sockets))"

drain_up http://10.77.2.1:7002/
devices_up http://10.77.1.1:7001 RELAYED
healed "at first"
cases=("up stall" "up reset 10 2" "up torn 60 2" "up swallow" "down delay 200" "down trickle 100"
    "down cut 10 2" "down torn 60 2" "down swallow" "down refuse")
[ -z "${TS_FULL:-}" ] || cases+=("up delay 200" "up trickle 40" "up cut 0 2" "up cut 30 2"
    "up refuse" "up abort" "up reset 0 3" "up torn 300 3" "down abort" "down stall" "down cut 0 2"
    "down reset 0 2" "down reset 20 2" "down torn 200 3" "down delay 900" "down stall"
    "up swallow" "down swallow")
for words in "${cases[@]}"; do
    # shellcheck disable=SC2086
    case_of $words
done

# The receiver dies in the middle of a reply, its event stored, and comes back.
kills=2
[ -z "${TS_FULL:-}" ] || kills=15
for ((n = 1; n <= kills; n++)); do
    kill -USR1 "$served"
    wait_for 10 gone "$served"
    wait "$served" 2>/dev/null
    is $? 137 "the receiver is killed in the middle of a reply"
    receiver_up
done
healed "receiver killed $kills times"
half_gone() { [ "$(sockets)" -lt 20 ]; }
wait_for 30 half_gone
ok $? "peers that hang in the middle of a head are gone after $(((${EPOCHREALTIME/./} - half_began) / 1000000)) s"
devices_down RELAYED
drain_down RELAYED

# --- the links themselves --------------------------------------------------------------------------

drain_up http://10.77.3.2:9000/
devices_up http://10.77.2.2:8080 DIRECT
healed "without the relay"

down_link() { ip link set "to-$1" down; }
up_link() { ip link set "to-$1" up; }
net_of() { [ "$1" = devices ] && echo 10.77.1 || echo 10.77.3; }
down_hole() { ip route add blackhole "$(net_of "$1").2/32"; }
up_hole() { ip route del blackhole "$(net_of "$1").2/32"; }
down_address() { on "${!1}" ip addr del "$(net_of "$1").2/24" dev eth0; }
up_address() {
    on "${!1}" ip addr add "$(net_of "$1").2/24" dev eth0
    on "${!1}" ip route add default via "$(net_of "$1").1"
}
# A queue of a few packets: what is over is lost.
slow=(root tbf rate 64kbit burst 1600 limit 1800)
down_slow() {
    tc qdisc add dev "to-$1" "${slow[@]}" && on "${!1}" tc qdisc add dev eth0 "${slow[@]}"
}
dropped() {
    { tc -s qdisc show dev "to-$1"; on "${!1}" tc -s qdisc show dev eth0; } |
        sed -n 's/.*dropped \([0-9]*\).*/\1/p' | awk '{ n += $1 } END { print n }'
}
dropping() { [ "$(dropped "$1")" -ge "$2" ]; }
up_slow() { tc qdisc del dev "to-$1" root; on "${!1}" tc qdisc del dev eth0 root; }

link_case() {
    local how=$1 where=$2 failed told
    failed=$(failed_tries)
    "down_$how" "$where" || { skip "$how: not possible here" && return; }
    if [ "$how" = slow ]; then
        told=$(wc -l <told)
        wait_for 30 dropping "$where" 5 && wait_for 30 more told "$told" 20
        ok $? "$how line with loss to the $where: it flows, $(dropped "$where") packets lost"
    elif [ "$where" = devices ]; then
        wait_for 20 failing_since "$failed"
        ok $? "$how to the devices: they see it"
    else
        wait_for 20 quiet arrived $((request_s * 15))
        ok $? "$how to the receiver: nothing arrives"
    fi
    "up_$how" "$where"
    healed "$how to the $where"
}
if command -v tc >/dev/null; then
    link_case slow devices
    link_case slow receiver
else
    skip "needs tc"
fi
link_case hole receiver
link_case link devices
if [ -n "${TS_FULL:-}" ]; then
    for n in 1 2 3; do
        link_case link receiver
        link_case address receiver
        link_case hole devices
        link_case address devices
    done
fi
devices_down DIRECT
drain_down DIRECT

# --- the comparison --------------------------------------------------------------------------------

exec 8>&-
kill -TERM "$reader"
wait "$reader"
is $? 0 "the listener ends with 0"
"$network" check --told told --arrived arrived --marks handed receipts >result
ok $? "all that was told arrived, in order, and what came twice was marked: $(<result)"
is "$(jq '.twice > 0' result)" true "some did come twice"
longest=$(sort -k2 -n tries | tail -n 1)
[ "$(awk '{ print ($2 < '$((request_s + 3))') }' <<<"$longest")" = 1 ]
ok $? "no device waited longer than its own limit ($longest)"
grep -vE '^ts-send: http|^ts-spool: (events are delivered|[0-9]+ answers without)' drain.err >said
is "$(<said)" "" "the drain says nothing but that the receiver went and came"
cat relay.err
echo "# the longest way back: $worst_ms ms"
done_testing
