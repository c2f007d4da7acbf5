/* SPDX-License-Identifier: MIT */
/* Pins: their form, and that of a certificate that openssl made (openssl dgst says the same). */
#include "pin.h"

#include "../../support/unit.h"

#define HASH "zh2Mo8BLH5tYXnNWjOCpQz6BzlGEYQqcZcMkuq7bGVw="

static const struct {
    const char *text;
    bool good;
} pins[] = {
    {"sha256//" HASH, true},
    {"sha256//" HASH ";sha256//" HASH, true},
    {"", false},
    {HASH, false},
    {"sha1//" HASH, false},
    {"sha256//", false},
    {"sha256//" HASH ";", false},
    {";sha256//" HASH, false},
    {"sha256//" HASH "; sha256//" HASH, false},
    {"sha256//zh2Mo8BLH5tYXnNWjOCpQz6BzlGEYQqcZcMkuq7bGVw", false},
    {"sha256//zh2Mo8BLH5tYXnNWjOCpQz6BzlGEYQqcZcMkuq7bGQ==", false},
    {"sha256//zh2Mo8BLH5tYXnNWjOCpQz6BzlGEYQqcZcMkuq7bGVw-", false},
    {"/etc/receiver.pub", false},
};

START_TEST(form)
{
    struct fault why;
    int rc = pin_check(pins[_i].text, &why);

    ck_assert_int_eq(rc, pins[_i].good ? 0 : -1);
    if (rc < 0)
        ck_assert_int_eq(why.status, EX_USAGE);
}
END_TEST

static const char certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBgTCCASegAwIBAgIUY2IY1QIymYpHYyVRXiXdB+65Sj4wCgYIKoZIzj0EAwIw\n"
    "FTETMBEGA1UEAwwKaHIuZXhhbXBsZTAgFw0yNjExMjIxNzIwMzdaGA8yMTI2MTAy\n"
    "OTE3MjAzN1owFTETMBEGA1UEAwwKaHIuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqG\n"
    "SM49AwEHA0IABHH9LUo0gohOllB7K2nL4xKxFvdAV//fVXqshtH3/12if7iUHmIi\n"
    "YooTt+r+bQ389O8wvqiU1LPjOhadI+lzI/SjUzBRMB0GA1UdDgQWBBRfVk2oQobr\n"
    "9xuFUIDdbJ1IFQUKTjAfBgNVHSMEGDAWgBRfVk2oQobr9xuFUIDdbJ1IFQUKTjAP\n"
    "BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIF5mkmuq8WQPAyL3ubJL\n"
    "kHrD4waJOkILuQpGCYJzd0OmAiEA6I/QU4kk+SGBdcbiamfx0NY3lgymYH/0OsAc\n"
    "QxV/0uU=\n"
    "-----END CERTIFICATE-----\n";
#define CERT_PIN "sha256//a4mXCgtqNBD0aFrhddmz0s6tejzyaLznnzUG3bTnxUg="

START_TEST(of_a_certificate)
{
    char pin[PIN_BYTES];
    struct fault why;

    ck_assert(pin_of(certificate, pin));
    ck_assert_str_eq(pin, CERT_PIN);
    ck_assert_int_eq(pin_check(pin, &why), 0);
    ck_assert(!pin_of("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", pin));
    ck_assert(!pin_of("", pin));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, form, 0, (int)(sizeof pins / sizeof *pins));
    tcase_add_test(tc, of_a_certificate);
}

UNIT_MAIN("pin", add_tests)
