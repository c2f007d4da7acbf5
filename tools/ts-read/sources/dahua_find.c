/* SPDX-License-Identifier: MIT */
/* Windows and pages. */
#include "dahua_find.h"

#include <inttypes.h>
#include <stdio.h>

#include "msg.h"

#define OVERLAP_S 300
#define DAY_S 86400
#define UNSET_BEFORE_S 1262304000 /* 2010: clocks that lost the time begin in 1970 or 2000 */
#define PAGE_SMALL 50
#define PATH_BYTES 200

static bool no_words(struct slice body, char *out, size_t room)
{
    (void)body;
    (void)out;
    (void)room;
    return false;
}

const struct pull_words dahua_words = {NULL, no_words};

/* ---- asking ---- */

void dahua_find_ask(struct dahua_find *f)
{
    char path[PATH_BYTES];

    if (f->page_records == 0)
        f->page_records = DAHUA_PAGE;
    snprintf(path, sizeof path,
        "/cgi-bin/recordFinder.cgi?action=find&name=AccessControlCardRec&StartTime=%" PRId64
        "&EndTime=%" PRId64 "&count=%u",
        f->from_s, f->to_s, f->page_records);
    pull_ask(f->pull, path, SLICE_NONE);
}

/* An instant of --since or --until; without an offset a day more is asked for on either side. */
static int64_t bound_s(const struct bound *b)
{
    return b->at.local_s - (b->at.has_offset ? b->at.offset_s : 0);
}

static void set_window(struct dahua_find *f, int64_t from_s, int64_t to_s)
{
    const struct bound *since = f->pull->env->since, *until = f->pull->env->until;

    f->from_s = from_s > 0 ? from_s : 0;
    f->to_s = to_s;
    if (since->set && bound_s(since) - DAY_S > f->from_s)
        f->from_s = bound_s(since) - DAY_S;
    if (until->set && bound_s(until) + DAY_S < f->to_s)
        f->to_s = bound_s(until) + DAY_S;
    f->descending = false;
    f->edges = f->next_edges = 0;
}

void dahua_find_begin(struct dahua_find *f, int64_t early_s)
{
    const struct log_place *at = &f->pull->seen.last;
    int64_t now = clock_now_ms() / 1000, from_s = at->time_s < now ? at->time_s : now;
    int64_t overlap = strlen(at->time) > 19 ? OVERLAP_S : DAY_S; /* a wall clock is anywhere */

    if (early_s == 0)
        overlap = DAY_S;
    else if (early_s < from_s)
        from_s = early_s;
    log_bound(&f->pull->seen, now);
    f->base = f->found = f->pull->seen;
    f->low = -1;
    f->whole = f->near = f->emptied = false;
    f->aside = 0;
    f->news = 0;
    f->first_s = INT64_MAX;
    set_window(f, *at->time ? from_s - overlap : 0, (now > at->time_s ? now : at->time_s) + DAY_S);
    dahua_find_ask(f);
}

/* ---- records ---- */

static bool on_edge(const struct dahua_find *f, uint64_t mark)
{
    for (unsigned i = 0; i < f->edges; i++)
        if (f->edge[i] == mark)
            return true;
    return false;
}

/* Whether the numbers tell more than the times do. */
static bool is_numbered(const struct dahua_find *f)
{
    return f->base.last.serial >= 0 && !f->pull->env->since->set && !f->pull->env->until->set;
}

/* Whether the numbers of the new records leave out some that follow what was seen before. */
static bool is_gap(const struct dahua_find *f)
{
    return is_numbered(f) && f->low > f->base.last.serial + 1 && !f->gaps;
}

static bool is_new(struct dahua_find *f, const struct log_place *place, uint64_t mark)
{
    if (on_edge(f, mark))
        return false;
    if (f->whole)
        return place->serial > f->base.last.serial && place->serial < f->low;
    if (pull_look(f->pull, &f->base, place)) {
        f->base.last.serial = f->found.last.serial = -1;
        return true;
    }
    return !log_was_seen(&f->base, place);
}

static bool want(void *arg, const struct log_place *place, uint64_t mark)
{
    struct dahua_find *f = arg;
    bool news;

    f->near = f->near || log_is_near(&f->base, place);
    news = is_new(f, place, mark);
    if (f->next_edges < DAHUA_PAGE)
        f->next_edge[f->next_edges++] = mark;
    if (!news)
        return false;
    if (!f->whole && place->serial >= 0 && (f->low < 0 || place->serial < f->low))
        f->low = place->serial;
    if (f->whole)
        pull_look(f->pull, &f->base, place);
    if (place->time_s < f->first_s)
        f->first_s = place->time_s;
    f->gone += f->whole;
    log_see(&f->found, place);
    f->pull->found++;
    f->news++;
    return true;
}

/* ---- pages ---- */

/* One with nothing new, shorter than others, that reaches to what was seen last. */
static bool is_last(struct dahua_find *f, const struct dahua_page *page, unsigned news)
{
    if (page->count > f->most)
        f->most = page->count;
    return page->count == 0 ||
           (news == 0 && page->count < f->most && page->last_s >= f->base.last.time_s);
}

