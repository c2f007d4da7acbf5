/* SPDX-License-Identifier: MIT */
/* Filling a fault; a long text is cut, never overflows. */
#include "fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int fault_set(struct fault *why, int status, const char *format, ...)
{
    va_list args;

    *why = (struct fault){.status = status};
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    return -1;
}

int fault_errno(struct fault *why, int status, const char *format, ...)
{
    int error = errno;
    size_t n;
    va_list args;

    *why = (struct fault){.status = status};
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    n = strlen(why->text);
    snprintf(why->text + n, sizeof why->text - n, ": %s", strerror(error));
    errno = error;
    return -1;
}
