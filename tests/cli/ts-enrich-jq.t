#!/bin/bash
# SPDX-License-Identifier: MIT
# The user's own rules: --jq and --jq-file. What a program changes, what it cannot change, what keeps
# its bytes, and what becomes of an event on which it fails.
# shellcheck disable=SC2016 # $site is jq's
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-enrich >/dev/null || skip_all "ts-enrich is not built"
cd "$T" || exit 70

id=019b9805-6100-8b85-a657-08efdeb09c4e
line='{"event_id":"'$id'","kind":"granted","device_id":"G","person_id":"126","x":12345678901234567890, '
line+='"n\u0061me":1.10,"deep":{"big":9007199254740993,"s":"\u0041"},"snapshot":null,"ack":"a/1"}'

# rules ARGUMENT...: on $line; sets $out, $err, $status.
rules() {
    ts-enrich "$@" <<<"${given:-$line}" >out 2>err
    status=$?
    out=$(cat out)
    err=$(cat err)
}
# field PATH: of the event in $out.
field() {
    printf '%s\n' "$out" | jq -c ".$1"
}

# --- what comes out ------------------------------------------------------------------------------

rules --jq .
is "$status $out" "0 $line" "a program that changes nothing leaves every byte"
rules --jq 'with_entries(.)'
is "$out" "$line" "also when it builds the event anew"
rules --jq '.kind = "door" | .lane = 3 | .time = "T" | del(.device_id)'
is "$out" '{"event_id":"'$id'","kind":"door","time":"T","person_id":"126","x":12345678901234567890, '\
'"n\u0061me":1.10,"deep":{"big":9007199254740993,"s":"\u0041"},"snapshot":null,"ack":"a/1","lane":3}' \
    "changed fields in their place, new ones where they belong, all others with their bytes"
rules --jq '.deep.new = [1.5, -0.25, 1e300, "\u0000é\"\\"]'
is "$(grep -o '"deep".*' out)" \
    '"deep":{"big":9007199254740993,"s":"A","new":[1.5,-0.25,1e+300,"\u0000é\"\\"]}}' \
    "a changed field is written anew, its unchanged numbers exact"
rules --jq '.copy = .x'
is "$(field copy)" '"12345678901234567890"' "a number that jq cannot hold comes as its digits"
rules --jq '{}'
is "$out" '{"event_id":"'$id'","ack":"a/1"}' "what is left of nothing"
given='{"event_id":"'$id'","ack":"a","attempts":3,"ambiguous":true,"snapshot":null}'
rules --jq '.event_id = "x" | .ack = "y" | .attempts = 0 | del(.ambiguous)'
is "$out" "$given" "what delivery goes by is not the program's"
given='{"event_id":"'$id'","snapshot":null}'
rules --jq '.ack = "a" | .attempts = 1'
is "$out" "$given" "nor its to add"
given=
rules --jq '.skip = "no doors"'
is "$status $(field skip)" '0 "no doors"' "skip leaves an event out"
rules --jq '.hold = "later" | .late = true'
is "$(field hold) $(field late)" '"later" true' "hold holds it"

twins='{"event_id":"'$id'","y":1,"\u0079":2, "y" :3,"snapshot":null}'
rules --jq '.seen = ([inputs] | length) | debug | debug("x") | stderr'
is "$status $(field seen) $err" "0 0 " "no further inputs, and nothing said on the way"
given=$twins rules --jq '.z = .y'
is "$out" "${twins%?},\"z\":3}" "of a field that is there three times the last one counts"
given=$twins rules --jq '.y += 1'
is "$out" '{"event_id":"'$id'","snapshot":null,"y":4}' "a changed one is there once"
given=$twins rules --jq 'del(.y)'
is "$out" '{"event_id":"'$id'","snapshot":null}' "and gone is gone"

# --- what a program finds ------------------------------------------------------------------------

