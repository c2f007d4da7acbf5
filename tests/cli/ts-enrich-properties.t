#!/bin/bash
# SPDX-License-Identifier: MIT
# What holds of ts-enrich for any input, by dice: tests/support/enrich_dice.py throws random events,
# hostile lines, site files and options. Each seed is printed before its throw; to throw one again:
#
#     TS_SEED=17 tests/cli/ts-enrich-properties.t
#
# With TS_FULL=1 it goes on for two minutes, from seeds that nobody has seen.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-enrich >/dev/null || skip_all "ts-enrich is not built"
command -v python3 >/dev/null || skip_all "needs python3"
cd "$T" || exit 1

throw() {
    python3 "$ROOT/tests/support/enrich_dice.py" "$@" >dice 2>&1
}
# of PROPERTY: how often it was broken.
of() {
    tail -n 1 dice | sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p"
}
read -ra seeds <<<"${TS_SEED:-$(seq -s ' ' 0 23)}"
throw "${seeds[@]}"
end=$((SECONDS + 120))
while [ -n "${TS_FULL:-}" ] && [ -z "${TS_SEED:-}" ] && [ $SECONDS -lt $end ] && ! grep -q '^#' dice; do
    throw $((RANDOM * 32768 + RANDOM)) $((RANDOM * 32768 + RANDOM)) $((RANDOM * 32768 + RANDOM))
done
grep -v '^{' dice | sed 's/^\([^#]\)/# \1/'
is "$(of unknown)" 0 "the dice know every option and every key of the site file"
is "$(of lines)" 0 "as many lines come out as went in, whatever they are"
is "$(of order)" 0 "in their order"
is "$(of 'bytes kept')" 0 "ack and what is not known keep their bytes"
is "$(of twice)" 0 "a second run changes no byte"
is "$(of alias)" 0 "an alias is the device: all comes out the same"
is "$(of id)" 0 "an id is the same with and without zones, rosters, names by -d and other options"
is "$(of late)" 0 "site and roster that come late give what they give in time"
is "$(of 'each by itself')" 0 "no event changes another one"

# A hold whose person was redacted cannot be looked up again: it stays.
event='{"device_id":"D","local_time":"2024-01-01T10:00:00","card_no":"both"}'
printf 'card_no,employee_id\nboth,E1\nboth,E2\n' >claimed.csv
ts-enrich -z UTC -r claimed.csv --redact card_no <<<"$event" >once 2>err
ts-enrich -z UTC -r claimed.csv <once >twice 2>err
like "$(<twice)" '"hold":"person id claimed by two"' "a hold stays when its person was redacted"
cmp -s once twice
ok $? "and nothing else changes"
done_testing
