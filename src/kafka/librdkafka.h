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

#endif							/* KFDW_LIBRDKAFKA_H */
