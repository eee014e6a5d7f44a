/*
 * join.c
 *	  The statement of a stream that joins its records to a table.
 *
 * Columns of the target that are not given are taken, by their names, from the source or
 * from the table.  A name that both have is refused, unless the condition says that they are
 * equal: what was meant cannot be known.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_attribute.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "rewrite/rewriteManip.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#include "compat.h"
#include "format/columns.h"
#include "option/options.h"
#include "stream/join.h"
#include "stream/naming.h"
#include "stream/statement.h"

/* The range table of the analysed join. */
#define SOURCE_INDEX 1
#define TABLE_INDEX 2

typedef struct JoinWriter
{
	const KafkaJoin *join;
	char	   *source;			/* as columns name it */
	char	   *table;
	List	   *equal;			/* names of columns that the condition makes equal, as strings */
	List	   *required;		/* conditions on a record, without which it has no row whatever rows there are; the same */

	StringInfoData names;		/* of the target's columns */
	StringInfoData values;
} JoinWriter;


/* The condition ------------------------------------------------------------ */

/* The statements of a text, in which errors are pointed at. */
static List *
parse(char *text)
{
	ErrorContextCallback context = {error_context_stack, kfdw_statement_point_into, text};
	List	   *parsed;

	error_context_stack = &context;
	parsed = pg_parse_query(text);
	error_context_stack = context.previous;
	return parsed;
}

/* Refuses text that is anything but one expression: what stands around it has to stay what it is. */
static void
check_expression(const char *text, const char *what)
{
	List	   *parsed = parse(psprintf("SELECT %s", text));
	RawStmt    *raw = list_length(parsed) == 1 ? linitial_node(RawStmt, parsed) : NULL;
	SelectStmt *select = raw != NULL && IsA(raw->stmt, SelectStmt) ? (SelectStmt *) raw->stmt : NULL;

	if (select == NULL || raw->stmt_len != 0 || list_length(select->targetList) != 1 ||
		linitial_node(ResTarget, select->targetList)->name != NULL || select->distinctClause != NIL ||
		select->intoClause != NULL || select->fromClause != NIL || select->whereClause != NULL ||
		select->groupClause != NIL || select->havingClause != NULL || select->windowClause != NIL ||
		select->sortClause != NIL || select->limitOffset != NULL || select->limitCount != NULL ||
		select->lockingClause != NIL || select->op != SETOP_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("%s is not one expression: %s", what, text)));
}

/* The condition, as a join of the two tables has it. */
static Node *
analyze_condition(const KafkaJoin *join)
{
	char	   *text = psprintf("SELECT FROM %s JOIN %s ON %s", kfdw_name_relation(join->source),
								kfdw_name_relation(join->table), join->condition);
	ErrorContextCallback context = {error_context_stack, kfdw_statement_point_into, text};
	Query	   *query;

	error_context_stack = &context;
	query = parse_analyze_fixedparams(linitial_node(RawStmt, pg_parse_query(text)), text, NULL, 0, NULL);
	error_context_stack = context.previous;
	return linitial_node(JoinExpr, query->jointree->fromlist)->quals;
}

/* The name of a column of one of the tables, where an expression is no more than that. */
static char *
column_of(Node *node, int index, Oid relid)
{
	Var		   *var = (Var *) strip_implicit_coercions(node);

	if (!IsA(var, Var) || var->varno != index || var->varattno <= 0)
		return NULL;
	return get_attname(relid, var->varattno, false);
}

/* Adds a condition on records. */
static void
require(JoinWriter *writer, char *condition)
{
	writer->required = list_append_unique(writer->required, makeString(condition));
}

/* True for a part of the condition that is about the record alone, is so for ever, and can be written as such. */
static bool
is_of_source(const JoinWriter *writer, Node *part)
{
	return bms_equal(pull_varnos(NULL, part), bms_make_singleton(SOURCE_INDEX)) && !checkExprHasSubLink(part) &&
		!contain_mutable_functions(part) && strcmp(get_rel_name(writer->join->source), get_rel_name(writer->join->table)) != 0;
}

/*
 * Notes which columns of a record cannot be NULL where a part of the condition is true.  Not
 * by IS NOT NULL, which is more of a composite, and which planners leave out where the column
 * is declared so: a record's can be NULL all the same.  By <>, as for that planners expect
 * most records to have it.
 */
