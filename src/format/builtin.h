/*
 * builtin.h
 *	  Whose code the functions of a type are.
 *
 * Anybody's code may do what SQL can: look at settings, or change them for as long as it
 * runs, hold locks and pins, and fail in the middle of it, even where it says that it is
 * immutable.
 */
#ifndef KFDW_BUILTIN_H
#define KFDW_BUILTIN_H

#include "nodes/pg_list.h"

/* Which functions are as wanted. */
typedef bool (*KafkaFunctionTest) (Oid function);

/* PostgreSQL's own. */
extern bool kfdw_builtin_function(Oid function);

/* These, and what is in C, immutable, and without settings of its own: it looks at settings as PostgreSQL's do, if at all. */
extern bool kfdw_plain_function(Oid function);

/* True for expressions with such functions only in them; CHECKs of domains are not looked at. */
extern bool kfdw_expressions_call_only(List *expressions, KafkaFunctionTest wanted);

/* True for a domain whose CHECKs do no more than to compute on the value, by such functions. */
extern bool kfdw_checks_call_only(Oid domain, KafkaFunctionTest wanted);

/* The same of a range, whose bounds are compared and brought into a canonical form. */
extern bool kfdw_range_calls_only(Oid type, KafkaFunctionTest wanted);

#endif							/* KFDW_BUILTIN_H */
