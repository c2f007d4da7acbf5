/* SPDX-License-Identifier: MIT */
/* The three forms of an audit.  In the table a column of zeros is left out. */
#include <stddef.h>

#include "audit.h"
#include "print.h"

/* In the order of the columns; the first and the second are always shown. */
static const struct {
    const char *name;
    unsigned show;
    size_t at;
} counts[] = {
    {"received", 0, offsetof(struct day, received)},
    {"delivered", 0, offsetof(struct day, in[STATE_DELIVERED])},
    {"waiting", STATE_BIT(STATE_WAITING), offsetof(struct day, in[STATE_WAITING])},
    {"held", STATE_BIT(STATE_HELD), offsetof(struct day, in[STATE_HELD])},
    {"dead", STATE_BIT(STATE_DEAD), offsetof(struct day, in[STATE_DEAD])},
    {"skipped", STATE_BIT(STATE_SKIPPED), offsetof(struct day, in[STATE_SKIPPED])},
    {"erased", AUDIT_ERASED, offsetof(struct day, erased)},
    {"duplicates", AUDIT_DUPLICATES, offsetof(struct day, duplicates)},
};

#define COUNTS (sizeof counts / sizeof *counts)

static long long count_of(const struct day *d, size_t n)
{
    return *(const int64_t *)(const void *)((const char *)d + counts[n].at);
}

/* ---- a table for people ---- */

#define MISSING_WIDTH 7

static int width_of(size_t n)
{
    int letters = (int)strlen(counts[n].name);

    return letters < 5 ? 5 : letters;
}

static bool shown(const struct audit_view *v, size_t n)
{
    return counts[n].show == 0 || v->columns & counts[n].show;
}

static struct slice known(struct slice text)
{
    return text.p ? text : SLICE("-");
}

/* Nothing is a dash: what is not zero catches the eye. */
static void table_number(struct buf *out, int width, long long n)
{
    if (n == 0)
        buf_printf(out, " %*s", width, "-");
    else
        buf_printf(out, " %*lld", width, n);
}

static void table_counts(
    struct buf *out, const struct audit_view *v, const struct day *d, int64_t missing)
{
    for (size_t i = 0; i < COUNTS; i++)
        if (shown(v, i))
            table_number(out, width_of(i), count_of(d, i));
    table_number(out, MISSING_WIDTH, missing);
}

static void table_head(struct buf *out, const struct audit_view *v)
{
    print_padded(out, SLICE("device"), v->device_width);
    buf_printf(out, " %-10s", "day");
    for (size_t i = 0; i < COUNTS; i++)
        if (!v->gaps && shown(v, i))
            buf_printf(out, " %*s", width_of(i), counts[i].name);
    buf_printf(out, " %*s  serial numbers\n", MISSING_WIDTH, "missing");
}

static void table_place(
    struct buf *out, const struct audit_view *v, struct slice device, struct slice day)
{
    print_padded(out, known(device), v->device_width);
    buf_char(out, ' ');
    print_padded(out, known(day), 10);
}

static void table_stretch(struct buf *out, int64_t first, int64_t last)
{
    if (first == last)
        buf_printf(out, "%lld", (long long)first);
    else
        buf_printf(out, "%lld-%lld", (long long)first, (long long)last);
}

static void table_day(
    struct buf *out, const struct audit_view *v, const struct day *d, const struct gap_day *gap)
{
    table_place(out, v, d->device, d->day);
    table_counts(out, v, d, gap->missing + gap->missing_before);
    if (d->serials > 0) {
        buf_lit(out, "  ");
        table_stretch(out, d->first_serial, d->last_serial);
    }
    buf_char(out, '\n');
}

static void table_gap(struct buf *out, const struct audit_view *v, const struct missing_row *row)
{
    table_place(out, v, row->device, row->day);
    table_number(out, MISSING_WIDTH, row->count);
    buf_text(out, row->exact ? "  " : "  somewhere in ");
    table_stretch(out, row->first, row->last);
    buf_char(out, '\n');
}

static const char *plural(int64_t n, const char *one, const char *more)
{
    return n == 1 ? one : more;
}

static void say_gaps(struct buf *out, const struct audit_view *v, const struct audit_sum *s)
{
    int64_t blind = s->devices - s->numbered;

    if (s->missing > 0)
        buf_printf(out, "; %lld serial %s missing%s", (long long)s->missing,
            plural(s->missing, "number is", "numbers are"), v->gaps ? "" : ": see --gaps");
    else if (s->numbered > 0)
        buf_lit(out, "; no serial number is missing");
    if (blind > 0)
        buf_printf(out, "; %lld %s no serial numbers to see gaps by", (long long)blind,
            plural(blind, "device has", "devices have"));
}

