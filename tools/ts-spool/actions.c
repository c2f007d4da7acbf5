/* SPDX-License-Identifier: MIT */
/* ts-spool actions: what was changed by hand, when, by whom and why. */
#include "print.h"
#include "spool.h"

#define WHO_WIDTH 16

enum { OPT_JSON = OPTION_LONG };

static const struct option_spec options[] = {
    {OPT_JSON, "json", NULL, "one JSON object a line"},
    OPTION_HELP,
    {0},
};

struct listing {
    bool json;
    struct line_writer out;
    struct fault *why;
};

static void print_json(struct buf *out, const struct action_row *row)
{
    buf_char(out, '{');
    print_int(out, "id", row->id);
    print_moment(out, "at", row->at_ms);
    print_str(out, "who", row->who);
    print_str(out, "what", row->what);
    print_int(out, "events", row->count);
    print_str(out, "reason", row->reason);
    buf_lit(out, "}\n");
}

static void print_line(struct buf *out, const struct action_row *row)
{
    print_utc(out, row->at_ms);
    buf_lit(out, "  ");
    print_padded(out, row->who, WHO_WIDTH);
    buf_lit(out, "  ");
    print_padded(out, row->what, 0);
    buf_printf(out, ": %lld %s", (long long)row->count, row->count == 1 ? "event" : "events");
    if (row->reason.n > 0) {
        buf_lit(out, ": ");
        print_padded(out, row->reason, 0);
    }
    buf_char(out, '\n');
}

static int take_row(void *arg, const struct action_row *row)
{
    struct listing *l = arg;

    (l->json ? print_json : print_line)(&l->out.buf, row);
    return line_written(&l->out, l->why);
}

static int set_option(void *arg, const struct option_value *v, struct fault *why)
{
    struct listing *l = arg;

    (void)v;
    (void)why;
    l->json = true;
    return 0;
}

static int run(const struct program *program, int argc, char **argv, struct fault *why)
{
    struct listing l = {.why = why};
    struct store *s;
    int rc = command_reads(program, argc, argv, set_option, &l, &s, why);

    if (rc != 0)
        return rc;
    line_writer_init(&l.out, 1, "standard output");
    rc = store_actions(s, 0, take_row, &l, why);
    if (rc == 0)
        rc = line_close(&l.out, why);
    line_writer_free(&l.out);
    store_close(s);
    return rc;
}

const struct command command_actions = {
    .program = {.name = "ts-spool actions",
        .synopsis = "[--json] STORE",
        .summary = "Prints what was changed by hand, by whom and why.",
        .options = options},
    .run = run,
};
