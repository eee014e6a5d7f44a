/*
 * stream_arguments.h
 *	  The arguments of functions that create or change streams, by their names.
 */
#ifndef KFDW_STREAM_ARGUMENTS_H
#define KFDW_STREAM_ARGUMENTS_H

#include "fmgr.h"

#include "catalog/streams.h"

typedef struct KafkaArguments
{
	FunctionCallInfo fcinfo;
	int			count;
	char	  **names;
} KafkaArguments;

/* The arguments that a function is called with. */
extern KafkaArguments kfdw_arguments_of(FunctionCallInfo fcinfo);

/* An argument of that name; false where it is NULL, or the function has none of that name. */
extern bool kfdw_argument_get(const KafkaArguments *arguments, const char *name, Datum *value);

/* The same as a C value: NULL, InvalidOid, false or what is given where it is not there. */
extern char *kfdw_argument_text(const KafkaArguments *arguments, const char *name);
extern Oid	kfdw_argument_oid(const KafkaArguments *arguments, const char *name);
extern bool kfdw_argument_bool(const KafkaArguments *arguments, const char *name);
extern int	kfdw_argument_int(const KafkaArguments *arguments, const char *name, int absent);

/* The strings of an array of text, none of which may be NULL. */
extern List *kfdw_argument_names(const KafkaArguments *arguments, const char *name);

/* A text, and a relation, that must be there. */
extern char *kfdw_argument_required(const KafkaArguments *arguments, const char *name);
extern Oid	kfdw_argument_relation(const KafkaArguments *arguments, const char *name);

/* The index of the word that an argument is among some, which end with NULL; that of the first where it is NULL. */
extern int	kfdw_argument_word(const KafkaArguments *arguments, const char *name, const char *const *words);

/* Takes what every function that creates streams is given: the name, workers, settings; the stream is the current user's. */
extern void kfdw_arguments_take_stream(const KafkaArguments *arguments, KafkaStream *stream);

/* Takes the settings that are among the arguments, and are not NULL. */
extern void kfdw_arguments_take_settings(const KafkaArguments *arguments, KafkaStreamSettings *settings);

/*
 * Sets the settings whose names are in the argument "reset" to what they are by default;
 * returns whether "workers" is one of them.
 */
extern bool kfdw_arguments_reset_settings(const KafkaArguments *arguments, KafkaStreamSettings *settings);

#endif							/* KFDW_STREAM_ARGUMENTS_H */
