/* SPDX-License-Identifier: MIT */
/*
 * csv: what HR systems, terminals' own software and spreadsheets export (RFC 4180 and its
 * relatives):
 *
 *     time,person_id,punch,verify\r\n
 *     2026-01-07 10:34:08,126,check_in,"face"\r\n
 *
 * Columns are known by the names in the header row, or by -o map=FIELD[:COLUMN],… where COLUMN is a
 * number from 1 or a name of the header; without it the entry's own place in the map counts, and
 * `-` is a column to leave out.  A map of numbers alone means that there is no header row; -o
 * header=yes or no says otherwise.  The separator is the one of , ; TAB | that the first row has
 * most of, unless -o separator= says it.  A quoted cell may hold separators, line ends and doubled
 * quotes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "damage.h"
#include "json.h"
#include "stamp.h"
#include "word.h"

#define COLUMNS_MAX 512
#define NAME_BYTES 24 /* longest plain name, with its NUL */
#define QUOTED_BYTES_MAX                                                                           \
    (16u << 10) /* a quote that is still open after this much is a stray one                       \
                 */

enum role {
    ROLE_TIME,
    ROLE_DATE,
    ROLE_PERSON,
    ROLE_CARD,
    ROLE_DEVICE,
    ROLE_READER,
    ROLE_DIRECTION,
    ROLE_PUNCH,
    ROLE_CREDENTIAL,
    ROLES,
};

/* Names of a role in the plain form of word_plain, the surest first: "no" is often just a row
   number. */
static const char *const role_names[ROLES][10] = {
    [ROLE_TIME] = {"time", "datetime", "timestamp", "eventtime", "punchtime", "checktime"},
    [ROLE_DATE] = {"date"},
    [ROLE_PERSON] = {"personid", "pin", "userid", "empcode", "employeeno", "enrollno", "acno",
        "no"},
    [ROLE_CARD] = {"card", "cardno"},
    [ROLE_DEVICE] = {"deviceid", "device", "sn", "serial", "terminal"},
    [ROLE_READER] = {"reader", "door", "gate"},
    [ROLE_DIRECTION] = {"direction", "inout", "io"},
    [ROLE_PUNCH] = {"punch", "status", "state", "checktype"},
    [ROLE_CREDENTIAL] = {"verify", "verifymode", "credential"},
};

struct cell {
    struct slice text; /* without its quotes, doubled quotes still doubled */
    bool quoted;
};

/* One entry of -o map: a column by number, or by the plain form of its name. */
struct mapping {
    int column; /* from 0; -1: by name */
    char name[NAME_BYTES];
    struct slice written; /* the column as it was given */
    bool given;
};

struct csv {
    struct damage damage;
    char separator; /* '\0' until the first row is seen */
    enum stamp_order order;
    bool mapped;
    struct mapping map[ROLES];
    bool header;      /* the first row names the columns */
    bool begun;       /* the first row was read */
    unsigned columns; /* of the first row */
    int column_of[ROLES];
    struct cell cell[COLUMNS_MAX];
    struct buf text[ROLES]; /* cells with doubled quotes made single */
    struct buf joined;
    struct stamp stamp;
    struct decoded out;
    char error[64];
};

/* ---- options ---- */

static const char *const option_names[] = {"map", "header", "separator", "date", NULL};

static int name_rank(enum role role, const char *plain)
{
    for (int i = 0; i < 10 && role_names[role][i]; i++)
        if (strcmp(role_names[role][i], plain) == 0)
            return i;
    return -1;
}

static enum role role_named(struct slice name)
{
    char plain[NAME_BYTES];
    int role;

    word_plain(name, plain, sizeof plain);
    for (role = 0; role < ROLES; role++)
        if (name_rank((enum role)role, plain) >= 0)
            break;
    return (enum role)role;
}

