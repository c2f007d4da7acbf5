# SPDX-License-Identifier: MIT
# What `ts-enrich -z Asia/Manila` adds to a line of ts-read, in jq: jq -c -f enrich.jq FILE
. + {
    event_id: "\(.device_id)-\(.person_id)-\(.local_time)", time: "\(.local_time)+08:00",
    direction: {check_in: "in", check_out: "out", break_out: "out", break_in: "in",
        overtime_in: "in", overtime_out: "out"}[.punch],
    direction_from: "punch", snapshot: null
}
