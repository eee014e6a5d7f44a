/*
 * owned.h
 *	  DROP OWNED and REASSIGN OWNED: what roles own in our tables goes the way of
 *	  their other objects.
 */
#ifndef KFDW_OWNED_H
#define KFDW_OWNED_H

/* Called when the library is loaded. */
extern void kfdw_owned_init(void);

#endif							/* KFDW_OWNED_H */
