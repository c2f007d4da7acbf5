/* SPDX-License-Identifier: MIT */
/*
 * The conversation of talk.c without its network: login, request, steps, verdict.  Each request
 * takes the next reply; when there is none left, the rest is not known and that is the end.
 */
#include "explain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "identity.h"
#include "judge.h"
#include "line.h"

#define REPLY_FILE_MAX (2u << 20)

struct explanation {
    const struct scripted *p;
    const struct explain_config *config;
    struct line_writer out;
    struct reply reply;
    struct ask ask;
    struct ask_input in;
    struct verdict *verdicts;
    unsigned used; /* replies */
};

/* {"what": v}; takes v. */
static void say(struct explanation *x, const char *what, struct value v)
{
    struct value line = value_object();

    value_set(&line, what, v);
    value_print(&x->out.buf, line);
    buf_char(&x->out.buf, '\n');
    value_free(line);
}

/* The request as the profile returned it, completed by what will go out. */
static void say_request(struct explanation *x, const char *what)
{
    struct value v = value_copy(x->ask.sent), fields = value_object(), form;

    value_set(&v, "method", value_string(slice_of(x->ask.method)));
    value_set(&v, "url", value_string(slice_of(x->ask.url.data)));
    for (unsigned i = 0; i < x->ask.field_count; i++) {
        const char *line = x->ask.field[i], *colon = strchr(line, ':');
        char name[80];
        size_t n = 0;

        for (; line + n < colon && n < sizeof name - 1; n++)
            name[n] = (char)(line[n] >= 'A' && line[n] <= 'Z' ? line[n] | 0x20 : line[n]);
        name[n] = '\0';
        value_set(&fields, name, value_string(slice_of(colon + 2)));
    }
    value_set(&v, "headers", fields);
    form = value_get(v, "form");
    if (value_kind(form) != VALUE_NULL)
        value_set(&v, "body", value_string(buf_all(&x->ask.body)));
    value_free(form);
    say(x, what, v);
}

/* ---- replies ---- */

static int read_all(const char *name, struct buf *out, struct fault *why)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;

    if (fd < 0)
        return fault_errno(why, EX_NOINPUT, "--reply %s: cannot open", name);
    while (n > 0 && out->len < REPLY_FILE_MAX) {
        n = read(fd, buf_room(out, 65536), 65536);
        if (n > 0)
            out->len += (size_t)n;
    }
    close(fd);
    return n < 0 ? fault_errno(why, EX_NOINPUT, "--reply %s: cannot read", name) : 0;
}

/* 1 the next reply is there, 0 there is none. */
static int next_reply(struct explanation *x, struct fault *why)
{
    struct buf text = {0};
    size_t at = 0;
    int rc;

    if (x->used == x->config->replies)
        return 0;
    rc = read_all(x->config->reply[x->used++], &text, why);
    reply_reset(&x->reply);
    while (rc == 0 && at < text.len) {
        const char *start = text.data + at, *end = memchr(start, '\n', text.len - at);
        size_t n = end ? (size_t)(end - start) + 1 : text.len - at;

        at += n;
        if (n == 1 || (n == 2 && start[0] == '\r'))
            break;
        reply_header(&x->reply, (struct slice){start, n});
    }
    if (rc == 0)
        reply_body(&x->reply, (struct slice){text.data + at, text.len - at});
    if (rc == 0 && x->reply.status == 0)
        rc =
            fault_set(why, EX_DATAERR, "--reply %s: must begin with a status line, as HTTP/1.1 200",
                x->config->reply[x->used - 1]);
    buf_free(&text);
    return rc < 0 ? rc : 1;
}

/* ---- the conversation ---- */

static int call(struct explanation *x, enum script_function f, bool secrets, struct value *said,
    struct fault *why)
{
    return script_call(x->p->script, f, ask_input(x->p, &x->in, secrets), said, why);
}

/* Asks for the verdict (or session) on the reply at hand. */
static int call_judge(
    struct explanation *x, enum script_function f, struct value *said, struct fault *why)
{
    return script_call(x->p->script, f, judge_input(x->p, &x->in, &x->reply, &x->ask), said, why);
}