static const char *verdict(const struct audit_sum *s)
{
    if (!audit_all_in(s))
        return "not everything is in: ";
    if (s->missing > 0)
        return "all that came is in, but something is missing: ";
    return s->all.in[STATE_DEAD] > 0 ? "everything but the dead is in: " : "everything is in: ";
}

static void table_sum(struct buf *out, const struct audit_view *v, const struct audit_sum *s)
{
    if (s->days == 0) {
        buf_lit(out, "nothing was put for this\n");
        return;
    }
    if (!v->gaps && s->days > 1) {
        print_padded(out, SLICE("all"), v->device_width + 11);
        table_counts(out, v, &s->all, s->missing);
        buf_char(out, '\n');
    }
    buf_text(out, verdict(s));
    buf_printf(out, "%lld received", count_of(&s->all, 0));
    for (size_t i = 1; i + 1 < COUNTS; i++)
        if (i == 1 || count_of(&s->all, i) > 0)
            buf_printf(out, ", %lld %s", count_of(&s->all, i), counts[i].name);
    buf_printf(out, "; %lld %s", (long long)s->devices, plural(s->devices, "device", "devices"));
    say_gaps(out, v, s);
    buf_char(out, '\n');
}

/* ---- NDJSON ---- */

static void json_head(struct buf *out, const struct audit_view *v)
{
    (void)out;
    (void)v;
}

static void json_day(
    struct buf *out, const struct audit_view *v, const struct day *d, const struct gap_day *gap)
{
    (void)v;
    buf_char(out, '{');
    print_str(out, "device", d->device);
    print_str(out, "day", d->day);
    for (size_t i = 0; i < COUNTS; i++)
        print_int(out, counts[i].name, count_of(d, i));
    if (d->serials > 0) {
        print_int(out, "first_serial", d->first_serial);
        print_int(out, "last_serial", d->last_serial);
        print_int(out, "missing", gap->missing);
        print_int(out, "missing_before", gap->missing_before);
    }
    print_moment(out, "last_put", d->last_put_ms);
    buf_lit(out, "}\n");
}

static void json_gap(struct buf *out, const struct audit_view *v, const struct missing_row *row)
{
    (void)v;
    buf_char(out, '{');
    print_str(out, "device", row->device);
    print_str(out, "day", row->day);
    print_int(out, "first_missing", row->first);
    print_int(out, "last_missing", row->last);
    print_int(out, "missing", row->count);
    print_bool(out, "exact", row->exact);
    buf_lit(out, "}\n");
}

static void json_sum(struct buf *out, const struct audit_view *v, const struct audit_sum *s)
{
    (void)v;
    buf_char(out, '{');
    print_int(out, "devices", s->devices);
    print_int(out, "devices_with_serials", s->numbered);
    print_int(out, "days", s->days);
    for (size_t i = 0; i < COUNTS; i++)
        print_int(out, counts[i].name, count_of(&s->all, i));
    print_int(out, "missing", s->missing);
    print_bool(out, "everything_in", audit_all_in(s));
    buf_lit(out, "}\n");
}

/* ---- CSV ---- */

static void csv_head(struct buf *out, const struct audit_view *v)
{
    buf_lit(out, "device,day");
    for (size_t i = 0; i < COUNTS && !v->gaps; i++)
        buf_printf(out, ",%s", counts[i].name);
    buf_text(out, v->gaps ? ",first_missing,last_missing,missing,exact\r\n"
                          : ",first_serial,last_serial,missing,missing_before\r\n");
}

static void csv_day(
    struct buf *out, const struct audit_view *v, const struct day *d, const struct gap_day *gap)
{
    (void)v;
    print_cell(out, d->device);
    buf_char(out, ',');
    buf_slice(out, d->day);
    for (size_t i = 0; i < COUNTS; i++)
        buf_printf(out, ",%lld", count_of(d, i));
    if (d->serials > 0)
        buf_printf(out, ",%lld,%lld,%lld,%lld\r\n", (long long)d->first_serial,
            (long long)d->last_serial, (long long)gap->missing, (long long)gap->missing_before);
    else
        buf_lit(out, ",,,,\r\n");
}

static void csv_gap(struct buf *out, const struct audit_view *v, const struct missing_row *row)
{
    (void)v;
    print_cell(out, row->device);
    buf_char(out, ',');
    buf_slice(out, row->day);
    buf_printf(out, ",%lld,%lld,%lld,%s\r\n", (long long)row->first, (long long)row->last,
        (long long)row->count, row->exact ? "yes" : "no");
}

static void csv_sum(struct buf *out, const struct audit_view *v, const struct audit_sum *s)
{
    (void)out;
    (void)v;
    (void)s;
}

const struct audit_form audit_table = {table_head, table_day, table_gap, table_sum};
const struct audit_form audit_json = {json_head, json_day, json_gap, json_sum};
const struct audit_form audit_csv = {csv_head, csv_day, csv_gap, csv_sum};
