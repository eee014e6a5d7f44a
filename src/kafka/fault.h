/*
 * fault.h
 *	  The client library's error codes as PostgreSQL's, and which of them pass by themselves.
 *
 * Error codes are rd_kafka_resp_err_t, as int: the rest of the extension may include this.
 */
#ifndef KFDW_FAULT_H
#define KFDW_FAULT_H

#include "compat.h"

/* What becomes of an error, when nobody does anything about it. */
typedef enum KafkaCourse
{
	KAFKA_PASSES,				/* the same is asked again, as long as a statement may wait */
	KAFKA_MAY_PASS,				/* a statement fails at once; one that runs again and again goes on */
	KAFKA_LASTS					/* until options, rights, the topic or the data change */
} KafkaCourse;

extern int	kfdw_fault_sqlstate(int error);
extern KafkaCourse kfdw_fault_course(int error);

/* Do the brokers not take the client for one of theirs, or does it not take them? */
extern bool kfdw_fault_is_refusal(int error);

/* For ereport_domain(): marks an error as Kafka's, so that kfdw_fault_judge() knows it again. */
extern const char *kfdw_fault_domain(int error);

/*
 * What an error that was caught says of Kafka.  KAFKA_NOT_CONCERNED: it does not come
 * from there, and its SQLSTATE means what PostgreSQL means by it.
 */
typedef enum KafkaVerdict
{
	KAFKA_NOT_CONCERNED,
	KAFKA_TRY_AGAIN,
	KAFKA_GIVE_UP
} KafkaVerdict;

extern KafkaVerdict kfdw_fault_judge(const ErrorData *error);

/* What is shown of a partition whose leader does not answer. */
extern char *kfdw_fault_describe_silence(const char *topic, int partition, const char *reason);

/*
 * A topic of so many partitions does not have one.  The domain marks the error (NULL: with
 * nothing), and there may be a hint.
 */
pg_noreturn extern void kfdw_fault_no_partition(const char *domain, const char *topic, int partition,
												int npartitions, const char *hint);

#endif							/* KFDW_FAULT_H */
