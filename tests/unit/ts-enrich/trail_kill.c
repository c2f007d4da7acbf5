/* SPDX-License-Identifier: MIT */
/*
 * A process that is killed at any instruction while it changes a trail: what it leaves is the old
 * trail or the new one, and who asks again gets the answer of the one who was not killed.  A child
 * does the change one instruction at a time (ptrace); after each one that stored something its
 * parent looks at the shared memory as if the child had died there.
 */
#include "trail.h"

#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../support/unit.h"

#define DAY 1700006400u

/* What is done to a trail, and what is asked afterwards. */
struct deed {
    uint32_t time_s, place;
    unsigned char id;
    bool cancel;
};

/* Fills it, goes beyond what it holds, comes late, takes back, replays what has left. */
static const struct deed deeds[] = {
    {DAY, 1, 1, false},
    {DAY + 30, 1, 2, false},
    {DAY + 1000, 1, 3, false},
    {DAY + 970, 1, 4, false}, /* a repeat of one that is later */
    {DAY + 2000, 1, 5, false},
    {DAY + 2005, 0, 5, true},
    {DAY + 1500, 2, 6, false},
    {DAY + 3000, 1, 7, false},
    {DAY + 4000, 1, 8, false},
    {DAY + 5000, 1, 9, false},
    {DAY + 6000, 1, 10, false},
    {DAY, 1, 1, false}, /* from the past */
    {DAY - 5000, 1, 11, false},
    {DAY - 4000, 1, 12, false},
    {DAY - 3000, 1, 13, false},
    {DAY - 3000, 0, 13, true},
    {DAY + 7000, 2, 14, false},
};

enum { DEEDS = sizeof deeds / sizeof *deeds };

static struct passage_answer act(struct trail *t, const struct deed *deed)
{
    struct passage_answer answer = {.way = WAY_UNSAID};
    struct passage p = {
        .mark = {.id = {[0] = deed->id, [12] = 0x40, [13] = deed->id},
            .time_s = deed->time_s,
            .place = deed->place},
        .day = deed->time_s / 86400,
        .window_s = 60,
        .alternate = true,
    };

    if (deed->cancel)
        trail_cancel(t, p.mark.id, deed->time_s);
    else
        trail_pass(t, &p, &answer);
    return answer;
}

static void check_same(struct passage_answer a, struct passage_answer b)
{
    ck_assert_int_eq(a.way, b.way);
    ck_assert_int_eq(a.repeat, b.repeat);
    ck_assert_mem_eq(a.other, b.other, sizeof a.other);
}

/* `left` is what a killed process left: doing it again comes to what `whole` is. */
static void check_left(struct trail left, struct trail whole, const struct deed *deed,
    struct passage_answer answer, uint64_t before)
{
    ck_assert(trail_sound(&left));
    ck_assert(left.head == before || left.head == whole.head);
    check_same(act(&left, deed), answer);
    for (int i = 0; i < DEEDS; i++)
        check_same(act(&left, &deeds[i]), act(&whole, &deeds[i]));
}

static void traced(struct trail *shared, const struct deed *deed)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    act(shared, deed);
    raise(SIGSTOP); /* what comes after it is of no interest */
    _exit(0);
}

/* Steps through the deed; how often the memory changed. */
static unsigned step_through(struct trail *shared, const struct deed *deed)
{
    struct trail last = *shared, whole = *shared;
    uint64_t before = shared->head;
    struct passage_answer answer = act(&whole, deed);
    pid_t child = fork();
    unsigned changes = 0;
    int status;

    if (child == 0)
        traced(shared, deed);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    for (;;) {
        ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFSTOPPED(status));
        if (WSTOPSIG(status) == SIGSTOP)
            break;
        if (memcmp(shared, &last, sizeof last) == 0)
            continue;
        last = *shared;
        changes++;
        check_left(last, whole, deed, answer, before);
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    ck_assert_mem_eq(shared, &whole, sizeof whole);
    return changes;
}

START_TEST(survives_a_kill)
{
    struct trail *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned changes = 0;

    ck_assert(shared != MAP_FAILED);
    trail_reset(shared, 1);
    for (int i = 0; i < DEEDS; i++)
        changes += step_through(shared, &deeds[i]);
    ck_assert_uint_gt(changes, 2 * DEEDS);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, survives_a_kill);
}

UNIT_MAIN("trail_kill", add_tests)
