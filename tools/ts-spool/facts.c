/* SPDX-License-Identifier: MIT */
/* From the fields of an event to those of its record. */
#include "facts.h"

#include "clock.h"

#define DATE_BYTES 10
#define SERIAL_DIGITS 18

/* The wall clock of the device, as it said it; or the date of the moment, in its own offset. */
static struct slice day_of(const struct event *e)
{
    static const enum event_field fields[] = {EV_LOCAL_TIME, EV_TIME};
    struct clock_time t;

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct slice text = event_str(e, fields[i]);

        if (text.n >= DATE_BYTES && clock_parse(text, &t))
            return (struct slice){text.p, DATE_BYTES};
    }
    return SLICE_NONE;
}

static int64_t serial_of(struct slice text)
{
    int64_t n = 0;

    if (text.n == 0 || text.n > SERIAL_DIGITS)
        return -1;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return -1;
        n = n * 10 + (text.p[i] - '0');
    }
    return n;
}

void facts_of(struct record *r, const struct event *e)
{
    r->device = event_str(e, EV_DEVICE_ID);
    if (r->device.n > STORE_DEVICE_MAX)
        r->device.n = STORE_DEVICE_MAX;
    r->day = day_of(e);
    r->serial = serial_of(event_str(e, EV_SERIAL_NO));
}
