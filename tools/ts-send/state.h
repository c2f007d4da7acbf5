/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the sender share: sender.c (the loop), intake.c (lines to events), batch.c
 * (requests and what came back), settle.c (what becomes of their events), talk.c (jq profiles),
 * answer.c (receipts).  Nobody else includes it.
 */
#ifndef TS_SEND_STATE_H
#define TS_SEND_STATE_H

#include "destination.h"
#include "judge.h"
#include "line.h"
#include "oauth.h"
#include "pace.h"
#include "queue.h"
#include "receipt.h"
#include "sender.h"
#include "url.h"

#define SPLITS_MAX 16 /* halvings of SENDER_BATCH_MAX events down to one */

/* One request's worth of events.  items[0..done) are answered, [done..end[ends-1]) are in the
   request under way, the rest follows in pieces, each up to the next of end[]: a refused array in
   halves. */
struct batch {
    struct item **item;
    unsigned n, done;
    unsigned end[SPLITS_MAX];
    unsigned ends;
    bool probe;
    uint64_t refusals; /* when the request was sent */
    uint64_t number;   /* of the request, in pace */
    int64_t sent_ms;
    struct buf body, packed;
    char key[REQUEST_KEY_BYTES];
    char trace[REQUEST_TRACE_BYTES]; /* "": none */
    bool trace_told;                 /* by the receipt: no event_id tells it */
    struct batch *next;              /* in the list of the free, or of those to go on with */

    /* Of a jq profile: the conversation about the events of this request. */
    bool talking;        /* `events` holds them */
    struct value events; /* as the profile sees them */
    struct value memo;
    struct ask ask;
    unsigned steps;   /* requests so far */
    bool wrote;       /* one of those before may have left something at the receiver */
    uint64_t session; /* the number of the session that the request used */

    uint64_t token; /* likewise of the token */
};

enum session_state { SESSION_NONE, SESSION_ASKED, SESSION_THERE };

/* The side of a jq profile that all its requests share. */
struct talk {
    struct scripted *p; /* NULL: a native profile, and nothing else here counts */
    enum session_state state;
    struct value session, memo;
    uint64_t number; /* of the session */
    bool proven;     /* the receiver has taken it once */
    unsigned steps;  /* of the login */
    struct ask ask;
    struct batch *next, **end; /* conversations to go on with */
    struct verdict *verdicts;  /* config->batch of them */
    unsigned said;             /* bits: functions whose error was told */
};

/* The access token of --oauth, for all requests. */
enum token_state { TOKEN_NONE, TOKEN_ASKED, TOKEN_THERE };

struct token {
    struct oauth *oauth; /* NULL: none, and nothing else here counts */
    enum token_state state;
    uint64_t number; /* of the token */
    bool asked;      /* … which we got from the token service, not from the file */
    bool proven;     /* … and the receiver has taken it once */
    int64_t busy_ms; /* since when another process has been at it; 0: it is not */
    int64_t next_ms; /* no look at the file, and no request for one, before */
};

/* A refused event whose receipt waits for a sign that the receiver takes events at all. */
struct suspect {
    struct item *item;
    uint64_t number; /* of its refusal */
    int64_t since_ms;
    int status;
    char *error;
};

/* Which events, and whose, were refused last, and after how many deliveries: a small cache, which
   outlives the return of an event to its giver. */
#define REFUSED_MEMORY 4096u

struct refusal {
    uint64_t who, deliveries; /* the hash of an id, or a person */
};

struct sender {
    const struct sender_config *config;
    const struct profile *profile;
    struct queue *queue;
    struct destination destination;
    struct pace pace;
    size_t body_bytes; /* of the next arrays: less, once the receiver took one for too large */
    struct transfer *transfer;
    struct headers *headers;
    struct line_reader *lines;
    struct event_reader *events;
    struct line_writer out;
    struct buf scratch;
    int64_t now_ms, wall_ms;     /* of this turn of the loop */
    char url[URL_BYTES_MAX + 8]; /* as it may be shown */

