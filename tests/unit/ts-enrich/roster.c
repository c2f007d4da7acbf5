/* SPDX-License-Identifier: MIT */
/* The roster: CSV as people write it, who is found, who is nobody's, and how long it takes. */
#include "roster.h"

#include <time.h>

#include "../../support/unit.h"
#include "files.h"

static const struct names nothing;

static struct roster *load(const char *text, const struct names *left_out)
{
    struct fault why = {0};
    struct roster *r = roster_load(file_of(slice_of(text)), left_out, remember, &why);

    ck_assert_msg(r != NULL, "%s", why.text);
    return r;
}

static const struct {
    const char *text, *employee, *hr; /* of person_id 1; NULL: none */
} rows[] = {
    {"person_id,employee_id\n1,E\n", "\"E\"", NULL},
    {"person_id,employee_id\r\n1,E\r\n", "\"E\"", NULL},
    {"person_id,employee_id\n1,E", "\"E\"", NULL},
    {"\xef\xbb\xbfperson_id,employee_id\n1,E\n", "\"E\"", NULL},
    {"\n\r\nperson_id,employee_id\n\n\n1,E\n", "\"E\"", NULL},
    {" employee_id , person_id \n E , 1 \n", "\"E\"", NULL},
    {"\"person_id\",\"employee_id\"\n\"1\",\"E\"\n", "\"E\"", NULL},
    {"person_id,employee_id,name\n1,E,\"a, \"\"b\"\"\n c\"\n", "\"E\"",
        "{\"name\":\"a, \\\"b\\\"\\n c\"}"},
    {"person_id,employee_id,a,b,c\n1,E,1,,\" \"\n", "\"E\"", "{\"a\":\"1\",\"c\":\" \"}"},
    {"person_id,employee_id,a,b\n1,E\n", "\"E\"", NULL},
    {"person_id,employee_id,a,,b\n1,E,x,y,z\n", "\"E\"", "{\"a\":\"x\",\"b\":\"z\"}"},
    {"person_id,employee_id,a\n1,E,x,,\n", "\"E\"", "{\"a\":\"x\"}"},
    {"person_id,employee_id,secret,b\n1,E,x,y\n", "\"E\"", "{\"b\":\"y\"}"},
    {"person_id,employee_id,a\"b\n1,\"E\\\",c\"d\n", "\"E\\\\\"", "{\"a\\\"b\":\"c\\\"d\"}"},
    {"person_id,employee_id\n1,\n", NULL, NULL},
    {"person_id,employee_id\n01,E\n", NULL, NULL},
    {"person_id,employee_id,a\n1,E,first\n1,E,second\n", "\"E\"", "{\"a\":\"first\"}"},
};

START_TEST(reads)
{
    struct names left_out = {.name = {SLICE("secret")}, .count = 1};
    struct roster *r = load(rows[_i].text, &left_out);
    struct person p;
    enum roster_answer answer = roster_find(r, ROSTER_PERSON, SLICE(" 1 "), &p);

    ck_assert_int_eq(answer, rows[_i].employee ? ROSTER_FOUND : ROSTER_UNKNOWN);
    if (answer == ROSTER_FOUND) {
        ck_assert(slice_is(p.employee, rows[_i].employee));
        if (rows[_i].hr)
            ck_assert_msg(slice_is(p.hr, rows[_i].hr), "%.*s", (int)p.hr.n, p.hr.p);
        else
            ck_assert_ptr_null(p.hr.p);
    }
    ck_assert_int_eq(roster_find(r, ROSTER_CARD, SLICE("1"), &p), ROSTER_UNKNOWN);
    roster_free(r);
}
END_TEST

