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
#include "fdw/scan.h"
#include "source/batch.h"

/* The conditions that decide what is fetched. */
static void
explain_conditions(ForeignScanState *node, struct ExplainState *es)
{
	const ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	List	   *used = NIL;

	if (plan->scan.plan.qual != NIL)
		used = kfdw_bounds_list_used(plan->scan.plan.qual, plan->scan.scanrelid,
									 RelationGetRelid(node->ss.ss_currentRelation));
	if (used != NIL)
		kfdw_explain_conditions("Pushed Conditions", used, node, es);
}

/* What is read, for people; with the topic where there are several. */
static char *
describe_ranges(const KafkaSource *source, bool with_topic)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < source->nslices; i++)
	{
		const KafkaSlice *slice = &source->slices[i];

		if (i > 0)
			appendStringInfoString(&text, ", ");
		if (with_topic)
			appendStringInfo(&text, "%s ", slice->partition->topic);
		appendStringInfo(&text, "%d: " INT64_FORMAT " to " INT64_FORMAT, slice->partition->number, slice->from, slice->end);
	}
	return text.data;
}

/* The offsets that are read of each partition, without the last one. */
static void
explain_ranges(const KafkaSource *source, bool with_topic, struct ExplainState *es)
{
	if (kfdw_explain_is_text(es))
	{
		if (source->nslices > 0)
			kfdw_explain_text("Ranges", describe_ranges(source, with_topic), es);
		return;
	}
	kfdw_explain_open_list("Ranges", es);
	for (int i = 0; i < source->nslices; i++)
	{
		const KafkaSlice *slice = &source->slices[i];

		kfdw_explain_open_object("Range", es);
		kfdw_explain_text("Topic", slice->partition->topic, es);
		kfdw_explain_integer("Partition", slice->partition->number, es);
		kfdw_explain_integer("From", slice->from, es);
		kfdw_explain_integer("To", slice->end, es);
		kfdw_explain_close_object("Range", es);
	}
	kfdw_explain_close_list("Ranges", es);
}

/* What was done; a stream's batch was fetched before. */
static void
explain_scan(const KafkaScanState *scan, bool is_batch, bool with_topic, struct ExplainState *es)
{
	const KafkaScanCounts *counts = scan->counts;
	List	   *unseen = counts->records > 0 ? kfdw_codec_list_unseen(scan->codec) : NIL;

	if (!is_batch)
	{
		kfdw_explain_integer("Partitions Read", scan->source->nslices, es);
		explain_ranges(scan->source, with_topic, es);
	}
	kfdw_explain_integer("Records Read", counts->records, es);
	kfdw_explain_integer("Bytes Read", counts->bytes, es);
	if (scan->source->on_error != KAFKA_ON_ERROR_STOP)
		kfdw_explain_integer("Decode Errors", counts->rejected, es);
	if (unseen != NIL)
		kfdw_explain_list("Fields Never Seen", unseen, es);
	if (kfdw_explain_times(es) && !is_batch)
		kfdw_explain_ms("Broker Wait Time", counts->waited_us / 1000.0, es);
}

void
kafkaExplainForeignScan(ForeignScanState *node, struct ExplainState *es)
{
	KafkaTableOptions *options = kfdw_options_table(RelationGetRelid(node->ss.ss_currentRelation),
													kfdw_scan_userid(node));

	kfdw_explain_text("Kafka Topic", options->topic, es);
	if (options->partitions != NULL)
		kfdw_explain_text("Kafka Partitions", options->partitions, es);
	if (options->group_id != NULL)
		kfdw_explain_text("Consumer Group", options->group_id, es);
	explain_conditions(node, es);
	if (kfdw_explain_analyzes(es) && node->fdw_state != NULL)
		explain_scan(node->fdw_state, kfdw_batch_bound(options->relid) != NULL, options->selection.ntopics > 1, es);
}

void
kafkaExplainForeignModify(ModifyTableState *mtstate, ResultRelInfo *relinfo,
						  List *fdw_private, int subplan, struct ExplainState *es)
{
	KafkaTableOptions *options = kfdw_options_written_table(RelationGetRelid(relinfo->ri_RelationDesc),
															kfdw_result_userid(relinfo, mtstate->ps.state));

	kfdw_explain_text("Kafka Topic", options->topic, es);
	if (fdw_private != NIL && boolVal(linitial(fdw_private)))
		kfdw_explain_text("Records Sent", "at once", es);
}
