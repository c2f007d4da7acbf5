/* SPDX-License-Identifier: MIT */
/* The file of trails: who has which, growth, forgetting, and files that are none of ours. */
#include "state.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../support/unit.h"
#include "memo.h"

static char folder[32], path[64];

static void set_up(void)
{
    strcpy(folder, "/tmp/ts-state.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/state", folder);
}

static void tear_down(void)
{
    unlink(path);
    rmdir(folder);
}

static struct state *opened(void)
{
    struct fault why = {0};
    size_t forgot = 0;
    struct state *s = state_open(path, NULL, &forgot, &why);

    ck_assert_msg(s != NULL, "%s", why.text);
    ck_assert_uint_eq(forgot, 0);
    return s;
}

static struct slice name_of(unsigned n)
{
    static char text[16];

    return (struct slice){text, (size_t)snprintf(text, sizeof text, "%u", n)};
}

static struct trail *trail_of(struct state *s, unsigned n)
{
    struct fault why;

    ck_assert_int_eq(state_room(s, 1, &why), 0);
    return state_trail(s, state_key(s, 'p', name_of(n), SLICE_NONE), 0);
}

static struct passage passage_of(unsigned n)
{
    struct passage p = {.mark = {.time_s = 1000000 + n, .place = 1}, .alternate = true};

    memcpy(p.mark.id + 4, &n, sizeof n);
    memcpy(p.mark.id + 12, &n, sizeof n);
    return p;
}

#define PEOPLE 5000
#define MEMOS_AT 4096
#define TRAILS_AT (MEMOS_AT + MEMOS * (long)sizeof(struct memo))

START_TEST(keeps_people)
{
    struct state *s = opened();
    struct passage_answer answer;
    struct stat st;

    for (unsigned i = 0; i < PEOPLE; i++) {
        struct passage p = passage_of(i);

        trail_pass(trail_of(s, i), &p, &answer);
        ck_assert_int_eq(answer.way, WAY_IN);
    }
    state_free(s);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    ck_assert_int_lt(st.st_size, TRAILS_AT + (PEOPLE + 1100) * (off_t)sizeof(struct trail));
    s = opened();
    ck_assert_uint_eq(state_used(s), PEOPLE);
    for (unsigned i = 0; i < PEOPLE; i++) {
        struct passage p = passage_of(i);
        struct trail *t = state_find(s, state_key(s, 'p', name_of(i), SLICE_NONE));

        ck_assert_ptr_nonnull(t);
        ck_assert_ptr_eq(state_at(s, state_number(s, t)), t);
        trail_pass(t, &p, &answer);
        ck_assert_int_eq(answer.way, WAY_IN);
        p.mark.time_s += 5000;
        p.mark.id[0] = 1;
        trail_pass(t, &p, &answer);
        ck_assert_int_eq(answer.way, WAY_OUT);
    }
    ck_assert_ptr_null(state_find(s, state_key(s, 'p', SLICE("nobody"), SLICE_NONE)));
    ck_assert_ptr_null(state_at(s, PEOPLE));
    state_free(s);
}
END_TEST

/* A person who comes into the roster keeps their trail; old owners make room for new ones. */
START_TEST(changes_owners)
{
    struct state *s = opened();
    struct trail *t = trail_of(s, 1);
    uint64_t old = state_key(s, 'p', name_of(1), SLICE_NONE),
             key = state_key(s, 'e', SLICE("E"), SLICE_NONE);
    struct fault why;

    ck_assert_ptr_eq(state_trail(s, key, old), t);
    ck_assert_ptr_null(state_find(s, old));
    ck_assert_ptr_eq(state_find(s, key), t);
    t->touched -= STATE_FORGET_DAYS + 1;
    ck_assert_int_eq(state_room(s, 1, &why), 0);
    ck_assert_ptr_eq(trail_of(s, 2), t);
    ck_assert_ptr_null(state_find(s, key));
    ck_assert_ptr_ne(trail_of(s, 3), t);
    state_free(s);
}
END_TEST

