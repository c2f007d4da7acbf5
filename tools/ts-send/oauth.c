/* SPDX-License-Identifier: MIT */
/* The grant: from the file to a request, from the reply to the next file. */
#include "oauth.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "json.h"
#include "oauth_file.h"
#include "oauth_state.h"
#include "secret.h"

#define ROOM_BYTES (40u << 10) /* for the tokens of a reply */
#define SPARE_S 60             /* so long before its end a token is renewed */

struct oauth {
    struct oauth_file file;
    const char *url;
    struct oauth_state s;

    int64_t renew_s;    /* not fresh from then on; 0: until it is refused */
    struct buf refused; /* the access token that is not taken any more */
    struct buf unkept;  /* the text of a file that could not be written */
    struct buf body, basic;
    bool previous;       /* it is the previous refresh token that is presented */
    bool previous_tried; /* … and it was refused too */
    bool cut_off;        /* a reply, or a process, was lost after it was presented */
    struct fault why;    /* holds a reason */
};

static int read_text(
    const struct oauth *o, struct slice text, struct oauth_state *s, struct fault *why)
{
    return oauth_state_read(&(struct oauth_where){o->file.name, o->url}, text, s, why);
}

static int64_t expires_s(const struct oauth_state *s)
{
    struct clock_time t;

    if (!s->is[OAUTH_EXPIRES].p || !clock_parse(s->is[OAUTH_EXPIRES], &t) || !t.has_offset)
        return 0;
    return clock_instant_ms(&t) / 1000;
}

static void take(struct oauth *o, const struct oauth_state *s)
{
    oauth_state_free(&o->s);
    o->s = *s;
    o->renew_s = expires_s(s) > 0 ? expires_s(s) - SPARE_S / 2 : 0;
}

/* ---- reading it again ---- */

/* What one that died has left: a file with everything in it is the newer one. */
static int look_for_left(struct oauth *o, struct fault *why)
{
    struct buf text = {0};
    struct oauth_state s = {0};
    struct fault ignored;
    int rc = 0;

    if (oauth_file_left(&o->file, &text)) {
        if (read_text(o, buf_all(&text), &s, &ignored) == 0 && s.is[OAUTH_REFRESH].p)
            rc = oauth_file_recover(&o->file, why);
        else
            o->cut_off = true;
    }
    oauth_state_free(&s);
    secret_forget(&text);
    return rc;
}

static void refuse(struct oauth *o, struct slice access)
{
    o->refused.len = 0;
    buf_slice(&o->refused, access);
}

/* Somebody wrote other credentials beside the access token that was there: it is of the past. */
static bool was_edited(const struct oauth_state *old, const struct oauth_state *new)
{
    if (!old->doc || !slice_eq(old->is[OAUTH_ACCESS], new->is[OAUTH_ACCESS]))
        return false;
    for (int i = OAUTH_TOKEN_URL; i <= OAUTH_REFRESH; i++)
        if (!slice_eq(old->is[i], new->is[i]))
            return true;
    return false;
}

/* locked: by us. */
static int read_file(struct oauth *o, bool locked, struct fault *why)
{
    struct buf text = {0};
    struct oauth_state s;
    int rc = locked ? look_for_left(o, why) : 0;

    if (rc == 0)
        rc = oauth_file_read(&o->file, &text, why);
    if (rc == 0)
        rc = read_text(o, buf_all(&text), &s, why);
    if (rc == 0) {
        if (was_edited(&o->s, &s)) {
            o->previous_tried = o->cut_off = false;
            refuse(o, s.is[OAUTH_ACCESS]);
        }
        take(o, &s);
    }
    secret_forget(&text);
    return rc;
}

struct oauth *oauth_open(const char *file, const char *url, struct fault *why)
{
    struct oauth *o = mem_alloc(sizeof *o);
    int locked;

    *o = (struct oauth){.url = url};
    oauth_file_open(&o->file, file);
    locked = oauth_file_lock(&o->file, why);
    if (locked >= 0 && read_file(o, locked > 0, why) == 0) {
        oauth_file_unlock(&o->file);
        return o;
    }
    oauth_free(o);
    return NULL;
}

void oauth_free(struct oauth *o)
{
    struct fault ignored;

    if (!o)
        return;
    if (o->unkept.len > 0)
        oauth_file_write(&o->file, buf_all(&o->unkept), &ignored);
    oauth_file_close(&o->file);
    oauth_state_free(&o->s);
    secret_forget(&o->refused);
    secret_forget(&o->unkept);
    secret_forget(&o->body);
    secret_forget(&o->basic);
    free(o);
}

/* ---- the token ---- */

struct slice oauth_token(const struct oauth *o)
{
    return slice_eq(o->s.is[OAUTH_ACCESS], buf_all(&o->refused)) ? SLICE_NONE
                                                                 : o->s.is[OAUTH_ACCESS];
}

bool oauth_fresh(const struct oauth *o, int64_t now_s)
{
    return oauth_token(o).p && (o->renew_s == 0 || now_s < o->renew_s);
}

void oauth_refused(struct oauth *o)
{
    refuse(o, o->s.is[OAUTH_ACCESS]);
}

