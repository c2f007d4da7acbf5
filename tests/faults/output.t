#!/bin/bash
# Output that cannot be written: /dev/full, no stdout, a reader that left, a read-only folder.
. "$(dirname "$0")/../support/tap.sh"
. "$(dirname "$0")/../support/ledger.sh"

python3 "$ROOT/tests/bench/gen.py" 20000 --persons 100 >"$T/attlog.dat"
ts-read -d OUT1 "$T/attlog.dat" | ts-enrich -z Asia/Manila >"$T/events" || exit 1
event_ids "$T/events" >"$T/wanted"
receiver_start --port 0

# The programs that write lines; each gets events on stdin.
names=(ts-read ts-enrich "ts-spool put" "ts-spool list" ts-send)
program() {
    case $1 in
    ts-read) ts-read -f ndjson -d OUT1 - ;;
    ts-enrich) ts-enrich -z Asia/Manila ;;
    "ts-spool put") ts-spool put "$T/put.$RANDOM.db" ;;
    "ts-spool list") ts-spool list "$T/q.db" ;;
    ts-send) ts-send "$url" ;;
    esac <"$T/events"
}
ts-spool put "$T/q.db" <"$T/events" >/dev/null || exit 1

for name in "${names[@]}"; do
    program "$name" >/dev/full 2>"$T/err"
    is $? 74 "$name to a full disk: status"
    like "$(cat "$T/err")" "^${name%% *}: .*[Nn]o space left" "$name to a full disk: message"
    is "$(wc -l <"$T/err")" 1 "$name to a full disk: one line"

    program "$name" >&- 2>"$T/err"
    is $? 74 "$name without stdout: status"
    like "$(cat "$T/err")" "^${name%% *}: " "$name without stdout: message"

    program "$name" 2>"$T/err" | true
    is "${PIPESTATUS[0]} $(cat "$T/err")" "74 " "$name: a reader that leaves ends it quietly"
done
for name in "ts-read --help" "ts-enrich --help" "ts-send --help" "ts-spool --help" \
    "ts-read --version" "ts-read --list-formats" "ts-spool stat $T/q.db"; do
    $name >/dev/full 2>"$T/err"
    is $? 74 "${name% /*} to a full disk: status"
done

# A put that could not print its receipts has lost nothing that it was asked to keep.
ts-spool put "$T/full.db" <"$T/events" >/dev/full 2>/dev/null
ts-spool put "$T/full.db" <"$T/events" >"$T/receipts" 2>"$T/err"
is $? 0 "put again after a full disk"
is "$(ts-spool list "$T/full.db" | event_ids - | cmp - "$T/wanted" && echo same)" same \
    "everything is there, once"

# A drain whose program fails keeps everything.
for command in 'exit 3' 'head -n 100 >/dev/null' 'cat >/dev/full' '/nonexistent' 'kill -9 $$'; do
    ts-spool drain --into "$command" "$T/q.db" >"$T/out" 2>"$T/err"
    is $? 75 "drain into '$command': try again"
done
is "$(ts-spool list --waiting "$T/q.db" | event_ids - | cmp - "$T/wanted" && echo same)" same \
    "everything still waits"

# A folder and a store that may not be written, as somebody else than root.
as_nobody() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"
    else
        "$@"
    fi
}
chmod 755 "$T"
mkdir "$T/closed" "$T/open"
cp "$T/q.db" "$T/open/mine.db"
chmod 000 "$T/open/mine.db" # its owner is somebody else only where root runs this
chmod 555 "$T/closed"
if as_nobody ts-spool --version >/dev/null 2>&1; then
    as_nobody ts-spool put "$T/closed/q.db" <"$T/events" >"$T/out" 2>"$T/err"
    is "$? $(wc -c <"$T/out")" "73 0" "put into a read-only folder: status, no receipt"
    like "$(cat "$T/err")" "^ts-spool: .*closed/q.db.*[Pp]ermission denied" "and the message"
    as_nobody ts-spool put "$T/open/mine.db" <"$T/events" >"$T/out" 2>"$T/err"
    is "$? $(wc -c <"$T/out")" "73 0" "put into somebody else's store: status, no receipt"
    like "$(cat "$T/err")" "^ts-spool: .*mine.db.*[Pp]ermission denied" "and the message"
else
    skip "the programs cannot be run as another user here"
fi
ts-spool put "$T/nowhere/q.db" <"$T/events" >"$T/out" 2>"$T/err"
is "$? $(wc -c <"$T/out")" "73 0" "put into a folder that does not exist"
echo "this is no store, and long enough to be seen" >"$T/text.db"
ts-spool put "$T/text.db" <"$T/events" >"$T/out" 2>"$T/err"
rc=$?
is "$(wc -c <"$T/out")$(cat "$T/text.db")" "0this is no store, and long enough to be seen" \
    "put into a file that is no store leaves it alone"
like $rc '^(65|66|74|78)$' "and says so"
done_testing
