/* SPDX-License-Identifier: MIT */
/*
 * Card rules.  A word either reads the text into a number, and is the first of its rule, or makes
 * another number of it.  Wiegand frames are a table of their own: what stands between the parity
 * bits is the number, facility code and all, so that it is what a pair FACILITY,CARD gives.
 */
#include "card.h"

#include "buf.h"

/* ---- reading ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_mark(char c)
{
    return (unsigned char)c < 0x80 && !is_digit(c) && !is_letter(c);
}

static unsigned digit_value(char c)
{
    return is_digit(c) ? (unsigned)(c - '0') : is_letter(c) ? ((unsigned)c | 0x20) - 'a' + 10 : 99;
}

/* The digits at the beginning of *s, and takes them off; false without one or over 64 bits. */
static bool take_number(struct slice *s, unsigned base, uint64_t *v)
{
    size_t i = 0;

    for (*v = 0; i < s->n && digit_value(s->p[i]) < base; i++) {
        unsigned digit = digit_value(s->p[i]);

        if (*v > (UINT64_MAX - digit) / base)
            return false;
        *v = *v * base + digit;
    }
    s->p += i;
    s->n -= i;
    return i > 0;
}

/* One number; marks between its digits are stepped over where `spaced`: 7a:08:7d:0f. */
static bool whole_number(struct slice s, unsigned base, bool spaced, uint64_t *v)
{
    char digits[80];
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (spaced && is_mark(s.p[i]))
            continue;
        if (n == sizeof digits)
            return false;
        digits[n++] = s.p[i];
    }
    s = (struct slice){digits, n};
    return take_number(&s, base, v) && s.n == 0;
}

static bool read_dec(struct slice s, const struct card_step *step, uint64_t *v)
{
    (void)step;
    return whole_number(s, 10, false, v);
}

static bool read_hex(struct slice s, const struct card_step *step, uint64_t *v)
{
    (void)step;
    if (s.n > 2 && s.p[0] == '0' && (s.p[1] | 0x20) == 'x') {
        s.p += 2;
        s.n -= 2;
    }
    return whole_number(s, 16, true, v);
}

static bool read_bin(struct slice s, const struct card_step *step, uint64_t *v)
{
    (void)step;
    return whole_number(s, 2, true, v);
}

/* "077,30211", "00077.30211", "W26 077 30211": facility and card. */
static bool read_pair(struct slice s, const struct card_step *step, uint64_t *v)
{
    uint64_t facility, card;

    if (s.n > 0 && is_letter(s.p[0]))
        while (s.n > 0 && !is_mark(s.p[0]))
            s.p++, s.n--;
    while (s.n > 0 && is_mark(s.p[0]))
        s.p++, s.n--;
    if (!take_number(&s, 10, &facility) || s.n == 0 || !is_mark(s.p[0]))
        return false;
    while (s.n > 0 && is_mark(s.p[0]))
        s.p++, s.n--;
    if (!take_number(&s, 10, &card) || s.n > 0 || facility > UINT32_MAX || card >> step->bits)
        return false;
    *v = facility << step->bits | card;
    return true;
}

/* "07730211": facility, and the card as the last five digits. */
static bool read_glued(struct slice s, const struct card_step *step, uint64_t *v)
{
    if (!read_dec(s, step, v) || *v / 100000 > UINT16_MAX || *v % 100000 > UINT16_MAX)
        return false;
    *v = *v / 100000 << 16 | *v % 100000;
    return true;
}

/* "05000000110206141200": two decimal digits for each hexadecimal one. */
static bool read_twos(struct slice s, const struct card_step *step, uint64_t *v)
{
    (void)step;
    if (s.n == 0 || s.n % 2 != 0 || s.n > 32)
        return false;
    *v = 0;
    for (size_t i = 0; i < s.n; i += 2) {
        unsigned high = digit_value(s.p[i]), low = digit_value(s.p[i + 1]);

        if (high > 1 || low > 9 || high * 10 + low > 15)
            return false;
        *v = *v << 4 | (high * 10 + low);
    }
    return true;
}

