/* SPDX-License-Identifier: MIT */
/*
 * What every engine of a store does alike: who is handed out when, what an answer does, what a
 * crash leaves, what is counted.  TS_STORE_URL names another store than a SQLite file: see
 * support/store.h.  What only that engine has is in sqlite.c.
 */
#include "store.h"

#include "../../support/store.h"
#include "../../support/unit.h"
#include "clock.h"

static struct store *store;
static struct fault why;
static int64_t now = 1000000;

/* What the last exchange gave. */
static struct {
    uint64_t token;
    char id[20];
    unsigned attempts;
    bool ambiguous;
} got[8192];
static unsigned got_count;
static struct exchange last;

static void open_as(enum store_use use)
{
    store_close(store);
    store = store_open(store_name, use, &why);
    ck_assert_msg(store != NULL, "%s", why.text);
}

static void set_up(void)
{
    store_make_empty();
    open_as(STORE_FOLLOW);
    ck_assert_int_eq(store_drain_begin(store, now, &why), 0);
}

static void tear_down(void)
{
    store_close(store);
    store = NULL;
    store_remove();
}

static struct record record_of(const char *id, const char *person, enum state state)
{
    static char lines[64][40];
    static int n;
    char *line = lines[n++ % 64];
    struct record r = {
        .person = person ? slice_of(person) : SLICE_NONE, .state = state, .serial = -1};

    snprintf(line, 40, "{\"event_id\":\"%s\"}", id);
    r.line = slice_of(line);
    r.reason = state == STATE_WAITING ? SLICE_NONE : SLICE("because");
    identity_of_bytes(&r.id, slice_of(id), NULL);
    return r;
}

/* Puts one event; true when it was not known. */
static bool put(const char *id, const char *person, enum state state)
{
    struct record r = record_of(id, person, state);

    ck_assert_msg(store_put(store, &r, 1, now, &why) == 0, "%s", why.text);
    return !r.known;
}

static void keep(void *arg, const struct handed *h)
{
    (void)arg;
    got[got_count].token = h->token;
    snprintf(got[got_count].id, sizeof got->id, "%.*s", (int)h->line.n - 15, h->line.p + 13);
    got[got_count].attempts = h->attempts;
    got[got_count++].ambiguous = h->ambiguous;
}

static void exchange(const struct settled *settled, size_t count, unsigned events)
{
    last = (struct exchange){.settled = settled,
        .count = count,
        .events = events,
        .bytes = 1 << 20,
        .now_ms = now,
        .give = keep};
    got_count = 0;
    ck_assert_msg(store_exchange(store, &last, &why) == 0, "%s", why.text);
    ck_assert_uint_eq(last.given, got_count);
}

/* The ids that the next exchange hands out, joined: "a b c". */
static const char *take(unsigned events)
{
    static char text[2048];

    exchange(NULL, 0, events);
    text[0] = '\0';
    for (unsigned i = 0; i < got_count; i++) {
        strcat(text, i > 0 ? " " : "");
        strcat(text, got[i].id);
    }
    return text;
}

static uint64_t token_of(const char *id)
{
    for (unsigned i = 0; i < got_count; i++)
        if (strcmp(got[i].id, id) == 0)
            return got[i].token;
    ck_abort_msg("%s was not handed out", id);
    return 0;
}

/* Settles one event of the last take, and takes nothing. */
static void answer(uint64_t token, enum outcome outcome, int64_t due_ms)
{
    struct settled a = {
        .token = token, .outcome = outcome, .due_ms = due_ms, .reason = SLICE("why not")};

    exchange(&a, 1, 0);
}

/* "waiting held dead skipped delivered" by the counters, compared with the pages. */
static const char *counts(void)
{
    static char text[80];
    struct store_stat s;

    ck_assert_msg(store_stat(store, &s, &why) == 0, "%s", why.text);
    snprintf(text, sizeof text, "%d %d %d %d %d", (int)s.in[0], (int)s.in[1], (int)s.in[2],
        (int)s.in[3], (int)s.in[4]);
    return text;
}

static char listed[4096];

static int list_row(void *arg, const struct row *row)
{
    (void)arg;
    snprintf(listed + strlen(listed), sizeof listed - strlen(listed), "%s%.*s:%s%s%.*s",
        listed[0] ? " " : "", (int)row->line.n - 15, row->line.p + 13, state_name(row->state),
        row->reason.p ? "/" : "", (int)row->reason.n, row->reason.p ? row->reason.p : "");
    return 0;
}

static const char *list(unsigned states)
{
    struct page page = {.states = states, .row = list_row};

    listed[0] = '\0';
    while (!page.ended)
        ck_assert_msg(store_page(store, &page, &why) == 0, "%s", why.text);
    return listed;
}

/* The drain dies and another one starts. */
static void crash(void)
{
    open_as(STORE_FOLLOW);
    ck_assert_msg(store_drain_begin(store, now, &why) == 0, "%s", why.text);
}

/* ---- put ---- */

START_TEST(an_id_is_stored_once)
{
    struct record twice[2] = {
        record_of("b", NULL, STATE_WAITING), record_of("b", NULL, STATE_WAITING)};

    ck_assert(put("a", NULL, STATE_WAITING));
    ck_assert(!put("a", NULL, STATE_WAITING));
    ck_assert_int_eq(store_put(store, twice, 2, now, &why), 0);
    ck_assert(!twice[0].known);
    ck_assert(twice[1].known);
    ck_assert_str_eq(counts(), "2 0 0 0 0");
}
END_TEST

