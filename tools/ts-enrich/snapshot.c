/* SPDX-License-Identifier: MIT */
/*
 * Step: the picture.  Where there is none, the placeholder, so that receivers always find the
 * field; a reference to a file is left alone, looked at, or replaced by the picture itself.
 * Whatever is wrong with a picture, its event goes on, with the reason in the snapshot's `error`.
 */
#include "enrich.h"
#include "line.h"
#include "picture.h"

#define KEPT_BYTES (64u << 10)
#define ROOM_BYTES 4096 /* for what the steps after this one add */

/* The member in c->picture, unless the event has just this. */
static void put_member(const struct event *e, struct context *c, struct draft *d)
{
    if (!slice_eq(event_json(e, EV_SNAPSHOT), buf_all(&c->picture)))
        draft_json(d, EV_SNAPSHOT, buf_all(&c->picture));
}

static void put_reference(const struct event *e, struct context *c, struct draft *d,
    const struct snapshot *s, const char *error)
{
    c->picture.len = 0;
    snapshot_print(&c->picture, s, NULL, error);
    put_member(e, c, d);
    if (!error)
        return;
    c->pictureless++;
    c->picture_error = error;
}

/* Whether a line can take so many bytes more.  Base64 is 4 bytes for 3. */
static bool has_room(const struct event *e, const struct draft *d, uint64_t bytes)
{
    uint64_t n = e->line.n + ROOM_BYTES + bytes / 3 * 4;

    for (uint64_t set = d->set; set; set &= set - 1)
        n += d->value[__builtin_ctzll(set)].n;
    return n <= LINE_MAX_BYTES;
}

/* As it is, whether the file is what the event says of it; what it does not say is added. */
static void put_checked(const struct event *e, struct context *c, struct draft *d,
    struct snapshot *s, const struct picture *p)
{
    yyjson_val *error = yyjson_obj_get(e->field[EV_SNAPSHOT], "error");

    if (!error && s->sha256.p && s->bytes == (int64_t)p->bytes &&
        slice_is(s->media_type, p->media_type))
        return;
    s->sha256 = slice_of(p->sha256);
    s->media_type = slice_of(p->media_type);
    s->bytes = (int64_t)p->bytes;
    put_reference(e, c, d, s, NULL);
}

static const char *put_inline(
    const struct event *e, struct context *c, struct draft *d, const struct picture *p)
{
    const char *error;

    if (!has_room(e, d, p->bytes))
        return "the event with its snapshot would be longer than 1 MiB";
    c->picture.len = 0;
    error = picture_print(p, &c->picture);
    if (!error)
        put_member(e, c, d);
    return error;
}

void step_snapshot(const struct event *e, struct context *c, struct draft *d)
{
    const struct pictures *how = &c->settings.pictures;
    struct snapshot s;
    struct picture p;
    const char *error;

    if (!event_has(e, EV_SNAPSHOT) ||
        (how->mode == PICTURES_OMIT && !yyjson_is_null(e->field[EV_SNAPSHOT]))) {
        draft_json(d, EV_SNAPSHOT, SLICE("null"));
        return;
    }
    if (how->mode == PICTURES_KEEP || !snapshot_of(e, &s))
        return;
    if (c->picture.cap > KEPT_BYTES)
        buf_free(&c->picture);
    error = picture_open(&p, how->folder, &s, how->bytes_max);
    if (!error && how->mode == PICTURES_INLINE)
        error = put_inline(e, c, d, &p);
    else if (!error)
        put_checked(e, c, d, &s, &p);
    picture_close(&p);
    if (error)
        put_reference(e, c, d, &s, error);
}
