/* SPDX-License-Identifier: MIT */
/* A whole body to events: content coding, dialect, stream, receipts. */
#include <stdlib.h>

#include "http.h"
#include "msg.h"

bool http_unpack(struct conn *c)
{
    struct buf plain = {0};
    int status = 0;

    if (c->packed || c->deflated) {
        status = (c->packed ? body_unpack : body_inflate)(
            buf_all(&c->body), c->http->env->body_bytes, &plain);
        buf_free(&c->body);
        c->body = plain;
        c->packed = c->deflated = false;
    }
    if (status != 0 && status != 413)
        http_refuse(c, (unsigned)status, "not packed as it says, damaged, or empty");
    else if (status != 0)
        http_refuse(c, (unsigned)status, NULL);
    return status == 0;
}

/* A body may show whose it is, where the head did not. */
static void find_claim(struct conn *c)
{
    struct request *r = &c->request;

    for (size_t i = 0; dialects[i] != dialect_last(); i++) {
        if (!dialects[i]->claims || !dialects[i]->claims(buf_all(&c->body)))
            continue;
        http_leave_dialect(r);
        r->dialect = dialects[i];
        r->state = c->http->dialect[i];
        return;
    }
}

static void open_stream(struct conn *c, const struct feed *feed)
{
    const struct source_env *env = c->http->env;
    struct stream_config config = {.kind = STREAM_BODY,
        .origin = c->name,
        .device = feed->device ? feed->device : c->host,
        .certain_device = feed->device != NULL,
        .format = feed->format,
        .certain_format = feed->certain,
        .options = feed->options,
        .see = feed->see,
        .see_arg = feed->arg};

    config.track = c->track = track_new(TRACK_TELL, c->http->number, c);
    c->stream = stream_open(env->pump, &config);
    stream_take(c->stream, &c->body);
    stream_end(c->stream);
}

static void watch(void *arg, const struct decoded *event)
{
    const struct conn *c = arg;

    push_watch_event(c->http->watch, c->host, event);
}

/* False when it was answered instead. */
static bool prepare(struct conn *c)
{
    struct feed feed = {0};
    struct reply reply;

    if (!http_unpack(c))
        return false;
    if (c->request.dialect == dialect_last())
        find_claim(c);
    http_reply_begin(c, &reply);
    if (!c->request.dialect->feed(&c->request, &c->body, &feed, &reply)) {
        http_reply(c, &reply);
        return false;
    }
    if (c->request.dialect->claims && !feed.see) {
        feed.see = watch;
        feed.arg = c;
    }
    http_hold(c);
    open_stream(c, &feed);
    return true;
}

void http_feed(struct conn *c)
{
    struct http *h = c->http;
    struct fault why;

    if (!c->stream && !prepare(c))
        return;
    switch (stream_run(c->stream, &why)) {
    case STREAM_END:
        http_enter(c, PHASE_WAIT);
        http_hold(c);
        break;
    case STREAM_ERROR:
        h->failed = sink_fault(h->env->sink) || pump_failed(h->env->pump);
        h->why = why;
        if (h->failed)
            return;
        msg_warn("%s: %s", h->operand, why.text);
        http_refuse(c, 500, NULL);
        break;
    default:
        break;
    }
}

void http_settled(struct conn *c, enum verdict verdict)
{
    struct reply reply;

    if (verdict == VERDICT_DONE) {
        http_reply_begin(c, &reply);
        c->request.dialect->accepted(
            &c->request, stream_events(c->stream), stream_bad(c->stream), &reply);
        http_reply(c, &reply);
    } else if (verdict == VERDICT_TOO_MANY) {
        http_refuse(c, 413, "too many events in one body");
    } else if (verdict == VERDICT_AGAIN) {
        http_refuse(c, 503, NULL);
    }
}

void http_leave_dialect(struct request *r)
{
    if (r->dialect && r->dialect->forget)
        r->dialect->forget(r);
    buf_free(&r->kept);
    *r = (struct request){0};
}

void http_forget(struct conn *c)
{
    sink_leave(c->http->env->sink, c->track);
    c->track = NULL;
    stream_close(c->stream);
    c->stream = NULL;
    buf_free(&c->body);
    http_leave_dialect(&c->request);
    http_hold(c);
}
