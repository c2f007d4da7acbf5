/* SPDX-License-Identifier: MIT */
/*
 * Step: whose turn it is to go out, what is a repeat, and who was let in but did not walk through.
 * Only what was granted is a passage, with a person, a time and an event_id; everything else takes
 * no part.  What an event has already stays, and is learned from.
 *
 * People are kept by employee_id, so that one person is one on all devices, whatever they show
 * there; somebody who is not in the roster by person_id, else card_no.  When they come into the
 * roster, what was kept of them becomes the employee's.
 */
#include "enrich.h"

/* Records that take back a passage: the device opened for somebody who did not walk through. */
static const struct {
    struct slice source, code;
} takers[] = {
    {{"hikvision", 9}, {"5/137", 5}},
};

static bool is_taker_source(struct slice source)
{
    for (size_t i = 0; i < sizeof takers / sizeof *takers; i++)
        if (slice_eq(takers[i].source, source))
            return true;
    return false;
}

static bool is_taker(struct slice source, struct slice code)
{
    for (size_t i = 0; i < sizeof takers / sizeof *takers; i++)
        if (slice_eq(takers[i].source, source) && slice_eq(takers[i].code, code))
            return true;
    return false;
}

/* ---- whose, where, when ---- */

/* What the step works with; the mark's time is known. */
struct moment_of {
    int64_t local_s; /* the device's wall clock */
    uint32_t time_s;
};

static bool when(const struct event *e, const struct context *c, struct moment_of *m)
{
    struct clock_time t;
    int64_t time_s;

    if (c->clock_unset)
        return false;
    if (c->moment.known)
        m->local_s = c->moment.wall.local_s;
    else if (clock_parse(event_str(e, EV_TIME), &t))
        m->local_s = t.local_s;
    else
        return false;
    time_s = c->resolved ? c->instant_ms / 1000 : m->local_s;
    m->time_s = (uint32_t)time_s;
    return time_s >= 0 && time_s <= UINT32_MAX;
}

static struct slice employee_of(const struct event *e, const struct draft *d)
{
    struct slice json = d->value[EV_EMPLOYEE_ID];

    if (d->set & EVENT_BIT(EV_EMPLOYEE_ID))
        return d->json & EVENT_BIT(EV_EMPLOYEE_ID) ? (struct slice){json.p + 1, json.n - 2} : json;
    return d->gone & EVENT_BIT(EV_EMPLOYEE_ID) ? SLICE_NONE : event_str(e, EV_EMPLOYEE_ID);
}

/* The person as the device knows them; 0: nobody. */
static uint64_t plain_key(const struct event *e, const struct context *c)
{
    struct slice person = slice_trim(event_str(e, EV_PERSON_ID));
    struct slice card = slice_trim(c->card);

    if (person.n > 0)
        return state_key(c->state, 'p', person, SLICE_NONE);
    return card.n > 0 ? state_key(c->state, 'c', card, SLICE_NONE) : 0;
}

static uint64_t employee_key(const struct context *c, struct slice employee)
{
    uint64_t key = ahead_key(&c->ahead, employee);

    return key ? key : state_key(c->state, 'e', employee, SLICE_NONE);
}

/* The person's trail; NULL: nobody. */
static struct trail *trail_of(const struct event *e, const struct context *c, const struct draft *d)
{
    struct slice employee = employee_of(e, d);
    uint64_t key = employee.n > 0 ? employee_key(c, employee) : 0, plain;
    struct trail *trail = key ? state_find(c->state, key) : NULL;

    if (trail)
        return state_use(c->state, trail);
    plain = plain_key(e, c);
    if (!key && !plain)
        return NULL;
    return key ? state_trail(c->state, key, plain) : state_trail(c->state, plain, 0);
}

/* Most events come in runs of one place. */
static uint64_t place_key(const struct event *e, struct context *c)
{
    struct slice device = c->device_id, reader = event_str(e, EV_READER);
    size_t n = device.n + 1 + reader.n;
    char place[sizeof c->place];

    if (n > sizeof place)
        return state_key(c->state, 'l', device, reader);
    if (device.n > 0)
        memcpy(place, device.p, device.n);
    place[device.n] = 0x1f;
    if (reader.n > 0)
        memcpy(place + device.n + 1, reader.p, reader.n);
    if (n != c->place_bytes || memcmp(place, c->place, n) != 0) {
        memcpy(c->place, place, n);
        c->place_bytes = n;
        c->place_key = state_key(c->state, 'l', device, reader);
    }
    return c->place_key;
}

/* ---- passages ---- */

static int64_t day_of(int64_t local_s, const struct context *c)
{
    int own = c->device ? c->device->passage.day_starts_min : -1;
    int64_t s = local_s - 60 * (own >= 0 ? own : c->site->passage.day_starts_min);

    return s >= 0 ? s / 86400 : -1;
}

static uint32_t window_of(const struct context *c)
{
    int own = c->device ? c->device->passage.window_s : -1;

    if (own >= 0)
        return (uint32_t)own;
    return (uint32_t)(c->settings.window_s >= 0 ? c->settings.window_s : c->site->passage.window_s);
}

