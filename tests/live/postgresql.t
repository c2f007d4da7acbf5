#!/bin/bash
# SPDX-License-Identifier: MIT
# The store in PostgreSQL: the contract of a store, the command line beside the SQLite store, several
# drains at once, drains that die or sleep, servers that go away in the middle.
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

# An ordinary user with a schema of its own; each test takes another schema.
pg_make one "log_statement = none" || skip_all "initdb failed: $(tail -1 one.initdb)"
pg_start one || skip_all "the server did not start: $(pg_as tail -1 "$PG_DIR/one.log")"
pg_sql one "CREATE ROLE app LOGIN"
pg_sql one "CREATE DATABASE app"
base=postgresql://app@127.0.0.1:$pg_port/app

# store NAME [LEASE_S]: sets $store, an empty one.
store() {
    pg_sql one "CREATE SCHEMA $1 AUTHORIZATION app" app 2>&1 | sed 's/^/# /'
    store="$base?options=-csearch_path%3D$1${2:+%20-cts_spool.lease_s%3D$2}"
}

sql() {
    pg_sql one "SET search_path = $1; $2" app
}

# events FROM TO PERSONS: one line an event, in order of serial_no.
events() {
    awk -v from="$1" -v to="$2" -v persons="$3" 'BEGIN { for (i = from; i <= to; i++)
        printf "{\"event_id\":\"00000000-0000-8000-8000-%012d\",\"local_time\":\"2026-11-%02dT08:00:00\"," \
            "\"device_id\":\"D%d\",\"person_id\":\"p%d\",\"serial_no\":%d}\n",
            i, 1 + i % 20, i % 3, i % persons, i }'
}

number() {
    ts-spool stat --json "$1" | jq ".$2"
}

# number_is STORE NAME WANTED, more_than STORE NAME LESS, rows_are SCHEMA COUNT FROM: for wait_for.
# shellcheck disable=SC2317 # called by wait_for
number_is() {
    spool_has "$@"
}
# shellcheck disable=SC2317 # called by wait_for
more_than() {
    [ "$(number "$1" "$2")" -gt "$3" ]
}
# shellcheck disable=SC2317 # called by wait_for
rows_are() {
    [ "$(sql "$1" "SELECT count(*) FROM $3")" = "$2" ]
}

# Every person's events stand in the ledger in the order of their numbers.
disordered() {
    awk '!seen[$3]++ { if ($2 + 0 < last[$1]) n++; last[$1] = $2 + 0 } END { print n + 0 }' "$1"
}

# What came again without having been marked as a possible repetition.
doubled() {
    awk 'seen[$3]++ && $4 == 0 { n++ } END { print n + 0 }' "$1"
}

distinct() {
    cut -d ' ' -f 3 "$1" | sort -u | wc -l
}

# shellcheck disable=SC2317 # called by wait_for
dead() {
    ! kill -0 "$1" 2>/dev/null
}

receiver="perl $ROOT/tests/support/ordered.pl"

# --- the contract of every store

store unit
cat >empty.sql <<'SQL'
DO $$ BEGIN
    IF to_regclass('spool_store') IS NOT NULL THEN
        DELETE FROM spool_id;
        DELETE FROM spool_event;
        DELETE FROM spool_open;
        DELETE FROM spool_lease;
        DELETE FROM spool_day;
        DELETE FROM spool_mark;
        DELETE FROM spool_action;
        DELETE FROM spool_count;
        INSERT INTO spool_count(slot) SELECT generate_series(0, 15);
        PERFORM setval('spool_seq', 1, false);
        PERFORM setval(pg_get_serial_sequence('spool_action', 'id'), 1, false);
    END IF;
