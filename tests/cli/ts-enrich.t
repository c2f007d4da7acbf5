#!/bin/bash
# SPDX-License-Identifier: MIT
# ts-enrich from outside: options, exit status, messages, what it does to lines that are not
# events, to torn and to long ones, and that it neither waits with a line nor loses one.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-enrich >/dev/null || skip_all "ts-enrich is not built"
cd "$T" || exit 70

line='{"kind":"granted","local_time":"2026-01-07T10:34:08","device_id":"GATE-2","person_id":"126"}'
id=019b9805-6100-8b85-a657-08efdeb09c4e # as ts-event(5) has it

# enrich ARGUMENT...: runs on standard input; sets $out, $err, $status.
enrich() {
    ts-enrich "$@" >"$T/out" 2>"$T/err"
    status=$?
    out=$(cat "$T/out")
    err=$(cat "$T/err")
}

# field NAME: of the event in $out.
field() {
    printf '%s\n' "$out" | jq -r ".$1"
}

# --- without any configuration -------------------------------------------------------------------

enrich <<<"$line"
is "$status" 0 "no configuration: status 0"
is "$(field event_id)" "$id" "event_id is that of ts-event(5)"
is "$(field 'time')" null "without a zone there is no time"
is "$(field snapshot)" null "snapshot is there, and null"
like "$err" 'no zone for device GATE-2: give -z or a site file' "the missing zone is said"
is "$(wc -l <"$T/err")" 1 "and nothing else"

enrich -z Asia/Manila <<<"$line"
is "$(field 'time')" 2026-01-07T10:34:08+08:00 "-z gives the time"
is "$err" "" "nothing to say"
enrich --zone=-03:30 <<<"$line"
is "$(field 'time')" 2026-01-07T10:34:08-03:30 "a fixed offset is a zone"

printf '%s\n' "$line" "${line/GATE-2/GATE-3}" >two
enrich two
like "$err" '^ts-enrich: 2 events without time: no zone for device GATE-2 \(the first of them\)' \
    "events without time are counted"

enrich -z UTC <<<'{"local_time":"2026-01-07T10:34:08","person_id":"126"}'
like "$err" '1 event without device_id: give -d' "a missing device is said"
is "$(field device_id)" null "and stays missing"
enrich -z UTC -d GATE-2 <<<'{"local_time":"2026-01-07T10:34:08","person_id":"126"}'
is "$(field device_id) $(field event_id) $err" "GATE-2 $id " "-d names it, and its id is the device's"
enrich -z UTC -d other <<<"$line"
is "$(field device_id)" GATE-2 "-d does not replace a name"

# --- which zone ----------------------------------------------------------------------------------

cat >site.json <<'END'
{"zone": "Asia/Manila", "devices": {"GATE-2": {"aliases": ["stem"]}, "OWN": {"zone": "Europe/Berlin"}}}
END
enrich -c site.json <<<"$line"
is "$(field 'time')" 2026-01-07T10:34:08+08:00 "the site's zone"
enrich -c site.json -z UTC <<<"$line"
is "$(field 'time')" 2026-01-07T10:34:08+00:00 "-z stands above the site's"
enrich -c site.json -z UTC <<<"${line/GATE-2/OWN}"
is "$(field 'time')" 2026-01-07T10:34:08+01:00 "the device's own stands above -z"
enrich -c site.json <<<"${line/GATE-2/stem}"
is "$(field event_id)" "$id" "an alias has the id of its device"

# --- --id-key ------------------------------------------------------------------------------------

(umask 077 && echo 'secret key' >key)
enrich -z UTC --id-key ./key <<<"$line"
wanted=$(python3 - <<'END'
import hashlib, hmac, uuid
name = b"GATE-2\x1f126\x1f2026-01-07T10:34:08"
o = bytearray(hmac.new(b"secret key", name, hashlib.sha256).digest()[:16])
o[0:6] = (1767782048000).to_bytes(6, "big")
o[6], o[8] = o[6] & 15 | 128, o[8] & 63 | 128
print(uuid.UUID(bytes=bytes(o)))
END
)
is "$(field event_id)" "$wanted" "--id-key: HMAC-SHA-256"
chmod 644 key
enrich --id-key ./key <<<"$line"
is "$status $out" "77 " "a key that others may read is refused"
like "$err" 'chmod 600' "and the message says how to mend it"
enrich --id-key ./nokey <<<"$line"
is "$status" 66 "a missing key: 66"

