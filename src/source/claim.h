/*
 * claim.h
 *	  The locks of those who consume.
 */
#ifndef KFDW_CLAIM_H
#define KFDW_CLAIM_H

#include "catalog/offsets.h"

/*
 * Tries to claim a partition until the end of the transaction, and never waits: false
 * when another consumer of the group holds it.
 */
extern bool kfdw_claim_for_transaction(const KafkaPositionKey *key, int32 partition);

/*
 * The process whose transaction holds a partition; 0: a prepared one does, -1: it is free.
 * Takes no lock, so it may be wrong a moment later.
 */
extern int	kfdw_claim_holder(const KafkaPositionKey *key, int32 partition);

/* Gives a claim back that was just made for the transaction. */
extern void kfdw_claim_give_up(const KafkaPositionKey *key, int32 partition);

#endif							/* KFDW_CLAIM_H */