END $$;
SQL
# One psql for all of it: they make it empty more than a hundred times.
mkfifo orders ready
psql -X -q "$store" <orders >/dev/null &
tap_pids+=($!)
exec 9>orders
for suite in store model; do
    if [ -x "$B/tests/unit/ts-spool/$suite" ]; then
        CK_TIMEOUT_MULTIPLIER=10 TS_MODEL_GAMES=${TS_FULL:+4}4 TS_STORE_URL=$store \
            TS_STORE_EMPTY="printf '%s\\n' '\\i empty.sql' '\\! echo > ready' > orders; read x < ready" \
            "$B/tests/unit/ts-spool/$suite" >"$suite.out" 2>&1
        is "$(grep -c '^not ok' "$suite.out") $(grep -c '^ok' "$suite.out" | sed 's/^0$/none/; s/^[0-9]*$/some/')" \
            "0 some" "the tests of a store: $suite"
        grep '^not ok' "$suite.out" | sed 's/^/# /'
    else
        skip "$suite is not built"
    fi
done
exec 9>&-

# --- the command line, compared with the SQLite store

# Everything that a person may do, with what it prints and how it ends; times and sizes left out.
story() {
    local s=$1 hold='if .person_id == "p1" then {outcome: "held", error: "unmapped"}
        elif .serial_no == 6 then {outcome: "rejected", status: 422, error: "no"}
        elif .serial_no == 8 then {outcome: "duplicate"} else {outcome: "delivered"} end'
    run() {
        "$@" 2>&1 | tidy
        echo "status ${PIPESTATUS[0]}"
    }
    tidy() {
        sed -E 's/"(at|stored_at|last_put|first_put|last_delivered|[a-z_]*since)":"[^"]*"/"\1":"T"/g
            s/"(bytes|free_bytes|room_days|put_last_week|[a-z_]*_s)":-?[0-9.]+,?//g
            s/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z/T/g; s/[0-9]+(ms|s) /N /g
            s#(postgresql://[^ :]*|[a-z/.]*q\.db)#STORE#g'
    }
    answer() {
        printf "jq --unbuffered -c '{ack} + (%s)'" "$1"
    }
    {
        events 1 12 3
        echo '{"event_id":"a \"name\"","person_id":"x","hold":"later"}'
        echo '{"event_id":"00000000-0000-8000-8000-000000000099","skip":"no"}'
        echo '{"event_id":"00000000-0000-8000-8000-000000000098","error":"bad"}'
        echo 'not json'
        printf '{"person_id":"nul \\u0000 byte","local_time":"2026-11-20T08:00:00"}\n'
    } >in
    run ts-spool put "$s" <in
    run ts-spool put "$s" <in
    run ts-spool stat "$s"
    run ts-spool list --waiting "$s"
    run ts-spool drain --into "$(answer "$hold")" "$s"
    run ts-spool stat --json "$s"
    run ts-spool list "$s"
    run ts-spool list --dead --by reason "$s"
    run ts-spool list --held --by person "$s"
    run ts-spool retry --id 00000000-0000-8000-8000-000000000006 --dead "$s"
    run ts-spool retry --delivered --device D2 --reason again "$s"
    run ts-spool skip --held --device D1 --reason 'left us' "$s"
    run ts-spool stat --json "$s"
    run ts-spool drain --into "$(answer '{outcome: "delivered"}')" "$s"
    run ts-spool purge --undelivered --person p2 "$s"
    run ts-spool purge --delivered-before 2100-01-01 "$s"
    run ts-spool put "$s" <in
    run ts-spool list "$s"
    run ts-spool audit "$s"
    run ts-spool audit --json --device D1 "$s"
    run ts-spool actions "$s" | sed -E 's/[0-9]{4}-[0-9-]+[ T][0-9:]+[^ ]*/T/'
    run ts-spool stat "$s"
}
story q.db >sqlite.out
store story
story "$store" >postgresql.out
diff sqlite.out postgresql.out >story.diff
ok $? "every command does with it what it does with a file"
sed 's/^/# /' story.diff | head -40
like "$(wc -l <sqlite.out)" '^([6-9]|[0-9]+[0-9])[0-9]$' "and the comparison has something to compare"
ts-spool backup "$store" copy.db 2>err
is "$?" 78 "backup is the server's business: 78"
like "$(cat err)" "pg_dump" "and says what to use"

# --- what goes in comes out

