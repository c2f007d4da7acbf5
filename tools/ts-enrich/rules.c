/* SPDX-License-Identifier: MIT */
/*
 * An event becomes a value; what comes out is compared with it, member by member, and only what
 * differs is printed anew.  Inside a changed member the same is done once more, since a number
 * above 2^53 is a string for jq.
 *
 * Most events of a stream have the same members in the same order, and half of their values in
 * common: the last event of each of a few such forms is kept as a value, and only what differs from
 * it is made anew.  libjq takes longer to build an object of 20 members than to run a program.
 */
#include "rules.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "json.h"
#include "line.h"
#include "script.h"

#define REASON_WORDS 12
#define REASON_BYTES 300 /* of a message are looked at */
#define MEMBERS_MAX (EVENT_OTHERS_MAX + EVENT_FIELDS)

/* A member of the event in hand. */
struct part {
    struct value name, value; /* as they stand in the event; the name is ours, the value not */
    struct slice text;        /* of the name */
    yyjson_val *json;         /* NULL: not shown */
    unsigned last;            /* the last member of that name, which counts */
    bool seen;                /* it is in what came out … */
    bool changed;             /* … with another value */
};

/* Events with the same members: the last one. */
struct form {
    struct value event;
    struct buf line;
    bool used;
    bool huge; /* more than VALUES_MAX */
    unsigned parts;
    struct part part[MEMBERS_MAX];
    struct event_member place[MEMBERS_MAX]; /* of its members in the line */
};
#define FORMS 4
#define FORM_BYTES_MAX (16u << 10) /* larger events are not kept */

struct program {
    struct script *script;
    bool wants_site;
};

struct rules {
    struct program program[RULES_MAX];
    unsigned count;
    struct value site;
    struct form form[FORMS];
    unsigned turn;   /* which form makes room for the next */
    struct buf text; /* the new values of fields, one behind the other */
    struct buf more; /* members that are none of our fields, each with a comma before it */
    struct buf reason;
};

struct rules *rules_new(void)
{
    struct rules *r = mem_alloc(sizeof *r);

    memset(r, 0, sizeof *r);
    return r;
}

static void forget(struct form *f)
{
    for (unsigned i = 0; i < f->parts; i++)
        value_free(f->part[i].name);
    if (f->used)
        value_free(f->event);
    f->used = false;
    f->parts = 0;
}

void rules_free(struct rules *r)
{
    if (!r)
        return;
    for (unsigned i = 0; i < FORMS; i++) {
        forget(&r->form[i]);
        buf_free(&r->form[i].line);
    }
    if (r->count > 0)
        value_free(r->site);
    for (unsigned i = 0; i < r->count; i++)
        script_free(r->program[i].script);
    buf_free(&r->text);
    buf_free(&r->more);
    buf_free(&r->reason);
    free(r);
}

int rules_add(struct rules *r, const char *name, struct slice program, struct fault *why)
{
    bool site = program.n > 0 && memmem(program.p, program.n, "$site", 5);
    struct script_text text = {.name = name, .program = program};

    if (site)
        text.before = SLICE(".[0] as $site | .[1] |");
    if (r->count == RULES_MAX)
        return fault_set(why, EX_USAGE, "%s: more than %d programs", name, RULES_MAX);
    if (slice_trim(program).n == 0)
        return fault_set(why, EX_CONFIG, "%s: the program is empty", name);
    r->program[r->count] = (struct program){script_new(&text, why), site};
    if (!r->program[r->count].script)
        return -1;
    if (r->count++ == 0)
        r->site = value_null();
    return 0;
}

void rules_site(struct rules *r, yyjson_val *site)
{
    if (r->count == 0)
        return;
    value_free(r->site);
    r->site = site ? value_of_ours(site) : value_null();
}

/* ---- why it cannot be had ---- */

/* The words that jq's own messages are made of.  All else in a message may come from the event. */
static const char *const words[] = {"a", "added", "and", "argument", "array", "as", "base64", "be",
    "because", "boolean", "bounds", "by", "cannot", "checked", "containment", "data", "date",
    "decoded", "delete", "determined", "divided", "divisor", "does", "element", "end", "escaped",
    "explode", "expression", "field", "fields", "for", "format", "halt", "has", "have", "implode",
    "in", "index", "indices", "input", "inputs", "integer", "invalid", "is", "it", "iterate",
    "join", "key", "keys", "length", "limit", "match", "matched", "mktime", "multiplied", "must",
    "near", "negative", "no", "not", "null", "number", "numbers", "numeric", "object", "of", "only",
    "or", "out", "over", "parsed", "path", "range", "regex", "remainder", "requires", "separator",
    "slice", "slices", "sorted", "split", "start", "string", "strings", "strptime", "subtracted",
    "the", "their", "time", "too", "to", "use", "valid", "value", "values", "with", "zero"};

