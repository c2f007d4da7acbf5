/* SPDX-License-Identifier: MIT */
/* Records stand in the order in which they were stored: a time before the last one is a clock that
   was set back. */
#include "zk_reading.h"

#define STEP_BACK_S 60 /* by how much a clock has to go back to be told of */

void zk_reading_free(struct zk_reading *r)
{
    buf_free(&r->tail);
    buf_free(&r->rest);
}

void zk_reading_forget(struct zk_reading *r)
{
    r->seen = (struct zk_mark){.last_s = ZK_NO_TIME};
    r->tail.len = 0;
}

static void keep_tail(struct zk_reading *r, struct slice read)
{
    buf_slice(&r->tail, read);
    if (r->tail.len > ZK_WINDOW_BYTES) {
        memmove(r->tail.data, r->tail.data + r->tail.len - ZK_WINDOW_BYTES, ZK_WINDOW_BYTES);
        r->tail.len = ZK_WINDOW_BYTES;
    }
}

void zk_reading_begin(
    struct zk_reading *r, enum zk_layout layout, uint32_t from, struct slice before)
{
    r->seen.layout = layout;
    r->seen.end = from;
    r->seen.records = (from - 4) / zk_layout_bytes(layout);
    r->rest.len = r->tail.len = 0;
    keep_tail(r, before);
    r->back = 0;
    r->back_s = 0;
}

static void look_at_clock(struct zk_reading *r, const struct zk_passage *p)
{
    int64_t back_s = r->seen.last_s == ZK_NO_TIME ? 0 : r->seen.last_s - p->local_s;

    if (!p->dated || p->unset || p->empty)
        return;
    if (back_s > STEP_BACK_S) {
        r->back++;
        r->back_s = back_s > r->back_s ? back_s : r->back_s;
    }
    r->seen.last_s = p->local_s;
}

size_t zk_reading_room(const struct zk_reading *r, struct slice data)
{
    return r->rest.len + data.n;
}

size_t zk_reading_take(struct zk_reading *r, struct slice data, char *out,
    bool (*is_new)(void *arg, const struct zk_passage *p), void *arg)
{
    size_t bytes = zk_layout_bytes(r->seen.layout), n = 0, done;
    struct zk_passage p;
    struct slice in;

    buf_slice(&r->rest, data);
    in = buf_all(&r->rest);
    while (in.n >= bytes) {
        size_t mark = r->seen.layout == ZK_40 && zk_is_mark(in.p) ? ZK_MARK_BYTES : 0;

        if (in.n < mark + bytes)
            break;
        zk_record_read(r->seen.layout, in.p + mark, &p);
        look_at_clock(r, &p);
        r->seen.records++;
        if (is_new(arg, &p)) {
            memcpy(out + n, in.p + mark, bytes);
            n += bytes;
        }
        in.p += mark + bytes;
        in.n -= mark + bytes;
    }
    done = r->rest.len - in.n;
    keep_tail(r, (struct slice){r->rest.data, done});
    r->seen.end += (uint32_t)done;
    memmove(r->rest.data, in.p, in.n);
    r->rest.len = in.n;
    return n;
}

void zk_reading_end(struct zk_reading *r)
{
    zk_mark_take(&r->seen, buf_all(&r->tail));
}
