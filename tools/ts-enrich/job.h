/* SPDX-License-Identifier: MIT */
/*
 * One run of ts-enrich: what the command line asked for, what is in use, and how far it is.
 *
 * options.c   the command line
 * files.c     site file and roster: read, and read again when they change
 * say.c       what people are to know, on standard error
 * main.c      the loop
 */
#ifndef TS_ENRICH_JOB_H
#define TS_ENRICH_JOB_H

#include <sys/stat.h>

#include "changes.h"
#include "enrich.h"
#include "hash.h"
#include "line.h"

/* Tells one state of a file from another. */
struct stamp {
    struct timespec changed;
    ino_t inode;
    off_t bytes;
};

struct job {
    const char *config, *roster_path; /* as given; NULL: not given */
    const char *key_file, *person_key_file, *pictures, *state_path;
    bool check, card_forms;
    struct site *site;
    struct roster *roster;
    struct hash *hash, *person_key, *pseudonyms; /* NULL: not needed */
    struct state *state;
    struct context context;
    unsigned programs;       /* of jq */
    struct changes *changes; /* NULL: events are printed */
    struct buf changed;      /* the event that is compared */
    struct line_writer out;
    int input;                             /* what is being read */
    struct stamp site_stamp, roster_stamp; /* of what is in use */
    int64_t looked_ms;                     /* when the files were looked at */
    int64_t drift_ms;                      /* when drift was told; 0: not yet */
    bool waited;                           /* input ran dry since */
    bool said_stranger, said_claimed, said_misfit;
    int status; /* of faults that do not end the work: a missing file */
};

/* ---- options.c ---- */

/* 0: go on with the operands from *first; 1: all is done (--help); -1 and *why. */
int job_options(struct job *j, int argc, char **argv, int *first, struct fault *why);

/* What needs more than one of them: keys, and the folder of the pictures. */
int job_settle(struct job *j, struct fault *why);

/* ---- files.c ---- */

/* The first reading: a mistake is a fault. */
int job_load(struct job *j, struct fault *why);

/* SIGHUP: both are read again; the old ones stay where the new ones are not fit. */
void job_reload(struct job *j);

/* The same after input ran dry, and a second since the last look, where one has changed. */
void job_look(struct job *j);

/* ---- say.c ---- */

/* A remark of a part of the program. */
void say(const char *text);

/* What somebody has to look after, when it is met first; and clocks that are off, once an hour at
   most. */
void say_news(struct job *j);

/* The rest, at the end, the most important thing last; the exit status. */
int say_all(struct job *j);

#endif
