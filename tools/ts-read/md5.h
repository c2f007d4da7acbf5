/* SPDX-License-Identifier: MIT */
/* MD5 (RFC 1321), for digest authentication: terminals know nothing newer.  Pure. */
#ifndef TS_MD5_H
#define TS_MD5_H

#include "slice.h"

#define MD5_HEX 33

/* Of the parts joined by colons, in hexadecimal. */
void md5_joined(char out[MD5_HEX], const struct slice *part, size_t parts);

#endif
