/* SPDX-License-Identifier: MIT */
/* Checkpoints: what was saved comes back, other files are told from the same one, and damage is
 * noticed. */
#include "checkpoint.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../support/unit.h"

static struct fault why;
static char folder[] = "/tmp/ts-checkpoint.XXXXXX";
static char path[64], lock_path[72], log_path[64];

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/checkpoint", folder);
    snprintf(lock_path, sizeof lock_path, "%s.lock", path);
    snprintf(log_path, sizeof log_path, "%s/log", folder);
}

static void teardown(void)
{
    unlink(path);
    unlink(lock_path);
    unlink(log_path);
    chmod(folder, 0700);
    rmdir(folder);
}

static void put(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static struct checkpoint *opened(void)
{
    struct checkpoint *c = checkpoint_open(path, &why);

    ck_assert_ptr_nonnull(c);
    return c;
}

START_TEST(comes_back)
{
    static const char *const names[] = {"a", "with \"quotes\"\n", "b/\xc3\xa9"};
    struct place place = {.device = UINT64_MAX, .inode = 7, .offset = 1ull << 53, .line = 3};
    struct checkpoint *c = opened();

    ck_assert_ptr_null(checkpoint_find(c, "a"));
    snprintf(place.head, sizeof place.head, "00000000-0000-8000-8000-000000000000");
    place.head_bytes = 17;
    for (size_t i = 0; i < 3; i++, place.offset++)
        checkpoint_set(c, names[i], &place);
    ck_assert_int_eq(checkpoint_save(c, &why), 0);
    checkpoint_free(c);
    c = opened();
    for (size_t i = 0; i < 3; i++) {
        const struct place *back = checkpoint_find(c, names[i]);

        ck_assert_ptr_nonnull(back);
        ck_assert_uint_eq(back->device, UINT64_MAX);
        ck_assert_uint_eq(back->inode, 7);
        ck_assert_uint_eq(back->offset, (1ull << 53) + i);
        ck_assert_uint_eq(back->line, 3);
        ck_assert_uint_eq(back->head_bytes, 17);
        ck_assert_str_eq(back->head, place.head);
    }
    checkpoint_free(c);
}
END_TEST

START_TEST(cursors_come_back)
{
    struct place place = {.offset = 5};
    struct checkpoint *c = opened();

    ck_assert_ptr_null(checkpoint_cursor(c, "zk://a"));
    checkpoint_set_cursor(c, "zk://a", "one \"two\"\n");
    checkpoint_set(c, "log", &place);
    ck_assert_ptr_null(checkpoint_find(c, "zk://a"));
    ck_assert_ptr_null(checkpoint_cursor(c, "log"));
    ck_assert_int_eq(checkpoint_save(c, &why), 0);
    checkpoint_free(c);
    c = opened();
    ck_assert_str_eq(checkpoint_cursor(c, "zk://a"), "one \"two\"\n");
    ck_assert_uint_eq(checkpoint_find(c, "log")->offset, 5);
    unlink(path);
    checkpoint_set_cursor(c, "zk://a", "one \"two\"\n");
    ck_assert_int_eq(checkpoint_save(c, &why), 0);
    ck_assert_int_lt(access(path, F_OK), 0);
    checkpoint_set_cursor(c, "zk://a", "");
    ck_assert_int_eq(checkpoint_save(c, &why), 0);
    ck_assert_int_eq(access(path, F_OK), 0);
    checkpoint_free(c);
    c = opened();
    ck_assert_str_eq(checkpoint_cursor(c, "zk://a"), "");
    checkpoint_set(c, "zk://a", &place);
    ck_assert_ptr_null(checkpoint_cursor(c, "zk://a"));
    ck_assert_uint_eq(checkpoint_find(c, "zk://a")->offset, 5);
    checkpoint_free(c);
}
END_TEST

START_TEST(written_only_when_changed)
{
    struct place place = {.offset = 5};
    struct checkpoint *c = opened();
    struct stat st;

    ck_assert_int_eq(checkpoint_save(c, &why), 0);
    ck_assert_int_lt(stat(path, &st), 0);
    checkpoint_set(c, "a", &place);
    ck_assert_int_eq(checkpoint_save(c, &why), 0);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    unlink(path);
    checkpoint_set(c, "a", &place);
    ck_assert_int_eq(checkpoint_save(c, &why), 0);
    ck_assert_int_lt(stat(path, &st), 0);
    checkpoint_free(c);
}
END_TEST

/* What a crash left beside it is no obstacle, and the old file stays until the new one is whole. */
START_TEST(debris_is_overwritten)
{
    struct place place = {.offset = 5};
    struct checkpoint *c = opened();
    char beside[80];

    snprintf(beside, sizeof beside, "%s.new", path);
    put(beside, "{\"sour");
    checkpoint_set(c, "a", &place);
    ck_assert_int_eq(checkpoint_save(c, &why), 0);
    ck_assert_int_lt(access(beside, F_OK), 0);
    checkpoint_free(c);
    checkpoint_free(opened());
}
END_TEST

/* Two programs would each write their own places over those of the other. */
START_TEST(one_at_a_time)
{
    struct checkpoint *c = opened();

    ck_assert_ptr_null(checkpoint_open(path, &why));
    ck_assert_int_eq(why.status, EX_TEMPFAIL);
    ck_assert_ptr_nonnull(strstr(why.text, "another ts-read"));
    checkpoint_free(c);
    checkpoint_free(opened());
}
END_TEST

static const char *const damaged[] = {"", "{", "[]", "{\"sources\":7}", "{\"sources\":[7]}",
    "{\"sources\":[{\"source\":\"a\"}]}",
    "{\"sources\":[{\"source\":\"a\",\"head\":\"\",\"offset\":-1}]}",
    "{\"sources\":[{\"source\":\"a\",\"head\":\"\",\"offset\":1,\"head_bytes\":99999}]}",
    ("{\"sources\":[{\"source\":\"a\",\"offset\":1,\"head\":"
     "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}]}")};

START_TEST(damage_is_told)
{
    put(path, damaged[_i]);
    ck_assert_ptr_null(checkpoint_open(path, &why));
    ck_assert_int_eq(why.status, EX_CONFIG);
    ck_assert_ptr_nonnull(strstr(why.text, "delete it"));
}
END_TEST

START_TEST(places_tell_files_apart)
{
    struct place place = {0};
    int fd;

    put(log_path, "one\ntwo\n");
    fd = open(log_path, O_RDWR);
    place_identify(fd, &place);
    ck_assert_uint_eq(place.head_bytes, 8);
    place.offset = 8;
    ck_assert(place_matches(fd, &place));
    ck_assert_int_eq(pwrite(fd, "three\n", 6, 8), 6);
    ck_assert(place_matches(fd, &place)); /* grown */
    ck_assert_int_eq(pwrite(fd, "ONE", 3, 0), 3);
    ck_assert(!place_matches(fd, &place)); /* another beginning */
    ck_assert_int_eq(pwrite(fd, "one", 3, 0), 3);
    ck_assert(place_matches(fd, &place));
    ck_assert_int_eq(ftruncate(fd, 7), 0);
    ck_assert(!place_matches(fd, &place)); /* shorter than what was read */
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    place_identify(fd, &place);
    place.offset = 0;
    ck_assert(place_matches(fd, &place)); /* empty, and nothing read */
    place.inode++;
    ck_assert(!place_matches(fd, &place)); /* another file */
    close(fd);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, comes_back);
    tcase_add_test(tc, cursors_come_back);
    tcase_add_test(tc, written_only_when_changed);
    tcase_add_test(tc, debris_is_overwritten);
    tcase_add_test(tc, one_at_a_time);
    tcase_add_loop_test(tc, damage_is_told, 0, (int)(sizeof damaged / sizeof *damaged));
    tcase_add_test(tc, places_tell_files_apart);
}

UNIT_MAIN("checkpoint", add_tests)
