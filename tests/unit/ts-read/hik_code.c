/* SPDX-License-Identifier: MIT */
/* Every code of Hikvision terminals, by what it says of a person; and that no other says anything.
   The lists are those of the vendor, in own words; 5/15 and 5/50, of which they disagree, are on
   none, nor are the doorbell, the call, the barrier that is free again, and 5/137: accepted, and
   nobody walked through. */
#include "../../support/unit.h"

#include "hik_code.h"

static const struct list {
    const char *kind;
    int major;
    short minors[80]; /* 0 ends them */
} lists[] = {
    {"granted", 5,
        {1, 2, 16, 34, 38, 40, 43, 46, 54, 57, 60, 63, 66, 69, 72, 75, 77, 101, 105, 144, 153, 156,
            158, 159, 179, 181}},
    {"denied", 5,
        {3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 36, 39, 41, 42, 44, 45, 47, 48, 49, 55, 56, 58,
            59, 61, 62, 64, 65, 67, 68, 70, 71, 73, 74, 76, 78, 79, 80, 94, 102, 103, 104, 112, 113,
            117, 118, 119, 120, 130, 132, 139, 145, 150, 151, 152, 154, 155, 157, 160, 162, 163,
            164, 168, 169, 170, 171, 180}},
    {"door", 3, {1024, 1025, 1026, 1027}},
    {"door", 5, {17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 31, 32, 52, 53}},
    {"alarm", 1, {1028, 1036}},
    {"alarm", 5,
        {27, 28, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 133, 134, 135, 136, 138, 140, 143}},
};

static const char *wanted(int major, int minor)
{
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (const short *m = lists[i].minors; *m && lists[i].major == major; m++)
            if (*m == minor)
                return lists[i].kind;
    return "other";
}

START_TEST(kinds)
{
    for (int major = -1; major < 8; major++)
        for (int minor = -1; minor < 2000; minor++)
            ck_assert_msg(
                slice_is(hik_code_kind(major, minor), wanted(major, minor)), "%d/%d", major, minor);
    ck_assert(slice_is(hik_code_kind(5 + (1LL << 32), 75), "other"));
    ck_assert(slice_is(hik_code_kind(5, 75 + (1LL << 16)), "other"));
}
END_TEST

/* What a code says was shown; never of one that is no try to pass. */
START_TEST(credentials)
{
    static const struct {
        int minor;
        const char *credential;
    } rows[] = {
        {1, "card"},
        {2, "card+pin"},
        {9, "card"},
        {34, "pin"},
        {38, "fingerprint"},
        {39, "fingerprint"},
        {40, "card+fingerprint"},
        {43, "card+fingerprint+pin"},
        {46, "fingerprint+pin"},
        {54, "face+fingerprint"},
        {57, "face+pin"},
        {60, "face+card"},
        {63, "face+fingerprint+pin"},
        {66, "face+fingerprint+card"},
        {69, "fingerprint"},
        {72, "fingerprint+pin"},
        {75, "face"},
        {76, "face"},
        {77, "face"},
        {101, "pin"},
        {105, ""},
        {153, ""},
        {156, "qr"},
        {158, "remote"},
        {179, "pin"},
        {181, "pin"},
        {6, ""},
        {21, ""},
        {137, ""},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(slice_eq(hik_code_credential(5, rows[i].minor), slice_of(rows[i].credential)),
            "5/%d", rows[i].minor);
    for (int minor = 0; minor < 2000; minor++) {
        const char *kind = wanted(5, minor);
        bool person = strcmp(kind, "granted") == 0 || strcmp(kind, "denied") == 0;

        ck_assert(person || !hik_code_credential(5, minor).p);
        ck_assert(!hik_code_credential(3, minor).p);
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, kinds);
    tcase_add_test(tc, credentials);
}

UNIT_MAIN("hik_code", add_tests)