# --- --redact, --require-employee, --max-skew ----------------------------------------------------

printf 'person_id,employee_id,name,team\n126,E1,Ann,north\n7,E7,,\n' >roster.csv
enrich -z UTC -r roster.csv <<<"$line"
is "$(field employee_id) $(field hr.name)" "E1 Ann" "-r maps a person"
enrich -z UTC -r roster.csv --redact name,person_id --redact team <<<"$line"
is "$(field employee_id) $(field hr) $(field person_id) $(field event_id)" "E1 null null $id" \
    "--redact takes columns and fields away, after they were used"
enrich -z UTC -r roster.csv --require-employee <<<"${line/126/127}"
is "$status $(field hold)" "0 person not in the roster" "--require-employee holds the unmapped"
enrich -z UTC --require-employee <<<"$line"
is "$(field hold)" "person not in the roster" "also without a roster"
enrich -z UTC --require-employee <<<"${line/\}/,\"employee_id\":\"E\"\}}"
is "$(field hold)" null "unless the event knows the employee"
live=${line/\}/,\"received_at\":\"2026-01-07T10:30:00.000Z\"\}}
enrich -z UTC <<<"$live"
is "$(field skew_s)" null "a skew of 248 s is allowed"
enrich -z UTC --max-skew 4m <<<"$live"
is "$(field skew_s) $(field time_note)" "248 drift" "--max-skew 4m does not allow it"

# --- lines that are no events --------------------------------------------------------------------

printf '%s\nno json\n\n[]\n{"a":1}\n' "$line" >mixed
enrich -z UTC -d X mixed
is "$status $(wc -l <out)" "65 5" "five lines in, five out, status 65"
is "$(tail -n 1 err)" "ts-enrich: 3 of 5 lines were not understood" "the last line counts them"
is "$(jq -r 'select(.error) | .error' out | cut -c 1-8 | tr '\n' ,)" "not JSON,empty li,not a JS," \
    "each has its reason"
is "$(jq -r 'select(.event_id | not)' out)" "" "each has an id"
enrich -z UTC out
is "$status" 0 "what was marked before is not counted again"

head -c 3000000 /dev/zero | tr '\0' x >long
{ cat long && echo && echo "$line"; } >with-long
enrich -z UTC -d X with-long
is "$status $(wc -l <out)" "65 2" "a line of 3 MB is one record"
is "$(jq -r '.error // .event_id' out | tr '\n' ,)" "line longer than 1 MiB,$id," "and the next is fine"

printf '%s\n%s' "$line" "$line" >torn
enrich -z UTC torn
is "$status $(wc -l <out)" "0 2" "a last line without newline is an event when it is whole"
printf '%s\n%s' "$line" '{"kind":"gr' >torn
enrich -z UTC torn
is "$status $(wc -l <out)" "65 2" "a torn one in a file is kept as a record"

ts-enrich -z UTC <<<"$line" >wanted
head -c 1000 torn | ts-enrich -z UTC >out 2>err
is "$? $(cmp out wanted)" "65 " "a torn one in a pipe is left out, for its writer sends it again"
like "$(cat err)" 'input ended inside a line: its 11 bytes are left out' "and that is said"

# --- files ---------------------------------------------------------------------------------------

enrich -z UTC two no-such-file - <<<"${line/126/127}"
is "$status $(wc -l <out)" "66 3" "a missing file is skipped: status 66"
like "$err" 'no-such-file: cannot open: No such file' "and named"
is "$(tail -n 1 out | jq -r .person_id)" 127 "- is standard input"
mkdir folder
enrich -z UTC folder
is "$status" 74 "a folder cannot be read: 74"
enrich -z UTC </dev/null
is "$status $out$err" "0 " "nothing in, nothing out"

# --- the site file and the roster ----------------------------------------------------------------

