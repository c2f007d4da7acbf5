/* SPDX-License-Identifier: MIT */
/*
 * zk-push: what ZKTeco terminals and their rebrands post to /iclock/…, attendance push 1.x and 2.x
 * and access-control push 3.x.  From captures of 2009 to 2026 and the vendor's documents.  A body
 * is lines; each shows by itself what it is, so recorded bodies may be joined in one file:
 *
 *     PIN  TIME  STATUS  VERIFY  [WORKCODE  [reserved …]]        between tabs; table ATTLOG
 *     time=…  pin=…  cardno=…  eventaddr=…  event=…  …           in any order; rtlog, also ATTLOG
 *     time=…  sensor=02  relay=00  alarm=01…  door=01            a door's state
 *     transaction cardno=…  pin=…  doorid=…  eventtype=…  time_second=857920849  index=…
 *                                                                the same passage, asked for again
 *     OPLOG OP  ADMIN  TIME  V1  V2  V3  V4                      what was done at the device
 *     USER PIN=…  Name=…  Passwd=…                               people: FP, FACE, BIODATA, …
 *
 * STATUS, VERIFY and PIN are those of zk-attlog, where they stand in another order, so a passage
 * has one identity on both paths.  TIME is text or packed (zk_time.h).
 *
 * event    kind
 * 0-19     granted; without a person or card a door that opened by itself
 * 20-99    denied
 * 100-199  alarm
 * 200-205, 255  door; all others: other
 *
 * Of OPLOG only what matters to the log gives an event: 3 and 32 alarms, 21 the clock was set, 13,
 * 22 and 23 records were deleted.  Lines about people give none, whatever they hold: their
 * passwords, names and templates stay here, also where such a line is broken or cut.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "damage.h"
#include "json.h"
#include "word.h"
#include "zk_time.h"

#define COLUMNS_MAX 64
#define CODE_BYTES 64
#define PERSONAL_BYTES 4096 /* of a line about people, from which it is not waited for */
#define PICTURE_NAME_BYTES 64
#define LONELY_BYTES 32 /* a line without tabs that is longer may be a piece of a template */
#define WORD_BYTES_MAX 32

enum key {
    KEY_TIME,
    KEY_PACKED,
    KEY_PIN,
    KEY_CARD,
    KEY_DOOR,
    KEY_EVENT,
    KEY_INOUT,
    KEY_STATUS,
    KEY_VERIFY,
    KEY_INDEX,
    KEY_SENSOR,
    KEY_RELAY,
    KEY_ALARM,
    KEYS,
    KEY_HARMLESS, /* known, and shown */
    KEY_PERSONAL, /* its value never leaves this file */
    KEY_UNKNOWN,
};

static const struct {
    const char *name;
    enum key key;
} keys[] = {
    {"time", KEY_TIME},
    {"time_second", KEY_PACKED},
    {"pin", KEY_PIN},
    {"cardno", KEY_CARD},
    {"eventaddr", KEY_DOOR},
    {"doorid", KEY_DOOR},
    {"door", KEY_DOOR},
    {"event", KEY_EVENT},
    {"eventtype", KEY_EVENT},
    {"inoutstatus", KEY_INOUT},
    {"inoutstate", KEY_INOUT},
    {"status", KEY_STATUS},
    {"verifytype", KEY_VERIFY},
    {"verified", KEY_VERIFY},
    {"index", KEY_INDEX},
    {"sensor", KEY_SENSOR},
    {"relay", KEY_RELAY},
    {"alarm", KEY_ALARM},
    {"sitecode", KEY_HARMLESS},
    {"linkid", KEY_HARMLESS},
    {"maskflag", KEY_HARMLESS},
    {"temperature", KEY_HARMLESS},
    {"convtemperature", KEY_HARMLESS},
    {"workcode", KEY_HARMLESS},
    {"name", KEY_PERSONAL},
    {"passwd", KEY_PERSONAL},
    {"password", KEY_PERSONAL},
    {"pwd", KEY_PERSONAL},
    {"pri", KEY_PERSONAL},
    {"privilege", KEY_PERSONAL},
    {"card", KEY_PERSONAL},
    {"tmp", KEY_PERSONAL},
    {"template", KEY_PERSONAL},
    {"content", KEY_PERSONAL},
    {"fid", KEY_PERSONAL},
    {"size", KEY_PERSONAL},
    {"filename", KEY_PERSONAL},
};