/* FIELD:COLUMN, FIELD or `-`, which stand for the column at their place in the map. */
static int read_mapping(struct csv *s, struct slice entry, int place, struct fault *why)
{
    const char *colon = memchr(entry.p, ':', entry.n);
    struct slice field = {entry.p, colon ? (size_t)(colon - entry.p) : entry.n}, column = {0};
    enum role role = role_named(field);
    struct mapping *m;

    if (slice_is(entry, "-"))
        return 0;
    if (role == ROLES)
        return fault_set(why, EX_USAGE,
            "-o map=: \"%.*s\": FIELD or FIELD:COLUMN with time, date, person_id, card_no, "
            "device_id, reader, direction, punch or credential",
            (int)entry.n, entry.p);
    m = &s->map[role];
    *m = (struct mapping){.given = true, .column = place};
    if (!colon)
        return 0;
    m->written = column = (struct slice){colon + 1, entry.n - field.n - 1};
    m->column = word_code(column) - 1;
    if (word_plain(column, m->name, sizeof m->name) == 0 || m->column >= COLUMNS_MAX ||
        word_code(column) == 0)
        return fault_set(why, EX_USAGE, "-o map=: \"%.*s\": a column from 1 to %d, or its name",
            (int)entry.n, entry.p, COLUMNS_MAX);
    if (m->column < 0)
        s->header = true;
    else
        m->name[0] = '\0';
    return 0;
}

static int read_map(struct csv *s, struct slice list, struct fault *why)
{
    s->mapped = true;
    s->header = false;
    for (int place = 0; list.p && place < COLUMNS_MAX; place++) {
        const char *comma = memchr(list.p, ',', list.n);
        struct slice entry = {list.p, comma ? (size_t)(comma - list.p) : list.n};

        if (read_mapping(s, entry, place, why) < 0)
            return -1;
        list.n -= entry.n + (comma != NULL);
        list.p = comma ? comma + 1 : NULL;
    }
    if (!s->map[ROLE_TIME].given && !s->map[ROLE_DATE].given)
        return fault_set(why, EX_USAGE, "-o map=: needs time");
    if (!s->map[ROLE_PERSON].given && !s->map[ROLE_CARD].given)
        return fault_set(why, EX_USAGE, "-o map=: needs person_id or card_no");
    return 0;
}

static int read_header_option(struct csv *s, struct slice value, struct fault *why)
{
    bool by_name = s->mapped && s->header;

    if (!slice_is(value, "yes") && !slice_is(value, "no"))
        return fault_set(why, EX_USAGE, "-o header=%.*s: yes or no", (int)value.n, value.p);
    s->header = slice_is(value, "yes");
    if (!s->header && (by_name || !s->mapped))
        return fault_set(why, EX_USAGE, "-o header=no: needs -o map= with column numbers");
    return 0;
}

static int read_separator(struct csv *s, struct slice value, struct fault *why)
{
    if (slice_is(value, "tab") || slice_is(value, "\\t"))
        value = SLICE("\t");
    if (value.n != 1 || strchr("\"\r\n", *value.p) || *value.p == '\0')
        return fault_set(
            why, EX_USAGE, "-o separator=%.*s: one character, or tab", (int)value.n, value.p);
    s->separator = *value.p;
    return 0;
}

static int read_options(struct csv *s, const struct format_options *options, struct fault *why)
{
    struct slice map = format_option(options, "map"), header = format_option(options, "header");
    struct slice separator = format_option(options, "separator");
    struct slice date = format_option(options, "date");

    s->header = true;
    if (format_options_check(options, "csv", option_names, why) < 0)
        return -1;
    if (map.p && read_map(s, map, why) < 0)
        return -1;
    if (header.p && read_header_option(s, header, why) < 0)
        return -1;
    if (separator.p && read_separator(s, separator, why) < 0)
        return -1;
    if (!date.p)
        return 0;
    s->order = slice_is(date, "dmy")   ? STAMP_DMY
               : slice_is(date, "mdy") ? STAMP_MDY
                                       : STAMP_UNKNOWN;
    if (s->order == STAMP_UNKNOWN)
        return fault_set(why, EX_USAGE, "-o date=%.*s: dmy or mdy", (int)date.n, date.p);
    return 0;
}

static void csv_close(void *state)
{
    struct csv *s = state;

    if (s) {
        damage_free(&s->damage);
        buf_free(&s->joined);
        for (int i = 0; i < ROLES; i++)
            buf_free(&s->text[i]);
    }
    free(s);
}

static void *csv_open(const struct format_options *options, struct fault *why)
{
    struct csv *s = mem_alloc(sizeof *s);

    memset(s, 0, sizeof *s);
    s->damage.longest = options->longest;
    for (int i = 0; i < ROLES; i++)
        s->column_of[i] = -1;
    if (read_options(s, options, why) < 0) {
        csv_close(s);
        return NULL;
    }
    return s;
}

