/* SPDX-License-Identifier: MIT */
/* What stat shows, and its forms. */
#ifndef TS_SPOOL_STAT_H
#define TS_SPOOL_STAT_H

#include "buf.h"
#include "store.h"

#define STAT_DEVICES_MAX 1000 /* shown each; a monitoring system must not be flooded */

struct stat_device {
    struct slice id; /* owned */
    int64_t last_put_ms;
    char last_day[11]; /* empty: not known */
};

struct stat_view {
    struct store_stat is;
    const char *name; /* of the store, as given */
    int64_t now_ms;
    bool with_devices;
    struct stat_device *device;
    size_t devices_shown, devices; /* in `device`; in all */
};

static inline bool stat_all_in(const struct store_stat *s)
{
    return s->in[STATE_WAITING] == 0 && s->in[STATE_HELD] == 0;
}

void stat_print_json(struct buf *out, const struct stat_view *v);
void stat_print_prometheus(struct buf *out, const struct stat_view *v);

#endif
