/* SPDX-License-Identifier: MIT */
/*
 * zk-attlog: the attendance log that ZKTeco terminals and their rebrands write to a USB stick
 * (1_attlog.dat).  From real exports of 2014 to 2026; the order of the columns is the vendor's.
 *
 *     "      126\t2026-01-07 10:34:08\t1\t0\t15\t0\r\n"
 *      |          |                    | |  |   workcode
 *      |          |                    | |  verify: 1 fingerprint, 4 card, 15 face, 25 palm
 *      |          |                    | status, the key pressed: 0 check-in … 5 overtime-out
 *      |          |                    device number of the comm menu, never an identity
 *      |          the device's wall clock
 *      PIN, padded with spaces to a width that differs; a longer one makes the column wider
 *
 * columns  layout
 * 6..16    as above; what follows the sixth is opaque
 * 5        PIN TIME and three numbers of unknown meaning, or PIN NAME TIME and two
 * 2..4     PIN TIME and numbers of unknown meaning
 *
 * Of an unknown layout only person and time are taken, unless -o columns=pin,time,device,status,…
 * says what its columns are (`-`: none of them); it applies to rows with that many columns.
 *
 * The extended export of black-and-white terminals has the serial number alone in its first line
 * and a checksum in its last.
 */
#include <stdlib.h>

#include "damage.h"
#include "json.h"
#include "word.h"
#include "zk_time.h"

#define COLUMNS_MAX 16
#define SERIAL_BYTES_MIN 8
#define SERIAL_BYTES_MAX 24
#define CHECKSUM_BYTES_MAX 64
#define SNIFF_LINES 8

/* Where the columns of a row are; ABSENT for those that it does not have or that nobody knows. */
enum column { COLUMN_PIN, COLUMN_TIME, COLUMN_STATUS, COLUMN_VERIFY, COLUMNS_USED };
struct layout {
    signed char at[COLUMNS_USED];
};
#define ABSENT (-1)

static const struct layout layout_full = {{0, 1, 3, 4}};
static const struct layout layout_short = {{0, 1, ABSENT, ABSENT}};
static const struct layout layout_name = {{0, 2, ABSENT, ABSENT}};

struct attlog {
    struct damage damage;
    struct layout told; /* by -o columns, for rows of told_columns columns */
    unsigned told_columns;
    unsigned columns; /* of the last good row: tells whether a torn one is complete */
    bool begun;       /* the first line was looked at */
    char serial[SERIAL_BYTES_MAX];
    size_t serial_bytes; /* 0: no serial number in this file */
    struct zk_time time;
    struct decoded out;
};

/* ---- options ---- */

static const char *const option_names[] = {"columns", NULL};

static int column_named(struct slice name, struct layout *told, unsigned at)
{
    static const struct {
        const char *name;
        int column;
    } names[] = {
        {"pin", COLUMN_PIN},
        {"time", COLUMN_TIME},
        {"status", COLUMN_STATUS},
        {"verify", COLUMN_VERIFY},
        {"device", COLUMNS_USED},
        {"workcode", COLUMNS_USED},
        {"name", COLUMNS_USED},
        {"-", COLUMNS_USED},
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!slice_is(name, names[i].name))
            continue;
        if (names[i].column < COLUMNS_USED)
            told->at[names[i].column] = (signed char)at;
        return 0;
    }
    return -1;
}

static int read_columns(struct attlog *s, struct slice list, struct fault *why)
{
    s->told = (struct layout){{ABSENT, ABSENT, ABSENT, ABSENT}};
    while (list.p) {
        const char *comma = memchr(list.p, ',', list.n);
        struct slice name = {list.p, comma ? (size_t)(comma - list.p) : list.n};

        if (s->told_columns == COLUMNS_MAX || column_named(name, &s->told, s->told_columns) < 0)
            return fault_set(why, EX_USAGE,
                "-o columns=: \"%.*s\": up to %d of pin, time, device, status, verify, workcode, "
                "name, -",
                (int)name.n, name.p, COLUMNS_MAX);
        s->told_columns++;
        list.n -= name.n + (comma != NULL);
        list.p = comma ? comma + 1 : NULL;
    }
    if (s->told.at[COLUMN_PIN] == ABSENT || s->told.at[COLUMN_TIME] == ABSENT)
        return fault_set(why, EX_USAGE, "-o columns=: needs pin and time");
    return 0;
}

