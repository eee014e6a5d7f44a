/*
 * needs.c
 *	  What it takes to convert columns by the functions of their types.
 *
 * A domain may get a check while a scan is open, from another session too, and
 * PostgreSQL's input function of domains takes it up with the next record: so what is
 * needed is found out again before each record for which that can have changed.
 */
#include "postgres.h"

#include "utils/inval.h"
#include "utils/syscache.h"

#include "format/needs.h"

/* Of types and constraints, that this process was told of. */
static uint64 changes = 0;

/* True for a column that is converted by its type's functions, the checks of a domain among them. */
static bool
is_converted(const KafkaColumn *column)
{
	if (column->type != column->base_type)
		return true;
	return (column->in_value || column->kind == KAFKA_COLUMN_KEY) && column->epoch == NULL;
}

KafkaGuard
kfdw_needs_guard_for(const KafkaColumn *column)
{
	if (!is_converted(column))
		return KAFKA_GUARD_PLAIN;
	return kfdw_settings_use(column->type, KAFKA_FROM_TEXT) >= KAFKA_SETTINGS_NAMES ?
		KAFKA_GUARD_SUBTRANSACTION : kfdw_guard_for_input(column->type);
}

void
kfdw_needs_begin(KafkaNeeds *needs, const KafkaColumns *columns)
{
	*needs = (KafkaNeeds) {.columns = columns, .changes = changes};
	for (int i = 0; i < columns->natts; i++)
	{
		const KafkaColumn *column = &columns->column[i];

		if (column->attnum == 0 || !column->needed || !is_converted(column))
			continue;
		needs->decode_use = Max(needs->decode_use, kfdw_settings_use(column->type, KAFKA_FROM_TEXT));
		needs->encode_use = Max(needs->encode_use, kfdw_settings_use(column->type, KAFKA_TO_TEXT));
		needs->guard = Max(needs->guard, kfdw_needs_guard_for(column));
	}
}

void
kfdw_needs_update(KafkaNeeds *needs)
{
	if (needs->changes != changes)
		kfdw_needs_begin(needs, needs->columns);
}

/* A check that was added in the middle of the record may have left something behind: then its error is raised. */
ErrorData *
kfdw_needs_call(KafkaNeeds *needs, void (*function) (void *argument), void *argument)
{
	KafkaGuard	guard;
	ErrorData  *error;

	kfdw_needs_update(needs);
	guard = needs->guard;
	error = kfdw_guard_call(guard, function, argument);
	if (error == NULL)
		return NULL;
	kfdw_needs_update(needs);
	if (needs->guard > guard)
		ReThrowError(error);
	return error;
}

/* The input function of a domain looks at its checks again for the same reasons. */
static void
note_change(Datum argument, int cache, uint32 hash)
{
	changes++;
}

void
kfdw_needs_init(void)
{
	CacheRegisterSyscacheCallback(CONSTROID, note_change, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, note_change, (Datum) 0);
}
