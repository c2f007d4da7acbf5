/* SPDX-License-Identifier: MIT */
/*
 * The header fields that every request carries: those of -H, which anybody on this machine can read
 * in the process list, and those of files, which nobody else can.  A set is immutable; re-reading
 * the files makes a new one, while requests under way keep the old one.
 */
#ifndef TS_SEND_HEADER_H
#define TS_SEND_HEADER_H

#include "buf.h"
#include "fault.h"

#define HEADERS_MAX 64

struct header_source {
    const char *open[HEADERS_MAX]; /* of -H: "Name: value" */
    unsigned opens;
    const char *file[HEADERS_MAX]; /* of --header-file: secret_read names, one "Name: value" each */
    unsigned files;
    const char *token_file; /* bearer token, or NULL */
    const char *user;       /* Basic: "NAME=FILE", or NULL */
    const char *content;    /* Content-Type, unless -H says another; NULL: none */
    bool gzip;
};

/* A field of -H: 0, or fault 64 when it is none, could start another line, is one that the sender
   writes itself, or is one that holds a secret. */
int header_check(const char *field, struct fault *why);

/* Whether a field of a profile may go into a request: its form, and none that the sender writes. */
bool header_fits(const char *field);

/* The file of "NAME=FILE"; NULL: it is none of that form. */
const char *header_password_file(const char *user);

struct headers; /* counted references */

/* Reads the files; NULL and *why when one cannot be.  old: the set that was read before, or NULL;
   what came from an inherited descriptor is taken from there, since that can be read only once. */
struct headers *headers_read(
    const struct header_source *source, const struct headers *old, struct fault *why);
/* The same fields with this bearer token in place of any other Authorization. */
struct headers *headers_bearer(const struct headers *old, struct slice token);
struct headers *headers_use(struct headers *h); /* one more reference; returns h */
void headers_drop(struct headers *h);           /* the last one wipes the secrets; NULL is fine */

unsigned headers_count(const struct headers *h);
const char *headers_line(const struct headers *h, unsigned n); /* "Name: value" */
bool headers_secret(const struct headers *h, unsigned n);

/* Replaces the value in the text, and the beginning of it at the end, by ***. */
void secret_mask(struct buf *text, struct slice value);

/* Replaces every secret value in text by ***: a receiver may say back what it was sent. */
void headers_mask(const struct headers *h, struct buf *text);

#endif