static bool is_word(struct slice word)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == word.n && strncasecmp(words[i], word.p, word.n) == 0)
            return true;
    return false;
}

static const char *say(struct rules *r, const char *text)
{
    r->reason.len = 0;
    buf_printf(&r->reason, RULES_ERROR "%s%c", text, 0);
    return r->reason.data;
}

/* Takes the message. */
static const char *say_failed(struct rules *r, struct value message)
{
    struct slice text = value_text(message);
    unsigned said = 0;

    if (text.n > REASON_BYTES)
        text.n = REASON_BYTES;
    r->reason.len = 0;
    buf_lit(&r->reason, RULES_ERROR "failed");
    while (text.n > 0 && said < REASON_WORDS) {
        size_t n = 0;

        while (n < text.n && isalnum((unsigned char)text.p[n]))
            n++;
        if (n > 0 && is_word((struct slice){text.p, n})) {
            buf_text(&r->reason, said++ == 0 ? ": " : " ");
            for (size_t i = 0; i < n; i++)
                buf_char(&r->reason, (char)tolower((unsigned char)text.p[i]));
        }
        text.p += n > 0 ? n : 1;
        text.n -= n > 0 ? n : 1;
    }
    buf_char(&r->reason, '\0');
    value_free(message);
    return r->reason.data;
}

bool rules_error(struct slice error)
{
    size_t n = sizeof RULES_ERROR - 1;

    return error.n >= n && memcmp(error.p, RULES_ERROR, n) == 0;
}

/* ---- running ---- */

/* Why `got` is not what it should be; takes v, which came with it. */
static const char *complain(struct rules *r, enum script_got got, struct value v)
{
    if (got == SCRIPT_ERROR)
        return say_failed(r, v);
    value_free(v);
    return say(r, got == SCRIPT_VALUE ? "more than one output" : "no output");
}

/* One program: *v goes in and what it gives comes out; on an error *v is null. */
static const char *run(struct rules *r, const struct program *p, struct value *v)
{
    struct script *script = p->script;
    struct value input = *v, more;
    const char *error = NULL;
    enum script_got got;

    if (p->wants_site) {
        input = value_array();
        value_push(&input, value_copy(r->site));
        value_push(&input, *v);
    }
    script_start(script, input);
    got = script_next(script, v);
    if (got != SCRIPT_VALUE) {
        error = complain(r, got, *v);
        *v = value_null();
    } else if ((got = script_next(script, &more)) != SCRIPT_END) {
        error = complain(r, got, more);
    } else if (value_kind(*v) != VALUE_OBJECT) {
        error = say(r, "its output is not an object");
    }
    if (error)
        script_stop(script); /* at its end it holds nothing */
    return error;
}

/* ---- the event as a value ---- */

static struct slice bytes_of(struct slice line, const struct event_member *m, bool value)
{
    return value ? (struct slice){line.p + m->value, m->end - m->value}
                 : (struct slice){line.p + m->start, m->value - m->start};
}

/* Whether it has the members of the last one, in their order and in the same spelling. */
static bool same_members(const struct form *f, const struct event *e)
{
    if (!f->used || e->count != f->parts)
        return false;
    for (unsigned i = 0; i < e->count; i++)
        if (!slice_eq(bytes_of(e->line, &e->member[i], false),
                bytes_of(buf_all(&f->line), &f->place[i], false)))
            return false;
    return true;
}

/* Which of several members of one name counts: the last one, as for jq. */
static void find_twins(struct form *f)
{
    for (unsigned i = f->parts; i-- > 0;) {
        for (unsigned k = f->parts - 1; k > i; k--)
            if (slice_eq(f->part[k].text, f->part[i].text)) {
                f->part[i].last = k;
                break;
            }
    }
}

static void make_part(const struct form *f, struct part *part, yyjson_val *json)
{
    part->json = f->huge && values_in(json) > VALUES_FEW ? NULL : json;
    part->value = part->json ? value_of_part(json, 1) : value_null();
}

