/*
 * sentry.h
 *	  The job of background workers that watch for those of idle streams.
 */
#ifndef KFDW_SENTRY_H
#define KFDW_SENTRY_H

/* Called when the library is loaded. */
extern void kfdw_sentry_init(void);

#endif							/* KFDW_SENTRY_H */
