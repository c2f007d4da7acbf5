/* SPDX-License-Identifier: MIT */
/* Replies to values, and values to verdicts. */
#include "judge.h"

#include <ctype.h>
#include <stdio.h>

#define REASON_MAX_S (24 * 3600) /* the longest wait_s */

static const struct {
    const char *name;
    enum act act;
} outcomes[] = {
    {"delivered", ACT_DELIVERED},
    {"duplicate", ACT_DUPLICATE},
    {"rejected", ACT_REFUSED},
    {"held", ACT_HELD},
    {"skipped", ACT_SKIPPED},
    {"retry", ACT_RETRY},
    {"stop", ACT_STOP},
    {"session", ACT_SESSION},
    {"split", ACT_SPLIT},
};

#define OUTCOMES_KNOWN (sizeof outcomes / sizeof *outcomes)

/* ---- the reply as a value ---- */

/* The lines as an object of lower-case names; a name that comes again is joined by ", ". */
static struct value fields_of(struct slice lines)
{
    struct value all = value_object();
    char name[80];

    while (lines.n > 0) {
        const char *end = memchr(lines.p, '\n', lines.n), *colon = memchr(lines.p, ':', lines.n);
        size_t line = end ? (size_t)(end - lines.p) : lines.n;
        size_t n = colon ? (size_t)(colon - lines.p) : line;

        if (n < line && n < sizeof name) {
            struct slice value = slice_trim((struct slice){colon + 1, line - n - 1});
            struct value before;

            for (size_t i = 0; i < n; i++)
                name[i] = (char)tolower((unsigned char)lines.p[i]);
            name[n] = '\0';
            before = value_get(all, name);
            if (value_text(before).p) {
                struct buf both = {0};

                buf_slice(&both, value_text(before));
                buf_lit(&both, ", ");
                buf_slice(&both, value);
                value_set(&all, name, value_string(buf_all(&both)));
                buf_free(&both);
            } else if (value_count(all) < ASK_FIELDS_MAX * 4) {
                value_set(&all, name, value_string(value));
            }
            value_free(before);
        }
        line += end ? 1 : 0;
        lines.p += line;
        lines.n -= line;
    }
    return all;
}

static struct slice without_bom(struct slice body)
{
    if (body.n >= 3 && memcmp(body.p, "\xef\xbb\xbf", 3) == 0)
        return (struct slice){body.p + 3, body.n - 3};
    return body;
}

struct value judge_value(struct verdict v)
{
    struct value out = value_object();

    for (size_t i = 0; i < OUTCOMES_KNOWN; i++)
        if (outcomes[i].act == v.act)
            value_set(&out, "outcome", value_string(slice_of(outcomes[i].name)));
    if (v.act == ACT_STOP || v.act == ACT_RETRY)
        value_set(&out, "cause", value_string(slice_of(verdict_cause(v.cause))));
    if (v.wait_ms > 0)
        value_set(&out, "wait_s", value_number((double)v.wait_ms / 1000));
    if (v.perhaps)
        value_set(&out, "perhaps", value_bool(true));
    if (v.reason)
        value_set(&out, "reason", value_string(slice_of(v.reason)));
    if (v.location)
        value_set(&out, "location", value_string(slice_of(v.location)));
    return out;
}

struct value judge_input(const struct scripted *p, const struct ask_input *in,
    const struct reply *reply, const struct ask *a)
{
    static struct value_key k_body = {.name = "body"}, k_text = {.name = "text"},
                            status = {.name = "status"}, headers = {.name = "headers"},
                            request = {.name = "request"}, k_plain = {.name = "plain"};
    struct value input = ask_input(p, in, false), body;
    struct slice text = without_bom(buf_all(&reply->body));
    struct verdict plain = verdict_of(reply->net, reply->status);

    plain.wait_ms = reply_wait_ms(reply, in->now_s);
    value_parse(text, &body);
    value_put(&input, &k_body, body);
    if (text.n > JUDGE_TEXT_BYTES)
        text.n = JUDGE_TEXT_BYTES;
    value_put(&input, &k_text, value_string(text));
    value_put(&input, &status, value_number(reply->status));
    value_put(&input, &headers, fields_of(buf_all(&reply->lines)));
    value_put(&input, &request, value_copy(a->sent));
    value_put(&input, &k_plain, judge_value(plain));
    return input;
}

/* ---- the verdict ---- */

bool judge_is_verdict(struct value said)
{
    static struct value_key k_outcome = {.name = "outcome"}, k_then = {.name = "then"};
    struct value outcome = value_pick(said, &k_outcome), then = value_pick(said, &k_then);
    bool yes = value_kind(said) == VALUE_STRING || value_kind(said) == VALUE_ARRAY ||
               value_kind(outcome) != VALUE_NULL || value_kind(then) != VALUE_NULL;

    value_free(outcome);
    value_free(then);
    return yes;
}

static int no_verdict(const struct scripted *p, const char *what, struct fault *why)
{
    return fault_set(why, EX_CONFIG, "profile %s: verdict: %s", p->name, what);
}

