/*
 * changes.h
 *	  Relations that a transaction changes, and that workers watch.
 */
#ifndef KFDW_CHANGES_H
#define KFDW_CHANGES_H

/* When the transaction is over, the workers of this database that watch the relation are told. */
extern void kfdw_changes_note(Oid relation);

extern void kfdw_changes_init(void);

#endif							/* KFDW_CHANGES_H */
