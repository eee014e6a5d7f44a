/*
 * update_guard.h
 *	  An UPDATE, or a DELETE that returns what it joins, that meets a row twice is an
 *	  error, as a MERGE is.
 *
 * PostgreSQL uses the first of several rows that are joined to a row of the table, and
 * skips the others: in a stream they would be records that do not count.
 */
#ifndef KFDW_UPDATE_GUARD_H
#define KFDW_UPDATE_GUARD_H

#include "executor/execdesc.h"

/* Watches the updates, and such deletions, of a started query. */
extern void kfdw_update_guard(QueryDesc *query);

#endif							/* KFDW_UPDATE_GUARD_H */