/* What follows from a word alone. */
static int read_outcome(const struct scripted *p, struct slice name, struct verdict plain,
    struct verdict *v, struct fault *why)
{
    size_t i = 0;

    while (name.p && i < OUTCOMES_KNOWN && !slice_is(name, outcomes[i].name))
        i++;
    if (!name.p || i == OUTCOMES_KNOWN)
        return no_verdict(p, "no such outcome", why);
    *v = (struct verdict){.act = outcomes[i].act};
    if (v->act == ACT_RETRY) {
        v->cause = plain.act == ACT_RETRY ? plain.cause : CAUSE_OUTAGE;
        v->its_own = true;
    } else if (v->act == ACT_STOP) {
        v->cause = plain.act == ACT_STOP ? plain.cause : CAUSE_CONFIG;
        v->at_once = true;
    }
    return 0;
}

static int read_member(const struct scripted *p, struct slice key, struct value value,
    struct verdict *v, struct fault *why)
{
    struct slice text = value_text(value);
    double seconds = value_double(value);

    if (value_kind(value) == VALUE_NULL || slice_is(key, "outcome"))
        return 0;
    if (slice_is(key, "reason") && text.p) {
        v->reason = text.p;
    } else if (slice_is(key, "location") && text.p) {
        v->location = text.p;
    } else if (slice_is(key, "cause") && text.p) {
        v->cause = verdict_cause_of(text.p);
        v->its_own = false;
        if (v->cause == CAUSE_NONE)
            return no_verdict(p, "no such cause", why);
    } else if (slice_is(key, "wait_s") && seconds >= 0) {
        v->wait_ms = (int64_t)((seconds < REASON_MAX_S ? seconds : REASON_MAX_S) * 1000);
    } else if (slice_is(key, "perhaps")) {
        v->perhaps = value_kind(value) == VALUE_TRUE;
    } else {
        return fault_set(why, EX_CONFIG, "profile %s: verdict: %s is not known, or of a wrong type",
            p->name, key.p);
    }
    return 0;
}

static int read_one(const struct scripted *p, struct value said, struct verdict plain,
    struct verdict *v, struct fault *why)
{
    struct value outcome, member;
    struct slice key;
    int at = 0, rc;

    if (value_kind(said) == VALUE_NULL) {
        *v = plain;
        return 0;
    }
    if (value_kind(said) == VALUE_STRING)
        return read_outcome(p, value_text(said), plain, v, why);
    if (value_kind(said) != VALUE_OBJECT)
        return no_verdict(p, "a word or an object is wanted", why);
    outcome = value_get(said, "outcome");
    rc = read_outcome(p, value_text(outcome), plain, v, why);
    value_free(outcome);
    while (rc == 0 && value_next(said, &at, &key, &member)) {
        rc = read_member(p, key, member, v, why);
        value_free(member); /* its text lives in `said` */
    }
    return rc;
}

static int read_each(const struct scripted *p, struct value said, unsigned n, struct verdict plain,
    struct verdict *verdicts, struct fault *why)
{
    if (value_count(said) != n)
        return fault_set(why, EX_CONFIG, "profile %s: verdict: %u of them for %u events", p->name,
            value_count(said), n);
    for (unsigned i = 0; i < n; i++) {
        struct value one = value_at(said, i);
        int rc = read_one(p, one, plain, &verdicts[i], why);

        value_free(one);
        if (rc < 0)
            return rc;
        if (verdicts[i].act == ACT_SESSION || verdicts[i].act == ACT_SPLIT)
            return no_verdict(p, "session and split are about the whole request", why);
    }
    return 0;
}

/* {then: memo}, which may say perhaps: false beside it, and nothing else. */
static bool read_then(struct value said, struct judgement *j)
{
    struct value then = value_get(said, "then"), perhaps = value_get(said, "perhaps");
    enum value_kind says = value_kind(perhaps);
    bool yes = value_kind(then) != VALUE_NULL &&
               value_count(said) == (says == VALUE_TRUE || says == VALUE_FALSE ? 2 : 1);

    if (yes) {
        j->memo = value_copy(then);
        j->one = (struct verdict){.act = ACT_THEN, .perhaps = says != VALUE_FALSE};
    }
    value_free(perhaps);
    value_free(then);
    return yes;
}

int judge_read(const struct scripted *p, struct value said, unsigned n, struct verdict plain,
    struct judgement *j, struct verdict *verdicts, struct fault *why)
{
    int rc;

    *j = (struct judgement){.memo = value_null(), .said = said};
    if (read_then(said, j))
        return 0;
    j->plain = value_kind(said) == VALUE_NULL;
    j->each = value_kind(said) == VALUE_ARRAY;
    rc = j->each ? read_each(p, said, n, plain, verdicts, why)
                 : read_one(p, said, plain, &j->one, why);
    if (rc < 0)
        judgement_free(j);
    return rc;
}

void judgement_free(struct judgement *j)
{
    value_free(j->memo);
    value_free(j->said);
    *j = (struct judgement){.memo = value_null(), .said = value_null()};
}
