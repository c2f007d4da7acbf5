/* SPDX-License-Identifier: MIT */
/* The public hash gives what identity_of gives by itself; the keyed one what HMAC-SHA-256 gives. */
#include "hash.h"

#include <stdlib.h>
#include <unistd.h>

#include "../../support/unit.h"

/* Names of every length up to some blocks of SHA-1. */
START_TEST(public_hash)
{
    struct hash *h = hash_public();
    char name[300];
    bool same = true;

    for (size_t i = 0; i < sizeof name; i++)
        name[i] = (char)(i * 37);
    for (size_t n = 0; n <= sizeof name && same; n++) {
        struct identity ours, theirs;

        identity_of_bytes(&ours, (struct slice){name, n}, hash_of(h));
        identity_of_bytes(&theirs, (struct slice){name, n}, NULL);
        same = memcmp(ours.octets, theirs.octets, 16) == 0;
    }
    ck_assert(same);
    hash_free(h);
}
END_TEST

/* Python: hmac.new(b"secret key", name, "sha256").digest()[:16] in place of SHA-1. */
static const struct {
    const char *device, *who, *clock;
    int64_t clock_s;
    const char *id;
} keyed[] = {
    {"CGXH2012345", "126", "2020-01-07T10:34:08", 1578393248,
        "016f7f91-a100-87b5-8b7c-15ce2d1a7acd"},
    {"CGXH2012345", "", "1970-01-01T00:00:07", 7, "00000000-1b58-86af-8e64-ef4ea95e3bb4"},
    {"D\xc3\xbcsseldorf-1", "0012345678", "1969-12-31T23:59:59", -1,
        "ffffffff-fc18-8d27-adf2-8e370c2e3482"},
};

START_TEST(keyed_hash)
{
    struct fault why = {0};
    char path[] = "/tmp/ts-test-key-XXXXXX", text[IDENTITY_TEXT];
    struct hash *h;
    int fd = mkstemp(path);

    ck_assert_int_eq(write(fd, "secret key\n", 11), 11);
    close(fd);
    h = hash_keyed(path, &why);
    unlink(path);
    ck_assert_msg(h != NULL, "%s", why.text);
    for (size_t i = 0; i < sizeof keyed / sizeof *keyed; i++) {
        struct identity id;

        identity_make(&id, slice_of(keyed[i].device), slice_of(keyed[i].who),
            slice_of(keyed[i].clock), keyed[i].clock_s, hash_of(h));
        identity_print(&id, text);
        ck_assert_str_eq(text, keyed[i].id);
    }
    hash_free(h);
}
END_TEST

START_TEST(no_key)
{
    struct fault why = {0};

    ck_assert_ptr_null(hash_keyed("/nonexistent/key", &why));
    ck_assert_int_eq(why.status, EX_NOINPUT);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, public_hash);
    tcase_add_test(tc, keyed_hash);
    tcase_add_test(tc, no_key);
}

UNIT_MAIN("hash", add_tests)
