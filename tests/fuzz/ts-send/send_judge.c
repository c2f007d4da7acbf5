/* SPDX-License-Identifier: MIT */
/*
 * What a receiver says to a jq profile: header lines, a blank line, a body; `verdict` of a real
 * profile reads it.  And the body once more, as if it were what a profile returned: as a verdict
 * and as a request, which must stay on its host and inside its header fields.
 */
#include <stdint.h>
#include <stdlib.h>

#include "judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BASE "http://hr.example/in"
#define EVENTS 2

static struct scripted *opened;

static void close_profile(void)
{
    scripted_free(opened);
}

static struct scripted *profile(void)
{
    static const struct profile_settings given = {.url = BASE "?k=1"};
    struct fault why;

    if (opened)
        return opened;
    opened = scripted_open("cloudevents", &given, &why);
    if (!opened)
        abort();
    atexit(close_profile); /* libjq keeps only the end of its stack: a leak to a leak checker */
    return opened;
}

static void check_verdicts(const struct judgement *j, const struct verdict *each)
{
    for (unsigned i = 0; i < EVENTS; i++) {
        const struct verdict *v = j->each ? &each[i] : &j->one;

        if (v->act > ACT_THEN || v->cause > CAUSE_REFUSES || v->wait_ms < 0 ||
            (v->reason && strlen(v->reason) > (1u << 20)))
            abort();
    }
}

static void as_verdict(struct value said, const struct reply *r)
{
    struct verdict each[EVENTS], plain = verdict_of(r->net, r->status);
    struct judgement j;
    struct fault why;

    judge_is_verdict(said);
    if (judge_read(profile(), said, EVENTS, plain, &j, each, &why) == 0) {
        check_verdicts(&j, each);
        value_free(judge_value(j.one));
        judgement_free(&j);
    }
}

static void as_request(struct value said)
{
    struct ask a;
    struct fault why;

    ask_init(&a);
    if (ask_read(profile(), said, NULL, &a, &why) == 0) {
        if (strncmp(a.url.data, BASE, strlen(BASE)) != 0 || !strchr("/?", a.url.data[strlen(BASE)]))
            abort();
        for (const char *p = a.url.data; *p; p++)
            if (*p <= ' ' || *p > '~' || *p == '#')
                abort();
        for (unsigned i = 0; i < a.field_count; i++)
            if (strpbrk(a.field[i], "\r\n") || !strchr(a.field[i], ':'))
                abort();
    }
    ask_free(&a);
}

static void judge(const struct reply *r)
{
    struct ask_input in = {value_array(), value_null(), value_null(), 1700000000, NULL};
    struct ask sent;
    struct value said;
    struct fault why;

    ask_init(&sent);
    for (unsigned i = 0; i < EVENTS; i++)
        value_push(&in.events, value_object());
    if (functions_call(profile()->functions, SCRIPT_VERDICT, judge_input(profile(), &in, r, &sent),
            &said, &why) == 0)
        as_verdict(said, r);
    value_free(in.events);
    ask_free(&sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct reply r = {.keep = true};
    const char *p = (const char *)data;
    struct buf again = {0};
    struct value said, same;

    reply_reset(&r);
    while (size > 0) {
        const char *end = memchr(p, '\n', size);
        size_t n = end ? (size_t)(end - p) + 1 : size;

        reply_header(&r, (struct slice){p, n});
        p += n;
        size -= n;
        if (n == 1)
            break;
    }
    reply_body(&r, (struct slice){p, size});
    judge(&r);
    if (value_parse((struct slice){p, size}, &said)) {
        value_print(&again, said);
        if (!value_parse(buf_all(&again), &same))
            abort(); /* what we print is JSON */
        value_free(same);
        as_request(said);
        as_verdict(said, &r); /* takes it */
    }
    buf_free(&again);
    buf_free(&r.lines);
    buf_free(&r.body);
    return 0;
}
