/*
 * wake.h
 *	  The trigger by which changes of a table wake the streams that wait for its rows.
 *
 * A table has one, whatever the number of streams.
 */
#ifndef KFDW_WAKE_H
#define KFDW_WAKE_H

/* Makes the trigger where there is none.  Where it cannot be made a notice says that only the timer is left. */
extern void kfdw_wake_make_trigger(Oid table);

/*
 * Drops it where no stream waits for rows of the table any more, after one has stopped to wait
 * for those of a table of this name.  Others that are in use keep theirs, until the next time.
 */
extern void kfdw_wake_drop_triggers(const char *table);

/* True when it has one that is enabled. */
extern bool kfdw_wake_has_trigger(Oid table);

/* The table by its name, as a stream knows it; InvalidOid: there is none. */
extern Oid	kfdw_wake_find_table(const char *name);

#endif							/* KFDW_WAKE_H */
