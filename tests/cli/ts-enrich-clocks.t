#!/bin/bash
# SPDX-License-Identifier: MIT
# Clocks that are off: what ts-enrich says of them, and that what it says mends them.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-enrich >/dev/null || skip_all "ts-enrich is not built"
for tool in jq python3; do
    command -v $tool >/dev/null || skip_all "needs $tool"
done
cd "$T" || exit 70

# Half an hour of live events a minute apart of four devices in Manila: one labels local time as
# UTC, one is 412 s behind, one was left at Tokyo's time, one is right but came late now and then.
jq -nc '1794988800 as $noon | range(30) | . as $i | ($noon + . * 60) as $at |
    def clock(add): $at + add | strftime("%Y-%m-%dT%H:%M:%S");
    def event(name; add): {device_id: name, local_time: clock(28800 + add), person_id: "\($i)",
        received_at: (clock(0) + ".700Z")};
    event("LABEL"; 0) + {utc_offset: "Z"}, event("LAG"; -412), event("TOKYO"; 3600),
    event("FINE"; -(if $i % 3 == 0 then 0 else 3600 end))' >live.ndjson

is "$(head -n 1 live.ndjson | jq -r .received_at)" 2026-11-18T08:00:00.700Z \
    "the events are of that day"
ts-enrich -z Asia/Manila live.ndjson >out 2>err
is "$?" 0 "clocks that are off are no failure"
is "$(sort err)" "ts-enrich: device LABEL: its clock is 28799 s ahead, as if it wrote local time \
and called it UTC; in the site file \"utc_offset\": \"ignore\" mends that
ts-enrich: device LAG: its clock is 413 s behind, set it; what it wrote until then is corrected in \
the site file by \"clock\": [{\"from\": \"2026-11-18T15:53:08\", \"add_s\": 413}]
ts-enrich: device TOKYO: its clock is 3599 s ahead, as if its zone were not Asia/Manila, or its \
summer time not set" "each clock is told once, with what mends it"
is "$(jq -s 'map(select(.device_id == "LAG" and .skew_s == -412)) | length' out)" 30 \
    "and nothing is corrected by itself"

# What was said, in the site file.
lag=$(sed -n 's/.*by \("clock": .*\)/\1/p' err)
cat >site.json <<END
{"zone": "Asia/Manila", "devices": {
    "LABEL": {"utc_offset": "ignore"},
    "LAG": {$lag},
    "TOKYO": {"zone": "Asia/Tokyo"},
    "FINE": {},
}}
END
is "$(ts-enrich -c site.json --check-config | head -n 1)" "site.json: fine, 4 devices" \
    "the lines can be put in as they are"
ts-enrich -c site.json out >mended 2>err
is "$? $(cat err)" "0 " "then there is nothing more to say"
is "$(jq -s -c 'map(select(.device_id != "FINE")) |
    [length, (map(.skew_s) | unique), (map(.time_note) | unique)]' mended)" \
    '[90,[null],[null,"clock_corrected","zone_corrected"]]' \
    "no event is off any more; its note says why"
said() { jq -c '[.event_id, .local_time, .utc_offset]' "$1"; }
is "$(said mended | cmp - <(said out))" "" "id and what the device said are the same"
ts-enrich -z Asia/Manila mended >back 2>err
is "$(cmp back out)" "" "without the site file all is as it was"

# In a long run it is said before a wait, once, and what changed within the hour at the end.
mkfifo in
exec 7<>in
spawn bash -c 'exec ts-enrich -z Asia/Manila <in >slow 2>slow.err'
head -n 80 live.ndjson >&7
wait_for 20 grep -q LAG slow.err
ok $? "it is said while the input stays open"
tail -n 40 live.ndjson >&7
# shellcheck disable=SC2317 # called by wait_for
all_out() { [ "$(wc -l <slow)" -eq 120 ]; }
wait_for 20 all_out
kill "$spawned"
wait "$spawned"
exec 7>&-
is "$(wc -l <slow.err)" 3 "and not again"

# Unset clocks: one line in the end, and they wait.
printf '%s\n' '{"device_id":"G","local_time":"1970-01-01T00:10:00"}' \
    '{"device_id":"H","local_time":"2999-01-01T00:10:00"}' >unset.ndjson
ts-enrich -z UTC unset.ndjson >out 2>err
is "$? $(cat err)" "0 ts-enrich: 2 events on hold: the clock of device G was not set (the first of \
them): \"clock\" in the site file corrects it" \
    "unset clocks are told in the end"
is "$(jq -c '[.time, .hold]' out | sort -u)" \
    '[null,"clock unset: the device did not know the date"]' \
    "and have no time"

# By a clock of this computer that was never set nobody is judged; by one that was, everybody is.
# at DATE COMMAND...: with the clock of tests/support/fault_warp.c.
at() {
    local date=$1
    shift
    python3 -c 'import struct, sys, time
ahead = int(sys.argv[1]) * 10**9 - time.time_ns()
open("warp", "wb").write(struct.pack("=qqqq", 1, time.monotonic_ns(), ahead, 1).ljust(2000, b"\0"))
' "$(date -u -d "$date" +%s)"
    TS_WARP=$T/warp LD_PRELOAD=$B/tests/support/fault_warp.so "$@"
}
event='{"local_time":"2026-11-18T10:00:00"}'
if [ "${MODE:-release}" = asan ]; then
    skip "a preloaded library and the sanitizer's do not mix"
else
    for case in 2020-01-01=null 2026-11-16=clock_unset 2026-11-17T12:00=null; do
        is "$(at "${case%=*}" ts-enrich -z UTC <<<"$event" 2>/dev/null | jq -r .time_note)" \
            "${case#*=}" "on ${case%=*}: ${case#*=}"
    done
fi
done_testing
