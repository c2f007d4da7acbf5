/* SPDX-License-Identifier: MIT */
/* A sorted list, made anew as a whole. */
#include "iclock_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SERIALS_MOST 65536u
#define SERIALS_BYTES (4u << 20)

struct serial {
    char text[ICLOCK_SERIAL];
};

struct iclock_list {
    const struct format_options *options;
    char *file; /* of serials=; NULL: none */
    bool exists;
    struct serial *serial; /* sorted */
    size_t serials;
};

static int by_serial(const void *a, const void *b)
{
    return strcmp(((const struct serial *)a)->text, ((const struct serial *)b)->text);
}

bool iclock_list_allows(const struct iclock_list *l, const char *serial)
{
    struct serial key;

    if (!l->exists)
        return true;
    snprintf(key.text, sizeof key.text, "%s", serial);
    return l->serials > 0 && bsearch(&key, l->serial, l->serials, sizeof key, by_serial);
}

static bool add_serial(struct iclock_list *l, struct slice text)
{
    struct iclock_query q;
    struct buf query = {0};
    bool good;

    /* What a device can say is what may stand in the list. */
    buf_lit(&query, "SN=");
    buf_slice(&query, text);
    iclock_read(SLICE("/iclock/cdata"), buf_all(&query), &q);
    buf_free(&query);
    good = q.serial[0] && strlen(q.serial) == text.n && l->serials < SERIALS_MOST;
    if (!good)
        return false;
    if ((l->serials & (l->serials - 1)) == 0)
        l->serial = mem_resize(l->serial, (l->serials ? l->serials * 2 : 1) * sizeof *l->serial);
    memcpy(l->serial[l->serials++].text, q.serial, sizeof q.serial);
    return true;
}

static int read_text(const char *path, struct buf *text, struct fault *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 0;

    if (fd < 0)
        return fault_errno(why, EX_NOINPUT, "%s: cannot open", path);
    do {
        text->len += (size_t)n;
        n = read(fd, buf_room(text, 65536), 65536);
    } while ((n > 0 && text->len < SERIALS_BYTES) || (n < 0 && errno == EINTR));
    close(fd);
    if (n < 0)
        return fault_errno(why, EX_IOERR, "%s: cannot read", path);
    return n == 0 ? 0 : fault_set(why, EX_CONFIG, "%s: too large", path);
}

/* A serial number a line; what follows a # is for people. */
static int read_serials(struct iclock_list *l, struct fault *why)
{
    struct buf text = {0};
    struct slice rest, line;
    unsigned number = 0;
    int rc = read_text(l->file, &text, why);

    rest = buf_all(&text);
    while (rc == 0 && format_head_line(&rest, &line)) {
        const char *mark = line.n > 0 ? memchr(line.p, '#', line.n) : NULL;

        number++;
        if (mark)
            line.n = (size_t)(mark - line.p);
        while (line.n > 0 && line.p[line.n - 1] == '\t')
            line.n--;
        line = slice_trim(line);
        if (line.n > 0 && !add_serial(l, line))
            rc = fault_set(why, EX_CONFIG, "%s: line %u: not a serial number", l->file, number);
    }
    buf_free(&text);
    return rc;
}

/* The list from all that it is made of. */
static int make_list(struct iclock_list *l, struct fault *why)
{
    const struct format_options *o = l->options;

    l->serial = NULL;
    l->serials = 0;
    for (size_t i = 0; i < o->count; i++)
        if (slice_is(o->option[i].key, "serial") && !add_serial(l, o->option[i].value))
            return fault_set(why, EX_USAGE, "-o serial=%.*s: not a serial number",
                (int)o->option[i].value.n, o->option[i].value.p);
    if (l->file && read_serials(l, why) < 0)
        return -1;
    if (l->serials > 0)
        qsort(l->serial, l->serials, sizeof *l->serial, by_serial);
    return 0;
}

struct iclock_list *iclock_list_open(const struct format_options *options, struct fault *why)
{
    struct iclock_list *l = mem_alloc(sizeof *l);
    struct slice file = format_option(options, "serials");

    *l = (struct iclock_list){.options = options, .file = file.p ? mem_text(file) : NULL};
    l->exists = file.p || format_option(options, "serial").p;
    if (make_list(l, why) == 0)
        return l;
    iclock_list_free(l);
    return NULL;
}

void iclock_list_free(struct iclock_list *l)
{
    if (!l)
        return;
    free(l->serial);
    free(l->file);
    free(l);
}

int iclock_list_reload(struct iclock_list *l, struct fault *why)
{
    struct serial *old = l->serial;
    size_t olds = l->serials;

    if (make_list(l, why) == 0) {
        free(old);
        return 0;
    }
    free(l->serial);
    l->serial = old;
    l->serials = olds;
    return -1;
}

bool iclock_list_exists(const struct iclock_list *l)
{
    return l->exists;
}
