#!/bin/bash
# SPDX-License-Identifier: MIT
# The whole way to a real HR system: a terminal's log through ts-read, ts-enrich with a roster, ts-spool
# and ts-send into Debian's Tryton, and the attendance lines read back from there. After whatever is
# done to session, server, replies and sender, each passage must be there once.
#
# PROFILE=./FILE.jq tries another profile. TS_FULL=1 kills the sender more often.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
# shellcheck source=tests/support/tryton.sh
. "$ROOT/tests/support/tryton.sh"
profile=$(realpath -e "${PROFILE:-/nowhere}" 2>/dev/null || echo tryton)
for p in jq curl python3 sqlite3; do
    command -v $p >/dev/null || skip_all "needs $p"
done
tryton_there || skip_all "needs Tryton with its module attendance (scripts/deps --test)"
kills=$([ -n "${TS_FULL:-}" ] && echo 150 || echo 10)
cd "$T" || exit 1
umask 077

# --- the company, its people, its gates

tryton_make Europe/Warsaw || {
    tail -n 20 "$T/tryton.made" "$TRYTON/made" "$TRYTON/log" | sed 's/^/# /'
    ok 1 "Tryton starts"
    done_testing
}
# The PIN on the terminal is a hundred more than the number at the HR system; 21 is not there yet.
is "$(tryton_employees 20)" "$(seq 20)" "twenty employees"
{ echo person_id,employee_id && seq 21 | awk '{ print 100 + $1 "," $1 }'; } >roster.csv
cat >site.json <<'END'
{"zone": "Europe/Warsaw", "roster": "roster.csv", "require_employee": true,
 "devices": {"GATE-1": {"punch": {"check_in": "in", "check_out": "out"}},
             "GATE-2": {"zone": "America/New_York", "punch": {"check_in": "in", "check_out": "out"}}}}
END

# log FIRST-DAY DAYS FIRST-PIN LAST-PIN: an ATTLOG, in the order of the clock; after midnight it is
# still yesterday in UTC.
log() {
    python3 - "$@" <<'END'
import datetime, sys
day, days, first, last = datetime.date.fromisoformat(sys.argv[1]), *map(int, sys.argv[2:])
for d in range(days):
    for clock, status in (("00:10", 0), ("06:05", 1), ("14:00", 0), ("22:30", 1)):
        for pin in range(first, last + 1):
            print("%9d\t%s %s:%02d\t1\t%d\t1\t0" %
                  (pin, day + datetime.timedelta(d), clock, pin % 60, status))
END
}

