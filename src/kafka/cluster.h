/*
 * cluster.h
 *	  What a cluster says of itself, and what it is told to make of its topics.
 */
#ifndef KFDW_CLUSTER_H
#define KFDW_CLUSTER_H

#include "kafka/config.h"

typedef struct KafkaClusterBroker
{
	int32		id;
	const char *host;
	int			port;
	bool		is_controller;
} KafkaClusterBroker;

typedef struct KafkaClusterPartition
{
	int32		number;
	int32		leader;			/* -1: none */
	int			nreplicas;
	int32	   *replicas;		/* brokers */
	int			nin_sync;
	int32	   *in_sync;		/* those that have everything */
} KafkaClusterPartition;

typedef struct KafkaClusterTopic
{
	const char *name;
	bool		exists;			/* false where it was asked for by its name */
	int			npartitions;
	KafkaClusterPartition *partitions;
} KafkaClusterTopic;

typedef struct KafkaCluster
{
	int			nbrokers;
	KafkaClusterBroker *brokers;
	int			ntopics;
	KafkaClusterTopic *topics;
} KafkaCluster;

/* Asks for all topics, or for one; in the current memory context. */
extern KafkaCluster *kfdw_cluster_ask(const KafkaConfig *config, const char *topic);

/* A property of a topic, as the broker names it. */
typedef struct KafkaTopicProperty
{
	const char *name;
	const char *value;
} KafkaTopicProperty;

#define KAFKA_BROKER_DEFAULT (-1)

/* A topic that is to be. */
typedef struct KafkaNewTopic
{
	const char *name;
	int			partitions;		/* or KAFKA_BROKER_DEFAULT, as the next */
	int			replication_factor;
	int			nproperties;
	KafkaTopicProperty *properties;
} KafkaNewTopic;

/*
 * At once, whatever becomes of the transaction; they return when the brokers show the
 * change, or have had some time to.  What the broker says against it is an error.
 */
extern void kfdw_cluster_create_topic(const KafkaConfig *config, const KafkaNewTopic *topic);
extern void kfdw_cluster_drop_topic(const KafkaConfig *config, const char *topic);
extern void kfdw_cluster_add_partitions(const KafkaConfig *config, const char *topic, int total);

#endif							/* KFDW_CLUSTER_H */