/* ---- the request ---- */

static bool is_refresh(const struct oauth *o)
{
    return o->s.is[OAUTH_REFRESH].p &&
           (!o->s.is[OAUTH_GRANT_TYPE].p || slice_is(o->s.is[OAUTH_GRANT_TYPE], "refresh_token"));
}

static void add_encoded(struct buf *out, struct slice text)
{
    static const char kept[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] && strchr(kept, text.p[i]))
            buf_char(out, text.p[i]);
        else
            buf_printf(out, "%%%02X", (unsigned char)text.p[i]);
}

static void add_field(struct buf *out, const char *name, struct slice text)
{
    if (!text.p)
        return;
    if (out->len > 0)
        buf_char(out, '&');
    add_encoded(out, slice_of(name));
    buf_char(out, '=');
    add_encoded(out, text);
}

static struct slice presented(const struct oauth *o)
{
    return o->previous ? o->s.is[OAUTH_PREVIOUS] : o->s.is[OAUTH_REFRESH];
}

static void make_basic(struct oauth *o)
{
    struct buf pair = {0};

    add_encoded(&pair, o->s.is[OAUTH_CLIENT_ID]);
    buf_char(&pair, ':');
    add_encoded(&pair, o->s.is[OAUTH_CLIENT_SECRET]);
    o->basic.len = 0;
    buf_lit(&o->basic, "Authorization: Basic ");
    json_base64_text(&o->basic, buf_all(&pair));
    buf_char(&o->basic, '\0');
    secret_forget(&pair);
}

static void make_request(struct oauth *o)
{
    bool basic = o->s.is[OAUTH_CLIENT_AUTH].p && slice_is(o->s.is[OAUTH_CLIENT_AUTH], "basic");
    struct slice usual = is_refresh(o) ? SLICE("refresh_token") : SLICE("client_credentials");
    yyjson_obj_iter at;
    yyjson_val *key;

    o->body.len = 0;
    buf_room(&o->body, SECRET_BYTES_MAX); /* growing would leave copies of secrets behind */
    add_field(
        &o->body, "grant_type", o->s.is[OAUTH_GRANT_TYPE].p ? o->s.is[OAUTH_GRANT_TYPE] : usual);
    if (is_refresh(o))
        add_field(&o->body, "refresh_token", presented(o));
    add_field(&o->body, "scope", o->s.is[OAUTH_SCOPE]);
    if (basic)
        make_basic(o);
    else
        secret_forget(&o->basic);
    add_field(&o->body, "client_id", basic ? SLICE_NONE : o->s.is[OAUTH_CLIENT_ID]);
    add_field(&o->body, "client_secret", basic ? SLICE_NONE : o->s.is[OAUTH_CLIENT_SECRET]);
    yyjson_obj_iter_init(o->s.parameters, &at);
    while ((key = yyjson_obj_iter_next(&at))) {
        yyjson_val *v = yyjson_obj_iter_get_val(key);

        add_field(
            &o->body, yyjson_get_str(key), (struct slice){yyjson_get_str(v), yyjson_get_len(v)});
    }
}

struct oauth_request oauth_request(const struct oauth *o)
{
    return (struct oauth_request){.url = o->s.token_url.data,
        .field = {"Content-Type: application/x-www-form-urlencoded", "Accept: application/json",
            o->basic.data},
        .fields = o->basic.data ? 3 : 2,
        .body = buf_all(&o->body)};
}

/* What could not be written before is, or we go no further. */
static int keep_unkept(struct oauth *o, struct fault *why)
{
    if (oauth_file_write(&o->file, buf_all(&o->unkept), why) < 0)
        return -1;
    secret_forget(&o->unkept);
    return 0;
}

enum oauth_next oauth_begin(struct oauth *o, int64_t now_s, struct fault *why)
{
    struct fault ignored;
    int rc = oauth_file_lock(&o->file, why);

    if (rc <= 0)
        return rc < 0 ? OAUTH_FAULT : OAUTH_BUSY;
    if (o->unkept.len > 0 && keep_unkept(o, why) < 0)
        return OAUTH_FAULT; /* the lock stays: nobody else must go by what the file says */
    if (o->file.path && read_file(o, true, why) < 0)
        rc = -1;
    if (rc > 0 && oauth_fresh(o, now_s)) {
        oauth_file_unlock(&o->file);
        return OAUTH_HAVE;
    }
    if (rc > 0 && is_refresh(o) && !o->s.fixed)
        rc = oauth_file_prepare(&o->file, ROOM_BYTES, why) < 0 ? -1 : 1;
    else if (rc > 0) /* to find the token again after a restart; no more than that */
        oauth_file_prepare(&o->file, ROOM_BYTES, &ignored);
    if (rc < 0) {
        oauth_file_unlock(&o->file);
        return OAUTH_FAULT;
    }
    make_request(o);
    return OAUTH_ASK;
}

/* ---- the reply ---- */

