/* SPDX-License-Identifier: MIT */
/*
 * libpq, loaded when the first store in PostgreSQL is opened: it brings some thirty libraries with
 * it, which would make every start of a program that works on a file five times as long.  Whoever
 * includes this file calls its functions by their own names.
 */
#ifndef TS_SPOOL_POSTGRESQL_LIBRARY_H
#define TS_SPOOL_POSTGRESQL_LIBRARY_H

#include <libpq-fe.h>

#include "fault.h"

/* What is used of it; the macros below have the same names. */
/* clang-format off */
#define LIBPQ_FUNCTIONS(X) \
    X(PQbackendPID) X(PQclear) X(PQcmdStatus) X(PQconnectdbParams) \
    X(PQconnectionNeedsPassword) X(PQconnectionUsedPassword) X(PQconninfoFree) \
    X(PQconninfoParse) X(PQconsumeInput) X(PQerrorMessage) X(PQescapeIdentifier) X(PQfinish) \
    X(PQflush) X(PQfreemem) X(PQgetResult) X(PQgetisnull) X(PQgetlength) X(PQgetvalue) \
    X(PQisBusy) X(PQnotifies) X(PQntuples) X(PQresultErrorField) X(PQresultStatus) \
    X(PQsendPrepare) X(PQsendQuery) X(PQsendQueryPrepared) X(PQsetNoticeReceiver) \
    X(PQsetnonblocking) X(PQsocket) X(PQstatus) X(PQtransactionStatus)
/* clang-format on */

#define LIBPQ_MEMBER(name) __typeof__(name) *name;
struct libpq {
    LIBPQ_FUNCTIONS(LIBPQ_MEMBER)
};
extern struct libpq libpq;

/* 0 when it is there; it stays. */
int libpq_load(struct fault *why);

#ifndef LIBPQ_LOADS
#define PQbackendPID libpq.PQbackendPID
#define PQclear libpq.PQclear
#define PQcmdStatus libpq.PQcmdStatus
#define PQconnectdbParams libpq.PQconnectdbParams
#define PQconnectionNeedsPassword libpq.PQconnectionNeedsPassword
#define PQconnectionUsedPassword libpq.PQconnectionUsedPassword
#define PQconninfoFree libpq.PQconninfoFree
#define PQconninfoParse libpq.PQconninfoParse
#define PQconsumeInput libpq.PQconsumeInput
#define PQerrorMessage libpq.PQerrorMessage
#define PQescapeIdentifier libpq.PQescapeIdentifier
#define PQfinish libpq.PQfinish
#define PQflush libpq.PQflush
#define PQfreemem libpq.PQfreemem
#define PQgetResult libpq.PQgetResult
#define PQgetisnull libpq.PQgetisnull
#define PQgetlength libpq.PQgetlength
#define PQgetvalue libpq.PQgetvalue
#define PQisBusy libpq.PQisBusy
#define PQnotifies libpq.PQnotifies
#define PQntuples libpq.PQntuples
#define PQresultErrorField libpq.PQresultErrorField
#define PQresultStatus libpq.PQresultStatus
#define PQsendPrepare libpq.PQsendPrepare
#define PQsendQuery libpq.PQsendQuery
#define PQsendQueryPrepared libpq.PQsendQueryPrepared
#define PQsetNoticeReceiver libpq.PQsetNoticeReceiver
#define PQsetnonblocking libpq.PQsetnonblocking
#define PQsocket libpq.PQsocket
#define PQstatus libpq.PQstatus
#define PQtransactionStatus libpq.PQtransactionStatus
#endif

#endif