/* What a line is about, by the word that it begins with. */
enum topic { TOPIC_PASSAGE, TOPIC_DEVICE, TOPIC_PEOPLE, TOPIC_UNKNOWN };

static const struct {
    const char *word;
    enum topic topic;
} words[] = {
    {"oplog", TOPIC_DEVICE},
    {"transaction", TOPIC_PASSAGE},
    {"rtlog", TOPIC_PASSAGE},
    {"attlog", TOPIC_PASSAGE},
    {"user", TOPIC_PEOPLE},
    {"userinfo", TOPIC_PEOPLE},
    {"extuser", TOPIC_PEOPLE},
    {"userauthorize", TOPIC_PEOPLE},
    {"mulcarduser", TOPIC_PEOPLE},
    {"fp", TOPIC_PEOPLE},
    {"fingertmp", TOPIC_PEOPLE},
    {"template", TOPIC_PEOPLE},
    {"templatev10", TOPIC_PEOPLE},
    {"face", TOPIC_PEOPLE},
    {"facev7", TOPIC_PEOPLE},
    {"fvein", TOPIC_PEOPLE},
    {"pvein", TOPIC_PEOPLE},
    {"palm", TOPIC_PEOPLE},
    {"userpic", TOPIC_PEOPLE},
    {"biophoto", TOPIC_PEOPLE},
    {"biodata", TOPIC_PEOPLE},
    {"identitycard", TOPIC_PEOPLE},
    {"idcard", TOPIC_PEOPLE},
    {"workcode", TOPIC_PEOPLE},
    {"sms", TOPIC_PEOPLE},
    {"usersms", TOPIC_PEOPLE},
    {"errorlog", TOPIC_PEOPLE},
};

struct push {
    struct damage damage;
    struct zk_time time;
    bool personal; /* the line before was about people: what cannot be read belongs to it */
    bool headed;   /* … and was of the head of a picture: all that cannot be read belongs to it */
    bool skipping; /* in a long one of them */
    bool picture;  /* what follows is one, and is dropped */
    bool pictures; /* they are kept */
    size_t longest;
    char name[PICTURE_NAME_BYTES]; /* of the picture to come, "" */
    struct buf snapshot;
    struct buf raw;
    char code[CODE_BYTES];
    struct decoded out;
};

/* A line as columns; of `key=value` also what they say. */
struct row {
    struct slice column[COLUMNS_MAX];
    unsigned columns; /* COLUMNS_MAX + 1: there are more */
    struct slice value[KEYS];
    bool known, personal;
};

/* ---- the parts of a line ---- */

static bool is_word(struct slice s, const char *word)
{
    return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

static void split(struct slice line, struct row *row)
{
    const char *p = line.p, *end = line.p + line.n;

    *row = (struct row){0};
    for (;;) {
        const char *tab = p < end ? memchr(p, '\t', (size_t)(end - p)) : NULL;

        if (row->columns == COLUMNS_MAX) {
            row->columns++;
            return;
        }
        row->column[row->columns++] =
            slice_trim((struct slice){p, (size_t)((tab ? tab : end) - p)});
        if (!tab)
            return;
        p = tab + 1;
    }
}

/* "key=value", with a word before the key or without; false when it is none. */
static bool take_pair(struct slice column, struct slice *key, struct slice *value)
{
    const char *equal = column.n > 0 ? memchr(column.p, '=', column.n) : NULL, *space;

    if (!equal)
        return false;
    *key = (struct slice){column.p, (size_t)(equal - column.p)};
    *value = slice_trim((struct slice){equal + 1, column.n - key->n - 1});
    space = key->n > 0 ? memrchr(key->p, ' ', key->n) : NULL;
    if (space) {
        key->n -= (size_t)(space + 1 - key->p);
        key->p = space + 1;
    }
    return true;
}

static enum key find_key(struct slice name)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (is_word(name, keys[i].name))
            return keys[i].key;
    return KEY_UNKNOWN;
}

