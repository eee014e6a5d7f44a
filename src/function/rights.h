/*
 * rights.h
 *	  What others may see of a role's processes.
 */
#ifndef KFDW_RIGHTS_H
#define KFDW_RIGHTS_H

/* True where pg_stat_activity would show the current user what a role's processes do. */
extern bool kfdw_may_see_work_of(Oid role);

#endif							/* KFDW_RIGHTS_H */
