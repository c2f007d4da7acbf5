#!/bin/bash
# Captured records of ZKTeco, Hikvision and Dahua devices ($TS_CORPUS, not part of the tree): all that
# ts-read makes of each file, by digests (tests/golden/corpus.tsv); and, in words, what the files of
# Hikvision and Dahua say, in the order of their events: kind, code, credential, and who was named (p
# person, c card, r reader, n number, t a time).
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-read >/dev/null || skip_all "ts-read is not built"
command -v jq >/dev/null || skip_all "needs jq"
devices=$TS_CORPUS/devices
ls "$devices"/hik_* >/dev/null 2>&1 || skip_all "no captured records in $devices"

table=$ROOT/tests/golden/corpus.tsv
if perl -MDigest::SHA -e 1 2>/dev/null; then
    while IFS= read -r line; do
        case $line in
        ok\ *) ok 0 "${line#ok }: every field of every event" ;;
        "not ok "*) ok 1 "${line#not ok }: every field of every event" ;;
        *) printf '%s\n' "$line" ;;
        esac
    done < <(perl "$ROOT/tests/support/corpus.pl" "$table" "$TS_CORPUS")
    is "$(cd "$TS_CORPUS" && printf '%s\n' zk/attlog/* zk/push/* devices/{hik,dahua}_* |
        grep -v -x -F -f <(cut -f1 "$table"))" "" "no captured file is left out"
else
    skip "every field of captured records: needs Digest::SHA of perl"
fi

said() {
    jq -r 'if .error then "! " + .error else
        [.kind, .code // "-", .credential // "-",
         (if .person_id then "p" else "" end) + (if .card_no then "c" else "" end) +
         (if .reader then "r" else "" end) + (if .serial_no then "n" else "" end) +
         (if .local_time or .time then "t" else "" end) +
         (if .time_note then " " + .time_note else "" end) +
         (if .punch then " " + .punch else "" end)] | join(" ") end' | tr '\n' '|'
}

while IFS=$'\t' read -r file wanted; do
    [ -e "$devices/$file" ] || continue
    [ "$wanted" != nothing ] || wanted=
    format=hikvision
    [[ $file != dahua_* ]] || format=dahua
    is "$(ts-read -f $format -d D "$devices/$file" 2>/dev/null | said)" "$wanted" "$file"
    seen="${seen:-} $file"
done <<'TABLE'
dahua_accesscontrol_221.txt	! no time|
dahua_attach_access.http	granted AccessControl face prt|denied AccessControl face rt|
dahua_attach_wrong_length.http	granted AccessControl face prt|other VideoMotion - |
dahua_digest_401.http	nothing
dahua_doorcard_rpc.json	other DoorCard - ct|
dahua_doorface_296.txt	other _DoorFace_ - pr|
dahua_error_bad_request.txt	! not JSON: wrong at byte 1|! not JSON: wrong at byte 1|
dahua_push_event.http	granted AccessControl face prnt|
dahua_push_events_v2.json	granted AccessControl card pcrnt|
dahua_recordfinder_first.txt	granted AccessControl - nt|
dahua_recordfinder_found2.txt	granted AccessControl face prnt|granted AccessControl - pnt|
dahua_recordfinder_none.txt	nothing
dahua_recordfinder_totalcount.txt	granted AccessControl face prnt|granted AccessControl - pnt|
dahua_sdk_access_events.json	! not an event|
dahua_sdk_access_records.json	! not an event|
dahua_snap_attach_doc.http	! no time|
dahua_stream_ipc.txt	other VideoMotion - |other SmartMotionVehicle - |other CrossLineDetection - |
dahua_stream_nvr.txt	other VideoMotion - |other SmartMotionHuman - |other CrossRegionDetection - |
dahua_stream_vto.txt	other DoorBell - |alarm AlarmLocal - |other AccessCtl - |
hik_ace_door_lock_5_22.json	door 5/22 - rnt|
hik_ace_door_unlock_5_21.json	door 5/21 - rnt|
hik_ace_epoch_clock.json	granted 5/75 face prnt clock_unset|
hik_ace_event.xml	granted 5/1 card prnt|
hik_ace_face_5_75_a.json	granted 5/75 face prnt|
hik_ace_face_5_75_k1t673.json	granted 5/75 face prnt|
hik_ace_face_denied_5_76.json	denied 5/76 face rnt|
hik_ace_face_minimal.json	granted 5/75 face pcrt|
hik_ace_fingerprint_checkin_5_38.json	granted 5/38 fingerprint pcrnt check_in|
hik_acsevent_no_match.json	nothing
hik_acsevent_query.json	! not an event|
hik_acsevent_reply_minus00.json	granted 5/38 fingerprint prnt|
hik_acsevent_reply_more.json	granted 5/75 face prnt|granted 5/75 face prnt|
hik_acsevent_sqlbridge_3.json	granted 5/75 face pnt|granted 5/1 card pnt|door 5/22 - nt|
hik_acsevent_sqlbridge_offset00.json	other - - pnt|
hik_acsevent_zero_filled.json	other 2/1024 - nt|
hik_alertstream_camera_xml.http	other VMD - t|other linedetection - t|other VMD - t|
hik_alertstream_cut_mid_part.http	other 2/1024 - nt|! torn last record|
hik_alertstream_ha82767.http	nothing
hik_alertstream_k1a340_json.http	other 2/1024 - nt|granted 5/75 face prnt check_in|
hik_alertstream_quirks_lf_double_boundary.bin	granted 5/75 face prnt check_in|
hik_deviceinfo.xml	! not an event|
hik_digest_401.http	nothing
hik_error_badxml.xml	! not an event|
hik_error_deviceerror.xml	! not an event|
hik_error_notsupport.json	! not an event|
hik_ezviz_wrapped.json	granted 5/75 face pnt|
hik_heartbeat.xml	nothing
hik_httphosts_list.xml	! not an event|
hik_httphosts_put.xml	! not an event|
hik_lockout_locked.xml	! not an event|
hik_lockout_ok_to_retry.xml	! not an event|
hik_nvr_notifications.xmlstream	other videoloss - t|other VMD - t|other fielddetection - t|
hik_push_heartbeat_raw.http	nothing
hik_push_multipart_event_log_5_76.http	denied 5/76 face rnt|
hik_push_multipart_face_5_75.http	granted 5/75 face prnt|
hik_push_remotecheck_doc.http	granted 5/75 face pnt|
hik_remotecheck_reply.json	! not an event|
hik_subscribe_request.xml	! not an event|
hik_subscribe_stream_mixed.http	granted 5/75 face prnt|
hik_xml_ipc_thermometry_motiondetection.xml	other VMD - t|
hik_xml_nvr_2_fielddetection.xml	other fielddetection - t|
hik_xml_pir.xml	other PIR - t|
TABLE
missing=
for file in "$devices"/hik_* "$devices"/dahua_*; do
    [[ " ${seen:-} " == *" ${file##*/} "* ]] || missing+=" ${file##*/}"
done
is "$missing" "" "no file is left out"

# With the format told by the first bytes, what is an event is one.
for file in "$devices"/{hik_ace,hik_acsevent_r,hik_push,hik_alert,dahua_attach,dahua_push,dahua_stream}*; do
    ts-read -d D "$file" 2>/dev/null | grep -o '"source":"[a-z-]*"' | sort -u >"$T/source"
    [[ $(<"$T/source") =~ ^(\"source\":\"(hikvision|dahua)\"|)$ ]]
    ok $? "${file##*/} is recognised"
done
done_testing
