/* SPDX-License-Identifier: MIT */
/*
 * The loop.  One turn: read what is there, start what may start, take in what came back, answer
 * what is overdue.  When a turn finds nothing to do, receipts are flushed and it waits.
 */
#include "sender.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "msg.h"
#include "state.h"
#include "stop.h"
#include "upload.h"

#define FINISH_MS 10000 /* SIGTERM: how long requests under way are awaited */

/* ---- beginning and end ---- */

static void batches_new(struct sender *s)
{
    unsigned n = s->config->transfer.connections;

    /* As many as connections; halves that wait for one keep theirs, so none is missing. */
    s->batches = mem_alloc(n * sizeof *s->batches);
    memset(s->batches, 0, n * sizeof *s->batches);
    for (unsigned i = n; i-- > 0;) {
        s->batches[i].item = mem_alloc(s->config->batch * sizeof(struct item *));
        s->batches[i].next = s->batch_free;
        s->batch_free = &s->batches[i];
    }
    s->halves_end = &s->halves;
    s->slices = mem_alloc(s->config->batch * sizeof *s->slices);
}

static size_t line_bytes(const struct sender_config *config)
{
    size_t wide = config->body_bytes + (64u << 10); /* what is not posted may be longer */

    return wide > LINE_MAX_BYTES ? wide : LINE_MAX_BYTES;
}

static int sender_open(struct sender *s, const struct sender_config *config, struct fault *why)
{
    *s = (struct sender){.config = config, .profile = config->profile};
    s->now_ms = monotonic_ms();
    url_shown(config->transfer.url, s->url);
    line_writer_init(&s->out, STDOUT_FILENO, "standard output");
    s->queue = queue_new(config->memory_bytes);
    s->lines = line_reader_new(STDIN_FILENO, line_bytes(config));
    s->events = event_reader_new();
    batches_new(s);
    talk_open(s);
    destination_init(&s->destination, &config->backoff);
    if (config->failing_since_s > 0)
        destination_resume(&s->destination,
            s->now_ms - (clock_now_ms() - config->failing_since_s * 1000), s->now_ms);
    s->body_bytes = config->body_bytes;
    pace_init(&s->pace, config->transfer.connections, config->rate_us);
    s->headers = headers_read(&config->headers, NULL, why);
    if (!s->headers)
        return -1;
    if (upload_open(s, why) < 0 || token_open(s, why) < 0)
        return -1;
    if (config->dry)
        return 0;
    if (s->talk.p && scripted_secrets(s->talk.p, why) < 0)
        return -1;
    s->transfer = transfer_open(&config->transfer, why);
    if (!s->transfer)
        return -1;
    transfer_headers(s->transfer, s->headers);
    return 0;
}

static void sender_close(struct sender *s)
{
    token_await(s);
    transfer_close(s->transfer);
    talk_close(s);
    upload_close(s);
    token_close(s);
    headers_drop(s->headers);
    for (unsigned i = 0; i < s->config->transfer.connections; i++) {
        buf_free(&s->batches[i].body);
        buf_free(&s->batches[i].packed);
        free(s->batches[i].item);
    }
    free(s->batches);
    free(s->slices);
    request_packer_free(s->packer);
    for (unsigned i = 0; i < s->suspects; i++)
        free(s->suspect[i].error);
    queue_free_all(s->queue);
    line_reader_free(s->lines);
    event_reader_free(s->events);
    line_writer_free(&s->out);
    buf_free(&s->scratch);
}

/* ---- the loop ---- */

static unsigned busy(const struct sender *s)
{
    return s->transfer ? transfer_busy(s->transfer) : 0;
}

/* Whether everything is answered, or will not be. */
static bool finished(const struct sender *s)
{
    if (s->ending || s->gave_up)
        return busy(s) == 0 && !talk_waits(s);
    if (queue_count(s->queue) > 0)
        return false;
    /* So many people are blocked for good that no event can come in any more. */
    return s->input_ended || (!s->acks && !queue_room(s->queue));
}

