/* SPDX-License-Identifier: MIT */
/* The table of statuses.  The first row that holds the status decides. */
#include "verdict.h"

static const struct {
    short from, to;
    struct verdict verdict;
} rows[] = {
    {200, 299, {.act = ACT_DELIVERED}},
    /* Redirects are not followed: the URL is to be mended. */
    {300, 399, {.act = ACT_STOP, .cause = CAUSE_ADDRESS, .at_once = true}},
    {400, 400, {.act = ACT_REFUSED}},
    {401, 401, {.act = ACT_STOP, .cause = CAUSE_AUTH, .at_once = true}},
    {403, 403, {.act = ACT_STOP, .cause = CAUSE_AUTH, .at_once = true}},
    {407, 407, {.act = ACT_STOP, .cause = CAUSE_AUTH, .at_once = true}},
    {408, 408, {.act = ACT_RETRY, .cause = CAUSE_OUTAGE, .its_own = true}},
    {409, 409, {.act = ACT_DUPLICATE}},
    {413, 413, {.act = ACT_REFUSED}},
    {415, 415, {.act = ACT_REFUSED}},
    {422, 422, {.act = ACT_REFUSED}},
    {423, 425, {.act = ACT_RETRY, .cause = CAUSE_OUTAGE, .its_own = true}},
    {429, 429, {.act = ACT_RETRY, .cause = CAUSE_BUSY}},
    /* 402, 404, 405, 410 and whatever else: no event is to blame. */
    {402, 499, {.act = ACT_STOP, .cause = CAUSE_ADDRESS, .at_once = true}},
    {501, 501, {.act = ACT_STOP, .cause = CAUSE_ADDRESS, .at_once = true}},
    /* A gateway speaks: what is behind it may have taken the event. */
    {502, 502, {.act = ACT_RETRY, .cause = CAUSE_OUTAGE, .perhaps = true}},
    {503, 503, {.act = ACT_RETRY, .cause = CAUSE_OUTAGE}},
    {504, 504, {.act = ACT_RETRY, .cause = CAUSE_OUTAGE, .perhaps = true}},
    {505, 505, {.act = ACT_STOP, .cause = CAUSE_ADDRESS, .at_once = true}},
    {511, 511, {.act = ACT_STOP, .cause = CAUSE_AUTH, .at_once = true}},
    /* It may have failed after it took the event. */
    {500, 599, {.act = ACT_RETRY, .cause = CAUSE_OUTAGE, .perhaps = true, .its_own = true}},
};

struct verdict verdict_of(enum net net, int status)
{
    /* A status that came with an error is the start of a reply, not a reply. */
    if (net == NET_OK)
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
            if (status >= rows[i].from && status <= rows[i].to)
                return rows[i].verdict;
    if (net == NET_STRANGER)
        return (struct verdict){.act = ACT_STOP,
            .cause = CAUSE_CONFIG,
            .at_once = true,
            .reason = "it has another key than --pin-sha256 says"};
    if (net == NET_UNSENT)
        return (struct verdict){.act = ACT_RETRY, .cause = CAUSE_OUTAGE, .at_once = true};
    return (struct verdict){
        .act = ACT_RETRY, .cause = CAUSE_OUTAGE, .perhaps = true, .its_own = true};
}

static const char *const causes[] = {
    [CAUSE_NONE] = "",
    [CAUSE_BUSY] = "busy",
    [CAUSE_OUTAGE] = "outage",
    [CAUSE_AUTH] = "auth",
    [CAUSE_ADDRESS] = "address",
    [CAUSE_TIME] = "time",
    [CAUSE_CONFIG] = "config",
    [CAUSE_REFUSES] = "refuses",
};

const char *verdict_cause(enum cause cause)
{
    return causes[cause];
}

enum cause verdict_cause_of(const char *name)
{
    for (enum cause c = CAUSE_BUSY; c <= CAUSE_REFUSES; c++)
        if (strcmp(causes[c], name) == 0)
            return c;
    return CAUSE_NONE;
}

const char *verdict_words(enum cause cause)
{
    static const char *const words[] = {
        [CAUSE_NONE] = "",
        [CAUSE_BUSY] = "it asks us to wait",
        [CAUSE_OUTAGE] = "it is not available",
        [CAUSE_AUTH] = "the credentials are refused",
        [CAUSE_ADDRESS] = "this is not the receiver's address",
        [CAUSE_TIME] = "it keeps another time than it was sent",
        [CAUSE_CONFIG] = "it must be set up first",
        [CAUSE_REFUSES] = "it refuses every event: wrong receiver, or wrong fields",
    };

    return words[cause];
}
