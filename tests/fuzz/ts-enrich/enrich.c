/* SPDX-License-Identifier: MIT */
/*
 * Any line, with a site, a roster and --redact or without, and with pseudonyms: one event comes
 * out, with an id; going through once more changes nothing; ack and event_id stay what they were.
 */
#include "enrich.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char site_text[] =
    "{\"zone\":\"America/New_York\",\"card\":\"last 24\",\"roster_card\":\"pair\","
    "\"require_employee\":true,\"max_skew_s\":5,"
    "\"punch\":{\"break_out\":null},\"devices\":{\"G\":{\"aliases\":[\"a\",\"1\"],"
    "\"zone\":\"Europe/Berlin\",\"punch\":{\"check_in\":\"out\"},\"readers\":{\"1\":\"in\","
    "\"2\":{\"card\":\"hex reverse 32\"}},\"card\":\"hex h10301\"},"
    "\"T\":{\"direction\":\"alternate\",\"repeat_window_s\":60,\"ghost_hour\":true},"
    "\"H\":{\"direction\":\"out\",\"utc_offset\":\"ignore\",\"zone\":[{\"zone\":\"UTC\"},"
    "{\"from\":\"2026-10-25T02:30\",\"zone\":\"Europe/"
    "Berlin\"}],\"clock\":[{\"until\":\"1980-01-01\","
    "\"add_s\":1704103200},{\"from\":\"2026-01-07\",\"until\":\"2026-05-01\",\"add_s\":-3600},"
    "{\"from\":\"2040-01-01\",\"add_s\":-9000000000}]}}}";
static const char roster_text[] =
    "person_id,card_no,employee_id,name,person_id@H,valid_from,valid_until\n"
    "1,\"100;0,7\",E1,\"A "
    "\"\"B\"\"\",9,,\n2,,E2,,1,2020-01-01,2026-01-07\n3,,E3,x,,,\n3,,E4,y,,2026-01-01,\n";

static void check(bool fine)
{
    if (!fine)
        abort();
}

static void silent(const char *text)
{
    (void)text;
}

/* A file without a name, under a path that can be opened. */
static const char *file_of(const char *text, size_t n)
{
    static char path[64];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    check(fd >= 0 && write(fd, text, n) == (ssize_t)n);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

enum way_through { WHOLE, REDACTED, HIDDEN, WAYS };

static struct context *context_new(enum way_through way)
{
    struct context *c = mem_alloc(sizeof *c);
    struct site *site = site_new();
    struct fault why;

    context_init(c);
    c->state = state_new();
    if (way != REDACTED) {
        site_free(site);
        site = site_load(file_of(site_text, sizeof site_text - 1), silent, &why);
        check(site != NULL);
        c->settings.device = SLICE("a");
    } else {
        check(names_add(&c->settings.redact, "redact", "name,card_no,x", &why) == 0);
    }
    if (way == HIDDEN)
        c->settings.pseudonyms = hash_of(hash_public());
    context_use(c, site,
        roster_load(
            file_of(roster_text, sizeof roster_text - 1), site, &c->settings.redact, silent, &why));
    check(c->roster != NULL);
    return c;
}

/* With pseudonyms: no field that may tell of the person has anything else. */
static void check_hidden(const struct event *e)
{
    static const enum event_field ids[] = {EV_PERSON_ID, EV_CARD_NO, EV_CARD_READ, EV_EMPLOYEE_ID};

    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct slice id = event_str(e, ids[i]);

        check(slice_trim(id).n == 0 || pseudonym_is(id));
    }
    check(!event_has(e, EV_RAW) && !event_has(e, EV_RAW_BASE64) && !event_has(e, EV_HR));
    check(!event_has(e, EV_SNAPSHOT) || yyjson_is_null(e->field[EV_SNAPSHOT]));
    for (unsigned i = 0; i < e->count; i++)
        check(e->member[i].field < EVENT_FIELDS);
}

static void check_line(struct context *c, struct slice line)
{
    static struct event_reader *reader;
    struct buf first = {0}, second = {0};
    struct event e, before;
    struct fault why;

    if (!reader)
        reader = event_reader_new();
    enrich_line(c, line, NULL, &first);
    check(first.len > 0 && first.data[first.len - 1] == '\n' &&
          memchr(first.data, '\n', first.len) == first.data + first.len - 1);
    first.len--;
    enrich_line(c, buf_all(&first), NULL, &second);
    second.len--;
    check(slice_eq(buf_all(&first), buf_all(&second)));
    check(event_read(c->hr_reader, buf_all(&first), &e, &why) == 0);
    check(event_str(&e, EV_EVENT_ID).n > 0);
    if (c->settings.pseudonyms)
        check_hidden(&e);
    if (event_read(reader, line, &before, &why) == 0) {
        check(slice_eq(event_json(&before, EV_ACK), event_json(&e, EV_ACK)));
        if (event_str(&before, EV_EVENT_ID).n > 0)
            check(slice_eq(event_json(&before, EV_EVENT_ID), event_json(&e, EV_EVENT_ID)));
    }
    buf_free(&first);
    buf_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct context *context[WAYS];

    if (memchr(data, '\n', size))
        return 0; /* no line */
    for (int i = 0; i < WAYS; i++) {
        if (!context[i])
            context[i] = context_new((enum way_through)i);
        check_line(context[i], (struct slice){(const char *)data, size});
    }
    return 0;
}
