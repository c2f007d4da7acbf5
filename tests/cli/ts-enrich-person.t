#!/bin/bash
# SPDX-License-Identifier: MIT
# Who it was: rosters in every form that people export, ids by device and by period, one number for
# a card whatever reader saw it, and the replacing of all that while events come.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-enrich >/dev/null || skip_all "ts-enrich is not built"
cd "$T" || exit 70

# --- cards: the table of readers in ts-site(5) ---------------------------------------------------

while IFS=$'\t' read -r written rule wanted; do
    printf '{"zone":"UTC","card":"%s"}' "$rule" >card.json
    got=$(ts-enrich -c card.json <<<"{\"device_id\":\"G\",\"card_no\":\"$written\"}" 2>/dev/null |
        jq -r '[.card_no, .card_read // .card_no] | join(" ")')
    is "$got" "$wanted $written" "ts-site(5): $written by \"$rule\""
done < <(sed -nE 's/^\.It Li ([^ ]+) Ta Li (.*) Ta Li ([0-9]+) Ta .*/\1\t\2\t\3/p' \
    "$ROOT/man/ts-site.5")
[ "$tap_n" -ge 24 ]
ok $? "ts-site(5) has a table of readers"

# A rule that comes, is corrected, and goes: the number follows, the identity does not.
event='{"device_id":"G","local_time":"2026-01-07T10:34:08","card_no":"3004897467"}'
# card RULE: what becomes of the events in the file "event".
card() {
    printf '{"zone":"UTC"%s}' "${1:+,\"card\":\"$1\"}" >card.json
    ts-enrich -c card.json event >next 2>err
    mv next event
    jq -r '[.card_no, .card_read // "-", .event_id] | join(" ")' event
}
echo "$event" >event
first=$(card "")
id=${first##* }
is "$first" "3004897467 - $id" "without a rule the reader's number"
is "$(card "last 24")" "1775803 3004897467 $id" "a rule makes another of it and keeps the reader's"
is "$(card "reverse 32")" "3138919347 3004897467 $id" "a corrected rule starts from the reader's"
is "$(card "reverse 32")" "3138919347 3004897467 $id" "and stays so"
is "$(card "hex h10301")" "3004897467 - $id" "one that does not fit leaves the reader's"
like "$(<err)" "a card number does not fit the rule of device G and stays" "and that is said"
[[ $(<err) != *3004897467* ]]
ok $? "without the number"
is "$(card "")" "3004897467 - $id" "and without a rule all is as it was"
cmp -s event <(ts-enrich -z UTC <<<"$event")
ok $? "byte for byte"

# --- rosters -------------------------------------------------------------------------------------

cat >events <<'END'
{"device_id":"G","local_time":"2026-03-14T23:59:59","person_id":"1"}
{"device_id":"G","local_time":"2026-03-15T00:00:00","person_id":"1"}
{"device_id":"G","local_time":"2026-03-15T00:00:00","card_no":"1002"}
{"device_id":"H","local_time":"2026-03-15T00:00:00","person_id":"7"}
{"device_id":"G","local_time":"2026-03-15T00:00:00","person_id":"7"}
END
cat >commas.csv <<'END'
person_id,employee_id,card_no,valid_from,valid_until,person_id@H,dept
1,E1,1001;1002,,2026-03-14,,"a, ""b"""
1,E2,,2026-03-15,,7,
,E3,1002;1003,2026-03-15,,,
END
python3 - <<'END'
import csv, json
rows = list(csv.reader(open("commas.csv")))
for name, separator, start in [("semicolons.csv", ";", ""), ("tabs.csv", "\t", "\ufeff"),
                               ("sep.csv", ";", "sep=;\r\n")]:
    with open(name, "w", newline="") as out:
        out.write(start)
        csv.writer(out, delimiter=separator).writerows(rows)
people = [dict(zip(rows[0], row)) for row in rows[1:]]
json.dump(people, open("array.json", "w"), indent=2)
for p in people:
    p["card_no"] = [int(c) for c in p["card_no"].split(";") if c]
    p["person_id"] = int(p["person_id"] or 0) or None
    p["more"] = {"nested": [1, 2]}
open("lines.json", "w").write("".join(json.dumps(p) + "\n" for p in people))
END
wanted='E1 E2 E3 E2 -'
for roster in commas.csv semicolons.csv tabs.csv sep.csv array.json lines.json; do
    ts-enrich -z UTC -r "$roster" <events >"out.$roster" 2>err
    is "$(jq -r '.employee_id // "-"' "out.$roster" | tr '\n' ' ')" "$wanted " "$roster"
    cmp -s out.commas.csv "out.$roster"
    ok $? "$roster: byte for byte as commas.csv"
done
is "$(head -n 1 out.array.json | jq -c .hr)" '{"dept":"a, \"b\""}' "other columns go to hr"

# One device under all its names, also in the roster.
cat >names.json <<'END'
{"zone":"UTC","roster":"names.csv","devices":{"SN1":{"aliases":["192.0.2.5","1_attlog"]}}}
END
printf 'person_id,employee_id,device_id\n5,E5,1_attlog\n' >names.csv
line='{"local_time":"2026-01-07T10:34:08","person_id":"5"}'
for device in SN1 192.0.2.5 1_attlog; do
    ts-enrich -c names.json -d "$device" <<<"$line" 2>err
    ts-enrich -c names.json <<<"${line/\{/\{\"device_id\":\"$device\",}" 2>err
done | jq -r '[.device_id, .employee_id, .event_id] | join(" ")' | sort | uniq -c >got
like "$(<got)" '^ *6 SN1 E5 [0-9a-f-]+$' "by name, address and file, as field and as -d: one device"

# --- trying out rules ----------------------------------------------------------------------------

printf 'card_no;employee_id\n"077,30211";E1\n"209,57933";E2\n' >forms.csv
echo '{"roster":"forms.csv","roster_card":"pair"}' >forms.json
printf '4DE2D147\n00004D76' | ts-enrich -c forms.json --card-forms >forms 2>err
is "$?" 0 "--card-forms: status"
is "$(jq -r 'select(.line) | [.card, .rule, .card_no, .line] | join(" ")' forms)" \
    "4DE2D147 hex reverse 32 last 24 13754957 3" "--card-forms finds the rule"
is "$(jq -c 'select(.card == "4DE2D147") | [.rule, .card_no]' forms | head -n 2)" \
    '["hex","1306710343"]
["hex last 24","14864711"]' "and says what others make of the number"
is "$(jq -r 'select(.card == "4DE2D147").card_no' forms | sort | uniq -d)" "" "each number once"
echo '{"card_no":"5","card_read":"0A004D7603"}' | ts-enrich -c forms.json --card-forms |
    jq -r 'select(.line).rule' >rules
is "$(tr '\n' ' ' <rules)" "hex last 32 hex last 24 " "of events: their card as it was read"

# --- replaced while events come ------------------------------------------------------------------

cat >live.py <<'END'
import json, os, subprocess, sys, threading, time

def people(n, salt):
    return [{"person_id": str(i), "card_no": str(1200000000 + i * 7919),
             "employee_id": "E-%05d-%s" % (i, salt), "name": "Person, Number %d" % i,
             "department": "Department %d" % (i % 40)} for i in range(n)]

def text(form, rows):
    if form == "json":
        return json.dumps(rows)
    return "".join('%s\n' % ",".join('"%s"' % c for c in row)
                   for row in [rows[0].keys()] + [r.values() for r in rows])

def put(content):
    with open("live.new", "w") as out:
        out.write(content)
    os.rename("live.new", "live")

form, count = sys.argv[1], 20000
versions = [text(form, people(count, salt)) for salt in "abc"]
few = text(form, people(count // 2 - 1, "few"))
put(versions[0])
p = subprocess.Popen(["ts-enrich", "-z", "UTC", "-r", "live"], stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE, stderr=open("live.err", "w"))
sent, worst, seen = {}, [0], []

def listen():
    for line in p.stdout:
        event = json.loads(line)
        worst[0] = max(worst[0], time.monotonic() - sent[event["n"]])
        seen.append(event["employee_id"][-1])

listener = threading.Thread(target=listen)
listener.start()
n, said, end = 0, 0, time.monotonic() + 30

def send():
    global n
    n += 1
    sent[n] = time.monotonic()
    p.stdin.write(b'{"n":%d,"device_id":"G","local_time":"2026-01-07T10:34:08","person_id":"%d"}\n'
                  % (n, n % count))
    p.stdin.flush()
    time.sleep(0.002)

send()
while not seen:  # it has read the first one
    time.sleep(0.01)
worst[0] = 0
for step, content in enumerate(versions[1:] + [few], 1):
    put(content)
    while said < step and time.monotonic() < end:
        send()
        with open("live.err") as err:
            said = sum("read again" in l or "going on" in l for l in err)
for _ in range(20):
    send()
p.stdin.close()
listener.join()
print(p.wait(), len(seen) == n, "".join(sorted(set(seen), key=seen.index)), seen[-1],
      "%d" % (worst[0] * 1000))
END
for form in csv json; do
    read -r status all order last worst_ms < <(python3 live.py "$form")
    is "$status $all" "0 True" "$form replaced under events: every event came out"
    is "$order $last" "abc c" "$form: old, new, newest, in this order; the shrunken one never"
    [ "$worst_ms" -lt 2000 ]
    ok $? "$form: none of them waited for long (worst $worst_ms ms)"
    like "$(tail -n 1 live.err)" \
        'the new roster has 9999 people, and there were 20000: .*going on with the old' \
        "$form: the shrunken one is refused, with the numbers"
done

# Taken on purpose.
echo '{"zone":"UTC","roster":{"file":"small.csv","least":0.75}}' >small.json
people() {
    printf 'person_id,employee_id\n'
    for ((i = 1; i <= $1; i++)); do echo "$i,E$i"; done
}
people 8 >small.csv
mkfifo in
exec 7<>in
spawn bash -c 'exec ts-enrich -c small.json <in >small.out 2>small.err'
enricher=$spawned
echo "$line" >&7
wait_for 10 test -s small.out
said=0
# reload: SIGHUP, and what is said of it.
reload() {
    kill -HUP "$enricher"
    wait_for 10 eval "[ \$(grep -cE 'read again|going on with' small.err) -gt $said ]"
    tail -n 1 small.err
}
people 6 >small.csv
like "$(reload)" 'read again: 0 devices, 6 people' "as many as the site file wants: taken"
said=$((said + 1))
people 4 >small.csv
like "$(reload)" 'the new roster has 4 people, and there were 6: .* set "least": 0' "fewer: refused"
said=$((said + 1))
echo '{"zone":"UTC","roster":{"file":"small.csv","least":0}}' >small.json
like "$(reload)" 'read again: 0 devices, 4 people' "unless it is said so"
said=$((said + 1))
people 0 >small.csv
like "$(reload)" 'the new roster has nobody in it' "but never one without people"
exec 7>&-
kill -TERM "$enricher"
wait "$enricher"
is "$?" 0 "SIGTERM: status 0"
done_testing
