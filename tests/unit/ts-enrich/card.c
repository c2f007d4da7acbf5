/* SPDX-License-Identifier: MIT */
/*
 * Card rules against numbers that readers really wrote: one card, whatever reader saw it.  The
 * frames are worked examples of the formats, made by hand from their definition.
 */
#include "card_forms.h"

#include "../../support/unit.h"

static const struct {
    const char *rule, *text, *number; /* NULL: does not fit */
} numbers[] = {
    /* One EM4100 tag, 0A004D7603: facility 77, card 30211. */
    {"pair", "077,30211", "5076483"},
    {"pair", "077.30211", "5076483"},
    {"pair", "W26 077 30211", "5076483"},
    {"pair", "00077.30211", "5076483"},
    {"pair last 16", "010.30211", "30211"},
    {"pair last 16", "000.30211", "30211"},
    {"glued", "07730211", "5076483"},
    {"last 24", "0005076483", "5076483"},
    {"last 32", "0005076483", "5076483"},
    {"dec", "05076483", "5076483"},
    {"dec", ";0005076483?", "5076483"},
    {"dec", "  0005076483\r", "5076483"},
    {"hex", "4D7603", "5076483"},
    {"hex last 32", "0A004D7603", "5076483"},
    {"hex last 24", "0a004d7603", "5076483"},
    {"last 32", "0042954749443", "5076483"},
    {"last 32", "00042954749443", "5076483"},
    {"mirror last 32", "000343609077440", "5076483"},
    {"twos mirror last 32", "05000000110206141200", "5076483"},
    {"facility 77", "30211", "5076483"},
    {"hex drop 6 h10301", "A6BB01C0", "5076483"},
    {"hex h10301", "29AEC07", "5076483"},
    {"bin h10301", "10100110101110110000000111", "5076483"},
    {"hex last 16", "0A004D7603", "30211"},
    /* Others of that kind. */
    {"mirror last 32", "000171806155721", "9357203"},
    {"pair", "142.51091", "9357203"},
    {"hex last 24", "14008EC793", "9357203"},
    {"mirror", "001099511627775", "1099511627775"},
    {"pair", "1,11572", "77108"},
    {"hex last 16", "0D9030", "36912"},
    {"hex last 32 drop 6 h10301", "06BD88EB80", "8065495"},
    {"hex last 26 h10301", "2006F623AE", "8065495"},
    {"pair", "123,4567", "8065495"},
    {"bin h10301", "10001010100111110000100100", "1392146"},
    {"pair", "21,15890", "1392146"},
    /* A Mifare card by a PN532 and by Wiegand 34; another by Wiegand 26. */
    {"reverse 32", "3004897467", "3138919347"},
    {"hex reverse 32", "B31B18BB", "3138919347"},
    {"h10306", "6277838694", "3138919347"},
    {"bin h10306", "0101110110001100000011011101100110", "3138919347"},
    {"hex", "bb181bb3", "3138919347"},
    {"hex reverse 32 last 24", "4DE2D147", "13754957"},
    {"bin h10301", "11101000111100010010011010", "13754957"},
    {"bin h10306 last 24", "0000000001101000111100010010011011", "13754957"},
    {"hex", "7A:08:7D:0F", "2047376655"},
    {"hex", "7a-08-7d-0f", "2047376655"},
    {"hex", "0x7a087d0f", "2047376655"},
    /* Seven bytes: whole, their ends, and after the cascade byte 88. */
    {"hex", "04A1B2C3D4E5F6", "1303689068602870"},
    {"hex reverse 56", "F6E5D4C3B2A104", "1303689068602870"},
    {"hex drop 24", "04A1B2C3D4E5F6", "77705923"},
    {"hex last 32", "04A1B2C3D4E5F6", "3285509622"},
    {"hex last 24", "8804A1B2", "303538"},
    {"hex drop 32", "04A1B2C3D4E5F6", "303538"},
    /* Longer frames. */
    {"hex d10202", "084002468", "1107300916"},
    {"hex h10306", "209A5BBAA", "80928213"},
    {"hex c1k35s", "2FA23C481", "2098324032"},
    {"pair 20", "2001,123456", "2098324032"},
    {"hex c15001", "F084E6072", "15102062649"},
    {"hex s12906", "41225AD0F", "8742164103"},
    {"hex h10302", "15BFB8386A", "12345678901"},
    {"hex h10302", "19C40C3500", "20971920000"},
    {"pair 19", "40000,400000", "20971920000"},
    {"hex bqt38", "186A0561C3", "52428976353"},
    {"hex pw39", "70D41E240C", "104858587654"},
    {"hex casi40", "397D323428", "123456789012"},
    {"hex p10001", "F123B26E0E", "19116654"},
    {"hex c1k48s", "D2D687E99763", "10356306267057"},
    /* What does not fit: other forms, parity, too many bits. */
    {"dec", "", NULL},
    {"dec", "?", NULL},
    {"dec", "4D7603", NULL},
    {"dec", "77,30211", NULL},
    {"dec", "-1", "1"},
    {"dec", "18446744073709551615", "18446744073709551615"},
    {"dec", "18446744073709551616", NULL},
    {"dec", "00000000000000000000000000000000000000000000000000000000000000000000001", "1"},
    {"dec", "\xd9\xa1", NULL},
    {"hex", "4D76G3", NULL},
    {"hex", "04A1B2C3D4E5F60718", NULL},
    {"hex", "0x", NULL},
    {"hex", "\xc3\xa9", NULL},
    {"pair", "30211", NULL},
    {"pair", "77,", NULL},
    {"pair", "77,65536", NULL},
    {"pair", "77,30211,5", NULL},
    {"pair", "W26", NULL},
    {"pair", "99999999999,1", NULL},
    {"glued", "07765536", NULL},
    {"glued", "6553600001", NULL},
    {"twos", "051", NULL},
    {"twos", "16", NULL},
    {"facility 77", "65536", NULL},
    {"reverse 24", "16777216", NULL},
    {"hex h10301", "23A7C24", NULL},
    {"bin h10301", "10001110100111110000100100", NULL},
    {"hex h10301", "69AEC07", NULL},
    {"hex c1k35s", "2FA23C480", NULL},
    {"hex p10001", "F123B26E0F", NULL},
    {"reverse 64", "1", "72057594037927936"},
    {"dec", "0", "0"},
};

