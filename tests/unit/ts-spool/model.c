/* SPDX-License-Identifier: MIT */
/*
 * A drain against a model of its command, by dice: puts, windows, answers of every kind, commands
 * and drains that die, changes by hand.  At the end everything has come through, each person's
 * events in order, and the counters say what the events say.  The command keeps order as ts-send
 * does: behind an event that is not final, the person's others are deferred until it comes again.
 */
#include "store.h"

#include "../../support/store.h"
#include "../../support/unit.h"

enum { EVENTS = 400, PERSONS = 9 };

static struct store *store;
static struct fault why;
static unsigned seed;
static int64_t now;

/* What is known about each event; its number is its arrival number. */
static struct {
    int person; /* 0: none */
    bool arrived, rejected;
} event[EVENTS + 1];
static int put_count;
static int last_arrived[PERSONS];

/* The command: what it has not looked at yet, and behind which event each person is stuck. */
static struct {
    uint64_t token;
    int number;
} queue[EVENTS * 2];
static unsigned queued;
static int stuck[PERSONS];

static struct settled answers[EVENTS * 2];
static size_t answer_count;

static int dice(int sides)
{
    return rand_r(&seed) % sides;
}

static void open_drain(void)
{
    store_close(store);
    store = store_open(store_name, STORE_FOLLOW, &why);
    ck_assert_msg(store != NULL, "%s", why.text);
    ck_assert_msg(store_drain_begin(store, now, &why) == 0, "%s", why.text);
    queued = 0;
    answer_count = 0;
    memset(stuck, 0, sizeof stuck);
}

static void put_some(void)
{
    struct record records[8];
    char lines[8][40], names[8][8], days[8][24];
    int n = 1 + dice(8);

    for (int i = 0; i < n; i++) {
        int number = put_count + 1 + i, person = dice(PERSONS);

        if (number > EVENTS)
            return;
        snprintf(lines[i], sizeof lines[i], "{\"event_id\":\"%d\"}", number);
        snprintf(names[i], sizeof names[i], "p%d", person);
        snprintf(days[i], sizeof days[i], "2026-05-%02d", 1 + dice(28));
        records[i] = (struct record){.line = slice_of(lines[i]),
            .device = person > 5 ? slice_of(names[i]) : SLICE_NONE,
            .day = slice_of(days[i]),
            .serial = -1,
            .person = person > 0 ? slice_of(names[i]) : SLICE_NONE,
            .state = dice(20) == 0 ? STATE_HELD : STATE_WAITING};
        identity_of_bytes(&records[i].id, records[i].line, NULL);
        event[number].person = person;
    }
    ck_assert_msg(store_put(store, records, (size_t)n, now, &why) == 0, "%s", why.text);
    put_count += n;
}

static void give(void *arg, const struct handed *h)
{
    (void)arg;
    queue[queued].token = h->token;
    queue[queued++].number = (int)strtol(h->line.p + 13, NULL, 10);
}

static void arrive(int number)
{
    int person = event[number].person;

    if (event[number].arrived)
        return; /* the receiver knows its id */
    event[number].arrived = true;
    if (person > 0) {
        ck_assert_msg(last_arrived[person] < number, "%d after %d", number, last_arrived[person]);
        last_arrived[person] = number;
    }
}

static enum outcome decide(int number, bool kind)
{
    int person = event[number].person, roll = kind ? 0 : dice(12);

    if (person > 0 && stuck[person] && stuck[person] != number)
        return OUTCOME_DEFERRED;
    stuck[person] = 0;
    if (event[number].rejected)
        return OUTCOME_REJECTED; /* the first answer was lost */
    if (roll == 1 && !event[number].arrived) {
        event[number].rejected = true;
        return OUTCOME_REJECTED;
    }
    if (roll == 2 || roll == 3) {
        stuck[person] = number;
        return roll == 2 ? OUTCOME_HELD : OUTCOME_DEFERRED;
    }
    if (roll == 4)
        return event[number].arrived ? OUTCOME_DUPLICATE : (arrive(number), OUTCOME_DELIVERED);
    arrive(number);
    return OUTCOME_DELIVERED;
}

/* The command works on the first n of its queue. */
static void process(unsigned n, bool kind)
{
    for (unsigned i = 0; i < n; i++) {
        enum outcome outcome = decide(queue[i].number, kind);

        answers[answer_count++] = (struct settled){.token = queue[i].token,
            .outcome = outcome,
            .due_ms = outcome_final(outcome) || kind ? 0 : now + 1 + dice(500)};
    }
    queued -= n;
    memmove(queue, queue + n, queued * sizeof *queue);
}