/* In memory, so that the disk does not matter: at the limit the least recent make room. */
START_TEST(has_a_limit)
{
    struct state *s = state_new();
    struct trail *first = trail_of(s, 0);

    first->touched--;
    for (unsigned i = 1; i < STATE_TRAILS_MAX + 1000; i++)
        trail_of(s, i);
    ck_assert_uint_eq(state_used(s), STATE_TRAILS_MAX);
    ck_assert_ptr_null(state_find(s, state_key(s, 'p', name_of(0), SLICE_NONE)));
    ck_assert_ptr_nonnull(
        state_find(s, state_key(s, 'p', name_of(STATE_TRAILS_MAX + 999), SLICE_NONE)));
    state_free(s);
}
END_TEST

START_TEST(is_one_process_only)
{
    struct state *s = opened();
    struct fault why;
    size_t forgot;

    ck_assert_ptr_null(state_open(path, NULL, &forgot, &why));
    ck_assert_int_eq(why.status, EX_TEMPFAIL);
    state_free(s);
    state_free(opened());
}
END_TEST

/* A byte is changed, or the file cut, at `at`. */
static const struct {
    long at;
    bool cut;
    int status; /* 0: opens */
    size_t forgot;
} damages[] = {
    {0, false, EX_CONFIG, 0}, {8, false, EX_CONFIG, 0}, {20, false, EX_CONFIG, 0},
    {30, false, EX_CONFIG, 0},                                    /* the salt */
    {41, false, EX_CONFIG, 0},                                    /* the check of the key */
    {50, false, EX_CONFIG, 0},                                    /* the check of all that */
    {58, false, EX_CONFIG, 0},                                    /* how many there are */
    {100, false, 0, 0},                                           /* nothing */
    {TRAILS_AT + 8, false, 0, 1},                                 /* a head */
    {TRAILS_AT + 15, false, 0, 1}, {TRAILS_AT + 32, false, 0, 1}, /* a mark */
    {TRAILS_AT + 255, false, 0, 0},                               /* a slot that is free */
    {1, true, EX_CONFIG, 0}, {4095, true, EX_CONFIG, 0}, {4096, true, EX_CONFIG, 0},
    {5000, true, EX_CONFIG, 0}, {0, true, 0, 0}, /* an empty file is a new one */
};

START_TEST(refuses_damage)
{
    struct state *s = opened();
    struct passage p = passage_of(1);
    struct passage_answer answer;
    struct fault why = {0};
    size_t forgot = 0;
    unsigned char byte;
    int fd;

    trail_pass(trail_of(s, 1), &p, &answer);
    state_free(s);
    fd = open(path, O_RDWR);
    if (damages[_i].cut) {
        ck_assert_int_eq(ftruncate(fd, damages[_i].at), 0);
    } else {
        ck_assert_int_eq(pread(fd, &byte, 1, damages[_i].at), 1);
        byte ^= 0x40;
        ck_assert_int_eq(pwrite(fd, &byte, 1, damages[_i].at), 1);
    }
    close(fd);
    s = state_open(path, NULL, &forgot, &why);
    ck_assert_int_eq(s == NULL, damages[_i].status != 0);
    ck_assert(s || why.status == damages[_i].status);
    ck_assert_uint_eq(forgot, damages[_i].forgot);
    state_free(s);
}
END_TEST

static void other_hash(void *arg, struct slice name, unsigned char octets[16])
{
    (void)arg;
    (void)name;
    memset(octets, 7, 16);
}

START_TEST(refuses_strangers)
{
    static const struct identity_hash other = {other_hash, NULL};
    struct fault why;
    size_t forgot;

    state_free(opened());
    ck_assert_ptr_null(state_open(path, &other, &forgot, &why));
    ck_assert_int_eq(why.status, EX_CONFIG);
    ck_assert_ptr_null(state_open(folder, NULL, &forgot, &why));
    ck_assert_ptr_null(state_open("/dev/null", NULL, &forgot, &why));
    ck_assert_ptr_null(state_open("/nowhere/state", NULL, &forgot, &why));
    unlink(path);
    ck_assert_int_eq(symlink("/dev/null", path), 0);
    ck_assert_ptr_null(state_open(path, NULL, &forgot, &why));
}
END_TEST

