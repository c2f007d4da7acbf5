# SPDX-License-Identifier: MIT
# Oracle HCM, time event requests.  requestNumber makes a request unique, so one event is one
# request: then the number is the event's own, whatever else is sent with it or again.

def about: {
    title: "Oracle HCM, time event requests",
    url: ("https://docs.oracle.com/en/cloud/saas/human-resources/farws/"
        + "op-timeeventrequests-post.html"),
    notes: (
        "URL: https://HOST.oraclecloud.com. 201 means taken, not right: what is wrong with "
        + "an event shows later as an exception of the time card. Which supplierDeviceEvent "
        + "means in and out is set up on site: -o in, -o out. What a requestNumber that is "
        + "there already is answered with is not published: after a 400 the number is looked "
        + "up.")
};

def defaults: {
    batch: 1, arrays: "none",
    options: {
        version: {default: "11.13.18.05", help: "version in the path"},
        source: {default: "turnstile", help: "sourceId, 40 characters at most"},
        in: {default: "CLOCK_IN", help: "supplierDeviceEvent of an entry"},
        out: {default: "CLOCK_OUT", help: "supplierDeviceEvent of an exit"},
        reporter: {default: "PERSON", help: "reporterIdType: PERSON, BADGE"},
        zone: {help: "zone of the site, Area/City (the device's own wall clock)"}
    },
    secrets: {token: {help: "bearer token, or --oauth"}, user: {help: "name, for basic"},
        password: {help: "its password"}}
};

def authorization:
    if .secret.token then {authorization: "Bearer \(.secret.token)"}
    elif .secret.user then
        {authorization: ("Basic " + ((.secret.user + ":" + (.secret.password // "")) | @base64))}
    else {} end;
def collection: "/hcmRestApi/resources/" + (.option.version | uri) + "/timeEventRequests";

def look: {method: "GET", headers: authorization,
    path: (collection + "?onlyData=true&limit=1&q=requestNumber%3D%27" + .events[0].key + "%27")};

def create: .option as $o | .events[0] as $e | {
    method: "POST", path: collection, headers: authorization,
    json: {
        requestNumber: $e.key,
        sourceId: $o.source[0:40],
        requestTimestamp: (.now | floor | strftime("%Y-%m-%dT%H:%M:%S.000+00:00")),
        timeEvents: [{
            deviceId: ($e.device_id // "" | tostring | .[0:40]),
            eventDateTime: (($e.site | sub(" "; "T")) + "." + ($e | millis) + $e.site_offset),
            supplierDeviceEvent: (if $e.direction == "in" then $o.in else $o.out end),
            reporterId: ($e | person),
            reporterIdType: $o.reporter,
            timeEventAttributes: []
        }]
    }
};

def request:
    unfit(needs_passage // needs_id // needs_time // needs_offset // needs_person
        // needs_direction)
    // if .memo then look else create end;

def check: {method: "GET", headers: authorization, path: (collection + "?onlyData=true&limit=1")};

def looked:
    if ok and (.body.items? | type) == "array" then
        if .body.items != [] then "duplicate" else rejected("Oracle does not take the event") end
    elif ok then unreadable
    else otherwise end;

def verdict:
    if .events == [] then (if ok and (.body | type) != "object" then unreadable else null end)
    elif .memo then looked
    elif is_page then (if ok then unreadable else otherwise end)
    elif .status == 201 then "delivered"
    elif ok then
        if .body.requestNumber? == .events[0].key then "delivered" else unreadable end
    elif .status == 400 or .status == 409 then {then: {look: true}}
    else otherwise end;
