/*
 * rights.h
 *	  What roles may see of others' processes, and call.
 */
#ifndef KFDW_RIGHTS_H
#define KFDW_RIGHTS_H

/* True where pg_stat_activity would show the current user what a role's processes do. */
extern bool kfdw_may_see_work_of(Oid role);

/* True where a role may call a function of ours, of which there is one of that name. */
extern bool kfdw_may_call(Oid role, const char *function);

#endif							/* KFDW_RIGHTS_H */