static void read_pairs(struct row *row)
{
    unsigned n = row->columns < COLUMNS_MAX ? row->columns : COLUMNS_MAX;
    struct slice key, value;

    for (unsigned i = 0; i < n; i++) {
        enum key k = take_pair(row->column[i], &key, &value) ? find_key(key) : KEY_UNKNOWN;

        row->personal |= k == KEY_PERSONAL;
        row->known |= k < KEY_UNKNOWN;
        if (k < KEYS && !row->value[k].p)
            row->value[k] = value;
    }
}

/* The word before the first space, if no = stands before that. */
static struct slice first_word(struct slice line)
{
    size_t n = 0;

    while (n < line.n && n < WORD_BYTES_MAX && line.p[n] != ' ' && line.p[n] != '=' &&
           line.p[n] != '\t')
        n++;
    return n < line.n && line.p[n] == ' ' ? (struct slice){line.p, n} : SLICE_NONE;
}

static enum topic find_topic(struct slice word)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (is_word(word, words[i].word))
            return words[i].topic;
    return TOPIC_UNKNOWN;
}

/* ---- what may be shown ---- */

/* raw without the values that stay here: all but the known ones, or (bare) all. */
static void scrub(struct push *s, const struct row *row, bool bare)
{
    unsigned n = row->columns < COLUMNS_MAX ? row->columns : COLUMNS_MAX;
    struct slice key, value;

    s->raw.len = 0;
    for (unsigned i = 0; i < n; i++) {
        struct slice column = row->column[i];

        if (!take_pair(column, &key, &value))
            continue;
        if (bare || find_key(key) >= KEY_PERSONAL)
            column.n = (size_t)(key.p + key.n + 1 - column.p);
        if (s->raw.len > 0)
            buf_char(&s->raw, '\t');
        buf_slice(&s->raw, column);
    }
    damage_raw(&s->damage, buf_all(&s->raw), &s->out);
}

static void emit(struct push *s, const struct emitter *out)
{
    out->emit(out->arg, &s->out);
}

static void fail(struct push *s, const char *error, const struct emitter *out)
{
    s->out.error = error;
    s->out.draft.set &= EVENT_BIT(EV_RAW) | EVENT_BIT(EV_RAW_BASE64);
    emit(s, out);
}

/* ---- fields ---- */

static bool is_number(struct slice s, size_t longest)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0 && s.n <= longest;
}

static bool is_zero(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '0')
            return false;
    return true;
}

static const char *read_packed(struct push *s, struct slice text)
{
    uint64_t packed = 0;

    for (size_t i = 0; i < text.n; i++)
        packed = packed * 10 + (uint64_t)(text.p[i] - '0');
    return packed > UINT32_MAX ? "not a time" : zk_time_unpack(&s->time, (uint32_t)packed);
}

/* Fills local_time, or says why not.  Only where the packed form is usual is a number one:
   elsewhere it might be seconds since 1970, which would need a zone. */
static const char *read_time(struct push *s, struct slice text, bool packed)
{
    const char *error =
        packed && is_number(text, 10) ? read_packed(s, text) : zk_time_read(&s->time, text);

    if (error)
        return error;
    draft_str(&s->out.draft, EV_LOCAL_TIME, (struct slice){s->time.local, ZK_TIME_BYTES});
    if (s->time.unset)
        draft_str(&s->out.draft, EV_TIME_NOTE, SLICE("clock_unset"));
    return NULL;
}

static void set_word(
    struct draft *d, enum event_field field, struct slice text, struct slice (*word)(unsigned code))
{
    int code = word_code(text);
    struct slice said = code >= 0 ? word((unsigned)code) : SLICE_NONE;

    if (said.p)
        draft_str(d, field, said);
}

static void set_credential(struct draft *d, struct slice verify)
{
    /* The one combination of the newer bit string that a document names. */
    if (slice_is(verify, "0000000000000010"))
        draft_str(d, EV_CREDENTIAL, SLICE("face"));
    else
        set_word(d, EV_CREDENTIAL, verify, word_credential_code);
}

static void set_text(struct draft *d, enum event_field field, struct slice text)
{
    if (text.n > 0 && utf8_valid(text))
        draft_str(d, field, text);
}