/* ---- cells ---- */

enum cell_end {
    CELL_NEXT, /* a separator follows it */
    CELL_LAST, /* the row ends after it */
    CELL_OPEN, /* its quote is not closed */
    CELL_BAD,  /* something stands between its closing quote and the separator */
};

/* Whether the row ends at p: *after is then set behind its line end. */
static bool row_ends(const char *p, const char *end, const char **after)
{
    *after = p;
    if (p == end)
        return true;
    if (*p == '\r' && (p + 1 == end || p[1] == '\n'))
        p++;
    else if (*p != '\n')
        return false;
    *after = p < end ? p + 1 : p;
    return true;
}

/* Takes the cell at *p and moves *p behind it and its separator or line end. */
static enum cell_end take_cell(const char **p, const char *end, char separator, struct cell *cell)
{
    const char *q = *p;

    cell->quoted = q < end && *q == '"';
    if (!cell->quoted) {
        while (q < end && *q != separator && *q != '\n')
            q++;
        cell->text = (struct slice){*p, (size_t)(q - *p)};
    } else {
        for (q++;; q += 2) {
            q = q < end ? memchr(q, '"', (size_t)(end - q)) : NULL;
            if (!q)
                return CELL_OPEN;
            if (q + 1 == end || q[1] != '"')
                break;
        }
        cell->text = (struct slice){*p + 1, (size_t)(q - *p - 1)};
        q++;
    }
    if (q < end && *q == separator) {
        *p = q + 1;
        return CELL_NEXT;
    }
    return row_ends(q, end, p) ? CELL_LAST : CELL_BAD;
}

/* How many cells the row has (all are counted, COLUMNS_MAX are kept); 0 when its quotes are not in
 * order. */
static unsigned split(struct csv *s, struct slice row)
{
    const char *p = row.p, *end = row.p + row.n;
    struct cell spare;
    unsigned n = 0;

    for (;;) {
        enum cell_end e = take_cell(&p, end, s->separator, n < COLUMNS_MAX ? &s->cell[n] : &spare);

        n++;
        if (e == CELL_LAST)
            return p == end ? n : 0;
        if (e != CELL_NEXT)
            return 0;
    }
}

/* The text of a role's cell in this row: quotes resolved, spaces trimmed; SLICE_NONE when empty. */
static struct slice value_of(struct csv *s, enum role role)
{
    struct buf *b = &s->text[role];
    struct slice text;
    const char *quote;

    if (s->column_of[role] < 0)
        return SLICE_NONE;
    text = s->cell[s->column_of[role]].text;
    if (s->cell[s->column_of[role]].quoted && text.n > 0 && memchr(text.p, '"', text.n)) {
        b->len = 0;
        while (text.n > 0 && (quote = memchr(text.p, '"', text.n))) {
            size_t n = (size_t)(quote - text.p) + 1;

            buf_add(b, text.p, n);
            text.p += n < text.n ? n + 1 : n;
            text.n -= n < text.n ? n + 1 : n;
        }
        buf_slice(b, text);
        text = buf_all(b);
    }
    text = slice_trim(text);
    return text.n > 0 ? text : SLICE_NONE;
}

/* ---- rows ---- */

/* At most so many bytes, and no part of a character. */
static struct slice cut_text(struct slice text, size_t most)
{
    if (text.n > most)
        for (text.n = most; text.n > 0 && (text.p[text.n] & 0xc0) == 0x80;)
            text.n--;
    return text;
}