START_TEST(applies)
{
    struct card_rule rule;
    struct fault why;
    char out[CARD_TEXT] = "";
    size_t n;

    ck_assert_msg(card_rule_parse(&rule, slice_of(numbers[_i].rule), &why) == 0, "%s", why.text);
    n = card_apply(&rule, slice_of(numbers[_i].text), out);
    if (!numbers[_i].number)
        ck_assert_msg(n == 0, "%s of %s: %s", numbers[_i].rule, numbers[_i].text, out);
    else
        ck_assert_msg(n == strlen(numbers[_i].number) && strcmp(out, numbers[_i].number) == 0,
            "%s of %s: %s", numbers[_i].rule, numbers[_i].text, out);
}
END_TEST

static const struct {
    const char *rule, *said;
} mistakes[] = {
    {"", "an empty card rule"},
    {"   ", "an empty card rule"},
    {"hexa", "\"hexa\" is no word of a card rule; those are dec, hex, bin,"},
    {"HEX", "\"HEX\" is no word of a card rule"},
    {"wiegand", "\"wiegand\" is no word of a card rule"},
    {"last 24 hex", "\"hex\" must be the first word"},
    {"hex dec", "\"dec\" must be the first word"},
    {"last", "last: needs a number of bits, 1 to 63"},
    {"last 0", "last: needs a number of bits, 1 to 63"},
    {"last 64", "last: needs a number of bits, 1 to 63"},
    {"last x", "last: needs a number of bits, 1 to 63"},
    {"drop 24.5", "drop: needs a number of bits, 1 to 63"},
    {"reverse", "reverse: needs the bits of the number: 24, 32, 40, 56"},
    {"reverse 31", "reverse: needs the bits of the number: 24, 32, 40, 56"},
    {"reverse 72", "reverse: needs the bits of the number: 24, 32, 40, 56"},
    {"facility", "facility: needs its code, 0 to 65535"},
    {"facility 65536", "facility: needs its code, 0 to 65535"},
    {"facility 1 33", "facility: a card has 1 to 32 bits"},
    {"pair 0", "pair: a card has 1 to 32 bits"},
    {"24", "\"24\" is no word of a card rule"},
    {"last 1 last 1 last 1 last 1 last 1 last 1 last 1 last 1", "more than 8 words"},
};

START_TEST(refuses)
{
    struct card_rule rule;
    struct fault why = {0};

    ck_assert_int_eq(card_rule_parse(&rule, slice_of(mistakes[_i].rule), &why), -1);
    ck_assert_msg(
        strncmp(why.text, mistakes[_i].said, strlen(mistakes[_i].said)) == 0, "%s", why.text);
}
END_TEST

START_TEST(forms_are_rules)
{
    struct card_rule rule;
    struct fault why;
    size_t i;

    for (i = 0; card_form(i); i++)
        ck_assert_msg(card_rule_parse(&rule, slice_of(card_form(i)), &why) == 0, "%s: %s",
            card_form(i), why.text);
    ck_assert_uint_gt(i, 30);
}
END_TEST

static const struct {
    const char *number, *key; /* NULL: no card */
} keys[] = {
    {"5076483", "5076483"},
    {" 0005076483 ", "5076483"},
    {"100", "100"},
    {"0A004D7603", "0A004D7603"},
    {"077,30211", "077,30211"},
    {"0", NULL},
    {"0000000000", NULL},
    {"", NULL},
    {"  ", NULL},
};

START_TEST(has_key)
{
    struct slice key = card_key(slice_of(keys[_i].number));

    if (keys[_i].key)
        ck_assert_msg(slice_is(key, keys[_i].key), "%.*s", (int)key.n, key.p);
    else
        ck_assert_uint_eq(key.n, 0);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, applies, 0, COUNT(numbers));
    tcase_add_loop_test(tc, refuses, 0, COUNT(mistakes));
    tcase_add_test(tc, forms_are_rules);
    tcase_add_loop_test(tc, has_key, 0, COUNT(keys));
}

UNIT_MAIN("card", add_tests)
