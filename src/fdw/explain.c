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
kafkaExplainForeignScan(ForeignScanState *node, struct ExplainState *es)
{
	KafkaTableOptions *options = kfdw_options_table(RelationGetRelid(node->ss.ss_currentRelation),
													kfdw_scan_userid(node));
	KafkaScanCounts counts;

	kfdw_explain_text("Kafka Topic", options->topic, es);
	if (options->group_id != NULL)
		kfdw_explain_text("Consumer Group", options->group_id, es);
	if (!kfdw_explain_analyzes(es) || !kfdw_scan_counts(node, &counts))
		return;
	kfdw_explain_integer("Partitions Read", counts.partitions, es);
	kfdw_explain_integer("Records Read", counts.records, es);
	kfdw_explain_integer("Bytes Read", counts.bytes, es);
	if (options->on_error != KAFKA_ON_ERROR_STOP)
		kfdw_explain_integer("Decode Errors", counts.rejected, es);
}

void
kafkaExplainForeignModify(ModifyTableState *mtstate, ResultRelInfo *relinfo,
						  List *fdw_private, int subplan, struct ExplainState *es)
{
	KafkaTableOptions *options = kfdw_options_table(RelationGetRelid(relinfo->ri_RelationDesc),
													kfdw_result_userid(relinfo, mtstate->ps.state));

	kfdw_explain_text("Kafka Topic", options->topic, es);
	if (fdw_private != NIL && boolVal(linitial(fdw_private)))
		kfdw_explain_text("Records Sent", "at once", es);
}
