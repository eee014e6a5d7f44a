/*
 * infer.h
 *	  The columns that a table of a topic of JSON objects might have, from some of them.
 */
#ifndef KFDW_INFER_H
#define KFDW_INFER_H

#include "nodes/pg_list.h"

/* A field of the objects. */
typedef struct KafkaInferredField
{
	char	   *name;			/* as the objects have it, in the database's encoding */
	const char *type;			/* that holds all values that were seen */
	int			values;			/* in so many objects it was there, and not null */
} KafkaInferredField;

typedef struct KafkaInference KafkaInference;

/* Belongs to the current memory context. */
extern KafkaInference *kfdw_infer_begin(void);

/* Looks at the value of a record; one that is not a JSON object is passed over. */
extern void kfdw_infer_look(KafkaInference *inference, const char *value, size_t len);

/* More fields than a table can have. */
#define KAFKA_MAX_INFERRED 1500

/*
 * The fields, in the order in which they were met first; NIL where there are none, or more
 * than KAFKA_MAX_INFERRED.  *objects tells how many objects were looked at.
 */
extern List *kfdw_infer_end(KafkaInference *inference, int *objects);

#endif							/* KFDW_INFER_H */
