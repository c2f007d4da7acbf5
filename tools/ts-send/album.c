/* SPDX-License-Identifier: MIT */
/* The snapshot member of each event: left out, made whole, or replaced by where the picture is. */
#include "album.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "json.h"
#include "msg.h"
#include "places.h"

#define INDEX_NAME ".ts-send-uploads"
#define REASONS_MAX 16
#define KEPT_BYTES (64u << 10)

struct album {
    const struct snapshot_config *config;
    size_t body_max;
    int folder;
    bool dry;
    struct places *places;       /* NULL unless pictures are uploaded */
    struct event_reader *reader; /* of bodies */
    struct buf member, fresh;
    uint64_t missing;
    bool lost;               /* it was told that places cannot be remembered */
    char *said[REASONS_MAX]; /* each is told once */
};

/* ---- beginning and end ---- */

static int open_folder(struct album *a, struct fault *why)
{
    const char *name = a->config->folder;

    if (a->config->mode == SNAPSHOT_OMIT)
        return 0;
    a->folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return a->folder < 0 ? fault_errno(why, EX_NOINPUT, "--snapshot-dir %s: cannot open", name) : 0;
}

struct album *album_open(
    const struct snapshot_config *config, size_t body_max, bool dry, struct fault *why)
{
    struct album *a = mem_alloc(sizeof *a);
    struct fault lost;

    *a = (struct album){.config = config, .body_max = body_max, .folder = -1, .dry = dry};
    a->reader = event_reader_new();
    if (open_folder(a, why) < 0) {
        album_close(a);
        return NULL;
    }
    if (config->mode == SNAPSHOT_UPLOAD) {
        a->places = places_open(a->folder, dry ? NULL : INDEX_NAME, &lost);
        if (lost.text[0])
            msg_warn("%s; what was uploaded is forgotten at the end of this run", lost.text);
    }
    return a;
}

void album_close(struct album *a)
{
    if (!a)
        return;
    places_close(a->places);
    event_reader_free(a->reader);
    if (a->folder >= 0)
        close(a->folder);
    buf_free(&a->member);
    buf_free(&a->fresh);
    for (unsigned i = 0; i < REASONS_MAX; i++)
        free(a->said[i]);
    free(a);
}

/* ---- members ---- */

static void tell(struct album *a, const char *reason)
{
    unsigned n = 0;

    a->missing++;
    while (n < REASONS_MAX && a->said[n] && strcmp(a->said[n], reason) != 0)
        n++;
    if (n == REASONS_MAX || a->said[n])
        return;
    a->said[n] = mem_text(slice_of(reason));
    msg_warn("%s: such events go without it", reason);
}

/* The event with a->member as its snapshot, in *out (replaced); false: that would be too large. */
static bool replace(struct album *a, const struct event *e, struct buf *out)
{
    struct draft d;

    draft_reset(&d);
    draft_json(&d, EV_SNAPSHOT, buf_all(&a->member));
    out->len = 0;
    event_write(out, e, &d);
    return out->len + 2 <= a->body_max;
}

static void put_null(struct album *a, const struct event *e, struct buf *out)
{
    a->member.len = 0;
    buf_lit(&a->member, "null");
    replace(a, e, out);
}

/* Where it is, or why it is not there; nothing, where even that is too large. */
static void put_reference(struct album *a, const struct event *e, const struct snapshot *s,
    const char *location, const char *error, struct buf *out)
{
    a->member.len = 0;
    snapshot_print(&a->member, s, location, error);
    if (!replace(a, e, out))
        put_null(a, e, out);
    if (error)
        tell(a, error);
}

static const char *put_inline(
    struct album *a, const struct picture *p, const struct event *e, struct buf *out)
{
    const char *error;

    /* Before it is read: base64 is 4 bytes for 3. */
    if (e->line.n + p->bytes / 3 * 4 > a->body_max)
        return "the event with its snapshot would be larger than --max-body";
    a->member.len = 0;
    error = picture_print(p, &a->member);
    if (!error && !replace(a, e, out))
        error = "the event with its snapshot would be larger than --max-body";
    return error;
}

static void make_whole(
    struct album *a, const struct event *e, const struct snapshot *s, struct buf *out)
{
    struct picture p;
    const char *error = picture_open(&p, a->folder, s, a->config->bytes_max);