/* Finds the columns of the roles; the error when the row is no header that can be used. */
static const char *read_header(struct csv *s)
{
    int rank_of[ROLES];
    char plain[NAME_BYTES];

    for (int role = 0; role < ROLES; role++)
        rank_of[role] = 10;
    for (unsigned i = 0; i < s->columns && s->header; i++) {
        if (s->cell[i].text.n >= NAME_BYTES)
            continue;
        word_plain(s->cell[i].text, plain, sizeof plain);
        for (int role = 0; role < ROLES; role++) {
            int rank = s->mapped ? (strcmp(s->map[role].name, plain) == 0 ? 0 : -1)
                                 : name_rank((enum role)role, plain);

            if (plain[0] != '\0' && rank >= 0 && rank < rank_of[role]) {
                rank_of[role] = rank;
                s->column_of[role] = (int)i;
            }
        }
    }
    for (int role = 0; role < ROLES; role++)
        if (s->map[role].given && s->map[role].column >= 0 && s->map[role].column < (int)s->columns)
            s->column_of[role] = s->map[role].column;
    for (int role = 0; role < ROLES; role++)
        if (s->map[role].given && s->column_of[role] < 0 && s->map[role].written.p) {
            snprintf(s->error, sizeof s->error, "no column \"%.*s\"",
                (int)cut_text(s->map[role].written, 40).n, s->map[role].written.p);
            return s->error;
        }
    if (s->column_of[ROLE_TIME] < 0 && s->column_of[ROLE_DATE] < 0)
        return "no column for the time";
    if (s->column_of[ROLE_PERSON] < 0 && s->column_of[ROLE_CARD] < 0)
        return "no column for the person";
    return NULL;
}

static const char *read_time(struct csv *s)
{
    struct slice time = value_of(s, ROLE_TIME), date = value_of(s, ROLE_DATE);
    struct draft *d = &s->out.draft;
    const char *error;

    if (!time.p && !date.p)
        return "no time";
    error = stamp_parse(time.p ? time : date, s->order, &s->stamp);
    if (error && time.p && date.p) {
        s->joined.len = 0;
        buf_slice(&s->joined, date);
        buf_char(&s->joined, ' ');
        buf_slice(&s->joined, time);
        error = stamp_parse(buf_all(&s->joined), s->order, &s->stamp);
    }
    if (error)
        return error;
    draft_str(d, EV_LOCAL_TIME, (struct slice){s->stamp.local, s->stamp.local_bytes});
    if (s->stamp.zoned_bytes > 0) {
        draft_str(d, EV_TIME, (struct slice){s->stamp.zoned, s->stamp.zoned_bytes});
        draft_str(d, EV_UTC_OFFSET,
            (struct slice){s->stamp.zoned + s->stamp.local_bytes,
                s->stamp.zoned_bytes - s->stamp.local_bytes});
    }
    return NULL;
}

static void set_word(
    struct csv *s, enum role role, enum event_field field, struct slice (*word)(struct slice text))
{
    struct slice text = value_of(s, role), said = text.p ? word(text) : SLICE_NONE;

    if (said.p)
        draft_str(&s->out.draft, field, said);
    else if (text.p && word_code(text) < 0) /* codes differ from device to device */
        s->out.unknown |= EVENT_BIT(field);
}

/* Text that others compare: two different names that are not UTF-8 must not become one. */
static const char *set_text(struct csv *s, enum role role, enum event_field field)
{
    struct slice text = value_of(s, role);

    if (text.p && !utf8_valid(text))
        return "not UTF-8";
    if (text.p)
        draft_str(&s->out.draft, field, text);
    return NULL;
}

static const char *read_row(struct csv *s)
{
    struct draft *d = &s->out.draft;
    const char *error = read_time(s);

    if (error)
        return error;
    if (set_text(s, ROLE_PERSON, EV_PERSON_ID) || set_text(s, ROLE_CARD, EV_CARD_NO) ||
        !(d->set & (EVENT_BIT(EV_PERSON_ID) | EVENT_BIT(EV_CARD_NO))))
        return "no person";
    if ((error = set_text(s, ROLE_DEVICE, EV_DEVICE_ID)) ||
        (error = set_text(s, ROLE_READER, EV_READER)))
        return error;
    set_word(s, ROLE_PUNCH, EV_PUNCH, word_punch);
    if (!(d->set & EVENT_BIT(EV_PUNCH)) && word_code(value_of(s, ROLE_PUNCH)) >= 0)
        draft_str(d, EV_CODE, value_of(s, ROLE_PUNCH));
    set_word(s, ROLE_CREDENTIAL, EV_CREDENTIAL, word_credential);
    set_word(s, ROLE_DIRECTION, EV_DIRECTION, word_direction);
    if (d->set & EVENT_BIT(EV_DIRECTION))
        draft_str(d, EV_DIRECTION_FROM, SLICE("punch"));
    draft_str(d, EV_KIND, SLICE("granted"));
    return NULL;
}

