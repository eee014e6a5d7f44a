/*
 * sender.h
 *	  A producer's handle and the topics that it sends to; for this folder only.
 *
 * What becomes of delivery reports is the affair of who opens one: producer.c waits
 * for them, background.c does not.
 */
#ifndef KFDW_SENDER_H
#define KFDW_SENDER_H

#include "datatype/timestamp.h"

#include "kafka/client.h"
#include "kafka/record.h"
#include "kafka/turn.h"

typedef struct KafkaSender KafkaSender;

/* A topic that a table's records are sent to; each record has it as its opaque. */
typedef struct KafkaSenderTopic
{
	KafkaSender *sender;
	char	   *name;
	Oid			relid;			/* of the table */
	int64	   *counts;			/* its statistics */
	int64		outstanding;	/* sent, but no delivery report yet */
	KafkaTurn  *turn;			/* to send to it */
	rd_kafka_topic_t *topic;
	int			npartitions;
	TimestampTz known_at;		/* when the brokers last confirmed that it is there */
	bool		in_use;			/* records were sent since all were acknowledged */
	struct KafkaSenderTopic *next;
} KafkaSenderTopic;

/* What is done with the reports on records. */
typedef struct KafkaReports
{
	size_t		size;			/* of what begins with a KafkaSender */
	bool		delicate;		/* after any error the handle is not to be used again */

	/* takes one, from inside our own rd_kafka_poll() or rd_kafka_flush(); must not fail */
	void		(*take) (KafkaSenderTopic *topic, const rd_kafka_message_t *message);

	/* waits until a count of records without a report, here or in a turn, is 0; may raise an error */
	void		(*await) (KafkaSender *sender, const int64 *outstanding);

	/* between two waits for room in the queue: may raise an error; NULL: waiting goes on */
	void		(*check) (KafkaSender *sender);
} KafkaReports;

struct KafkaSender
{
	KafkaClient *client;
	const KafkaReports *reports;
	KafkaSenderTopic *topics;
	KafkaSender *next;

	int			delivery_timeout_ms;
	int			max_block_ms;
	bool		broken;			/* something failed: not to be used again */
	bool		retired;		/* another one takes its place, until it is closed */
	bool		silent;			/* the last question had no answer: ask no more while sending */
	TimestampTz purged_at;		/* since then what is reported as purged was too late; 0: nothing is */
	int64		outstanding;	/* of all topics */
};

/* The sender in a list for these settings, opened and put there when there is none yet. */
extern KafkaSender *kfdw_sender_get(KafkaSender **list, const KafkaReports *reports, const KafkaConfig *config);

/* Takes a sender off its list and destroys it with everything that it holds; never fails. */
extern void kfdw_sender_destroy(KafkaSender **list, KafkaSender *sender);

/* True when the library lets nothing be sent by the handle any more. */
extern bool kfdw_sender_is_dead(const KafkaSender *sender);

/* True when it is not to be used in later transactions: its settings changed, too. */
extern bool kfdw_sender_is_done_for(const KafkaSender *sender);

/* Gives up on all that it holds; the reports say so. */
extern void kfdw_sender_give_up(KafkaSender *sender);

extern KafkaSenderTopic *kfdw_sender_topic(KafkaSender *sender, const char *name, Oid relid);

/* True when the topic may be another one by now. */
extern bool kfdw_sender_is_outdated(const KafkaSenderTopic *topic);

/* Asks the brokers for the topic, with the patience of a statement. */
extern void kfdw_sender_ask_topic(KafkaSenderTopic *topic);

/*
 * Renews what the library knows of the topic before records are sent: it refuses them
 * for a topic that was created again until it learns of that.  Where nobody answers
 * soon, sending tells.
 */
extern void kfdw_sender_renew_topic(KafkaSenderTopic *topic);

/* Waits until nothing that another sender has sent to the topic is under way: then it is this one's turn. */
extern void kfdw_sender_take_turn(KafkaSenderTopic *topic);

/* In its turn hands a record to the library, waiting interruptibly while its queue is full. */
extern void kfdw_sender_hand_over(KafkaSenderTopic *topic, const KafkaRecord *record);

/*
 * Waits a moment for reports, so that whoever waits for long looks at interrupts; records
 * leave without lingering.  Gives up on those that nobody acknowledged since a time that
 * is long enough ago, at which all of them had been sent.
 */
extern void kfdw_sender_wait(KafkaSender *sender, TimestampTz since);

/* The error of a report: of records that were given up it is that they were too late. */
extern rd_kafka_resp_err_t kfdw_sender_error(const KafkaSender *sender, const rd_kafka_message_t *message);

#endif							/* KFDW_SENDER_H */
