/* SPDX-License-Identifier: MIT */
/* Lines in: what can be answered at once is, the rest goes into the queue.  Parsed once, here. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "identity.h"
#include "state.h"
#include "upload.h"

/* Lines read between two looks at the connections. */
#define LINES_AT_ONCE 512

bool intake_wanted(const struct sender *s)
{
    size_t ahead = (size_t)s->config->batch * s->config->transfer.connections * 2;

    if (s->input_ended || s->ending || s->gave_up || !queue_room(s->queue))
        return false;
    /* Perhaps one of the next is taken, where all those here are refused. */
    if (s->destination.cause == CAUSE_REFUSES)
        return true;
    /* Their time runs from the moment they were handed over, read or not: better read. */
    return s->acks || queue_ready(s->queue) < ahead;
}

/* The text of `skip`, `hold` or `error`: NULL when it is absent, null or false.  Kept in scratch.
 */
static const char *mark_of(struct sender *s, const struct event *e, enum event_field field)
{
    yyjson_val *v = e->field[field];
    struct slice text;

    if (!v || yyjson_is_null(v) || yyjson_is_false(v))
        return NULL;
    text = yyjson_is_str(v) ? event_str(e, field) : event_json(e, field);
    s->scratch.len = 0;
    buf_slice(&s->scratch, text);
    buf_char(&s->scratch, '\0');
    return s->scratch.data;
}

/* The event's id: as it says, else worked out. */
static struct slice id_of(const struct event *e, char text[IDENTITY_TEXT])
{
    struct slice id = event_str(e, EV_EVENT_ID);
    struct identity made;

    if (id.n > 0)
        return id;
    identity_of(&made, e, SLICE_NONE, NULL);
    identity_print(&made, text);
    return slice_of(text);
}

/* Events that are not to be sent.  True when it was one of them. */
static bool answered_at_once(
    struct sender *s, const struct event *e, struct slice id, uint64_t person)
{
    static const struct {
        enum event_field field;
        enum outcome outcome;
    } marks[] = {
        {EV_ERROR, OUTCOME_REJECTED},
        {EV_SKIP, OUTCOME_SKIPPED},
        {EV_HOLD, OUTCOME_HELD},
    };

    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const char *text = mark_of(s, e, marks[i].field);

        if (!text)
            continue;
        if (marks[i].field == EV_ERROR)
            s->bad++;
        /* The giver will hand it over again; what comes behind it until then must wait. */
        if (marks[i].field == EV_HOLD && event_str(e, EV_ACK).p)
            queue_block(
                s->queue, person, queue_hash(s->queue, id), s->now_ms + s->config->backoff.last_ms);
        answer_event(s, e, id, marks[i].outcome, text, 0);
        return true;
    }
    return false;
}

static void put(struct sender *s, const struct event *e, struct slice id, uint64_t person)
{
    char v5[REQUEST_ID_BYTES];
    struct slice ack = event_str(e, EV_ACK), body, instead = SLICE_NONE;
    struct item *it;
    bool waits;

    if (s->config->id == ID_V5) {
        request_id_v5(id, v5);
        instead = slice_of(v5);
    }
    s->scratch.len = 0;
    s->profile->event(&s->scratch, e, instead);
    waits = s->upload && upload_put(s, e, &s->scratch);
    body = buf_all(&s->scratch);
    if (body.n + 2 > s->config->body_bytes) {
        answer_event(s, e, id, OUTCOME_REJECTED, "larger than --max-body", 0);
        return;
    }
    it = queue_put(s->queue, person, body, ack, id, s->now_ms);
    it->tries = (uint32_t)yyjson_get_uint(e->field[EV_ATTEMPTS]);
    it->ambiguous = yyjson_get_bool(e->field[EV_AMBIGUOUS]);
    s->acks |= it->has_ack;
    if (waits)
        upload_wait(s, it);
}

/* Whether it is behind an event that was handed back: that one may have been held because nobody
   knew yet whose it is, and so have had its person's name on the device for a name. */
static bool behind(
    struct sender *s, const struct event *e, uint64_t who, uint64_t id, int64_t *until_ms)
{
    bool has_ack = event_str(e, EV_ACK).p != NULL;
    struct slice device = event_str(e, EV_PERSON_ID);

    if (queue_blocked(s->queue, who, id, has_ack, s->now_ms, until_ms))
        return true;
    if (!who || event_str(e, EV_EMPLOYEE_ID).n == 0)
        return false;
    if (device.n == 0)
        device = event_str(e, EV_CARD_NO);
    if (device.n == 0)
        return false;
    who = queue_hash(s->queue, device);
    return queue_blocked(s->queue, who, id, has_ack, s->now_ms, until_ms);
}

static void take_event(struct sender *s, const struct event *e)
{
    char made[IDENTITY_TEXT];
    struct slice id = id_of(e, made), person = event_person(e);
    uint64_t who = person.n > 0 ? queue_hash(s->queue, person) : 0;
    uint64_t which = queue_hash(s->queue, id);
    int64_t until_ms;

    if (answered_at_once(s, e, id, who))
        return;
    if (behind(s, e, who, which, &until_ms)) {
        int64_t soon_ms = answer_retry_ms(s, NULL);

        if (until_ms < soon_ms)
            until_ms = soon_ms;
        answer_event(s, e, id, OUTCOME_DEFERRED, "behind an unfinished event of the same person",
            event_str(e, EV_ACK).p ? until_ms : 0);
        return;
    }
    put(s, e, id, who);
}

static bool blank(struct slice line)
{
    while (line.n > 0 &&
           (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\t' || line.p[line.n - 1] == '\r'))
        line.n--;
    return line.n == 0;
}

static void take_line(struct sender *s, enum line kind, struct slice line)
{
    struct event e;
    struct fault why;

    if (kind == LINE_LONG)
        answer_bad(s, line_number(s->lines), "longer than a line may be");
    else if (blank(line))
        return;
    else if (event_read(s->events, line, &e, &why) < 0)
        answer_bad(s, line_number(s->lines), why.text);
    else
        take_event(s, &e);
}

/* More bytes: 1 there are some, 0 none at this moment, -1 and *why. */
static int fill(struct sender *s, struct fault *why)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

    if (poll(&in, 1, 0) < 0 && errno != EINTR)
        return fault_errno(why, EX_IOERR, "standard input: cannot wait");
    if (!in.revents) {
        s->input_idle = true;
        return 0;
    }
    return line_fill(s->lines, why) < 0 ? -1 : 1;
}

int intake(struct sender *s, struct fault *why)
{
    struct slice line;

    s->input_idle = false;
    for (unsigned n = 0; n < LINES_AT_ONCE && intake_wanted(s) && !s->failed; n++) {
        enum line kind = line_take(s->lines, &line);
        int filled = 1;

        if (kind == LINE_END)
            s->input_ended = true;
        else if (kind == LINE_WAIT)
            filled = fill(s, why);
        else
            take_line(s, kind, line);
        if (filled <= 0)
            return filled;
    }
    return 0;
}