START_TEST(put_sorts_by_state)
{
    put("a", "p", STATE_DEAD);
    put("b", "p", STATE_SKIPPED);
    put("c", "q", STATE_HELD);
    put("d", "p", STATE_WAITING);
    put("e", "q", STATE_WAITING);
    ck_assert_str_eq(counts(), "2 1 1 1 0");
    ck_assert_str_eq(take(9), "d"); /* e is behind c */
    ck_assert_str_eq(list(STATES_ALL), "a:dead/because b:skipped/because c:held/because d:waiting"
                                       " e:waiting/behind an earlier event of the same person");
    now += STORE_HOLD_MS;
    ck_assert_str_eq(take(9), "c");
    answer(token_of("c"), OUTCOME_DELIVERED, 0);
    ck_assert_str_eq(take(9), "e");
}
END_TEST

/* An event that was held when it was put does not overtake earlier ones of its person. */
START_TEST(held_at_put_keeps_its_place)
{
    put("a", "p", STATE_WAITING);
    put("b", "p", STATE_HELD);
    put("c", "p", STATE_WAITING);
    now += STORE_HOLD_MS;
    ck_assert_str_eq(take(1), "a");
    for (int i = 0; i < 2 && strcmp(take(1), "b") != 0; i++)
        ck_assert(last.more); /* an engine may look at it only now */
    answer(token_of("b"), OUTCOME_DELIVERED, 0);
    ck_assert_str_eq(take(9), "c");
}
END_TEST

/* ---- answers ---- */

START_TEST(answers_make_states)
{
    static const struct {
        enum outcome outcome;
        const char *counts;
    } table[] = {
        {OUTCOME_DELIVERED, "0 0 0 0 1"},
        {OUTCOME_DUPLICATE, "0 0 0 0 1"},
        {OUTCOME_STORED, "0 0 0 0 1"},
        {OUTCOME_SKIPPED, "0 0 0 1 0"},
        {OUTCOME_REJECTED, "0 0 1 0 0"},
        {OUTCOME_HELD, "0 1 0 0 0"},
        {OUTCOME_DEFERRED, "1 0 0 0 0"},
        {OUTCOMES, "1 0 0 0 0"},
    };
    const size_t n = sizeof table / sizeof *table;

    for (size_t first = 0; first < n; first++)
        for (size_t second = 0; second < n; second++) {
            uint64_t token;

            put("a", "p", STATE_WAITING);
            ck_assert_str_eq(take(9), "a");
            answer(token_of("a"), table[first].outcome, 0);
            ck_assert_str_eq(counts(), table[first].counts);
            now += 2 * STORE_HOLD_MS;
            if (outcome_final(table[first].outcome)) {
                ck_assert_str_eq(take(9), "");
            } else {
                ck_assert_str_eq(take(9), "a");
                token = token_of("a");
                ck_assert_str_eq(take(9), "");
                answer(token, table[second].outcome, 0);
                ck_assert_str_eq(counts(), table[second].counts);
            }
            tear_down();
            set_up();
        }
}
END_TEST

START_TEST(due_times_are_kept)
{
    put("a", "p", STATE_WAITING);
    put("b", "q", STATE_WAITING);
    take(9);
    answer(got[1].token, OUTCOME_DEFERRED, now + 500);
    answer(got[0].token, OUTCOME_DEFERRED, now + 900);
    ck_assert_int_eq(last.due_ms, now + 500);
    ck_assert_str_eq(take(9), "");
    now += 500;
    ck_assert_str_eq(take(9), "b");
    ck_assert_int_eq(last.due_ms, now + 400);
    now += 400;
    ck_assert_str_eq(take(9), "a");
    answer(got[0].token, OUTCOME_DEFERRED, INT64_MAX);
    ck_assert_int_lt(last.due_ms, now + 90000000); /* no receiver can put it off for ever */
}
END_TEST

START_TEST(attempts_and_ambiguity_travel)
{
    struct settled a = {.outcome = OUTCOME_DEFERRED, .attempts = 3, .due_ms = 1};

    put("a", NULL, STATE_WAITING);
    take(9);
    ck_assert_uint_eq(got[0].attempts, 0);
    a.token = got[0].token;
    exchange(&a, 1, 9);
    ck_assert_uint_eq(got[0].attempts, 3);
    ck_assert(!got[0].ambiguous);
    answer(got[0].token, OUTCOMES, 0);
    a = (struct settled){.token = got[0].token, .outcome = OUTCOME_DEFERRED, .due_ms = 1};
    ck_assert_str_eq(take(9), ""); /* often tried: it waits longer and longer */
    now = last.due_ms;
    ck_assert_str_eq(take(9), "a");
    ck_assert_uint_eq(got[0].attempts, 4);
    a.ambiguous = true;
    exchange(&a, 1, 9);
    ck_assert_uint_eq(got[0].attempts, 4);
    ck_assert(got[0].ambiguous);
}
END_TEST

/* ---- order ---- */

START_TEST(a_stuck_person_waits_alone)
{
    uint64_t held;

    put("a1", "a", STATE_WAITING);
    put("b1", "b", STATE_WAITING);
    take(9);
    held = token_of("a1");
    answer(held, OUTCOME_HELD, now + 1000);
    put("a2", "a", STATE_WAITING);
    put("b2", "b", STATE_WAITING);
    put("a3", "a", STATE_WAITING);
    ck_assert_str_eq(take(9), "b2");
    now += 1000;
    ck_assert_str_eq(take(9), "a1"); /* the head alone tries */
    answer(token_of("a1"), OUTCOME_HELD, now + 1000);
    ck_assert_str_eq(take(9), "");
    now += 1000;
    take(9);
    answer(token_of("a1"), OUTCOME_REJECTED, 0);
    put("a4", "a", STATE_WAITING);
    ck_assert_str_eq(take(9), "a2 a3 a4");
}
END_TEST

