/*
 * builtin.c
 *	  Whose code the functions of a type are.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "nodes/execnodes.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "format/builtin.h"

bool
kfdw_builtin_function(Oid function)
{
	return function < FirstNormalObjectId;
}

bool
kfdw_plain_function(Oid function)
{
	HeapTuple	tuple;
	bool		plain;

	if (kfdw_builtin_function(function))
		return true;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		return false;
	plain = (((Form_pg_proc) GETSTRUCT(tuple))->prolang == ClanguageId ||
			 ((Form_pg_proc) GETSTRUCT(tuple))->prolang == INTERNALlanguageId) &&
		((Form_pg_proc) GETSTRUCT(tuple))->provolatile == PROVOLATILE_IMMUTABLE &&
		heap_attisnull(tuple, Anum_pg_proc_proconfig, NULL);
	ReleaseSysCache(tuple);
	return plain;
}

/* True for one that is not as wanted. */
static bool
is_other_function(Oid function, void *wanted)
{
	return !(*(KafkaFunctionTest *) wanted) (function);
}

/* True for an expression with such a function in it. */
static bool
calls_other_function(Node *node, void *wanted)
{
	if (node == NULL)
		return false;
	return check_functions_in_node(node, is_other_function, wanted) ||
		expression_tree_walker(node, calls_other_function, wanted);
}

bool
kfdw_expressions_call_only(List *expressions, KafkaFunctionTest wanted)
{
	return !calls_other_function((Node *) expressions, &wanted);
}

bool
kfdw_checks_call_only(Oid domain, KafkaFunctionTest wanted)
{
	DomainConstraintRef *constraints = palloc(sizeof(DomainConstraintRef)); /* released with its context */
	ListCell   *lc;

	InitDomainConstraintRef(domain, constraints, CurrentMemoryContext, false);
	foreach(lc, constraints->constraints)
	{
		Node	   *check = (Node *) ((DomainConstraintState *) lfirst(lc))->check_expr;

		if (contain_mutable_functions(check) || calls_other_function(check, &wanted))
			return false;
	}
	return true;
}

bool
kfdw_range_calls_only(Oid type, KafkaFunctionTest wanted)
{
	const TypeCacheEntry *range = lookup_type_cache(type, TYPECACHE_RANGE_INFO);

	return wanted(range->rng_cmp_proc_finfo.fn_oid) &&
		(!OidIsValid(range->rng_canonical_finfo.fn_oid) || wanted(range->rng_canonical_finfo.fn_oid));
}