    /* input */
    bool input_ended, input_idle; /* idle: nothing to read at this moment */
    bool acks;                    /* an event had one */
    uint64_t bad;                 /* lines that are no event, or carry `error` */

    /* requests */
    struct batch *batches, *batch_free;
    struct batch *halves, **halves_end; /* refused arrays to go on with */
    struct slice *slices;               /* config->batch of them */
    struct request_packer *packer;
    struct talk talk;
    struct token token;
    struct upload *upload; /* NULL: snapshots travel as they are */
    bool bounded_said;     /* that a limit is not obeyed for as long as it says */
    bool limit_said;       /* that the limit is used up */

    /* answers */
    struct suspect suspect[REFUSALS_LAST];
    unsigned suspects;
    struct refusal refused[REFUSED_MEMORY];
    uint64_t deliveries; /* replies that said so */
    uint64_t refusals;
    uint64_t tally[OUTCOMES];

    bool ending;        /* an orderly end was asked for: no new requests */
    bool gave_up;       /* the destination stayed away for too long */
    struct fault fault; /* of a write to standard output */
    bool failed;
};

/* ---- intake.c ---- */

/* Reads what is there, as far as there is room and use for it; -1 and *why. */
int intake(struct sender *s, struct fault *why);
bool intake_wanted(const struct sender *s);

/* ---- batch.c ---- */

/* Starts requests while connections are free and the destination allows. */
int batch_start(struct sender *s, struct fault *why);
void batch_finish(struct sender *s, const struct exchange *done);

/* Gives the events of half-sent arrays back to their lanes: all, or those with no time left. */
void batch_give_back(struct sender *s);
void batch_give_back_late(struct sender *s);

/* When the next request may start: INT64_MAX, when something else has to happen first. */
int64_t batch_next_ms(const struct sender *s);

static inline unsigned batch_end(const struct batch *b)
{
    return b->end[b->ends - 1];
}

static inline unsigned batch_count(const struct batch *b)
{
    return batch_end(b) - b->done;
}

void batch_free(struct sender *s, struct batch *b);

/* Puts a half-sent array where batch_start finds it. */
void batch_go_on(struct sender *s, struct batch *b);

/* What every request that starts costs: a probe, and its share of --rate. */
void batch_counts(struct sender *s, struct batch *b);

/* Requests under way, without uploads. */
unsigned batch_busy(const struct sender *s);

/* Reads the secrets again: they may have been renewed because the old ones ended. */
void batch_renew_secrets(struct sender *s);

/* How long the request may take, so that its events are answered in time. */
int64_t batch_time_left(const struct sender *s, const struct batch *b);
/* Its Idempotency-Key and its trace. */
void batch_make_key(struct sender *s, struct batch *b);

static inline struct slice batch_trace(const struct batch *b)
{
    return b->trace_told ? (struct slice){b->trace + REQUEST_TRACE_AT, REQUEST_TRACE_DIGITS}
                         : SLICE_NONE;
}

/* ---- settle.c: what becomes of the events of a request ---- */

/* Hands them back to wait, all that are not answered. */
void settle_back(struct sender *s, struct batch *b, int64_t wake_ms);
void settle_delivered(struct sender *s, struct batch *b, const struct reply *r, struct verdict v);
void settle_refused(struct sender *s, struct batch *b, const struct reply *r, struct verdict v);
void settle_trouble(struct sender *s, struct batch *b, const struct reply *r, struct verdict v);
void settle_split(struct sender *s, struct batch *b, const struct reply *r);

/* A verdict for each; those with ACT_THEN stay in the request.  r: NULL where nothing was sent:
   then what is refused is not the receiver's word, and final.  True when events are left in it,
   which the caller still holds. */
bool settle_each(struct sender *s, struct batch *b, const struct reply *r, const struct verdict *v);

/* Trouble that is not about an event: with the login. */
void settle_session(struct sender *s, bool probe, const struct reply *r, struct verdict v);

uint64_t settle_random(void);
struct refusal *settle_memory(const struct sender *s, uint64_t who);