/* A state key without a name is told by its code, as in zk-attlog. */
static void set_status(struct draft *d, struct slice status)
{
    int code = word_code(status);

    set_word(d, EV_PUNCH, status, word_punch_code);
    if (code >= 0 && !word_punch_code((unsigned)code).p)
        draft_str(d, EV_CODE, status);
}

/* 0 in, 1 out, 2 neither: the first two keys of a terminal, under another name. */
static void set_punch(struct draft *d, const struct row *row)
{
    if (slice_is(row->value[KEY_INOUT], "0") || slice_is(row->value[KEY_INOUT], "1"))
        set_word(d, EV_PUNCH, row->value[KEY_INOUT], word_punch_code);
    else if (!row->value[KEY_INOUT].p)
        set_status(d, row->value[KEY_STATUS]);
}

/* ---- passages ---- */

static const struct {
    unsigned char first, last;
    const char *kind;
} bands[] = {
    {0, 19, "granted"},
    {20, 99, "denied"},
    {100, 199, "alarm"},
    {200, 205, "door"},
    {255, 255, "door"},
};

static struct slice kind_of(struct slice event, bool somebody)
{
    int code = word_code(event);

    for (size_t i = 0; i < sizeof bands / sizeof *bands; i++)
        if (code >= bands[i].first && code <= bands[i].last)
            return i == 0 && !somebody ? SLICE("door") : slice_of(bands[i].kind);
    return SLICE("other");
}

/* PIN TIME STATUS VERIFY …; from `first` on. */
static const char *read_columns(struct push *s, const struct row *row, unsigned first)
{
    const struct slice *column = row->column + first;
    unsigned n = row->columns - first;
    struct draft *d = &s->out.draft;
    const char *error = n < 2 ? "no tab-separated columns" : read_time(s, column[1], false);

    if (error)
        return error;
    if (column[0].n == 0 || !utf8_valid(column[0]))
        return "no person";
    draft_str(d, EV_KIND, SLICE("granted"));
    draft_str(d, EV_PERSON_ID, column[0]);
    if (n > 2)
        set_status(d, column[2]);
    if (n > 3)
        set_word(d, EV_CREDENTIAL, column[3], word_credential_code);
    return NULL;
}

/* Who it was; false: nobody is named. */
static bool read_person(struct draft *d, const struct row *row)
{
    struct slice pin = row->value[KEY_PIN], card = row->value[KEY_CARD];
    bool person = !is_zero(pin) && utf8_valid(pin), carded = is_number(card, 20) && !is_zero(card);

    if (person)
        draft_str(d, EV_PERSON_ID, pin);
    if (carded)
        draft_str(d, EV_CARD_NO, card);
    return person || carded;
}

/* The device's counter, where it is a number as JSON has it. */
static void read_index(struct draft *d, struct slice index)
{
    if (is_number(index, 15) && (index.p[0] != '0' || index.n == 1))
        draft_json(d, EV_SERIAL_NO, index);
}

static int cap(struct slice s, size_t most)
{
    return (int)(s.n < most ? s.n : most);
}

/* A door's state has no number of its own: what it says tells it from the next. */
static void read_state(struct push *s, const struct row *row)
{
    struct slice sensor = row->value[KEY_SENSOR], relay = row->value[KEY_RELAY];
    struct slice alarm = row->value[KEY_ALARM];
    int n = snprintf(s->code, sizeof s->code, "255/%.*s/%.*s/%.*s", cap(sensor, 8),
        sensor.p ? sensor.p : "", cap(relay, 8), relay.p ? relay.p : "", cap(alarm, 32),
        alarm.p ? alarm.p : "");

    draft_str(&s->out.draft, EV_KIND, SLICE("door"));
    set_text(&s->out.draft, EV_CODE, (struct slice){s->code, (size_t)n});
}

static const char *read_values(struct push *s, const struct row *row)
{
    const struct slice *v = row->value;
    struct draft *d = &s->out.draft;
    bool packed = v[KEY_TIME].n == 0;
    struct slice time = packed ? v[KEY_PACKED] : v[KEY_TIME];
    const char *error = time.n == 0 ? "no time" : read_time(s, time, packed);
    bool somebody;

    if (error)
        return error;
    somebody = read_person(d, row);
    if (!v[KEY_EVENT].p && (v[KEY_SENSOR].p || v[KEY_RELAY].p)) {
        read_state(s, row);
    } else if (!v[KEY_EVENT].p && !somebody) {
        return "no person";
    } else {
        draft_str(d, EV_KIND, v[KEY_EVENT].p ? kind_of(v[KEY_EVENT], somebody) : SLICE("granted"));
        set_punch(d, row);
        set_text(d, EV_CODE, v[KEY_EVENT]);
        set_credential(d, v[KEY_VERIFY]);
    }
    set_text(d, EV_READER, v[KEY_DOOR]);
    read_index(d, v[KEY_INDEX]);
    return NULL;
}