/* Makes all of it. */
static void make_whole(struct form *f, const struct event *e)
{
    yyjson_val *name, *json;
    size_t i, n;

    forget(f);
    f->event = value_object();
    f->used = true;
    yyjson_obj_foreach(e->root, i, n, name, json)
    {
        struct part *part = &f->part[i];

        part->name = value_string((struct slice){yyjson_get_str(name), yyjson_get_len(name)});
        part->text = value_text(part->name);
        make_part(f, part, json);
        part->last = (unsigned)i;
        value_set_value(&f->event, part->name, part->value);
        f->parts++;
    }
    if (value_count(f->event) < f->parts)
        find_twins(f);
}

/* Makes what is not as it was. */
static void make_changed(struct form *f, const struct event *e)
{
    yyjson_val *name, *json;
    size_t i, n;

    yyjson_obj_foreach(e->root, i, n, name, json)
    {
        struct part *part = &f->part[i];

        if (part->json)
            part->json = json;
        if (part->last != i || slice_eq(bytes_of(e->line, &e->member[i], true),
                                   bytes_of(buf_all(&f->line), &f->place[i], true)))
            continue;
        make_part(f, part, json);
        value_set_value(&f->event, part->name, part->value);
    }
}

/* The event as a value: a form that lasts until the next call. */
static struct form *make(struct rules *r, const struct event *e)
{
    struct form *f = NULL;
    bool huge = values_in(e->root) > VALUES_MAX;

    for (unsigned i = 0; i < FORMS && !f; i++)
        if (same_members(&r->form[i], e) && r->form[i].huge == huge)
            f = &r->form[i];
    if (f) {
        make_changed(f, e);
    } else {
        f = &r->form[r->turn++ % FORMS];
        f->huge = huge;
        make_whole(f, e);
    }
    f->line.len = 0;
    buf_slice(&f->line, e->line);
    memcpy(f->place, e->member, e->count * sizeof *e->member);
    return f;
}

/* ---- putting together ---- */

/* What delivery goes by: nobody's to change. */
static const uint64_t kept =
    EVENT_BIT(EV_EVENT_ID) | EVENT_BIT(EV_ATTEMPTS) | EVENT_BIT(EV_AMBIGUOUS) | EVENT_BIT(EV_ACK);

static void print_json(struct buf *out, yyjson_val *json)
{
    size_t n;
    char *text = yyjson_val_write(json, 0, &n);

    if (!text)
        abort(); /* only for want of memory: it was parsed from text */
    buf_add(out, text, n);
    free(text);
}

static void print_over(struct buf *out, struct value v, yyjson_val *was, unsigned depth);

static void print_array_over(struct buf *out, struct value v, yyjson_val *was, unsigned depth)
{
    yyjson_arr_iter old = yyjson_arr_iter_with(was);
    unsigned n = value_count(v);

    buf_char(out, '[');
    for (unsigned i = 0; i < n; i++) {
        struct value element = value_at(v, i);

        if (i > 0)
            buf_char(out, ',');
        print_over(out, element, yyjson_arr_iter_next(&old), depth + 1);
        value_free(element);
    }
    buf_char(out, ']');
}

static void print_object_over(struct buf *out, struct value v, yyjson_val *was, unsigned depth)
{
    yyjson_obj_iter old = yyjson_obj_iter_with(was);
    struct value member;
    struct slice key;
    char gap = '{';
    int at = 0;

    while (value_next(v, &at, &key, &member)) {
        buf_char(out, gap);
        gap = ',';
        json_str(out, key);
        buf_char(out, ':');
        print_over(out, member, yyjson_obj_iter_getn(&old, key.p, key.n), depth + 1);
        value_free(member);
    }
    buf_text(out, gap == '{' ? "{}" : "}");
}

/* A value in place of another (NULL: of none), which is `depth` deep in the event: what is the same
   in both keeps its digits. */
static void print_over(struct buf *out, struct value v, yyjson_val *was, unsigned depth)
{
    struct value old;

    if (was && value_kind(v) == VALUE_OBJECT && yyjson_is_obj(was) &&
        yyjson_obj_size(was) <= VALUE_MEMBERS_MAX) {
        print_object_over(out, v, was, depth);
        return;
    }
    if (was && value_kind(v) == VALUE_ARRAY && yyjson_is_arr(was)) {
        print_array_over(out, v, was, depth);
        return;
    }
    old = was ? value_of_part(was, depth) : value_null();
    if (was && value_same(v, old))
        print_json(out, was);
    else
        value_print(out, v);
    value_free(old);
}

