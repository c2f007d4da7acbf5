/* SPDX-License-Identifier: MIT */
/* The child pipeline of --into: receipts, windows, ends of life, and commands that misbehave. */
#include "into.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "../../support/unit.h"
#include "stop.h"

enum { EVENTS_MAX = 20000 };

static struct fault why;

struct seen {
    unsigned answers, final, none;
    unsigned char outcome[EVENTS_MAX]; /* 1 + outcome, by token */
    uint64_t last;
    bool in_order;
};

static struct into *open_with(struct into_config config)
{
    struct into *i = into_open(&config, &why);

    ck_assert_ptr_nonnull(i);
    return i;
}

static struct into *open_command(const char *command)
{
    return open_with((struct into_config){.command = command});
}

static void turn(struct into *i, struct seen *seen)
{
    struct pollfd fds[INTO_FDS];
    struct into_answer answer;
    int timeout_ms = -1;
    nfds_t n = into_poll(i, fds, &timeout_ms);

    ck_assert(n > 0 || timeout_ms >= 0);
    ck_assert_int_ge(poll(fds, n, timeout_ms), 0);
    ck_assert_int_eq(into_run(i, &why), 0);
    while (into_next(i, &answer)) {
        ck_assert_uint_lt(answer.token, EVENTS_MAX);
        ck_assert_uint_eq(seen->outcome[answer.token], 0);
        seen->outcome[answer.token] = (unsigned char)(1 + answer.receipt.outcome);
        seen->in_order = seen->in_order && (seen->answers == 0 || answer.token > seen->last);
        seen->last = answer.token;
        seen->answers++;
        seen->final += outcome_final(answer.receipt.outcome);
        seen->none += answer.receipt.outcome == OUTCOMES;
    }
}

/* Hands over `count` events as there is room, finishes, and runs to the end. */
static void feed(struct into *i, unsigned count, struct seen *seen)
{
    unsigned sent = 0;
    char line[64];

    *seen = (struct seen){.in_order = true};
    while (into_state(i) != INTO_ENDED) {
        for (; sent < count && into_room(i); sent++) {
            int n = snprintf(line, sizeof line, "{\"n\":%u}", sent);

            into_send(i, (struct slice){line, (size_t)n}, sent);
        }
        if (sent == count)
            into_finish(i);
        turn(i, seen);
    }
    ck_assert_uint_eq(into_outstanding(i), 0);
    ck_assert_uint_eq(seen->answers, sent);
}

#define ANSWER "sed -u 's/.*\\(\"ack\":\"[^\"]*\"\\).*/{\\1,\"outcome\":\"stored\"}/'"

START_TEST(answers_every_event)
{
    struct into *i = open_command(ANSWER);
    struct seen seen;

    feed(i, 20000, &seen);
    ck_assert_uint_eq(seen.final, 20000);
    ck_assert(seen.in_order);
    ck_assert_int_eq(into_exit_status(i), 0);
    ck_assert_uint_eq(into_strays(i), 0);
    into_close(i);
}
END_TEST

/* Receipts only after end of file: the command must get it although nothing is answered. */
START_TEST(command_may_answer_at_its_end)
{
    struct into *i = open_command("tac | " ANSWER);
    struct seen seen;

    feed(i, 3000, &seen);
    ck_assert_uint_eq(seen.final, 3000);
    ck_assert(!seen.in_order);
    into_close(i);
}
END_TEST

START_TEST(finish_without_events_ends_the_command)
{
    struct into *i = open_command("cat; exit 7");
    struct seen seen;

    feed(i, 0, &seen);
    ck_assert_int_eq(into_exit_status(i), 7);
    into_close(i);
}
END_TEST

/* Finished after everything was written: end of file must still come. */
START_TEST(finish_after_all_is_written)
{
    struct into *i = open_command("tac | " ANSWER);
    struct seen seen = {.in_order = true};
    int rounds = 0;

    into_send(i, SLICE("{}"), 1);
    while (rounds++ < 3)
        ck_assert_int_eq(into_run(i, &why), 0);
    into_finish(i);
    while (into_state(i) != INTO_ENDED)
        turn(i, &seen);
    ck_assert_uint_eq(seen.final, 1);
    into_close(i);
}
END_TEST

