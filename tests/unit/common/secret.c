/* SPDX-License-Identifier: MIT */
/* Secrets: where they may come from, who else may read them, and comparing them. */
#include "secret.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../support/unit.h"

static struct fault why;
static char folder[] = "/tmp/ts-secret.XXXXXX";
static char path[64];

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/token", folder);
}

static void teardown(void)
{
    unlink(path);
    rmdir(folder);
}

static void put(const char *bytes, size_t n, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

    ck_assert_int_eq(write(fd, bytes, n), (ssize_t)n);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

static const struct {
    struct slice bytes;
    mode_t mode;
    int status; /* 0: good */
    const char *want;
} files[] = {
    {{"s3cret", 6}, 0600, 0, "s3cret"},
    {{"s3cret\n", 7}, 0600, 0, "s3cret"},
    {{"s3cret\r\n", 8}, 0400, 0, "s3cret"},
    {{"one\ntwo\n", 8}, 0600, 0, "one"},
    {{" a b \n", 6}, 0600, 0, " a b "},
    {{"", 0}, 0600, EX_CONFIG, NULL},
    {{"\n", 1}, 0600, EX_CONFIG, NULL},
    {{"s3cret\n", 7}, 0640, EX_NOPERM, NULL},
    {{"s3cret\n", 7}, 0604, EX_NOPERM, NULL},
    {{"s3cret\n", 7}, 0610, EX_NOPERM, NULL},
};

START_TEST(secret_files)
{
    struct buf secret = {0};
    int rc;

    put(files[_i].bytes.p, files[_i].bytes.n, files[_i].mode);
    rc = secret_read(path, &secret, &why);
    ck_assert_int_eq(rc, files[_i].status ? -1 : 0);
    if (rc == 0)
        ck_assert(slice_is(buf_all(&secret), files[_i].want));
    else
        ck_assert_int_eq(why.status, files[_i].status);
    secret_forget(&secret);
    ck_assert_ptr_null(secret.data);
}
END_TEST

START_TEST(no_message_holds_the_secret)
{
    struct buf secret = {0};

    put("s3cret\n", 7, 0644);
    ck_assert_int_eq(secret_read(path, &secret, &why), -1);
    ck_assert_ptr_null(strstr(why.text, "s3cret"));
    ck_assert_ptr_nonnull(strstr(why.text, "chmod 600"));
}
END_TEST

START_TEST(links_are_not_followed)
{
    struct buf secret = {0};
    char link[80];

    put("s3cret\n", 7, 0600);
    snprintf(link, sizeof link, "%s.link", path);
    ck_assert_int_eq(symlink(path, link), 0);
    ck_assert_int_eq(secret_read(link, &secret, &why), -1);
    ck_assert_int_eq(why.status, EX_NOINPUT);
    unlink(link);
}
END_TEST

START_TEST(missing_folder_or_too_long)
{
    struct buf secret = {0};
    char *big = mem_alloc(SECRET_BYTES_MAX + 1);

    ck_assert_int_eq(secret_read(path, &secret, &why), -1);
    ck_assert_int_eq(why.status, EX_NOINPUT);
    ck_assert_int_eq(secret_read(folder, &secret, &why), -1);
    ck_assert_int_eq(why.status, EX_NOPERM);
    memset(big, 'x', SECRET_BYTES_MAX + 1);
    put(big, SECRET_BYTES_MAX + 1, 0600);
    ck_assert_int_eq(secret_read(path, &secret, &why), -1);
    ck_assert_int_eq(why.status, EX_CONFIG);
    free(big);
}
END_TEST

START_TEST(inherited_descriptor)
{
    struct buf secret = {0};
    int pair[2];
    char name[16];

    ck_assert_int_eq(pipe(pair), 0);
    ck_assert_int_eq(write(pair[1], "s3cret\n", 7), 7);
    close(pair[1]);
    snprintf(name, sizeof name, "fd:%d", pair[0]);
    ck_assert_int_eq(secret_read(name, &secret, &why), 0);
    ck_assert(slice_is(buf_all(&secret), "s3cret"));
    ck_assert_int_eq(fcntl(pair[0], F_GETFD), -1);
    secret_forget(&secret);
}
END_TEST

static const struct {
    const char *form;
    int status; /* 0: good */
} descriptors[] = {
    {"fd:%d", 0},
    {"/dev/fd/%d", 0},
    {"/proc/self/fd/%d", 0},
    {"fd:%dx", EX_USAGE},
    {"fd:-%d", EX_USAGE},
    {"fd:", EX_USAGE},
    {"fd:0", EX_USAGE},
    {"/dev/fd/2", EX_USAGE},
    {"fd:999", EX_NOINPUT},
};

START_TEST(names_of_descriptors)
{
    struct buf secret = {0};
    int pair[2], rc;
    char name[32];

    ck_assert_int_eq(pipe(pair), 0);
    ck_assert_int_eq(write(pair[1], "one\ntwo\n", 8), 8);
    close(pair[1]);
    snprintf(name, sizeof name, descriptors[_i].form, pair[0]);
    ck_assert(secret_inherited(name));
    rc = secret_read_all(name, false, &secret, &why);
    ck_assert_int_eq(rc, descriptors[_i].status ? -1 : 0);
    if (rc == 0)
        ck_assert(slice_is(buf_all(&secret), "one\ntwo\n"));
    else
        ck_assert_int_eq(why.status, descriptors[_i].status);
    secret_forget(&secret);
}
END_TEST

START_TEST(what_may_be_shown)
{
    struct buf text = {0};

    put("one\ntwo\n", 8, 0644);
    ck_assert(!secret_inherited(path));
    ck_assert_int_eq(secret_read_all(path, false, &text, &why), -1);
    ck_assert_int_eq(why.status, EX_NOPERM);
    ck_assert_int_eq(secret_read_all(path, true, &text, &why), 0);
    ck_assert(slice_is(buf_all(&text), "one\ntwo\n"));
    secret_forget(&text);
}
END_TEST

START_TEST(service_credential)
{
    struct buf secret = {0};

    put("s3cret\n", 7, 0400);
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    ck_assert_int_eq(secret_read("token", &secret, &why), 0);
    ck_assert(slice_is(buf_all(&secret), "s3cret"));
    secret_forget(&secret);
}
END_TEST

START_TEST(comparing)
{
    ck_assert(secret_equal(SLICE("abc"), SLICE("abc")));
    ck_assert(secret_equal(SLICE(""), SLICE("")));
    ck_assert(!secret_equal(SLICE("abc"), SLICE("abd")));
    ck_assert(!secret_equal(SLICE("abc"), SLICE("ab")));
    ck_assert(!secret_equal(SLICE("ab"), SLICE("abc")));
    ck_assert(!secret_equal(SLICE("abab"), SLICE("ab")));
    ck_assert(!secret_equal(SLICE(""), SLICE("abc")));
    ck_assert(!secret_equal(SLICE("abc"), SLICE("")));
    ck_assert(!secret_equal(SLICE("abc"), SLICE_NONE));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, secret_files, 0, (int)(sizeof files / sizeof *files));
    tcase_add_test(tc, no_message_holds_the_secret);
    tcase_add_test(tc, links_are_not_followed);
    tcase_add_test(tc, missing_folder_or_too_long);
    tcase_add_test(tc, inherited_descriptor);
    tcase_add_loop_test(
        tc, names_of_descriptors, 0, (int)(sizeof descriptors / sizeof *descriptors));
    tcase_add_test(tc, what_may_be_shown);
    tcase_add_test(tc, service_credential);
    tcase_add_test(tc, comparing);
}

UNIT_MAIN("secret", add_tests)
