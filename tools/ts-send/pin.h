/* SPDX-License-Identifier: MIT */
/* The pins of --pin-sha256: hashes of public keys, in the form that curl has made known. */
#ifndef TS_SEND_PIN_H
#define TS_SEND_PIN_H

#include <stdbool.h>

#include "fault.h"
#include "slice.h"

#define PIN_BYTES 64

/* "sha256//BASE64", several joined by ";"; fault 64 otherwise. */
int pin_check(const char *pins, struct fault *why);

/* That of a certificate in PEM; false: it is not understood. */
bool pin_of(const char *pem, char out[PIN_BYTES]);

#endif
