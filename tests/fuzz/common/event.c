/* SPDX-License-Identifier: MIT */
/*
 * Any line: it is refused with a reason, or read.  What was read is written unchanged, and with
 * fields set and removed; each result is read again and must say what it should.
 */
#include "event.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
    if (!fine)
        abort();
}

/* The same members with the same bytes, but for fields of `touched`. */
static void check_same(const struct event *a, const struct event *b, uint64_t touched)
{
    unsigned i = 0, j = 0;

    for (;; i++, j++) {
        while (i < a->count && touched & EVENT_BIT(a->member[i].field))
            i++;
        while (j < b->count && touched & EVENT_BIT(b->member[j].field))
            j++;
        if (i == a->count || j == b->count)
            break;
        check(a->member[i].field == b->member[j].field &&
              slice_eq((struct slice){a->line.p + a->member[i].start,
                           a->member[i].end - a->member[i].start},
                  (struct slice){
                      b->line.p + b->member[j].start, b->member[j].end - b->member[j].start}));
    }
    check(i == a->count && j == b->count);
}

static void write_and_read(const struct event *e, const struct draft *d, struct slice text)
{
    struct event_reader *reader = event_reader_new();
    struct buf out = {0};
    struct event again;
    struct fault why;

    event_write(&out, e, d);
    check(event_read(reader, buf_all(&out), &again, &why) == 0);
    check_same(e, &again, d->set | d->gone);
    for (int f = 0; f < EVENT_FIELDS; f++) {
        enum event_field field = (enum event_field)f;

        if (d->gone & EVENT_BIT(f))
            check(!event_has(&again, field));
        else if (d->set & EVENT_BIT(f))
            check(d->json & EVENT_BIT(f) ? slice_eq(event_json(&again, field), d->value[f])
                                         : slice_eq(event_str(&again, field), text));
        else
            check(slice_eq(event_json(e, field), event_json(&again, field)));
    }
    buf_free(&out);
    event_reader_free(reader);
}

static void print_bad(struct slice line, const char *reason)
{
    struct event_reader *reader = event_reader_new();
    struct buf out = {0};
    struct event e;
    struct fault why;

    event_print_bad(&out, line, reason, NULL);
    check(event_read(reader, buf_all(&out), &e, &why) == 0);
    check(slice_is(event_str(&e, EV_ERROR), reason));
    buf_free(&out);
    event_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct event_reader *reader = event_reader_new();
    struct slice line = {(const char *)data, size};
    struct draft d;
    struct event e;
    struct fault why = {0};

    if (event_read(reader, line, &e, &why) < 0) {
        check(why.status != 0 && why.text[0] != '\0');
        print_bad(line, why.text);
    } else {
        uint64_t bits = 0;

        draft_reset(&d);
        write_and_read(&e, &d, SLICE_NONE);
        for (size_t i = 0; i < size; i++)
            bits = bits * 0x9e3779b97f4a7c15ull + data[i] + 1;
        for (int f = 0; f < EVENT_FIELDS; f++, bits = bits >> 2 | bits << 62) {
            if ((bits & 3) == 1)
                draft_str(&d, (enum event_field)f, SLICE("a \"text\"\n"));
            else if ((bits & 3) == 2)
                draft_json(&d, (enum event_field)f, SLICE("[1, {}]"));
            else if ((bits & 3) == 3)
                draft_remove(&d, (enum event_field)f);
        }
        write_and_read(&e, &d, SLICE("a \"text\"\n"));
        event_person(&e);
    }
    event_reader_free(reader);
    return 0;
}
