/* SPDX-License-Identifier: MIT */
/* Who waits for a picture, in order of arrival; the pictures under way; what the receiver says. */
#include "upload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "album.h"
#include "msg.h"

#define NONE UINT32_MAX
#define LOOK_MAX 64 /* of those that wait, from the first on, for one whose time has come */
/* A picture that the receiver stumbles over so often, while it stores others, is given up. */
#define OWN_FAILURES 5
#define BOUNDARY_BYTES 40

struct wait {
    struct item *item; /* NULL: answered while its picture is under way */
    uint32_t next, previous;
    char sha256[SNAPSHOT_SHA256_BYTES]; /* "": not known yet */
    bool flying;
    unsigned failures;
    uint64_t stored; /* pictures in all, when it failed first */
    int64_t wake_ms;
};

/* One under way. */
struct flight {
    uint32_t wait; /* NONE: free */
    struct picture picture;
    struct buf head, tail;
    char type[BOUNDARY_BYTES + 48], key[SNAPSHOT_SHA256_BYTES + 24];
    const char *field[2];
    bool probe, broken;
    uint64_t token; /* its number */
};

struct upload {
    struct album *album;
    struct destination destination;
    struct wait *wait;
    uint32_t waits, room, free, first, last;
    size_t count; /* in the list: not yet under way */
    struct flight *flight;
    unsigned flights, flying;
    uint64_t stored; /* pictures in this run */
    bool yield;      /* the one connection is the events' turn */
    struct buf fresh;
    char url[URL_BYTES_MAX + 8]; /* as it may be shown */
};

/* ---- beginning and end ---- */

int upload_open(struct sender *s, struct fault *why)
{
    const struct sender_config *c = s->config;
    struct upload *u;

    if (c->snapshots.mode == SNAPSHOT_KEEP)
        return 0;
    s->upload = u = mem_alloc(sizeof *u);
    *u = (struct upload){.free = NONE, .first = NONE, .last = NONE};
    u->album = album_open(&c->snapshots, c->body_bytes, c->dry, why);
    if (!u->album)
        return -1;
    if (c->snapshots.mode != SNAPSHOT_UPLOAD)
        return 0;
    destination_init(&u->destination, &c->backoff);
    url_shown(c->snapshots.url, u->url);
    u->flights = transfer_uploads(c->transfer.connections);
    u->flight = mem_alloc(u->flights * sizeof *u->flight);
    for (unsigned i = 0; i < u->flights; i++)
        u->flight[i] = (struct flight){.wait = NONE, .picture.fd = -1};
    return 0;
}

void upload_close(struct sender *s)
{
    struct upload *u = s->upload;

    if (!u)
        return;
    for (unsigned i = 0; i < u->flights; i++) {
        picture_close(&u->flight[i].picture);
        buf_free(&u->flight[i].head);
        buf_free(&u->flight[i].tail);
    }
    album_close(u->album);
    buf_free(&u->fresh);
    free(u->flight);
    free(u->wait);
    free(u);
}

/* ---- who waits ---- */

static void list_add(struct upload *u, uint32_t n)
{
    struct wait *w = &u->wait[n];

    w->next = NONE;
    w->previous = u->last;
    if (u->last == NONE)
        u->first = n;
    else
        u->wait[u->last].next = n;
    u->last = n;
    u->count++;
}

static void list_remove(struct upload *u, uint32_t n)
{
    struct wait *w = &u->wait[n];

    if (w->previous == NONE)
        u->first = w->next;
    else
        u->wait[w->previous].next = w->next;
    if (w->next == NONE)
        u->last = w->previous;
    else
        u->wait[w->next].previous = w->previous;
    u->count--;
}

/* What was under way waits again, behind the others. */
static void list_back(struct upload *u, uint32_t n)
{
    u->wait[n].flying = false;
    list_add(u, n);
}

static void wait_free(struct upload *u, uint32_t n)
{
    if (!u->wait[n].flying)
        list_remove(u, n);
    u->wait[n].next = u->free;
    u->free = n;
}