START_TEST(answers_out_of_order_keep_the_order)
{
    struct settled both[2];

    put("a1", "a", STATE_WAITING);
    put("a2", "a", STATE_WAITING);
    take(9);
    /* The later one would be due first. */
    both[0] =
        (struct settled){.token = token_of("a2"), .outcome = OUTCOME_DEFERRED, .due_ms = now + 10};
    both[1] = (struct settled){
        .token = token_of("a1"), .outcome = OUTCOME_DEFERRED, .due_ms = now + 1000};
    exchange(both, 2, 9);
    now += 10;
    ck_assert_str_eq(take(9), "");
    now += 1000;
    ck_assert_str_eq(take(9), "a1");
    answer(token_of("a1"), OUTCOME_DELIVERED, 0);
    ck_assert_str_eq(take(9), "a2");
}
END_TEST

/* An event is not tried again while a later one of its person is still out: that one would be
   deferred behind it, and then overtaken by what follows. */
START_TEST(an_event_waits_for_later_ones_that_are_out)
{
    uint64_t a1, a2;

    put("a1", "a", STATE_WAITING);
    put("a2", "a", STATE_WAITING);
    take(9);
    a1 = token_of("a1");
    a2 = token_of("a2");
    answer(a1, OUTCOME_DEFERRED, now + 10);
    put("a3", "a", STATE_WAITING);
    now += 10;
    ck_assert_str_eq(take(9), "");
    answer(a2, OUTCOME_DEFERRED, now + 10);
    now += 10000;
    ck_assert_str_eq(take(9), "a1");
    a1 = token_of("a1");
    answer(a1, OUTCOME_DELIVERED, 0);
    ck_assert_str_eq(take(9), "a2 a3");
    a1 = got[0].token;
    a2 = got[1].token;
    answer(a1, OUTCOME_HELD, now + 10);
    now += 10;
    ck_assert_str_eq(take(9), ""); /* the same when both are tried again */
    answer(a2, OUTCOME_DELIVERED, 0);
    now += 10000;
    ck_assert_str_eq(take(9), "a2");
}
END_TEST

START_TEST(windows_and_bytes_limit)
{
    char id[20];

    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof id, "%d", i);
        put(id, NULL, STATE_WAITING);
    }
    exchange(NULL, 0, 7);
    ck_assert_uint_eq(got_count, 7);
    ck_assert(last.more);
    last = (struct exchange){.events = 50, .bytes = 1, .now_ms = now, .give = keep, .arg = NULL};
    got_count = 0;
    ck_assert_int_eq(store_exchange(store, &last, &why), 0);
    ck_assert_uint_eq(got_count, 1);
    exchange(NULL, 0, 1000);
    ck_assert_uint_eq(got_count, 92);
    ck_assert(!last.more);
}
END_TEST

/* ---- crashes ---- */

START_TEST(a_crash_makes_what_was_out_ambiguous)
{
    put("a", "a", STATE_WAITING);
    put("b", "b", STATE_WAITING);
    put("c", "c", STATE_WAITING);
    put("d", "d", STATE_WAITING);
    take(4);
    answer(token_of("b"), OUTCOME_DELIVERED, 0);
    answer(got[2].token, OUTCOME_HELD, now + 5000);
    crash();
    ck_assert_str_eq(counts(), "2 1 0 0 1");
    ck_assert_str_eq(take(9), "a d c");
    for (unsigned i = 0; i < 2; i++) {
        ck_assert(got[i].ambiguous);
        ck_assert_uint_eq(got[i].attempts, 1);
    }
    ck_assert(!got[2].ambiguous);
    crash();
    ck_assert_str_eq(take(9), "a c d");
    ck_assert_uint_eq(got[2].attempts, 2);
}
END_TEST

START_TEST(an_orderly_end_leaves_no_mark)
{
    bool left;

    put("a", "a", STATE_WAITING);
    take(9);
    answer(got[0].token, OUTCOME_DELIVERED, 0);
    put("b", "b", STATE_WAITING);
    ck_assert_int_eq(store_drain_end(store, &left, &why), 0);
    ck_assert(left);
    crash();
    ck_assert_str_eq(take(9), "b");
    ck_assert(!got[0].ambiguous);
    ck_assert_uint_eq(got[0].attempts, 0);
    answer(got[0].token, OUTCOME_HELD, 0);
    put("c", "b", STATE_WAITING);
    ck_assert_str_eq(take(9), "");
    ck_assert_int_eq(store_drain_end(store, &left, &why), 0);
    ck_assert(!left); /* only a held one, and what is behind it */
}
END_TEST

START_TEST(a_new_drain_tries_the_deferred_at_once)
{
    put("a", "a", STATE_WAITING);
    take(9);
    answer(got[0].token, OUTCOME_DEFERRED, now + 60000);
    ck_assert_str_eq(take(9), "");
    crash();
    ck_assert_str_eq(take(9), "a");
    ck_assert(!got[0].ambiguous);
}
END_TEST

/* ---- by hand ---- */

static unsigned meant = STATES_ALL;