cat >site.json <<'END'
{ // comments go
  "zone": "Asia/Manila", "devices": {"G": {"direction": "in"},},
}
END
rules -c site.json --jq '.note = "\($site.zone) \($site | keys | join(",")) \(.direction)"'
is "$(field note)" '"Asia/Manila devices,zone in"' '$site is the site file; all steps are done'
rules --jq '.note = $site'
is "$(grep -o '"note".*' out)" '"note":null}' '$site is null without one'
python3 - >many.json <<'END'
import json
print(json.dumps({"zone": "UTC", "devices": {"D%d" % i: {} for i in range(9000)}}))
END
rules -c many.json --jq '.n = ($site.devices | length)'
is "$(field n)" 9000 "a large site file is whole"
rules --jq '[.input_filename, input_filename, input_line_number] | {a: .}'
is "$status $(field a)" "0 [null,null,null]" "there is no input file"
echo '{"own": {"a": [1]}, "devices": {"G": {"own": "gate"}}}' >own.json
rules -c own.json --jq '.note = [$site.own.a[0], $site.devices[.device_id].own]'
is "$status $(field note)" '0 [1,"gate"]' "keys of one's own"
echo '.lane = 1 # the first' >a.jq
printf '# of the house\ndef f: .lane + 1;\n.lane = f' >b.jq
rules --jq-file a.jq --jq-file b.jq --jq '.lane += 10'
is "$(field lane)" 12 "several run in their order"

# With --redact, --pseudonymize and --drop: what was taken away does not come back.
(umask 077 && echo secret >key)
for more in "--redact person_id" "--drop person_id" "--pseudonymize ./key"; do
    # shellcheck disable=SC2086 # two words
    rules $more --jq '.seen = (.person_id | tostring) | .all = tojson'
    is "$(grep -c 126 out)" 0 "the program does not see what $more hides"
done

# Before the queue and behind it; a program that is idempotent leaves its own events alone.
program='if .person_id == "126" then .skip = "guard" else . end | .lane = 3'
rules --jq "$program"
cp out once
ts-enrich --jq "$program" once | cmp - once
ok $? "what went through once stays as it is"

# --- failures ------------------------------------------------------------------------------------

# fails PROGRAM ERROR: one event, as it was, with the error.
fails() {
    rules --jq "$1"
    is "$status $out" "65 ${line%?},\"error\":\"jq program: $2\"}" "$1: $2"
}
fails empty 'no output'
fails '., .' 'more than one output'
fails '., error("x")' 'failed'
fails 'range(1; infinite) | {a: .}' 'more than one output'
fails '.person_id' 'its output is not an object'
fails 'halt' 'failed: halt'
fails '"SECRET" | halt_error' 'failed: halt'
fails '"SECRET" | halt_error(3)' 'failed: halt'
fails '.person_id.name' 'failed: cannot index string with string'
fails '.person_id + 5' 'failed: string and number cannot be added'
fails 'error(.person_id)' 'failed'
fails 'error({id: .person_id})' 'failed'
fails '.a = ("x" * 1100000)' 'it makes the event longer than 1 MiB'
fails 'reduce range(520) as $i (.; .["k\($i)"] = 1)' 'it makes more fields than an event may have'
fails 'input' 'failed: no input'
is "$err" "ts-enrich: the jq program failed on 1 of 1 event: their error says how" "and it is said"
rules --jq '.person_id.name'
cp out failed
ts-enrich --jq .person_id.name failed 2>err | cmp - failed
is "$? $(cat err)" "0 " "an event that fails again stays as it is, and is no news"
ts-enrich failed 2>err | cmp - failed
ok $? "without the program too"
is "$(ts-enrich --jq '.lane = 1' failed)" "${line%?},\"lane\":1}" "with a better program it is mended"
given='{"event_id":"'$id'","error":"not JSON","raw":"x"}' rules --jq '.lane = 1'
is "$status $(field lane)" "0 null" "a record that was not understood is not shown to it"
printf '%s\nno json\n%s\n' "$line" "$line" >three
ts-enrich --jq '.lane = 1' three >out 2>err
is "$? $(jq -r '.lane // .error' out | tr '\n' ' ' | cut -c 1-10) $(wc -l <out)" "65 1 not JSON 3" \
    "one line in, one line out"

