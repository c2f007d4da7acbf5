#!/bin/bash
# SPDX-License-Identifier: MIT
# The README: its recipes run as written (tests/support/examples.sh says what is replaced), and the
# files and options that it names exist.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
# shellcheck source=tests/support/ledger.sh
. "$(dirname "$0")/../support/ledger.sh"
# shellcheck source=tests/support/examples.sh
. "$(dirname "$0")/../support/examples.sh"
for p in ts-read ts-enrich ts-send ts-spool; do
    [ -x "$B/$p" ] || skip_all "$p is not built"
done

# Links to files of this tree: [text](path) without a scheme.
for doc in README.md CONTRIBUTING.md CHANGELOG.md; do
    missing=
    while read -r f; do
        [ -e "$ROOT/$f" ] || missing+=" $f"
    done < <(grep -oE '\]\([^)#:]+\)' "$ROOT/$doc" | sed 's/^](//; s/)$//')
    is "$missing" "" "$doc: every file that it links to exists"
done
# The example of a format in CONTRIBUTING.md, which stands three columns in.
# shellcheck disable=SC2016
sed -n '/^   ```c$/,/^   ```$/{/^   ```/d; s/^   //; p}' "$ROOT/CONTRIBUTING.md" >"$T/example.c"
if command -v cc >/dev/null; then
    cc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
        -Wconversion -Werror -fsyntax-only -I"$ROOT/common" -I"$ROOT/tools/ts-read" \
        "$T/example.c" 2>"$T/cc.err" && [ -s "$T/example.c" ]
    ok $? "CONTRIBUTING.md: the example of a format compiles without a warning"
    sed 's/^/# /' "$T/cc.err"
else
    skip "no C compiler"
fi

like "$(cat "$ROOT/README.md")" '## Recipes' "README.md has recipes"
# What the bundled log holds for the receiver, what the terminals of recipe 4 do, and the three events
# of recipe 5.
wanted=$(sed -n 's/^    "delivered": \([0-9]*\).*/\1/p' "$ROOT/share/demo/expected.json")
wanted=$((wanted + EXAMPLES_PASSAGES + 3))
# shellcheck disable=SC2317 # called by wait_for
all_arrived() {
    [ "$(ledger_ids "$ledger" | wc -l)" -eq "$wanted" ]
}
examples_test md "$ROOT/README.md" all_arrived
all_arrived
ok $? "each event of the log and of recipes 4 and 5 is at the receiver, and nothing else"
done_testing