static int64_t change(enum change what, unsigned seq)
{
    struct action action = {
        .change = what, .states = meant, .who = "me", .what = "test", .reason = "by me"};
    uint64_t number = seq;

    ck_assert_msg(store_change(store, &action, &number, 1, now, &why) == 0, "%s", why.text);
    return action.count;
}

START_TEST(retry_puts_back)
{
    put("a", "a", STATE_WAITING);
    put("b", "a", STATE_DEAD);
    put("c", "c", STATE_WAITING);
    ck_assert_int_eq(change(CHANGE_RETRY, 1), 0); /* fresh */
    take(9);
    ck_assert_int_eq(change(CHANGE_RETRY, 1), 0); /* out */
    answer(token_of("a"), OUTCOME_DELIVERED, 0);
    answer(got[1].token, OUTCOME_HELD, 0);
    ck_assert_str_eq(counts(), "0 1 1 0 1");
    ck_assert_int_eq(change(CHANGE_RETRY, 2), 1);
    ck_assert_int_eq(change(CHANGE_RETRY, 1), 1);
    ck_assert_int_eq(change(CHANGE_RETRY, 3), 1);
    ck_assert_int_eq(change(CHANGE_RETRY, 77), 0);
    ck_assert_str_eq(counts(), "3 0 0 0 0");
    ck_assert_str_eq(take(9), "a b c");
    answer(token_of("a"), OUTCOME_DELIVERED, 0);
    ck_assert_str_eq(counts(), "2 0 0 0 1");
}
END_TEST

START_TEST(skip_gives_up_and_frees_the_person)
{
    put("a", "a", STATE_HELD);
    put("b", "a", STATE_WAITING);
    ck_assert_str_eq(take(9), "");
    ck_assert_int_eq(change(CHANGE_SKIP, 1), 1);
    ck_assert_int_eq(change(CHANGE_SKIP, 1), 0);
    ck_assert_str_eq(take(9), "b");
    ck_assert_str_eq(list(STATE_BIT(STATE_SKIPPED)), "a:skipped/by me");
}
END_TEST

START_TEST(erase_keeps_the_id_and_the_number)
{
    put("a", "a", STATE_WAITING);
    put("b", "a", STATE_HELD);
    put("c", "a", STATE_WAITING);
    put("d", "d", STATE_WAITING);
    ck_assert_str_eq(take(1), "a");
    answer(got[0].token, OUTCOME_DELIVERED, 0);
    ck_assert_str_eq(take(9), "d");
    ck_assert_int_eq(change(CHANGE_ERASE, 4), 1); /* fresh or out: nobody but ERASE may ask */
    ck_assert_int_eq(change(CHANGE_ERASE, 1), 1);
    ck_assert_int_eq(change(CHANGE_ERASE, 2), 1);
    ck_assert(!put("a", "a", STATE_WAITING));
    ck_assert_str_eq(take(9), "c");
    crash();
    /* The highest number is gone, but it is not given again: it would count as delivered. */
    ck_assert(put("e", "e", STATE_WAITING));
    ck_assert_str_eq(take(9), "c e");
    ck_assert_str_eq(list(STATES_ALL), "c:waiting/the drain ended before the answer e:waiting");
}
END_TEST

/* Between the look and the deed it was put back, say: it is not delivered now, and stays. */
START_TEST(erase_spares_what_changed_since)
{
    put("a", "a", STATE_WAITING);
    ck_assert_str_eq(take(9), "a");
    answer(token_of("a"), OUTCOME_DELIVERED, 0);
    ck_assert_int_eq(change(CHANGE_RETRY, 1), 1);
    meant = STATE_BIT(STATE_DELIVERED);
    ck_assert_int_eq(change(CHANGE_ERASE, 1), 0);
    meant = STATES_ALL;
    ck_assert_str_eq(take(9), "a");
}
END_TEST

START_TEST(a_clock_that_was_ahead_delays_nothing)
{
    int64_t right = now, year = 365 * 86400000ll;

    now += 4 * year;
    put("a", "a", STATE_HELD);
    put("b", "b", STATE_WAITING);
    ck_assert_str_eq(take(9), "b");
    answer(token_of("b"), OUTCOME_DEFERRED, now + 60000);
    ck_assert_str_eq(take(9), "");
    now = right;
    ck_assert_str_eq(take(9), "a b");
}
END_TEST

START_TEST(wake_held)
{
    put("a", "a", STATE_HELD);
    put("b", "a", STATE_WAITING);
    ck_assert_str_eq(take(9), "");
    ck_assert_int_eq(store_wake_held(store, now, &why), 0);
    ck_assert_str_eq(take(9), "a");
}
END_TEST

/* A drain tries each held event once when it begins: in order, behind what is due, beside what is
   fresh, and not again when the answer is the same. */
START_TEST(a_drain_begins_with_the_held)
{
    bool left;

    put("a", "a", STATE_HELD);
    put("b", "b", STATE_HELD);
    put("b2", "b", STATE_HELD);
    put("c", NULL, STATE_HELD);
    put("d", NULL, STATE_HELD);
    ck_assert_str_eq(take(9), "");
    put("e", "e", STATE_WAITING);
    now += 5;
    ck_assert_int_eq(store_drain_end(store, &left, &why), 0);
    crash();
    now += 5;
    ck_assert_str_eq(take(4), "a b c e"); /* b2 is behind b; a quarter is for the fresh */
    ck_assert(last.more);
    answer(token_of("a"), OUTCOME_HELD, now + STORE_HOLD_MS);
    ck_assert_str_eq(take(9), "d");
    answer(token_of("d"), OUTCOME_HELD, now + STORE_HOLD_MS);
    ck_assert_str_eq(take(9), "");
    put("f", NULL, STATE_HELD); /* that is for the next one */
    ck_assert_str_eq(take(9), "");
    ck_assert(!last.more);
    ck_assert_str_eq(counts(), "1 6 0 0 0");
}
END_TEST

