/*
 * builtin.c
 *	  What of a type is PostgreSQL's own code.
 */
#include "postgres.h"

#include "access/transam.h"
#include "nodes/execnodes.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/typcache.h"

#include "format/builtin.h"

bool
kfdw_builtin_function(Oid function)
{
	return function < FirstNormalObjectId;
}

static bool
is_foreign_function(Oid function, void *unused)
{
	return !kfdw_builtin_function(function);
}

/* True for an expression with such a function in it. */
static bool
calls_foreign_function(Node *node, void *unused)
{
	if (node == NULL)
		return false;
	return check_functions_in_node(node, is_foreign_function, NULL) ||
		expression_tree_walker(node, calls_foreign_function, NULL);
}

bool
kfdw_builtin_checks(Oid domain)
{
	DomainConstraintRef *constraints = palloc(sizeof(DomainConstraintRef)); /* released with its context */
	ListCell   *lc;

	InitDomainConstraintRef(domain, constraints, CurrentMemoryContext, false);
	foreach(lc, constraints->constraints)
	{
		Node	   *check = (Node *) ((DomainConstraintState *) lfirst(lc))->check_expr;

		if (contain_mutable_functions(check) || calls_foreign_function(check, NULL))
			return false;
	}
	return true;
}

bool
kfdw_builtin_range(Oid type)
{
	const TypeCacheEntry *range = lookup_type_cache(type, TYPECACHE_RANGE_INFO);

	return kfdw_builtin_function(range->rng_cmp_proc_finfo.fn_oid) &&
		kfdw_builtin_function(range->rng_canonical_finfo.fn_oid);
}
