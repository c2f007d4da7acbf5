#!/bin/bash
# SPDX-License-Identifier: MIT
# ts-enrich --check-config: every mistake of site file and roster at once and with its place, what
# may not be meant, and what a good file says.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
# shellcheck source=tests/support/examples.sh
. "$(dirname "$0")/../support/examples.sh"
command -v ts-enrich >/dev/null || skip_all "ts-enrich is not built"
cd "$T" || exit 1

# check ARGUMENT...: sets $out, $err, $status.
check() {
    ts-enrich --check-config "$@" >out 2>err </dev/null
    status=$?
    out=$(<out)
    err=$(<err)
}

# --- mistakes -------------------------------------------------------------------------------------

cat >site.json <<'END'
{
    "zone": "Asia/Manilla",             // a city that is not written so
    "roster": "roster.csv",
    "requireemployee": true,
    "devices": {
        "GATE-1": {
            "aliases": ["north", "stem"],
            "readers": {"1": "in", "2": "uot"},
            "derection": "in"
        },
        "GATE-2": {
            "zone": [{"zone": "Berlin"}, {"from": "2026-02-30", "zone": "Asia/Tokyo"}],
            "aliases": ["south", "stem"]
        }
    }
}
END
printf 'person_id,employee_id\n1,E1\n1,E2\n' >roster.csv
check -c site.json
is "$status $out" "78 roster.csv: fine, 2 people" "a file with mistakes: 78"
is "$err" "ts-enrich: site.json:2:5: zone: zone Asia/Manilla: not in the system's tz database; did you \
mean Asia/Manila?
ts-enrich: site.json:4:5: requireemployee: unknown key; did you mean \"require_employee\"?
ts-enrich: site.json:8:36: devices.GATE-1.readers.2: must be \"in\", \"out\", \"alternate\" or null; did you mean \
\"out\"?
ts-enrich: site.json:9:13: devices.GATE-1.derection: unknown key; did you mean \"direction\"?
ts-enrich: site.json:12:23: devices.GATE-2.zone[0].zone: zone Berlin: not in the system's tz \
database; did you mean Europe/Berlin?
ts-enrich: site.json:12:43: devices.GATE-2.zone[1].from: must be a wall clock such as \
\"2026-03-01\" or \"2026-03-01T06:30\", without a zone
ts-enrich: site.json:13:34: devices.GATE-2.aliases[1]: \"stem\" is a name or alias of device \
GATE-1 already
ts-enrich: roster.csv:3: person_id is another employee's in line 2: its events are put on hold
ts-enrich: site.json: 7 mistakes; see ts-site(5)" \
    "all of them are said, with line, column and keys, and those of the roster too"

printf 'person_id,name\n1,Ann\n' >roster.csv
check -c site.json
like "$err" 'ts-enrich: roster.csv:1: .*employee_id' "a roster that is none, beside them"
is "$status $(grep -c mistakes err)" "78 1" "and still 78"
rm roster.csv
check -c site.json
like "$err" 'roster.csv: cannot open' "a roster that is missing, beside them"
echo '{"zone": "UTC"' >torn.json
check -c torn.json
like "$status $err" '^78 ts-enrich: torn.json:[0-9]+:[0-9]+: not JSON: ' "what is no JSON"
check -c nowhere.json
is "$status" 66 "what is not there: 66"

# --- what may not be meant ------------------------------------------------------------------------

cat >odd.json <<'END'
{
    "require_employee": true,
    "roster_card": "hex",
    "devices": {
        "A": {"readers": {"1": "in", "2": null, "3": {"card": "hex"}, " 4": "in"}},
        "B": {"zone": [{"from": "2026-03-01", "zone": "Asia/Tokyo"}]},
        "C": {"zone": "UTC"}
    }
}
END
check -c odd.json
is "$status" 0 "what is odd is no mistake"
is "$err" "ts-enrich: odd.json:2:5: require_employee: without a roster nobody has an employee_id: \
everybody is held
ts-enrich: odd.json:3:5: roster_card: there is no roster
ts-enrich: odd.json:5:9: devices.A: has no zone, nor has the site: its events get no time
ts-enrich: odd.json:5:38: devices.A.readers.2: says nothing about this reader; take it away, or say \
in or out
ts-enrich: odd.json:5:71: devices.A.readers. 4: has spaces around its name, which the reader of an \
event has not
ts-enrich: odd.json:6:9: devices.B: has no zone at first, nor has the site: its events get no time" \
    "it is said, with its place"
printf 'person_id,employee_id\n1,E1\n' >roster.csv
check -c odd.json -z UTC -r roster.csv
is "$(grep -c 'no zone\|roster' err)" 0 "options count as well"
ts-enrich -c odd.json </dev/null >out 2>err
is "$(cat err)" "" "it is said to who asks, not in every cron mail"