# refused PROGRAM PATTERN: called wrongly.
refused() {
    rules --jq "$1"
    is "$status $out" "78 " "refused: ${1//$'\n'/ }"
    like "$err" "$2" "… and why"
    is "$(wc -l <err)" 1 "… in one line"
    rules --check-config --jq "$1"
    is "$status" 78 "… by --check-config too"
}
refused '.a = ' '^ts-enrich: --jq, line 1: syntax error'
refused $'.a = 1 |\n  foo' '^ts-enrich: --jq, line 2: foo/0 is not defined'
refused '' '^ts-enrich: --jq: the program is empty'
refused 'include "x"; .' '^ts-enrich: --jq, line 1: syntax error'
refused '.a = $nosuch' 'nosuch'
printf '.a |\n.b ==' >bad.jq
rules --jq-file bad.jq
like "$status $err" '^78 ts-enrich: bad.jq, line [23]: syntax error' "a file is named"
rules --jq-file none.jq
is "$status" 66 "a missing file: 66"
rules --check-config --jq . --jq-file a.jq
is "$status $out" "0 rules: fine, 2 jq programs" "--check-config compiles them"
mkdir home && echo 'def f: "of the home";' >home/.jq
HOME=$T/home rules --jq '.a = f'
is "$status" 78 "nobody's ~/.jq is in front of it"
is "$(grep -c libjq <(LD_DEBUG=libs ts-enrich <<<"$line" 2>&1))" 0 "without a program jq is not even loaded"

# --- any event -----------------------------------------------------------------------------------

# Hostile ones: deep, wide, and of all kinds.
python3 - >hostile <<'END'
import json
print('{"a":' * 3000 + "1" + "}" * 3000)
print("[" * 5000 + "]" * 5000)
print('{"a":' + "[" * 9999 + "]" * 9999 + ',"kind":"x"}')
print("{" + ",".join('"k%d":%d' % (i, i) for i in range(512)) + "}")
print('{"a":{' + ",".join('"k%d":%d' % (i, i) for i in range(20000)) + "}}")
print('{"a":[' + "0," * 400000 + "0]}")
print('{"a":"' + "x" * 1000000 + '"}')
print('{"a":"\\u0000\\uffff\\ufdd0","\\u0000":1,"":2,"b":1e999,"c":-0,"d":1E-999}')
END
ts-enrich --jq '.b2 = .b' hostile >out 2>err
is "$? $(wc -l <out)" "65 8" "eight hostile events, eight lines"
ts-enrich hostile 2>/dev/null >plain
is "$(ts-enrich --jq . hostile 2>/dev/null | cmp - plain)" "" "each with all its bytes"
ts-enrich --jq '.a2 = 1 | .a |= (if type == "object" then . + {more: 1} else . end)' hostile 2>/dev/null >out
python3 - <<'END'
import json, sys
sys.setrecursionlimit(100000)
sys.set_int_max_str_digits(0) if hasattr(sys, "set_int_max_str_digits") else None
was = [l for l in open("plain")]
for i, l in enumerate(open("out")):
    if '"error"' in l[-200:]:
        continue
    a, b = json.loads(was[i]), json.loads(l)
    b.pop("a2")
    if isinstance(a.get("a"), dict) and "more" in b["a"]:
        del b["a"]["more"]
    assert a == b, i
END
ok $? "nothing of them is lost where something was added"