/* ---- changing ---- */

static bool fits(uint64_t v, unsigned bits)
{
    return bits >= 64 || v >> bits == 0;
}

static bool keep_last(uint64_t *v, const struct card_step *step)
{
    *v &= (UINT64_C(1) << step->bits) - 1;
    return true;
}

static bool drop(uint64_t *v, const struct card_step *step)
{
    *v >>= step->bits;
    return true;
}

static bool reverse(uint64_t *v, const struct card_step *step)
{
    if (!fits(*v, step->bits))
        return false;
    *v = __builtin_bswap64(*v) >> (64 - step->bits);
    return true;
}

/* The bits of every byte: 0x4D becomes 0xB2. */
static bool mirror(uint64_t *v, const struct card_step *step)
{
    uint64_t r = *v;

    (void)step;
    r = (r >> 1 & UINT64_C(0x5555555555555555)) | (r & UINT64_C(0x5555555555555555)) << 1;
    r = (r >> 2 & UINT64_C(0x3333333333333333)) | (r & UINT64_C(0x3333333333333333)) << 2;
    *v = (r >> 4 & UINT64_C(0x0f0f0f0f0f0f0f0f)) | (r & UINT64_C(0x0f0f0f0f0f0f0f0f)) << 4;
    return true;
}

static bool add_facility(uint64_t *v, const struct card_step *step)
{
    if (!fits(*v, step->bits))
        return false;
    *v |= (uint64_t)step->n << step->bits;
    return true;
}

/* ---- Wiegand frames ---- */

#define FRAME_CHECKS 3

/* Bit 0 is the first on the wire.  A check counts the ones under its mask, the parity bit's own
   among them. */
struct frame {
    const char *name;
    uint8_t bits, first, last; /* of the number */
    struct check {
        uint64_t mask; /* 0 ends the list */
        bool odd;
    } check[FRAME_CHECKS];
    bool xor8; /* the last byte is the XOR of those before; the first bits are 1111 */
};

#define BITS(n, a, b) (((UINT64_C(1) << ((b) - (a) + 1)) - 1) << ((n)-1 - (b)))
#define EVEN(n, a, b)                                                                              \
    {                                                                                              \
        BITS(n, a, b), false                                                                       \
    }
#define ODD(n, a, b)                                                                               \
    {                                                                                              \
        BITS(n, a, b), true                                                                        \
    }

static const struct frame frames[] = {
    {"h10301", 26, 1, 24, {EVEN(26, 0, 12), ODD(26, 13, 25)}, false},
    {"d10202", 33, 1, 31, {EVEN(33, 0, 16), ODD(33, 16, 32)}, false},
    {"h10306", 34, 1, 32, {EVEN(34, 0, 16), ODD(34, 17, 33)}, false},
    {"c1k35s", 35, 2, 33,
        {{UINT64_C(0x3b6db6db6), false}, {UINT64_C(0x36db6db6d), true}, ODD(35, 0, 34)}, false},
    {"c15001", 36, 1, 34, {EVEN(36, 0, 17), ODD(36, 18, 35)}, false},
    {"s12906", 36, 1, 34, {ODD(36, 0, 17), ODD(36, 17, 35)}, false},
    {"h10302", 37, 1, 35, {EVEN(37, 0, 18), ODD(37, 18, 36)}, false},
    {"bqt38", 38, 1, 36, {EVEN(38, 0, 18), ODD(38, 19, 37)}, false},
    {"pw39", 39, 1, 37, {EVEN(39, 0, 18), ODD(39, 19, 38)}, false},
    {"casi40", 40, 1, 38, {{0}}, false},
    {"p10001", 40, 4, 31, {{0}}, true},
    {"c1k48s", 48, 2, 46, {ODD(48, 0, 47)}, false},
};