START_TEST(claims)
{
    struct roster *r = load("person_id,card_no,employee_id\n1,100,E1\n1,101,E2\n2,100,E3\n"
                            "3,103,E4\n3,104,E4\n1,105,E1\n,,E9\n,,E8\n9,,\n",
        &nothing);
    struct person p;

    ck_assert_int_eq(roster_find(r, ROSTER_PERSON, SLICE("1"), &p), ROSTER_CLAIMED);
    ck_assert_int_eq(roster_find(r, ROSTER_CARD, SLICE("100"), &p), ROSTER_CLAIMED);
    ck_assert_int_eq(roster_find(r, ROSTER_CARD, SLICE("101"), &p), ROSTER_FOUND);
    ck_assert_int_eq(roster_find(r, ROSTER_PERSON, SLICE("3"), &p), ROSTER_FOUND);
    ck_assert_int_eq(roster_find(r, ROSTER_CARD, SLICE("104"), &p), ROSTER_FOUND);
    ck_assert_int_eq(roster_find(r, ROSTER_PERSON, SLICE(""), &p), ROSTER_UNKNOWN);
    ck_assert_int_eq(roster_find(r, ROSTER_PERSON, SLICE_NONE, &p), ROSTER_UNKNOWN);
    ck_assert_uint_eq(roster_people(r), 8);
    ck_assert_str_eq(remembered(),
        "3: person_id is another employee's in line 2: its events are put on hold\n"
        "4: card_no is another employee's in line 2: its events are put on hold\n"
        "7: person_id is claimed by others too: its events are put on hold\n"
        " 1 rows have no employee_id and are left out\n");
    roster_free(r);
}
END_TEST

/* Not a line for each of a thousand. */
START_TEST(many_claims)
{
    struct buf text = {0};
    const char *said;
    int lines = 0;

    buf_text(&text, "person_id,employee_id\n");
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "1,E%d\n", i);
    buf_char(&text, '\0');
    roster_free(load(text.data, &nothing));
    for (said = remembered(); *said; said++)
        lines += *said == '\n';
    ck_assert_int_eq(lines, 11);
    ck_assert(strstr(remembered(), "and 989 more ids"));
    buf_free(&text);
}
END_TEST

START_TEST(too_many_columns)
{
    struct buf text = {0};
    struct fault why = {0};

    buf_text(&text, "person_id,employee_id");
    for (int i = 0; i < 63; i++)
        buf_printf(&text, ",c%d", i);
    ck_assert_ptr_null(roster_load(file_of(buf_all(&text)), &nothing, remember, &why));
    ck_assert(strstr(why.text, ":1: more than 64 columns"));
    buf_free(&text);
}
END_TEST

static int64_t cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* 50,000 people: all found, and read in under 100 ms (with a sanitizer it takes longer). */
START_TEST(fifty_thousand)
{
    struct buf text = {0};
    struct roster *r;
    struct person p;
    char id[16], wanted[16];
    int64_t start_ms, took_ms;
    bool all = true;

    buf_text(&text, "person_id,card_no,employee_id,name,department\n");
    for (int i = 0; i < 50000; i++)
        buf_printf(&text, "%d,%d,E-%05d,\"Person, Number %d\",Department %d\n", i,
            1200000000 + i * 7919, i, i, i % 40);
    buf_char(&text, '\0');
    start_ms = cpu_ms();
    r = load(text.data, &nothing);
    took_ms = cpu_ms() - start_ms;
    for (int i = 0; i < 50000 && all; i++) {
        snprintf(id, sizeof id, "%d", i);
        snprintf(wanted, sizeof wanted, "\"E-%05d\"", i);
        all = roster_find(r, ROSTER_PERSON, slice_of(id), &p) == ROSTER_FOUND &&
              slice_is(p.employee, wanted);
    }
    ck_assert(all);
    ck_assert_uint_eq(roster_people(r), 50000);
#if !defined(__SANITIZE_ADDRESS__) && defined(__OPTIMIZE__)
    ck_assert_int_lt(took_ms, 100);
#else
    (void)took_ms;
#endif
    roster_free(r);
    buf_free(&text);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, reads, 0, COUNT(rows));
    tcase_add_test(tc, claims);
    tcase_add_test(tc, many_claims);
    tcase_add_test(tc, too_many_columns);
    tcase_add_test(tc, fifty_thousand);
}

UNIT_MAIN("roster", add_tests)
