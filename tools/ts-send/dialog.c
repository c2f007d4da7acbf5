/* SPDX-License-Identifier: MIT */
/* Request, reply, judgement, and again: until a judgement wants nothing more. */
#include "dialog.h"

#include <stdlib.h>

void dialog_init(struct dialog *d, const struct scripted *p, unsigned most)
{
    *d = (struct dialog){.p = p,
        .in = {.events = value_array(), .memo = value_null(), .session = value_null()},
        .reply = {.keep = true},
        .verdicts = mem_alloc(most * sizeof *d->verdicts),
        .said = {.memo = value_null(), .said = value_null()}};
    ask_init(&d->ask);
    reply_reset(&d->reply);
}

void dialog_free(struct dialog *d)
{
    ask_free(&d->ask);
    judgement_free(&d->said);
    value_free(d->in.events);
    value_free(d->in.memo);
    value_free(d->in.session);
    buf_free(&d->reply.lines);
    buf_free(&d->reply.body);
    free(d->verdicts);
}

unsigned dialog_count(const struct dialog *d)
{
    unsigned n = value_count(d->in.events);

    return n > 0 ? n : 1;
}

static int call(struct dialog *d, enum script_function f, struct value *said, struct fault *why)
{
    return functions_call(d->p->functions, f, ask_input(d->p, &d->in, true), said, why);
}

/* Asks for the verdict (or session) on the reply at hand. */
static int call_judge(
    struct dialog *d, enum script_function f, struct value *said, struct fault *why)
{
    ask_gone(&d->ask);
    return functions_call(
        d->p->functions, f, judge_input(d->p, &d->in, &d->reply, &d->ask), said, why);
}

static void set_memo(struct dialog *d, struct value memo)
{
    value_free(d->in.memo);
    d->in.memo = memo;
}

/* Those that `request` has no verdict on stay. */
static bool keep_unjudged(struct dialog *d, unsigned n)
{
    struct value left = value_array();
    bool fewer;

    for (unsigned i = 0; i < n; i++)
        if (d->verdicts[i].act == ACT_THEN)
            value_push(&left, value_at(d->in.events, i));
    fewer = value_count(left) > 0 && value_count(left) < n;
    value_free(d->in.events);
    d->in.events = left;
    return fewer;
}

/* Takes said.  1: go on with the next step; 0: that was the last word. */
static int judged(struct dialog *d, struct value said, struct fault *why)
{
    unsigned n = dialog_count(d);
    bool replied = d->reply.status > 0;
    struct verdict plain = {.act = ACT_THEN};
    int rc;

    if (replied) {
        plain = verdict_of(d->reply.net, d->reply.status);
        plain.wait_ms = reply_wait_ms(&d->reply, d->in.now_s);
    }
    judgement_free(&d->said);
    if (judge_read(d->p, said, n, plain, &d->said, d->verdicts, why) < 0)
        return -1;
    if (d->judged)
        d->judged(d->arg);
    rc = d->said.each ? !replied && keep_unjudged(d, n) : d->said.one.act == ACT_THEN;
    if (rc && !d->said.each)
        set_memo(d, value_copy(d->said.memo));
    return rc;
}

/* Sends what `said` describes; takes it.  1: the reply is there. */
static int answer(struct dialog *d, const char *what, struct value said, struct fault *why)
{
    int rc = ask_read(d->p, said, d->common, &d->ask, why);

    value_free(said);
    reply_reset(&d->reply);
    return rc < 0 ? -1 : d->answer(d->arg, what, why);
}

int dialog_login(struct dialog *d, struct fault *why)
{
    struct value said, session;
    int rc = 1;

    value_free(d->in.session);
    d->in.session = value_null();
    set_memo(d, value_null());
    for (unsigned steps = 0; rc == 1 && steps < ASK_STEPS_MAX; steps++) {
        if (call(d, SCRIPT_LOGIN, &said, why) < 0)
            return -1;
        if (value_kind(said) == VALUE_NULL)
            return DIALOG_JUDGED;
        rc = answer(d, "login", said, why);
        if (rc <= 0)
            return rc < 0 ? -1 : DIALOG_OPEN;
        if (call_judge(d, SCRIPT_SESSION, &session, why) < 0)
            return -1;
        if (value_kind(session) == VALUE_OBJECT && !judge_is_verdict(session)) {
            d->in.session = session;
            if (d->session)
                d->session(d->arg);
            return DIALOG_JUDGED;
        }
        rc = judged(d, session, why);
    }
    return rc < 0 ? -1 : DIALOG_REFUSED;
}

/* One step: enum dialog_end, or AGAIN for the next one; -1 and *why. */
#define AGAIN (DIALOG_NOTHING + 1)

static int step(struct dialog *d, enum script_function f, struct fault *why)
{
    struct value said;
    int rc;

    if (call(d, f, &said, why) < 0)
        return -1;
    if (f != SCRIPT_REQUEST && value_kind(said) == VALUE_NULL)
        return DIALOG_NOTHING;
    if (f == SCRIPT_WATERMARK)
        set_memo(d, value_string(SLICE("watermark")));
    if (judge_is_verdict(said)) {
        reply_reset(&d->reply);
    } else {
        rc = answer(d, script_names[f], said, why);
        if (rc <= 0)
            return rc < 0 ? -1 : DIALOG_OPEN;
        if (call_judge(d, SCRIPT_VERDICT, &said, why) < 0)
            return -1;
    }
    rc = judged(d, said, why);
    return rc < 0 ? -1 : rc ? AGAIN : DIALOG_JUDGED;
}

int dialog_go(struct dialog *d, enum script_function first, struct fault *why)
{
    int rc = AGAIN;

    set_memo(d, value_null());
    for (unsigned steps = 0; rc == AGAIN && steps < ASK_STEPS_MAX; steps++)
        rc = step(d, steps == 0 ? first : SCRIPT_REQUEST, why);
    if (rc == AGAIN)
        return fault_set(why, EX_CONFIG, "profile %s: it asks more than %d times for one thing",
            d->p->name, ASK_STEPS_MAX);
    return rc;
}