START_TEST(gives_back_what_the_command_left)
{
    struct into *i = open_command("head -n 5 | " ANSWER "; exit 3");
    struct seen seen;

    feed(i, 100, &seen);
    ck_assert_uint_eq(seen.final, 5);
    ck_assert_uint_eq(seen.none, 95);
    ck_assert_int_eq(into_exit_status(i), 3);
    into_close(i);
}
END_TEST

START_TEST(status_of_a_signal)
{
    struct into *i = open_command("kill -9 $$");
    struct seen seen;

    feed(i, 1, &seen);
    ck_assert_uint_eq(seen.none, 1);
    ck_assert_int_eq(into_exit_status(i), 128 + 9);
    into_close(i);
}
END_TEST

START_TEST(status_although_children_are_ignored)
{
    struct into *i;
    struct seen seen;

    signal(SIGCHLD, SIG_IGN);
    i = open_command("exit 7");
    feed(i, 1, &seen);
    ck_assert_int_eq(into_exit_status(i), 7);
    into_close(i);
}
END_TEST

START_TEST(window_is_kept)
{
    struct into *i = open_with((struct into_config){.command = "sleep 1000", .window = 3});

    for (unsigned n = 0; n < 3; n++) {
        ck_assert(into_room(i));
        into_send(i, SLICE("{}"), n);
    }
    ck_assert(!into_room(i));
    ck_assert_uint_eq(into_outstanding(i), 3);
    into_close(i);
}
END_TEST

START_TEST(byte_budget_pushes_back)
{
    static char line[300000];
    struct into *i =
        open_with((struct into_config){.command = "sleep 1000", .window_bytes = 500000});
    unsigned sent = 0;

    memset(line, ' ', sizeof line);
    line[0] = '{';
    line[sizeof line - 1] = '}';
    for (int round = 0; round < 40; round++) {
        for (; into_room(i); sent++)
            into_send(i, (struct slice){line, sizeof line}, sent);
        ck_assert_int_eq(into_run(i, &why), 0);
    }
    /* What fits into the pipe, the budget, and the one event that went over it. */
    ck_assert_uint_ge(sent, 2);
    ck_assert_uint_le(sent, (1 << 20) / sizeof line + 4);
    into_close(i);
}
END_TEST

/* A receipt that was invented, doubled, or is of another life changes nothing. */
START_TEST(strays_are_counted)
{
    struct into *i = open_command("echo '{\"ack\":\"0-0-0\",\"outcome\":\"stored\"}'; echo garbage;"
                                  "echo '{\"outcome\":\"stored\"}';" ANSWER " | sed p");
    struct seen seen;

    feed(i, 10, &seen);
    ck_assert_uint_eq(seen.final, 10);
    ck_assert_uint_eq(into_strays(i), 3 + 10);
    into_close(i);
}
END_TEST

START_TEST(torn_receipt_is_none)
{
    struct into *i = open_command(ANSWER " | head -c -1");
    struct seen seen;

    feed(i, 2, &seen);
    ck_assert_uint_eq(seen.final, 1);
    ck_assert_uint_eq(seen.none, 1);
    into_close(i);
}
END_TEST

START_TEST(unanswered_in_time)
{
    struct into *i = open_with((struct into_config){.command = "sleep 1000", .answer_ms = 50});
    struct seen seen = {0};
    int64_t started = monotonic_ms();

    into_send(i, SLICE("{}"), 0);
    while (seen.answers == 0)
        turn(i, &seen);
    ck_assert_uint_eq(seen.none, 1);
    ck_assert_int_ge(monotonic_ms() - started, 50);
    ck_assert_int_eq(into_state(i), INTO_RUNNING);
    into_close(i);
}
END_TEST