static void
note_nonnull(JoinWriter *writer, Node *part)
{
	const Bitmapset *columns = kfdw_nonnull_columns(part, SOURCE_INDEX);
	int			column = 0;

	while ((column = bms_next_member(columns, column)) > 0)
		require(writer, psprintf("pg_catalog.num_nulls(%s.%s) <> 1", writer->source,
								 quote_identifier(get_attname(writer->join->source, column, false))));
}

/* Notes which columns of the same name an operator of the condition makes equal. */
static void
note_operator(JoinWriter *writer, OpExpr *operator)
{
	Node	   *left = linitial(operator->args);
	Node	   *right = lsecond(operator->args);
	char	   *source = column_of(left, SOURCE_INDEX, writer->join->source);
	char	   *table = column_of(right, TABLE_INDEX, writer->join->table);

	if (source == NULL && table == NULL)
	{
		source = column_of(right, SOURCE_INDEX, writer->join->source);
		table = column_of(left, TABLE_INDEX, writer->join->table);
	}
	if (source != NULL && table != NULL && strcmp(source, table) == 0 &&
		op_hashjoinable(operator->opno, exprType(left)))
		writer->equal = lappend(writer->equal, makeString(source));
}

/* Looks at the parts of the condition, all of which have to be true. */
static void
look_at_condition(JoinWriter *writer)
{
	Node	   *condition;
	ListCell   *lc;

	check_expression(writer->join->condition, "\"join_on\"");
	condition = analyze_condition(writer->join);
	if (writer->join->parks && contain_volatile_functions(condition))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("records cannot be parked by a condition with volatile functions"),
				 errdetail("Whether a record has its row is asked more than once.")));
	foreach(lc, make_ands_implicit((Expr *) condition))
	{
		Node	   *part = lfirst(lc);

		if (is_of_source(writer, part))
			require(writer, deparse_expression(part, deparse_context_for(get_rel_name(writer->join->source), writer->join->source),
											   true, false));
		else
			note_nonnull(writer, part);
		if (IsA(part, OpExpr) && list_length(((OpExpr *) part)->args) == 2)
			note_operator(writer, (OpExpr *) part);
	}
}


/* Columns ------------------------------------------------------------------ */

/* True when a relation has a column of its own with this name. */
static bool
has_column(Oid relid, const char *name)
{
	return get_attnum(relid, name) > 0;
}

/* Assigns an expression to a column of the target; if it ends with a comment, that ends with it. */
static void
assign(JoinWriter *writer, const char *name, const char *value)
{
	const char *separator = writer->names.len > 0 ? ", " : "";

	appendStringInfo(&writer->names, "%s%s", separator, quote_identifier(name));
	appendStringInfo(&writer->values, "%s%s%s", separator, value, strstr(value, "--") != NULL ? "\n" : "");
}

/* What is given for a column; false when nothing is, NULL when it is to be left out. */
static bool
get_given(const KafkaJoin *join, const char *name, const char **value)
{
	JsonbValue *found = join->columns == NULL ? NULL :
		getKeyJsonValueFromContainer(&join->columns->root, name, strlen(name), NULL);

	*value = NULL;
	if (found == NULL)
		return false;
	if (found->type == jbvString)
		*value = pnstrdup(found->val.string.val, found->val.string.len);
	else if (found->type != jbvNull)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the expression for column \"%s\" is not a string", name),
				 errhint("\"columns\" has an expression for each name, as {\"total\": \"orders.price * orders.pieces\"}; null leaves a column out.")));
	return true;
}

/* The expression for a column that has none given: the one of its name; NULL: there is none. */
static char *
find_by_name(const JoinWriter *writer, const char *name)
{
	bool		in_source = has_column(writer->join->source, name);
	bool		in_table = has_column(writer->join->table, name);

	if (in_source && in_table && !list_member(writer->equal, makeString(pstrdup(name))))
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_COLUMN),
				 errmsg("column \"%s\" is in \"%s\" and in \"%s\"", name, get_rel_name(writer->join->source),
						get_rel_name(writer->join->table)),
				 errhint("Say in \"columns\" which one is meant: {\"%s\": \"%s\"}.", name,
						 psprintf("%s.%s", writer->source, quote_identifier(name)))));
	if (!in_source && !in_table)
		return NULL;
	return psprintf("%s.%s", in_source ? writer->source : writer->table, quote_identifier(name));
}

/* True for a column of a topic that says where a record goes and when it was, which is not inherited. */
static bool
is_set_apart(const KafkaColumns *columns, int index)
{
	if (columns == NULL)
		return false;
	switch (columns->column[index].kind)
	{
		case KAFKA_COLUMN_PAYLOAD:
		case KAFKA_COLUMN_KEY:
		case KAFKA_COLUMN_VALUE:
			return false;
		default:
			return true;
	}
}

