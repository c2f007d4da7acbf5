/* SPDX-License-Identifier: MIT */
/* What the SQLite engine alone has: its file, older ones, what is no store, and copies. */
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../../support/store.h"
#include "../../support/unit.h"
#include "store.h"

static struct store *store;
static struct fault why;
static const int64_t now = 1000000;

static void open_as(enum store_use use)
{
    store_close(store);
    store = store_open(store_name, use, &why);
    ck_assert_msg(store != NULL, "%s", why.text);
}

static void set_up(void)
{
    unsetenv("TS_STORE_URL");
    store_make_empty();
}

static void tear_down(void)
{
    store_close(store);
    store = NULL;
    store_remove();
}

/* Fails to open it with this status, and says this. */
static void refused(enum store_use use, int status, const char *words)
{
    struct store *s = store_open(store_name, use, &why);

    ck_assert_ptr_null(s);
    ck_assert_msg(strstr(why.text, words) != NULL, "%s", why.text);
    ck_assert_int_eq(why.status, status);
}

static void put(const char *id, const char *person, enum state state)
{
    char line[64];
    struct record r = {.person = person ? slice_of(person) : SLICE_NONE,
        .state = state,
        .serial = -1,
        .device = SLICE("A"),
        .day = SLICE("2026-05-04"),
        .reason = state == STATE_WAITING ? SLICE_NONE : SLICE("because")};

    snprintf(line, sizeof line, "{\"event_id\":\"%s\"}", id);
    r.line = slice_of(line);
    identity_of_bytes(&r.id, slice_of(id), NULL);
    ck_assert_msg(store_put(store, &r, 1, now, &why) == 0, "%s", why.text);
}

static void put_many(int from, int count)
{
    char id[20];

    for (int i = from; i < from + count; i++) {
        snprintf(id, sizeof id, "%d", i);
        put(id, NULL, STATE_WAITING);
    }
}

/* The same in one transaction, all of one state. */
static void put_batch(int from, int count, enum state state)
{
    struct record *records = calloc((size_t)count, sizeof *records);
    char(*lines)[32] = calloc((size_t)count, sizeof *lines);

    for (int i = 0; i < count; i++) {
        snprintf(lines[i], sizeof lines[i], "{\"event_id\":\"%d\"}", from + i);
        records[i] =
            (struct record){.line = slice_of(lines[i]), .state = state, .serial = from + i};
        identity_of_bytes(&records[i].id, records[i].line, NULL);
    }
    ck_assert_msg(store_put(store, records, (size_t)count, now, &why) == 0, "%s", why.text);
    free(records);
    free(lines);
}

static struct store_stat stat_now(void)
{
    struct store_stat s;

    ck_assert_msg(store_stat(store, &s, &why) == 0, "%s", why.text);
    return s;
}

static char *name_of(const char *end)
{
    static char names[4][600];
    static int n;
    char *name = names[n++ % 4];

    snprintf(name, sizeof names[0], "%s%s", store_name, end);
    return name;
}

