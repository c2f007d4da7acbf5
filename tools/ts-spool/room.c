/* SPDX-License-Identifier: MIT */
/*
 * The forecast leans to the safe side: what a purge has freed inside of the file counts as taken.
 * Where most lines were purged, bytes by line would say little, and all that was ever stored is
 * asked instead.
 */
#include "room.h"

#define DAY_MS 86400000ll
#define FEW_LINES 1000
#define EVENT_BYTES 500 /* of a usual event, where there are too few to know */
#define FAR_MS (1000 * 365 * DAY_MS)

int64_t room_bytes(const struct store_stat *s)
{
    int64_t room = s->free_bytes;

    if (s->limit_bytes > 0) {
        int64_t left = s->limit_bytes > s->bytes ? s->limit_bytes - s->bytes : 0;

        if (room < 0 || left < room)
            room = left;
    }
    return room;
}

static int64_t event_bytes(const struct store_stat *s)
{
    int64_t lines = s->stored - s->purged - s->erased, bytes;

    if (lines < FEW_LINES)
        lines = s->stored;
    bytes = lines > 0 ? s->bytes / lines : 0;
    return lines < FEW_LINES || bytes == 0 ? EVENT_BYTES : bytes;
}

int64_t room_ms(const struct store_stat *s, int64_t now_ms)
{
    int64_t room = room_bytes(s), days = 7;
    double ms;

    if (room < 0 || s->put_last_week <= 0)
        return -1;
    if (s->first_put_ms > 0 && now_ms > s->first_put_ms && now_ms - s->first_put_ms < days * DAY_MS)
        days = (now_ms - s->first_put_ms) / DAY_MS + 1;
    ms = (double)room / (double)event_bytes(s) / (double)s->put_last_week * (double)(days * DAY_MS);
    return ms < (double)FAR_MS ? (int64_t)ms : FAR_MS;
}
