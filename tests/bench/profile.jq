# SPDX-License-Identifier: MIT
# A profile of the usual size, for tests/bench/run: the request map of profile_map.jq.
def defaults: {
    arrays: "items",
    fields: ["employee_id", "person_id", "site", "device_id", "direction"]
};
def map_event: {
    employee_field_value: (.employee_id // .person_id | tostring),
    timestamp: .site,
    device_id,
    log_type: (if .direction == "in" then "IN" elif .direction == "out" then "OUT" else null end)
};
def request: {
    path: "/method/add_log",
    json: (if (.events | length) > 1 then [.events[] | map_event] else .events[0] | map_event end)
};
def verdict: if .status == 200 then "delivered" else null end;
