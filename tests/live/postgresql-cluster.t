#!/bin/bash
# SPDX-License-Identifier: MIT
# Three PostgreSQL nodes of which one standby has to confirm each commit; puts and two drains on two
# "machines" (network namespaces) work on them while the primary is killed and a standby promoted:
# no event with a receipt is lost, none comes twice unmarked, each person's order holds.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
# shellcheck source=tests/support/pg.sh
. "$(dirname "$0")/../support/pg.sh"
command -v ts-spool >/dev/null || skip_all "ts-spool is not built"
ts-spool stat postgresql://127.0.0.1:1/x 2>&1 | grep -q 'not built in' &&
    skip_all "ts-spool is built without libpq"
command -v jq >/dev/null || skip_all "needs jq"
pg_there || skip_all "needs PostgreSQL and its psql"
cd "$T" || exit 1

n=${TS_FULL:+60000}
n=${n:-6000}
rounds=${TS_FULL:+4}
rounds=${rounds:-1}
receiver="perl $ROOT/tests/support/ordered.pl"

# --- two machines, where that is possible

PG_HOST=127.0.0.1
PG_LISTEN=127.0.0.1
net=ts$$
inside=("" "") # what runs a command on machine 1 and 2
# shellcheck disable=SC2317 # called at the end
cluster_end() {
    ip link del "$net" 2>/dev/null
    ip netns del "${net}a" 2>/dev/null
    ip netns del "${net}b" 2>/dev/null
    pg_end
}

# A bridge with an address for the nodes, and a namespace behind a pair of interfaces each.
machines() {
    local i=0 m
    [ "$(id -u)" -eq 0 ] && command -v ip >/dev/null || return 1
    trap cluster_end EXIT
    ip link add "$net" type bridge && ip addr add "10.$((n_a = $$ / 250 % 250)).$((n_b = $$ % 250)).1/24" dev "$net" &&
        ip link set "$net" up || return 1
    for m in a b; do
        i=$((i + 1))
        ip netns add "$net$m" && ip link add "$net$m" type veth peer name eth0 netns "$net$m" &&
            ip link set "$net$m" master "$net" up &&
            ip -n "$net$m" addr add "10.$n_a.$n_b.$((i + 1))/24" dev eth0 &&
            ip -n "$net$m" link set eth0 up && ip -n "$net$m" link set lo up || return 1
        inside[i - 1]="ip netns exec $net$m"
    done
    PG_HOST=10.$n_a.$n_b.1
    PG_LISTEN=127.0.0.1,$PG_HOST
}
if machines 2>machines.err; then
    two_machines=1
else
    inside=("" "")
    two_machines=
fi

# --- three nodes

# standby NAME PRIMARY: a copy of the primary that follows it.
standby() {
    pg_port=$(port_free)
    eval "pg_port_$1=$pg_port"
    pg_as "$PG_BIN/pg_basebackup" -h "$PG_DIR" -p "$(pg_port_of "$2")" -U super -D "$PG_DIR/$1" -R \
        -c fast --no-sync >"$T/$1.initdb" 2>&1 || return 1
    {
        echo "port = $pg_port"
        echo "primary_conninfo = 'host=$PG_DIR port=$(pg_port_of "$2") user=super application_name=$1'"
    } | pg_as tee -a "$PG_DIR/$1/postgresql.auto.conf" >/dev/null
    # Somebody who tries to reach a port that is closed may have it for a moment as his own.
    wait_for 30 pg_start "$1"
}

