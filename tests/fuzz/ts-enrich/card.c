/* SPDX-License-Identifier: MIT */
/* The first line as a card rule, the rest as a number: refused in words, or a decimal number
   without leading zeros, of which a second rule can be told the same. */
#include "card_forms.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
    if (!fine)
        abort();
}

static void try(const struct card_rule *rule, struct slice text)
{
    struct card_rule dec;
    struct fault why;
    char out[CARD_TEXT], again[CARD_TEXT];
    size_t n = card_apply(rule, text, out);

    check(n < CARD_TEXT);
    if (n == 0)
        return;
    check(strspn(out, "0123456789") == n && out[n] == '\0' && (out[0] != '0' || n == 1));
    check(card_rule_parse(&dec, SLICE("dec"), &why) == 0);
    check(card_apply(&dec, (struct slice){out, n}, again) == n && strcmp(out, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *end = size > 0 ? memchr(text, '\n', size) : NULL;
    struct slice first = {text, end ? (size_t)(end - text) : size};
    struct slice rest = {text + first.n, size - first.n};
    struct card_rule rule;
    struct fault why = {0};

    if (card_rule_parse(&rule, first, &why) == 0)
        try(&rule, rest);
    else
        check(why.status == EX_CONFIG && why.text[0] != '\0');
    for (size_t i = 0; card_form(i); i++) {
        check(card_rule_parse(&rule, slice_of(card_form(i)), &why) == 0);
        try(&rule, rest);
    }
    card_key(rest);
    return 0;
}