/* The file as it will be. */
static void new_text(
    const struct oauth *o, const struct oauth_answer *a, int64_t now_s, struct buf *out)
{
    yyjson_mut_doc *doc = yyjson_doc_mut_copy(o->s.doc, &oauth_wiped);
    char time[CLOCK_TEXT];
    size_t n = 0;

    oauth_state_set(doc, OAUTH_ACCESS, a->access);
    if (a->expires_s > 0)
        n = clock_print_zoned(time, now_s + a->expires_s, 0, 0);
    oauth_state_set(doc, OAUTH_EXPIRES, n > 0 ? (struct slice){time, n} : SLICE_NONE);
    if (is_refresh(o)) {
        struct slice new = a->refresh.p ? a->refresh : presented(o);

        if (!slice_eq(new, o->s.is[OAUTH_REFRESH])) {
            oauth_state_set(doc, OAUTH_PREVIOUS, presented(o));
            oauth_state_set(doc, OAUTH_REFRESH, new);
        }
    }
    oauth_state_print(doc, out);
    yyjson_mut_doc_free(doc);
}

/* The new state on disk, then in use.  What cannot be written but is not needed to go on, is not.
 */
static bool keep(struct oauth *o, const struct oauth_answer *a, int64_t now_s, struct verdict *v)
{
    struct buf text = {0};
    struct oauth_state s;
    bool must = is_refresh(o) && a->refresh.p && !slice_eq(a->refresh, o->s.is[OAUTH_REFRESH]);
    bool can = o->file.new >= 0 || must;
    bool kept = false;
    int64_t spare_s;

    new_text(o, a, now_s, &text);
    if (can)
        kept = oauth_file_write(&o->file, buf_all(&text), &o->why) == 0;
    if (read_text(o, buf_all(&text), &s, &(struct fault){0}) < 0)
        abort(); /* it is ours */
    take(o, &s);
    spare_s = a->expires_s > 4 * SPARE_S ? SPARE_S : a->expires_s / 4;
    o->renew_s = a->expires_s > 0 ? now_s + a->expires_s - spare_s : 0;
    o->previous = o->previous_tried = o->cut_off = false;
    if (must && !kept) {
        o->unkept = text;
        *v = (struct verdict){
            .act = ACT_STOP, .cause = CAUSE_CONFIG, .at_once = true, .reason = o->why.text};
        return false;
    }
    secret_forget(&text);
    oauth_file_unprepare(&o->file);
    oauth_file_unlock(&o->file);
    return true;
}

/* The file without the refresh token before; we hold it, and it says what we know. */
static void forget_previous(struct oauth *o)
{
    yyjson_mut_doc *doc = yyjson_doc_mut_copy(o->s.doc, &oauth_wiped);
    struct buf text = {0};
    struct oauth_state s;
    struct fault ignored;

    oauth_state_set(doc, OAUTH_PREVIOUS, SLICE_NONE);
    oauth_state_print(doc, &text);
    if (oauth_file_write(&o->file, buf_all(&text), &ignored) == 0 &&
        read_text(o, buf_all(&text), &s, &ignored) == 0)
        take(o, &s);
    secret_forget(&text);
    yyjson_mut_doc_free(doc);
}

void oauth_proven(struct oauth *o)
{
    struct buf refresh = {0};
    struct fault ignored;

    o->previous_tried = true; /* so it will not be */
    if (!o->s.is[OAUTH_PREVIOUS].p || !o->file.path || oauth_file_lock(&o->file, &ignored) <= 0)
        return;
    buf_slice(&refresh, o->s.is[OAUTH_REFRESH]);
    if (read_file(o, true, &ignored) == 0 && slice_eq(buf_all(&refresh), o->s.is[OAUTH_REFRESH]))
        forget_previous(o);
    oauth_file_unlock(&o->file);
    secret_forget(&refresh);
}

/* Why there is no token. */
static void explain(struct oauth *o, const struct oauth_answer *a, struct verdict *v)
{
    *v = a->verdict;
    if (a->grant_refused && !is_refresh(o))
        v->reason = "the token service refuses what it was given";
    else if (a->grant_refused && o->cut_off)
        v->reason = "the token service refuses the refresh token: an earlier renewal was cut off, "
                    "and the new token went with it; authorise anew";
    else if (a->grant_refused)
        v->reason = "the token service refuses the refresh token: it has ended, or was used "
                    "elsewhere; authorise anew";
}

bool oauth_reply(struct oauth *o, const struct reply *r, int64_t now_s, struct verdict *v)
{
    struct oauth_answer a;
    bool have = false;

    secret_forget(&o->body);
    secret_forget(&o->basic);
    oauth_answer_read(r, now_s, &a);
    if (a.access.p) {
        have = keep(o, &a, now_s, v);
    } else {
        oauth_file_unprepare(&o->file);
        oauth_file_unlock(&o->file);
        o->cut_off |= r->net == NET_LOST;
        explain(o, &a, v);
        /* The one before may still be good, where its successor never became valid. */
        if (a.grant_refused && !o->previous && !o->previous_tried && o->s.is[OAUTH_PREVIOUS].p) {
            o->previous = o->previous_tried = true;
            v->act = ACT_SESSION;
        } else {
            o->previous = false;
        }
    }
    oauth_answer_free(&a);
    return have;
}
