/* SPDX-License-Identifier: MIT */
/*
 * The file, in slots of 288 bytes, 8 of them a bucket; a picture's bucket is told by its key:
 *
 *   0        16    20     24                                  280    288
 *   | key    | sum | time | location, NUL …                   | 0     |
 *
 *   key   a version-5 UUID of URL ␟ SHA-256
 *   sum   CRC-32 of all else in the slot
 *   time  seconds since 1970, when it was put there; the oldest of a full bucket makes room
 */
#include "places.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uuid/uuid.h>
#include <zlib.h>

#include "clock.h"
#include "identity.h"

#define BUCKET_SLOTS 8
#define BUCKETS_FILE 16384u /* 131072 pictures, 36 MiB */
#define BUCKETS_MEMORY 256u /* 2048 pictures, 576 KiB */

struct slot {
    unsigned char key[16];
    uint32_t sum, time_s;
    char location[SNAPSHOT_LOCATION_BYTES];
    unsigned char spare[8];
};
_Static_assert(sizeof(struct slot) == 288, "a slot has no holes");

struct places {
    int fd;
    uint32_t buckets;
};

/* A regular file of ours, whatever stands there: nothing else is read or written. */
static int open_file(int folder, const char *name, struct fault *why)
{
    int fd = openat(
        folder, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    struct stat st;

    if (fd < 0)
        return fault_errno(why, EX_CANTCREAT, "%s in the snapshot folder: cannot open", name);
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1)
        return fd;
    close(fd);
    return fault_set(why, EX_CANTCREAT, "%s in the snapshot folder: is no file of ours", name);
}

struct places *places_open(int folder, const char *name, struct fault *why)
{
    struct places *p = mem_alloc(sizeof *p);

    why->text[0] = '\0';
    *p = (struct places){.fd = name ? open_file(folder, name, why) : -1, .buckets = BUCKETS_FILE};
    if (p->fd < 0) {
        p->fd = memfd_create("places", MFD_CLOEXEC);
        p->buckets = BUCKETS_MEMORY;
    }
    return p;
}

void places_close(struct places *p)
{
    if (p && p->fd >= 0)
        close(p->fd);
    free(p);
}

static void make_key(const char *url, const char *sha256, unsigned char key[16])
{
    struct buf name = {0};
    uuid_t space;

    uuid_parse(IDENTITY_NAMESPACE, space);
    buf_printf(&name, "%s\x1f%s", url, sha256);
    uuid_generate_sha1(key, space, name.data, name.len);
    buf_free(&name);
}

static uint32_t sum_of(const struct slot *s)
{
    struct slot copy = *s;

    copy.sum = 0;
    return (uint32_t)crc32(0, (const Bytef *)&copy, sizeof copy);
}

/* The file may hold anything. */
static bool is_entry(const struct slot *s)
{
    return s->sum == sum_of(s) && memchr(s->location, '\0', sizeof s->location);
}

/* Reads the bucket of a key: where it stands.  What is not there reads as empty slots. */
static off_t read_bucket(
    const struct places *p, const unsigned char key[16], struct slot bucket[BUCKET_SLOTS])
{
    uint32_t n;
    off_t at;

    memcpy(&n, key, sizeof n);
    at = (off_t)(n % p->buckets) * BUCKET_SLOTS * (off_t)sizeof *bucket;
    memset(bucket, 0, BUCKET_SLOTS * sizeof *bucket);
    while (pread(p->fd, bucket, BUCKET_SLOTS * sizeof *bucket, at) < 0 && errno == EINTR)
        ;
    return at;
}

bool places_find(
    const struct places *p, const char *url, const char *sha256, char out[SNAPSHOT_LOCATION_BYTES])
{
    struct slot bucket[BUCKET_SLOTS];
    unsigned char key[16];

    make_key(url, sha256, key);
    read_bucket(p, key, bucket);
    for (unsigned i = 0; i < BUCKET_SLOTS; i++)
        if (memcmp(bucket[i].key, key, sizeof key) == 0 && is_entry(&bucket[i])) {
            memcpy(out, bucket[i].location, sizeof bucket[i].location);
            return true;
        }
    return false;
}

/* The slot for a key: its own, else an empty one, else the oldest. */
static unsigned slot_for(const struct slot bucket[BUCKET_SLOTS], const unsigned char key[16])
{
    unsigned best = 0;
    uint32_t oldest = UINT32_MAX;

    for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
        uint32_t time_s = is_entry(&bucket[i]) ? bucket[i].time_s : 0;

        if (memcmp(bucket[i].key, key, sizeof bucket[i].key) == 0)
            return i;
        if (time_s < oldest) {
            oldest = time_s;
            best = i;
        }
    }
    return best;
}

int places_put(
    struct places *p, const char *url, const char *sha256, const char *location, struct fault *why)
{
    struct slot bucket[BUCKET_SLOTS], fresh = {.time_s = (uint32_t)(clock_now_ms() / 1000)};
    unsigned n;
    off_t at;

    make_key(url, sha256, fresh.key);
    memccpy(fresh.location, location, '\0', sizeof fresh.location - 1);
    fresh.sum = sum_of(&fresh);
    at = read_bucket(p, fresh.key, bucket);
    n = slot_for(bucket, fresh.key);
    at += (off_t)(n * sizeof fresh);
    if (pwrite(p->fd, &fresh, sizeof fresh, at) != (ssize_t)sizeof fresh)
        return fault_errno(why, EX_CANTCREAT, "the uploads file in the snapshot folder");
    return 0;
}