/* Held events that nobody can help leave a quarter of the window to the fresh. */
START_TEST(the_held_starve_nobody)
{
    char id[20];

    for (int i = 0; i < 600; i++) {
        snprintf(id, sizeof id, "h%d", i);
        put(id, NULL, STATE_HELD);
    }
    ck_assert_str_eq(take(9), "");
    for (int i = 0; i < 30; i++) {
        snprintf(id, sizeof id, "w%d", i);
        put(id, NULL, STATE_WAITING);
    }
    now += 5;
    ck_assert_int_eq(store_wake_held(store, now, &why), 0);
    for (int n = 0; n < 30; n += 4) {
        exchange(NULL, 0, 16);
        ck_assert_uint_eq(got_count, n < 28 ? 16 : 14);
        ck_assert_int_eq(got[11].id[0], 'h');
        ck_assert_int_eq(got[12].id[0], 'w');
    }
}
END_TEST

START_TEST(pages_find_by_id_and_state)
{
    struct identity id;
    struct page page = {.states = STATES_ALL, .id = &id, .row = list_row};

    put("a", "a", STATE_WAITING);
    put("b", "b", STATE_DEAD);
    put("c", "c", STATE_WAITING);
    exchange(NULL, 0, 1);
    answer(got[0].token, OUTCOME_DELIVERED, 0);
    ck_assert_str_eq(list(STATE_BIT(STATE_DELIVERED)), "a:delivered");
    ck_assert_str_eq(list(STATE_BIT(STATE_DEAD)), "b:dead/because");
    ck_assert_str_eq(list(STATE_BIT(STATE_WAITING)), "c:waiting");
    identity_of_bytes(&id, SLICE("b"), NULL);
    listed[0] = '\0';
    ck_assert_int_eq(store_page(store, &page, &why), 0);
    ck_assert(page.ended);
    ck_assert_str_eq(listed, "b:dead/because");
    identity_of_bytes(&id, SLICE("z"), NULL);
    listed[0] = '\0';
    page.ended = false;
    ck_assert_int_eq(store_page(store, &page, &why), 0);
    ck_assert(page.ended);
    ck_assert_str_eq(listed, "");
}
END_TEST

START_TEST(ids_are_found_with_their_states)
{
    static const char *const names[] = {"z", "d", "h", "w", "x", "s", "d", "e"};
    struct found found[8];
    struct action action = {.change = CHANGE_ERASE, .states = STATES_ALL, .who = "t", .what = "t"};
    uint64_t erased = 6;

    put("d", "d", STATE_WAITING);
    exchange(NULL, 0, 1);
    answer(got[0].token, OUTCOME_DELIVERED, 0);
    put("h", "h", STATE_HELD);
    put("w", "w", STATE_WAITING);
    put("x", "x", STATE_DEAD);
    put("s", "s", STATE_SKIPPED);
    put("e", "e", STATE_DEAD);
    ck_assert_int_eq(store_change(store, &action, &erased, 1, now, &why), 0);
    for (int i = 0; i < 8; i++)
        identity_of_bytes(&found[i].id, slice_of(names[i]), NULL);
    ck_assert_int_eq(store_find(store, found, 8, &why), 0);
    ck_assert(!found[0].there);
    for (int i = 1; i < 8; i++)
        ck_assert_msg(found[i].there, "%s", names[i]);
    ck_assert_int_eq(found[1].state, STATE_DELIVERED);
    ck_assert_int_eq(found[2].state, STATE_HELD);
    ck_assert_int_eq(found[3].state, STATE_WAITING);
    ck_assert_int_eq(found[4].state, STATE_DEAD);
    ck_assert_int_eq(found[5].state, STATE_SKIPPED);
    ck_assert_int_eq(found[6].state, STATE_DELIVERED);
    ck_assert_int_eq(found[7].state, STATE_DELIVERED); /* its line was purged */
}
END_TEST

/* ---- days ---- */

/* Puts an event of a device, day and serial number (-1: none); true when it was not known. */
static bool put_of(
    const char *id, const char *device, const char *day, int64_t serial, enum state state)
{
    struct record r = record_of(id, NULL, state);

    r.device = device ? slice_of(device) : SLICE_NONE;
    r.day = day ? slice_of(day) : SLICE_NONE;
    r.serial = serial;
    ck_assert_msg(store_put(store, &r, 1, now, &why) == 0, "%s", why.text);
    return !r.known;
}

static char audited[1 << 16];

/* "device day received+duplicates-erased waiting/held/dead/skipped/delivered serials:first..last"
 */
static int audit_row(void *arg, const struct day *d)
{
    size_t at = strlen(audited);

    (void)arg;
    snprintf(audited + at, sizeof audited - at, "%s%.*s %.*s %d+%d-%d %d/%d/%d/%d/%d %d:%d..%d",
        at > 0 ? "\n" : "", d->device.p ? (int)d->device.n : 1, d->device.p ? d->device.p : "?",
        d->day.p ? (int)d->day.n : 1, d->day.p ? d->day.p : "?", (int)d->received,
        (int)d->duplicates, (int)d->erased, (int)d->in[STATE_WAITING], (int)d->in[STATE_HELD],
        (int)d->in[STATE_DEAD], (int)d->in[STATE_SKIPPED], (int)d->in[STATE_DELIVERED],
        (int)d->serials, (int)d->first_serial, (int)d->last_serial);
    return 0;
}