/* ---- what was done at the device ---- */

enum {
    OP_ALARM = 3,
};

static const struct {
    int op;
    const char *kind;
} operations[] = {
    {OP_ALARM, "alarm"}, {13, "other"}, /* data cleared */
    {21, "other"},                      /* the clock was set */
    {22, "other"},                      /* factory reset */
    {23, "other"},                      /* attendance records deleted */
    {32, "alarm"},                      /* opened under duress */
};

/* Of alarms the first value says which; those of a door that is used are none. */
static struct slice alarm_kind(struct slice which)
{
    static const struct {
        const char *which, *kind;
    } others[] = {
        {"50", "door"},     /* closed */
        {"51", "door"},     /* opened */
        {"53", "door"},     /* by its button */
        {"65535", "other"}, /* the alarm is over */
    };

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (slice_is(which, others[i].which))
            return slice_of(others[i].kind);
    return SLICE("alarm");
}

/* True: it gives an event, or an error. */
static bool read_operation(struct push *s, const struct row *row, const char **error)
{
    struct slice op = {row->column[0].p + 6, row->column[0].n > 6 ? row->column[0].n - 6 : 0};
    struct slice which = row->columns > 3 ? row->column[3] : SLICE_NONE;
    int code = word_code(op = slice_trim(op)), n;
    size_t i = 0;

    while (i < sizeof operations / sizeof *operations && operations[i].op != code)
        i++;
    if (i == sizeof operations / sizeof *operations && code >= 0)
        return false;
    *error = code < 0 ? "no operation" : row->columns < 3 ? "no time" : NULL;
    if (!*error)
        *error = read_time(s, row->column[2], true);
    if (*error)
        return true;
    draft_str(&s->out.draft, EV_KIND,
        code == OP_ALARM ? alarm_kind(which) : slice_of(operations[i].kind));
    if (code == OP_ALARM && is_number(which, 10))
        n = snprintf(s->code, sizeof s->code, "OPLOG %d/%.*s", code, (int)which.n, which.p);
    else
        n = snprintf(s->code, sizeof s->code, "OPLOG %d", code);
    draft_str(&s->out.draft, EV_CODE, (struct slice){s->code, (size_t)n});
    return true;
}

/* ---- lines ---- */

static void give(struct push *s, const char *error, const struct emitter *out)
{
    s->personal = s->headed = false;
    if (error)
        fail(s, error, out);
    else
        emit(s, out);
}

/* Of a line that cannot be read, or is damaged. */
static void fail_scrubbed(struct push *s, const struct row *row, struct slice line,
    const char *error, const struct emitter *out)
{
    if (row->known || memchr(line.p, '=', line.n))
        scrub(s, row, !row->known);
    else if (row->columns == 1 && line.n > LONELY_BYTES)
        damage_raw(&s->damage, SLICE(""), &s->out);
    give(s, error, out);
}

/* The head of a picture: PIN=20260302080112-17.jpg, SN=…, size=…. */
static void read_picture_name(struct push *s, const struct row *row)
{
    struct slice name = row->value[KEY_PIN];

    if (row->columns != 1 || !name.p)
        return;
    s->headed = true;
    if (name.n == 0 || name.n >= sizeof s->name || !utf8_valid(name))
        return;
    memcpy(s->name, name.p, name.n);
    s->name[name.n] = '\0';
}

/* Of people, or that head. */
static bool is_personal(const struct row *row)
{
    return (row->personal && !row->value[KEY_EVENT].p) ||
           (row->columns == 1 && row->value[KEY_PIN].p);
}

static void decode_pairs(
    struct push *s, struct row *row, struct slice line, enum topic topic, const struct emitter *out)
{
    const char *error;

