# shellcheck shell=bash
# For tests with calls.py; source it after tap.sh.
export B
[ "${MODE:-}" = asan ] && skip_all "the sanitizers have to be the first library"
cd "$ROOT" || exit 1

# broken MODE CASE POINTS [OPTION...]: tries so many points of each kind and program, or with
# TS_FULL=1 every one; options hold for the short form alone.
broken() {
    local words=(--points "$3" "${@:4}") rc
    [ -n "${TS_FULL:-}" ] && words=()
    python3 tests/faults/calls.py "$1" "$2" "${words[@]}" >"$T/said" 2>"$T/err"
    rc=$?
    cut -c 1-600 "$T/said"
    sed 's/^/#  /' "$T/err" | tail -n 20
    ok $rc "$2: $(sed -n 's/^# .*: \([0-9]* [a-z]* points\).*/\1/p' "$T/said")"
}