# shellcheck disable=SC2016 # as it is
printf '%s\n' '{"event_id":"00000000-0000-8000-8000-000000000001","person_id":"'"'"'; DROP TABLE spool_id; --","x":"\u0000\\\"%s $1"}' >hostile
store hostile
ts-spool put "$store" <hostile >/dev/null
ts-spool list "$store" | sed 's/,"state".*/}/' | cmp -s - hostile
ok $? "hostile bytes come back as they were"
is "$(number "$store" waiting)" 1 "and nothing else happened"

# --- who may not

secret="postgresql://app:s3cr%3Dt@127.0.0.1"
for url in "$secret:1/app" "$secret:$pg_port/nowhere" "$secret:$pg_port/app?nonsense=1" \
    "$secret:$pg_port/%zz"; do
    ts-spool stat "$url" >>shown 2>&1
    echo "$?" >>statuses
done
is "$(tr '\n' ' ' <statuses)" "69 69 64 64 " "no server, no database: 69; no such URL: 64"
is "$(grep -c 's3cr' shown)" 0 "no message has the password"
store missing
ts-spool stat "$store" 2>err
is "$?" 66 "nothing there: 66"
sql missing "CREATE TABLE spool_store(version int); INSERT INTO spool_store VALUES (99)" >/dev/null
sql missing "ALTER TABLE spool_store OWNER TO app" >/dev/null
events 1 1 1 | ts-spool put "$store" 2>err
is "$?" 78 "tables of a newer version: 78"
like "$(cat err)" "newer ts-spool" "and says so"
pg_sql one "CREATE ROLE reader LOGIN; ALTER ROLE reader SET default_transaction_read_only = on"
events 1 1 1 | ts-spool put "postgresql://reader@127.0.0.1:$pg_port/app" 2>err
is "$?" 73 "read-only: 73"
store loose
sql loose "ALTER ROLE app SET synchronous_commit = off" >/dev/null
events 1 1 1 | ts-spool put "$store" >/dev/null
is "$?" 0 "a role with synchronous_commit off: the session sets it on"
sql loose "ALTER ROLE app RESET synchronous_commit" >/dev/null
events 1 200 5 | ts-spool put --max-size 64K "$store" >out 2>err
events 201 400 5 | ts-spool put --max-size 64K "$store" >out 2>err
is "$?" 74 "the largest size is kept: 74"
like "$(cat err)" "largest size" "and is said"

# --- a fresh event reaches an idle drain at once