static void say_judgement(struct explanation *x, const struct judgement *j, unsigned n)
{
    struct value v;

    if (j->one.act == ACT_THEN && !j->each) {
        v = value_object();
        value_set(&v, "then", value_copy(j->memo));
    } else if (j->each) {
        v = value_array();
        for (unsigned i = 0; i < n; i++)
            value_push(
                &v, x->verdicts[i].act == ACT_THEN ? value_null() : judge_value(x->verdicts[i]));
    } else {
        v = judge_value(j->one);
        value_set(&v, "by", value_string(j->plain ? SLICE("plain table") : SLICE("profile")));
    }
    say(x, "verdict", v);
}

static void set_memo(struct explanation *x, struct value memo)
{
    value_free(x->in.memo);
    x->in.memo = memo;
}

/* Those that `request` has no verdict on stay. */
static bool keep_unjudged(struct explanation *x, unsigned n)
{
    struct value left = value_array();
    bool fewer;

    for (unsigned i = 0; i < n; i++)
        if (x->verdicts[i].act == ACT_THEN)
            value_push(&left, value_at(x->in.events, i));
    fewer = value_count(left) > 0 && value_count(left) < n;
    value_free(x->in.events);
    x->in.events = left;
    return fewer;
}

/* 1: go on with the next step; 0: that was the last word. */
static int judged(struct explanation *x, struct value said, struct fault *why)
{
    unsigned n = value_count(x->in.events);
    bool replied = x->reply.status > 0;
    struct verdict plain = {.act = ACT_THEN};
    struct judgement j;
    int rc;

    n = n > 0 ? n : 1; /* of a login */
    if (replied) {
        plain = verdict_of(x->reply.net, x->reply.status);
        plain.wait_ms = reply_wait_ms(&x->reply, x->in.now_s);
    }
    if (judge_read(x->p, said, n, plain, &j, x->verdicts, why) < 0)
        return -1;
    say_judgement(x, &j, n);
    rc = j.each ? !replied && keep_unjudged(x, n) : j.one.act == ACT_THEN;
    if (rc && !j.each)
        set_memo(x, value_copy(j.memo));
    judgement_free(&j);
    return rc;
}

/* 1: logged in, or no need to; 0: the end. */
static int log_in(struct explanation *x, struct fault *why)
{
    struct value said, session;
    int rc = 1;

    for (unsigned step = 0; rc == 1 && step < ASK_STEPS_MAX; step++) {
        if (call(x, SCRIPT_LOGIN, true, &said, why) < 0)
            return -1;
        if (value_kind(said) == VALUE_NULL)
            return 1;
        rc = ask_read(x->p, said, NULL, &x->ask, why);
        value_free(said);
        if (rc < 0)
            return rc;
        say_request(x, "login");
        rc = next_reply(x, why);
        if (rc > 0)
            rc = call_judge(x, SCRIPT_SESSION, &session, why) < 0 ? -1 : 1;
        if (rc <= 0)
            return rc;
        if (value_kind(session) == VALUE_OBJECT && !judge_is_verdict(session)) {
            x->in.session = session;
            say(x, "session", value_copy(session));
            return 1;
        }
        rc = judged(x, session, why);
    }
    return rc;
}

/* The events of one request, to the last word on them. */
static int explain_events(struct explanation *x, struct fault *why)
{
    unsigned step = 0;
    struct value said;
    int rc = 1;

    set_memo(x, value_null());
    while (rc == 1 && step++ < ASK_STEPS_MAX) {
        if (call(x, SCRIPT_REQUEST, true, &said, why) < 0)
            return -1;
        if (judge_is_verdict(said)) {
            reply_reset(&x->reply);
            rc = judged(x, said, why);
            continue;
        }
        rc = ask_read(x->p, said, NULL, &x->ask, why);
        value_free(said);
        if (rc < 0)
            return rc;
        say_request(x, "request");
        rc = next_reply(x, why);
        if (rc > 0)
            rc = call_judge(x, SCRIPT_VERDICT, &said, why) < 0 ? -1 : judged(x, said, why);
    }
    return rc < 0 ? rc : 0;
}

