/* SPDX-License-Identifier: MIT */
/* A cursor walks over the text once; every field has its count of digits and its range. */
#include "stamp.h"

struct cursor {
    const char *p, *end;
};

static bool at(const struct cursor *c, char wanted)
{
    return c->p < c->end && *c->p == wanted;
}

static bool take(struct cursor *c, char wanted)
{
    if (!at(c, wanted))
        return false;
    c->p++;
    return true;
}

/* A number of 1 to `most` digits that is followed by none; how many there were, or 0. */
static int take_number(struct cursor *c, int most, int *value)
{
    int n = 0;

    for (*value = 0; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++, n++) {
        if (n == most)
            return 0;
        *value = *value * 10 + (*c->p - '0');
    }
    return n;
}

struct fields {
    int year, month, day, hour, minute, second, ms;
};

static const char not_a_time[] = "not a time";

static const char *take_date(struct cursor *c, enum stamp_order order, struct fields *f)
{
    int number[3], digits[3];
    char mark = '\0';

    for (int i = 0; i < 3; i++) {
        if (i == 1 && c->p < c->end)
            mark = *c->p;
        if (i > 0 && !take(c, mark))
            return not_a_time;
        digits[i] = take_number(c, 4, &number[i]);
        if (digits[i] == 0)
            return not_a_time;
    }
    if (mark != '-' && mark != '/' && mark != '.')
        return not_a_time;
    f->month = number[1];
    if (digits[0] == 4 && digits[1] <= 2 && digits[2] <= 2 && mark != '.') {
        f->year = number[0];
        f->day = number[2];
        return NULL;
    }
    if (digits[0] > 2 || digits[1] > 2 || digits[2] != 4)
        return not_a_time;
    if (mark != '.' && order == STAMP_UNKNOWN)
        return "ambiguous date: give -o date=dmy or mdy";
    f->day = number[0];
    f->year = number[2];
    if (mark != '.' && order == STAMP_MDY) {
        f->month = number[0];
        f->day = number[1];
    }
    return NULL;
}

static bool take_fraction(struct cursor *c, int *ms)
{
    int scale = 100, n = 0;

    for (; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++, n++, scale /= 10)
        *ms += scale * (*c->p - '0');
    return n > 0;
}

/* AM or PM, with or without a space; hours of a 12-hour clock become those of the day. */
static bool take_half(struct cursor *c, struct fields *f)
{
    const char *p = c->p;
    char half;

    while (p < c->end && *p == ' ')
        p++;
    if (c->end - p < 2 || (p[1] != 'M' && p[1] != 'm'))
        return true;
    half = (char)(*p | 0x20);
    if ((half != 'a' && half != 'p') || f->hour < 1 || f->hour > 12)
        return false;
    f->hour = f->hour % 12 + (half == 'p' ? 12 : 0);
    c->p = p + 2;
    return true;
}

static bool take_clock(struct cursor *c, struct fields *f)
{
    if (take_number(c, 2, &f->hour) == 0 || !take(c, ':') || take_number(c, 2, &f->minute) != 2)
        return false;
    if (take(c, ':')) {
        if (take_number(c, 2, &f->second) != 2)
            return false;
        if (take(c, '.') && !take_fraction(c, &f->ms))
            return false;
    }
    return take_half(c, f);
}

/* The rest is nothing, Z, or an offset; its RFC 3339 form goes to out (7 bytes), its length is
   returned; -1 when it is anything else. */
static int take_offset(struct cursor *c, char *out)
{
    int hours, minutes;
    size_t n = (size_t)(c->end - c->p);

    if (n == 0)
        return 0;
    if (n == 1 && (*c->p == 'Z' || *c->p == 'z')) {
        memcpy(out, "Z", 1);
        return 1;
    }
    if (n != 6 || (*c->p != '+' && *c->p != '-'))
        return -1;
    memcpy(out, c->p++, 6);
    if (take_number(c, 2, &hours) != 2 || !take(c, ':') || take_number(c, 2, &minutes) != 2 ||
        hours > 23 || minutes > 59)
        return -1;
    return 6;
}

const char *stamp_parse(struct slice text, enum stamp_order order, struct stamp *out)
{
    struct cursor c;
    struct fields f = {0};
    const char *error;
    char offset[7];
    int offset_bytes;

    text = slice_trim(text);
    c = (struct cursor){text.p, text.p + text.n};
    error = take_date(&c, order, &f);
    if (error && error == not_a_time)
        return error;
    if (!take(&c, 'T') && !take(&c, 't') && !take(&c, ' '))
        return not_a_time;
    while (take(&c, ' '))
        ;
    if (!take_clock(&c, &f))
        return not_a_time;
    offset_bytes = take_offset(&c, offset);
    if (offset_bytes < 0)
        return not_a_time;
    if (error)
        return error;
    if (!clock_date_exists(f.year, f.month, f.day) || f.hour > 23 || f.minute > 59 || f.second > 59)
        return "impossible date";
    out->local_bytes = clock_print_local(out->local,
        clock_days(f.year, f.month, f.day) * 86400 + f.hour * 3600 + f.minute * 60 + f.second,
        f.ms);
    out->zoned_bytes = 0;
    if (offset_bytes > 0) {
        out->zoned_bytes = out->local_bytes + (size_t)offset_bytes;
        memcpy(out->zoned, out->local, out->local_bytes);
        memcpy(out->zoned + out->local_bytes, offset, (size_t)offset_bytes);
    }
    return NULL;
}
