/* SPDX-License-Identifier: MIT */
/*
 * What SQLite would take without a word: a file of one byte, which it holds for a new one, and one
 * whose last page is cut.  And: does the journal beside a store belong to it?  SQLite plays a
 * journal that was left behind back into whatever file has the name, also when a copy of another
 * day or another store was put there, and so destroys it.
 *
 * A journal that is a store's own holds the first page as it was before a transaction: with the
 * same stamp, and a change counter that is the store's or one less.  While a journal stands the
 * store cannot get further, so what is read between two equal looks at it is certain without locks.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sqlite.h"

#define HEADER 100 /* of the first page */
#define JOURNAL_HEADER 28

struct journal {
    bool there; /* something would be played back */
    bool first; /* the first page is in it */
    uint32_t nonce, pages, counter, stamp;
};

static uint32_t number(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool read_at(int fd, unsigned char *to, size_t n, off_t at)
{
    return pread(fd, to, n, at) == (ssize_t)n;
}

static bool power_of_two(uint32_t n, uint32_t least)
{
    return n >= least && n <= 65536 && (n & (n - 1)) == 0;
}

/* Looks for the first page among the records of one header; *at moves to where the next stands. */
static bool find_first(int fd, struct journal *j, const unsigned char *header, off_t *at)
{
    uint32_t records = number(header + 8), sector = number(header + 20), page = number(header + 24);
    unsigned char record[4 + HEADER];

    if (!power_of_two(sector, 32) || !power_of_two(page, 512))
        return false;
    *at += sector;
    for (uint32_t i = 0; i < records; i++, *at += page + 8) {
        if (!read_at(fd, record, sizeof record, *at))
            return false;
        if (number(record) == 1) {
            j->first = true;
            j->counter = number(record + 4 + 24);
            j->stamp = number(record + 4 + 60);
            return false;
        }
    }
    *at += sector - 1;
    *at -= *at % sector;
    return records > 0;
}

static void read_journal(const char *name, struct journal *j)
{
    static const unsigned char magic[] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    unsigned char header[JOURNAL_HEADER];
    off_t at = 0;

    *j = (struct journal){0};
    while (fd >= 0 && read_at(fd, header, sizeof header, at) &&
           memcmp(header, magic, sizeof magic) == 0) {
        if (at == 0) {
            j->there = number(header + 8) > 0;
            j->nonce = number(header + 12);
            j->pages = number(header + 16);
        }
        if (!find_first(fd, j, header, &at))
            break;
    }
    if (fd >= 0)
        close(fd);
}

static bool same(const struct journal *a, const struct journal *b)
{
    return a->there == b->there && a->first == b->first && a->nonce == b->nonce &&
           a->counter == b->counter;
}

/* SQLite's own descriptor: closing another one would drop the locks of this process. */
static sqlite3_file *file_of(struct sqlite *s)
{
    sqlite3_file *file = NULL;

    sqlite3_file_control(s->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    return file && file->pMethods ? file : NULL;
}

static bool read_header(struct sqlite *s, unsigned char header[HEADER])
{
    sqlite3_file *file = file_of(s);

    return file && file->pMethods->xRead(file, header, HEADER, 0) == SQLITE_OK;
}

static bool belongs(const struct journal *j, const unsigned char header[HEADER])
{
    uint32_t counter = number(header + 24), stamp = number(header + 60);

    if (!j->first) /* the first page is as before the transaction */
        return number(header + 92) != counter || number(header + 28) == j->pages;
    if (counter != j->counter && counter != j->counter + 1)
        return false;
    return stamp == j->stamp || (j->stamp >> 8) == 0; /* version 1 had none */
}

int sqlite_check_size(struct sqlite *s, struct fault *why)
{
    sqlite3_file *file = file_of(s);
    sqlite3_int64 size = 0;
    int64_t page;

    if (sqlite_ask(s, "PRAGMA page_size", &page, why) < 0)
        return -1;
    if (file && file->pMethods->xFileSize(file, &size) == SQLITE_OK && size % page != 0)
        return fault_set(why, EX_IOERR,
            "%s: is damaged, its end is missing: keep it as it is and restore a copy", s->name);
    return 0;
}

int sqlite_check_file(struct sqlite *s, struct fault *why)
{
    unsigned char header[HEADER];
    struct journal before, after;
    struct buf name = {0};
    struct stat st;
    int rc = 0;

    if (stat(s->path, &st) == 0 && st.st_size == 1)
        return fault_set(
            why, EX_CONFIG, "%s: is not a spool: name a new file, or the right one", s->name);
    buf_printf(&name, "%s-journal%c", s->path, '\0');
    read_journal(name.data, &before);
    if (before.there && before.pages > 0 && read_header(s, header) && !belongs(&before, header)) {
        read_journal(name.data, &after);
        if (same(&before, &after))
            rc = fault_set(why, EX_CONFIG,
                "%s-journal: belongs to another file than %s: put it aside, or put back the file"
                " that it belongs to",
                s->name, s->name);
    }
    buf_free(&name);
    return rc;
}