START_TEST(starts_again_after_a_pause)
{
    struct into *i =
        open_with((struct into_config){.command = "head -n 1 | " ANSWER, .restart = true});
    struct seen seen = {0};

    into_send(i, SLICE("{}"), 0);
    into_send(i, SLICE("{}"), 1);
    while (into_state(i) == INTO_RUNNING)
        turn(i, &seen);
    ck_assert_int_eq(into_state(i), INTO_PAUSED);
    while (seen.answers < 2 || into_state(i) == INTO_PAUSED)
        turn(i, &seen);
    ck_assert_uint_eq(seen.final, 1);
    ck_assert_uint_eq(seen.none, 1);
    into_send(i, SLICE("{}"), 2);
    while (seen.answers < 3)
        turn(i, &seen);
    ck_assert_uint_eq(seen.final, 2);
    into_close(i);
}
END_TEST

START_TEST(close_ends_a_command_that_ignores_it)
{
    struct into *i = open_command("trap '' TERM; echo '{}'; while :; do sleep 0.05; done");
    struct seen seen = {0};
    int64_t started;

    while (into_strays(i) == 0) /* until the trap is set */
        turn(i, &seen);
    started = monotonic_ms();
    into_close(i);
    ck_assert_int_lt(monotonic_ms() - started, 10000);
}
END_TEST

/* Something in the background holds the pipe open: the shell's end counts. */
START_TEST(ends_with_its_shell)
{
    struct into *i = open_command("sleep 1000 & exit 3");
    struct seen seen;

    feed(i, 10, &seen);
    ck_assert_int_eq(into_exit_status(i), 3);
    into_close(i);
}
END_TEST

START_TEST(ends_when_it_reads_no_more)
{
    struct into *i =
        open_with((struct into_config){.command = "exec <&-; echo; sleep 1000", .answer_ms = 50});
    struct seen seen = {0};

    while (into_strays(i) == 0) /* until it is deaf */
        turn(i, &seen);
    into_send(i, SLICE("{}"), 0);
    while (into_state(i) != INTO_ENDED)
        turn(i, &seen);
    ck_assert_uint_eq(seen.none, 1);
    ck_assert_int_eq(into_exit_status(i), 128 + SIGTERM);
    into_close(i);
}
END_TEST

/* Who reads no more may still have answers. */
START_TEST(deaf_command_may_answer)
{
    struct into *i = open_command("{ head -n 1; exec <&-; sleep 1; } | " ANSWER);
    struct seen seen;

    feed(i, 500, &seen);
    ck_assert_uint_eq(seen.final, 1);
    into_close(i);
}
END_TEST

/* The second program of a pipeline is gone; the first waits for more, and the shell for it. */
START_TEST(ends_when_it_falls_silent)
{
    struct into *i = open_with((struct into_config){
        .command = "cat | head -c 1 >/dev/null", .silent_ms = 300, .restart = true});
    struct seen seen = {.in_order = true};

    into_send(i, SLICE("{\"n\":0}"), 0);
    while (into_state(i) == INTO_RUNNING)
        turn(i, &seen);
    ck_assert_uint_eq(seen.answers, 1);
    ck_assert_uint_eq(seen.none, 1);
    into_close(i);
}
END_TEST

/* The same at once, when it had answered before. */
START_TEST(ends_with_its_last_program)
{
    struct into *i = open_with((struct into_config){
        .command = "cat | { exec sed -u -n -e "
                   "'s/.*\\(\"ack\":\"[^\"]*\"\\).*/{\\1,\"outcome\":\"stored\"}/p'"
                   " -e 2q; }"});
    struct seen seen = {.in_order = true};
    int64_t began = monotonic_ms();

    for (uint64_t n = 0; n < 2; n++) {
        into_send(i, SLICE("{\"n\":0}"), n);
        while (seen.answers <= n)
            turn(i, &seen);
    }
    while (into_state(i) != INTO_ENDED)
        turn(i, &seen);
    ck_assert_uint_eq(seen.final, 2);
    ck_assert_int_lt(monotonic_ms() - began, 5000);
    into_close(i);
}
END_TEST