void upload_wait(struct sender *s, struct item *it)
{
    struct upload *u = s->upload;
    uint32_t n = u->free;

    if (n != NONE) {
        u->free = u->wait[n].next;
    } else {
        if (u->waits == u->room) {
            u->room = u->room ? u->room * 2 : 64;
            u->wait = mem_resize(u->wait, u->room * sizeof *u->wait);
        }
        n = u->waits++;
    }
    u->wait[n] = (struct wait){.item = it};
    if (!album_names(u->album, item_body(it), u->wait[n].sha256))
        u->wait[n].sha256[0] = '\0';
    list_add(u, n);
    queue_wait(s->queue, it, n + 1);
}

void upload_forget(struct sender *s, const struct item *it)
{
    struct upload *u = s->upload;
    uint32_t n = it->picture - 1;

    if (!it->picture)
        return;
    u->wait[n].item = NULL;
    if (!u->wait[n].flying)
        wait_free(u, n);
}

/* The event goes, with the body in u->fresh. */
static void let_go(struct sender *s, uint32_t n)
{
    struct upload *u = s->upload;
    struct wait *w = &u->wait[n];

    if (w->item)
        queue_rewrite(s->queue, w->item, buf_all(&u->fresh));
    wait_free(u, n);
}

static bool under_way(const struct upload *u, const char *sha256)
{
    for (unsigned i = 0; i < u->flights; i++)
        if (u->flight[i].wait != NONE && strcmp(u->flight[i].picture.sha256, sha256) == 0)
            return true;
    return false;
}

/* The next to go; else NONE, and *wake_ms is when there may be one. */
static uint32_t next_wait(const struct upload *u, int64_t now_ms, int64_t *wake_ms)
{
    uint32_t n = u->first;

    *wake_ms = INT64_MAX;
    for (unsigned i = 0; i < LOOK_MAX && n != NONE; i++, n = u->wait[n].next) {
        const struct wait *w = &u->wait[n];

        if (under_way(u, w->sha256))
            continue;
        if (w->wake_ms <= now_ms)
            return n;
        if (w->wake_ms < *wake_ms)
            *wake_ms = w->wake_ms;
    }
    return NONE;
}

/* ---- what is printed ---- */

static void print_dry(struct sender *s, const struct picture *p)
{
    const struct sender_config *c = s->config;
    struct buf *out = &s->out.buf;

    buf_printf(out, "POST %s\nIdempotency-Key: %s\n", s->upload->url, p->sha256);
    for (unsigned i = 0; c->snapshots.ours && i < headers_count(s->headers); i++) {
        const char *line = headers_line(s->headers, i);

        if (strncasecmp(line, "content-", 8) != 0)
            buf_printf(out, "%.*s%s\n",
                (int)(headers_secret(s->headers, i) ? strcspn(line, ":") : strlen(line)), line,
                headers_secret(s->headers, i) ? ": ***" : "");
    }
    buf_printf(out,
        "Content-Type: multipart/form-data\n\nsha256=%s\nfile=(%s, %" PRIu64 " bytes)\n\n",
        p->sha256, p->media_type, p->bytes);
}

/* Nothing is sent: a stand-in for the location. */
static void pretend(struct sender *s, struct buf *body)
{
    struct upload *u = s->upload;
    struct picture p;

    if (album_picture(u->album, buf_all(body), &p, &u->fresh)) {
        print_dry(s, &p);
        album_put(u->album, p.sha256, ALBUM_STAND_IN);
        album_placed(u->album, buf_all(body), p.sha256, ALBUM_STAND_IN, NULL, &u->fresh);
        picture_close(&p);
    }
    body->len = 0;
    buf_slice(body, buf_all(&u->fresh));
}

bool upload_put(struct sender *s, const struct event *e, struct buf *body)
{
    bool waits = album_event(s->upload->album, e, body);

    if (waits && s->config->dry) {
        pretend(s, body);
        return false;
    }
    return waits;
}

static void say(const struct sender *s, const struct reply *r, const char *what)
{
    if (!s->config->verbose)
        return;
    if (r->net == NET_OK)
        msg_say("[%d %s] %s", r->status, reply_status_name(r->status), what);
    else
        msg_say("[no answer: %s] %s", r->net_text, what);
}