/* The command dies: some of its answers are lost. */
static void command_dies(void)
{
    size_t kept = answer_count > 0 ? (size_t)dice((int)answer_count + 1) : 0;

    for (size_t i = kept; i < answer_count; i++)
        answers[i] =
            (struct settled){.token = answers[i].token, .outcome = OUTCOMES, .ambiguous = true};
    for (unsigned i = 0; i < queued; i++)
        answers[answer_count++] =
            (struct settled){.token = queue[i].token, .outcome = OUTCOMES, .ambiguous = true};
    queued = 0;
    memset(stuck, 0, sizeof stuck);
}

static void exchange(unsigned events)
{
    struct exchange x = {.settled = answers,
        .count = answer_count,
        .events = events,
        .bytes = 100 + (size_t)dice(2000),
        .now_ms = now,
        .give = give};

    ck_assert_msg(store_exchange(store, &x, &why) == 0, "%s", why.text);
    answer_count = 0;
    ck_assert_uint_le(x.given, events);
}

static void change_by_hand(void)
{
    struct action action = {
        .change = CHANGE_RETRY, .states = STATES_ALL, .who = "me", .what = "retry"};
    uint64_t seq = put_count > 0 ? 1 + (uint64_t)dice(put_count) : 1;

    if (event[seq].rejected || event[seq].arrived)
        return; /* sent again it would be out of order, as whoever does it wants */
    ck_assert_int_eq(store_change(store, &action, &seq, 1, now, &why), 0);
}

static void step(void)
{
    switch (dice(14)) {
    case 0:
    case 1:
    case 2:
        put_some();
        break;
    case 3:
        command_dies();
        break;
    case 4:
        if (dice(4) == 0)
            open_drain();
        break;
    case 5:
        change_by_hand();
        break;
    case 6:
        now += dice(400);
        break;
    case 7:
    case 8:
    case 9:
        process((unsigned)dice((int)queued + 1), false);
        break;
    default:
        exchange(queued < 40 ? (unsigned)dice(41 - (int)queued) : 0);
    }
}

static int64_t waiting(struct store_stat *s)
{
    ck_assert_msg(store_stat(store, s, &why) == 0, "%s", why.text);
    return s->in[STATE_WAITING] + s->in[STATE_HELD];
}

static int count_row(void *arg, const struct row *row)
{
    int *in = arg;

    in[row->state]++;
    ck_assert_msg((row->state == STATE_DEAD) == event[row->seq].rejected, "%d", (int)row->seq);
    ck_assert_msg((row->state == STATE_DELIVERED) <= event[row->seq].arrived, "%d", (int)row->seq);
    return 0;
}

static int count_day(void *arg, const struct day *day)
{
    int64_t *sums = arg;

    for (int i = 0; i < STATES; i++)
        sums[i] += day->in[i];
    return 0;
}

/* The days say what the counters say, also in the middle of it all. */
static void audit(void)
{
    int64_t sums[STATES] = {0};
    struct audit a = {.row = count_day, .arg = sums};
    struct store_stat s;

    waiting(&s);
    ck_assert_msg(store_audit(store, &a, &why) == 0, "%s", why.text);
    for (int i = 0; i < STATES; i++)
        ck_assert_int_eq(sums[i], s.in[i]);
}

START_TEST(all_arrive_in_order)
{
    struct store_stat s;
    int in[STATES] = {0};
    struct page page = {.states = STATES_ALL, .row = count_row, .arg = in};

    seed = (unsigned)_i + 1;
    store_make_empty();
    now = 1000000;
    open_drain();
    while (put_count < EVENTS - 8)
        step();
    audit();
    /* Everything is well from now on. */
    for (int rounds = 0; waiting(&s) > 0; rounds++) {
        ck_assert_msg(rounds < 3000, "%d never came out", (int)waiting(&s));
        process(queued, true);
        exchange(40);
        now += 100000;
    }
    ck_assert_int_eq(s.stored, put_count);
    while (!page.ended)
        ck_assert_int_eq(store_page(store, &page, &why), 0);
    for (int i = 0; i < STATES; i++)
        ck_assert_int_eq(in[i], s.in[i]);
    audit();
    store_close(store);
    store_remove();
}
END_TEST

static void add_tests(TCase *tc)
{
    const char *games = getenv("TS_MODEL_GAMES");

    tcase_add_loop_test(tc, all_arrive_in_order, 0, games ? atoi(games) : 25);
}

UNIT_MAIN("model", add_tests)
