/*
 * name.h
 *	  What an option's name means in a place.
 */
#ifndef KFDW_OPTION_NAME_H
#define KFDW_OPTION_NAME_H

#include "option/table.h"

/* The place whose options are stored in a catalog; 0 when it has none of ours, as the wrapper itself. */
extern int	kfdw_option_place(Oid catalog);

/* Some places, by their short names; NULL for none. */
extern const char *kfdw_option_list_places(int some);

/* The option of a name in a place; an error with a hint when there is none. */
extern KafkaOptionId kfdw_option_find(const char *name, int place);

/* Whether a name in a place is that of an option; no error where it is that of none, as there may be without our validator. */
extern bool kfdw_option_is(KafkaOptionId id, const char *name, int place);

#endif							/* KFDW_OPTION_NAME_H */
