# SPDX-License-Identifier: MIT
# What `ts-enrich -z Asia/Manila` adds to a line of ts-read, in jq: jq -c -f enrich.jq FILE
. + {event_id: "\(.device_id)-\(.person_id)-\(.local_time)", time: "\(.local_time)+08:00"}
