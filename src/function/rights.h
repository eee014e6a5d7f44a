/*
 * rights.h
 *	  What roles may see, use and call.
 */
#ifndef KFDW_RIGHTS_H
#define KFDW_RIGHTS_H

#include "nodes/parsenodes.h"

/* True where pg_stat_activity would show the current user what a role's processes do. */
extern bool kfdw_may_see_work_of(Oid role);

/* Raises an error for what is no topic table, or one to all of which the current user does not have a right. */
extern void kfdw_require_right(Oid relid, AclMode right);

/* True where a role may call a function of ours, of which there is one of that name. */
extern bool kfdw_may_call(Oid role, const char *function);

#endif							/* KFDW_RIGHTS_H */
