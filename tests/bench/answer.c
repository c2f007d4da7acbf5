/* SPDX-License-Identifier: MIT */
/* A program for `ts-spool drain --into` that answers every event at once: it finds the member
 * `ack` of each line and prints a `delivered` receipt for it. Receipts are flushed before a wait.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM (1 << 20)

static char in[ROOM], out[ROOM];
static size_t in_len, out_len;

static void flush(void)
{
    for (size_t done = 0; done < out_len;) {
        ssize_t n = write(STDOUT_FILENO, out + done, out_len - done);
        if (n <= 0)
            exit(74);
        done += (size_t)n;
    }
    out_len = 0;
}

static void receipt(const char *line, size_t len)
{
    const char *ack = memmem(line, len, "\"ack\":\"", 7), *end;

    if (!ack || !(end = memchr(ack + 7, '"', len - (size_t)(ack + 7 - line)))) {
        fputs("answer: a line without ack\n", stderr);
        exit(65);
    }
    if (ROOM - out_len < (size_t)(end - ack) + 64)
        flush();
    out[out_len++] = '{';
    memcpy(out + out_len, ack, (size_t)(end + 1 - ack));
    out_len += (size_t)(end + 1 - ack);
    memcpy(out + out_len, ",\"outcome\":\"delivered\"}\n", 24);
    out_len += 24;
}

int main(void)
{
    ssize_t got;

    while ((got = read(STDIN_FILENO, in + in_len, ROOM - in_len)) > 0) {
        char *at = in, *nl;
        in_len += (size_t)got;
        while ((nl = memchr(at, '\n', in_len - (size_t)(at - in)))) {
            receipt(at, (size_t)(nl - at));
            at = nl + 1;
        }
        in_len -= (size_t)(at - in);
        memmove(in, at, in_len);
        flush();
    }
    return got < 0 ? 74 : 0;
}
