/* SPDX-License-Identifier: MIT */
/* Finds the functions of libjq. */
#define LIBJQ_LOADS
#include "libjq.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "msg.h"

#define LIBRARY "libjq.so.1"

struct libjq libjq_functions;

int libjq_load(struct fault *why)
{
#define LIBJQ_PLACE(name) {#name, (void **)&found.name},
    static struct libjq found;
    static const struct {
        const char *name;
        void **function;
    } places[] = {LIBJQ_FUNCTIONS(LIBJQ_PLACE)};
    void *library;

    if (libjq_functions.jv_null)
        return 0;
    library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return fault_set(
            why, EX_UNAVAILABLE, "jq's library is missing: install libjq1 (%s)", dlerror());
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        *places[i].function = dlsym(library, places[i].name);
        if (!*places[i].function)
            return fault_set(
                why, EX_UNAVAILABLE, "%s: too old: it has no %s", LIBRARY, places[i].name);
    }
    libjq_functions = found;
    return 0;
}

void libjq_must_load(void)
{
    struct fault why;

    if (libjq_load(&why) < 0) {
        msg_fault(&why);
        abort();
    }
}