static const char *audit(const char *device, const char *since, const char *until)
{
    struct audit a = {.device = device, .since = since, .until = until, .row = audit_row};

    audited[0] = '\0';
    ck_assert_msg(store_audit(store, &a, &why) == 0, "%s", why.text);
    return audited;
}

START_TEST(days_count_what_was_put)
{
    ck_assert_str_eq(audit(NULL, NULL, NULL), "");
    put_of("a", "B", "2026-05-04", 7, STATE_WAITING);
    put_of("b", "B", "2026-05-04", 5, STATE_WAITING);
    put_of("c", "B", "2026-05-04", -1, STATE_WAITING);
    put_of("d", "A", "2026-05-05", 0, STATE_WAITING);
    ck_assert(!put_of("b", "B", "2026-05-04", 5, STATE_WAITING));
    open_as(STORE_PUT); /* what is counted is in the store, not in a process */
    put_of("e", "B", "2026-05-04", 9, STATE_WAITING);
    put_of("f", "A", "2026-05-04", -1, STATE_WAITING);
    put_of("g", NULL, "2026-05-04", -1, STATE_WAITING);
    put_of("h", NULL, NULL, 3, STATE_DEAD);
    ck_assert_str_eq(audit(NULL, NULL, NULL), "? ? 1+0-0 0/0/1/0/0 1:3..3\n"
                                              "? 2026-05-04 1+0-0 1/0/0/0/0 0:-1..-1\n"
                                              "A 2026-05-04 1+0-0 1/0/0/0/0 0:-1..-1\n"
                                              "A 2026-05-05 1+0-0 1/0/0/0/0 1:0..0\n"
                                              "B 2026-05-04 4+1-0 4/0/0/0/0 3:5..9");
}
END_TEST

START_TEST(audits_have_bounds)
{
    put_of("a", "A", "2026-05-04", -1, STATE_WAITING);
    put_of("b", "A", "2026-05-05", -1, STATE_WAITING);
    put_of("c", "AB", "2026-05-04", -1, STATE_WAITING);
    put_of("d", "A", NULL, -1, STATE_WAITING);
    put_of("e", "A", "2026-05-06", -1, STATE_WAITING);
    ck_assert_str_eq(
        audit("A", "2026-05-05", "2026-05-05"), "A 2026-05-05 1+0-0 1/0/0/0/0 0:-1..-1");
    ck_assert_str_eq(audit("AB", NULL, NULL), "AB 2026-05-04 1+0-0 1/0/0/0/0 0:-1..-1");
    ck_assert_str_eq(audit(NULL, NULL, "2026-05-04"), "A 2026-05-04 1+0-0 1/0/0/0/0 0:-1..-1\n"
                                                      "AB 2026-05-04 1+0-0 1/0/0/0/0 0:-1..-1");
    ck_assert_str_eq(audit(NULL, "2026-05-06", NULL), "A 2026-05-06 1+0-0 1/0/0/0/0 0:-1..-1");
    ck_assert_str_eq(audit("", NULL, NULL), "");
    ck_assert_str_eq(audit("A", "2026-05-07", NULL), "");
}
END_TEST

START_TEST(days_follow_the_states)
{
    put_of("a", "A", "2026-05-04", -1, STATE_WAITING);
    put_of("b", "A", "2026-05-04", -1, STATE_WAITING);
    put_of("c", "A", "2026-05-05", -1, STATE_HELD);
    put_of("d", "A", "2026-05-05", -1, STATE_SKIPPED);
    ck_assert_str_eq(take(1), "a");
    answer(token_of("a"), OUTCOME_DELIVERED, 0);
    ck_assert_str_eq(take(9), "b");
    ck_assert_str_eq(audit("A", NULL, NULL), "A 2026-05-04 2+0-0 1/0/0/0/1 0:-1..-1\n"
                                             "A 2026-05-05 2+0-0 0/1/0/1/0 0:-1..-1");
    answer(token_of("b"), OUTCOME_REJECTED, 0);
    ck_assert_int_eq(change(CHANGE_ERASE, 3), 1);
    ck_assert_int_eq(change(CHANGE_ERASE, 1), 1); /* it was delivered, and stays counted so */
    ck_assert_str_eq(audit("A", NULL, NULL), "A 2026-05-04 2+0-0 0/0/1/0/1 0:-1..-1\n"
                                             "A 2026-05-05 2+0-1 0/0/0/1/0 0:-1..-1");
    ck_assert_int_eq(change(CHANGE_RETRY, 2), 1);
    ck_assert_str_eq(audit("A", NULL, "2026-05-04"), "A 2026-05-04 2+0-0 1/0/0/0/1 0:-1..-1");
}
END_TEST

struct totals {
    int64_t received, in[STATES], rows;
    char last[80];
};

static int add_row(void *arg, const struct day *d)
{
    struct totals *t = arg;
    char name[80];

    snprintf(
        name, sizeof name, "%.*s %.*s", (int)d->device.n, d->device.p, (int)d->day.n, d->day.p);
    ck_assert_int_lt(strcmp(t->last, name), 0);
    memcpy(t->last, name, sizeof name);
    t->received += d->received;
    for (int i = 0; i < STATES; i++)
        t->in[i] += d->in[i];
    t->rows++;
    return 0;
}

