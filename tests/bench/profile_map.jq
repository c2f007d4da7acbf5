# SPDX-License-Identifier: MIT
# What profile.jq makes of an event, for the jq program: it has no .site, so it cuts local_time.
{
    employee_field_value: (.employee_id // .person_id | tostring),
    timestamp: "\(.local_time[0:10]) \(.local_time[11:19])",
    device_id,
    log_type: (if .direction == "in" then "IN" elif .direction == "out" then "OUT" else null end)
}