# What Tryton must have of a log from a zone: as tryton_lines prints it.
wanted=$T/wanted
: >"$wanted"
want() { # ZONE <log
    python3 -c '
import datetime, sys, zoneinfo
utc, zone, company = (zoneinfo.ZoneInfo(z) for z in ("UTC", sys.argv[1], "Europe/Warsaw"))
for line in sys.stdin:
    pin, at, _, status = line.split("\t")[:4]
    at = datetime.datetime.fromisoformat(at).replace(tzinfo=zone)
    print(int(pin) - 100, at.astimezone(utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
          ("in", "out")[int(status)], at.astimezone(company).date())
' "$1" | want_lines
}
want_lines() {
    sort - "$wanted" >"$wanted.new" && mv "$wanted.new" "$wanted"
}
# All that was to arrive has, and nothing else.
all_there() { # NAME
    tryton_lines >have
    is "$(comm -13 have "$wanted" | wc -l) missing, $(comm -23 have "$wanted" | wc -l) too many" \
        "0 missing, 0 too many" "$1: each passage is there once"
    comm -3 have "$wanted" | head -n 5 | sed 's/^/# /'
}
lines() {
    sqlite3 -cmd '.timeout 20000' "$TRYTON/db/hr.sqlite" 'SELECT count(*) FROM attendance_line'
}
# shellcheck disable=SC2317 # called by wait_for
more_lines_than() {
    [ "$(lines)" -gt "$1" ]
}

# --- the way

url=http://127.0.0.1:$tryton_port/hr
put() { # STORE [DEVICE] <log
    ts-read -f zk-attlog -d "${2:-GATE-1}" - 2>>said | ts-enrich -c site.json 2>>said |
        ts-spool put "$1" | jq -r .outcome | sort | uniq -c | awk '{ printf "%s %s", $2, $1 }'
}
# drain STORE OPTION...: its sender's number in "pid", the receipts in "receipts".
drain() {
    # short steps: what is looked at is the way back, not the patience
    ts-spool drain "$1" --into "ts-enrich -c site.json | { sh -c 'echo \$\$ >pid; exec \"\$@\"' sender \
        ts-send -p $profile -o user=bridge --secret password=$TRYTON/password --retry-max 1s \
        ${*:2} $url; } | tee -a receipts" 2>>said
}
with_zone='-o zone=Europe/Warsaw'
states() {
    ts-spool stat --json "$1" |
        jq -r '"\(.delivered) delivered, \(.waiting) waiting, \(.held) held, \(.dead) dead"'
}
receipts() { # jq program over one of them
    jq -r "$1" receipts | sort | uniq -c | awk '{ n = $1; sub(/^ *[0-9]+ /, ""); printf "%s%s %s", s, n, $0; s = ", " }'
}

ts-send --check -p "$profile" -o user=bridge --secret "password=$TRYTON/password" "$url" >checked 2>&1
is "$? $(grep -c '^ok *receiver' checked)" "0 1" "--check finds nothing wrong"
echo 'not this one' >wrong
ts-send --check -p "$profile" -o user=bridge --secret password=wrong "$url" >checked 2>&1
is $? 78 "--check with a wrong password"
like "$(cat checked)" "refuses the user or the password" "and says so"

# what a user would type, from the README, on the first rows of the bundled log
mkdir readme
head -n 300 "$ROOT/share/demo/1_attlog.dat" >readme/1_attlog.dat
cp "$ROOT/share/demo/site.json" readme
sed 's/,E-0*/,/' "$ROOT/share/demo/roster.csv" >readme/roster.csv # E-0007 is 7 here
awk '/^```/ { on = $0 == "```bash"; next } on' "$ROOT/README.md" |
    sed "s|/etc/turnstile/tryton.password|$TRYTON/password|; s|https://hrms.example/DATABASE|$url|
        s|-p tryton|-p $profile $with_zone|" >readme/typed
(cd readme && bash ./typed >reasons 2>said)
is "$? $(jq -r .reason readme/reasons | grep -c 'no such employee')" "0 1" "the lines of the README"
ts-spool list --delivered readme/q.db | python3 -c '
import datetime, json, sys, zoneinfo
for e in map(json.loads, sys.stdin):
    at = datetime.datetime.fromisoformat(e["time"])
    print(e["employee_id"], at.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
          e["direction"], at.astimezone(zoneinfo.ZoneInfo("Europe/Warsaw")).date())
' | tee readme/delivered | want_lines
ok $(($(wc -l <readme/delivered) < 50)) "most of the log is delivered"
all_there "the bundled log"

# over the change to summer time, 29 March 2026
log 2026-03-27 4 101 120 >spring
is "$(put spring.db <spring)" "stored 320" "a log of twenty people in the queue"
drain spring.db "$with_zone"
is $? 0 "and delivered"
want Europe/Warsaw <spring
all_there "right UTC time, right way, right day"
is "$(states spring.db)" "320 delivered, 0 waiting, 0 held, 0 dead" "the queue knows it"

is "$(put spring.db <spring)" "duplicate 320" "the whole log again"
drain spring.db "$with_zone"
is "$(receipts .outcome)" "320 delivered" "sends nothing"
is "$(put anew.db <spring)" "stored 320" "the queue is lost, the log is read into a new one"
: >receipts
drain anew.db "$with_zone"
is "$(receipts .outcome)" "320 duplicate" "Tryton has it already"
all_there "the whole log twice more"

log 2026-03-10 2 101 102 >far
put far.db GATE-2 <far >/dev/null
drain far.db
is "$(states far.db)" "16 delivered, 0 waiting, 0 held, 0 dead" \
    "a gate in another zone, and the company's zone is not said"
want America/New_York <far
all_there "a gate in another zone"

# --- what Tryton refuses

: >receipts
log 2026-04-02 1 120 121 >new
put new.db <new >/dev/null
drain new.db "$with_zone"
is "$(states new.db)" "4 delivered, 0 waiting, 4 held, 0 dead" \
    "an employee that Tryton does not have is held, who comes next is delivered"
is "$(ts-spool list --held --by reason new.db | jq -r .reason)" "200: the receiver has no such employee" "and says why"
is "$(receipts 'select(.outcome == "held") | "\(.attempts) \(.ambiguous)"')" "4 1 null" "after one attempt, without doubt"
is "$(tryton_employees 1)" 21 "the employee is created"
drain new.db "$with_zone"
want Europe/Warsaw <new
all_there "what waited for the employee, with its own time"

: >receipts
tryton_period 2026-02-01 >/dev/null
log 2026-01-31 2 103 104 >closed # their second day begins at 23:10 UTC of the first
put closed.db <closed >/dev/null
drain closed.db "$with_zone"
is "$? $(states closed.db)" "65 6 delivered, 0 waiting, 0 held, 10 dead" "what is in a closed period is refused"
is "$(ts-spool list --dead --by reason closed.db | jq -r .reason)" \
    "200: the attendance period of this time is closed at the receiver" "and says why"
is "$(receipts 'select(.outcome == "rejected") | "\(.attempts) \(.ambiguous)"')" "10 1 null" "after one attempt, without doubt"
grep -v ' 00:10:\|2026-01-31' closed >open
want Europe/Warsaw <open
all_there "what is in the open one"
is "$(cat receipts said | grep -c 'Test Person\|Kq7-bridge-Zx2')" 0 "neither name nor password is printed"

# --- the server

: >receipts
log 2026-04-06 3 101 110 >week
put week.db <week >/dev/null
before=$(lines)
drain week.db "$with_zone" --rate 20/s -b 4 &
drain=$!
wait_for 20 more_lines_than $((before + 20))
tryton_log_out
wait_for 20 more_lines_than $((before + 45))
tryton_stop
tryton_start
wait_for 20 more_lines_than $((before + 70))
tryton_kill
tryton_start
wait "$drain"
is "$? $(states week.db)" "0 120 delivered, 0 waiting, 0 held, 0 dead" \
    "sessions end, the server is restarted, the server is killed"
is "$(grep -c 'user or the password' said)" 0 "the end of a session is no refused password"
want Europe/Warsaw <week
all_there "session, restart, kill -9 of the server"

# --- replies

mkfifo orders
spawn python3 -B "$ROOT/tests/support/between.py" "$tryton_port" attendance.line.create orders >between
wait_for 10 grep -q '^listening' between || skip_all "python3 cannot listen"
url=http://127.0.0.1:$(sed -n 's/^listening //p' between)/hr

: >receipts
log 2026-04-13 3 101 110 >torn
put torn.db <torn >/dev/null
printf '%s\n' pass lose shut lose lose pass shut lose >orders
drain torn.db "$with_zone" -b 6 -j 2
is "$? $(states torn.db)" "0 120 delivered, 0 waiting, 0 held, 0 dead" "requests and replies are lost"
is "$(sort between | uniq -c | awk '$2 == "lose" || $2 == "shut" { print $2, $1 }' | paste -sd ' ')" \
    "lose 4 shut 2" "as was asked for"
like "$(receipts 'select(.ambiguous) | .outcome')" "duplicate" "what had arrived is found"
want Europe/Warsaw <torn
all_there "lost requests and replies"

# the sender has given it up, looks, finds nothing, and creates: then it comes
log 2026-04-20 2 105 105 >late
put late.db <late >/dev/null
printf '%s\n' late late >orders
drain late.db "$with_zone" --timeout 2s
is "$? $(states late.db) $(grep -c 'came late' between)" "0 8 delivered, 0 waiting, 0 held, 0 dead 2" \
    "requests come late, twice the same one"
want Europe/Warsaw <late
all_there "late requests"

# --- kill -9 of the sender

# killed STORE STATE MILLISECONDS OPTION...: so long after the next request with this fate; the
# status is that of the drain, 75 when the sender had not ended by itself
killed() {
    local n drain
    rm -f pid
    drain "$1" "$with_zone" "${@:4}" &
    drain=$!
    while kill -0 "$drain" 2>/dev/null; do # one that had answered all is followed by another
        n=$(grep -c "^$2" between)
        wait_for 20 came "$2" "$n" "$drain"
        sleep "$(printf '0.%03d' "$3")"
        sender_dies
    done
    wait "$drain"
}
sender_dies() {
    local pid
    pid=$(cat pid 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = ts-send ] &&
        kill -9 "$pid" 2>/dev/null
}
# shellcheck disable=SC2317 # called by wait_for
came() { # STATE MORE-THAN DRAIN: or the drain has ended
    [ "$(grep -c "^$1" between)" -gt "$2" ] || ! kill -0 "$3" 2>/dev/null
}

: >receipts
log 2026-05-04 5 101 110 >held
put held.db <held >/dev/null
before=$(lines)
for ((i = 0; i < kills / 5; i++)); do
    echo hold >orders
    killed held.db held 0 -b 8 -j 1
done
is "$(grep -c '^held' between)" $((kills / 5)) "killed with the reply on its way, $((kills / 5)) times"
arrived=$(($(lines) - before))
drain held.db "$with_zone"
is "$? $(states held.db)" "0 200 delivered, 0 waiting, 0 held, 0 dead" "all are delivered in the end"
is "$(receipts 'select(.outcome == "duplicate") | .ambiguous')" "$arrived true" "what had arrived is found: $arrived"
want Europe/Warsaw <held
all_there "killed between request and reply"

: >receipts
log 2026-06-01 $((kills * 3 / 5)) 101 110 >killed
put killed.db <killed >/dev/null
died=0
for ((i = 0; i < kills; i++)); do
    killed killed.db pass $((RANDOM % 50)) -b 2 -j 3
    died=$((died + ($? == 75)))
done
is "$died" "$kills" "killed $kills times at random moments of its work"
drain killed.db "$with_zone"
is "$? $(states killed.db)" "0 $((kills * 24)) delivered, 0 waiting, 0 held, 0 dead" "all are delivered in the end"
want Europe/Warsaw <killed
all_there "killed at random"
done_testing
