/*
 * permit.h
 *	  Whether a table may be consumed: whose its group is, and whose the database.
 */
#ifndef KFDW_PERMIT_H
#define KFDW_PERMIT_H

#include "option/options.h"

typedef struct KafkaPermit
{
	Oid			serverid;
	Oid			owner;			/* of the table */
	bool		recorded;		/* whose the group and the database are */
} KafkaPermit;

/*
 * Raises an error when the table's owner may not consume in the name of its group, or
 * when nobody may in this database.
 */
extern KafkaPermit kfdw_permit_check(const KafkaTableOptions *options);

/*
 * Positions of the group were written.  Where it is not recorded whose that is the commit
 * does it, or fails as another owner was first: until then nobody waits for this transaction.
 */
extern void kfdw_permit_use(const KafkaPermit *permit, const char *server, const char *group_id);

/* Called once in a backend. */
extern void kfdw_permit_init(void);

#endif							/* KFDW_PERMIT_H */