# site TEXT: a site file that is refused; $err has the messages.
refused() {
    printf '%s' "$1" >bad.json
    enrich -c bad.json <<<"$line"
    is "$status $out" "78 " "refused: ${1//$'\n'/ }"
    like "$err" "$2" "… and the message says where and why"
}
refused '{"zone":"Asia/Manila"' 'bad.json:1:[0-9]+: not JSON: '
refused '{
  "zoen": "Asia/Manila"}' 'bad.json:2:3: zoen: unknown key; did you mean "zone"\?'
refused '{"xyzzyx":1}' 'unknown key; known here are zone, roster, '
refused '{"zone":"Asia/Manilla"}' 'zone: zone Asia/Manilla: not in the system.*did you mean Asia/Manila\?'
refused '{"zone":5}' 'zone: must be a string, not uint'
refused '{"zone":"UTC","zone":"UTC"}' 'zone: is there twice'
refused '[]' 'bad.json:1:1: must be an object'
refused '{"max_skew_s":-1}' 'max_skew_s: must be a number of seconds'
refused '{"require_employee":"yes"}' 'require_employee: must be true or false'
refused '{"punch":{"check_inn":"in"}}' 'punch.check_inn: unknown key; did you mean "check_in"'
refused '{"devices":{"A":{"direction":"inn"}}}' 'devices.A.direction: must be "in", "out", "alternate" or null'
refused '{"devices":{"A":{"direction":"ni"}}}' 'or null; did you mean "in"\?'
refused '{"devices":{"A":{"readers":{"1":1}}}}' 'devices.A.readers.1: must be "in"'
refused '{"devices":{"A":{"aliases":"B"}}}' 'devices.A.aliases: must be a list'
refused '{"devices":{"A":{"aliases":["B"]},"B":{}}}' 'devices.B: "B" is a name or alias of device A already'
refused '{"devices":{"A":{},"A":{}}}' 'devices.A: is there twice'
refused '{"devices":{"":{}}}' 'must not be empty'
refused '{"zoen":1,"devices":{"A":{"zone":"X"}}}' 'bad.json: 2 mistakes; see ts-site\(5\)'
is "$(wc -l <err)" 3 "all mistakes are said at once"

# roster TEXT
refused_roster() {
    printf '%b' "$1" >bad.csv
    enrich -r bad.csv <<<"$line"
    is "$status $out" "78 " "roster refused: $2"
    like "$err" "$3" "… and the message says where and why"
}
refused_roster '' "empty" 'bad.csv: empty'
refused_roster 'person_id,name\n' "no employee_id" 'bad.csv:1: no column employee_id'
refused_roster 'employee_id,name\n' "no id" 'bad.csv:1: neither a column person_id nor card_no'
refused_roster 'person_id,employee_id,a,a\n' "column twice" 'bad.csv:1: column a is there twice'
refused_roster 'person_id,employee_id\n1,E\n2,"E\n' "open quote" 'bad.csv:3: a quote " is never closed'
refused_roster 'person_id,employee_id\n1,"E"x\n' "text after quote" 'bad.csv:2: text after a closing'
refused_roster 'person_id,employee_id\n1,E,extra\n' "too many cells" 'bad.csv:2: more cells'
refused_roster 'person_id,employee_id\n1,E\n2,\xff\n' "not UTF-8" 'bad.csv:3: not UTF-8'

printf 'person_id,employee_id,name\n126,E1,Ann Secret\n126,E2,Bob Secret\n9,,x\n' >two.csv
enrich -z UTC -r two.csv <<<"$line"
is "$status $(field hold) $(field employee_id)" "0 person id claimed by two null" \
    "an id of two people is nobody's"
like "$err" "an id is claimed by two people in the roster" "said when the first event of it comes"
enrich -z UTC -r two.csv --check-config </dev/null
like "$err" "two.csv:3: person_id is another employee's in line 2: its events are put on hold" \
    "--check-config says where"
like "$err" "two.csv: 1 rows have no employee_id" "rows without an employee too"
enrich -z UTC -r two.csv <<<"${line/126/5}"
is "$err" "" "an odd roster is no news for every cron mail"
enrich -z UTC -r two.csv <<<"$line"
[[ $err != *Secret* && $err != *126* ]]
ok $? "without a name or an id"

