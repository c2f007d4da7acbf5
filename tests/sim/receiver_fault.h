/* SPDX-License-Identifier: MIT */
/* The fault schedule of the test receiver. A rule is a line of words: a window (all of its words
 * must hold) and an act.
 *
 *   request 10..20       requests by number from 1; also `10` and `10..`
 *   event 5000..9999     while that many distinct events (plus one) are stored
 *   time 0..2.5          seconds since the start
 *   nth 7                each request whose number divides by 7
 *   for 3                so many seconds from the first moment that the window is open, then never
 *   every 97             requests with an event whose id's hash divides by 97: the same events on
 *                        every try, alone or in an array
 *   person 17 · id UUID  requests with an event of that person, with that id
 *
 *   status 503 [retry-after 2 | retry-date 2] [stored]
 *   close-early          close as soon as a request begins, reading nothing
 *   close [stored]       read all, close without an answer
 *   half [stored]        answer half a status line, then close
 *   slow 200             wait so many milliseconds, then go on with the other rules
 *   down                 no listening socket and no connection (with `time` or `for`)
 *
 * The first rule that matches acts. Example: `every 97 status 422`, `time 0..5 down`. */
#ifndef RECEIVER_FAULT_H
#define RECEIVER_FAULT_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum act { ACT_NONE, ACT_STATUS, ACT_CLOSE_EARLY, ACT_CLOSE, ACT_HALF, ACT_SLOW, ACT_DOWN };

struct range {
    double from, to; /* both included */
    bool set;
};

struct rule {
    struct range request, event, time_s;
    unsigned nth, every;
    char *person, *id;
    enum act act;
    int status;
    double slow_ms, retry_s, for_s;
    double until_s; /* end of `for`; 0: the window has not opened yet */
    bool retry_date, stored;
};

struct schedule {
    struct rule *rules;
    size_t count;
    bool has_early, has_down;
};

/* The moment that a request-level window is compared with. */
struct moment {
    uint64_t request, event; /* number of this request; of the next event to be stored */
    double time_s;
};

static bool rule_number(const char *text, double *to)
{
    char *end;

    *to = strtod(text, &end);
    return end != text && (!*end || !strcmp(end, "s") || !strcmp(end, "ms"));
}

static bool rule_range(const char *text, struct range *r)
{
    const char *dots = strstr(text, "..");
    char first[32] = "";

    r->set = true;
    r->from = 0;
    r->to = INFINITY;
    if (!dots) {
        r->to = 0;
        return rule_number(text, &r->from) && (r->to = r->from, true);
    }
    if ((size_t)(dots - text) >= sizeof(first))
        return false;
    memcpy(first, text, (size_t)(dots - text));
    return (!*first || rule_number(first, &r->from)) && (!dots[2] || rule_number(dots + 2, &r->to));
}

static bool rule_count(const char *text, unsigned *to)
{
    double n;

    if (!rule_number(text, &n) || n < 1 || n > 1e9)
        return false;
    *to = (unsigned)n;
    return true;
}

/* Takes one word and, where the word wants one, its argument. Returns the words taken, 0: wrong. */
static int rule_word(struct rule *r, const char *word, const char *arg)
{
    static const struct {
        const char *name;
        enum act act;
    } acts[] = {{"close", ACT_CLOSE}, {"close-early", ACT_CLOSE_EARLY}, {"half", ACT_HALF},
        {"down", ACT_DOWN}};
    double n = 0;

    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
        if (!strcmp(word, acts[i].name))
            return r->act = acts[i].act, 1;
    if (!strcmp(word, "stored"))
        return r->stored = true, 1;
    if (!arg)
        return 0;
    if (!strcmp(word, "request"))
        return rule_range(arg, &r->request) ? 2 : 0;
    if (!strcmp(word, "event"))
        return rule_range(arg, &r->event) ? 2 : 0;
    if (!strcmp(word, "time"))
        return rule_range(arg, &r->time_s) ? 2 : 0;
    if (!strcmp(word, "nth"))
        return rule_count(arg, &r->nth) ? 2 : 0;
    if (!strcmp(word, "every"))
        return rule_count(arg, &r->every) ? 2 : 0;
    if (!strcmp(word, "person"))
        return (r->person = strdup(arg)) ? 2 : 0;
    if (!strcmp(word, "id"))
        return (r->id = strdup(arg)) ? 2 : 0;
    if (!rule_number(arg, &n))
        return 0;
    if (!strcmp(word, "status"))
        return r->act = ACT_STATUS, r->status = (int)n, n >= 200 && n <= 599 ? 2 : 0;
    if (!strcmp(word, "slow"))
        return r->act = ACT_SLOW, r->slow_ms = n, 2;
    if (!strcmp(word, "for"))
        return r->for_s = n, 2;
    r->retry_date = !strcmp(word, "retry-date");
    r->retry_s = n;
    return r->retry_date || !strcmp(word, "retry-after") ? 2 : 0;
}

/* Adds the rule in `text`. Returns 0, or -1 after a message. */
static int schedule_add(struct schedule *s, const char *text)
{
    struct rule r = {.retry_s = -1};
    char *copy = strdup(text), *save = NULL, *word = strtok_r(copy, " \t", &save), *arg;
    int taken = 1, rc = -1;

    while (word && taken) {
        arg = strtok_r(NULL, " \t", &save);
        taken = rule_word(&r, word, arg);
        word = taken == 2 ? strtok_r(NULL, " \t", &save) : arg;
    }
    if (!taken || r.act == ACT_NONE) {
        fprintf(stderr, "receiver: fault not understood: %s\n", text);
        goto out;
    }
    s->rules = realloc(s->rules, (s->count + 1) * sizeof(r));
    if (!s->rules)
        abort();
    s->rules[s->count++] = r;
    s->has_early |= r.act == ACT_CLOSE_EARLY;
    s->has_down |= r.act == ACT_DOWN;
    rc = 0;
out:
    free(copy);
    return rc;
}

/* Adds each line of a file; `#` begins a comment. */
static int schedule_read(struct schedule *s, const char *path)
{
    FILE *f = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    int rc = f ? 0 : -1;

    if (!f)
        perror(path);
    while (f && rc == 0 && getline(&line, &room, f) > 0) {
        line[strcspn(line, "#\n")] = '\0';
        if (line[strspn(line, " \t")])
            rc = schedule_add(s, line);
    }
    free(line);
    if (f)
        fclose(f);
    return rc;
}

static bool range_holds(const struct range *r, double value)
{
    return !r->set || (value >= r->from && value <= r->to);
}

static bool rule_window(const struct rule *r, const struct moment *now)
{
    return range_holds(&r->request, (double)now->request) &&
           range_holds(&r->event, (double)now->event) && range_holds(&r->time_s, now->time_s);
}

static bool rule_open(struct rule *r, const struct moment *now)
{
    bool open = rule_window(r, now);

    if (r->for_s > 0) {
        if (r->until_s <= 0 && open)
            r->until_s = now->time_s + r->for_s;
        open = now->time_s < r->until_s;
    }
    return open && (!r->nth || now->request % r->nth == 0);
}

/* Does the rule look at the events themselves? */
static bool rule_selects(const struct rule *r)
{
    return r->every || r->person || r->id;
}

static bool rule_event(const struct rule *r, uint64_t hash, const char *id, const char *person)
{
    return (!r->every || hash % r->every == 0) && (!r->id || !strcmp(r->id, id)) &&
           (!r->person || !strcmp(r->person, person));
}

#endif
