#!/bin/bash
# SPDX-License-Identifier: MIT
# ts-spool stat: what it knows of receiver, room and devices; metrics; alerts that are told when a
# condition begins, once a day and when it is over, and are not lost when nobody could be told.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-spool >/dev/null || skip_all "ts-spool is not built"
command -v jq >/dev/null || skip_all "needs jq"
cd "$T" || exit 1

today=$(date +%F)

# event N DEVICE [MEMBERS]: of today.
event() {
    printf '{"event_id":"%s","local_time":"%sT00:00:0%d","device_id":"%s","person_id":"p%s"%s}\n' \
        "$1" "$today" $(($1 % 10)) "$2" "$1" "${3:+,$3}"
}

# status NAME WANTED COMMAND...: runs it with its output in out and err.
status() {
    local name=$1 wanted=$2
    shift 2
    "$@" >out 2>err
    is "$?" "$wanted" "$name"
}

deliver='jq --unbuffered -c "{ack, outcome: (if .hold then \"held\" else \"delivered\" end)}"'
fail='jq --unbuffered -c "if .hold then {ack, outcome: \"held\"}
    else {ack, outcome: \"deferred\", status: 503, error: \"down\"} end"'

# --- what it knows

status "--devices alone" 64 ts-spool stat --devices q.db
status "an alert's limit alone" 64 ts-spool stat --waiting-over 1h q.db
for n in 1 2 3; do event $n "D$((n % 2))"; done | ts-spool put --max-size 1M q.db >/dev/null
event 4 D0 '"hold":"person not in the roster"' | ts-spool put --max-size 1M q.db >/dev/null
ts-spool drain --into "$fail" q.db 2>/dev/null
status "a receiver that fails" 75 ts-spool stat --json q.db
is "$(jq -c '[.failing_status, (.failing_s < 60), (.failing_since[:2]), .limit_bytes, .put_last_week,
    (.room_days >= 0), (.oldest_held_s < 60), (.free_bytes > 0), (.first_put <= .last_put)]' out)" \
    '[503,true,"20",1048576,4,true,true,true,true]' "is told, with room and ages"
like "$(ts-spool stat q.db)" \
    "^not everything is in: 0 delivered, 3 waiting, 1 held, .*; held for up to [0-9]+s; the receiver has taken nothing for [0-9]+s \(status 503\); .*no drain is at work$" \
    "in one line too"
ts-spool stat --json --devices q.db >out
is "$(jq -c '[.devices[] | .device, .last_day]' out)" "[\"D0\",\"$today\",\"D1\",\"$today\"]" \
    "the devices, and their last days"
ts-spool drain --into "$deliver" q.db
is "$(ts-spool stat --json q.db | jq -c '[.failing_s, .failing_status, .delivered]')" '[null,null,3]' \
    "a success ends it"

# --- metrics

ts-spool stat --prometheus --devices q.db >out
python3 - <<'P' >problems
import re
seen, family, text = set(), None, open("out").read()
assert text.endswith("\n")
for line in text.splitlines():
    if line.startswith("# HELP "):
        name = line.split()[2]
        if name in seen: print("twice:", name)
        seen.add(name)
        family = name
        continue
    if line.startswith("# TYPE "):
        name, kind = line.split()[2:4]
        if name != family: print("TYPE of another:", line)
        if (kind == "counter") != name.endswith("_total"): print("kind:", line)
        continue
    m = re.fullmatch(r'(\w+)\{((?:\w+="(?:[^"\\\n]|\\[\\"n])*",?)+)\} (-?[0-9.]+)', line)
    if not m: print("no sample:", line)
    elif m[1] != family: print("out of its family:", line)
    elif re.search(r"_ms|_minutes|_days", m[1]): print("unit:", line)
P
is "$(cat problems)" "" "the text format: families whole and once, base units, samples in form"
is "$(sed -n 's/^ts_spool_device_last_put_timestamp_seconds{store="q.db",device="\(.*\)"}.*/\1/p' out |
    tr '\n' ' ')" "D0 D1 " "devices when asked for"
is "$(ts-spool stat --prometheus q.db | grep -c device)" 0 "and not else"
printf '{"event_id":"x","device_id":"a\\"b\\\\c\\nd"}\n' | ts-spool put odd.db >/dev/null
like "$(ts-spool stat --prometheus --devices odd.db)" 'device="a\\"b\\\\c\\nd"' "their names are escaped"
jq -nc 'range(1200) | {event_id: "e\(.)", device_id: "d\(.)"}' | ts-spool put many.db >/dev/null
ts-spool stat --prometheus --devices many.db >out
is "$(grep -c '^ts_spool_device_' out) $(sed -n 's/^ts_spool_devices{.*} //p' out)" "1000 1200" \
    "1000 devices at most, and how many there are"
is "$(ts-spool stat --prometheus 'postgresql://me:secret@127.0.0.1:1/db' 2>&1 | grep -c secret)" 0 \
    "a password in a URL is not shown"

# --- alerts

# alert WANTED NAME [OPTION...]: one run of cron.
alert() {
    local wanted=$1 name=$2
    shift 2
    : >told
    status "$name" "$wanted" ts-spool stat --alert 'cat >>told' "$@"
    is "$(cat out)" "" "$name: nothing on standard output"
}