store idle
: >idle.ledger
spawn ts-spool put "$store" </dev/null
wait "$spawned"
spawn ts-spool drain -F --into "$receiver idle.ledger" "$store"
drain=$spawned
wait_for 10 number_is "$store" draining true
cat >latency.py <<'END'
import subprocess, sys, time
put = subprocess.Popen(["ts-spool", "put", sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
took = []
for i in range(1, 12):
    time.sleep(0.15)    # the drain is idle
    put.stdin.write(b'{"event_id":"00000000-0000-8000-8000-%012d","person_id":"p","serial_no":%d}\n' % (i, i))
    put.stdin.flush()
    began = time.monotonic()
    while open("idle.ledger").read().count("\n") < i and time.monotonic() < began + 5:
        time.sleep(0.001)
    took.append((time.monotonic() - began) * 1000)
put.stdin.close()
took.sort()
print("%.0f" % took[len(took) // 2])
END
took=$(python3 latency.py "$store")
echo "# from put to the idle drain's command: $took ms in the middle"
ok "$([ "$took" -lt 100 ]; echo $?)" "a fresh event reaches an idle drain in less than 100 ms"
kill -TERM "$drain"
wait "$drain"
is "$?" 0 "SIGTERM ends the drain in order"
is "$(number "$store" draining)" false "and its lease is over"

# --- two drains at once, one of them dies

n=${TS_FULL:+40000}
n=${n:-4000}
store two 6
events 1 $((n / 2)) 97 | ts-spool put "$store" >/dev/null
for d in 1 2; do
    spawn ts-spool drain -F -w 200 --into "$receiver two.ledger 50" "$store"
    drains[d]=$spawned
done
events $((n / 2 + 1)) "$n" 97 | ts-spool put "$store" >put.out
is "$(grep -c '"stored"' put.out)" $((n / 2)) "put works beside the drains"
wait_for "${TS_FULL:+1}20" more_than "$store" delivered "$((n * 3 / 4))"
kill -9 "${drains[1]}"
pkill -P "${drains[1]}" 2>/dev/null
wait_for "${TS_FULL:+2}40" number_is "$store" delivered "$n"
ok $? "everything is delivered, though one of two drains was killed"
is "$(distinct two.ledger)" "$n" "all of it arrived"
is "$(disordered two.ledger)" 0 "each person's events in order"
is "$(doubled two.ledger)" 0 "nothing came twice, unless marked ambiguous"
kill -TERM "${drains[2]}"
wait "${drains[2]}"
is "$(sql two 'SELECT count(*) FROM spool_open')" 0 "nothing is left behind"

# --- a drain that slept through its lease settles nothing that another one has

store asleep 4
events 1 10 10 | ts-spool put "$store" >/dev/null
cat >reject.pl <<'END'
$| = 1;
while (<STDIN>) {
    sleep 1 unless $slept++;
    print qq({"ack":"$1","outcome":"rejected"}\n) if /"ack":"([^"]*)"/;
}
END
spawn setsid ts-spool drain -F --into "perl reject.pl" "$store" 2>/dev/null
sleeper=$spawned
wait_for 10 rows_are asleep 10 "spool_open WHERE lease IS NOT NULL"
kill -STOP "-$sleeper"
spawn ts-spool drain -F --into "$receiver asleep.ledger 0 400" "$store"
other=$spawned
wait_for 25 test -s asleep.ledger
ok $? "its events come back when the lease is over"
kill -CONT "-$sleeper"
wait_for 20 rows_are asleep 2 spool_lease
ok $? "it takes a new lease"
wait_for 20 number_is "$store" waiting 0
is "$(number "$store" delivered) $(number "$store" dead)" "10 0" "what it says of them counts for nothing"
is "$(distinct asleep.ledger) $(grep -c ' 1$' asleep.ledger)" "10 10" "all came back, marked as ambiguous"
kill -TERM "-$sleeper" "$other"
wait "$sleeper" "$other"

# --- erasing wants no drain beside it

store erase
events 1 5 5 | ts-spool put "$store" >/dev/null
spawn ts-spool drain -F --into "$receiver erase.ledger 0 2000" "$store"
wait_for 10 number_is "$store" draining true
ts-spool purge --undelivered --person p1 "$store" 2>err
is "$?" 75 "erasing is refused while a drain is at work: 75"
kill -9 "$spawned"
wait "$spawned" 2>/dev/null

# --- connections that break

store broken
events 1 "$n" 97 >in
spawn bash -c "for i in \$(seq 12); do sleep 0.1; psql -X -q '$base' -c \"SELECT pg_terminate_backend(pid)
    FROM pg_stat_activity WHERE application_name = 'ts-spool'\" >/dev/null; done"
ts-spool put "$store" <in >put.out 2>err
is "$? $(grep -c '"stored"' put.out)" "0 $n" "put outlives an administrator's shutdown"
wait "$spawned"
is "$(number "$store" stored) $(number "$store" waiting)" "$n $n" "and everything is there once"

# through EVERY: sets $through, the store by way of a proxy that loses one reply in so many.
through() {
    spawn python3 "$ROOT/tests/support/cutter.py" "$pg_port" "$1" >"cutter.$1"
    cutters+=("$spawned")
    wait_for 10 grep -q listening "cutter.$1"
    through=${store/:$pg_port/:$(sed -n 's/listening //p' "cutter.$1")}
}
cutters=()
store cut
through 25
cat >batches.py <<'END'
# Feeds put in small batches: each is one commit.
import subprocess, sys, threading
put = subprocess.Popen(["ts-spool", "put", sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
lines = open("in", "rb").readlines()[:3000]
for i in range(0, len(lines), 25):
    put.stdin.write(b"".join(lines[i:i + 25]))
    put.stdin.flush()
    for _ in lines[i:i + 25]:
        sys.stdout.buffer.write(put.stdout.readline())
put.stdin.close()
sys.exit(put.wait())
END
timeout 60 python3 batches.py "$through" >put.out 2>err
is "$? $(grep -c '"stored"' put.out)" "0 3000" "put whose replies get lost says stored, not duplicate"
sed 's/^/# /' err
is "$(number "$store" stored)" 3000 "and stored each once"
through 99 # an exchange on a new connection takes some thirty
timeout 60 ts-spool drain -w 100 --into "$receiver cut.ledger 100" "$through" 2>err
wait_for 20 ts-spool drain --into "$receiver cut.ledger" "$through"
is "$(number "$store" delivered) $(distinct cut.ledger)" "3000 3000" "a drain whose replies get lost delivers all"
is "$(disordered cut.ledger) $(doubled cut.ledger)" "0 0" "in order, and each once"
is "$(awk '$4 == 1' cut.ledger | wc -l)" 0 "what was not handed out for certain is not called ambiguous"
kill -TERM "${cutters[@]}"
wait "${cutters[@]}"
like "$(tail -qn 1 cutter.25 cutter.99 | tr '\n' ' ')" "lost [1-9].*lost" "replies were $(tail -qn 1 cutter.25 cutter.99 | tr '\n' ' ')"

# --- the server is restarted as if it had crashed

store crash
spawn ts-spool drain -F -w 100 --into "$receiver crash.ledger" "$store"
drain=$spawned
ts-spool put "$store" <in >put.out &
put=$!
wait_for 10 more_than "$store" delivered 100
pg_stop one immediate
pg_start one
wait "$put"
is "$? $(grep -c -E '"(stored|duplicate)"' put.out)" "0 $n" "put outlives a crash of the server"
wait_for 30 number_is "$store" delivered "$n"
is "$(distinct crash.ledger)" "$n" "and everything arrives"
is "$(disordered crash.ledger) $(doubled crash.ledger)" "0 0" "in order, and each once"
kill -TERM "$drain"
wait "$drain"

# --- a full disk

# shellcheck disable=SC2317 # called at the end
small_gone() {
    umount -l "$PG_DIR/small" 2>/dev/null
    pg_end
}
if [ "$(id -u)" -eq 0 ] && mkdir "$PG_DIR/small" && mount -t tmpfs -o size=10M tmpfs "$PG_DIR/small" 2>/dev/null; then
    trap small_gone EXIT
    mkdir "$PG_DIR/small/t"
    chown -R "$PG_USER" "$PG_DIR/small"
    pg_sql one "CREATE TABLESPACE small LOCATION '$PG_DIR/small/t'" && pg_sql one "GRANT CREATE ON TABLESPACE small TO app"
    store brim
    full="$store%20-cdefault_tablespace%3Dsmall"
    sql brim "CREATE TABLE public.filler TABLESPACE small AS SELECT generate_series(1, 130000)"
    events 1 50 97 | ts-spool put "$full" >put1.out
    spawn ts-spool drain -F -w 20 --into "$receiver full.ledger 0 20" "$full" 2>err2
    events 51 60000 97 | ts-spool put "$full" >put.out 2>err
    is "$?" 74 "a full disk of the server: 74"
    like "$(cat err)" "disk of the server is full" "and says so"
    is "$(number "$store" stored)" "$(cat put1.out put.out | grep -c '"stored"')" "what has a receipt is there, and no more"
    wait_for 3 dead "$spawned"
    kill "$spawned" 2>/dev/null
    wait "$spawned"
    like "$?" '^(0|74)$' "a drain goes on as long as it can, and then ends with 74"
    is "$(distinct full.ledger)" "$(number "$store" delivered)" "and what its command answered till then is settled"
    pg_sql one "DROP TABLE filler" app
    ts-spool drain --into "$receiver full.ledger" "$full"
    is "$? $(number "$store" waiting)" "0 0" "with room again all is delivered"
    is "$(disordered full.ledger) $(doubled full.ledger)" "0 0" "in order, and each once"
else
    skip "a full disk needs root and mount"
fi

done_testing
