/*
 * roles.h
 *	  Roles that rows of our tables name in their column "owner".
 *
 * Each such row is a dependency of the column on the role, in pg_shdepend: from
 * whatever database, the role cannot be dropped while the row is there.  A trigger
 * keeps one dependency for each row.
 */
#ifndef KFDW_ROLES_H
#define KFDW_ROLES_H

/* One more row of a table names the role, or one less; there may be no role. */
extern void kfdw_roles_add(Oid relid, Oid role);
extern void kfdw_roles_remove(Oid relid, Oid role);

/* A role that a row names, InvalidOid when it does not exist. */
extern Oid	kfdw_roles_existing(Oid role);

/* Records again what is not recorded where rows came without triggers: by pg_upgrade, or a restore that disabled them. */
extern void kfdw_roles_renew(void);

/* The table has no rows any more. */
extern void kfdw_roles_remove_all(Oid relid);

#endif							/* KFDW_ROLES_H */
