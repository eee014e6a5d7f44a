/*
 * owner.h
 *	  Looking at a stream's statement as its owner sees it, in a session of somebody else.
 */
#ifndef KFDW_OWNER_H
#define KFDW_OWNER_H

#include "catalog/role_scope.h"
#include "catalog/streams.h"

/* As kfdw_role_begin(), and names mean what they mean to the stream's workers; kfdw_role_end() ends it. */
extern void kfdw_owner_begin(KafkaRoleScope *scope, const KafkaStream *stream);

#endif							/* KFDW_OWNER_H */
