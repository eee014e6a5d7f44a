/*
 * rest.h
 *	  Records of a stream's batch that its statement has not read, as its conditions needed
 *	  no more of them: they may be none that can be decoded.
 */
#ifndef KFDW_REST_H
#define KFDW_REST_H

#include "postgres_ext.h"

/* True when the statement has left something of the batch that is bound to its source. */
extern bool kfdw_rest_exists(Oid source);

/* Decodes it, as a scan would, and sets aside what cannot be decoded, or raises its error. */
extern void kfdw_rest_decode(Oid source);

#endif							/* KFDW_REST_H */