/* Nothing but separators and spaces: what spreadsheets leave below a table. */
static bool is_empty(const struct csv *s, struct slice row)
{
    for (size_t i = 0; i < row.n; i++)
        if (row.p[i] != ' ' && row.p[i] != '\t' && row.p[i] != s->separator)
            return false;
    return true;
}

/* The error of a row, NULL for none; *silent when it is a good header. */
static const char *read_record(struct csv *s, struct slice row, bool *silent)
{
    unsigned n = split(s, row);

    *silent = false;
    if (n == 0)
        return "unbalanced quote";
    if (n > COLUMNS_MAX)
        return "too many columns";
    if (!s->begun) {
        const char *error;

        s->begun = true;
        s->columns = n;
        error = read_header(s);
        if (s->header) {
            *silent = !error;
            return error;
        }
    }
    if (n != s->columns) {
        snprintf(s->error, sizeof s->error, "%u columns, %s has %u", n,
            s->header ? "header" : "first row", s->columns);
        return s->error;
    }
    return read_row(s);
}

static void csv_decode(void *state, struct slice record, bool torn, const struct emitter *out)
{
    struct csv *s = state;
    const char *error;
    bool silent;

    s->out.error = NULL;
    s->out.unknown = 0;
    draft_reset(&s->out.draft);
    if (damage_found(&s->damage, record, &s->out)) {
        out->emit(out->arg, &s->out);
        return;
    }
    if (is_empty(s, record))
        return;
    error = read_record(s, record, &silent);
    if (silent)
        return;
    if (error) {
        draft_reset(&s->out.draft);
        s->out.unknown = 0;
        s->out.error = torn ? "torn last line" : error;
    }
    out->emit(out->arg, &s->out);
}

/* ---- framing ---- */

/* The one of , ; TAB | that stands most often outside quotes; a comma when none does. */
static char guess_separator(struct slice line)
{
    static const char candidates[] = ",;\t|";
    size_t count[sizeof candidates - 1] = {0}, best = 0;
    bool quoted = false;

    for (size_t i = 0; i < line.n; i++) {
        const char *c = line.p[i] == '\0' ? NULL : strchr(candidates, line.p[i]);

        quoted ^= line.p[i] == '"';
        if (c && !quoted)
            count[c - candidates]++;
    }
    for (size_t i = 1; i < sizeof candidates - 1; i++)
        if (count[i] > count[best])
            best = i;
    return candidates[best];
}

/* "sep=;": what one spreadsheet writes and expects above the header. */
static bool is_separator_line(struct slice line)
{
    return line.n == 5 && memcmp(line.p, "sep=", 4) == 0 && strchr(",;\t|", line.p[4]) &&
           line.p[4] != '\0';
}

/* A row whose line has quotes may go on in the next line.  When its quotes are not in order within
 * QUOTED_BYTES_MAX, they spoil the line that they stand in, and no other. */
static enum frame quoted_row(
    struct csv *s, struct slice in, bool end, size_t *used, struct slice *record)
{
    bool all = in.n < QUOTED_BYTES_MAX;
    const char *p = in.p, *limit = in.p + (all ? in.n : QUOTED_BYTES_MAX);
    struct cell cell;
    enum cell_end e;

    do
        e = take_cell(&p, limit, s->separator, &cell);
    while (e == CELL_NEXT);
    if (e == CELL_BAD)
        return FRAME_RECORD;
    if (e == CELL_OPEN || p[-1] != '\n') { /* a row that the rest of the input does not end */
        if (all && !end)
            return FRAME_MORE;
        if (!all || e == CELL_OPEN)
            return FRAME_RECORD;
    }
    *used = (size_t)(p - in.p);
    record->n = *used - (p[-1] == '\n');
    if (record->n > 0 && record->p[record->n - 1] == '\r')
        record->n--;
    return FRAME_RECORD;
}

