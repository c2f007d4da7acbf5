/* SPDX-License-Identifier: MIT */
/*
 * Step: who it is to the HR system.  Where there is a roster, it alone says so: what it said of
 * yesterday's is replaced, and somebody whom it does not know (any more) has no employee_id.
 */
#include "enrich.h"

/* By the device's wall clock, which is what people go by, with the corrections of the site file. */
static int32_t day_of(const struct event *e, const struct context *c)
{
    struct clock_time t = c->moment.known ? c->moment.wall : c->clock;
    struct slice time = event_str(e, EV_TIME);

    if (!c->moment.known && !c->has_clock && !(time.p && clock_parse(time, &t)))
        return ROSTER_NO_DAY;
    return clock_day(t.local_s);
}

static enum roster_answer ask(const struct event *e, const struct context *c,
    struct slice person_id, struct slice card_no, struct person *person)
{
    struct roster_at at = {c->device_id, day_of(e, c)};
    enum roster_answer answer = ROSTER_UNKNOWN;

    if (person_id.n > 0)
        answer = roster_find(c->roster, ROSTER_PERSON, person_id, at, person);
    if (answer == ROSTER_UNKNOWN && card_no.n > 0)
        answer = roster_find(c->roster, ROSTER_CARD, card_no, at, person);
    return answer;
}

static void put_json(
    const struct event *e, struct draft *d, enum event_field field, struct slice json)
{
    if (json.p)
        draft_json(d, field, json);
    else
        put_nothing(e, d, field);
}

static bool is_taken(const struct context *c, struct slice name)
{
    return names_have(&c->settings.redact, name) || names_have(&c->settings.drop, name);
}

/* Whether an earlier run took away, or hid, what the roster may have known the person by: then what
   was found that time stays. */
static bool is_hidden(const struct context *c, struct slice person_id, struct slice card_no)
{
    return pseudonym_is(person_id) || pseudonym_is(card_no) ||
           (person_id.n == 0 && is_taken(c, SLICE("person_id"))) ||
           (card_no.n == 0 && is_taken(c, SLICE("card_no")));
}

void step_person(const struct event *e, struct context *c, struct draft *d)
{
    struct slice person_id = slice_trim(event_str(e, EV_PERSON_ID));
    struct slice card_no = slice_trim(c->card);
    struct person person = {0};
    enum roster_answer answer = ROSTER_UNKNOWN;
    bool known, stays;

    if (person_id.n == 0 && card_no.n == 0)
        return;
    if (c->roster)
        answer = ask(e, c, person_id, card_no, &person);
    stays = !c->roster || (answer == ROSTER_UNKNOWN && event_has(e, EV_EMPLOYEE_ID) &&
                              is_hidden(c, person_id, card_no));
    if (!stays) {
        put_json(e, d, EV_EMPLOYEE_ID, person.employee);
        put_json(e, d, EV_HR, person.hr);
    }
    known = stays ? event_str(e, EV_EMPLOYEE_ID).n > 0 : answer == ROSTER_FOUND;
    if (c->hold != HOLD_NONE)
        return;
    c->claimed += answer == ROSTER_CLAIMED;
    if (answer == ROSTER_CLAIMED)
        c->hold = HOLD_CLAIMED;
    else if (!known && (c->settings.require_employee || c->site->require_employee))
        c->hold = HOLD_UNMAPPED;
}
