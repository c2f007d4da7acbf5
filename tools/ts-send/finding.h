/* SPDX-License-Identifier: MIT */
/*
 * What --check found out, one line a step on standard output, as soon as it is known:
 *
 *   ok       dns         hr.example is 192.0.2.7
 *   warning  tls         the certificate ends on 2026-05-04 …
 *   failed   connection  nobody listens on 192.0.2.7 port 8443: …
 *
 * Texts may hold what the other side said; they are escaped here.
 */
#ifndef TS_SEND_FINDING_H
#define TS_SEND_FINDING_H

#include "line.h"

struct findings {
    struct line_writer out;
    int status;         /* the exit status of the first failure; 0: none */
    bool failed_to_say; /* standard output: `why` */
    struct fault why;
};

void findings_open(struct findings *f);

/* The exit status, or -1 and *why when standard output failed.  Frees. */
int findings_close(struct findings *f, struct fault *why);

void finding_ok(struct findings *f, const char *step, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void finding_warn(struct findings *f, const char *step, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void finding_fail(struct findings *f, int status, const char *step, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
