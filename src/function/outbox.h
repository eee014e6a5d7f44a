/*
 * outbox.h
 *	  What becomes of the outbox when what it belongs to is dropped.
 *
 * Records that are not published yet are an error: they would be lost.
 */
#ifndef KFDW_FUNCTION_OUTBOX_H
#define KFDW_FUNCTION_OUTBOX_H

extern void kfdw_outbox_drop_role(Oid role);

#endif							/* KFDW_FUNCTION_OUTBOX_H */