# past KEY: makes it a day since it was told.
past() {
    python3 - "$1" "$2" <<'P'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
tables = [t for (t,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
n = 0
for t in tables:
    columns = [c[1] for c in db.execute(f"PRAGMA table_info({t})")]
    if "key" in columns and "value" in columns:
        n += db.execute(f"UPDATE {t} SET value=value-90000000 WHERE key LIKE ? AND value>0",
                        ("alert % " + sys.argv[2] + "%",)).rowcount
db.commit()
sys.exit(n == 0)
P
}

event 1 G1 | ts-spool put a.db >/dev/null
ts-spool drain --into "$deliver" a.db
alert 0 "all is well" a.db
is "$(cat told)" "" "nobody is told"
event 2 G1 '"error":"no such date"' | ts-spool put a.db >/dev/null
event 3 G1 | ts-spool put a.db >/dev/null
alert 0 "one is dead, one waits" --waiting-over 0 a.db
is "$(sed 's/for [0-9]*s/for Ns/' told)" "\
a.db: 1 waiting, the oldest for Ns; no drain is at work
a.db: 1 dead: see ts-spool list --dead --by reason" "somebody is told"
alert 0 "the same a minute later" --waiting-over 0 a.db
is "$(cat told)" "" "not again"
past a.db dead
alert 0 "a day later" --waiting-over 0 a.db
is "$(cat told)" "a.db: 1 dead: see ts-spool list --dead --by reason" "once a day"
ts-spool drain --into "$deliver" a.db
ts-spool skip --dead --reason torn a.db >/dev/null
alert 0 "mended" --waiting-over 0 a.db
is "$(cat told)" "\
a.db: over: nothing waits too long any more
a.db: over: the dead are dealt with" "the end is told"
alert 0 "and then" --waiting-over 0 a.db
is "$(cat told)" "" "there is quiet"

event 4 G1 | ts-spool put a.db >/dev/null
ts-spool drain --into "$fail" a.db 2>/dev/null
alert 0 "a receiver that fails" --failing-over 0 a.db
like "$(cat told)" "^a.db: the receiver has taken nothing for [0-9]+s, its last status was 503$" "is told"
: >told
status "a command that fails" 69 ts-spool stat --alert 'cat >>told; exit 3' --failing-over 0 a.db
like "$(cat err)" "ts-spool: --alert: the command ended with exit status 3: it is told again next time" \
    "is seen"
status "the next time" 69 ts-spool stat --alert 'cat >>told; exit 3' --failing-over 0 a.db
is "$(grep -c 'taken nothing' told)" 2 "it is told again"
status "a command that cannot be found" 69 ts-spool stat --alert /no/such/command --failing-over 0 a.db
status "a command that reads nothing" 0 ts-spool stat --alert true --failing-over 0 a.db
status "one that was told" 0 ts-spool stat --alert true --failing-over 0 a.db
: >told
status "with metrics" 0 ts-spool stat --prometheus --alert 'cat >>told' --dead-over 5 a.db
like "$(cat out)" "ts_spool_events" "both are done"
is "$(grep -c p4 told)" 0 "no person is told of"

# Devices: G1 spoke a moment ago, OLD is an archive, GONE left long ago.
printf '{"event_id":"o","local_time":"2020-05-04T06:35:30","device_id":"OLD"}\n' |
    ts-spool put a.db >/dev/null
alert 0 "a silent device" --failing-over 1d --silent-over 0 a.db
like "$(grep device told)" "^a.db: device G1 has been silent for [0-9]+s$" "is told, an archive is not"
alert 0 "again" --failing-over 1d --silent-over 0 a.db
is "$(grep device told)" "" "not again"
event 5 G1 | ts-spool put a.db >/dev/null
alert 0 "it speaks" --failing-over 1d --silent-over 1h a.db
is "$(grep device told)" "a.db: over: device G1 speaks again" "and that is told"
for n in $(seq 30); do event "$n" "N$n"; done | ts-spool put n.db >/dev/null
alert 0 "thirty at once" --silent-over 0 n.db
is "$(grep -c 'silent' told) $(tail -n 1 told)" \
    "20 n.db: and 10 more devices: see ts-spool stat --devices --json" "flood nobody"
alert 0 "and then" --silent-over 0 n.db
is "$(cat told)" "" "they are told, all"

event 1 R | ts-spool put --max-size 64k r.db >/dev/null
alert 0 "no room" --room-under 3650d r.db
like "$(cat told)" "^r.db: room for about [0-9]+d more; then events are refused$" "is told"

alert 66 "no store" no.db
like "$(cat told)" "^no.db: cannot be looked at: no.db: .*No such file" "is told, each time"
cp told told.before
alert 66 "no store, again" no.db
is "$(cat told)" "$(cat told.before)" "as it cannot be noted"

# Nobody is told of what nobody asked to look at.
event 1 H '"hold":"x"' | ts-spool put h.db >/dev/null
alert 0 "held, not asked for" h.db
is "$(cat told)" "" "is not told"
alert 0 "held, asked for" --held-over 0 h.db
like "$(cat told)" "^h.db: 1 held, the oldest for [0-9]+s: see ts-spool list --held --by person$" "is"
done_testing