/* The window of the page after this one; false: this was the last. */
static bool next_window(struct dahua_find *f, const struct dahua_page *page, unsigned news)
{
    int64_t last = page->last_s;

    memcpy(f->edge, f->next_edge, sizeof f->edge);
    f->edges = f->next_edges;
    f->next_edges = 0;
    if (is_last(f, page, news))
        return false;
    f->descending = page->first_s > last;
    /* A device that overlooks the window gives the same page again and again. */
    if (news == 0 && (f->descending ? last >= f->to_s : last <= f->from_s))
        return false;
    if (f->descending)
        f->to_s = last;
    else
        f->from_s = page->first_s == last ? last + 1 : last;
    return f->from_s <= f->to_s;
}

static void give(struct dahua_find *f, struct slice kept, const char *cursor)
{
    if (kept.n == 0)
        return;
    units_begin(&f->pull->units, STREAM_PAST);
    units_add(&f->pull->units, kept);
    units_end(&f->pull->units, cursor);
}

/* The record that the picture belongs to comes last. */
static void give_pictured(struct dahua_find *f, struct slice kept, const char *cursor)
{
    struct slice before, behind, picture = buf_all(&f->picture);
    struct slice record = dahua_record_cut(kept, f->picture_serial, &before, &behind);
    struct buf text = {0};

    give(f, before, NULL);
    give(f, behind, NULL);
    dahua_record_live(record, &text);
    units_begin(&f->pull->units, STREAM_PEER);
    units_add_item(&f->pull->units, buf_all(&text), &picture, 1);
    units_end(&f->pull->units, cursor);
    buf_free(&text);
    buf_free(&f->picture);
}

/* The checkpoint goes to the end of a page where all before it is in hand. */
static void give_page(struct dahua_find *f, const struct dahua_page *page, bool more)
{
    char cursor[LOG_CURSOR_BYTES];
    bool open = f->whole || is_gap(f) || (more && f->descending);

    if (page->kept.len == 0)
        return;
    if (!open)
        f->pull->seen = f->found;
    log_cursor_print(cursor, f->pull->device, &f->found);
    if (f->picture.len > 0)
        give_pictured(f, buf_all(&page->kept), open ? NULL : cursor);
    else
        give(f, buf_all(&page->kept), open ? NULL : cursor);
}

static enum found search_all(struct dahua_find *f)
{
    f->whole = true;
    f->gone = 0;
    set_window(f, 0, INT32_MAX);
    return FOUND_PAGE;
}

/* All of it, as if nothing had been seen. */
static enum found search_anew(struct dahua_find *f)
{
    f->emptied = true;
    f->base = f->found = (struct log_seen)LOG_SEEN_NONE;
    set_window(f, 0, INT32_MAX);
    return FOUND_PAGE;
}

/* Where a clock that was set back, or lost, has put what is new. */
static enum found search_aside(struct dahua_find *f)
{
    int64_t last_s = f->base.last.time_s;

    if (f->aside++ == 0)
        set_window(f, last_s - DAY_S, last_s - OVERLAP_S);
    else
        set_window(f, 0, UNSET_BEFORE_S);
    return FOUND_PAGE;
}

static enum found over(struct dahua_find *f)
{
    bool more = f->thorough && !f->whole && !f->no_log && !f->emptied && is_numbered(f);

    if (!f->whole && !f->no_log && is_gap(f))
        return search_all(f);
    if (more && !f->near && f->low < 0)
        return search_anew(f);
    if (more && f->news == 0 && f->aside < 2)
        return search_aside(f);
    if (f->emptied && f->news > 0)
        msg_warn("%s: its log was emptied: what was read last is not in it; all of it was read",
            f->pull->operand);
    if (f->whole && f->gone == 0) {
        msg_warn("%s: records %" PRId64 " to %" PRId64 " are not in its log", f->pull->operand,
            f->base.last.serial + 1, f->low - 1);
        f->gaps = true;
    }
    if (!f->emptied || f->news > 0)
        f->pull->seen = f->found;
    if (!f->no_log)
        pull_reached(f->pull, &f->found);
    return FOUND_ALL;
}

static enum found refused(struct dahua_find *f, struct fault *why)
{
    unsigned status = web_status(f->pull->call);

    if ((status == 400 || status == 200) && f->page_records > PAGE_SMALL) {
        f->page_records = PAGE_SMALL;
        return FOUND_PAGE;
    }
    if (!f->pull->env->follow)
        return fault_set(
            why, EX_UNAVAILABLE, "%s: its log cannot be read: status %u", f->pull->operand, status);
    if (!f->no_log)
        msg_warn("%s: its log cannot be read (status %u): %s", f->pull->operand, status,
            f->pull->how.line ? "nothing comes from there"
                              : "what happens while nobody listens is lost");
    f->no_log = true;
    return over(f);
}

enum found dahua_find_take(struct dahua_find *f, struct fault *why)
{
    struct dahua_page page = {0};
    unsigned news = f->news;
    int rc = pull_answer(f->pull, &dahua_words, why);
    bool more;

    if (rc <= 0)
        return rc < 0 ? FOUND_FAULT : FOUND_WAIT;
    if (web_status(f->pull->call) != 200)
        return refused(f, why);
    dahua_page_read(web_bytes(f->pull->call), &page, want, f);
    more = page.good && next_window(f, &page, f->news - news);
    f->no_log = f->no_log && !page.good;
    give_page(f, &page, more);
    buf_free(&page.kept);
    if (!page.good)
        return refused(f, why);
    return more ? FOUND_PAGE : over(f);
}