    if (topic == TOPIC_UNKNOWN) {
        scrub(s, row, true);
        give(s, "unknown kind of record", out);
        return;
    }
    if (is_personal(row)) {
        s->personal = true;
        read_picture_name(s, row);
        return;
    }
    error = read_values(s, row);
    if (error)
        fail_scrubbed(s, row, line, error, out);
    else {
        if (row->personal)
            scrub(s, row, false);
        give(s, NULL, out);
    }
}

static void decode_columns(
    struct push *s, struct row *row, struct slice line, const struct emitter *out)
{
    const char *error = read_columns(s, row, is_word(row->column[0], "attlog") ? 1 : 0);

    if (error && s->personal)
        return;
    if (error)
        fail_scrubbed(s, row, line, error, out);
    else
        give(s, NULL, out);
}

static void decode_line(struct push *s, struct slice line, const struct emitter *out)
{
    struct slice word = first_word(line), key, value;
    enum topic topic = word.p ? find_topic(word) : TOPIC_PASSAGE;
    const char *error = NULL;
    struct row row;

    if (topic == TOPIC_PEOPLE) {
        s->personal = true;
        return;
    }
    split(line, &row);
    if (row.columns > COLUMNS_MAX) {
        if (s->headed)
            return;
        read_pairs(&row);
        fail_scrubbed(s, &row, line, "too many columns", out);
    } else if (topic == TOPIC_DEVICE) {
        if (read_operation(s, &row, &error))
            give(s, error, out);
        s->personal = s->headed = false;
    } else if (take_pair(row.column[0], &key, &value)) {
        read_pairs(&row);
        if (!row.known && s->personal)
            return;
        decode_pairs(s, &row, line, topic, out);
    } else {
        decode_columns(s, &row, line, out);
    }
}

/* What is left of a line around a hole may be of people like any other. */
static void decode_damaged(struct push *s, const struct decoded *damaged, const struct emitter *out)
{
    struct slice line = s->damage.kept.len > 0 ? buf_all(&s->damage.kept) : SLICE(""), word;
    struct row row;

    word = first_word(line);
    if (word.p && find_topic(word) == TOPIC_PEOPLE) {
        s->personal = true;
        return;
    }
    split(line, &row);
    read_pairs(&row);
    if (s->personal && (s->headed || row.columns < 2))
        return;
    s->out = *damaged;
    fail_scrubbed(s, &row, line, damaged->error, out);
}

/* ---- pictures ---- */

/* Behind this line and a NUL stands a picture, up to the end: how many bytes before it; 0: none. */
static size_t picture_at(struct slice in)
{
    static const char *const marks[] = {"CMD=uploadphoto", "CMD=realupload"};

    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        size_t n = strlen(marks[i]);

        if (in.n > n && memcmp(in.p, marks[i], n) == 0 && in.p[n] == '\0')
            return n + 1;
    }
    return 0;
}

/* "YYYYMMDDhhmmss…" of a name. */
static bool read_name_time(struct push *s)
{
    char text[ZK_TIME_BYTES + 1];
    const char *n = s->name;

    if (strspn(n, "0123456789") < 14)
        return false;
    snprintf(
        text, sizeof text, "%.4s-%.2s-%.2s %.2s:%.2s:%.2s", n, n + 4, n + 6, n + 8, n + 10, n + 12);
    return zk_time_read(&s->time, (struct slice){text, ZK_TIME_BYTES}) == NULL;
}

/* It comes behind its passage, which is on its way: so it is an event of its own, without a person,
   whose code tells which it belongs to. */
static void decode_picture(struct push *s, struct slice picture, const struct emitter *out)
{
    struct draft *d = &s->out.draft;
    struct slice name = slice_of(s->name);
    int n;

    if (!out->keep || picture.n == 0)
        return;
    s->snapshot.len = 0;
    out->keep(out->arg, picture, &s->snapshot);
    draft_str(d, EV_KIND, SLICE("other"));
    draft_json(d, EV_SNAPSHOT, buf_all(&s->snapshot));
    draft_str(d, EV_RAW, name);
    if (!read_name_time(s)) {
        s->out.error = "no time";
    } else {
        if (name.n > 4 && is_word((struct slice){name.p + name.n - 4, 4}, ".jpg"))
            name.n -= 4;
        n = snprintf(s->code, sizeof s->code, "ATTPHOTO%.*s", cap(name, 48) - 14, name.p + 14);
        draft_str(d, EV_LOCAL_TIME, (struct slice){s->time.local, ZK_TIME_BYTES});
        draft_str(d, EV_CODE, (struct slice){s->code, (size_t)n});
    }
    emit(s, out);
}