mkdir -p sub
printf '{"roster":"r.csv"}' >sub/site.json
cp roster.csv sub/r.csv
enrich -z UTC -c sub/site.json <<<"$line"
is "$(field employee_id)" E1 "the roster's path starts at the site file"
enrich -z UTC -c sub/site.json -r two.csv <<<"$line"
is "$(field hold)" "person id claimed by two" "-r stands above it"

enrich -c sub/site.json --check-config <<<"$line"
is "$status $out" "0 sub/site.json: fine, 0 devices
sub/r.csv: fine, 2 people" "--check-config says what there is"
enrich -c bad.json --check-config </dev/null
is "$status" 78 "--check-config of a bad file: 78"
enrich -r none.csv </dev/null
is "$status" 66 "a missing roster: 66"

# --- typing mistakes that cost an identity -------------------------------------------------------

for id in 111 112; do
    printf '{"local_time":"2026-05-04T06:35:30","device_id":"G","person_id":%s}\n' $id
done >numbers.ndjson
is "$(ts-enrich <numbers.ndjson 2>/dev/null | jq -r .event_id)" \
    "$(sed 's/:\(11.\)}/:"\1"}/' numbers.ndjson | ts-enrich 2>/dev/null | jq -r .event_id)" \
    "a person_id written as a number is the same person as its digits"
printf '{"zone":"UTC","devices":{"CGXH2012345":{}}}' >listed.json
for id in CGXH2012345 CGXH20123456 OTHER; do
    ts-enrich -c listed.json <<<"${line/GATE-2/$id}" 2>&1 >/dev/null | head -n 1
done >said
is "$(cat said)" "ts-enrich: device CGXH20123456 is not in listed.json (did you mean CGXH2012345?): \
it has no zone, reader or direction of its own
ts-enrich: device OTHER is not in listed.json: it has no zone, reader or direction of its own" \
    "a device that the site file does not list is named, once"

# --- usage ---------------------------------------------------------------------------------------

for bad in --nosuch '-z Mars/X' '-d' '--redact name,,x' '--redact ack' '--max-skew soon' '-c'; do
    # shellcheck disable=SC2086 # two words
    enrich $bad </dev/null
    [ "$status" -eq 64 ] || { [ "$status" -eq 78 ] && [ "$bad" = '-z Mars/X' ]; }
    ok $? "$bad: called wrongly"
    is "$(wc -l <err) $out" "1 " "$bad: one line says so"
done
enrich -d '' </dev/null
is "$status" 64 "-d without a name: 64"
enrich --version
like "$out" "^ts-enrich [0-9][^
]*
tzdata $(sed 's/^# version //;q' /usr/share/zoneinfo/tzdata.zi || echo unknown)\$" \
    "--version, and that of the tz database"

# --- output --------------------------------------------------------------------------------------

ts-enrich -z UTC <<<"$line" >/dev/full 2>err
is "$?" 74 "a full disk: 74"
like "$(cat err)" 'standard output: cannot write: No space left' "and it is said"
yes "$line" | head -n 100000 | ts-enrich -z UTC 2>err | head -n 1 >/dev/null
is "${PIPESTATUS[2]} $(cat err)" "74 " "a reader that goes ends it quietly"

# One line at a time comes out at once, while the input stays open.
mkfifo in
exec 7<>in
spawn bash -c 'exec ts-enrich -z UTC <in >slow 2>slow.err'
for n in 1 2 3; do
    echo "$line" >&7
    wait_for 10 eval "[ \$(wc -l <slow) -eq $n ]"
    ok $? "line $n comes out while the pipe is idle"
done
printf '%s' "${line:0:20}" >&7
kill -TERM "$spawned"
wait "$spawned"
is "$? $(wc -l <slow) $(cat slow.err)" "0 3 " "SIGTERM: what is whole is out, status 0"
exec 7>&-

# Its own output through a pipe, without end: memory stays where it was.
yes "$line" | head -n 300000 | ts-enrich -z UTC | ts-enrich -z UTC >many
is "$(sort -u many | wc -l) $(wc -l <many)" "1 300000" "300,000 lines, none lost, all alike"
done_testing