/* Nothing to do in memory; in a file after a change, once a second. */
START_TEST(is_written_in_time)
{
    struct state *memory = state_new(), *s = opened();

    trail_of(memory, 1);
    ck_assert_int_eq(state_due_ms(memory, 1000000), -1);
    ck_assert_int_eq(state_due_ms(s, 1000000), -1);
    trail_of(s, 1);
    ck_assert_int_eq(state_due_ms(s, 1000000), 0);
    state_sync(s, 1000000);
    ck_assert_int_eq(state_due_ms(s, 1000100), -1);
    trail_of(s, 1);
    ck_assert_int_eq(state_due_ms(s, 1000100), 900);
    ck_assert_int_eq(state_due_ms(s, 1005000), 0);
    state_free(s);
    state_free(memory);
}
END_TEST

/* What was said of the last MEMOS events is said again; of older ones, and torn ones, anew. */
START_TEST(remembers_events)
{
    struct passage_answer said = {.repeat = true, .way = WAY_OUT, .other = "0123456789abcde"}, got;
    struct state *s = opened();
    unsigned char id[16] = {0}, other[16];
    struct passage p;
    char zeros[32] = {0};
    int fd;

    for (unsigned i = 1; i <= MEMOS + 1; i++) {
        memcpy(id, &i, sizeof i);
        state_remember(s, id, said.other);
    }
    ck_assert(state_recall(s, id, other));
    ck_assert_mem_eq(other, said.other, sizeof other);
    p = passage_of(7);
    state_pass(s, trail_of(s, 1), &p, &got);
    ck_assert_int_eq(got.way, WAY_IN);
    state_free(s);
    fd = open(path, O_RDWR);
    ck_assert_int_eq(pwrite(fd, zeros, 9, MEMOS_AT + 32 * 100 + 20), 9);
    close(fd);
    s = opened();
    for (unsigned i = 1; i <= MEMOS + 1; i++) {
        memcpy(id, &i, sizeof i);
        ck_assert_int_eq(state_recall(s, id, other), i > 2 && i != 101);
    }
    p.alternate = false; /* whatever the site says now */
    state_pass(s, trail_of(s, 2), &p, &got);
    ck_assert_int_eq(got.way, WAY_IN);
    state_free(s);
}
END_TEST

/* Names do not run into each other, however long they are. */
START_TEST(keys_differ)
{
    struct state *s = state_new();
    char a[600], b[600];

    memset(a, 'a', sizeof a);
    memcpy(b, a, sizeof b);
    b[599] = 'b';
    ck_assert(
        state_key(s, 'p', SLICE("ab"), SLICE_NONE) != state_key(s, 'c', SLICE("ab"), SLICE_NONE));
    ck_assert(
        state_key(s, 'l', SLICE("a"), SLICE("b")) != state_key(s, 'l', SLICE("ab"), SLICE_NONE));
    ck_assert(
        state_key(s, 'l', SLICE("a"), SLICE_NONE) != state_key(s, 'l', SLICE_NONE, SLICE("a")));
    ck_assert(state_key(s, 'l', (struct slice){a, 600}, SLICE("x")) !=
              state_key(s, 'l', (struct slice){b, 600}, SLICE("x")));
    ck_assert(state_key(s, 'l', (struct slice){a, 600}, SLICE("x")) ==
              state_key(s, 'l', (struct slice){a, 600}, SLICE("x")));
    state_free(s);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, keeps_people);
    tcase_add_test(tc, changes_owners);
    tcase_add_test(tc, has_a_limit);
    tcase_add_test(tc, is_one_process_only);
    tcase_add_loop_test(tc, refuses_damage, 0, (int)(sizeof damages / sizeof *damages));
    tcase_add_test(tc, refuses_strangers);
    tcase_add_test(tc, is_written_in_time);
    tcase_add_test(tc, remembers_events);
    tcase_add_test(tc, keys_differ);
}

UNIT_MAIN("state", add_tests)