/* The beginning, each new reason, and the end of a time without uploads, once each. */
static void report(const struct sender *s, enum change change, const struct reply *r)
{
    const struct upload *u = s->upload;
    size_t n = u->count + u->flying + 1; /* with the one that it is about */
    char name[96];

    if (r->net == NET_OK)
        snprintf(name, sizeof name, "%d %s", r->status, reply_status_name(r->status));
    else
        snprintf(name, sizeof name, "no answer: %s", r->net_text);
    if (change == CHANGE_UP)
        msg_warn("%s: takes snapshots again after %.1f s", u->url,
            (double)(s->now_ms - u->destination.since_ms) / 1000);
    else if (change == CHANGE_CAUSE)
        msg_warn("%s: still takes no snapshots: now %s (%s)", u->url,
            verdict_words(u->destination.cause), name);
    else if (change == CHANGE_STOPPED)
        msg_warn("%s: takes no snapshots: %s (%s); %zu event%s for them, one is tried from time to "
                 "time",
            u->url, verdict_words(u->destination.cause), name, n, n == 1 ? " waits" : "s wait");
}

/* ---- going ---- */

/* Head, picture, tail as one run of bytes. */
static ssize_t read_body(void *arg, uint64_t at, char *to, size_t n)
{
    struct flight *f = arg;
    uint64_t parts[] = {f->head.len, f->picture.bytes, f->tail.len};
    size_t part = 0;
    ssize_t got;

    while (part < 3 && at >= parts[part])
        at -= parts[part++];
    if (part == 3)
        return 0;
    if (part == 1) {
        got = picture_read(&f->picture, at, to, n);
        f->broken |= got <= 0;
        return got;
    }
    n = n < parts[part] - at ? n : (size_t)(parts[part] - at);
    memcpy(to, (part == 0 ? f->head.data : f->tail.data) + at, n);
    return (ssize_t)n;
}

static int take_off(struct sender *s, struct flight *f, struct fault *why)
{
    struct upload *u = s->upload;
    struct request r = {.field = f->field,
        .fields = 2,
        .tag = f,
        .read = read_body,
        .read_arg = f,
        .timeout_ms = INT64_MAX};
    char boundary[BOUNDARY_BYTES];

    snprintf(boundary, sizeof boundary, "ts-%016" PRIx64 "%016" PRIx64, settle_random(),
        settle_random());
    snapshot_multipart(&f->head, &f->tail, boundary, f->picture.sha256, f->picture.media_type);
    snprintf(f->type, sizeof f->type, "Content-Type: multipart/form-data; boundary=%s", boundary);
    snprintf(f->key, sizeof f->key, "Idempotency-Key: %s", f->picture.sha256);
    f->field[0] = f->type;
    f->field[1] = f->key;
    r.read_bytes = f->head.len + f->picture.bytes + f->tail.len;
    f->broken = false;
    f->token = s->token.number;
    f->probe = u->destination.state == DESTINATION_STOPPED;
    if (f->probe)
        destination_probe(&u->destination);
    u->flying++;
    u->yield = true;
    pace_start(&s->pace, s->now_ms);
    if (s->config->verbose)
        msg_say("[INFO] Uploading a snapshot...");
    return transfer_upload(s->transfer, &r, why);
}

/* Starts the upload for one that waits, or finds that there is none to be made. */
static int go(struct sender *s, uint32_t n, struct fault *why)
{
    struct upload *u = s->upload;
    struct wait *w = &u->wait[n];
    struct flight *f = u->flight;

    while (f->wait != NONE)
        f++;
    if (!album_picture(u->album, item_body(w->item), &f->picture, &u->fresh)) {
        let_go(s, n);
        return 0;
    }
    memcpy(w->sha256, f->picture.sha256, sizeof w->sha256);
    if (under_way(u, w->sha256)) { /* it did not say so */
        picture_close(&f->picture);
        return 0;
    }
    f->wait = n;
    list_remove(u, n);
    w->flying = true;
    return take_off(s, f, why);
}

