# SPDX-License-Identifier: MIT
# Buk: one clocking a request.  The `code` of the reply decides, for the message is in Spanish.
# The same clocking a second time is 409 CLOCKING_DUPLICATE: it has it.

def about: {
    title: "Buk, clockings of biometric devices",
    url: "https://github.com/api-evangelist/buk",
    notes: (
        "URL: https://TENANT.buk.cl/… up to and without /rest/v1. Times are the wall clock "
        + "of the site. idNumber takes 1 to 24 letters, digits and dashes. verifyType is not "
        + "sent: what its numbers mean is not published. No rate limit is documented; 429 is "
        + "obeyed if it comes.")
};

def defaults: {
    batch: 1, arrays: "none",
    options: {
        provider: {required: true, help: "x-provider-name"},
        serial: {help: "serialNumber of every clocking (device_id)"},
        zone: {help: "zone of the site, Area/City (the device's own wall clock)"}
    },
    secrets: {token: {required: true, help: "x-provider-token"}}
};

def needs_id_number: if person | test("^[A-Za-z0-9-]{1,24}$") then null
    else
        held("the number of the person does not fit Buk: 1 to 24 letters, digits, dashes; give it "
            + "in the roster") end;

def request:
    unfit(needs_passage // needs_time // needs_person // needs_id_number // needs_direction)
    // (.option as $o | .events[0] as $e | {
        method: "POST", path: "/rest/v1/clockings",
        headers: {"x-provider-name": $o.provider, "x-provider-token": .secret.token},
        json: {
            serialNumber: ($o.serial // $e.device_id // ""),
            idNumber: ($e | person),
            time: $e.site,
            isEntry: ($e.direction == "in")
        }
    });

def verdict:
    (if (.body | type) == "object" then .body.code // "" | tostring else "" end) as $code
    | if $code == "CLOCKING_CREATED" and ok then "delivered"
    elif $code == "CLOCKING_DUPLICATE" then "duplicate"
    elif .status == 401 or $code == "UNAUTHORIZED" then
        stop("auth"; "Buk does not know this provider name and token")
    elif .status == 400 and ($code | startswith("INVALID_")) then
        {outcome: "rejected", reason: (
            {INVALID_TIME_FORMAT: "Buk does not take the time"}[$code]
                // "Buk does not take one of the fields")}
    elif ok and $code != "" then rejected("Buk says done, but not that it created the clocking")
    elif ok then unreadable
    else otherwise end;
