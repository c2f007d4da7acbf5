/* SPDX-License-Identifier: MIT */
/* How an audit is shown: as a table for people, as NDJSON, as CSV. */
#ifndef TS_SPOOL_AUDIT_H
#define TS_SPOOL_AUDIT_H

#include "gaps.h"
#include "missing.h"
#include "store.h"

struct audit_sum {
    struct day all; /* its device, day, first and last mean nothing */
    int64_t days, devices;
    int64_t numbered; /* devices with serial numbers */
    int64_t missing;
};

struct audit_view {
    bool gaps;        /* gaps are listed, not days */
    unsigned columns; /* AUDIT_COLUMNs that are not empty */
    int device_width; /* columns of a terminal */
};

/* Bits beside those of the states. */
#define AUDIT_ERASED (1u << STATES)
#define AUDIT_DUPLICATES (2u << STATES)

struct audit_form {
    void (*head)(struct buf *out, const struct audit_view *v);
    void (*day)(struct buf *out, const struct audit_view *v, const struct day *day,
        const struct gap_day *gap);
    void (*gap)(struct buf *out, const struct audit_view *v, const struct missing_row *row);
    void (*sum)(struct buf *out, const struct audit_view *v, const struct audit_sum *sum);
};

extern const struct audit_form audit_table, audit_json, audit_csv;

static inline bool audit_all_in(const struct audit_sum *s)
{
    return s->all.in[STATE_WAITING] == 0 && s->all.in[STATE_HELD] == 0;
}

#endif