/* While no event can get through, a picture goes only where there is no other event to try. */
static bool worth_it(const struct sender *s)
{
    const struct destination *d = &s->destination;

    if (s->config->transfer.connections == 1 && s->upload->yield && queue_ready(s->queue) > 0 &&
        destination_open(d, s->now_ms))
        return false;
    return d->state == DESTINATION_UP ||
           (destination_open(d, s->now_ms) && queue_ready(s->queue) == 0 && s->upload->flying == 0);
}

/* Whether there is one to go and a connection for it: where the receiver is overloaded, fewer. */
static bool may_go(const struct sender *s)
{
    const struct upload *u = s->upload;

    return u && u->count > 0 && !s->ending && !s->gave_up && transfer_upload_free(s->transfer) &&
           u->flying < transfer_uploads(s->pace.window);
}

static bool may_start(const struct sender *s)
{
    return may_go(s) && pace_next_ms(&s->pace, s->now_ms) <= s->now_ms && worth_it(s);
}

int upload_start(struct sender *s, struct fault *why)
{
    struct upload *u = s->upload;
    int64_t wake_ms;

    while (may_start(s) && destination_open(&u->destination, s->now_ms)) {
        uint32_t n = next_wait(u, s->now_ms, &wake_ms);

        if (n == NONE)
            break;
        if (u->destination.cause == CAUSE_AUTH && s->config->snapshots.ours)
            batch_renew_secrets(s);
        if (s->config->snapshots.ours) {
            int ready = token_ready(s, why);

            if (ready <= 0)
                return ready;
        }
        if (go(s, n, why) < 0)
            return -1;
    }
    return 0;
}

int64_t upload_next_ms(const struct sender *s)
{
    const struct upload *u = s->upload;
    int64_t wake_ms, at;

    if (!may_go(s) || u->destination.state == DESTINATION_PROBING)
        return INT64_MAX;
    at = pace_next_ms(&s->pace, s->now_ms);
    if (s->destination.state != DESTINATION_UP) {
        if (s->destination.state == DESTINATION_PROBING || queue_ready(s->queue) > 0 ||
            u->flying > 0)
            return INT64_MAX;
        at = at > s->destination.next_ms ? at : s->destination.next_ms;
    }
    at = at > u->destination.next_ms ? at : u->destination.next_ms;
    if (s->config->snapshots.ours && token_next_ms(s) > at)
        at = token_next_ms(s);
    if (at == INT64_MAX)
        return at;
    if (at <= s->now_ms && !worth_it(s))
        return INT64_MAX;
    if (next_wait(u, at, &wake_ms) == NONE)
        at = wake_ms;
    return at;
}

/* ---- what came back ---- */

/* It cannot be had, or is not wanted: the event goes without. */
static void give_up(struct sender *s, struct flight *f, const char *error)
{
    struct upload *u = s->upload;
    struct wait *w = &u->wait[f->wait];

    if (w->item)
        album_placed(u->album, item_body(w->item), f->picture.sha256, NULL, error, &u->fresh);
    let_go(s, f->wait);
}

static void taken(struct sender *s, struct flight *f, const struct reply *r)
{
    char location[SNAPSHOT_LOCATION_BYTES];
    struct upload *u = s->upload;
    struct wait *w = &u->wait[f->wait];

    report(s, destination_delivered(&u->destination, f->probe), r);
    if (f->broken || !picture_same(&f->picture)) {
        give_up(s, f, PICTURE_CHANGED);
        return;
    }
    if (!snapshot_reply(r, &s->config->snapshots, location)) {
        give_up(s, f, "the receiver took the snapshot, but does not say where it is");
        return;
    }
    say(s, r, "Snapshot stored.");
    u->stored++;
    album_put(u->album, f->picture.sha256, location);
    if (w->item)
        album_placed(u->album, item_body(w->item), f->picture.sha256, location, NULL, &u->fresh);
    let_go(s, f->wait);
}

static void refused(struct sender *s, struct flight *f, const struct reply *r)
{
    struct upload *u = s->upload;
    char text[96];

    say(s, r, "The receiver refuses this snapshot.");
    report(s, destination_known_bad(&u->destination, f->probe, s->now_ms, settle_random()), r);
    snprintf(text, sizeof text, "the receiver refuses the snapshot: %d %s", r->status,
        reply_status_name(r->status));
    give_up(s, f, text);
}