    if (!error)
        error = put_inline(a, &p, e, out);
    picture_close(&p);
    if (error)
        put_reference(a, e, s, NULL, error, out);
    if (a->member.cap > KEPT_BYTES)
        buf_free(&a->member);
}

/* Where a picture was put before: what the file says is looked at again, it may be a stranger's. */
static bool known(struct album *a, const char *sha256, char out[SNAPSHOT_LOCATION_BYTES])
{
    return places_find(a->places, a->config->url, sha256, out) &&
           (a->dry || snapshot_location(slice_of(out)));
}

/* ---- events ---- */

/* Reads a body again: it is an event by construction. */
static bool read_body(struct album *a, struct slice body, struct event *e, struct snapshot *s)
{
    struct fault why;

    return event_read(a->reader, body, e, &why) == 0 && snapshot_of(e, s);
}

static void swap(struct buf *a, struct buf *b)
{
    struct buf c = *a;

    *a = *b;
    *b = c;
}

static bool wants_other(const struct album *a, const struct event *e)
{
    struct snapshot s;

    if (!event_has(e, EV_SNAPSHOT) || yyjson_is_null(e->field[EV_SNAPSHOT]))
        return false;
    return a->config->mode == SNAPSHOT_OMIT || snapshot_of(e, &s);
}

bool album_event(struct album *a, const struct event *given, struct buf *body)
{
    char sha256[SNAPSHOT_SHA256_BYTES], location[SNAPSHOT_LOCATION_BYTES];
    struct snapshot s;
    struct event e;
    struct fault why;

    if (!wants_other(a, given) || event_read(a->reader, buf_all(body), &e, &why) < 0)
        return false;
    if (a->config->mode == SNAPSHOT_OMIT) {
        put_null(a, &e, &a->fresh);
    } else if (!snapshot_of(&e, &s)) {
        return false;
    } else if (a->config->mode == SNAPSHOT_INLINE) {
        make_whole(a, &e, &s, &a->fresh);
    } else if (snapshot_sha256(&s, sha256) && known(a, sha256, location)) {
        s.sha256 = slice_of(sha256);
        put_reference(a, &e, &s, location, NULL, &a->fresh);
    } else {
        return true;
    }
    swap(body, &a->fresh);
    if (a->fresh.cap > KEPT_BYTES)
        buf_free(&a->fresh);
    return false;
}

bool album_picture(struct album *a, struct slice body, struct picture *p, struct buf *fresh)
{
    char location[SNAPSHOT_LOCATION_BYTES];
    const char *error;
    struct snapshot s;
    struct event e;

    fresh->len = 0;
    if (!read_body(a, body, &e, &s)) {
        buf_slice(fresh, body);
        return false;
    }
    if (snapshot_sha256(&s, p->sha256) && known(a, p->sha256, location)) {
        s.sha256 = slice_of(p->sha256);
        put_reference(a, &e, &s, location, NULL, fresh);
        return false;
    }
    error = picture_open(p, a->folder, &s, a->config->bytes_max);
    if (!error && !known(a, p->sha256, location))
        return true;
    if (!error)
        s.sha256 = slice_of(p->sha256);
    put_reference(a, &e, &s, error ? NULL : location, error, fresh);
    picture_close(p);
    return false;
}

void album_put(struct album *a, const char *sha256, const char *location)
{
    struct fault why;

    if (places_put(a->places, a->config->url, sha256, location, &why) == 0)
        return;
    if (!a->lost)
        msg_warn("%s: such snapshots may be uploaded again", why.text);
    a->lost = true;
}

void album_placed(struct album *a, struct slice body, const char *sha256, const char *location,
    const char *error, struct buf *fresh)
{
    struct snapshot s;
    struct event e;

    fresh->len = 0;
    if (!read_body(a, body, &e, &s)) {
        buf_slice(fresh, body);
        return;
    }
    s.sha256 = slice_of(sha256);
    put_reference(a, &e, &s, location, error, fresh);
}

bool album_names(struct album *a, struct slice body, char out[SNAPSHOT_SHA256_BYTES])
{
    struct snapshot s;
    struct event e;

    return read_body(a, body, &e, &s) && snapshot_sha256(&s, out);
}

uint64_t album_missing(const struct album *a)
{
    return a->missing;
}