# --- what it says ---------------------------------------------------------------------------------

cat >good.json <<'END'
{
    "zone": "Asia/Manila",
    "roster": "roster.csv",
    "devices": {
        "A": {},
        "B\u001b": {"aliases": ["b", "b2"], "readers": {"1": "in", "2": "out"}},
        "C": {"zone": [{"zone": "UTC"}, {"from": "2026-03-01", "zone": "Asia/Tokyo"}],
              "utc_offset": "ignore", "direction": "in",
              "clock": [{"from": "2026-01-01", "until": "2026-02-01", "add_s": 60}]},
        "D": {"zone": [{"from": "2026-03-01T06:00", "zone": "UTC"}], "card": "hex",
              "punch": {"check_in": "out", "break_in": null}}
    }
}
END
check -c good.json
is "$status $out" "0 good.json: fine, 4 devices
  A: Asia/Manila
  B\x1b: Asia/Manila; readers 1 in, 2 out; also b, b2
  C: UTC, from 2026-03-01T00:00:00 Asia/Tokyo; its own offset is ignored; clock corrected 1 time; \
direction in
  D: Asia/Manila, from 2026-03-01T06:00:00 UTC; keys check_in out, break_in nothing; a rule for cards
roster.csv: fine, 1 person" "a good file: a line a device, with what holds for it"
is "$err" "" "and nothing else"
check -r roster.csv
is "$status $out" "0 roster.csv: fine, 1 person" "a roster alone"
check
is "$status $out" "0 " "nothing to check"
ts-enrich -c good.json --check-config >/dev/full 2>err
is "$?" 74 "a summary that cannot be written: 74"

# --- the manual -----------------------------------------------------------------------------------

# known FILE: the keys that the program names where it meets one that it does not know.
known() {
    printf '%s' "$1" >keys.json
    ts-enrich -c keys.json --check-config 2>&1 | sed -n 's/.*known here are //p' | sed 's/, /\n/g'
}
# page HEADING: the keys that ts-site(5) lists there; those of lists inside are not meant.
page() {
    awk -v h=".Ss $1" '/^\.S[sh] / { on = $0 == h } /^\.Bl/ { depth++ } /^\.El/ { depth-- }
        on && depth == 1 && /^\.It Va / {
            for (i = 3; i <= NF; i++) if ($i != "," && $i != "Va") print $i
        }' "$ROOT/man/ts-site.5"
}
known '{"qqqqqqqqqqqqqqqq":0}' >site.keys
known '{"devices":{"D":{"qqqqqqqqqqqqqqqq":0}}}' >device.keys
[ "$(wc -l <site.keys)" -ge 6 ] && [ "$(wc -l <device.keys)" -ge 5 ]
ok $? "the program names its keys"
is "$(page 'The site')" "$(<site.keys)" "ts-site(5) has the keys of the site in their order, and no others"
is "$(page 'A device')" "$(<device.keys)" "… and those of a device"

# The example that has them all, run as it stands.
man_examples "$ROOT/man/ts-site.5" .
whole=$(grep -l 'cat > whole.json' [0-9][0-9])
said=$(bash -e "$whole" 2>&1)
is "$(tr -s ' \n' ' ' <<<"$said")" \
    "$(sed -n '/^whole.json: fine/,/^\.Ed/p' "$ROOT/man/ts-site.5" | grep -v '^\.Ed' | tr -s ' \n' ' ')" \
    "its example of all keys is fine, and --check-config says what the page says"
missing=
while read -r key; do
    grep -q "\"$key\":" whole.json || missing+=" $key"
done < <(cat site.keys device.keys)
is "$missing" "" "every key is in it"

missing=
for probe in '{"roster":{"qqqqqqqqqqqqqqqq":0}}' '{"roster":{"columns":{"qqqqqqqqqqqqqqqq":0}}}' \
    '{"punch":{"qqqqqqqqqqqqqqqq":0}}' '{"devices":{"D":{"readers":{"1":{"qqqqqqqqqqqqqqqq":0}}}}}' \
    '{"devices":{"D":{"clock":[{"qqqqqqqqqqqqqqqq":0}]}}}' \
    '{"devices":{"D":{"zone":[{"qqqqqqqqqqqqqqqq":0}]}}}'; do
    known "$probe" >inner.keys
    [ -s inner.keys ] || missing+=" $probe"
    while read -r key; do
        grep -qE "^\.(It )?(Va|Cm) (.*[ ,])?$key( |$)" "$ROOT/man/ts-site.5" || missing+=" $key"
    done <inner.keys
done
is "$missing" "" "… and ts-site(5) has the keys of what stands inside"
done_testing
