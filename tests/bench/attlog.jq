# SPDX-License-Identifier: MIT
# The same as attlog.awk in jq: jq -c -R --arg device DEV -f attlog.jq FILE
. as $raw | split("\t") | (.[0] | split(" ")[-1]) as $person |
(.[1][0:10] + "T" + .[1][11:]) as $clock | {
    event_id: "\($device)-\($person)-\($clock)", kind: "granted", time: "\($clock)+08:00",
    local_time: $clock, device_id: $device,
    direction: {"0": "in", "1": "out", "2": "out", "3": "in", "4": "in", "5": "out"}[.[3]],
    direction_from: "punch",
    punch: {"0": "check_in", "1": "check_out", "2": "break_out", "3": "break_in",
        "4": "overtime_in", "5": "overtime_out"}[.[3]],
    person_id: $person, credential: {"1": "fingerprint", "15": "face"}[.[4]],
    snapshot: null, source: "zk-attlog", origin: "\(input_filename):\(input_line_number)", raw: $raw
}
