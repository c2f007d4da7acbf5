#!/bin/bash
# SPDX-License-Identifier: MIT
# Everything at once, at random (soak.py): 20 seconds, with TS_FULL=1 half an hour; TS_SOAK_S says
# another length.  TS_SOAK_SEED repeats the choices of an earlier run.
# shellcheck disable=SC2317 # end is called by trap
ways=(-m -p --fork --mount-proc --kill-child)
[ -n "${TS_OWN_MOUNTS:-}" ] || ! unshare "${ways[@]}" true 2>/dev/null ||
    TS_OWN_MOUNTS=1 exec unshare "${ways[@]}" bash "$0" "$@"
. "$(dirname "$0")/../support/tap.sh"
for tool in ts-read ts-spool ts-send ts-enrich jq python3 perl; do
    command -v $tool >/dev/null || skip_all "needs $tool"
done
seconds=20
[ -n "${TS_FULL:-}" ] && seconds=1800
seconds=${TS_SOAK_S:-$seconds}
seed=${TS_SOAK_SEED:-$RANDOM}
mkdir "$T/disk"
end() {
    umount -l "$T/disk" 2>/dev/null
    tap_end
}
trap end EXIT
[ -z "${TS_OWN_MOUNTS:-}" ] ||
    mount -t tmpfs -o "size=$((seconds / 4 + 32))m" tmpfs "$T/disk" 2>/dev/null ||
    skip "no full disks: a small file system needs root"

python3 "$ROOT/tests/faults/soak.py" --seconds "$seconds" --seed "$seed" --folder "$T" >"$T/result"
ok $? "the soak with seed $seed ran for $seconds s"
of() { jq -c "$1" "$T/result"; }
echo "# told $(of .told), arrived $(of .arrived), twice $(of .twice), refused $(of .refused)"
echo "# did $(of .did)"
is "$(of .lost)" 0 "everything that anybody was told OK for has arrived"
is "$(of .untold)" 0 "and everybody was told"
is "$(of .twice_unmarked)" 0 "what came twice was marked as ambiguous"
is "$(of .disorder)" 0 "each person's events came in order"
is "$(of .dead_wrong)" 0 "the dead are exactly those that the receiver refused"
is "$(of .left) $(of .store)" '{} "ok"' "the store is empty and whole"
is "$(of '[.devices[].left]')" "[0,0]" "no device is left waiting"
is "$(of '.statuses | map(tostring) | unique')" '["0"]' "all programs end with 0"
# Full disks and cut networks included.
is "$(of '.ended_by_themselves | map_values(select(. != {}))')" '{}' \
    "none of those that live long ended by itself"
for name in drain follower "listener 0" "listener 1" ts-send; do
    if [ "$(of ".growth[\"$name\"] == null")" = true ]; then
        skip "$name: did not live long enough to be measured"
        continue
    fi
    ok "$(of ".growth[\"$name\"] | if .kib < 32768 and .grown_kib < 4096 and .grown_fds < 8 then 0 else 1 end")" \
        "$name does not grow: $(of ".growth[\"$name\"]")"
done
of '[.devices_s, .batches_s, .settled_s] | map(. >= 0) | all' | grep -qx true
ok $? "after the faults all came to rest ($(of '[.devices_s, .batches_s, .settled_s]') s)"
is "$(of '.idle_cpu_s | map_values(select(. > 0.2))')" '{}' "with nothing to do they do nothing"
if [ $tap_failed -ne 0 ]; then
    echo "# again: TS_SOAK_S=$seconds TS_SOAK_SEED=$seed $0"
    of . | sed 's/^/# /'
    sort "$T/log.err" | uniq -c | sort -rn | head -n 40 | sed 's/^/# /'
    [ -z "${TS_SOAK_KEEP:-}" ] || cp -r "$T" "$TS_SOAK_KEEP"
fi
done_testing
