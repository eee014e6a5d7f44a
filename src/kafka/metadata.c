/*
 * metadata.c
 *	  The metadata of a cluster, asked for on a thread.
 */
#include "postgres.h"

#include <unistd.h>

#include "kafka/error.h"
#include "kafka/fault.h"
#include "kafka/metadata.h"

#define SLICE_MS 1000
#define RETRY_PAUSE_US 50000

/* One attempt. */
static rd_kafka_resp_err_t
ask_once(KafkaMetadataCall *query, rd_kafka_topic_t *topic, int timeout_ms)
{
	rd_kafka_resp_err_t error = rd_kafka_metadata(query->client->rk, topic == NULL, topic, &query->metadata, timeout_ms);

	if (!error)
		query->controller = rd_kafka_controllerid(query->client->rk, timeout_ms);
	return error;
}

/* Asks until an answer or the end of the time comes. */
static void
ask(KafkaMetadataCall *query, rd_kafka_topic_t *topic)
{
	int64		deadline = kfdw_call_now_ms() + query->client->request_timeout_ms;

	for (;;)
	{
		query->error = ask_once(query, topic, SLICE_MS);
		if (!query->error || kfdw_fault_course(query->error) != KAFKA_PASSES || kfdw_call_now_ms() > deadline ||
			query->call.abandoned || query->client->discarded)
			return;
		if (query->error != RD_KAFKA_RESP_ERR__TIMED_OUT)
			usleep(RETRY_PAUSE_US);
	}
}

/* On the thread. */
static void
run_query(KafkaCall *call)
{
	KafkaMetadataCall *query = (KafkaMetadataCall *) call;
	rd_kafka_topic_t *topic = query->topic == NULL ? NULL : rd_kafka_topic_new(query->client->rk, query->topic, NULL);

	if (query->topic != NULL && topic == NULL)
		query->error = rd_kafka_last_error();
	else
		ask(query, topic);
	if (topic != NULL)
		rd_kafka_topic_destroy(topic);
	kfdw_client_let_go(query->client);
}

/* Frees the call; may run on the thread. */
static void
release_query(KafkaCall *call)
{
	KafkaMetadataCall *query = (KafkaMetadataCall *) call;

	if (query->metadata != NULL)
		rd_kafka_metadata_destroy(query->metadata);
	free(query->topic);
	free(query);
}

/* Waiting is of no use where the brokers refuse the client. */
static void
look_for_refusal(KafkaCall *call)
{
	KafkaClient *client = ((KafkaMetadataCall *) call)->client;

	kfdw_client_serve(client);
	if (client->error && kfdw_fault_course(client->error) != KAFKA_PASSES)
		call->abandoned = 1;
}

/* Makes a call; there is no memory for it only when there is none at all. */
static KafkaMetadataCall *
make_query(KafkaClient *client, const char *topic)
{
	KafkaMetadataCall *query = calloc(1, sizeof(KafkaMetadataCall));

	if (query != NULL && topic != NULL)
		query->topic = strdup(topic);
	if (query == NULL || (topic != NULL && query->topic == NULL))
	{
		free(query);
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	}
	query->call.run = run_query;
	query->call.release = release_query;
	query->call.look = look_for_refusal;
	query->client = client;
	query->controller = -1;
	return query;
}

KafkaMetadataCall *
kfdw_metadata_ask(KafkaClient *client, const char *topic)
{
	KafkaMetadataCall *query = make_query(client, topic);
	rd_kafka_resp_err_t error;

	kfdw_client_hold(client);
	kfdw_call_run(&query->call);
	error = query->error;
	if (!error)
	{
		client->error = RD_KAFKA_RESP_ERR_NO_ERROR;
		kfdw_client_account(client, query->metadata->broker_cnt + 1);
		return query;
	}
	kfdw_metadata_done(query);
	if (topic != NULL && kfdw_fault_course(error) != KAFKA_PASSES)
		kfdw_error_topic(client, topic, -1, error, rd_kafka_err2str(error));
	kfdw_error_unreachable(client, topic);
}

void
kfdw_metadata_done(KafkaMetadataCall *query)
{
	release_query(&query->call);
}
