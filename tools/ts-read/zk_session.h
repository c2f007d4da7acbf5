/* SPDX-License-Identifier: MIT */
/*
 * One session with a ZKTeco device: what to send next, and what came.  Pure: the caller moves the
 * bytes and tells the time (milliseconds that never step back).
 *
 * One thing is asked at a time.  The caller asks, sends what zk_session_out has, hands in what
 * comes, and calls zk_session_next until it has nothing to say:
 *
 *     asked                  ends with
 *     zk_session_connect     DONE; REFUSED: code ZK_ACK_UNAUTH, ZK_OTHER_SDK, …
 *     zk_session_option      DONE with its value in data; REFUSED
 *     zk_session_sizes       DONE with sizes; REFUSED
 *     zk_session_clock       DONE with its wall clock in local_s; REFUSED
 *     zk_session_listen      DONE; REFUSED
 *     zk_session_open        DONE with the size of the table; REFUSED (ZK_NO_LOG: no log here)
 *     zk_session_read        DATA, … in order, DONE
 *     zk_session_shut        DONE
 *     zk_session_exit        DONE
 *
 * EVENT may come at any time, and is acknowledged already.  After LOST nothing more comes.
 */
#ifndef TS_ZK_SESSION_H
#define TS_ZK_SESSION_H

#include "zk_packet.h"

struct zk_session;

/* udp: datagrams; keyed: there is a communication key. */
struct zk_session *zk_session_new(bool udp, bool keyed, uint32_t key);
void zk_session_free(struct zk_session *s);

/* ---- asking ---- */

enum zk_table { ZK_TABLE_LOG, ZK_TABLE_USERS };

#define ZK_TABLE_MAX (64u << 20) /* bytes of a table that is read in parts */
#define ZK_BULK_MAX (12u << 20)  /* of one that an old device hands over in one go */

void zk_session_connect(struct zk_session *s, int64_t now_ms);
void zk_session_option(struct zk_session *s, const char *name, int64_t now_ms);
void zk_session_sizes(struct zk_session *s, int64_t now_ms);
void zk_session_clock(struct zk_session *s, int64_t now_ms);
void zk_session_listen(struct zk_session *s, int64_t now_ms);
void zk_session_open(struct zk_session *s, enum zk_table table, int64_t now_ms);

/* Bytes [from, to) of the open table; to is at most its size. */
void zk_session_read(struct zk_session *s, uint32_t from, uint32_t to, int64_t now_ms);
void zk_session_shut(struct zk_session *s, int64_t now_ms);
void zk_session_exit(struct zk_session *s, int64_t now_ms);

/* ---- bytes ---- */

/* The next packet to send; false when there is none.  Valid until zk_session_sent. */
bool zk_session_out(struct zk_session *s, struct slice *packet);
void zk_session_sent(struct zk_session *s);

/* What came: bytes of a TCP stream, or one datagram. */
void zk_session_take(struct zk_session *s, struct slice bytes);

/* ---- news ---- */

enum zk_news_kind {
    ZK_NEWS_NONE,
    ZK_NEWS_DONE,
    ZK_NEWS_REFUSED,
    ZK_NEWS_DATA,
    ZK_NEWS_EVENT,
    ZK_NEWS_LOST,
};

struct zk_news {
    enum zk_news_kind kind;
    uint16_t code;     /* of REFUSED: the device's answer; 0: it gave none */
    uint32_t size;     /* of a table, in bytes */
    struct slice data; /* until the next call */
    struct zk_sizes sizes;
    int64_t local_s;
    const char *why; /* of LOST: in plain words */
};

/* Works on what came, and looks at the time. */
enum zk_news_kind zk_session_next(struct zk_session *s, int64_t now_ms, struct zk_news *news);

/* When zk_session_next wants to be called at the latest; INT64_MAX: not by time. */
int64_t zk_session_due(const struct zk_session *s);

/* The caller stood still for so long: the device is not to blame for that. */
void zk_session_stalled(struct zk_session *s, int64_t for_ms);

/* Whether there is a session with the device, which zk_session_exit should end. */
bool zk_session_open_now(const struct zk_session *s);

#endif
