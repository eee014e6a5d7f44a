/*
 * stream.h
 *	  A stream as a job of background workers.
 */
#ifndef KFDW_STREAM_H
#define KFDW_STREAM_H

/* Called when the library is loaded. */
extern void kfdw_stream_init(void);

#endif							/* KFDW_STREAM_H */