/* Writes what becomes of a column of the target. */
static void
write_column(JoinWriter *writer, Form_pg_attribute column, bool apart)
{
	const char *name = NameStr(column->attname);
	const char *value;

	if (get_given(writer->join, name, &value))
	{
		if (value != NULL)
			check_expression(value, psprintf("what is given for column \"%s\"", name));
	}
	else if (!apart && column->attgenerated == '\0' && column->attidentity != ATTRIBUTE_IDENTITY_ALWAYS)
		value = find_by_name(writer, name);
	if (value != NULL)
		assign(writer, name, value);
	else if (column->attnotnull && !column->atthasdef && column->attidentity == '\0' && !apart)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("nothing is assigned to column \"%s\" of \"%s\", which cannot be null", name,
						get_rel_name(writer->join->target)),
				 errhint("Give an expression for it in \"columns\".")));
}

/* Refuses names in "columns" that the target does not have. */
static void
check_given_names(const KafkaJoin *join)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	if (join->columns == NULL)
		return;
	if (!JB_ROOT_IS_OBJECT(join->columns))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"columns\" is not a JSON object"),
				 errhint("It has an expression for each name, as {\"total\": \"orders.price * orders.pieces\"}.")));
	iterator = JsonbIteratorInit(&join->columns->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		char	   *name = token == WJB_KEY ? pnstrdup(value.val.string.val, value.val.string.len) : NULL;

		if (name != NULL && !has_column(join->target, name))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of relation \"%s\" does not exist", name, get_rel_name(join->target))));
	}
}

/* Writes all columns of the target that get a value. */
static void
write_columns(JoinWriter *writer)
{
	Relation	target = kfdw_options_open_relation(writer->join->target, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(target);
	KafkaColumns *columns = kfdw_options_is_topic_table(writer->join->target) ?
		kfdw_columns_create(writer->join->target, desc, true, NULL) : NULL;

	check_given_names(writer->join);
	initStringInfo(&writer->names);
	initStringInfo(&writer->values);
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			write_column(writer, TupleDescAttr(desc, i), is_set_apart(columns, i));
	if (writer->names.len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("no column of \"%s\" has its name in \"%s\" or \"%s\"", RelationGetRelationName(target),
						get_rel_name(writer->join->source), get_rel_name(writer->join->table)),
				 errhint("Give expressions in \"columns\".")));
	table_close(target, NoLock);
}


/* Statements --------------------------------------------------------------- */

/* How columns name a table: by its name, unless the other one has the same. */
static char *
name_for_columns(Oid relid, Oid other)
{
	char	   *schema = NULL;

	if (strcmp(get_rel_name(relid), get_rel_name(other)) == 0)
		schema = get_namespace_name(get_rel_namespace(relid));
	return quote_qualified_identifier(schema, get_rel_name(relid));
}

/*
 * The query of the records that have no row.  Those that can have none, as what would have
 * to be equal to something is NULL, are not among them: there is nothing to wait for.
 */
static char *
write_unmatched(const JoinWriter *writer)
{
	StringInfoData query;
	ListCell   *lc;

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT %s.ctid FROM ONLY %s\nWHERE ", writer->source, kfdw_name_relation(writer->join->source));
	foreach(lc, writer->required)
		appendStringInfo(&query, "%s AND ", strVal(lfirst(lc)));
	appendStringInfo(&query, "NOT EXISTS (SELECT FROM %s WHERE %s\n)", kfdw_name_relation(writer->join->table),
					 writer->join->condition);
	return query.data;
}

KafkaJoinText
kfdw_join_write(const KafkaJoin *join)
{
	JoinWriter	writer = {.join = join};
	KafkaJoinText text = {0};

	writer.source = name_for_columns(join->source, join->table);
	writer.table = name_for_columns(join->table, join->source);
	look_at_condition(&writer);
	write_columns(&writer);
	text.statement = psprintf("INSERT INTO %s (%s)\nSELECT %s\nFROM %s %s %s ON %s",
							  kfdw_name_relation(join->target), writer.names.data, writer.values.data,
							  kfdw_name_relation(join->source), join->is_left ? "LEFT JOIN" : "JOIN",
							  kfdw_name_relation(join->table), join->condition);
	if (join->parks)
		text.unmatched = write_unmatched(&writer);
	return text;
}