static void push_decode(void *state, struct slice record, bool torn, const struct emitter *out)
{
    struct push *s = state;
    struct decoded damaged = {0};
    size_t at = picture_at(record);

    (void)torn; /* a body needs no newline behind its last line */
    s->out = (struct decoded){0};
    if (at > 0)
        decode_picture(s, (struct slice){record.p + at, record.n - at}, out);
    else if (damage_found(&s->damage, record, &damaged))
        decode_damaged(s, &damaged, out);
    else if (slice_trim(record).n > 0)
        decode_line(s, slice_trim(record), out);
}

/* ---- framing ---- */

/* The rest of a long line about people. */
static enum frame skip_line(struct push *s, struct slice in, size_t *used)
{
    const char *newline = memchr(in.p, '\n', in.n);

    *used = newline ? (size_t)(newline - in.p) + 1 : in.n;
    s->skipping = !newline;
    s->personal = true;
    return FRAME_SKIP;
}

/* All that is left; one that is too long, or not wanted, is dropped as it comes. */
static enum frame frame_picture(
    struct push *s, struct slice in, bool end, size_t *used, struct slice *record)
{
    s->picture = s->picture || !s->pictures || in.n > s->longest;
    *used = in.n;
    *record = in;
    return s->picture ? FRAME_SKIP : end ? FRAME_RECORD : FRAME_MORE;
}

static enum frame push_frame(
    void *state, struct slice in, bool end, size_t *used, struct slice *record)
{
    struct push *s = state;
    struct slice word;

    if (in.n > 0 && (s->picture || picture_at(in) > 0))
        return frame_picture(s, in, end, used, record);
    if (in.n > 0 && s->skipping)
        return skip_line(s, in, used);
    if (in.n >= PERSONAL_BYTES && !memchr(in.p, '\n', in.n)) {
        word = first_word(in);
        if ((word.p && find_topic(word) == TOPIC_PEOPLE) || s->personal)
            return skip_line(s, in, used);
    }
    return damage_frame(&s->damage, in, end, used, record);
}

/* ---- recognising ---- */

/* Rows of columns look like those of zk-attlog and are left to it; an OPLOG does too, and is not.
 */
static int push_sniff(struct slice head, bool whole)
{
    struct slice line, word;
    struct row row;

    (void)whole;
    for (int i = 0; i < 4 && format_head_line(&head, &line); i++) {
        word = first_word(line);
        if (word.p && is_word(word, "oplog"))
            return 97;
        split(line, &row);
        read_pairs(&row);
        if (row.columns > 3 && row.columns <= COLUMNS_MAX &&
            (row.value[KEY_PIN].p || row.value[KEY_SENSOR].p) &&
            (row.value[KEY_TIME].p || row.value[KEY_PACKED].p))
            return 90;
        if (word.p && find_topic(word) == TOPIC_PEOPLE && row.value[KEY_PIN].p)
            return 90;
    }
    return 0;
}

static void push_close(void *state)
{
    struct push *s = state;

    if (!s)
        return;
    damage_free(&s->damage);
    buf_free(&s->raw);
    buf_free(&s->snapshot);
    free(s);
}

static void *push_open(const struct format_options *options, struct fault *why)
{
    static const char *const none[] = {NULL};
    struct push *s;

    if (format_options_check(options, "zk-push", none, why) < 0)
        return NULL;
    s = mem_alloc(sizeof *s);
    memset(s, 0, sizeof *s);
    s->damage.longest = s->longest = options->longest;
    s->pictures = options->pictures;
    return s;
}

const struct format format_zk_push = {
    .name = "zk-push",
    .title = "ZKTeco push bodies: ATTLOG, rtlog, OPERLOG, transaction",
    .sniff = push_sniff,
    .open = push_open,
    .close = push_close,
    .frame = push_frame,
    .decode = push_decode,
};
