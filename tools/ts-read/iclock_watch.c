/* SPDX-License-Identifier: MIT */
/* Each thing is told once, where it begins. */
#include "iclock_watch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "msg.h"
#include "stop.h"

#define NOTICES_A_MINUTE 60u /* then they are only counted */
#define STEP_S 60            /* a clock that goes back by less is not told of */
#define SILENT_MS 300000     /* a device that another took the place of is silent for so long */
#define TWIN_MS 600000       /* back at its address within that time: it is two */

struct iclock_watch {
    unsigned notices, unsaid;
    int64_t minute_ms;
};

struct iclock_watch *iclock_watch_new(void)
{
    struct iclock_watch *w = mem_alloc(sizeof *w);

    *w = (struct iclock_watch){.minute_ms = monotonic_ms()};
    return w;
}

void iclock_watch_free(struct iclock_watch *w)
{
    free(w);
}

void iclock_notice(struct iclock_watch *w, const char *format, ...)
{
    int64_t now = monotonic_ms();
    char text[512];
    va_list args;

    if (now - w->minute_ms >= 60000) {
        if (w->unsaid > 0)
            msg_warn("%u more notices of devices in the last minute were not shown", w->unsaid);
        *w = (struct iclock_watch){.minute_ms = now};
    }
    if (++w->notices > NOTICES_A_MINUTE) {
        w->unsaid++;
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    msg_warn("%s", text);
}

/* ---- events ---- */

static void tell_back(struct iclock_watch *w, const struct iclock_device *d,
    struct iclock_rows *rows, int64_t before_s, struct slice at)
{
    char before[CLOCK_TEXT];

    if (rows->told)
        return;
    rows->told = true;
    clock_print_local(before, before_s, 0);
    iclock_notice(w, "%s: its clock went back: a record of %.*s stands behind one of %s", d->serial,
        (int)at.n, at.p, before);
}

/* With a counter the order is known over all posts; what comes again has counted before. */
static void see_counted(struct iclock_watch *w, struct iclock_device *d, struct iclock_rows *rows,
    struct slice at, int64_t at_s, int64_t index)
{
    bool newer = index > d->last_index;

    if (newer && d->last_index >= 0 && at_s < d->last_s - STEP_S)
        tell_back(w, d, rows, d->last_s, at);
    if (!newer && index < d->last_index && at_s > d->last_s) {
        iclock_notice(w,
            "%s: its counter is at %lld and was at %lld: its log was erased, or it was reset",
            d->serial, (long long)index, (long long)d->last_index);
        newer = true;
    }
    if (newer) {
        d->last_index = index;
        d->last_s = at_s;
    }
}

static void see_operation(
    struct iclock_watch *w, struct iclock_device *d, struct slice at, int64_t at_s, long op)
{
    static const struct {
        long op;
        const char *text;
    } told[] = {
        {13, "its data were cleared"},
        {21, "its clock was set"},
        {22, "it was reset"},
        {23, "its attendance records were deleted"},
    };

    for (size_t i = 0; i < ICLOCK_OPERATIONS; i++)
        if (d->operation[i].op == op && d->operation[i].at_s == at_s)
            return; /* the same post again */
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        if (told[i].op != op)
            continue;
        d->operation[d->operations++ % ICLOCK_OPERATIONS] =
            (struct iclock_operation){.op = op, .at_s = at_s};
        iclock_notice(w, "%s: %s, at %.*s by that clock", d->serial, told[i].text, (int)at.n, at.p);
    }
}

static struct slice field(const struct decoded *event, enum event_field f)
{
    return event->draft.set & EVENT_BIT(f) ? event->draft.value[f] : SLICE_NONE;
}

/* Digits, as the format made them. */
static int64_t number(struct slice text)
{
    char copy[24];

    snprintf(copy, sizeof copy, "%.*s", (int)text.n, text.p);
    return strtoll(copy, NULL, 10);
}

void iclock_watch_event(struct iclock_watch *w, struct iclock_device *d, struct iclock_rows *rows,
    const struct decoded *event)
{
    static const char oplog[] = "OPLOG ";
    const size_t n = sizeof oplog - 1;
    struct slice at = field(event, EV_LOCAL_TIME), code = field(event, EV_CODE);
    struct slice index = field(event, EV_SERIAL_NO);
    struct clock_time t;

    if (!at.p)
        at = field(event, EV_TIME);
    if (event->error || !at.p || !clock_parse(at, &t))
        return;
    if (field(event, EV_TIME_NOTE).p) {
        if (!d->told_unset)
            iclock_notice(w, "%s: its clock is not set", d->serial);
        d->told_unset = true;
    } else if (code.n > n && memcmp(code.p, oplog, n) == 0) {
        see_operation(w, d, at, t.local_s, number((struct slice){code.p + n, code.n - n}));
    } else if (index.p && rows->live) {
        see_counted(w, d, rows, at, t.local_s, number(index));
    } else if (rows->ordered) {
        if (rows->last_s >= 0 && t.local_s < rows->last_s - STEP_S)
            tell_back(w, d, rows, rows->last_s, at);
        rows->last_s = t.local_s;
    }
}

/* ---- devices ---- */

void iclock_watch_logs(struct iclock_watch *w, struct iclock_device *d, long logs)
{
    if (logs < d->logs)
        iclock_notice(w, "%s: its log has %ld records, and had %ld: it was erased, or begun anew",
            d->serial, logs, d->logs);
    d->logs = logs;
}

/* To another address, and soon back: there are two.  Each has a place of its own in its log. */
static void see_move(struct iclock_watch *w, struct iclock_device *d, const char *host)
{
    if (!d->host[0] || strcmp(d->host, host) == 0)
        return;
    memset(d->stamp, 0, sizeof d->stamp);
    if (!d->told_twin && strcmp(d->left, host) == 0 && d->seen_ms - d->moved_ms < TWIN_MS) {
        iclock_notice(w,
            "serial number %s comes from %s and from %s by turns: "
            "if they are two devices, their records cannot be told apart",
            d->serial, host, d->host);
        d->told_twin = true;
    }
    memcpy(d->left, d->host, sizeof d->left);
    d->moved_ms = d->seen_ms;
}

/* A new number behind an address that only one device had, and that it left. */
void iclock_watch_place(struct iclock_watch *w, struct iclock_book *book, struct iclock_device *d,
    const char *host, bool fresh)
{
    const struct iclock_device *other;
    size_t others;

    if (fresh) {
        other = iclock_book_at(book, host, d, &others);
        if (others == 1 && d->seen_ms - other->seen_ms > SILENT_MS)
            iclock_notice(w, "%s: serial number %s where %s was: was the device replaced?", host,
                d->serial, other->serial);
    }
    see_move(w, d, host);
    snprintf(d->host, sizeof d->host, "%s", host);
}
