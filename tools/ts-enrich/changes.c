/* SPDX-License-Identifier: MIT */
/*
 * Two lines of one event, compared member by member:
 *
 *   {"event_id":"…","device_id":"…","changes":{"time":{"was":"…","now":"…"},"hold":{"was":"…"}}}
 */
#include "changes.h"

#include <inttypes.h>
#include <stdlib.h>

struct changes *changes_new(void)
{
    struct changes *c = mem_alloc(sizeof *c);

    *c = (struct changes){.before = event_reader_new(), .after = event_reader_new()};
    return c;
}

void changes_free(struct changes *c)
{
    if (!c)
        return;
    event_reader_free(c->before);
    event_reader_free(c->after);
    free(c);
}

/* With its quotes, as it stands in the line. */
static struct slice key_of(const struct event *e, const struct event_member *m)
{
    const char *p = e->line.p + m->start;
    size_t n = 1;

    while (p[n] != '"')
        n += p[n] == '\\' ? 2 : 1;
    return (struct slice){p, n + 1};
}

static struct slice value_of(const struct event *e, const struct event_member *m)
{
    return m ? (struct slice){e->line.p + m->value, m->end - m->value} : SLICE_NONE;
}

/* The member of the same name in the other event, or NULL. */
static const struct event_member *other(
    const struct event *o, const struct event *e, const struct event_member *m)
{
    if (m->field < EVENT_FIELDS)
        return event_has(o, m->field) ? &o->member[o->at[m->field]] : NULL;
    for (unsigned i = 0; i < o->count; i++)
        if (slice_eq(key_of(o, &o->member[i]), key_of(e, m)))
            return &o->member[i];
    return NULL;
}

static void print_change(struct buf *out, struct slice key, struct slice was, struct slice now)
{
    if (out->data[out->len - 1] != '{')
        buf_char(out, ',');
    buf_slice(out, key);
    buf_lit(out, ":{");
    if (was.p)
        buf_lit(out, "\"was\":");
    buf_slice(out, was);
    if (now.p)
        buf_printf(out, "%s\"now\":", was.p ? "," : "");
    buf_slice(out, now);
    buf_char(out, '}');
}

/* The members of e that o has not, or with another value; `gone` tells which of both is meant. */
static unsigned print_differences(
    struct changes *c, const struct event *e, const struct event *o, bool gone, struct buf *out)
{
    unsigned found = 0;

    for (unsigned i = 0; i < e->count; i++) {
        const struct event_member *m = &e->member[i], *twin = other(o, e, m);
        struct slice value = value_of(e, m);

        if (gone ? twin != NULL : twin && slice_eq(value_of(o, twin), value))
            continue;
        if (gone)
            print_change(out, key_of(e, m), value, SLICE_NONE);
        else
            print_change(out, key_of(e, m), value_of(o, twin), value);
        c->fields[m->field < EVENT_FIELDS ? m->field : EVENT_FIELDS]++;
        found++;
    }
    return found;
}

/* Which event it is: enough to find it in the queue, in the log and at the receiver. */
static void print_event(struct buf *out, const struct event *e)
{
    static const enum event_field fields[] = {
        EV_EVENT_ID, EV_DEVICE_ID, EV_LOCAL_TIME, EV_PERSON_ID, EV_CARD_NO, EV_EMPLOYEE_ID};

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (event_has(e, fields[i])) {
            buf_printf(out, "\"%s\":", event_key(fields[i]));
            buf_slice(out, event_json(e, fields[i]));
            buf_char(out, ',');
        }
}

void changes_line(struct changes *c, struct slice before, struct slice after, struct buf *out)
{
    size_t start = out->len;
    struct event was, now;
    struct fault why;
    unsigned found;

    if (event_read(c->before, before, &was, &why) < 0 ||
        event_read(c->after, after, &now, &why) < 0)
        return;
    buf_char(out, '{');
    print_event(out, &now);
    buf_lit(out, "\"changes\":{");
    found = print_differences(c, &now, &was, false, out);
    found += print_differences(c, &was, &now, true, out);
    buf_lit(out, "}}\n");
    c->events++;
    c->changed += found > 0;
    if (found == 0)
        out->len = start;
}

void changes_sum(const struct changes *c, struct buf *out)
{
    const char *before = ": ";

    buf_printf(out, "%" PRIu64 " of %" PRIu64 " events change", c->changed, c->events);
    for (int i = 0; i <= EVENT_FIELDS; i++)
        if (c->fields[i] > 0) {
            buf_printf(out, "%s%s %" PRIu64, before,
                i < EVENT_FIELDS ? event_key((enum event_field)i) : "others", c->fields[i]);
            before = ", ";
        }
}
