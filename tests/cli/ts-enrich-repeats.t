#!/bin/bash
# SPDX-License-Identifier: MIT
# Repeats: windows of site, device and command line, across runs, replays and out of order; and
# how a receiver is spared them. The rules themselves are in tests/golden/ts-enrich/passages.*.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-enrich >/dev/null || skip_all "ts-enrich is not built"
command -v jq >/dev/null || skip_all "needs jq"
cd "$T" || exit 1

# event SECOND [PERSON [DEVICE]]
event() {
    printf '{"kind":"granted","local_time":"2026-01-05T08:%02d:%02d","device_id":"%s","person_id":"%s"}\n' \
        $(($1 / 60)) $(($1 % 60)) "${3:-GATE}" "${2:-1}"
}
events() {
    for s in "$@"; do event "$s"; done
}
# Of each event the second of its first, or - where it is no repeat.
firsts() {
    jq -rs '(map({(.event_id): .local_time[14:]}) | add) as $at |
        map(if .duplicate_of then $at[.duplicate_of] // "?" else "-" end) | join(" ")'
}
run() {
    ts-enrich -z UTC "$@"
}

is "$(events 0 5 | run | firsts)" "- -" "without a window nothing is a repeat"
is "$(events 0 30 60 61 119 | run --repeat-window 60 | firsts)" "- 00:00 00:00 - 01:01" \
    "the window begins with the first, and is not moved by its repeats"
is "$(events 0 1 | run --repeat-window 1m | firsts)" "- 00:00" "a time with a unit"
is "$({ event 0; event 5 2; event 6 1 OTHER; event 7; } | run --repeat-window 60 | firsts)" "- - - 00:00" \
    "another person, another device: no repeats"
is "$(events 30 0 45 | run --repeat-window 60 | firsts)" "- 00:30 00:30" "out of order: the one that came first is the first"
is "$(events 100 50 0 50 | run --repeat-window 60 | firsts)" "- 01:40 - 01:40" "… and a replay says the same, whatever came since"
run --repeat-window 2d </dev/null 2>err
is "$?" 64 "a window of days is refused"

cat >site.json <<'END'
{"zone": "UTC", "repeat_window_s": 10, "devices": {"GATE": {}, "WIDE": {"repeat_window_s": 60}, "NONE": {"repeat_window_s": 0}}}
END
three() { { event 0 1 "$1"; event 20 1 "$1"; event 25 1 "$1"; } | ts-enrich -c site.json "${@:2}" | firsts; }
is "$(three GATE)" "- - 00:20" "the site's window"
is "$(three WIDE)" "- 00:00 00:00" "a device's stands above it"
is "$(three NONE)" "- - -" "also where it is none"
is "$(three GATE --repeat-window 60)" "- 00:00 00:00" "the command line's stands above the site's"
is "$(three NONE --repeat-window 60)" "- - -" "… and a device's above that"

# Across runs.
events 0 | run --state s --repeat-window 60 >first
events 10 | run --state s --repeat-window 60 >second
is "$(cat first second | firsts)" "- 00:00" "--state: the first was in another run"
is "$(events 0 10 | run --state s --repeat-window 60 | cmp - <(cat first second) 2>&1)" "" "both again: the same bytes"

# History that is replayed, with its repeats, while new ones come.
for d in 05 06 07 08; do for s in 0 10 200 210 400 410; do event $s | sed "s/-05T/-${d}T/"; done; done >history
run --state h --repeat-window 60 history >once
event 30 | sed 's/-05T/-09T/' | run --state h --repeat-window 60 >new
run --state h --repeat-window 60 history >again
is "$(cmp once again 2>&1)" "" "history again: the same bytes"
is "$(grep -c duplicate_of once)" 12 "half of them repeats"
event 40 | sed 's/-05T/-09T/' | run --state h --repeat-window 60 >newer
is "$(cat new newer | firsts)" "- 00:30" "and the window of the present is where it was"

# Idempotent, on both sides of a queue.
events 0 5 70 | run --repeat-window 60 >once
is "$(run once | cmp - once 2>&1)" "" "a run without a window leaves what it finds"
is "$(run --repeat-window 60 once | cmp - once 2>&1)" "" "and one with a window, too"

# Left out: the manual's line, and what ts-send makes of it.
jq -c 'if .duplicate_of then .skip = "repeat" else . end' once >skips
is "$(jq -r '.skip // "-"' skips | paste -sd ' ')" "- repeat -" "jq marks repeats to be left out"
if command -v ts-send >/dev/null; then
    is "$(ts-send -n http://127.0.0.1:9/ <skips 2>/dev/null | grep -c '^POST')" 2 "ts-send leaves them out"
    is "$(ts-send -n http://127.0.0.1:9/ <once 2>/dev/null | grep -c '^POST')" 3 "unasked it sends them, marked"
fi
done_testing
