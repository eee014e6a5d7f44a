/*
 * delivery.h
 *	  Where inserted records go.
 *
 * Each way is a struct of functions in a file of its own; a table's option "delivery"
 * chooses one of them by its name.  Tables of all ways may be written to in one
 * transaction: each way takes part in it for itself.
 */
#ifndef KFDW_DELIVERY_H
#define KFDW_DELIVERY_H

#include "kafka/record.h"
#include "option/options.h"
#include "xact.h"

/*
 * A table that is written to.  A way of delivery embeds it at the start of what it
 * keeps of the table.
 */
typedef struct KafkaDestination
{
	const struct KafkaDelivery *delivery;
	const char *topic;
	int			max_request_size;	/* bytes of a record */
	int			npartitions;	/* when the brokers were last asked; 0: not known */
} KafkaDestination;

typedef struct KafkaDelivery
{
	const char *name;			/* the option's value */

	/*
	 * Begins to write to a table as a user, for the rest of the transaction at most.
	 * What cannot be written to is an error here.
	 */
	KafkaDestination *(*begin) (const KafkaTableOptions *options, Oid userid);

	/* how many partitions there are now; may ask the brokers, whose answer is believed for a moment */
	int			(*count_partitions) (KafkaDestination *destination);

	/* takes a record, or a copy of it; what will be refused later is an error here */
	void		(*add) (KafkaDestination *destination, const KafkaRecord *record);

	/* sends a record and waits, whatever becomes of the transaction; sets where it is; NULL: it cannot */
	void		(*send_now) (KafkaDestination *destination, KafkaRecord *record);

	/* what becomes of the records when the transaction, or a part of it, ends */
	KafkaParticipant participant;
} KafkaDelivery;

/* sync.c: held until COMMIT, which waits until every record is acknowledged */
extern const KafkaDelivery kfdw_delivery_sync;

/* async.c: sent at once in the background; nobody waits for the acknowledgement */
extern const KafkaDelivery kfdw_delivery_async;

/* transactional.c: held like sync, sent in one Kafka transaction, which commits last */
extern const KafkaDelivery kfdw_delivery_transactional;

/* outbox.c: stored by the transaction, published by a relay */
extern const KafkaDelivery kfdw_delivery_outbox;

/* Raises an error where a table cannot be written to, whoever writes. */
extern void kfdw_delivery_check(const KafkaTableOptions *options);

/* What a statement writes to a table by. */
typedef struct KafkaWriter KafkaWriter;

/*
 * Begins to write to a table in the way that its options choose.  The writer is in the
 * current memory context, and of use until the end of the statement.
 */
extern KafkaWriter *kfdw_delivery_begin(const KafkaTableOptions *options, Oid userid);

/* Writes a record to the table's topic, and sets its partition if the client does not choose it. */
extern void kfdw_delivery_add(KafkaWriter *writer, KafkaRecord *record);

/*
 * Sends a record at once and waits until it is acknowledged; it stays in the topic if
 * the transaction rolls back.  Sets its partition, offset (negative: not known) and
 * timestamp.
 */
extern void kfdw_delivery_send_now(KafkaWriter *writer, KafkaRecord *record);

/*
 * Inserts what a relay of the outbox has set aside once more, and deletes it there; returns
 * how many records that are.
 */
struct KafkaRelay;
extern int64 kfdw_delivery_retry(const struct KafkaRelay *relay);

/* All ways take part in transactions from now on. */
extern void kfdw_delivery_init(void);

#endif							/* KFDW_DELIVERY_H */
