/* SPDX-License-Identifier: MIT */
/* Selections: states are chosen by the store, the rest by looking at the event. */
#include "select.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "line.h"

static void add_id(struct selection *s, struct slice text)
{
    struct identity *id;

    s->ids = mem_resize(s->ids, (s->id_count + 1) * sizeof *s->ids);
    id = &s->ids[s->id_count++];
    /* As at put: an id of another form is told by its hash. */
    if (!identity_parse(text, id))
        identity_of_bytes(id, text, NULL);
}

/* A line of --ids: an event, or what speaks of one by its event_id; or an id alone. */
static int add_line(
    struct selection *s, struct event_reader *parser, struct slice line, struct fault *why)
{
    struct slice text = slice_trim(line);
    struct event e;

    if (text.n > 0 && text.p[0] == '{') {
        if (event_read(parser, text, &e, why) < 0)
            return -1;
        text = event_str(&e, EV_EVENT_ID);
    }
    if (text.n == 0)
        return fault_set(why, EX_DATAERR, "no event_id");
    add_id(s, text);
    return 0;
}

static int read_ids(struct selection *s, int fd, const char *path, struct fault *why)
{
    struct line_reader *reader = line_reader_new(fd, LINE_MAX_BYTES);
    struct event_reader *parser = event_reader_new();
    struct slice line;
    struct fault what;
    enum line kind;
    int rc = 0;

    while (rc == 0 && (kind = line_next(reader, &line, why)) != LINE_END) {
        if (kind == LINE_ERROR)
            rc = -1;
        else if (kind == LINE_LONG || add_line(s, parser, line, &what) < 0)
            rc = fault_set(why, EX_DATAERR, "--ids %s: line %" PRIu64 ": %s; nothing was done",
                path, line_number(reader), kind == LINE_LONG ? "too long" : what.text);
    }
    event_reader_free(parser);
    line_reader_free(reader);
    return rc;
}

/* All of it before anything is done: the list may come from the same store. */
static int add_ids(struct selection *s, const char *path, struct fault *why)
{
    bool input = strcmp(path, "-") == 0;
    int fd = input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), rc;

    if (fd < 0)
        return fault_errno(why, EX_NOINPUT, "--ids %s: cannot open", path);
    rc = read_ids(s, fd, path, why);
    if (!input)
        close(fd);
    return rc;
}

int select_option(struct selection *s, const struct option_value *v, struct fault *why)
{
    struct slice text = slice_of(v->arg);

    switch (v->code) {
    case SELECT_WAITING:
    case SELECT_HELD:
    case SELECT_DEAD:
    case SELECT_SKIPPED:
    case SELECT_DELIVERED:
        s->states |= STATE_BIT(v->code - SELECT_WAITING);
        return 1;
    case SELECT_SINCE:
        return when_parse("since", v->arg, &s->since, why) < 0 ? -1 : 1;
    case SELECT_UNTIL:
        if (when_parse("until", v->arg, &s->until, why) < 0)
            return -1;
        if (s->until.time.whole_bytes == 0) /* a date stands for its whole day, as in ts-read */
            s->until.time.local_s += 86400;
        return 1;
    case SELECT_DEVICE:
        s->device = text;
        return 1;
    case SELECT_PERSON:
        s->person = text;
        return 1;
    case SELECT_ID:
        s->by_id = true;
        add_id(s, text);
        return 1;
    case SELECT_IDS:
        s->by_id = true;
        return add_ids(s, v->arg, why) < 0 ? -1 : 1;
    default:
        return 0;
    }
}

bool select_narrow(const struct selection *s)
{
    return s->since.set || s->until.set || s->device.p || s->person.p || s->by_id;
}

static bool is_person(const struct selection *s, const struct event *e)
{
    static const enum event_field fields[] = {EV_EMPLOYEE_ID, EV_PERSON_ID, EV_CARD_NO};

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (slice_eq(event_str(e, fields[i]), s->person))
            return true;
    return false;
}

bool select_match(const struct selection *s, const struct event *e)
{
    if (s->since.set && when_before(e, &s->since))
        return false;
    if (s->until.set && !when_before(e, &s->until))
        return false;
    if (s->device.p && !slice_eq(event_str(e, EV_DEVICE_ID), s->device))
        return false;
    return !s->person.p || is_person(s, e);
}

unsigned select_states(const struct selection *s)
{
    return s->states ? s->states : STATES_ALL;
}

size_t select_pages(const struct selection *s)
{
    return s->by_id ? s->id_count : 1;
}

struct page select_page(const struct selection *s, size_t n)
{
    return (struct page){.states = select_states(s), .id = s->by_id ? &s->ids[n] : NULL};
}
