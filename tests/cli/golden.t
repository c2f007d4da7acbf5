#!/bin/bash
# SPDX-License-Identifier: MIT
# tests/golden/FORMAT/NAME.in, read as FORMAT, gives NAME.out byte for byte. NAME.args holds further
# arguments, one a line. Each is read as a file, and through a pipe that hands over few bytes at a
# time; exit status 65 when an event carries an error, else 0. Folders that are called as a program
# (ts-…) are that program's.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-read >/dev/null || skip_all "ts-read is not built"

cd "$ROOT/tests/golden" || exit 70
[ -n "$(ls -- */*.in 2>/dev/null)" ] || skip_all "no golden files"

# The same bytes, cut at every 13th.
drip() {
    dd if="$1" bs=13 status=none
}

for in in */*.in; do
    [[ $in != ts-* ]] || continue
    base=${in%.in}
    format=${in%%/*}
    args=(-f "$format" -d TESTDEV)
    [ ! -e "$base.args" ] || mapfile -t -O 4 args <"$base.args"
    wanted=0
    ! grep -q '"error":' "$base.out" || wanted=65

    ts-read "${args[@]}" "$in" >"$T/out" 2>"$T/err"
    got=$?
    # An event that passes through with the error of an earlier reading is no failure of this one.
    [ "$base" != ndjson/own-events ] || wanted=0
    { cmp "$T/out" "$base.out" && [ $got -eq $wanted ]; } >"$T/cmp" 2>&1
    rc=$?
    ok $rc "$base"
    [ $rc -eq 0 ] || {
        echo "#  status $got, wanted $wanted"
        diff "$T/out" "$base.out" | head -n 6 | cut -c 1-300 | sed 's/^/#  /'
        sed 's/^/#  /' "$T/err"
    }

    # From a pipe: the same events, but for where they came from.
    sed 's/"origin":"'"${in##*/}"':/"origin":"stdin:/' "$base.out" >"$T/wanted"
    drip "$in" | ts-read "${args[@]}" - >"$T/out" 2>"$T/err"
    cmp "$T/out" "$T/wanted" >/dev/null 2>&1
    rc=$?
    ok $rc "$base through a pipe"
    [ $rc -eq 0 ] || diff "$T/out" "$T/wanted" | head -n 6 | cut -c 1-300 | sed 's/^/#  /'
done

# Nothing here without a format, and no format without something here.
formats=(*/)
is "$(printf '%s\n' "${formats[@]%/}" | grep -v '^ts-')" "$(ts-read --list-formats | awk '{print $1}' | sort)" "each format has golden files"
done_testing