static int finish_requests(struct sender *s, struct fault *why)
{
    struct exchange done;
    int news = s->transfer ? transfer_run(s->transfer, s->now_ms, why) : 0;

    if (news <= 0)
        return news;
    while (transfer_next(s->transfer, &done)) {
        if (done.upload) {
            upload_finish(s, &done);
            continue;
        }
        batch_finish(s, &done);
        upload_turn(s);
    }
    return news;
}

/* Refusals that nothing contradicts any more. */
static int64_t settle_suspects(struct sender *s)
{
    if (s->input_ended && s->suspects == queue_count(s->queue))
        answer_suspects(s, UINT64_MAX);
    return answer_suspects_late(s);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Waits for news, until then at most. */
static int wait_for_news(struct sender *s, int64_t until_ms, struct fault *why)
{
    struct pollfd fds[2] = {{.fd = -1}, {.fd = -1}};
    int64_t timeout_ms = until_ms == INT64_MAX ? -1 : until_ms - s->now_ms;
    int curl_ms = s->transfer ? transfer_timeout_ms(s->transfer, s->now_ms) : -1;

    if (line_flush(&s->out, why) < 0)
        return -1;
    if (curl_ms >= 0 && (timeout_ms < 0 || curl_ms < timeout_ms))
        timeout_ms = curl_ms;
    if (until_ms != INT64_MAX && timeout_ms < 0)
        timeout_ms = 0;
    if (timeout_ms > 3600 * 1000)
        timeout_ms = 3600 * 1000;
    if (s->transfer)
        fds[0] = (struct pollfd){.fd = transfer_fd(s->transfer), .events = POLLIN};
    if (intake_wanted(s))
        fds[1] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    if (stop_wait(fds, 2, (int)timeout_ms, s->ending) < 0)
        return fault_errno(why, EX_OSERR, "cannot wait");
    return 0;
}

/* When a turn must come, whatever happens; 0: at once, there is more to do. */
static int64_t next_turn(struct sender *s, int news, int64_t until_ms)
{
    int64_t next_ms = earlier(batch_next_ms(s), upload_next_ms(s));

    if (news > 0 || (intake_wanted(s) && !s->input_idle) || next_ms <= s->now_ms)
        return 0;
    return earlier(until_ms, next_ms);
}

static int turn(struct sender *s, struct fault *why)
{
    int64_t until_ms;
    int news;

    s->now_ms = monotonic_ms();
    s->wall_ms = clock_now_ms();
    if (intake(s, why) < 0)
        return -1;
    until_ms = queue_wake(s->queue, s->now_ms);
    if (upload_start(s, why) < 0 || batch_start(s, why) < 0)
        return -1;
    news = finish_requests(s, why);
    if (news < 0)
        return -1;
    batch_give_back_late(s);
    until_ms = earlier(until_ms, answer_overdue(s));
    until_ms = earlier(until_ms, settle_suspects(s));
    if (s->failed) {
        *why = s->fault;
        return -1;
    }
    until_ms = next_turn(s, news, until_ms);
    return until_ms > 0 && !finished(s) ? wait_for_news(s, until_ms, why) : 0;
}

/* The orderly end: no new requests, those under way are awaited for a while. */
static void end_begins(struct sender *s, int64_t *limit_ms)
{
    if (s->ending || !stop_requested())
        return;
    s->ending = true;
    *limit_ms = s->now_ms + FINISH_MS;
    batch_give_back(s);
}

int sender_run(const struct sender_config *config, struct fault *why)
{
    struct sender s;
    int64_t limit_ms = INT64_MAX;
    int rc = sender_open(&s, config, why);

    while (rc == 0 && !finished(&s) && s.now_ms < limit_ms) {
        rc = turn(&s, why);
        end_begins(&s, &limit_ms);
    }
    if (rc == 0) {
        s.now_ms = monotonic_ms();
        s.wall_ms = clock_now_ms();
        batch_give_back(&s);
        talk_give_back(&s);
        answer_rest(&s);
        if (s.failed)
            *why = s.fault;
        rc = s.failed ? -1 : line_close(&s.out, why);
    }
    if (rc == 0)
        rc = answer_end(&s);
    sender_close(&s);
    return rc;
}
