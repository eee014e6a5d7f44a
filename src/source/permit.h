/*
 * permit.h
 *	  Whether a table may be consumed: whose its group is, and whose the database.
 */
#ifndef KFDW_PERMIT_H
#define KFDW_PERMIT_H

#include "option/options.h"

/*
 * Raises an error when the table's owner may not consume in the name of its group, or
 * when nobody may in this database.  False when the one or the other is not recorded.
 */
extern bool kfdw_permit_check(const KafkaTableOptions *options);

/* Records whose they are, with the first position. */
extern void kfdw_permit_record(Oid relid, const char *server, const char *group_id);

#endif							/* KFDW_PERMIT_H */
