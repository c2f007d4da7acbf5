/* SPDX-License-Identifier: MIT */
/* The roster: CSV as people write it, who is found, who is nobody's, and how long it takes. */
#include "roster.h"

#include <stdlib.h>
#include <time.h>

#include "../../support/unit.h"
#include "files.h"

static const struct names nothing;
static const struct roster_at anywhere = {SLICE_NONE, ROSTER_NO_DAY};

static struct roster *load(const char *text, const struct names *left_out)
{
    struct fault why = {0};
    struct site *site = site_new();
    struct roster *r = roster_load(file_of(slice_of(text)), site, left_out, remember, &why);

    ck_assert_msg(r != NULL, "%s", why.text);
    site_free(site);
    return r;
}

/* The site as {"columns":…} would have it. */
static void map(struct site *site)
{
    struct fault why;

    site->roster_column[ROLE_PERSON][0] = SLICE("PIN");
    site->roster_column[ROLE_PERSON][1] = SLICE("PIN 2");
    site->roster_column[ROLE_EMPLOYEE][0] = SLICE("PIN");
    site->roster_column[ROLE_CARD][0] = SLICE("Card");
    ck_assert_int_eq(card_rule_parse(&site->roster_card, SLICE("pair"), &why), 0);
}

static const struct {
    const char *text, *employee, *hr; /* of person_id 1; NULL: none */
} rows[] = {
    {"person_id;employee_id;name\n1;E;a, b\n", "\"E\"", "{\"name\":\"a, b\"}"},
    {"person_id\temployee_id\tname\r\n1\tE\ta;b\r\n", "\"E\"", "{\"name\":\"a;b\"}"},
    {"\xef\xbb\xbf\r\nsep=;\r\nperson_id;employee_id;a,b,c\n1;E;x\n", "\"E\"", "{\"a,b,c\":\"x\"}"},
    {"person_id;\"a,b,c,d\";employee_id\n1;x;E\n", "\"E\"", "{\"a,b,c,d\":\"x\"}"},
    {"person_id,employee_id\n7;1 ; 8,E\n", "\"E\"", NULL},
    {"person_id,employee_id\n\"7\r\n1\",E\n", "\"E\"", NULL},
    {"person_id,employee_id\n;,E\n", NULL, NULL},
    {"[{\"person_id\":\"1\",\"employee_id\":\"E\"}]", "\"E\"", NULL},
    {" [ {\"person_id\": 1 ,\n\"employee_id\":\"E\",\"n\":1.50, \"t\":true,\"z\":null} , {}\n] \n",
        "\"E\"", "{\"n\":\"1.50\",\"t\":\"true\"}"},
    {"{\"person_id\":\"2\",\"employee_id\":\"F\"}\n{\"employee_id\":\"E\",\"x\":\"}{][\\\"\","
     "\"person_id\":\"1\"}",
        "\"E\"", "{\"x\":\"}{][\\\"\"}"},
    {"[{\"person_id\":[\"7\",1,null,\"8\"],\"employee_id\":12345678901234567890,"
     "\"a\":[1,\"b\"],\"o\":{\"p\":[1]}}]",
        "\"12345678901234567890\"", "{\"a\":\"1;b\"}"},
    {"{\"person_id\":\"1\",\"employee_id\":\"\\u00cb\",\"secret\":\"x\"}", "\"\xc3\x8b\"", NULL},
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
    enum roster_answer answer = roster_find(r, ROSTER_PERSON, SLICE(" 1 "), anywhere, &p);

    ck_assert_int_eq(answer, rows[_i].employee ? ROSTER_FOUND : ROSTER_UNKNOWN);
    if (answer == ROSTER_FOUND) {
        ck_assert(slice_is(p.employee, rows[_i].employee));
        if (rows[_i].hr)
            ck_assert_msg(slice_is(p.hr, rows[_i].hr), "%.*s", (int)p.hr.n, p.hr.p);
        else
            ck_assert_ptr_null(p.hr.p);
    }
    ck_assert_int_eq(roster_find(r, ROSTER_CARD, SLICE("1"), anywhere, &p), ROSTER_UNKNOWN);
    roster_free(r);
}
END_TEST