/* ---- talk.c: jq profiles ---- */

void talk_open(struct sender *s);
void talk_close(struct sender *s);

/* Whether requests may start; a login is started where one is needed.  -1 and *why. */
int talk_ready(struct sender *s, struct fault *why);

/* The next request for these events, or their verdict where none is needed. */
int talk_go(struct sender *s, struct batch *b, struct fault *why);

/* Ends the conversations that wait for their next step. */
void talk_give_back(struct sender *s);

/* A conversation to go on with, or NULL. */
struct batch *talk_next(struct sender *s);
bool talk_waits(const struct sender *s); /* there is one */
void talk_finish(struct sender *s, struct batch *b, const struct exchange *done);
void talk_session_back(struct sender *s, const struct exchange *done);

/* The conversation of a batch is over, or begins anew. */
void talk_forget(struct batch *b);

/* Ends the session: the secrets were renewed. */
void talk_log_out(struct sender *s);

/* ---- token.c: the access token of --oauth ---- */

int token_open(struct sender *s, struct fault *why);
void token_close(struct sender *s);

/* Whether there is one, or none is needed; it is asked for where one is.  -1 and *why. */
int token_ready(struct sender *s, struct fault *why);

static inline bool token_there(const struct sender *s)
{
    return !s->token.oauth || s->token.state == TOKEN_THERE;
}

void token_back(struct sender *s, const struct exchange *done);

/* When token_ready may be asked again; 0: there is one; INT64_MAX: it is on its way. */
int64_t token_next_ms(const struct sender *s);

/* The receiver took the token of this number; or did not: true when another one may help. */
void token_proves(struct sender *s, uint64_t number);
bool token_lost(struct sender *s, uint64_t number);

/* The same, of a request with events: these then wait for the token, and no try is counted. */
bool token_again(struct sender *s, struct batch *b, const struct exchange *done);

/* The file is read again before the next request. */
void token_renew(struct sender *s);

/* Puts the token into new header fields, where it belongs there. */
void token_install(struct sender *s);

/* A new token may be in a reply that is under way: waits for it. */
void token_await(struct sender *s);

/* ---- answer.c ---- */

/* Prints a receipt and counts it; its time is that of this turn. */
void answer_receipt(struct sender *s, struct receipt *r);

/* Replaces what names the person of the event by *** in what a receiver said about it. */
void answer_mask_person(struct sender *s, const struct item *it, struct buf *text);

/* The last word on an event: prints its receipt; the item itself stays the caller's. */
void answer_item(struct sender *s, const struct item *it, enum outcome outcome, int status,
    const char *error, int64_t retry_ms);

/* … on an event that never came into the queue. */
void answer_event(struct sender *s, const struct event *e, struct slice id, enum outcome outcome,
    const char *error, int64_t retry_ms);

/* A line that is no event. */
void answer_bad(struct sender *s, uint64_t line, const char *error);

/* A refused event is put aside until the receiver takes another one, or there is nothing to wait
   for; then its receipt says `rejected`. */
void answer_suspect(struct sender *s, struct item *it, int status, char *error);
void answer_suspects(struct sender *s, uint64_t upto); /* they are rejected: those up to a number */
void answer_suspects_back(struct sender *s); /* the receiver refuses everything: they wait again */

/* So long before it is due a waiting event is handed back, that the receipt arrives in time. */
int64_t answer_margin_ms(const struct sender *s);

void answer_suspects_last(struct sender *s); /* the one put aside last is */

/* Rejects those that nothing has contradicted in time; returns when the next is due.  One with an
   ack is answered by answer_overdue. */
int64_t answer_suspects_late(struct sender *s);

/* Answers what has waited for as long as was promised; returns when the next is due. */
int64_t answer_overdue(struct sender *s);

/* Everything that is still here is deferred. */
void answer_rest(struct sender *s);

/* The closing line on standard error, and the exit status. */
int answer_end(struct sender *s);

/* When an event that is handed back may come again, by this clock. */
int64_t answer_retry_ms(const struct sender *s, const struct item *it);

#endif