static bool xor_is_right(uint64_t v, unsigned bits)
{
    uint64_t sum = 0;

    for (unsigned shift = 0; shift < bits; shift += 8)
        sum ^= v >> shift & 0xff;
    return sum == 0 && v >> (bits - 4) == 0xf;
}

static bool unframe(uint64_t *v, const struct card_step *step)
{
    const struct frame *f = &frames[step->n];

    if (!fits(*v, f->bits) || (f->xor8 && !xor_is_right(*v, f->bits)))
        return false;
    for (int i = 0; i < FRAME_CHECKS && f->check[i].mask; i++)
        if (__builtin_parityll(*v & f->check[i].mask) != f->check[i].odd)
            return false;
    *v = (*v & BITS(f->bits, f->first, f->last)) >> (f->bits - 1 - f->last);
    return true;
}

/* ---- words ---- */

/* The numbers that stand behind a word.  "wiegand", the last, is never written: the name of its
   frame is. */
enum needs { NEEDS_NONE, NEEDS_BITS, NEEDS_BYTES, MAY_BITS /* of the card; 16 */, NEEDS_FACILITY };

static const struct word {
    const char *name;
    enum needs needs;
    bool (*read)(struct slice s, const struct card_step *step, uint64_t *v);
    bool (*change)(uint64_t *v, const struct card_step *step);
} words[] = {
    {"dec", NEEDS_NONE, read_dec, NULL},
    {"hex", NEEDS_NONE, read_hex, NULL},
    {"bin", NEEDS_NONE, read_bin, NULL},
    {"pair", MAY_BITS, read_pair, NULL},
    {"glued", NEEDS_NONE, read_glued, NULL},
    {"twos", NEEDS_NONE, read_twos, NULL},
    {"last", NEEDS_BITS, NULL, keep_last},
    {"drop", NEEDS_BITS, NULL, drop},
    {"reverse", NEEDS_BYTES, NULL, reverse},
    {"mirror", NEEDS_NONE, NULL, mirror},
    {"facility", NEEDS_FACILITY, NULL, add_facility},
    {"wiegand", NEEDS_NONE, NULL, unframe},
};

#define WORDS (sizeof words / sizeof *words)
#define WIEGAND (WORDS - 1)
#define FRAMES (sizeof frames / sizeof *frames)

/* ---- a rule's text ---- */

static struct slice next_word(struct slice *text)
{
    struct slice word;

    *text = slice_trim(*text);
    word = (struct slice){text->p, 0};
    while (word.n < text->n && text->p[word.n] != ' ')
        word.n++;
    text->p += word.n;
    text->n -= word.n;
    return word;
}

static bool next_number(struct slice *text, uint64_t *v)
{
    struct slice rest = *text, word = next_word(&rest);
    uint64_t n;

    if (!take_number(&word, 10, &n) || word.n > 0)
        return false;
    *v = n;
    *text = rest;
    return true;
}

static bool find_word(struct slice name, struct card_step *step)
{
    for (size_t i = 0; i < WIEGAND; i++)
        if (slice_is(name, words[i].name)) {
            *step = (struct card_step){.word = (uint8_t)i};
            return true;
        }
    for (size_t i = 0; i < FRAMES; i++)
        if (slice_is(name, frames[i].name)) {
            *step = (struct card_step){.word = WIEGAND, .n = (uint32_t)i};
            return true;
        }
    return false;
}

static int unknown_word(struct slice name, struct fault *why)
{
    struct buf known = {0};
    int rc;

    for (size_t i = 0; i < WIEGAND; i++)
        buf_printf(&known, "%s%s", i > 0 ? ", " : "", words[i].name);
    for (size_t i = 0; i < FRAMES; i++)
        buf_printf(&known, ", %s", frames[i].name);
    buf_char(&known, '\0');
    rc = fault_set(why, EX_CONFIG, "\"%.*s\" is no word of a card rule; those are %s",
        name.n < 40 ? (int)name.n : 40, name.p, known.data);
    buf_free(&known);
    return rc;
}