/* A program that was started beside it may end when it likes, and so may one step of several. */
START_TEST(other_ends_are_no_end)
{
    static const char *const commands[] = {
        "sleep 0.2 & cat | " ANSWER,
        "head -n 1 | " ANSWER "; cat | " ANSWER,
    };

    for (size_t c = 0; c < 2; c++) {
        struct into *i = open_command(commands[c]);
        struct seen seen = {.in_order = true};

        for (uint64_t n = 0; n < 4; n++) {
            int64_t until = monotonic_ms() + 300;

            into_send(i, SLICE("{\"n\":0}"), n);
            while (seen.answers <= n && into_state(i) != INTO_ENDED)
                turn(i, &seen);
            for (; monotonic_ms() < until; poll(NULL, 0, 10))
                ck_assert_int_eq(into_run(i, &why), 0);
        }
        ck_assert_uint_eq(seen.final, 4);
        into_close(i);
    }
}
END_TEST

/* Silence counts only while something waits. */
START_TEST(may_rest_between_events)
{
    struct into *i = open_with((struct into_config){.command = ANSWER, .silent_ms = 200});
    struct seen seen = {.in_order = true};

    for (uint64_t n = 0; n < 3; n++) {
        into_send(i, SLICE("{\"n\":0}"), n);
        while (seen.answers <= n)
            turn(i, &seen);
        poll(NULL, 0, 250);
        ck_assert_int_eq(into_run(i, &why), 0);
    }
    ck_assert_uint_eq(seen.final, 3);
    ck_assert_int_eq(into_state(i), INTO_RUNNING);
    into_close(i);
}
END_TEST

/* Stopped, or kept waiting by the store: the command has no part in it. */
START_TEST(own_rest_does_not_count)
{
    struct into *i =
        open_with((struct into_config){.command = ANSWER, .answer_ms = 2000, .silent_ms = 2000});
    struct seen seen = {.in_order = true};

    into_send(i, SLICE("{\"n\":0}"), 0);
    poll(NULL, 0, 2100);
    ck_assert_int_eq(into_run(i, &why), 0);
    while (seen.answers == 0)
        turn(i, &seen);
    ck_assert_uint_eq(seen.final, 1);
    ck_assert_int_eq(into_state(i), INTO_RUNNING);
    into_close(i);
}
END_TEST

static void add_tests(TCase *tc)
{
    signal(SIGPIPE, SIG_IGN); /* as each program does: a command may be gone before it is fed */
    tcase_add_test(tc, answers_every_event);
    tcase_add_test(tc, command_may_answer_at_its_end);
    tcase_add_test(tc, finish_without_events_ends_the_command);
    tcase_add_test(tc, finish_after_all_is_written);
    tcase_add_test(tc, gives_back_what_the_command_left);
    tcase_add_test(tc, status_of_a_signal);
    tcase_add_test(tc, status_although_children_are_ignored);
    tcase_add_test(tc, window_is_kept);
    tcase_add_test(tc, byte_budget_pushes_back);
    tcase_add_test(tc, strays_are_counted);
    tcase_add_test(tc, torn_receipt_is_none);
    tcase_add_test(tc, unanswered_in_time);
    tcase_add_test(tc, starts_again_after_a_pause);
    tcase_add_test(tc, close_ends_a_command_that_ignores_it);
    tcase_add_test(tc, ends_with_its_shell);
    tcase_add_test(tc, ends_when_it_reads_no_more);
    tcase_add_test(tc, deaf_command_may_answer);
    tcase_add_test(tc, ends_when_it_falls_silent);
    tcase_add_test(tc, ends_with_its_last_program);
    tcase_add_test(tc, other_ends_are_no_end);
    tcase_add_test(tc, may_rest_between_events);
    tcase_add_test(tc, own_rest_does_not_count);
}

UNIT_MAIN("into", add_tests)
