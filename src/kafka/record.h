/*
 * record.h
 *	  A Kafka record as the rest of the extension sees it: a plain view.
 *
 * What a record points to belongs to whoever made it: a consumer's buffer until
 * it is cleared, an encoder's memory context until the record was appended.
 */
#ifndef KFDW_RECORD_H
#define KFDW_RECORD_H

/* Kafka's header: the order and duplicates of keys are kept. */
typedef struct KafkaHeader
{
	const char *key;			/* NUL-terminated, UTF-8 */
	const char *value;			/* NULL: a header without a value */
	size_t		value_len;
} KafkaHeader;

typedef enum KafkaTimestampType
{
	KAFKA_TIMESTAMP_NONE,
	KAFKA_TIMESTAMP_CREATE_TIME,
	KAFKA_TIMESTAMP_LOG_APPEND_TIME
} KafkaTimestampType;

#define KAFKA_PARTITION_ANY		(-1)	/* let the partitioner choose */
#define KAFKA_NO_TIMESTAMP		INT64_C(-1)
#define KAFKA_NO_OFFSET			INT64_C(-1) /* nobody says: any negative one means so */

typedef struct KafkaRecord
{
	const char *server;			/* its cluster's name, of a record that was stored; NULL: whoever reads knows */
	const char *topic;
	int32		partition;		/* KAFKA_PARTITION_ANY only when writing */
	int			index;			/* of the partition among those that are read together */
	int64		offset;
	int64		timestamp;		/* milliseconds since 1970, or KAFKA_NO_TIMESTAMP */
	KafkaTimestampType timestamp_type;

	/* none of these ends in NUL; NULL is not the same as empty */
	const char *key;			/* NULL: no key */
	size_t		key_len;
	const char *value;			/* NULL: a tombstone */
	size_t		value_len;

	/* headers are in the message, if there is one: read them by kfdw_record_headers() */
	KafkaHeader *headers;
	int			nheaders;
	void	   *message;		/* the client library's, or NULL */
} KafkaRecord;

extern int	kfdw_record_headers(const KafkaRecord *record, const KafkaHeader **headers);

#endif							/* KFDW_RECORD_H */
