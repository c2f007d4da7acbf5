/* SPDX-License-Identifier: MIT */
/*
 * From a reply to what it means, by the `verdict` and `session` of a jq profile.  A reply is
 * hostile: it is read here as data, and nothing of it is followed.  Pure.
 */
#ifndef TS_SEND_JUDGE_H
#define TS_SEND_JUDGE_H

#include "ask.h"

#define JUDGE_TEXT_BYTES 4096 /* of a body, as .text */

/* The input for `verdict` and `session`: that of ask_input without secrets, and the reply. */
struct value judge_input(const struct scripted *p, const struct ask_input *in,
    const struct reply *reply, const struct ask *a);

/* What a profile said about n events. */
struct judgement {
    struct verdict one; /* for all of them, where `each` is false */
    bool each;          /* verdicts[n], in the caller's array */
    bool plain;         /* the profile said nothing: the plain table */
    struct value memo;  /* of ACT_THEN */
    struct value said;  /* holds the texts */
};

void judgement_free(struct judgement *j);

/* Whether it is one: a word, an object with `outcome` or `then`, or an array. */
bool judge_is_verdict(struct value said);

/* Takes said.  null (also in the array) stands for `plain`.  -1 and *why when it is no verdict; *j
   is empty then. */
int judge_read(const struct scripted *p, struct value said, unsigned n, struct verdict plain,
    struct judgement *j, struct verdict *verdicts, struct fault *why);

/* {outcome, cause, wait_s, …}, for --explain and .plain. */
struct value judge_value(struct verdict v);

#endif
