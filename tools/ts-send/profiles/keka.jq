# SPDX-License-Identifier: MIT
# Keka: raw punches, several in one array.  The reply counts them: `succeeded` alone says nothing,
# the two counts must agree.  It does not say which one was left out.

def about: {
    title: "Keka, attendance logs of devices",
    url: "https://support.keka.com/support/solutions/articles/84000385290",
    notes: (
        "URL: https://SERVER.a.keka.com. Times are the wall clock of the site, without a "
        + "zone. Keka says how many logs it took, not which: an array with a log too few is "
        + "halved (logs it has already go again) until the refused one stands alone; -o "
        + "partial=rejected refuses the whole array instead. Why a log is not taken is not "
        + "said; -o refused=held keeps such events waiting.")
};

def defaults: {
    batch: 100, connections: 2, arrays: "atomic",
    options: {
        zone: {help: "zone of the site, Area/City (the device's own wall clock)"},
        device: {help: "DeviceIdentifier of every log (device_id)"},
        partial: {default: "split", help: "an array with a log too few: split or rejected"},
        refused: {default: "rejected", help: "a log that is not taken: rejected or held"}
    },
    secrets: {token: {required: true, help: "API key of the device"}}
};

def request:
    unfit(needs_passage // needs_time // needs_person // needs_direction)
    // (.option as $o | {
        method: "POST", path: "/v1/logs",
        headers: {"X-API-Key": .secret.token},
        json: [.events[] | {
            DeviceIdentifier: ($o.device // .device_id // ""),
            EmployeeAttendanceNumber: person,
            Timestamp: (.site | sub(" "; "T")),
            Status: (if .direction == "in" then 0 else 1 end)
        }]
    });

def not_taken:
    if (.events | length) > 1 then
        if .option.partial == "rejected" then
            [.events[] | rejected("Keka took not all of the array")] else "split" end
    else
        {outcome: (if .option.refused == "held" then "held" else "rejected" end),
        reason: "Keka did not take it, and does not say why"} end;

def verdict:
    if ok | not then otherwise
    elif (.body | type) != "object" then unreadable
    elif .body.succeeded == false then not_taken
    elif (.body.data | type) == "object" and (.body.data.logsAccepted | type) == "number" then
        (.events | length) as $n
        | if .body.data.logsAccepted == $n and (.body.data.logsReceived // $n) == $n then
            "delivered" else not_taken end
    else unreadable end;
