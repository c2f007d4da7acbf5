/* SPDX-License-Identifier: MIT */
/* What a token service says (RFC 6749, 5.1 and 5.2; some say errors with 200).  Nothing of its own
   words is repeated: it has just been sent secrets. */
#include <errno.h>
#include <stdlib.h>

#include "oauth.h"

#define ACCESS_BYTES_MAX (12u << 10)
#define REFRESH_BYTES_MAX (8u << 10)
#define EXPIRES_MAX_S (366 * 86400)

static const struct {
    const char *error;
    enum act act;
    enum cause cause;
    bool grant;
    const char *reason;
} errors[] = {
    {"invalid_grant", ACT_STOP, CAUSE_AUTH, true, "the token service refuses the refresh token"},
    {"invalid_code", ACT_STOP, CAUSE_AUTH, true, "the token service refuses the refresh token"},
    {"invalid_client", ACT_STOP, CAUSE_AUTH, false, "the token service refuses the client"},
    {"invalid_client_secret", ACT_STOP, CAUSE_AUTH, false, "the token service refuses the client"},
    {"unauthorized_client", ACT_STOP, CAUSE_AUTH, false,
        "the token service does not let the client do this"},
    {"access_denied", ACT_STOP, CAUSE_AUTH, false, "the token service denies access"},
    {"unsupported_grant_type", ACT_STOP, CAUSE_CONFIG, false,
        "the token service does not know the grant_type"},
    {"invalid_scope", ACT_STOP, CAUSE_CONFIG, false, "the token service refuses the scope"},
    {"invalid_request", ACT_STOP, CAUSE_CONFIG, false,
        "the token service does not understand the request: see its documentation"},
    {"temporarily_unavailable", ACT_RETRY, CAUSE_OUTAGE, false, "the token service is overloaded"},
    {"server_error", ACT_RETRY, CAUSE_OUTAGE, false, "the token service fails"},
    {"slow_down", ACT_RETRY, CAUSE_BUSY, false, "the token service asks to wait"},
};

#define ERRORS (sizeof errors / sizeof *errors)

/* Visible ASCII: it goes into a header field.  A refresh token may be any text. */
static struct slice token_of(yyjson_val *v, bool header)
{
    struct slice s = {yyjson_get_str(v), yyjson_get_len(v)};

    if (!s.p || s.n == 0 || s.n > (header ? ACCESS_BYTES_MAX : REFRESH_BYTES_MAX))
        return SLICE_NONE;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c < ' ' || (header && (c == ' ' || c > '~')))
            return SLICE_NONE;
    }
    return s;
}

/* A number, or the digits of one. */
static int64_t seconds_of(yyjson_val *v)
{
    const char *text = yyjson_get_str(v);
    double n = text ? strtod(text, NULL) : yyjson_get_num(v);

    if (!(n > 0))
        return 0;
    return n < EXPIRES_MAX_S ? (int64_t)n : EXPIRES_MAX_S;
}

static bool is_bearer(yyjson_val *v)
{
    static const char word[] = "bearer";
    const char *type = yyjson_get_str(v);

    for (size_t i = 0; type && i < sizeof word; i++)
        if ((i < sizeof word - 1 ? type[i] | 0x20 : type[i]) != word[i])
            return false;
    return true; /* also where it is not said */
}

static void by_error(yyjson_val *root, struct oauth_answer *a)
{
    const char *error = yyjson_get_str(yyjson_obj_get(root, "error"));

    if (!error)
        return;
    a->verdict = (struct verdict){.act = ACT_STOP,
        .cause = CAUSE_AUTH,
        .reason = "the token service refuses, with an error of its own"};
    for (size_t i = 0; i < ERRORS; i++)
        if (strcmp(error, errors[i].error) == 0) {
            a->verdict.act = errors[i].act;
            a->verdict.cause = errors[i].cause;
            a->verdict.reason = errors[i].reason;
            a->grant_refused = errors[i].grant;
        }
}

/* By its status alone. */
static void by_status(const struct reply *r, struct oauth_answer *a)
{
    struct verdict *v = &a->verdict;

    *v = verdict_of(r->net, r->status);
    if (v->act == ACT_RETRY) {
        v->reason = r->net == NET_OK ? "the token service does not answer as it should"
                                     : "the token service does not answer";
    } else if (v->act == ACT_DELIVERED) {
        *v = (struct verdict){.act = ACT_RETRY,
            .cause = CAUSE_OUTAGE,
            .reason = "the reply of the token service has no access token in it"};
    } else if (v->act == ACT_STOP && v->cause == CAUSE_ADDRESS) {
        v->reason = "token_url is not that of a token service";
    } else {
        v->act = ACT_STOP;
        v->cause = CAUSE_AUTH;
        v->reason = "the token service refuses the client";
    }
}

void oauth_answer_read(const struct reply *r, int64_t now_s, struct oauth_answer *a)
{
    yyjson_val *root;

    *a = (struct oauth_answer){.doc = NULL};
    if (r->net == NET_OK && r->body.len > 0)
        a->doc = yyjson_read(r->body.data, r->body.len, 0);
    root = yyjson_doc_get_root(a->doc);
    by_status(r, a);
    if (r->net == NET_OK && r->status / 100 != 3 && r->status / 100 != 5)
        by_error(root, a);
    if (r->net == NET_OK && r->status / 100 == 2 && !yyjson_obj_get(root, "error") &&
        is_bearer(yyjson_obj_get(root, "token_type"))) {
        a->access = token_of(yyjson_obj_get(root, "access_token"), true);
        a->refresh = token_of(yyjson_obj_get(root, "refresh_token"), false);
        a->expires_s = seconds_of(yyjson_obj_get(root, "expires_in"));
    }
    a->verdict.at_once = a->verdict.act == ACT_STOP;
    a->verdict.wait_ms = reply_wait_ms(r, now_s);
    a->verdict.wait_ms = a->verdict.wait_ms > 0 ? a->verdict.wait_ms : 0;
}

void oauth_answer_free(struct oauth_answer *a)
{
    yyjson_doc_free(a->doc);
}