static int read_numbers(
    struct card_step *step, struct slice name, struct slice *rest, struct fault *why)
{
    enum needs needs = words[step->word].needs;
    uint64_t n = 0;

    if (needs == NEEDS_FACILITY) {
        if (!next_number(rest, &n) || n > UINT16_MAX)
            return fault_set(why, EX_CONFIG, "facility: needs its code, 0 to 65535");
        step->n = (uint32_t)n;
        needs = MAY_BITS;
    }
    n = 16;
    if (needs == MAY_BITS) {
        next_number(rest, &n);
        if (n < 1 || n > 32)
            return fault_set(why, EX_CONFIG, "%.*s: a card has 1 to 32 bits", (int)name.n, name.p);
    } else if (needs == NEEDS_BITS && (!next_number(rest, &n) || n < 1 || n > 63)) {
        return fault_set(
            why, EX_CONFIG, "%.*s: needs a number of bits, 1 to 63", (int)name.n, name.p);
    } else if (needs == NEEDS_BYTES && (!next_number(rest, &n) || n < 8 || n > 64 || n % 8 != 0)) {
        return fault_set(why, EX_CONFIG, "%.*s: needs the bits of the number: 24, 32, 40, 56, …",
            (int)name.n, name.p);
    }
    step->bits = (uint8_t)n;
    return 0;
}

int card_rule_parse(struct card_rule *rule, struct slice text, struct fault *why)
{
    *rule = (struct card_rule){.count = 0};
    for (struct slice name; (name = next_word(&text)).n > 0;) {
        struct card_step step;

        if (!find_word(name, &step))
            return unknown_word(name, why);
        if (words[step.word].read && rule->count > 0)
            return fault_set(why, EX_CONFIG,
                "\"%s\" must be the first word: it says how the "
                "number is written",
                words[step.word].name);
        if (!words[step.word].read && rule->count == 0)
            rule->step[rule->count++] = (struct card_step){0}; /* dec */
        if (rule->count == CARD_STEPS_MAX)
            return fault_set(why, EX_CONFIG, "more than %d words", CARD_STEPS_MAX);
        if (read_numbers(&step, name, &text, why) < 0)
            return -1;
        rule->step[rule->count++] = step;
    }
    return rule->count > 0 ? 0 : fault_set(why, EX_CONFIG, "an empty card rule");
}

/* ---- a rule at work ---- */

static size_t print_number(char out[CARD_TEXT], uint64_t v)
{
    char digits[CARD_TEXT];
    size_t n = 0;

    do
        digits[n++] = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    for (size_t i = 0; i < n; i++)
        out[i] = digits[n - 1 - i];
    out[n] = '\0';
    return n;
}

size_t card_apply(const struct card_rule *rule, struct slice text, char out[CARD_TEXT])
{
    uint64_t v;

    /* What a keyboard wedge puts around it: ";0005076483?". */
    while (text.n > 0 && is_mark(text.p[0]))
        text.p++, text.n--;
    while (text.n > 0 && is_mark(text.p[text.n - 1]))
        text.n--;
    if (rule->count == 0 || !words[rule->step[0].word].read(text, &rule->step[0], &v))
        return 0;
    for (unsigned i = 1; i < rule->count; i++)
        if (!words[rule->step[i].word].change(&v, &rule->step[i]))
            return 0;
    return print_number(out, v);
}

struct slice card_key(struct slice number)
{
    size_t zeros = 0;

    number = slice_trim(number);
    for (size_t i = 0; i < number.n; i++)
        if (!is_digit(number.p[i]))
            return number;
    while (zeros < number.n && number.p[zeros] == '0')
        zeros++;
    number.p += zeros;
    number.n -= zeros;
    return number.n > 0 ? number : SLICE_NONE;
}
