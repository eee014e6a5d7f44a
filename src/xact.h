/*
 * xact.h
 *	  The only transaction callbacks.
 *
 * Who takes part in the end of a transaction registers here and nowhere else:
 * consuming.c (live consuming scans), record_log.c (held records) and, through
 * kfdw_xact_at_end(), the streams' launcher.
 */
#ifndef KFDW_XACT_H
#define KFDW_XACT_H

extern void kfdw_xact_init(void);

/* Calls back once, after this transaction has committed or aborted; must not fail. */
extern void kfdw_xact_at_end(void (*callback) (bool committed));

#endif							/* KFDW_XACT_H */
