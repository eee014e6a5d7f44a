/*
 * instance.h
 *	  The row of kafka.instance: the database in which positions move.
 *
 * A restored dump, a database made from a template or an upgraded cluster carries
 * the row of another one; nothing runs or is consumed there until it is adopted.
 */
#ifndef KFDW_INSTANCE_H
#define KFDW_INSTANCE_H

typedef enum KafkaInstanceState
{
	KAFKA_INSTANCE_NONE,		/* nothing was ever consumed here */
	KAFKA_INSTANCE_OURS,
	KAFKA_INSTANCE_FOREIGN		/* the row is one of another database */
} KafkaInstanceState;

extern KafkaInstanceState kfdw_instance_state(void);

/* A row of another database is an error; false when there is none yet.  Costs nothing where it was ours before. */
extern bool kfdw_instance_check(void);

/* Makes the row if there is none; one of another database is an error. */
extern void kfdw_instance_ensure(void);

/*
 * What tells this database's names at brokers from those of others, in the current memory
 * context: the id of the row, and as long as there is none the system identifier.  A row of
 * another database is an error.
 */
extern char *kfdw_instance_name(void);

/* Makes the row one of this database, with a new id if asked for. */
extern void kfdw_instance_adopt(bool new_id);

#endif							/* KFDW_INSTANCE_H */