# A line of 1 MiB may hold more values than memory.
python3 - >many <<'END'
print('{"event_id":"i","a":[' + "{}," * 300000 + '0],"few":[{"big":9007199254740993}]}')
print("{" + ",".join('"k%d":[%s{}]' % (i, "{}," * 1000) for i in range(300)) + "}")
END
for program in . '.few[0].n = 1' '.a |= .' 'map_values(.)'; do
    kib=$(python3 - "$program" <<'END'
import resource, subprocess, sys
with open("out", "w") as out:
    subprocess.run(["ts-enrich", "--jq", sys.argv[1], "many"], stdout=out, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
END
    )
    [ "${MODE:-release}" != asan ] || kib=0 # the sanitizer's own
    is "$((kib < 32768)) $(wc -l <out)" "1 2" "$program: more values than memory ($kib KiB)"
    is "$(head -n 1 out | cut -c 1-900000 | sum)" "$(head -n 1 many | cut -c 1-900000 | sum)" \
        "… and none is lost"
done
ts-enrich --jq '.few[0].n = 1' many 2>/dev/null | head -n 1 | tail -c 80 >end
is "$(grep -c '"few":\[{"big":9007199254740993,"n":1}\]' end)" 1 "small fields of it are there to change"

# Random events and random changes; what should come out is worked out here.
cat >dice.py <<'END'
import json, random, subprocess, sys
FIELDS = ["kind", "time", "device_id", "reader", "code", "person_id", "hr", "raw", "serial_no",
          "origin", "late", "own", "x\u00e9", "a\"b", "nested", "state"]
VALUES = ['1.0', '1e5', '-0', '0.10', '12345678901234567890', '-9007199254740993', '1e400', '[ 1 , 2 ]',
          '{"a":{"b":9007199254740993,"c":"\\u0041"}}', '"\\u0041\\/"', '""', 'null', 'true', '{}', '[]',
          '"' + "\u00e9" * 30 + '"', '[{"n":18446744073709551616}]', '"\\ud83d\\ude42\\u0000"']

def event(dice):
    names = dice.sample(FIELDS, dice.randrange(1, len(FIELDS)))
    names.insert(dice.randrange(len(names) + 1), "event_id")
    out = []
    for n in names:
        key = json.dumps(n, ensure_ascii=dice.random() < 0.5)
        gap = dice.choice(["", "", " "])
        out.append((n, key + gap + ":" + gap + ('"i"' if n == "event_id" else dice.choice(VALUES))))
    return out

def program(dice):
    new = {n: dice.choice(['"new"', "5", '{"k":[1]}', "null"]) for n in dice.sample(FIELDS, 3)}
    gone = [n for n in dice.sample(FIELDS, 2) if n not in new]
    return new, gone, " | ".join(
        [".[%s] = %s" % (json.dumps(n), v) for n, v in new.items()] +
        ["del(.[%s])" % json.dumps(n) for n in gone] +
        ['if .nested | type == "object" then .nested.deep = 1 else . end'])

def check(members, out, new, gone):
    got = json.loads(out)
    at = 0
    for n, text in members:
        if n in gone:
            assert n not in got, ("not gone", n)
        elif n in new or (n == "nested" and text.rstrip().endswith("}")):
            continue
        else:
            found = out.find(text, at)
            assert found >= 0, ("bytes lost", text)
            at = found
    for n, v in new.items():
        want = json.loads(v)
        if n == "nested" and isinstance(want, dict):
            want["deep"] = 1
        assert got[n] == want, ("wrong value", n, got[n])
    nested = dict(members).get("nested")
    if nested and "nested" not in new and "nested" not in gone and nested.rstrip().endswith("}"):
        want = json.loads("{" + nested + "}")["nested"]
        want["deep"] = 1
        assert got["nested"] == want, ("inside", got["nested"])
    assert set(got) - {"snapshot"} == {n for n, _ in members} - set(gone) | set(new), "other fields"

for seed in range(int(sys.argv[1])):
    dice = random.Random(seed)
    events = [event(dice) for _ in range(200)]
    new, gone, text = program(dice)
    lines = "\n".join("{" + dice.choice([",", " , "]).join(t for _, t in e) + "}" for e in events)
    p = subprocess.run(["ts-enrich", "--jq", text], input=lines + "\n", capture_output=True, text=True)
    outs = p.stdout.split("\n")[:-1]
    assert len(outs) == len(events), (seed, p.stderr)
    for e, o in zip(events, outs):
        try:
            check(e, o, new, gone)
        except AssertionError as why:
            print("# seed %d: %s\n# %s\n# %s\n# %s" % (seed, why, text, e, o))
            sys.exit(1)
END
python3 dice.py "$([ -n "${TS_FULL:-}" ] && echo 300 || echo 25)"
ok $? "random events and changes: what was not changed has its bytes, in its order"

# Live: an event comes out while the pipe is open; $site is that of the file as it is now.
mkfifo in
exec 7<>in
spawn bash -c 'exec ts-enrich -c live.json --jq ".zone = \$site.zone" <in >slow 2>slow.err'
# shellcheck disable=SC2317 # called by wait_for
lines() { [ "$(wc -l <slow)" -eq "$1" ]; }
echo '{"zone": "Asia/Manila"}' >live.json
echo "$line" >&7
wait_for 10 lines 1
echo '{"zone": "Europe/Berlin"}' >new.json && mv new.json live.json
kill -HUP "$spawned"
wait_for 10 grep -q 'read again' slow.err
echo "$line" >&7
wait_for 10 lines 2
is "$(jq -r .zone slow | tr '\n' ' ')" "Asia/Manila Europe/Berlin " '$site follows a reload'
exec 7>&-
done_testing