struct merge {
    struct rules *rules;
    struct form *form;
    const struct event *e;
    struct draft draft;
    size_t start[EVENT_FIELDS], end[EVENT_FIELDS]; /* of new values in rules->text */
    unsigned others;                               /* members that are none of our fields */
};

/* The value of a member that was not there (was: NULL), or had another one. */
static void set(struct merge *m, struct value name, struct value v, yyjson_val *was)
{
    struct slice key = value_text(name);
    enum event_field f = event_field_of(key);
    struct buf *text = f < EVENT_FIELDS ? &m->rules->text : &m->rules->more;

    if (f == EVENT_FIELDS) {
        m->others++;
        buf_char(text, ',');
        json_str(text, key);
        buf_char(text, ':');
    } else if (EVENT_BIT(f) & kept) {
        return;
    } else {
        m->draft.set |= EVENT_BIT(f);
        m->start[f] = text->len;
    }
    print_over(text, v, was, 1);
    if (f < EVENT_FIELDS)
        m->end[f] = text->len;
}

/* The member of that name; NULL: there was none.  `next` is where it most likely is. */
static struct part *find(struct form *f, struct value name, unsigned next)
{
    struct slice key;

    if (next < f->parts && value_is(f->part[next].name, name))
        return &f->part[f->part[next].last];
    key = value_text(name);
    for (unsigned i = f->parts; i-- > 0;)
        if (slice_eq(f->part[i].text, key))
            return &f->part[i];
    return NULL;
}

/* What is new, and what has another value. */
static void compare(struct merge *m, struct value after)
{
    struct form *f = m->form;
    struct value name, v;
    unsigned next = 0;
    int at = 0;

    for (unsigned i = 0; i < f->parts; i++)
        f->part[i].seen = f->part[i].changed = false;
    while (value_step(after, &at, &name, &v)) {
        struct part *part = find(f, name, next++);

        if (part)
            part->seen = true;
        if (part && (value_is(part->value, v) || value_same(part->value, v)))
            continue;
        if (part)
            part->changed = true;
        set(m, name, v, part ? part->json : NULL);
    }
}

/* What was there and is not any more, or stands elsewhere now. */
static void take_away(struct merge *m)
{
    for (unsigned i = 0; i < m->e->count; i++) {
        struct event_member *member = &m->e->member[i];
        const struct part *part = &m->form->part[m->form->part[i].last];
        bool ours = member->field < EVENT_FIELDS;

        if (ours && !part->seen && !(EVENT_BIT(member->field) & kept))
            draft_remove(&m->draft, member->field);
        else if (!ours && (!part->seen || part->changed))
            member->field = EVENT_DROPPED;
        else
            m->others += !ours;
    }
}

static void write_merged(struct merge *m, struct buf *out)
{
    struct slice more = buf_all(&m->rules->more);

    for (unsigned f = 0; f < EVENT_FIELDS; f++)
        if (m->draft.set & EVENT_BIT(f))
            draft_json(&m->draft, (enum event_field)f,
                (struct slice){m->rules->text.data + m->start[f], m->end[f] - m->start[f]});
    event_write(out, m->e, &m->draft);
    if (more.n == 0)
        return;
    out->len--; /* the brace */
    if (out->data[out->len - 1] == '{')
        more.p++, more.n--;
    buf_slice(out, more);
    buf_char(out, '}');
}

/* What the next program would not read must not go out. */
static const char *check(struct merge *m, size_t bytes)
{
    if (m->others > EVENT_OTHERS_MAX)
        return say(m->rules, "it makes more fields than an event may have");
    if (bytes >= LINE_MAX_BYTES && bytes > m->e->line.n)
        return say(m->rules, "it makes the event longer than 1 MiB");
    return NULL;
}

const char *rules_apply(struct rules *r, const struct event *e, struct buf *out)
{
    struct merge m = {.rules = r, .e = e};
    size_t start = out->len;
    const char *error = NULL;
    struct value v;

    m.form = make(r, e);
    v = value_copy(m.form->event);
    for (unsigned i = 0; i < r->count && !error; i++)
        error = run(r, &r->program[i], &v);
    if (!error && value_is(v, m.form->event)) {
        buf_slice(out, e->line); /* let through as it is */
    } else if (!error) {
        r->text.len = r->more.len = 0;
        compare(&m, v);
        take_away(&m);
        write_merged(&m, out);
        error = check(&m, out->len - start);
        if (error)
            out->len = start;
    }
    value_free(v);
    if (e->line.n > FORM_BYTES_MAX) {
        forget(m.form);
        buf_free(&m.form->line);
    }
    return error;
}