static void write_file(const char *name, const char *text, size_t n)
{
    FILE *f = fopen(name, "w");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

/* The bytes of a file, owned. */
static char *read_file(const char *name, size_t *n)
{
    FILE *f = fopen(name, "r");
    char *text = malloc(4 << 20);

    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(text);
    *n = fread(text, 1, 4 << 20, f);
    fclose(f);
    return text;
}

static void run_sql(const char *name, const char *sql)
{
    sqlite3 *db;
    char *error = NULL;

    ck_assert_int_eq(sqlite3_open(name, &db), SQLITE_OK);
    sqlite3_exec(db, sql, NULL, NULL, &error);
    ck_assert_msg(error == NULL, "%s", error);
    sqlite3_close(db);
}

static int64_t ask_sql(const char *name, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *q = NULL;
    int64_t value;

    ck_assert_int_eq(sqlite3_open(name, &db), SQLITE_OK);
    ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &q, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    ck_assert_int_eq(sqlite3_step(q), SQLITE_ROW);
    value = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return value;
}

/* ---- the file ---- */

START_TEST(the_file_is_private)
{
    struct stat st;

    umask(077);
    open_as(STORE_PUT);
    ck_assert_int_eq(stat(store_name, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
}
END_TEST

START_TEST(one_drain_a_store)
{
    open_as(STORE_FOLLOW);
    refused(STORE_DRAIN, EX_TEMPFAIL, "another drain");
    refused(STORE_ERASE, EX_TEMPFAIL, "another drain");
}
END_TEST

static void count_given(void *arg, const struct handed *event)
{
    (void)event;
    ++*(int *)arg;
}

START_TEST(a_full_store_refuses_and_keeps)
{
    int stored = 0, rc = 0, given = 0;
    struct exchange x = {
        .events = 5, .bytes = 1 << 20, .now_ms = now, .give = count_given, .arg = &given};

    open_as(STORE_FOLLOW);
    ck_assert_int_eq(store_drain_begin(store, now, &why), 0);
    store_limit(store, 128 << 10);
    for (int i = 0; i < 10000 && rc == 0; i++) {
        char line[32];
        struct record r = {.serial = -1};

        snprintf(line, sizeof line, "{\"event_id\":\"%d\"}", i);
        r.line = slice_of(line);
        identity_of_bytes(&r.id, r.line, NULL);
        rc = store_put(store, &r, 1, now, &why);
        stored += rc == 0;
        if (i == 200) /* from here on in one transaction each is too slow for a test */
            store_limit(store, 80 << 10);
    }
    ck_assert_int_eq(rc, -1);
    ck_assert_int_eq(why.status, EX_IOERR);
    ck_assert_int_eq(stat_now().in[STATE_WAITING], stored);
    ck_assert_int_eq(store_exchange(store, &x, &why), 0);
    ck_assert_int_eq(given, 5);
}
END_TEST

/* Rows of a device and day that were undone with a put are made again by the next. */
START_TEST(a_refused_put_leaves_no_count)
{
    static char big[200000];
    struct record r = {.serial = -1, .device = SLICE("B"), .day = SLICE("2026-05-04")};

    open_as(STORE_PUT);
    put("a", NULL, STATE_WAITING);
    store_limit(store, 100 << 10);
    memset(big, ' ', sizeof big);
    r.line = (struct slice){big, sizeof big};
    identity_of_bytes(&r.id, r.line, NULL);
    ck_assert_int_eq(store_put(store, &r, 1, now, &why), -1);
    ck_assert_int_eq(why.status, EX_IOERR);
    store_limit(store, 0);
    put("b", NULL, STATE_WAITING);
    ck_assert_int_eq(store_put(store, &r, 1, now, &why), 0);
    ck_assert_int_eq(ask_sql(store_name, "SELECT sum(received) FROM day"), 3);
    ck_assert_int_eq(ask_sql(store_name, "SELECT count(*) FROM event JOIN day ON day.id=event.day"
                                         " WHERE device='B'"),
        1);
}
END_TEST

/* ---- what is no store ---- */

/* Refused by all uses, and not a byte is different afterwards. */
static void refused_untouched(int status, const char *words)
{
    size_t before_n, after_n;
    char *before = read_file(store_name, &before_n), *after;

    for (enum store_use use = STORE_PUT; use <= STORE_ERASE; use++)
        refused(use, status, words);
    after = read_file(store_name, &after_n);
    ck_assert_uint_eq(before_n, after_n);
    ck_assert_mem_eq(before, after, before_n);
    free(before);
    free(after);
}

/* The last one is longer than the header of a database. */
static const char *const texts[] = {"x", "{\"event_id\":\"a\"}\n",
    ("1\t2026-05-04 08:00:00\t1\t0\t15\t0\r\n1\t2026-05-04 09:00:00\t1\t0\t15\t0\r\n1\t2026-05-04 "
     "10:00:00\t1\t0\t15\t0\r\n1\t2026-05-04 11:00:00\t1\t0\t15\t0\r\n")};

START_TEST(a_text_is_refused)
{
    write_file(store_name, texts[_i], strlen(texts[_i]));
    refused_untouched(EX_CONFIG, "is not a spool");
}
END_TEST

START_TEST(a_folder_is_refused)
{
    ck_assert_int_eq(mkdir(store_name, 0700), 0);
    refused(STORE_PUT, EX_CANTCREAT, "cannot make the store");
    refused(STORE_READ, EX_NOINPUT, "cannot open the store");
    rmdir(store_name);
}
END_TEST

START_TEST(a_foreign_database_is_refused)
{
    run_sql(store_name, "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
    refused_untouched(EX_CONFIG, "some other program");
    run_sql(store_name, "DROP TABLE t; PRAGMA application_id=77");
    refused_untouched(EX_CONFIG, "some other program");
}
END_TEST

START_TEST(a_newer_store_is_refused)
{
    open_as(STORE_PUT);
    store_close(store);
    store = NULL;
    run_sql(store_name, "PRAGMA user_version=3");
    refused_untouched(EX_CONFIG, "newer");
}
END_TEST

/* Cut within a page and between two: SQLite sees both by the size that the header says. */
START_TEST(a_cut_file_is_refused)
{
    struct stat st;

    open_as(STORE_PUT);
    put_many(0, 200);
    store_close(store);
    store = NULL;
    ck_assert_int_eq(stat(store_name, &st), 0);
    ck_assert_int_eq(truncate(store_name, _i == 0   ? st.st_size - 100
                                          : _i == 1 ? st.st_size - 4096
                                          : _i == 2 ? st.st_size / 2
                                                    : 4096),
        0);
    refused_untouched(EX_IOERR, "is damaged");
}
END_TEST

/* The first put may have died before it wrote anything; but not after it had its reserve. */
START_TEST(an_emptied_store_is_refused)
{
    write_file(store_name, "", 0);
    refused(STORE_READ, EX_NOINPUT, "is empty");
    open_as(STORE_PUT);
    put("a", NULL, STATE_WAITING);
    store_close(store);
    store = NULL;
    write_file(store_name, "", 0);
    refused(STORE_PUT, EX_CONFIG, "is empty but was a spool");
    refused(STORE_FOLLOW, EX_CONFIG, "is empty but was a spool");
    unlink(name_of("-reserve"));
    open_as(STORE_PUT);
}
END_TEST

/* Leaves the journal of a transaction that was killed after it had begun to write. */
static void leave_journal(const char *name)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        sqlite3 *db;

        if (sqlite3_open(name, &db) == SQLITE_OK)
            sqlite3_exec(db,
                "PRAGMA journal_mode=TRUNCATE; PRAGMA cache_size=1; BEGIN;"
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<500)"
                " INSERT INTO event(seq, line) SELECT 1000000+i, zeroblob(500) FROM n;"
                "UPDATE event SET line=zeroblob(10)",
                NULL, NULL, NULL);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
}

START_TEST(its_own_journal_is_played_back)
{
    struct stat st;

    open_as(STORE_PUT);
    put_many(0, 100);
    store_close(store);
    store = NULL;
    leave_journal(store_name);
    ck_assert_int_eq(stat(name_of("-journal"), &st), 0);
    ck_assert_int_gt(st.st_size, 512);
    open_as(STORE_READ);
    ck_assert_int_eq(stat_now().stored, 100);
    ck_assert_int_eq(ask_sql(store_name, "SELECT count(*) FROM event WHERE seq>1000000"), 0);
}
END_TEST

/* As when a copy is put in the place of a store that died: SQLite would destroy it. */
START_TEST(a_foreign_journal_is_refused)
{
    char other[600];
    size_t n;
    char *journal;

    snprintf(other, sizeof other, "%s", name_of("2"));
    open_as(STORE_PUT);
    put_many(0, _i == 0 ? 100 : 150);
    store_close(store);
    store = store_open(other, STORE_PUT, &why);
    put_many(0, 100); /* with _i 0 all but the stamp is the same */
    store_close(store);
    store = NULL;
    leave_journal(other);
    journal = read_file(name_of("2-journal"), &n);
    ck_assert_uint_gt(n, 512);
    write_file(name_of("-journal"), journal, n);
    free(journal);
    refused_untouched(EX_CONFIG, "belongs to another file");
    unlink(name_of("-journal"));
    open_as(STORE_READ);
    ck_assert_int_eq(stat_now().stored, _i == 0 ? 100 : 150);
}
END_TEST

/* ---- version 1 ---- */

static const char version_1[] =
    "PRAGMA application_id=1416844144; PRAGMA user_version=1; PRAGMA synchronous=OFF; BEGIN;"
    "CREATE TABLE id(id BLOB PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE event(seq INTEGER PRIMARY KEY, person TEXT, at INTEGER, line BLOB);"
    "CREATE TABLE exception(seq INTEGER PRIMARY KEY, state INTEGER NOT NULL, person TEXT,"
    " due INTEGER, attempts INTEGER NOT NULL, ambiguous INTEGER NOT NULL, since INTEGER NOT NULL,"
    " reason TEXT);"
    "CREATE INDEX exception_state ON exception(state, seq);"
    "CREATE INDEX exception_person ON exception(person, due, seq) WHERE person IS NOT NULL;"
    "CREATE INDEX exception_due ON exception(due, seq) WHERE due IS NOT NULL;"
    "CREATE TABLE done(first INTEGER PRIMARY KEY, last INTEGER NOT NULL);"
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE action(id INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL,"
    " what TEXT NOT NULL, why TEXT, count INTEGER NOT NULL);"
    "INSERT INTO meta VALUES('stored', 0), ('duplicates', 4), ('delivered', 0), ('known', 0),"
    " ('held', 0), ('dead', 0), ('skipped', 0), ('erased', 0), ('purged', 0), ('last_put', 0),"
    " ('last_delivered', 0), ('floor', 1), ('handed', 0); COMMIT;";

/* Two devices in turn, a day for each so many; every event is its serial number. */
static const char many[] =
    "BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<%d)"
    " INSERT INTO event SELECT i, 'p', 5000+i, CAST(printf('{\"event_id\":\"%%d\",\"time\":"
    "\"2026-01-01T23:00:00-05:00\",\"local_time\":\"2026-03-%%02dT08:00:00\",\"device_id\":\"D%%"
    "d\","
    "\"serial_no\":%%d}', i, 1+i/%d, i%%2, i) AS BLOB) FROM n;"
    "INSERT INTO id SELECT CAST(printf('%%016d', seq) AS BLOB), seq FROM event;"
    "UPDATE meta SET value=(SELECT max(seq) FROM event) WHERE key='stored'; COMMIT";

static void make_version_1(int events, int a_day)
{
    char sql[1024];

    run_sql(store_name, version_1);
    snprintf(sql, sizeof sql, many, events, a_day);
    run_sql(store_name, sql);
}

static int add_day(void *arg, const struct day *d)
{
    int64_t *sums = arg;

    sums[0] += d->received;
    sums[1] += d->serials;
    sums[2] += d->in[STATE_WAITING];
    sums[3]++;
    if (d->device.p && d->serials > 0) /* of a thousand numbers every other one is its own */
        ck_assert_int_eq(d->last_serial - d->first_serial, 2 * (d->serials - 1));
    return 0;
}

START_TEST(version_1_comes_forward)
{
    int64_t sums[4] = {0};
    struct audit a = {.row = add_day, .arg = sums};
    struct store_stat s;

    make_version_1(3998, 1000);
    run_sql(store_name, "UPDATE meta SET value=value+2 WHERE key='stored';"
                        "INSERT INTO event VALUES(3999, NULL, 9, CAST('no event' AS BLOB));"
                        "INSERT INTO exception VALUES(3999, 2, NULL, NULL, 0, 0, 9, 'bad');"
                        "UPDATE meta SET value=1 WHERE key IN ('dead', 'erased');"
                        "INSERT INTO id VALUES(x'01', 3999), (x'02', 4000)");
    refused(STORE_READ, EX_CONFIG, "older ts-spool");
    open_as(STORE_PUT);
    open_as(STORE_READ);
    ck_assert_msg(store_audit(store, &a, &why) == 0, "%s", why.text);
    ck_assert_int_eq(sums[0], 4000); /* the erased one and the dead one are of no day */
    ck_assert_int_eq(sums[1], 3998);
    ck_assert_int_eq(sums[2], 3998);
    ck_assert_int_eq(sums[3], 1 + 2 * 4);
    s = stat_now();
    ck_assert_int_eq(s.stored, 4000);
    ck_assert_int_eq(s.first_put_ms, 5001);
    ck_assert_int_eq(s.duplicates, 4);
    ck_assert_int_eq(ask_sql(store_name, "SELECT count(*) FROM event WHERE day IS NULL"), 0);
    ck_assert_int_eq(
        ask_sql(store_name, "SELECT received FROM day WHERE device='D1' AND day='2026-03-02'"),
        500);
    ck_assert_int_eq(
        ask_sql(store_name, "SELECT last_put FROM day WHERE device='D1' AND day='2026-03-02'"),
        5000 + 1999);
}
END_TEST

/* Killed again and again, and opened by two at once. */
START_TEST(coming_forward_survives_kills)
{
    int64_t sums[4] = {0};
    struct audit a = {.row = add_day, .arg = sums};
    int kills = 0, status;

    make_version_1(60000, 2143);
    for (useconds_t us = 3000;; us *= 2) {
        pid_t first = fork(), second;

        if (first == 0)
            _exit(store_open(store_name, STORE_PUT, &why) ? 0 : 1);
        second = fork();
        if (second == 0)
            _exit(store_open(store_name, STORE_CHANGE, &why) ? 0 : 1);
        usleep(us);
        kill(first, SIGKILL);
        kill(second, SIGKILL);
        ck_assert_int_eq(waitpid(first, &status, 0), first);
        ck_assert_msg(!WIFEXITED(status) || WEXITSTATUS(status) == 0, "it failed");
        if (WIFSIGNALED(status))
            kills++;
        ck_assert_int_eq(waitpid(second, &status, 0), second);
        ck_assert_msg(!WIFEXITED(status) || WEXITSTATUS(status) == 0, "it failed");
        if (WIFEXITED(status))
            break;
    }
    ck_assert_int_gt(kills, 0);
    open_as(STORE_READ);
    ck_assert_msg(store_audit(store, &a, &why) == 0, "%s", why.text);
    ck_assert_int_eq(sums[0], 60000);
    ck_assert_int_eq(sums[1], 60000);
    ck_assert_int_eq(sums[3], 2 * 28);
    ck_assert_int_eq(ask_sql(store_name, "SELECT count(*) FROM event WHERE day IS NULL"), 0);
    ck_assert_int_eq(ask_sql(store_name, "SELECT count(*) FROM pragma_integrity_check"), 1);
}
END_TEST

/* ---- copies ---- */

static struct {
    char id[20];
    bool ambiguous;
    uint64_t token;
} got[64];
static int got_count;

static void keep(void *arg, const struct handed *h)
{
    (void)arg;
    snprintf(got[got_count].id, sizeof got->id, "%.*s", (int)h->line.n - 15, h->line.p + 13);
    got[got_count].token = h->token;
    got[got_count++].ambiguous = h->ambiguous;
}

/* Hands out and settles; the ids of what was handed out, the ambiguous marked. */
static const char *take(unsigned events, const struct settled *settled, size_t count)
{
    static char text[2048];
    struct exchange x = {.settled = settled,
        .count = count,
        .events = events,
        .bytes = 1 << 20,
        .now_ms = now,
        .give = keep};

    got_count = 0;
    text[0] = '\0';
    ck_assert_msg(store_exchange(store, &x, &why) == 0, "%s", why.text);
    for (int i = 0; i < got_count; i++)
        snprintf(text + strlen(text), 32, "%s%.19s%s", i > 0 ? " " : "", got[i].id,
            got[i].ambiguous ? "!" : "");
    return text;
}

static void open_copy(enum store_use use)
{
    store_close(store);
    store = store_open(name_of(".copy"), use, &why);
    ck_assert_msg(store != NULL, "%s", why.text);
}

static const char *counts(void)
{
    static char text[80];
    struct store_stat s = stat_now();

    snprintf(text, sizeof text, "%d %d %d %d %d", (int)s.in[0], (int)s.in[1], (int)s.in[2],
        (int)s.in[3], (int)s.in[4]);
    return text;
}

static void make_states(void)
{
    struct settled s[] = {{.outcome = OUTCOME_DELIVERED}, {.outcome = OUTCOME_HELD},
        {.outcome = OUTCOME_DEFERRED}, {.outcome = OUTCOME_DELIVERED}};

    open_as(STORE_FOLLOW);
    ck_assert_int_eq(store_drain_begin(store, now, &why), 0);
    put("delivered", NULL, STATE_WAITING);
    put("held", "p", STATE_WAITING);
    put("deferred", NULL, STATE_WAITING);
    put("delivered2", NULL, STATE_WAITING);
    put("out", NULL, STATE_WAITING);
    put("dead", NULL, STATE_DEAD);
    put("skipped", NULL, STATE_SKIPPED);
    ck_assert_str_eq(take(9, NULL, 0), "delivered held deferred delivered2 out");
    for (int i = 0; i < 4; i++)
        s[i].token = got[i].token;
    take(0, s, 4);
    put("behind", "p", STATE_WAITING);
    ck_assert_str_eq(take(9, NULL, 0), "");
    put("fresh", NULL, STATE_WAITING);
    ck_assert_str_eq(counts(), "4 1 1 1 2");
}

START_TEST(a_copy_holds_all)
{
    struct stat st;
    int64_t value;
    struct settled s = {.outcome = OUTCOME_DELIVERED};

    make_states();
    ck_assert_int_eq(store_note_set(store, "n", 5, &why), 0);
    ck_assert_msg(store_backup(store, name_of(".copy"), &why) == 0, "%s", why.text);
    ck_assert_int_eq(stat(name_of(".copy"), &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    put("later", NULL, STATE_WAITING); /* the store is as it was */
    ck_assert_str_eq(take(9, NULL, 0), "fresh later");
    open_copy(STORE_READ);
    ck_assert_str_eq(counts(), "4 1 1 1 2");
    ck_assert_int_eq(store_note_get(store, "n", &value, &why), 0);
    ck_assert_int_eq(value, 5);
    open_copy(STORE_FOLLOW);
    ck_assert_int_eq(store_drain_begin(store, now, &why), 0);
    put("dead", NULL, STATE_WAITING); /* ids are known */
    put("new", NULL, STATE_WAITING);
    ck_assert_int_eq(stat_now().duplicates, 1);
    ck_assert_str_eq(take(2, NULL, 0), "deferred! out!");
    ck_assert_str_eq(take(20, NULL, 0), "fresh! held! new");
    s.token = got[1].token;
    ck_assert_str_eq(take(9, &s, 1), "behind!");
    ck_assert_int_eq(ask_sql(name_of(".copy"), "SELECT count(*) FROM pragma_integrity_check"), 1);
}
END_TEST

static int ambiguous_row(void *arg, const struct row *row)
{
    *(int *)arg += row->ambiguous;
    return 0;
}

/* Also what nobody had begun with: it has arrived since, maybe. */
START_TEST(a_copy_holds_no_fresh_event)
{
    int marked = 0;
    struct page page = {.states = STATES_ALL, .row = ambiguous_row, .arg = &marked};
    struct settled s = {.outcome = OUTCOME_HELD};

    open_as(STORE_PUT);
    put("a", "p", STATE_WAITING);
    put("b", "p", STATE_WAITING);
    put("c", NULL, STATE_WAITING);
    ck_assert_msg(store_backup(store, name_of(".copy"), &why) == 0, "%s", why.text);
    open_copy(STORE_FOLLOW);
    put("new", "p", STATE_WAITING);
    ck_assert_int_eq(store_page(store, &page, &why), 0);
    ck_assert_int_eq(marked, 3);
    ck_assert_int_eq(store_drain_begin(store, now, &why), 0);
    ck_assert_str_eq(take(1, NULL, 0), "a!");
    s.token = got[0].token;
    ck_assert_str_eq(take(9, &s, 1), "c!"); /* b gets a row of its own: it is behind a */
    open_copy(STORE_FOLLOW);
    ck_assert_int_eq(store_drain_begin(store, now, &why), 0);
    ck_assert_str_eq(take(9, NULL, 0), "c! a!");
    s = (struct settled){.token = got[1].token, .outcome = OUTCOME_DELIVERED};
    ck_assert_str_eq(take(9, &s, 1), "b! new");
}
END_TEST

START_TEST(a_copy_replaces_nothing)
{
    char name[300];
    struct stat st;

    open_as(STORE_PUT);
    put("a", NULL, STATE_WAITING);
    write_file(name_of(".copy"), "x", 1);
    ck_assert_int_eq(store_backup(store, name_of(".copy"), &why), -1);
    ck_assert_int_eq(why.status, EX_CANTCREAT);
    ck_assert_int_eq(stat(name_of(".copy"), &st), 0);
    ck_assert_int_eq(st.st_size, 1);
    ck_assert_int_eq(store_backup(store, store_name, &why), -1);
    snprintf(name, sizeof name, "%.200s/none/copy", store_folder);
    ck_assert_int_eq(store_backup(store, name, &why), -1);
    ck_assert_int_eq(why.status, EX_CANTCREAT);
    put("b", NULL, STATE_WAITING);
}
END_TEST

/* Others put, settle and change without a pause: it comes to its end, and no event that is in it
   and was not final has become delivered by the way. */
START_TEST(a_copy_ends_under_writes)
{
    pid_t child;
    int status;

    open_as(STORE_PUT);
    put_batch(0, 3000, STATE_WAITING);
    put_batch(3000, 20000, STATE_HELD); /* many rows, above those that the writer works on */
    child = fork();
    if (child == 0) {
        store = store_open(store_name, STORE_FOLLOW, &why);
        store_drain_begin(store, now, &why);
        for (int i = 23000;; i++) {
            struct settled s[4];
            struct action retry = {.states = STATES_ALL, .who = "me", .what = "retry"};

            put_many(i, 1);
            take(4, NULL, 0);
            for (int n = 0; n < got_count; n++)
                s[n] = (struct settled){.token = got[n].token,
                    .outcome = (i + n) % 5 == 0 ? OUTCOME_HELD : OUTCOME_REJECTED};
            take(0, s, (size_t)got_count);
            store_change(store, &retry, (uint64_t[]){1 + (uint64_t)i % 3000}, 1, now, &why);
        }
    }
    while (stat_now().stored < 23020)
        usleep(1000);
    ck_assert_msg(store_backup(store, name_of(".copy"), &why) == 0, "%s", why.text);
    kill(child, SIGKILL);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status), "the writer failed");
    open_copy(STORE_READ);
    ck_assert_int_ge(stat_now().stored, 23020);
    ck_assert_int_eq(stat_now().in[STATE_DELIVERED], 0);
    ck_assert_int_eq(ask_sql(name_of(".copy"), "SELECT count(*) FROM event"), stat_now().stored);
    ck_assert_int_eq(ask_sql(name_of(".copy"), "SELECT count(*) FROM id"), stat_now().stored);
    ck_assert_int_eq(ask_sql(name_of(".copy"), "SELECT sum(received) FROM day"), stat_now().stored);
    ck_assert_int_eq(ask_sql(name_of(".copy"), "SELECT count(*) FROM pragma_integrity_check"), 1);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, the_file_is_private);
    tcase_add_test(tc, one_drain_a_store);
    tcase_add_test(tc, a_full_store_refuses_and_keeps);
    tcase_add_test(tc, a_refused_put_leaves_no_count);
    tcase_add_loop_test(tc, a_text_is_refused, 0, 3);
    tcase_add_test(tc, a_folder_is_refused);
    tcase_add_test(tc, a_foreign_database_is_refused);
    tcase_add_test(tc, a_newer_store_is_refused);
    tcase_add_loop_test(tc, a_cut_file_is_refused, 0, 4);
    tcase_add_test(tc, an_emptied_store_is_refused);
    tcase_add_test(tc, its_own_journal_is_played_back);
    tcase_add_loop_test(tc, a_foreign_journal_is_refused, 0, 2);
    tcase_add_test(tc, version_1_comes_forward);
    tcase_add_test(tc, coming_forward_survives_kills);
    tcase_add_test(tc, a_copy_holds_all);
    tcase_add_test(tc, a_copy_holds_no_fresh_event);
    tcase_add_test(tc, a_copy_replaces_nothing);
    tcase_add_test(tc, a_copy_ends_under_writes);
}

UNIT_MAIN("sqlite", add_tests)
