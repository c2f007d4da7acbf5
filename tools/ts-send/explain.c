/* SPDX-License-Identifier: MIT */
/*
 * Each request takes the next reply of --reply; when there is none left, the rest is not known and
 * that is the end.
 */
#include "explain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "album.h"
#include "clock.h"
#include "dialog.h"
#include "identity.h"
#include "line.h"
#include "watermark.h"

#define REPLY_FILE_MAX (2u << 20)

struct explanation {
    const struct explain_config *config;
    struct line_writer out;
    struct dialog d;
    struct album *album; /* NULL: snapshots travel as they are */
    unsigned used;       /* replies */
};

/* {"what": v}; takes v. */
static void say(struct explanation *x, const char *what, struct value v)
{
    struct value line = value_object();

    value_set(&line, what, v);
    value_print(&x->out.buf, line);
    buf_char(&x->out.buf, '\n');
    value_free(line);
}

/* The request as the profile returned it, completed by what will go out. */
static void say_request(struct explanation *x, const char *what)
{
    const struct ask *ask = &x->d.ask;
    struct value v = value_copy(ask->sent), fields = value_object(), form;

    value_set(&v, "method", value_string(slice_of(ask->method)));
    value_set(&v, "url", value_string(slice_of(ask->url.data)));
    for (unsigned i = 0; i < ask->field_count; i++) {
        const char *line = ask->field[i], *colon = strchr(line, ':');
        char name[80];
        size_t n = 0;

        for (; line + n < colon && n < sizeof name - 1; n++)
            name[n] = (char)(line[n] >= 'A' && line[n] <= 'Z' ? line[n] | 0x20 : line[n]);
        name[n] = '\0';
        value_set(&fields, name, value_string(slice_of(colon + 2)));
    }
    value_set(&v, "headers", fields);
    form = value_get(v, "form");
    if (value_kind(form) != VALUE_NULL)
        value_set(&v, "body", value_string(buf_all(&ask->body)));
    value_free(form);
    say(x, what, v);
}

static void say_session(void *arg)
{
    struct explanation *x = arg;

    say(x, "session", value_copy(x->d.in.session));
}

static void say_judgement(void *arg)
{
    struct explanation *x = arg;
    const struct judgement *j = &x->d.said;
    struct value v;

    if (j->one.act == ACT_THEN && !j->each) {
        v = value_object();
        value_set(&v, "then", value_copy(j->memo));
        if (!j->one.perhaps)
            value_set(&v, "perhaps", value_bool(false));
    } else if (j->each) {
        v = value_array();
        for (unsigned i = 0; i < dialog_count(&x->d); i++) {
            const struct verdict *one = &x->d.verdicts[i];

            value_push(&v, one->act == ACT_THEN ? value_null() : judge_value(*one));
        }
    } else {
        v = judge_value(j->one);
        value_set(&v, "by", value_string(j->plain ? SLICE("plain table") : SLICE("profile")));
    }
    say(x, "verdict", v);
}

/* ---- replies ---- */

static int read_all(const char *name, struct buf *out, struct fault *why)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;

    if (fd < 0)
        return fault_errno(why, EX_NOINPUT, "--reply %s: cannot open", name);
    while (n > 0 && out->len < REPLY_FILE_MAX) {
        n = read(fd, buf_room(out, 65536), 65536);
        if (n > 0)
            out->len += (size_t)n;
    }
    close(fd);
    return n < 0 ? fault_errno(why, EX_NOINPUT, "--reply %s: cannot read", name) : 0;
}

/* 1 the next reply is there, 0 there is none. */
static int next_reply(struct explanation *x, struct fault *why)
{
    struct buf text = {0};
    size_t at = 0;
    int rc;

    if (x->used == x->config->replies)
        return 0;
    rc = read_all(x->config->reply[x->used++], &text, why);
    reply_reset(&x->d.reply);
    while (rc == 0 && at < text.len) {
        const char *start = text.data + at, *end = memchr(start, '\n', text.len - at);
        size_t n = end ? (size_t)(end - start) + 1 : text.len - at;

        at += n;
        if (n == 1 || (n == 2 && start[0] == '\r'))
            break;
        reply_header(&x->d.reply, (struct slice){start, n});
    }
    if (rc == 0)
        reply_body(&x->d.reply, (struct slice){text.data + at, text.len - at});
    if (rc == 0 && x->d.reply.status == 0)
        rc =
            fault_set(why, EX_DATAERR, "--reply %s: must begin with a status line, as HTTP/1.1 200",
                x->config->reply[x->used - 1]);
    buf_free(&text);
    return rc < 0 ? rc : 1;
}

static int answer(void *arg, const char *what, struct fault *why)
{
    say_request(arg, what);
    return next_reply(arg, why);
}

/* ---- the events ---- */

/* What goes ahead of the event: nothing is sent, a stand-in is its location. */
static void say_upload(struct explanation *x, struct buf *body)
{
    char url[URL_BYTES_MAX + 8];
    struct buf fresh = {0};
    struct picture p;

    url_shown(x->config->snapshots->url, url);
    if (album_picture(x->album, buf_all(body), &p, &fresh)) {
        struct value v = value_object();

        value_set(&v, "method", value_string(SLICE("POST")));
        value_set(&v, "url", value_string(slice_of(url)));
        value_set(&v, "sha256", value_string(slice_of(p.sha256)));
        value_set(&v, "media_type", value_string(slice_of(p.media_type)));
        value_set(&v, "bytes", value_number((double)p.bytes));
        say(x, "upload", v);
        album_put(x->album, p.sha256, ALBUM_STAND_IN);
        album_placed(x->album, buf_all(body), p.sha256, ALBUM_STAND_IN, NULL, &fresh);
        picture_close(&p);
    }
    buf_free(body);
    *body = fresh;
}

