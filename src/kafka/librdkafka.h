/*
 * librdkafka.h
 *	  The one place that includes the client library, with its version differences.
 */
#ifndef KFDW_LIBRDKAFKA_H
#define KFDW_LIBRDKAFKA_H

#include <librdkafka/rdkafka.h>

/* 2.0.2 is Debian bookworm's; 1.9.0 fixed the silent loss of acknowledged records. */
#if RD_KAFKA_VERSION < 0x020002ff
#error "librdkafka 2.0.2 or later is required"
#endif

/*
 * From 2.4 on, the library's cache finds topics by their ids too.  Until 2.10, a topic
 * that is created again while the entry of its predecessor is cached leaves a pointer
 * to freed memory there: calls time out, and the process aborts.  So entries expire
 * sooner than anybody can remove a topic and create it again.  A producer forgets its
 * topics with them, and asks before it sends.
 */
#define KFDW_METADATA_MAX_AGE_MS "10"

static inline bool
kfdw_library_keeps_dead_topics(void)
{
	return rd_kafka_version() >= 0x02040000 && rd_kafka_version() < 0x020a0000;
}

/* 2.2 lets a full queue be looked at again sooner than in a second. */
static inline bool
kfdw_library_has_fetch_backoff(void)
{
	return rd_kafka_version() >= 0x02020000;
}

/* 2.5 sends metrics of the client to brokers that ask for them, unless it is told not to. */
static inline bool
kfdw_library_is_told_metrics(void)
{
	return rd_kafka_version() >= 0x02050000;
}

#endif							/* KFDW_LIBRDKAFKA_H */