/* By what a ghost is known; not looked at for others. */
static void read_ghost(const struct event *e, const struct context *c, struct passage *p)
{
    struct slice serial = event_json(e, EV_SERIAL_NO);

    p->ghost = true;
    for (size_t i = 0; i < serial.n && serial.p[i] >= '0' && serial.p[i] <= '9'; i++)
        p->mark.serial = p->mark.serial * 10 + (uint32_t)(serial.p[i] - '0');
    if (c->has_received)
        p->mark.received = (uint8_t)(1 + (uint64_t)(c->received_ms / 1000) % 255);
}

static void read_passage(const struct event *e, const struct context *c, const struct moment_of *m,
    uint64_t place, struct passage *p)
{
    *p = (struct passage){
        .mark = {.time_s = m->time_s, .place = (uint32_t)place},
        .way = c->way,
        .day = (uint32_t)day_of(m->local_s, c),
        .window_s = window_of(c),
        .alternate = c->alternate,
    };
    memcpy(p->mark.id, c->identity.octets, sizeof p->mark.id);
    if (c->device && c->device->passage.ghost_hour)
        read_ghost(e, c, p);
}

static void put_id(const struct event *e, struct draft *d, enum event_field field,
    const unsigned char id[16], char text[IDENTITY_TEXT + 2])
{
    struct identity identity;

    memcpy(identity.octets, id, sizeof identity.octets);
    identity_print(&identity, text + 1);
    text[0] = text[IDENTITY_TEXT] = '"';
    put_quoted(e, d, field, (struct slice){text, IDENTITY_TEXT + 1});
}

static void put_answer(
    const struct event *e, struct context *c, struct draft *d, const struct passage_answer *answer)
{
    /* What a repeat takes over from its first at a place without turns came by the first's key. */
    if (c->way == WAY_UNSAID && (answer->way == WAY_IN || answer->way == WAY_OUT))
        put_way(e, d, answer->way, c->alternate ? SLICE("\"alternate\"") : SLICE("\"punch\""));
    if (!answer->repeat)
        return;
    put_id(e, d, EV_DUPLICATE_OF, answer->other, c->other_id);
    if (answer->ghost && !c->note.p) {
        c->note = SLICE("ghost_hour");
        PUT(e, d, EV_TIME_NOTE, "ghost_hour");
    }
}

/* The lane remembers who went, for a record that takes it back without naming anybody. */
static void note_lane(struct context *c, uint64_t lane, const struct passage *p,
    const struct trail *person, uint64_t plain)
{
    struct mark m = p->mark;

    m.place = (uint32_t)plain;
    m.serial = person ? state_number(c->state, person) : UINT32_MAX;
    trail_note(state_trail(c->state, lane, 0), &m);
}

static void pass(const struct event *e, struct context *c, struct draft *d, bool lanes)
{
    uint64_t place = place_key(e, c);
    struct passage_answer answer = {.way = WAY_UNSAID};
    struct trail *trail = NULL;
    struct moment_of m;
    struct passage p;

    if (!slice_is(event_str(e, EV_KIND), "granted") || event_has(e, EV_DUPLICATE_OF) ||
        !when(e, c, &m))
        return;
    read_passage(e, c, &m, place, &p);
    if (counts_passages(c) && (trail = trail_of(e, c, d))) {
        state_pass(c->state, trail, &p, &answer);
        put_answer(e, c, d, &answer);
    }
    if (lanes && !answer.repeat)
        note_lane(c, place, &p, trail, plain_key(e, c));
}

/* ---- passages that did not take place ---- */

/* The passage that the record takes back; false: none. */
static bool find_taken(
    const struct event *e, struct context *c, const struct moment_of *m, unsigned char id[16])
{
    int own = c->device ? c->device->passage.passing_time_s : -1;
    struct trail *lane = state_find(c->state, place_key(e, c)), *person;
    const struct mark *gone;

    if (!lane)
        return false;
    gone = trail_find(lane, (uint32_t)plain_key(e, c), m->time_s,
        (uint32_t)(own >= 0 ? own : c->site->passage.passing_time_s));
    if (!gone)
        return false;
    memcpy(id, gone->id, sizeof gone->id);
    person = state_at(c->state, gone->serial);
    /* The lane after the person, and the memo last: a process that is killed between two of them
       finds the same once more. */
    if (person)
        trail_cancel(person, id, m->time_s);
    trail_cancel(lane, id, m->time_s);
    state_remember(c->state, c->identity.octets, id);
    return true;
}

static void take_back(const struct event *e, struct context *c, struct draft *d)
{
    unsigned char id[16];
    struct moment_of m;

    if (!when(e, c, &m))
        return;
    if (!state_recall(c->state, c->identity.octets, id) && !find_taken(e, c, &m, id))
        return;
    if (!event_has(e, EV_CANCELS))
        put_id(e, d, EV_CANCELS, id, c->other_id);
}

static bool has_id(const struct event *e, struct context *c)
{
    struct slice own = event_str(e, EV_EVENT_ID);

    return own.n == 0 || identity_parse(own, &c->identity);
}

void step_passage(const struct event *e, struct context *c, struct draft *d)
{
    struct slice source = event_str(e, EV_SOURCE);
    bool lanes = is_taker_source(source);

    if (!c->state || !(lanes || counts_passages(c)) || !has_id(e, c))
        return;
    if (lanes && is_taker(source, event_str(e, EV_CODE)))
        take_back(e, c, d);
    else
        pass(e, c, d, lanes);
}
