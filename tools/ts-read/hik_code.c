/* SPDX-License-Identifier: MIT */
/*
 * The same minor number means something else under another major: 1 alarm, 2 exception, 3
 * operation, 5 event.  The list is closed on purpose: a code that is not on it is no pass, whatever
 * person stands beside it.
 *
 *  5/15 and 5/50 are left out, for lists disagree on whether they are passes.  5/137, accepted but
 *  nobody walked through, is no pass either: it takes back the one before it.
 */
#include "hik_code.h"

#define W(word)                                                                                    \
    {                                                                                              \
        word, sizeof(word) - 1                                                                     \
    }
#define NO                                                                                         \
    {                                                                                              \
        NULL, 0                                                                                    \
    }

/* clang-format off */
static const struct {
    short major, minor;
    struct slice kind, credential;
} codes[] = {
    {1, 1028, W("alarm"), NO}, /* tamper of a reader/device */
    {1, 1036, W("alarm"), NO}, /* too many failed tries with a card */
    {3, 1024, W("door"), NO}, /* opened by remote command (no person) */
    {3, 1025, W("door"), NO}, /* closed by remote command */
    {3, 1026, W("door"), NO}, /* remain open by remote command */
    {3, 1027, W("door"), NO}, /* remain closed by remote command */
    {5, 1, W("granted"), W("card")}, /* card */
    {5, 2, W("granted"), W("card+pin")}, /* card + PIN */
    {5, 3, W("denied"), W("card+pin")}, /* card + PIN wrong */
    {5, 4, W("denied"), W("card+pin")}, /* card + PIN: not finished */
    {5, 5, W("denied"), W("card+pin")}, /* card + PIN (second kind): not finished */
    {5, 6, W("denied"), NO}, /* no right at this door */
    {5, 7, W("denied"), NO}, /* outside the time schedule */
    {5, 8, W("denied"), W("card")}, /* card out of validity dates */
    {5, 9, W("denied"), W("card")}, /* unknown card */
    {5, 10, W("denied"), NO}, /* anti-passback */
    {5, 11, W("denied"), NO}, /* interlocked door still open */
    {5, 12, W("denied"), W("card")}, /* card is in no multi-person group */
    {5, 13, W("denied"), NO}, /* outside the multi-person period */
    {5, 14, W("denied"), W("pin")}, /* multi-person: super PIN wrong */
    {5, 16, W("granted"), NO}, /* multi-person group complete */
    {5, 17, W("door"), NO}, /* first-card open period begins */
    {5, 18, W("door"), NO}, /* first-card open period ends */
    {5, 19, W("door"), NO}, /* held-unlocked mode begins */
    {5, 20, W("door"), NO}, /* held-unlocked mode ends */
    {5, 21, W("door"), NO}, /* lock released */
    {5, 22, W("door"), NO}, /* lock engaged */
    {5, 23, W("door"), NO}, /* exit button pressed */
    {5, 24, W("door"), NO}, /* exit button let go */
    {5, 25, W("door"), NO}, /* opened (contact) */
    {5, 26, W("door"), NO}, /* closed (contact) */
    {5, 27, W("alarm"), NO}, /* door forced (contact) */
    {5, 28, W("alarm"), NO}, /* door open too long (contact) */
    {5, 31, W("door"), NO}, /* held-locked mode begins */
    {5, 32, W("door"), NO}, /* held-locked mode ends */
    {5, 34, W("granted"), W("pin")}, /* multi-person: super PIN accepted */
    {5, 36, W("denied"), NO}, /* multi-person: not finished */
    {5, 38, W("granted"), W("fingerprint")}, /* fingerprint */
    {5, 39, W("denied"), W("fingerprint")}, /* fingerprint does not match */
    {5, 40, W("granted"), W("card+fingerprint")}, /* card + fingerprint */
    {5, 41, W("denied"), W("card+fingerprint")}, /* card + fingerprint: refused */
    {5, 42, W("denied"), W("card+fingerprint")}, /* card + fingerprint: not finished */
    {5, 43, W("granted"), W("card+fingerprint+pin")}, /* card + fingerprint + PIN */
    {5, 44, W("denied"), W("card+fingerprint+pin")}, /* card + fingerprint + PIN: refused */
    {5, 45, W("denied"), W("card+fingerprint+pin")}, /* card + fingerprint + PIN: not finished */
    {5, 46, W("granted"), W("fingerprint+pin")}, /* fingerprint + PIN */
    {5, 47, W("denied"), W("fingerprint+pin")}, /* fingerprint + PIN: refused */
    {5, 48, W("denied"), W("fingerprint+pin")}, /* fingerprint + PIN: not finished */
    {5, 49, W("denied"), W("fingerprint")}, /* fingerprint not enrolled */
    {5, 52, W("door"), NO}, /* fire relay closed, doors stay open */
    {5, 53, W("door"), NO}, /* fire relay opened, back to normal */
    {5, 54, W("granted"), W("face+fingerprint")}, /* face + fingerprint */
    {5, 55, W("denied"), W("face+fingerprint")}, /* face + fingerprint: refused */
    {5, 56, W("denied"), W("face+fingerprint")}, /* face + fingerprint: not finished */
    {5, 57, W("granted"), W("face+pin")}, /* face + PIN */
    {5, 58, W("denied"), W("face+pin")}, /* face + PIN: refused */
    {5, 59, W("denied"), W("face+pin")}, /* face + PIN: not finished */
    {5, 60, W("granted"), W("face+card")}, /* face + card */
    {5, 61, W("denied"), W("face+card")}, /* face + card: refused */
    {5, 62, W("denied"), W("face+card")}, /* face + card: not finished */
    {5, 63, W("granted"), W("face+fingerprint+pin")}, /* face + PIN + fingerprint */
    {5, 64, W("denied"), W("face+fingerprint+pin")}, /* face + PIN + fingerprint: refused */
    {5, 65, W("denied"), W("face+fingerprint+pin")}, /* face + PIN + fingerprint: not finished */
    {5, 66, W("granted"), W("face+fingerprint+card")}, /* face + card + fingerprint */
    {5, 67, W("denied"), W("face+fingerprint+card")}, /* face + card + fingerprint: refused */
    {5, 68, W("denied"), W("face+fingerprint+card")}, /* face + card + fingerprint: not finished */
    {5, 69, W("granted"), W("fingerprint")}, /* employee no. + fingerprint */
    {5, 70, W("denied"), W("fingerprint")}, /* employee no. + fingerprint: refused */
    {5, 71, W("denied"), W("fingerprint")}, /* employee no. + fingerprint: not finished */
    {5, 72, W("granted"), W("fingerprint+pin")}, /* employee no. + fingerprint + PIN */
    {5, 73, W("denied"), W("fingerprint+pin")}, /* employee no. + fingerprint + PIN: refused */
    {5, 74, W("denied"), W("fingerprint+pin")}, /* employee no. + fingerprint + PIN: not finished */
    {5, 75, W("granted"), W("face")}, /* face */
    {5, 76, W("denied"), W("face")}, /* face not accepted */
    {5, 77, W("granted"), W("face")}, /* employee no. + face */
    {5, 78, W("denied"), W("face")}, /* employee no. + face: refused */
    {5, 79, W("denied"), W("face")}, /* employee no. + face: not finished */
    {5, 80, W("denied"), W("face")}, /* no such face */
    {5, 83, W("alarm"), NO}, /* lock input short circuit */
    {5, 84, W("alarm"), NO}, /* lock input open circuit */
    {5, 85, W("alarm"), NO}, /* lock input fault */
    {5, 86, W("alarm"), NO}, /* contact input short circuit */
    {5, 87, W("alarm"), NO}, /* contact input open circuit */
    {5, 88, W("alarm"), NO}, /* contact input fault */
    {5, 89, W("alarm"), NO}, /* button input short circuit */
    {5, 90, W("alarm"), NO}, /* button input open circuit */
    {5, 91, W("alarm"), NO}, /* button input fault */
    {5, 92, W("alarm"), NO}, /* unlocking fault */
    {5, 93, W("alarm"), NO}, /* unlocking took too long */
    {5, 94, W("denied"), W("card")}, /* first card used without authorisation */
    {5, 101, W("granted"), W("pin")}, /* employee no. + PIN */
    {5, 102, W("denied"), W("pin")}, /* employee no. + PIN: refused */
    {5, 103, W("denied"), W("pin")}, /* employee no. + PIN: not finished */
    {5, 104, W("denied"), W("face")}, /* liveness (human) check failed */
    {5, 105, W("granted"), NO}, /* person matches ID document */
    {5, 112, W("denied"), NO}, /* person does not match ID document */
    {5, 113, W("denied"), NO}, /* on block list */
    {5, 117, W("denied"), NO}, /* door locked or asleep */
    {5, 118, W("denied"), NO}, /* schedule asleep */
    {5, 119, W("denied"), W("card")}, /* card key check failed */
    {5, 120, W("denied"), NO}, /* anti-passback server gave no answer */
    {5, 130, W("denied"), NO}, /* exit button while door locked or asleep */
    {5, 132, W("denied"), NO}, /* linked opening while door locked or asleep */
    {5, 133, W("alarm"), NO}, /* tailgating */
    {5, 134, W("alarm"), NO}, /* walked the wrong way */
    {5, 135, W("alarm"), NO}, /* forced through */
    {5, 136, W("alarm"), NO}, /* climbed over */
    {5, 138, W("alarm"), NO}, /* intrusion */
    {5, 139, W("denied"), NO}, /* not accepted in free-pass lane */
    {5, 140, W("alarm"), NO}, /* barrier blocked */
    {5, 143, W("alarm"), NO}, /* person stays in the lane */
    {5, 144, W("granted"), NO}, /* allow-list check */
    {5, 145, W("denied"), NO}, /* allow-list check: refused */
    {5, 150, W("denied"), W("pin")}, /* PIN (see 151) */
    {5, 151, W("denied"), W("pin")}, /* wrong PIN */
    {5, 152, W("denied"), NO}, /* unknown employee no. */
    {5, 153, W("granted"), NO}, /* combined methods */
    {5, 154, W("denied"), NO}, /* combined methods: not finished */
    {5, 155, W("denied"), NO}, /* method not allowed here */
    {5, 156, W("granted"), W("qr")}, /* QR code */
    {5, 157, W("denied"), W("qr")}, /* QR code: refused */
    {5, 158, W("granted"), W("remote")}, /* opened by resident */
    {5, 159, W("granted"), NO}, /* Bluetooth */
    {5, 160, W("denied"), NO}, /* Bluetooth: refused */
    {5, 162, W("denied"), W("card")}, /* odd Mifare card */
    {5, 163, W("denied"), W("card")}, /* CPU card key */
    {5, 164, W("denied"), W("card")}, /* NFC switched off */
    {5, 168, W("denied"), W("card")}, /* EM cards switched off */
    {5, 169, W("denied"), W("card")}, /* M1 cards switched off */
    {5, 170, W("denied"), W("card")}, /* CPU cards switched off */
    {5, 171, W("denied"), W("card")}, /* ID cards switched off */
    {5, 179, W("granted"), W("pin")}, /* one-time code */
    {5, 180, W("denied"), W("pin")}, /* one-time code: refused */
    {5, 181, W("granted"), W("pin")}, /* PIN */
};
/* clang-format on */

#define COUNT (sizeof codes / sizeof *codes)

static size_t find(int64_t major, int64_t minor)
{
    size_t i = 0;

    while (i < COUNT && (codes[i].major != major || codes[i].minor != minor))
        i++;
    return i;
}

struct slice hik_code_kind(int64_t major, int64_t minor)
{
    size_t i = find(major, minor);

    return i < COUNT ? codes[i].kind : SLICE("other");
}

struct slice hik_code_credential(int64_t major, int64_t minor)
{
    size_t i = find(major, minor);

    return i < COUNT ? codes[i].credential : SLICE_NONE;
}
