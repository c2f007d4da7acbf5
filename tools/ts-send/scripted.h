/* SPDX-License-Identifier: MIT */
/*
 * A profile that is a jq file: its text, its defaults, and what the command line gave it.  How it
 * is asked stands in ask.h, what its answers mean in judge.h.
 */
#ifndef TS_SEND_SCRIPTED_H
#define TS_SEND_SCRIPTED_H

#include "functions.h"
#include "profile.h"
#include "sign.h"
#include "zone.h"

/* The files under profiles/, embedded by the Makefile; the last has no name. */
struct profile_text {
    const char *name;
    struct slice text;
};
extern const struct profile_text profile_texts[];

struct scripted_key {
    char *name;
    struct sign_key *key;
};

struct scripted {
    struct profile profile; /* first: a scripted profile is a profile */
    struct functions *functions;
    const struct profile_settings *given;
    char *name, *accept;
    struct value about, defaults;
    struct value_filter *filter; /* what `fields` names; NULL: it sees all of an event */
    struct value fields;         /* holds its names */
    struct value option;         /* object of strings */
    struct value secret;         /* object of strings: stand-ins until scripted_secrets */
    struct scripted_key key[PROFILE_SETTINGS_MAX]; /* those that only sign: jq sees stand-ins */
    unsigned keys;
    bool read;          /* … has read them */
    struct slice base;  /* of the URL: without its query and a slash at the end */
    size_t base_n;      /* … with that slash */
    struct slice query; /* of the URL, without "?" */
    struct value url;   /* base, as a string */
    struct zone *zone;  /* -o zone=, or NULL */
};

/* NULL and *why: no such profile or file, an error in it, an option that it does not know or that
   is missing.  No secret is read: each is "{NAME}", as --explain and -n show it.  given must live
   as long. */
struct scripted *scripted_open(
    const char *name, const struct profile_settings *given, struct fault *why);
/* The same without the options: for lists. */
struct scripted *scripted_load(
    const char *name, const struct profile_settings *given, struct fault *why);
void scripted_free(struct scripted *p);

/* Reads all secrets, again when called again; those of an inherited descriptor stay as they are. */
int scripted_secrets(struct scripted *p, struct fault *why);

/* The access token, as the secret "token". */
void scripted_token(struct scripted *p, struct slice token);

/* The key of this name, NULL while the secrets are not read.  -1 and *why: the profile has none. */
int scripted_key(
    const struct scripted *p, struct slice name, const struct sign_key **key, struct fault *why);

/* Replaces every secret in the text by ***. */
void scripted_mask(const struct scripted *p, struct buf *text);

#endif