static int add_event(
    struct explanation *x, struct event_reader *reader, struct slice line, struct fault *why)
{
    char made[IDENTITY_TEXT], key[REQUEST_KEY_BYTES];
    struct buf body = {0};
    struct identity id;
    struct slice name;
    struct event e;
    int64_t unix_s;

    if (event_read(reader, line, &e, why) < 0)
        return -1;
    name = event_str(&e, EV_EVENT_ID);
    if (name.n == 0) {
        identity_of(&id, &e, SLICE_NONE, NULL);
        identity_print(&id, made);
        name = slice_of(made);
    }
    request_key(name, x->config->id, key);
    x->d.p->profile.event(&body, &e, x->config->id == ID_V5 ? slice_of(key) : SLICE_NONE);
    if (x->album && album_event(x->album, &e, &body))
        say_upload(x, &body);
    value_push(&x->d.in.events, ask_event(x->d.p,
                                    &(struct ask_event){.body = buf_all(&body),
                                        .key = slice_of(key),
                                        .attempts = (unsigned)yyjson_get_uint(e.field[EV_ATTEMPTS]),
                                        .ambiguous = yyjson_get_bool(e.field[EV_AMBIGUOUS])},
                                    &unix_s));
    buf_free(&body);
    return 0;
}

static int flush_events(struct explanation *x, struct fault *why)
{
    int rc = value_count(x->d.in.events) > 0 ? dialog_go(&x->d, SCRIPT_REQUEST, why) : 0;

    value_free(x->d.in.events);
    x->d.in.events = value_array();
    return rc < 0 ? rc : line_flush(&x->out, why);
}

static int read_events(struct explanation *x, struct fault *why)
{
    struct line_reader *lines = line_reader_new(STDIN_FILENO, LINE_MAX_BYTES);
    struct event_reader *reader = event_reader_new();
    struct slice line;
    enum line kind;
    int rc = 0;

    while (rc == 0 && (kind = line_next(lines, &line, why)) != LINE_END) {
        if (kind == LINE_ERROR)
            rc = -1;
        else if (kind == LINE_LONG)
            rc = fault_set(why, EX_DATAERR, "standard input: longer than a line may be");
        else if (slice_trim(line).n > 0)
            rc = add_event(x, reader, line, why);
        if (rc == 0 && value_count(x->d.in.events) == x->config->batch)
            rc = flush_events(x, why);
    }
    if (rc == 0)
        rc = flush_events(x, why);
    line_reader_free(lines);
    event_reader_free(reader);
    return rc;
}

/* --check with --explain: what it would ask, and what it makes of the replies. */
static int explain_check(struct explanation *x, struct fault *why)
{
    int rc = dialog_go(&x->d, SCRIPT_CHECK, why);

    if (rc == DIALOG_NOTHING)
        say(x, "check", value_null());
    return rc < 0 ? -1 : 0;
}

/* --watermark with --explain, for the marks on standard input. */
static int explain_watermark(struct explanation *x, struct fault *why)
{
    struct value devices;
    int rc = watermark_read(x->d.p, x->d.in.now_s, &devices, why);

    if (rc <= 0)
        return rc;
    x->d.in.devices = &devices;
    rc = dialog_go(&x->d, SCRIPT_WATERMARK, why);
    if (rc == DIALOG_NOTHING)
        say(x, "watermark", value_null());
    x->d.in.devices = NULL;
    value_free(devices);
    return rc < 0 ? -1 : 0;
}

static int set_now(struct explanation *x, struct fault *why)
{
    const char *text = x->config->now;
    struct clock_time now;

    x->d.in.now_s = clock_now_ms() / 1000;
    if (!text)
        return 0;
    if (!clock_parse(slice_of(text), &now) || !now.has_offset)
        return fault_set(why, EX_USAGE, "--now: write it like 2026-05-04T08:00:00Z");
    x->d.in.now_s = clock_instant_ms(&now) / 1000;
    return 0;
}

static int explain_all(struct explanation *x, struct fault *why)
{
    int rc = set_now(x, why);

    if (rc == 0)
        rc = dialog_login(&x->d, why);
    if (rc != DIALOG_JUDGED)
        return rc < 0 ? -1 : 0;
    if (x->config->watermark)
        return explain_watermark(x, why);
    return x->config->check ? explain_check(x, why) : read_events(x, why);
}

int explain(const struct profile *profile, const struct explain_config *config, struct fault *why)
{
    struct explanation x = {.config = config};
    struct fault ignored;
    int rc;

    if (!profile->scripted)
        return fault_set(
            why, EX_USAGE, "--explain: the profile %s is no jq file; see -n", profile->name);
    if (config->snapshots->mode != SNAPSHOT_KEEP) {
        x.album = album_open(config->snapshots, config->body_bytes, true, why);
        if (!x.album)
            return -1;
    }
    dialog_init(&x.d, profile->scripted, config->batch);
    x.d.answer = answer;
    x.d.session = say_session;
    x.d.judged = say_judgement;
    x.d.arg = &x;
    line_writer_init(&x.out, STDOUT_FILENO, "standard output");
    rc = explain_all(&x, why);
    if (rc < 0) /* what was found out before is still worth reading */
        line_flush(&x.out, &ignored);
    else
        rc = line_close(&x.out, why);
    album_close(x.album);
    dialog_free(&x.d);
    line_writer_free(&x.out);
    return rc;
}