static void attlog_close(void *state)
{
    struct attlog *s = state;

    if (s)
        damage_free(&s->damage);
    free(s);
}

static void *attlog_open(const struct format_options *options, struct fault *why)
{
    struct attlog *s = mem_alloc(sizeof *s);
    struct slice columns = format_option(options, "columns");

    memset(s, 0, sizeof *s);
    s->damage.longest = options->longest;
    if (format_options_check(options, "zk-attlog", option_names, why) < 0 ||
        (columns.p && read_columns(s, columns, why) < 0)) {
        attlog_close(s);
        return NULL;
    }
    return s;
}

/* ---- rows ---- */

static const char *read_time(struct attlog *s, struct slice text)
{
    const char *error = zk_time_read(&s->time, text);

    if (error)
        return error;
    draft_str(&s->out.draft, EV_LOCAL_TIME, (struct slice){s->time.local, ZK_TIME_BYTES});
    if (s->time.unset)
        draft_str(&s->out.draft, EV_TIME_NOTE, SLICE("clock_unset"));
    return NULL;
}

/* Columns without the spaces around them; COLUMNS_MAX + 1 when there are more. */
static unsigned split(struct slice row, struct slice column[COLUMNS_MAX])
{
    const char *p = row.p, *end = row.p + row.n;
    unsigned n = 0;

    for (;;) {
        const char *tab = p < end ? memchr(p, '\t', (size_t)(end - p)) : NULL;

        if (n == COLUMNS_MAX)
            return n + 1;
        column[n++] = slice_trim((struct slice){p, (size_t)((tab ? tab : end) - p)});
        if (!tab)
            return n;
        p = tab + 1;
    }
}

/* A code that has no name goes to `plain`, unless that is EVENT_FIELDS. */
static void set_code(struct draft *d, enum event_field field, struct slice text,
    struct slice (*word)(unsigned code), enum event_field plain)
{
    int code = word_code(text);
    struct slice said = code >= 0 ? word((unsigned)code) : SLICE_NONE;

    if (said.p)
        draft_str(d, field, said);
    else if (code >= 0 && plain < EVENT_FIELDS)
        draft_str(d, plain, text);
}

/* Fills the draft from the columns, or says what is wrong. */
static const char *read_row(struct attlog *s, const struct slice *column, unsigned n)
{
    const struct layout *l = n >= 6 ? &layout_full : &layout_short;
    struct draft *d = &s->out.draft;
    const char *error;
    struct slice pin;

    if (n == s->told_columns)
        l = &s->told;
    error = read_time(s, column[l->at[COLUMN_TIME]]);
    if (error && n == 5 && l == &layout_short && !read_time(s, column[2])) {
        l = &layout_name;
        error = NULL;
    }
    if (error)
        return error;
    pin = column[l->at[COLUMN_PIN]];
    if (pin.n == 0 || !utf8_valid(pin))
        return "no person";
    draft_str(d, EV_PERSON_ID, pin);
    if (l->at[COLUMN_STATUS] != ABSENT)
        set_code(d, EV_PUNCH, column[l->at[COLUMN_STATUS]], word_punch_code, EV_CODE);
    if (l->at[COLUMN_VERIFY] != ABSENT)
        set_code(
            d, EV_CREDENTIAL, column[l->at[COLUMN_VERIFY]], word_credential_code, EVENT_FIELDS);
    return NULL;
}

/* A torn row is complete when it has as many columns as the row before it, and something in the
 * last. */
static bool is_complete(const struct attlog *s, const struct slice *column, unsigned n)
{
    return n == (s->columns > 0 ? s->columns : 6) && column[n - 1].n > 0;
}

