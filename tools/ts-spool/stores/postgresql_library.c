/* SPDX-License-Identifier: MIT */
/* Finds the functions of libpq. */
#define LIBPQ_LOADS
#include "postgresql_library.h"

#include <dlfcn.h>

#define LIBRARY "libpq.so.5"

struct libpq libpq;

int libpq_load(struct fault *why)
{
#define LIBPQ_PLACE(name) {#name, (void **)&libpq.name},
    static const struct {
        const char *name;
        void **function;
    } places[] = {LIBPQ_FUNCTIONS(LIBPQ_PLACE)};
    static void *library;

    if (library)
        return 0;
    library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return fault_set(why, EX_UNAVAILABLE,
            "PostgreSQL's client library is missing: install libpq5 (%s)", dlerror());
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        *places[i].function = dlsym(library, places[i].name);
        if (!*places[i].function)
            return fault_set(
                why, EX_UNAVAILABLE, "%s: too old: it has no %s", LIBRARY, places[i].name);
    }
    return 0;
}
