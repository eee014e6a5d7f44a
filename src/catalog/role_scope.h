/*
 * role_scope.h
 *	  Doing what a role has written with the rights of that role, in a session of somebody else.
 */
#ifndef KFDW_ROLE_SCOPE_H
#define KFDW_ROLE_SCOPE_H

typedef struct KafkaRoleScope
{
	Oid			userid;
	int			sec_context;
	int			guc_level;
} KafkaRoleScope;

/*
 * Between begin and end the current user is the role, as it is in REFRESH MATERIALIZED VIEW:
 * nothing that is run can change the role, or leave anything in the session that would be run
 * with other rights later; what it sets is what it was at the end.  An error ends it, as the
 * end of the (sub)transaction.  Names are looked up in the session's search_path, which is to
 * be set where the role did not choose it.
 */
extern void kfdw_role_begin(KafkaRoleScope *scope, Oid role);
extern void kfdw_role_end(const KafkaRoleScope *scope);

/* Has names looked up in these schemas until the innermost nest level of settings ends. */
extern void kfdw_role_set_search_path(const char *schemas);

#endif							/* KFDW_ROLE_SCOPE_H */