static bool is_checksum(struct slice line)
{
    line = slice_trim(line);
    for (size_t i = 0; i < line.n; i++)
        if (!strchr("0123456789ABCDEFabcdef", line.p[i]) || line.p[i] == '\0')
            return false;
    return line.n > 0 && line.n <= CHECKSUM_BYTES_MAX;
}

static void fail(struct attlog *s, const char *error, const struct emitter *out)
{
    draft_reset(&s->out.draft);
    s->out.error = error;
    out->emit(out->arg, &s->out);
}

static void attlog_decode(void *state, struct slice record, bool torn, const struct emitter *out)
{
    struct attlog *s = state;
    struct slice column[COLUMNS_MAX];
    const char *error;
    unsigned n;

    s->out.error = NULL;
    draft_reset(&s->out.draft);
    if (damage_found(&s->damage, record, &s->out)) {
        out->emit(out->arg, &s->out);
        return;
    }
    n = split(record, column);
    if (n == 1 && column[0].n == 0)
        return;
    if (n == 1)
        error = "no tab-separated columns";
    else if (n > COLUMNS_MAX)
        error = "too many columns";
    else
        error = read_row(s, column, n);
    if (torn && (error || !is_complete(s, column, n)))
        error = "torn last line";
    if (error) {
        fail(s, error, out);
        return;
    }
    s->columns = n;
    draft_str(&s->out.draft, EV_KIND, SLICE("granted"));
    if (s->serial_bytes > 0)
        draft_str(&s->out.draft, EV_DEVICE_ID, (struct slice){s->serial, s->serial_bytes});
    out->emit(out->arg, &s->out);
}

/* ---- framing ---- */

/* A first line of capitals and digits alone. */
static bool take_serial(struct attlog *s, struct slice line)
{
    bool digit = false;

    line = slice_trim(line);
    if (line.n < SERIAL_BYTES_MIN || line.n > SERIAL_BYTES_MAX)
        return false;
    for (size_t i = 0; i < line.n; i++) {
        char c = line.p[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z'))
            return false;
        digit |= c <= '9';
    }
    if (!digit)
        return false;
    memcpy(s->serial, line.p, line.n);
    s->serial_bytes = line.n;
    return true;
}

/* Whether nothing but white space follows. */
static bool is_blank(struct slice rest)
{
    for (size_t i = 0; i < rest.n; i++)
        if (!strchr(" \t\r\n", rest.p[i]) || rest.p[i] == '\0')
            return false;
    return true;
}

static enum frame attlog_frame(
    void *state, struct slice in, bool end, size_t *used, struct slice *record)
{
    struct attlog *s = state;
    enum frame result = damage_frame(&s->damage, in, end, used, record);

    if (result != FRAME_RECORD)
        return result;
    if (!s->begun) {
        s->begun = true;
        return take_serial(s, *record) ? FRAME_SKIP : FRAME_RECORD;
    }
    /* The checksum is the last line and no other: whether it is can only be told by what follows.
     */
    if (s->serial_bytes > 0 && is_checksum(*record) &&
        is_blank((struct slice){in.p + *used, in.n - *used}))
        return end ? FRAME_SKIP : FRAME_MORE;
    return FRAME_RECORD;
}

/* ---- recognising ---- */

/* A row with a time in column 2 or 3, among the first lines: the very first one may be damaged. */
static int attlog_sniff(struct slice head, bool whole)
{
    struct slice line, column[COLUMNS_MAX];

    (void)whole;
    for (int i = 0; i < SNIFF_LINES && format_head_line(&head, &line); i++) {
        unsigned n = split(line, column);

        if (n >= 2 && n <= COLUMNS_MAX &&
            (zk_time_looks(column[1]) || (n >= 3 && zk_time_looks(column[2]))))
            return 95;
    }
    return 0;
}

const struct format format_zk_attlog = {
    .name = "zk-attlog",
    .title = "ZKTeco attendance log (USB export, 1_attlog.dat)",
    .sniff = attlog_sniff,
    .open = attlog_open,
    .close = attlog_close,
    .frame = attlog_frame,
    .decode = attlog_decode,
};
