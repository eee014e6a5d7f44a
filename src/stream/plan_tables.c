/*
 * plan_tables.c
 *	  Which tables the plan of a stream's statement reads and writes.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "parser/parsetree.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"

#include "delivery/delivery.h"
#include "kafka/brokers.h"
#include "option/options.h"
#include "stream/plan_tables.h"

/* A table of another session; one that was dropped others notice. */
static void
check_not_temporary(Oid relid)
{
	if (get_rel_name(relid) != NULL && get_rel_persistence(relid) == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("a stream's statement cannot use temporary table \"%s\"", get_rel_name(relid))));
}

/* Takes a topic table as the source; another one cannot be. */
static void
note_source(Oid relid, KafkaPlanTables *tables)
{
	if (OidIsValid(tables->source) && tables->source != relid)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a stream's statement cannot read two topic tables, \"%s\" and \"%s\"",
						get_rel_name(tables->source), get_rel_name(relid)),
				 errdetail("Their records would meet only within a batch."),
				 errhint("Let a stream of its own write one of the topics into a table, and join that.")));
	tables->source = relid;
}

void
kfdw_plan_tables_read(const PlannedStmt *plan, KafkaPlanTables *tables)
{
	int			index = 0;
	ListCell   *lc;

	foreach(lc, plan->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		index++;
		if (rte->rtekind != RTE_RELATION)
			continue;
		check_not_temporary(rte->relid);
		if (rte->relkind == RELKIND_FOREIGN_TABLE && !list_member_int(plan->resultRelations, index) &&
			kfdw_options_is_topic_table(rte->relid))
			note_source(rte->relid, tables);
	}
}

void
kfdw_plan_tables_check_source(const KafkaPlanTables *tables, Oid given)
{
	if (!OidIsValid(tables->source))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("the stream's statement reads no topic table"),
				 errhint("Name the topic table in \"source\" where the statement is a CALL.")));
	check_not_temporary(tables->source);
	if (OidIsValid(given) && given != tables->source)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("the stream's statement reads topic table \"%s\", not its source \"%s\"",
						get_rel_name(tables->source), get_rel_name(given))));
}

/* A topic table that a stream writes: of another topic than its source, and in a way that commits with its batches. */
static void
check_topic_target(Oid relid, KafkaPlanTables *tables)
{
	KafkaTableOptions *target = kfdw_options_written_table(relid, GetUserId());
	KafkaTableOptions *read = kfdw_options_table(tables->source, GetUserId());

	kfdw_delivery_check(target);
	if (kfdw_brokers_meet(target->consumer.bootstrap_servers, read->consumer.bootstrap_servers) &&
		kfdw_selection_share_topic(&target->selection, &read->selection))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("a stream's statement cannot write the topic that it reads"),
				 errdetail("Its results in table \"%s\" would be its next records, without end.", get_rel_name(relid)),
				 errhint("Write to another topic; a stream of its own can read that.")));
	if (strcmp(target->delivery, "async") == 0 || strcmp(target->delivery, "transactional") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("a stream's statement cannot write table \"%s\" with delivery \"%s\"",
						get_rel_name(relid), target->delivery),
				 errdetail("Its results and its position could not be kept together."),
				 errhint("Delivery \"outbox\" makes it exactly once, \"sync\" at least once.")));
	if (strcmp(target->delivery, "outbox") != 0)
		tables->writes_at_least_once = true;
}

void
kfdw_plan_tables_check_target(Oid relid, KafkaPlanTables *tables)
{
	if (get_rel_persistence(relid) == RELPERSISTENCE_UNLOGGED)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("a stream's statement cannot write unlogged table \"%s\"", get_rel_name(relid)),
				 errdetail("A crash empties it, while the stream's position stays."),
				 errhint("Make it a logged one: ALTER TABLE ... SET LOGGED.")));
	if (get_rel_relkind(relid) != RELKIND_FOREIGN_TABLE || !kfdw_options_is_topic_table(relid))
		return;
	check_topic_target(relid, tables);
}

/* What a plan may write: rows of a partitioned table can go to each of its partitions, which are locked in a mode. */
static List *
list_targets(const PlannedStmt *plan, LOCKMODE mode)
{
	List	   *targets = NIL;
	ListCell   *lc;

	foreach(lc, plan->resultRelations)
	{
		RangeTblEntry *rte = rt_fetch(lfirst_int(lc), plan->rtable);

		if (rte->relkind == RELKIND_PARTITIONED_TABLE)
			targets = list_concat(targets, find_all_inheritors(rte->relid, mode, NULL));
		else
			targets = lappend_oid(targets, rte->relid);
	}
	return targets;
}

void
kfdw_plan_tables_written(const PlannedStmt *plan, KafkaPlanTables *tables)
{
	ListCell   *lc;

	foreach(lc, list_targets(plan, AccessShareLock))
		kfdw_plan_tables_check_target(lfirst_oid(lc), tables);
}

/* Partitions that are ordinary tables are not locked: rows may come to none of them. */
void
kfdw_plan_tables_check_topics(const PlannedStmt *plan, KafkaPlanTables *tables)
{
	ListCell   *lc;

	foreach(lc, list_targets(plan, NoLock))
	{
		Oid			relid = lfirst_oid(lc);

		if (get_rel_relkind(relid) != RELKIND_FOREIGN_TABLE)
			continue;
		LockRelationOid(relid, AccessShareLock);
		if (get_rel_relkind(relid) == RELKIND_FOREIGN_TABLE)
			kfdw_plan_tables_check_target(relid, tables);
	}
}
