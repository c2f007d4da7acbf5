/* SPDX-License-Identifier: MIT */
/* Site file and roster, and their successors. */
#include <unistd.h>

#include "job.h"
#include "msg.h"
#include "stop.h"

/* What is odd about a roster is for people who look at it; cron would mail it every five minutes.
 */
static void tell_people(const char *text)
{
    if (isatty(STDERR_FILENO))
        msg_warn("%s", text);
}

/* ---- site and roster ---- */

static struct stamp stamp_of(const char *path)
{
    struct stat st;

    if (!path || stat(path, &st) < 0)
        return (struct stamp){.bytes = -1};
    return (struct stamp){st.st_mtim, st.st_ino, st.st_size};
}

static int load(struct job *j, struct site **site, struct roster **roster, struct fault *why)
{
    const char *path;

    /* Before they are read: what changes meanwhile is seen at the next look. */
    j->site_stamp = stamp_of(j->config);
    *roster = NULL;
    *site = j->config ? site_load(j->config, say, why) : site_new();
    if (!*site)
        return -1;
    path = j->roster_path ? j->roster_path : (*site)->roster;
    j->roster_stamp = stamp_of(path);
    if (path)
        *roster = roster_load(path, *site, &j->context.settings.redact, tell_people, why);
    if (!path || *roster)
        return 0;
    site_free(*site);
    *site = NULL;
    return -1;
}

/* What has lost its people or devices is a file in the middle of being written, or a mistake. */
static int check_shrunk(
    const struct job *j, const struct site *site, const struct roster *roster, struct fault *why)
{
    size_t had = j->roster ? roster_people(j->roster) : 0;
    size_t has = roster ? roster_people(roster) : 0;

    if (had > 0 && has == 0)
        return fault_set(why, EX_CONFIG, "the new roster has nobody in it");
    if ((double)has < (double)had * site->roster_least)
        return fault_set(why, EX_CONFIG,
            "the new roster has %zu people, and there were %zu: if that is meant, set \"least\": 0 "
            "in the site file's roster, or start again",
            has, had);
    if (j->site->device_count > 0 && site->device_count == 0)
        return fault_set(why, EX_CONFIG, "the new site file has no devices");
    return 0;
}

static void use(struct job *j, struct site *site, struct roster *roster)
{
    site_free(j->site);
    roster_free(j->roster);
    j->site = site;
    j->roster = roster;
    context_use(&j->context, site, roster);
}

#define LOOK_MS 1000

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
    return a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec &&
           a->inode == b->inode && a->bytes == b->bytes;
}

/* Notes what the files are like now; whether they are what was noted before. */
static bool unchanged(struct job *j)
{
    const char *path = j->roster_path ? j->roster_path : j->site->roster;
    struct stamp site = stamp_of(j->config), roster = stamp_of(path);
    bool same = same_stamp(&site, &j->site_stamp) && same_stamp(&roster, &j->roster_stamp);

    j->site_stamp = site;
    j->roster_stamp = roster;
    return same;
}

void job_reload(struct job *j)
{
    struct site *site;
    struct roster *roster;
    struct fault why;

    unchanged(j); /* noted: whatever comes of it, it is tried once */
    if (load(j, &site, &roster, &why) < 0) {
        msg_warn("%s; going on with the old site and roster", why.text);
    } else if (check_shrunk(j, site, roster, &why) < 0) {
        msg_warn("%s; going on with the old site and roster", why.text);
        site_free(site);
        roster_free(roster);
    } else {
        use(j, site, roster);
        msg_warn("site and roster read again: %zu devices, %zu people", site->device_count,
            roster ? roster_people(roster) : 0);
    }
}

void job_look(struct job *j)
{
    int64_t now_ms = monotonic_ms();

    j->waited = false;
    if (now_ms - j->looked_ms < LOOK_MS)
        return;
    j->looked_ms = now_ms;
    if (!unchanged(j))
        job_reload(j);
}

int job_load(struct job *j, struct fault *why)
{
    struct site *site;
    struct roster *roster;

    if (load(j, &site, &roster, why) < 0)
        return -1;
    use(j, site, roster);
    return 0;
}
