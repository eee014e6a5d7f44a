/*
 * poll_interval.h
 *	  How long a session may hold partitions and do nothing.
 */
#ifndef KFDW_POLL_INTERVAL_H
#define KFDW_POLL_INTERVAL_H

/* The transaction consumes: it may be idle for so many milliseconds; 0: for ever. */
extern void kfdw_poll_interval_begin(int interval_ms);

/* What was rolled back may have taken the limit back, while partitions stay claimed: sets it again. */
extern void kfdw_poll_interval_keep(void);

/* Called once in a backend. */
extern void kfdw_poll_interval_init(void);

#endif							/* KFDW_POLL_INTERVAL_H */
