/*
 * explain.c
 *	  What EXPLAIN shows of a topic; without ANALYZE no broker is asked.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

#include "compat.h"
#include "fdw/fdw.h"

void
kafkaExplainForeignScan(ForeignScanState *node, ExplainState *es)
{
	KafkaTableOptions *options = kfdw_options_table(RelationGetRelid(node->ss.ss_currentRelation),
													kfdw_scan_userid(node));
	KafkaScanCounts counts;

	ExplainPropertyText("Kafka Topic", options->topic, es);
	if (options->group_id != NULL)
		ExplainPropertyText("Consumer Group", options->group_id, es);
	if (!es->analyze || !kfdw_scan_counts(node, &counts))
		return;
	ExplainPropertyInteger("Partitions Read", NULL, counts.partitions, es);
	ExplainPropertyInteger("Records Read", NULL, counts.records, es);
	ExplainPropertyInteger("Bytes Read", NULL, counts.bytes, es);
}

void
kafkaExplainForeignModify(ModifyTableState *mtstate, ResultRelInfo *relinfo,
						  List *fdw_private, int subplan, ExplainState *es)
{
	KafkaTableOptions *options = kfdw_options_table(RelationGetRelid(relinfo->ri_RelationDesc),
													kfdw_result_userid(relinfo, mtstate->ps.state));

	ExplainPropertyText("Kafka Topic", options->topic, es);
}
