/* SPDX-License-Identifier: MIT */
/* The book and the words are those of ZKTeco devices that push. */
#include "push_watch.h"

#include <stdio.h>
#include <stdlib.h>

#include "iclock_watch.h"
#include "stop.h"

#define DEVICES_MOST 8192u

struct push_watch {
    struct iclock_book *book;
    struct iclock_watch *words;
};

struct push_watch *push_watch_new(void)
{
    struct push_watch *w = mem_alloc(sizeof *w);

    *w = (struct push_watch){iclock_book_new(DEVICES_MOST), iclock_watch_new()};
    return w;
}

void push_watch_free(struct push_watch *w)
{
    if (!w)
        return;
    iclock_book_free(w->book);
    iclock_watch_free(w->words);
    free(w);
}

void push_watch_event(struct push_watch *w, const char *host, const struct decoded *event)
{
    bool said = event->draft.set & EVENT_BIT(EV_DEVICE_ID);
    struct slice device = said ? event->draft.value[EV_DEVICE_ID] : event->device;
    struct iclock_rows rows = {.live = true, .last_s = -1};
    char name[ICLOCK_SERIAL];
    struct iclock_device *d;
    bool fresh;

    if (!device.p)
        device = slice_of(host);
    if (device.n >= sizeof name)
        return;
    snprintf(name, sizeof name, "%.*s", (int)device.n, device.p);
    d = iclock_book_see(w->book, name, monotonic_ms(), &fresh);
    if (!d)
        return;
    iclock_watch_place(w->words, w->book, d, host, fresh);
    iclock_watch_event(w->words, d, &rows, event);
}
