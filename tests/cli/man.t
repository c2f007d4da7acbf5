#!/bin/bash
# SPDX-License-Identifier: MIT
# The manual: it lints, its option tables are those of the programs, its references exist, its
# field and outcome tables are those of the code, its test vectors hold, and its examples run as
# shown (tests/support/examples.sh says what is replaced).
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
# shellcheck source=tests/support/ledger.sh
. "$(dirname "$0")/../support/ledger.sh"
# shellcheck source=tests/support/examples.sh
. "$(dirname "$0")/../support/examples.sh"
man=$ROOT/man
programs='ts-read ts-enrich ts-send ts-spool'
for p in $programs; do
    [ -x "$B/$p" ] || skip_all "$p is not built"
done
mapfile -t pages < <(find "$man" -name '*.[157]' | sort)

# --- form ----------------------------------------------------------------------------------------

if command -v mandoc >/dev/null; then
    is "$(mandoc -Tlint -Wwarning "${pages[@]}")" "" "mandoc -Tlint -Wwarning has nothing to say"
else
    skip "mandoc is not installed"
fi

# The pages of ours that a page names: "ts-read.1".
references() {
    sed -nE 's/^\.(It |Pq )?Xr (ts-[a-z]+) ([157]).*/\2.\3/p' "$1" | sort -u
}
for page in "${pages[@]}"; do
    missing=
    for r in $(references "$page"); do
        [ -e "$man/$r" ] || missing+=" $r"
    done
    is "$missing" "" "$(basename "$page"): every page that it names exists"
done

# --- options -------------------------------------------------------------------------------------

# From --help: "f format ARG" a line; "-" for no letter or no argument.
help_options() {
    sed -nE 's/^  (-(.), |    )--([a-z0-9-]+)( ([^ ]+))?( .*)?$/\2 \3 \5/p' |
        awk '{ letter = $1; name = $2; if ($0 ~ /^ /) { letter = "-"; name = $1 }
               print letter, name }' | sort
}

# From a page: ".It Fl f , Fl -format Ar name" or ".It Fl -format Ar name".
page_options() {
    sed -nE 's/^\.It Fl ([A-Za-z]) , Fl -([a-z0-9-]+).*/\1 \2/p
             s/^\.It Fl -([a-z0-9-]+).*/- \1/p' | sort
}

# The part of a page about one subcommand: from ".Ss put" to the next heading.
page_part() {
    awk -v name="$2" '/^\.S[hs] / { on = $0 == ".Ss " name } on' "$1"
}

# help_fits NAME COMMAND...: --help goes to stdout with status 0 and fits a screen.
help_fits() {
    local name=$1
    shift
    "$@" --help >"$T/help" 2>"$T/help.err"
    is "$? $(wc -c <"$T/help.err")" "0 0" "$name --help ends with 0 and is on stdout"
    is "$(awk 'length > 80' "$T/help")" "" "$name --help has 80 columns"
    [ "$(wc -l <"$T/help")" -le 50 ]
    ok $? "$name --help has at most 50 lines"
}

for p in $programs; do
    help_fits "$p" "$p"
    [ "$p" = ts-spool ] && continue
    is "$(page_options <"$man/$p.1")" "$(help_options <"$T/help")" \
        "$p.1 has the options of $p --help, and no others"
done
subcommands=$(sed -nE 's/^\.Ss ([a-z]+)$/\1/p' "$man/ts-spool.1")
for sub in $subcommands; do
    help_fits "ts-spool $sub" ts-spool "$sub"
    is "$(page_part "$man/ts-spool.1" "$sub" | page_options)" \
        "$(help_options <"$T/help" | grep -vE ' (help|version)$')" \
        "ts-spool.1 has the options of ts-spool $sub --help, and no others"
done

# --- tables --------------------------------------------------------------------------------------

page_fields() {
    awk '/^\.S[hs] / { on = $0 == ".Ss Fields" } on && /^\.It Va/' "$1" |
        sed 's/^\.It Va //; s/ , /\n/g'
}
is "$(page_fields "$man/ts-event.5")" \
    "$(sed -nE 's/^ *\[EV_[A-Z0-9_]+\] = "([a-z0-9_]+)",$/\1/p' "$ROOT/common/event.c")" \
    "ts-event.5 has the fields of common/event.c in their order"
is "$(awk '/^\.TS/ { on = 1 } /^\.TE/ { on = 0 } on' "$man/ts-receipt.5" |
    sed -nE 's/^([a-z]+)\t(yes|no)\t.*/\1/p')" \
    "$(sed -nE 's/^ *\[OUTCOME_[A-Z]+\] = "([a-z]+)",$/\1/p' "$ROOT/common/receipt.c")" \
    "ts-receipt.5 has the outcomes of common/receipt.c in their order"
is "$(page_fields "$man/ts-receipt.5" | sort)" \
    "$(sed -nE 's/.*slice_is\(k, "([a-z_]+)"\).*/\1/p' "$ROOT/common/receipt.c" | sort)" \
    "ts-receipt.5 has the fields of common/receipt.c"
missing=
for f in $(ts-read --list-formats | awk '{ print $1 }'); do
    grep -qE "(^|[^a-z-])$f([^a-z-]|$)" "$man/ts-formats.7" || missing+=" $f"
done
is "$missing" "" "ts-formats.7 speaks of every format of ts-read --list-formats"

# --- test vectors --------------------------------------------------------------------------------

# literal SUBSECTION: the first literal block of that part of ts-event.5.
literal() {
    page_part "$man/ts-event.5" "$1" |
        sed -n '/^\.Bd -literal/,/^\.Ed/{/^\.[BE]d/d; s/\\e/\\/g; p}'
}
literal 'Test vectors' | python3 -c '
import json, re, sys
for event, wanted in re.findall(r"(\{.*?\})\s+([0-9a-f-]{36})", sys.stdin.read(), re.S):
    print(wanted, json.dumps(json.loads(event)))
' >"$T/vectors"
[ "$(wc -l <"$T/vectors")" -ge 6 ]
ok $? "ts-event.5 has at least six test vectors"
is "$(cut -d ' ' -f 2- "$T/vectors" | ts-enrich 2>/dev/null |
    sed -n 's/.*"event_id":"\([^"]*\)".*/\1/p')" "$(cut -d ' ' -f 1 "$T/vectors")" \
    "ts-enrich gives the ids of the test vectors"
literal 'The same in Python' >"$T/recipe.py"
cat >>"$T/recipe.py" <<'PY'
import json, sys
for line in sys.stdin:
    wanted, event = line.split(" ", 1)
    e = json.loads(event)
    if "error" in e:
        print(record_id(e["raw"]))
        continue
    who = e.get("person_id", e.get("card_read", e.get("card_no", ""))).strip(" ")
    if not who:
        who = "\x1f".join(str(e.get(k, "")) for k in ("reader", "code", "serial_no"))
    clock = (e.get("local_time") or e["time"])[:19].replace(" ", "T")
    print(passage_id(e["device_id"], who, clock))
PY
is "$(python3 "$T/recipe.py" <"$T/vectors")" "$(cut -d ' ' -f 1 "$T/vectors")" \
    "the recipe in Python gives them too"

# --- examples ------------------------------------------------------------------------------------

for page in "${pages[@]}"; do
    grep -qE '^\.Sh (EXAMPLES|PIPELINES)$' "$page" && examples_test man "$page"
done
done_testing