/* More rows than one transaction reads, and more days than put keeps in mind. */
START_TEST(long_audits_are_whole)
{
    struct totals t = {0};
    struct audit a = {.row = add_row, .arg = &t};
    enum { DEVICES = 30, DAYS = 28 };

    for (int i = 0; i < DEVICES; i++) {
        struct record records[DAYS * 2];
        char ids[DAYS * 2][24], lines[DAYS * 2][64], device[16], days[DAYS][24];

        snprintf(device, sizeof device, "D%02d", i);
        for (int n = 0; n < DAYS * 2; n++) {
            snprintf(ids[n], sizeof ids[n], "%d-%d", i, n);
            snprintf(lines[n], sizeof lines[n], "{\"event_id\":\"%.23s\"}", ids[n]);
            snprintf(days[n % DAYS], sizeof days[0], "2026-02-%02d", n % DAYS + 1);
            records[n] = (struct record){.line = slice_of(lines[n]),
                .device = slice_of(device),
                .day = {days[n % DAYS], 10},
                .serial = n,
                .state = n == 3 ? STATE_HELD : STATE_WAITING};
            identity_of_bytes(&records[n].id, slice_of(ids[n]), NULL);
        }
        ck_assert_msg(store_put(store, records, DAYS * 2, now, &why) == 0, "%s", why.text);
    }
    exchange(NULL, 0, 100);
    for (unsigned i = 0; i < 100; i += 2) { /* gaps among what is settled */
        struct settled s = {.token = got[i].token, .outcome = OUTCOME_DELIVERED};
        struct exchange x = {.settled = &s, .count = 1, .now_ms = now};

        ck_assert_int_eq(store_exchange(store, &x, &why), 0);
    }
    ck_assert_int_eq(store_audit(store, &a, &why), 0);
    ck_assert_int_eq(t.rows, DEVICES * DAYS);
    ck_assert_int_eq(t.received, DEVICES * DAYS * 2);
    ck_assert_int_eq(t.in[STATE_HELD], DEVICES);
    ck_assert_int_eq(t.in[STATE_DELIVERED], 50);
    ck_assert_int_eq(t.in[STATE_WAITING], DEVICES * DAYS * 2 - DEVICES - 50);
}
END_TEST

static int give_up(void *arg, const struct day *d)
{
    (void)d;
    ++*(int *)arg;
    return -1;
}

START_TEST(a_row_that_fails_ends_the_audit)
{
    int calls = 0;
    struct audit a = {.row = give_up, .arg = &calls};

    put_of("a", "A", "2026-05-04", -1, STATE_WAITING);
    put_of("b", "A", "2026-05-05", -1, STATE_WAITING);
    ck_assert_int_eq(store_audit(store, &a, &why), -1);
    ck_assert_int_eq(calls, 1);
    ck_assert(put("c", NULL, STATE_WAITING)); /* and leaves nothing open */
}
END_TEST

static int device_row(void *arg, const struct device_seen *d)
{
    char *text = arg;

    snprintf(text + strlen(text), 200 - strlen(text), "%.*s %d %.*s;", (int)d->device.n,
        d->device.p, (int)d->last_put_ms, (int)d->last_day.n, d->last_day.p ? d->last_day.p : "");
    return 0;
}

START_TEST(devices_are_seen)
{
    char text[200] = "";

    put_of("a", "A", "2026-05-05", -1, STATE_WAITING);
    now += 7;
    put_of("b", "A", "2000-01-01", -1, STATE_WAITING); /* its clock was reset: it is not silent */
    put_of("c", "B", NULL, -1, STATE_WAITING);
    now += 7;
    put_of("c", "B", NULL, -1, STATE_WAITING);
    put_of("d", NULL, "2026-05-05", -1, STATE_WAITING);
    ck_assert_msg(store_devices(store, device_row, text, &why) == 0, "%s", why.text);
    ck_assert_str_eq(text, "A 1000007 2026-05-05;B 1000014 ;");
}
END_TEST

/* ---- what stat knows ---- */

static struct store_stat stat_now(void)
{
    struct store_stat s;

    ck_assert_msg(store_stat(store, &s, &why) == 0, "%s", why.text);
    return s;
}

START_TEST(stat_knows_ages_and_the_week)
{
    char today[CLOCK_TEXT];
    struct store_stat s = stat_now();

    clock_print_utc_ms(today, clock_now_ms());
    today[10] = '\0';
    ck_assert_int_eq(s.first_put_ms, 0);
    ck_assert_int_eq(s.oldest_held_ms, 0);
    put_of("a", "A", "2001-05-05", -1, STATE_WAITING);
    now += 5;
    put_of("b", "A", today, -1, STATE_HELD);
    now += 5;
    put_of("c", "B", today, -1, STATE_HELD);
    s = stat_now();
    ck_assert_int_eq(s.first_put_ms, 1000000);
    ck_assert_int_eq(s.last_put_ms, 1000010);
    ck_assert_int_eq(s.oldest_waiting_ms, 1000000);
    ck_assert_int_eq(s.oldest_held_ms, 1000005);
    ck_assert_int_eq(s.put_last_week, 2);
    ck_assert_int_eq(s.limit_bytes, 0);
    ck_assert_int_gt(s.bytes, 0);
    store_limit(store, 1ll << 40);
    put("d", NULL, STATE_WAITING);
    ck_assert_int_eq(stat_now().limit_bytes, 1ll << 40);
    store_limit(store, 0);
    put("e", NULL, STATE_WAITING);
    ck_assert_int_eq(stat_now().limit_bytes, 0);
}
END_TEST