/* Later, at the end of the list: another one may fare better. */
static void trouble(struct sender *s, struct flight *f, const struct reply *r, struct verdict v)
{
    struct upload *u = s->upload;
    struct wait *w = &u->wait[f->wait];
    struct trouble t = {.verdict = v, .person = queue_hash(s->queue, slice_of(w->sha256))};

    t.probe = f->probe;
    t.wait_ms = reply_wait_ms(r, s->wall_ms / 1000);
    t.wait_ms = t.wait_ms > 0 ? t.wait_ms : -1;
    report(s, destination_trouble(&u->destination, &t, s->now_ms, settle_random()), r);
    say(s, r, "Snapshot not stored: tried again later.");
    if (w->failures++ == 0)
        w->stored = u->stored;
    if (!w->item) {
        wait_free(u, f->wait);
    } else if (v.its_own && w->failures >= OWN_FAILURES && u->stored > w->stored &&
               u->destination.state == DESTINATION_UP) {
        give_up(s, f, "the receiver fails with the snapshot");
    } else {
        int64_t wait_ms = backoff_ms(&s->config->backoff, w->failures, settle_random());

        if (u->destination.state == DESTINATION_UP)
            w->wake_ms = s->now_ms + (t.wait_ms > wait_ms ? t.wait_ms : wait_ms);
        list_back(u, f->wait);
    }
}

/* With another token at once, where the one that it had has ended. */
static bool again(struct sender *s, struct flight *f, const struct reply *r)
{
    struct upload *u = s->upload;
    struct wait *w = &u->wait[f->wait];

    if (r->status != 401 || !s->config->snapshots.ours || w->failures >= OWN_FAILURES ||
        !token_lost(s, f->token))
        return false;
    w->failures++;
    if (f->probe)
        destination_again(&u->destination, s->now_ms);
    if (w->item)
        list_back(u, f->wait);
    else
        wait_free(u, f->wait);
    return true;
}

void upload_turn(struct sender *s)
{
    if (s->upload)
        s->upload->yield = false;
}

void upload_finish(struct sender *s, const struct exchange *done)
{
    struct upload *u = s->upload;
    struct flight *f = done->tag;
    struct verdict v = verdict_of(done->reply->net, done->reply->status);

    u->flying--;
    if (again(s, f, done->reply)) {
        ; /* that is all */
    } else if (v.act == ACT_DELIVERED || v.act == ACT_DUPLICATE) {
        if (s->config->snapshots.ours)
            token_proves(s, f->token);
        taken(s, f, done->reply);
    } else if (v.act == ACT_REFUSED) {
        refused(s, f, done->reply);
    } else if (f->broken) { /* given up by us */
        if (f->probe)
            destination_again(&u->destination, s->now_ms);
        give_up(s, f, PICTURE_CHANGED);
    } else {
        trouble(s, f, done->reply, v);
    }
    picture_close(&f->picture);
    f->wait = NONE;
}

/* ---- what others ask ---- */

void upload_reload(struct sender *s)
{
    struct upload *u = s->upload;

    if (u && u->destination.state == DESTINATION_STOPPED && u->destination.cause != CAUSE_BUSY)
        u->destination.next_ms = s->now_ms;
}

int64_t upload_retry_ms(const struct sender *s)
{
    return s->upload ? s->upload->destination.next_ms : 0;
}

enum cause upload_cause(const struct sender *s)
{
    return s->upload ? s->upload->destination.cause : CAUSE_NONE;
}

const char *upload_why(const struct sender *s)
{
    return upload_cause(s) != CAUSE_NONE ? "its snapshot cannot be uploaded"
                                         : "its snapshot is not uploaded yet";
}

unsigned upload_busy(const struct sender *s)
{
    return s->upload ? s->upload->flying : 0;
}

uint64_t upload_missing(const struct sender *s)
{
    return s->upload ? album_missing(s->upload->album) : 0;
}