static enum frame csv_frame(
    void *state, struct slice in, bool end, size_t *used, struct slice *record)
{
    struct csv *s = state;
    enum frame result = damage_frame(&s->damage, in, end, used, record);

    /* Nothing is learnt from a damaged line: decode says that it is one. */
    if (result != FRAME_RECORD || s->damage.nuls > 0 || memchr(record->p, '\0', record->n))
        return result;
    if (!s->begun && is_separator_line(*record)) {
        if (!s->separator)
            s->separator = record->p[4];
        return FRAME_SKIP;
    }
    if (!s->separator)
        s->separator = guess_separator(*record);
    if (!memchr(record->p, '"', record->n))
        return FRAME_RECORD;
    return quoted_row(s, in, end, used, record);
}

/* ---- recognising ---- */

/* The first line that is not empty. */
static bool first_line(struct slice *head, struct slice *line)
{
    if (head->n >= 3 && memcmp(head->p, "\xef\xbb\xbf", 3) == 0)
        head->p += 3, head->n -= 3;
    do {
        if (!format_head_line(head, line))
            return false;
    } while (slice_trim(*line).n == 0 || is_separator_line(*line));
    return true;
}

/* Calls back for each cell of a line; how many there are, 0 when its quotes are not in order. */
static unsigned each_cell(
    struct slice line, char separator, void (*call)(void *arg, struct slice text), void *arg)
{
    const char *p = line.p, *end = line.p + line.n;
    struct cell cell;
    enum cell_end e;
    unsigned n = 0;

    do {
        e = take_cell(&p, end, separator, &cell);
        if (e <= CELL_LAST && call)
            call(arg, cell.text);
        n++;
    } while (e == CELL_NEXT);
    return e == CELL_LAST ? n : 0;
}

static void find_role(void *arg, struct slice text)
{
    bool *found = arg;

    if (text.n < NAME_BYTES)
        found[role_named(text)] = true;
}

/* A first line that names columns for the time and for the person. */
static int csv_sniff(struct slice head, bool whole)
{
    bool found[ROLES + 1] = {false};
    struct slice line;

    (void)whole;
    if (!first_line(&head, &line))
        return 0;
    each_cell(line, guess_separator(line), find_role, found);
    return (found[ROLE_TIME] || found[ROLE_DATE]) && (found[ROLE_PERSON] || found[ROLE_CARD]) ? 97
                                                                                              : 0;
}

struct names {
    struct buf text;
    bool data; /* a cell is no name of a column */
};

static void add_name(void *arg, struct slice text)
{
    struct names *names = arg;

    text = slice_trim(text);
    names->data = names->data || (text.n > 0 && *text.p >= '0' && *text.p <= '9');
    if (names->text.len > 0)
        buf_lit(&names->text, ", ");
    buf_slice(&names->text, text);
}

/* Two lines of as many cells.  A first line without a number in it is taken for names. */
static bool csv_hint(struct slice head, struct buf *out)
{
    bool found[ROLES + 1] = {false}, time, person;
    struct names names = {0};
    struct slice line, second, shown;
    char separator;
    unsigned n;

    if (!first_line(&head, &line) || !first_line(&head, &second))
        return false;
    separator = guess_separator(line);
    n = each_cell(line, separator, add_name, &names);
    if (n < 2 || each_cell(second, separator, NULL, NULL) != n ||
        memchr(line.p, '\0', line.n) != NULL) {
        buf_free(&names.text);
        return false;
    }
    each_cell(line, separator, find_role, found);
    time = found[ROLE_TIME] || found[ROLE_DATE];
    person = found[ROLE_PERSON] || found[ROLE_CARD];
    shown = cut_text(buf_all(&names.text), 160);
    if (names.data)
        buf_printf(out,
            "looks like CSV without a header row (%u columns): give -f csv -o "
            "map=time:NUMBER,person_id:NUMBER",
            n);
    else
        buf_printf(out,
            "looks like CSV, but no column is known as %s (found: %.*s%s): give -f csv -o "
            "map=time:COLUMN,person_id:COLUMN",
            time     ? "person"
            : person ? "time"
                     : "time and person",
            (int)shown.n, shown.p, shown.n < names.text.len ? ", …" : "");
    buf_free(&names.text);
    return true;
}

const struct format format_csv = {
    .name = "csv",
    .title = "rows with a header, or with -o map=FIELD:COLUMN,…",
    .sniff = csv_sniff,
    .hint = csv_hint,
    .open = csv_open,
    .close = csv_close,
    .frame = csv_frame,
    .decode = csv_decode,
};
