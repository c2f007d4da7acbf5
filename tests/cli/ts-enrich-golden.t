#!/bin/bash
# SPDX-License-Identifier: MIT
# tests/golden/ts-enrich/NAME.in, enriched with the site file and roster beside it, gives NAME.out
# byte for byte; NAME.args holds further arguments, one a line, where KEYFILE is a file with a key.
# Each goes in as a file and through a pipe, and the output goes through once more and stays as it is.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-enrich >/dev/null || skip_all "ts-enrich is not built"
cd "$ROOT/tests/golden/ts-enrich" || exit 70
(umask 077 && echo "golden key" >"$T/key")

for in in *.in; do
    name=${in%.in}
    args=(-c site.json)
    [ ! -e "$name.args" ] || mapfile -t -O 2 args <"$name.args"
    args=("${args[@]/#KEYFILE/$T/key}")

    # Only what this run did not understand counts; errors that came with an event do not.
    wanted=0
    [ "$(grep -c '"error":' "$in")" -eq "$(grep -c '"error":' "$name.out")" ] || wanted=65
    ts-enrich "${args[@]}" "$in" >"$T/out" 2>"$T/err"
    is "$?" "$wanted" "$name: status"
    is "$(diff "$T/out" "$name.out" | head -n 20)" "" "$name: as wanted"

    # The last line of a file may lack its newline; in a pipe it would be a torn one.
    { cat "$in" && [ -n "$(tail -c 1 "$in")" ] && echo; } |
        dd bs=13 status=none | ts-enrich "${args[@]}" >"$T/piped" 2>/dev/null
    is "$(diff "$T/piped" "$name.out" | head -n 20)" "" "$name: the same through a pipe"

    ts-enrich "${args[@]}" "$name.out" >"$T/again" 2>/dev/null
    is "$?" 0 "$name: nothing new that is not understood"
    is "$(diff "$T/again" "$name.out" | head -n 20)" "" "$name: enriched twice is enriched once"
done
done_testing