# shellcheck disable=SC2317 # called by wait_for
confirming() {
    [ "$(pg_sql "$1" "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum' AND state = 'streaming'")" \
        -ge "$2" ]
}

pg_make n1 "wal_level = replica" "max_wal_senders = 8" "wal_keep_size = 256MB" "hot_standby = on" \
    "synchronous_standby_names = 'ANY 1 (n1, n2, n3)'" "wal_receiver_timeout = 5s" \
    "wal_retrieve_retry_interval = 200ms" || skip_all "initdb failed: $(tail -1 n1.initdb)"
echo "host all all 10.0.0.0/8 trust" | pg_as tee -a "$PG_DIR/n1/pg_hba.conf" >/dev/null
pg_start n1 || skip_all "the server did not start: $(pg_as tail -1 "$PG_DIR/n1.log")"
# Until the standbys are there, nobody could confirm.
psql -X -q -h "$PG_DIR" -p "$pg_port" -U super -d postgres -c "SET synchronous_commit = local" \
    -c "CREATE ROLE app LOGIN" -c "CREATE DATABASE app OWNER app" || skip_all "no database"
if ! standby n2 n1 || ! standby n3 n1; then
    skip_all "no standby: $(cat n2.initdb n3.initdb)"
fi
wait_for 20 confirming n1 2
ok $? "two standbys confirm what the primary commits"
hosts=$PG_HOST:$(pg_port_of n1),$PG_HOST:$(pg_port_of n2),$PG_HOST:$(pg_port_of n3)
store="postgresql://app@$hosts/app?connect_timeout=2&tcp_user_timeout=3000&options=-cts_spool.lease_s%3D8"

# --- load

# Feeds put in small batches and notes each receipt as soon as it comes: feed.py FROM TO OUT
cat >feed.py <<'END'
import subprocess, sys, time
first, last, out = int(sys.argv[2]), int(sys.argv[3]), open(sys.argv[4], "wb", buffering=0)
put = subprocess.Popen(["ts-spool", "put", sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
for i in range(first, last + 1, 20):
    batch = range(i, min(i + 20, last + 1))
    put.stdin.write(b"".join(
        b'{"event_id":"00000000-0000-8000-8000-%012d","device_id":"D","person_id":"p%d","serial_no":%d}\n'
        % (k, k % 61 if first == 1 else k % 61 + 100, k) for k in batch))
    put.stdin.flush()
    for _ in batch:
        out.write(put.stdout.readline())
    time.sleep(0.002)
put.stdin.close()
sys.exit(put.wait())
END

number() {
    ts-spool stat --json "$store" | jq ".$1"
}
# shellcheck disable=SC2317 # called by wait_for
number_is() {
    [ "$(number "$1")" = "$2" ]
}
# shellcheck disable=SC2317 # called by wait_for
stored_more() {
    [ "$(cat put.*.out | grep -c '"stored"')" -gt "$1" ]
}

for m in 1 2; do
    # shellcheck disable=SC2086 # words
    spawn ${inside[m - 1]} ts-spool drain -F -w 100 --into "$receiver $T/ledger 60" "$store" 2>"drain.$m.err"
    drains[m]=$spawned
done
python3 feed.py "$store" 1 $((n / 2)) put.1.out 2>put.1.err &
puts[1]=$!
python3 feed.py "$store" $((n / 2 + 1)) "$n" put.2.out 2>put.2.err &
puts[2]=$!

# --- the primary dies, another one takes over

# What a supervisor does: of the two that are left the one that has more becomes primary, the other
# follows it, and the dead one comes back as a standby.
received() {
    pg_sql "$1" "SELECT pg_wal_lsn_diff(coalesce(pg_last_wal_receive_lsn(), '0/0'), '0/0')"
}
fail_over() {
    local dead=$1 a=$2 b=$3 swap
    pg_kill "$dead"
    if [ "$(received "$b")" -gt "$(received "$a")" ]; then
        swap=$a
        a=$b
        b=$swap
    fi
    pg_as "$PG_BIN/pg_ctl" -D "$PG_DIR/$a" -s -w promote >/dev/null
    pg_sql "$b" "ALTER SYSTEM SET primary_conninfo = 'host=$PG_DIR port=$(pg_port_of "$a") user=super application_name=$b'"
    pg_sql "$b" "SELECT pg_reload_conf()" >/dev/null
    primary=$a
    follower=$b
}
primary=n1
follower=n2
third=n3
for ((round = 1; round <= rounds; round++)); do
    wait_for 60 stored_more $((n * (2 * round - 1) / (2 * rounds + 1)))
    old=$primary
    fail_over "$primary" "$follower" "$third"
    echo "# $old was killed with $(cat put.*.out | grep -c '"stored"') receipts given; $primary took over"
    wait_for 30 confirming "$primary" 1
    ok $? "a standby took over and the other one confirms"
    if [ "$round" -lt "$rounds" ]; then
        rm -rf "${PG_DIR:?}/$old"
        keep=$(pg_port_of "$old")
        port_free() { echo "$keep"; }
        standby "$old" "$primary"
        ok $? "the dead one is back as a standby"
        unset -f port_free
        # shellcheck source=tests/support/tap.sh
        eval "$(sed -n '/^port_free() {/,/^}/p' "$ROOT/tests/support/tap.sh")"
        third=$old
        wait_for 30 confirming "$primary" 2
    fi
done

# --- what is left of it

wait "${puts[1]}"
first=$?
wait "${puts[2]}"
is "$first $?" "0 0" "both puts outlived it"
sed 's/^/# /' put.*.err drain.*.err
is "$(cat put.*.out | grep -c '"outcome":"stored"')" "$n" "every event has a receipt that it is stored"
wait_for 60 number_is delivered "$n"
ok $? "all of them are delivered"
is "$(number stored)" "$n" "each was stored once"
is "$(cut -d ' ' -f 3 ledger | sort -u | wc -l)" "$n" "nothing that had a receipt is lost"
is "$(awk 'seen[$3]++ && $4 == 0 { n++ } END { print n + 0 }' ledger)" 0 \
    "nothing came twice, unless marked ambiguous"
is "$(awk '!seen[$3]++ { if ($2 + 0 < last[$1]) n++; last[$1] = $2 + 0 } END { print n + 0 }' ledger)" 0 \
    "each person's events came in order"
echo "# repeated, marked as ambiguous: $(awk 'seen[$3]++ { n++ } END { print n + 0 }' ledger)"

if [ -n "$two_machines" ]; then
    # Both drains are at work, each with a lease of its own.
    is "$(pg_sql "$primary" "SELECT count(*) FROM spool_lease WHERE expires > now()" app)" 2 \
        "two drains on two machines have a lease each"
    is "$(pg_sql "$primary" "SELECT count(DISTINCT client_addr) FROM pg_stat_activity WHERE application_name = 'ts-spool'" app)" 2 \
        "from two addresses"
    # One machine falls off the net with events in its hands.
    kill -STOP "${drains[1]}"
    ip -n "${net}a" link set eth0 down
    for k in $(seq $((n + 1)) $((n + 300))); do
        printf '{"event_id":"00000000-0000-8000-8000-%012d","person_id":"p%d","serial_no":%d}\n' "$k" $((k % 61)) "$k"
    done | ts-spool put "$store" >/dev/null
    wait_for 40 number_is delivered $((n + 300))
    ok $? "one machine is cut off: the other one goes on"
    kill -CONT "${drains[1]}"
else
    skip "two machines need root and network namespaces: $(tail -1 machines.err)"
fi
kill -TERM "${drains[@]}" 2>/dev/null
wait "${drains[2]}"
is "$?" 0 "SIGTERM ends the drain in order"

done_testing