/* ---- the events ---- */

static int add_event(
    struct explanation *x, struct event_reader *reader, struct slice line, struct fault *why)
{
    char made[IDENTITY_TEXT], key[REQUEST_KEY_BYTES];
    struct buf body = {0};
    struct identity id;
    struct slice name;
    struct event e;
    int64_t unix_s;

    if (event_read(reader, line, &e, why) < 0)
        return -1;
    name = event_str(&e, EV_EVENT_ID);
    if (name.n == 0) {
        identity_of(&id, &e, SLICE_NONE, NULL);
        identity_print(&id, made);
        name = slice_of(made);
    }
    request_key(name, x->config->id, key);
    x->p->profile.event(&body, &e, x->config->id == ID_V5 ? slice_of(key) : SLICE_NONE);
    value_push(&x->in.events, ask_event(x->p,
                                  &(struct ask_event){.body = buf_all(&body),
                                      .key = slice_of(key),
                                      .attempts = (unsigned)yyjson_get_uint(e.field[EV_ATTEMPTS]),
                                      .ambiguous = yyjson_get_bool(e.field[EV_AMBIGUOUS])},
                                  &unix_s));
    buf_free(&body);
    return 0;
}

static int flush_events(struct explanation *x, struct fault *why)
{
    int rc = value_count(x->in.events) > 0 ? explain_events(x, why) : 0;

    value_free(x->in.events);
    x->in.events = value_array();
    return rc < 0 ? rc : line_flush(&x->out, why);
}

static int read_events(struct explanation *x, struct fault *why)
{
    struct line_reader *lines = line_reader_new(STDIN_FILENO, LINE_MAX_BYTES);
    struct event_reader *reader = event_reader_new();
    struct slice line;
    enum line kind;
    int rc = 0;

    while (rc == 0 && (kind = line_next(lines, &line, why)) != LINE_END) {
        if (kind == LINE_ERROR)
            rc = -1;
        else if (kind == LINE_LONG)
            rc = fault_set(why, EX_DATAERR, "standard input: longer than a line may be");
        else if (slice_trim(line).n > 0)
            rc = add_event(x, reader, line, why);
        if (rc == 0 && value_count(x->in.events) == x->config->batch)
            rc = flush_events(x, why);
    }
    if (rc == 0)
        rc = flush_events(x, why);
    line_reader_free(lines);
    event_reader_free(reader);
    return rc;
}

int explain(const struct profile *profile, const struct explain_config *config, struct fault *why)
{
    struct explanation x = {.p = profile->scripted,
        .config = config,
        .in = {value_array(), value_null(), value_null(), clock_now_ms() / 1000},
        .reply = {.keep = true}};
    struct clock_time now;
    int rc;

    if (!x.p)
        return fault_set(
            why, EX_USAGE, "--explain: the profile %s is no jq file; see -n", profile->name);
    if (config->now && (!clock_parse(slice_of(config->now), &now) || !now.has_offset))
        return fault_set(why, EX_USAGE, "--now: write it like 2026-05-04T08:00:00Z");
    if (config->now)
        x.in.now_s = clock_instant_ms(&now) / 1000;
    ask_init(&x.ask);
    reply_reset(&x.reply);
    line_writer_init(&x.out, STDOUT_FILENO, "standard output");
    x.verdicts = mem_alloc(config->batch * sizeof *x.verdicts);
    rc = log_in(&x, why);
    if (rc > 0)
        rc = read_events(&x, why);
    if (rc < 0) { /* what was found out before is still worth reading */
        struct fault ignored;

        line_flush(&x.out, &ignored);
    } else {
        rc = line_close(&x.out, why);
    }
    ask_free(&x.ask);
    value_free(x.in.events);
    value_free(x.in.memo);
    value_free(x.in.session);
    buf_free(&x.reply.lines);
    buf_free(&x.reply.body);
    line_writer_free(&x.out);
    free(x.verdicts);
    return rc;
}