START_TEST(claims)
{
    struct roster *r = load("person_id,card_no,employee_id\n1,100,E1\n1,101,E2\n2,100,E3\n"
                            "3,103,E4\n3,104,E4\n1,105,E1\n,,E9\n,,E8\n9,,\n",
        &nothing);
    struct person p;

    ck_assert_int_eq(roster_find(r, ROSTER_PERSON, SLICE("1"), anywhere, &p), ROSTER_CLAIMED);
    ck_assert_int_eq(roster_find(r, ROSTER_CARD, SLICE("100"), anywhere, &p), ROSTER_CLAIMED);
    ck_assert_int_eq(roster_find(r, ROSTER_CARD, SLICE("101"), anywhere, &p), ROSTER_FOUND);
    ck_assert_int_eq(roster_find(r, ROSTER_PERSON, SLICE("3"), anywhere, &p), ROSTER_FOUND);
    ck_assert_int_eq(roster_find(r, ROSTER_CARD, SLICE("104"), anywhere, &p), ROSTER_FOUND);
    ck_assert_int_eq(roster_find(r, ROSTER_PERSON, SLICE(""), anywhere, &p), ROSTER_UNKNOWN);
    ck_assert_int_eq(roster_find(r, ROSTER_PERSON, SLICE_NONE, anywhere, &p), ROSTER_UNKNOWN);
    ck_assert_uint_eq(roster_people(r), 8);
    ck_assert_str_eq(remembered(),
        "3: person_id is another employee's in line 2: its events are put on hold\n"
        "4: card_no is another employee's in line 2: its events are put on hold\n"
        "7: person_id is another employee's in line 3: its events are put on hold\n"
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

/* Whom ids lead to, on which device and day: 2026-03-15 is day 20527. */
static const char periods[] =
    "person_id,card_no,employee_id,device_id,valid_from,valid_until,person_id@H\n"
    "1,,E1,,2025-01-01,2026-03-14,\n"  /* 2: PIN 1 goes from E1 … */
    "1,,E2,,2026-03-15,,\n"            /* 3: … to E2 on that day */
    "2,,E3,,,2026-03-20,\n"            /* 4: overlaps with the next */
    "2,,E4,,2026-03-15,,\n"            /* 5 */
    "3,,E5,,,,\n"                      /* 6: everywhere but on G */
    "3,,E6,G,,,\n"                     /* 7 */
    "4,,E7,G;H,,,\n"                   /* 8: on G and H only */
    "5,0500,E8,,,,9\n"                 /* 9: another PIN on H */
    "9,,E9,,,,\n"                      /* 10 */
    "1,,E2,,2026-01-01,2026-01-31,\n"; /* 11: a claim upon E1's days */

static const struct {
    const char *id, *device;
    int day;
    const char *employee; /* NULL: unknown; "": claimed */
} owners[] = {
    {"1", NULL, 20526, "\"E1\""},
    {"1", "G", 20527, "\"E2\""},
    {"1", NULL, 20089, "\"E1\""},
    {"1", NULL, 20088, NULL},
    {"1", NULL, ROSTER_NO_DAY, NULL},
    {"1", NULL, 20454, ""},
    {"1", NULL, 20453, "\"E1\""},
    {"1", NULL, 20484, ""},
    {"1", NULL, 20485, "\"E1\""},
    {"2", NULL, 20526, "\"E3\""},
    {"2", NULL, 20527, ""},
    {"2", NULL, 20532, ""},
    {"2", NULL, 20533, "\"E4\""},
    {"3", "X", 20527, "\"E5\""},
    {"3", "G", 20527, "\"E6\""},
    {"3", "G", ROSTER_NO_DAY, "\"E6\""},
    {"3", NULL, 20527, "\"E5\""},
    {"4", "G", 20527, "\"E7\""},
    {"4", "H", 20527, "\"E7\""},
    {"4", "X", 20527, NULL},
    {"4", NULL, 20527, NULL},
    {"5", "X", 20527, "\"E8\""},
    {"5", "H", 20527, "\"E8\""},
    {"9", "H", 20527, "\"E8\""},
    {"9", "G", 20527, "\"E9\""},
};

START_TEST(has_owner)
{
    struct roster *r = load(periods, &nothing);
    struct roster_at at = {slice_of(owners[_i].device), owners[_i].day};
    struct person p = {0};
    enum roster_answer answer = roster_find(r, ROSTER_PERSON, slice_of(owners[_i].id), at, &p);

    if (!owners[_i].employee)
        ck_assert_int_eq(answer, ROSTER_UNKNOWN);
    else if (!*owners[_i].employee)
        ck_assert_int_eq(answer, ROSTER_CLAIMED);
    else
        ck_assert(answer == ROSTER_FOUND && slice_is(p.employee, owners[_i].employee));
    ck_assert_str_eq(remembered(),
        "5: person_id is another employee's in line 4 from 2026-03-15 until 2026-03-20: its events "
        "are put on hold\n"
        "11: person_id is another employee's in line 2 from 2026-01-01 until 2026-01-31: its "
        "events are put on hold\n");
    roster_free(r);
}
END_TEST

/* A column that is two things, several columns of one kind, cards as the roster writes them. */
START_TEST(mapped)
{
    struct site *site = site_new();
    struct fault why = {0};
    struct person p;
    struct roster *r;

    map(site);
    r = roster_load(file_of(SLICE("PIN;PIN 2;Card;person_id;PIN 2@G\n"
                                  "E1;12;\"077,30211; 1,2\";x;55\n"
                                  "E2;;wrong;;\nE3;;0;;\nE4;;0000;;\nE5;;7,8,9;;\n")),
        site, &nothing, remember, &why);
    ck_assert_msg(r != NULL, "%s", why.text);
    ck_assert_int_eq(roster_find(r, ROSTER_PERSON, SLICE("E1"), anywhere, &p), ROSTER_FOUND);
    ck_assert_int_eq(roster_find(r, ROSTER_PERSON, SLICE("12"), anywhere, &p), ROSTER_FOUND);
    ck_assert(slice_is(p.employee, "\"E1\"") && slice_is(p.hr, "{\"person_id\":\"x\"}"));
    ck_assert_uint_eq(p.line, 2);
    ck_assert_int_eq(roster_find(r, ROSTER_PERSON, SLICE("55"), anywhere, &p), ROSTER_UNKNOWN);
    ck_assert_int_eq(
        roster_find(r, ROSTER_PERSON, SLICE("55"), (struct roster_at){{"G", 1}, 0}, &p),
        ROSTER_FOUND);
    ck_assert_int_eq(roster_find(r, ROSTER_CARD, SLICE("0005076483"), anywhere, &p), ROSTER_FOUND);
    ck_assert_int_eq(roster_find(r, ROSTER_CARD, SLICE("65538"), anywhere, &p), ROSTER_FOUND);
    ck_assert_int_eq(roster_find(r, ROSTER_CARD, SLICE("wrong"), anywhere, &p), ROSTER_FOUND);
    ck_assert_int_eq(roster_find(r, ROSTER_CARD, SLICE("0"), anywhere, &p), ROSTER_UNKNOWN);
    ck_assert_uint_eq(roster_people(r), 5);
    ck_assert_str_eq(remembered(), "3: card_no does not fit the rule roster_card\n"
                                   " 2 card numbers do not fit the rule roster_card\n");
    roster_free(r);
    site_free(site);
}
END_TEST

static const struct {
    const char *text, *said;
} mistakes[] = {
    {"", ": empty: a header row is needed"},
    {"\n\n", ": empty: a header row is needed"},
    {"[]", ":1: no column employee_id"},
    {"[{\"employee_id\":\"E\"}]", ":1: neither a column person_id nor card_no"},
    {"person_id,name\n", ":1: no column employee_id"},
    {"employee_id,name\n", ":1: neither a column person_id nor card_no"},
    {"person_id,employee_id,person_id\n", ":1: column person_id is there twice"},
    {"person_id,employee_id\n1,E,x\n", ":2: more cells than the header has"},
    {"person_id,employee_id\n\"1,E\n", ":2: a quote \" is never closed"},
    {"person_id,employee_id\n\"1\"x,E\n", ":2: text after a closing quote"},
    {"person_id,employee_id\n1,\xe4\n", ":2: not UTF-8"},
    {"person_id,employee_id,valid_from\n\n1,E,31.12.2025\n",
        ":3: valid_from: not a date like 2026-05-31"},
    {"person_id,employee_id,valid_until\n1,E,2026-02-30\n",
        ":2: valid_until: not a date like 2026-05-31"},
    {"person_id,employee_id,valid_from,valid_until\n1,E,2026-02-02,2026-02-01\n",
        ":2: valid_from is after valid_until"},
    {"[", ":1: not JSON: the list is never closed with ]"},
    {"[1]", ":1: not JSON: an object {…} is wanted for each person"},
    {"[{}\n{}]", ":2: not JSON: a comma or ] is missing"},
    {"[{},]", ":1: not JSON: an object {…} is wanted for each person"},
    {"[{}]\n x", ":2: not JSON: something after the closing ]"},
    {"{}\n\n{\"a\":[}", ":3: not JSON: an object is never closed"},
    {"{}\n{\"a\":1,}", ":2: not JSON: "},
    {"{\"person_id\":\"1\",\"person_id\":\"2\"}", ":1: \"person_id\" is there twice"},
    {"{\"employee_id\":\"E\",\"person_id\":\"1\",\"valid_from\":true}",
        ":1: valid_from: not a date"},
};

START_TEST(refuses)
{
    struct site *site = site_new();
    struct fault why = {0};
    const char *path = file_of(slice_of(mistakes[_i].text));

    ck_assert_ptr_null(roster_load(path, site, &nothing, remember, &why));
    ck_assert_msg(
        strncmp(why.text, path, strlen(path)) == 0 &&
            strncmp(why.text + strlen(path), mistakes[_i].said, strlen(mistakes[_i].said)) == 0,
        "%s", why.text);
    ck_assert_int_eq(why.status, EX_CONFIG);
    site_free(site);
}
END_TEST

START_TEST(column_gone)
{
    struct site *site = site_new();
    struct fault why = {0};

    map(site);
    ck_assert_ptr_null(roster_load(file_of(SLICE("PIN,PIN 2\n")), site, &nothing, remember, &why));
    ck_assert(strstr(why.text, ":1: no column \"Card\", which the site file takes for card_no"));
    site_free(site);
}
END_TEST

/* Devices by any of their names; one that the site does not have is told once. */
START_TEST(devices)
{
    struct fault why = {0};
    struct site *site = site_load(
        file_of(SLICE("{\"devices\":{\"G\":{\"aliases\":[\"1_attlog\"]}}}")), remember, &why);
    struct person p;
    struct roster *r =
        roster_load(file_of(SLICE("person_id,employee_id,device_id,person_id@G,person_id@other\n"
                                  "1,E1,1_attlog,2,\n1,E2,G2,,4\n1,E3,G2,,\n")),
            site, &nothing, remember, &why);

    ck_assert_msg(r != NULL, "%s", why.text);
    ck_assert_int_eq(roster_find(r, ROSTER_PERSON, SLICE("1"), (struct roster_at){{"G", 1}, 0}, &p),
        ROSTER_FOUND);
    ck_assert_int_eq(roster_find(r, ROSTER_PERSON, SLICE("2"), (struct roster_at){{"G", 1}, 0}, &p),
        ROSTER_FOUND);
    ck_assert_int_eq(
        roster_find(r, ROSTER_PERSON, SLICE("1"), (struct roster_at){{"G2", 2}, 0}, &p),
        ROSTER_CLAIMED);
    ck_assert_str_eq(remembered(),
        "1: device \"other\" is not in the site file\n"
        "4: person_id is another employee's in line 3: its events are put on hold\n"
        " 3 names of devices that are not in the site file\n");
    roster_free(r);
    site_free(site);
}
END_TEST

START_TEST(too_many_owners)
{
    struct site *site = site_new();
    struct buf text = {0};
    struct fault why = {0};

    buf_text(&text, "person_id,employee_id,valid_from,valid_until\n");
    for (int i = 0; i < 1002; i++)
        buf_printf(&text, "1,E%d,%d-01-01,%d-12-31\n", i, 1000 + i, 1000 + i);
    ck_assert_ptr_null(roster_load(file_of(buf_all(&text)), site, &nothing, remember, &why));
    ck_assert(strstr(why.text, ":1003: person_id has too many owners"));
    buf_free(&text);
    site_free(site);
}
END_TEST

START_TEST(too_many_columns)
{
    struct site *site = site_new();
    struct buf text = {0};
    struct fault why = {0};

    buf_text(&text, "person_id,employee_id");
    for (int i = 0; i < 255; i++)
        buf_printf(&text, ",c%d", i);
    ck_assert_ptr_null(roster_load(file_of(buf_all(&text)), site, &nothing, remember, &why));
    site_free(site);
    ck_assert(strstr(why.text, ":1: more than 256 columns"));
    buf_free(&text);
}
END_TEST

static int64_t cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void people_csv(struct buf *text, int n)
{
    buf_text(text, "person_id,card_no,employee_id,name,department\n");
    for (int i = 0; i < n; i++)
        buf_printf(text, "%d,%d,E-%05d,\"Person, Number %d\",Department %d\n", i,
            1200000000 + i * 7919, i, i, i % 40);
}

static void people_json(struct buf *text, int n)
{
    for (int i = 0; i < n; i++)
        buf_printf(text,
            "%c\n{\"person_id\": \"%d\", \"card_no\": \"%d\", \"employee_id\": \"E-%05d\", "
            "\"name\": \"Person, Number %d\", \"department\": \"Department %d\"}",
            i > 0 ? ',' : '[', i, 1200000000 + i * 7919, i, i, i % 40);
    buf_char(text, ']');
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

    (_i == 0 ? people_csv : people_json)(&text, 50000);
    buf_char(&text, '\0');
    start_ms = cpu_ms();
    r = load(text.data, &nothing);
    took_ms = cpu_ms() - start_ms;
    for (int i = 0; i < 50000 && all; i++) {
        snprintf(id, sizeof id, "%d", i);
        snprintf(wanted, sizeof wanted, "\"E-%05d\"", i);
        all = roster_find(r, ROSTER_PERSON, slice_of(id), anywhere, &p) == ROSTER_FOUND &&
              slice_is(p.employee, wanted);
    }
    ck_assert(all);
    ck_assert_uint_eq(roster_people(r), 50000);
    if (getenv("SHOW_TIMES"))
        fprintf(stderr, "# %d: %d ms\n", _i, (int)took_ms);
#if !defined(__SANITIZE_ADDRESS__) && defined(__OPTIMIZE__)
    ck_assert_int_lt(took_ms, 100);
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
    tcase_add_loop_test(tc, has_owner, 0, COUNT(owners));
    tcase_add_test(tc, mapped);
    tcase_add_loop_test(tc, refuses, 0, COUNT(mistakes));
    tcase_add_test(tc, column_gone);
    tcase_add_test(tc, devices);
    tcase_add_test(tc, too_many_owners);
    tcase_add_test(tc, too_many_columns);
    tcase_add_loop_test(tc, fifty_thousand, 0, 2);
}

UNIT_MAIN("roster", add_tests)