static void exchange_failing(int64_t since_ms, int status)
{
    struct exchange x = {
        .now_ms = now, .failing_since_ms = since_ms, .failing_status = status, .give = keep};

    ck_assert_msg(store_exchange(store, &x, &why) == 0, "%s", why.text);
}

/* Also an exchange without answers or events: a drain whose command died has none. */
START_TEST(failing_is_remembered)
{
    exchange_failing(0, 0);
    ck_assert_int_eq(stat_now().failing_since_ms, 0);
    exchange_failing(now - 5, 503);
    ck_assert_int_eq(stat_now().failing_since_ms, now - 5);
    ck_assert_int_eq(stat_now().failing_status, 503);
    exchange_failing(now - 5, 500);
    ck_assert_int_eq(stat_now().failing_status, 500);
    crash();
    ck_assert_int_eq(stat_now().failing_since_ms, now - 5);
    exchange_failing(0, 0);
    ck_assert_int_eq(stat_now().failing_since_ms, 0);
    ck_assert_int_eq(stat_now().failing_status, 0);
}
END_TEST

START_TEST(notes_are_kept)
{
    int64_t value = 7;

    ck_assert_int_eq(store_note_get(store, "alert.x", &value, &why), 0);
    ck_assert_int_eq(value, 0);
    ck_assert_int_eq(store_note_set(store, "alert.x", -3, &why), 0);
    ck_assert_int_eq(store_note_set(store, "alert.y", INT64_MAX, &why), 0);
    ck_assert_int_eq(store_note_set(store, "alert.x", 12, &why), 0);
    open_as(STORE_READ);
    ck_assert_int_eq(store_note_get(store, "alert.x", &value, &why), 0);
    ck_assert_int_eq(value, 12);
    ck_assert_int_eq(store_note_get(store, "alert.y", &value, &why), 0);
    ck_assert_int_eq(value, INT64_MAX);
}
END_TEST

static int action_row(void *arg, const struct action_row *a)
{
    char *text = arg;

    snprintf(text + strlen(text), 200 - strlen(text), "%d@%d %.*s %.*s %.*s %d;", (int)a->id,
        (int)a->at_ms, (int)a->who.n, a->who.p, (int)a->what.n, a->what.p, (int)a->reason.n,
        a->reason.p ? a->reason.p : "", (int)a->count);
    return 0;
}

START_TEST(actions_are_recorded)
{
    struct action retry = {.states = STATES_ALL, .who = "me", .what = "retry"};
    const uint64_t both[] = {1, 2};
    char text[200] = "";

    put("a", NULL, STATE_DEAD);
    put("b", NULL, STATE_DEAD);
    put("c", NULL, STATE_DEAD);
    change(CHANGE_SKIP, 3);
    now += 5;
    ck_assert_int_eq(store_change(store, &retry, both, 2, now, &why), 0);
    ck_assert_int_eq(store_change(store, &retry, (uint64_t[]){3}, 1, now, &why), 0);
    ck_assert_int_eq(stat_now().actions, 2);
    ck_assert_int_eq(store_actions(store, 0, action_row, text, &why), 0);
    ck_assert_str_eq(text, "1@1000000 me test by me 1;2@1000005 me retry  3;");
    text[0] = '\0';
    ck_assert_int_eq(store_actions(store, 1, action_row, text, &why), 0);
    ck_assert_str_eq(text, "2@1000005 me retry  3;");
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, an_id_is_stored_once);
    tcase_add_test(tc, put_sorts_by_state);
    tcase_add_test(tc, held_at_put_keeps_its_place);
    tcase_add_test(tc, answers_make_states);
    tcase_add_test(tc, due_times_are_kept);
    tcase_add_test(tc, attempts_and_ambiguity_travel);
    tcase_add_test(tc, a_stuck_person_waits_alone);
    tcase_add_test(tc, answers_out_of_order_keep_the_order);
    tcase_add_test(tc, an_event_waits_for_later_ones_that_are_out);
    tcase_add_test(tc, windows_and_bytes_limit);
    tcase_add_test(tc, a_crash_makes_what_was_out_ambiguous);
    tcase_add_test(tc, an_orderly_end_leaves_no_mark);
    tcase_add_test(tc, a_new_drain_tries_the_deferred_at_once);
    tcase_add_test(tc, retry_puts_back);
    tcase_add_test(tc, skip_gives_up_and_frees_the_person);
    tcase_add_test(tc, erase_keeps_the_id_and_the_number);
    tcase_add_test(tc, erase_spares_what_changed_since);
    tcase_add_test(tc, a_clock_that_was_ahead_delays_nothing);
    tcase_add_test(tc, wake_held);
    tcase_add_test(tc, a_drain_begins_with_the_held);
    tcase_add_test(tc, the_held_starve_nobody);
    tcase_add_test(tc, pages_find_by_id_and_state);
    tcase_add_test(tc, ids_are_found_with_their_states);
    tcase_add_test(tc, days_count_what_was_put);
    tcase_add_test(tc, audits_have_bounds);
    tcase_add_test(tc, days_follow_the_states);
    tcase_add_test(tc, long_audits_are_whole);
    tcase_add_test(tc, a_row_that_fails_ends_the_audit);
    tcase_add_test(tc, devices_are_seen);
    tcase_add_test(tc, stat_knows_ages_and_the_week);
    tcase_add_test(tc, failing_is_remembered);
    tcase_add_test(tc, notes_are_kept);
    tcase_add_test(tc, actions_are_recorded);
}

UNIT_MAIN("store", add_tests)
