/*
 * instance.h
 *	  The row of kafka.instance: the identity under which workers run.
 *
 * A restored dump, a database made from a template or an upgraded cluster carries
 * the row of another one; nothing runs there until it is adopted.
 */
#ifndef KFDW_INSTANCE_H
#define KFDW_INSTANCE_H

typedef enum KafkaInstanceState
{
	KAFKA_INSTANCE_NONE,		/* no stream was ever created here */
	KAFKA_INSTANCE_OURS,
	KAFKA_INSTANCE_FOREIGN		/* the row is one of another database */
} KafkaInstanceState;

extern KafkaInstanceState kfdw_instance_state(void);

/* Makes the row if there is none; one of another database is an error. */
extern void kfdw_instance_ensure(void);

/* Makes the row one of this database, with a new id if asked for. */
extern void kfdw_instance_adopt(bool new_id);

#endif							/* KFDW_INSTANCE_H */
