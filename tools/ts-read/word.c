/* SPDX-License-Identifier: MIT */
/* Tables of words; text is compared in the plain form of word_plain. */
#include "word.h"

struct word {
    const char *text;
    struct slice means;
};

#define WORD(text, means)                                                                          \
    {                                                                                              \
        text,                                                                                      \
        {                                                                                          \
            means, sizeof(means) - 1                                                               \
        }                                                                                          \
    }

/* State keys by code: the same in files, push and the binary protocol. */
static const struct slice punches[] = {
    {"check_in", 8},
    {"check_out", 9},
    {"break_out", 9},
    {"break_in", 8},
    {"overtime_in", 11},
    {"overtime_out", 12},
};

static const struct {
    unsigned code;
    struct slice means;
} safe_credentials[] = {
    {1, {"fingerprint", 11}},
    {15, {"face", 4}},
    {25, {"palm", 4}},
    {4, {"card", 4}},
};

static const struct word punch_words[] = {
    WORD("checkin", "check_in"),
    WORD("checkout", "check_out"),
    WORD("breakout", "break_out"),
    WORD("breakin", "break_in"),
    WORD("overtimein", "overtime_in"),
    WORD("overtimeout", "overtime_out"),
    WORD("cin", "check_in"),
    WORD("cout", "check_out"),
    WORD("i", "check_in"),
    WORD("o", "check_out"),
    WORD("in", "check_in"),
    WORD("out", "check_out"),
    {NULL, {NULL, 0}},
};

static const struct word credential_words[] = {
    WORD("face", "face"),
    WORD("fingerprint", "fingerprint"),
    WORD("finger", "fingerprint"),
    WORD("fp", "fingerprint"),
    WORD("card", "card"),
    WORD("rfid", "card"),
    WORD("pin", "pin"),
    WORD("password", "pin"),
    WORD("palm", "palm"),
    WORD("iris", "iris"),
    WORD("vein", "vein"),
    WORD("qr", "qr"),
    WORD("qrcode", "qr"),
    WORD("remote", "remote"),
    {NULL, {NULL, 0}},
};

static const struct word direction_words[] = {
    WORD("in", "in"),
    WORD("out", "out"),
    WORD("i", "in"),
    WORD("o", "out"),
    WORD("entry", "in"),
    WORD("exit", "out"),
    {NULL, {NULL, 0}},
};

struct slice word_punch_code(unsigned code)
{
    return code < sizeof punches / sizeof *punches ? punches[code] : SLICE_NONE;
}

struct slice word_credential_code(unsigned code)
{
    for (size_t i = 0; i < sizeof safe_credentials / sizeof *safe_credentials; i++)
        if (safe_credentials[i].code == code)
            return safe_credentials[i].means;
    return SLICE_NONE;
}

size_t word_plain(struct slice text, char *out, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n && n + 1 < size; i++) {
        char c = text.p[i];

        if (c == '\0' || strchr(" _-./", c))
            continue;
        out[n++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    out[n] = '\0';
    return n;
}

static struct slice find(const struct word *words, struct slice text)
{
    char plain[24];

    if (text.n >= sizeof plain || word_plain(text, plain, sizeof plain) == 0)
        return SLICE_NONE;
    for (; words->text; words++)
        if (strcmp(words->text, plain) == 0)
            return words->means;
    return SLICE_NONE;
}

struct slice word_punch(struct slice text)
{
    int code = word_code(text);

    return code >= 0 ? word_punch_code((unsigned)code) : find(punch_words, text);
}

struct slice word_credential(struct slice text)
{
    int code = word_code(text);

    return code >= 0 ? word_credential_code((unsigned)code) : find(credential_words, text);
}

struct slice word_direction(struct slice text)
{
    return find(direction_words, text);
}
