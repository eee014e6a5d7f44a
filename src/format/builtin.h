/*
 * builtin.h
 *	  What of a type is PostgreSQL's own code.
 *
 * Anybody's code may do what SQL can: look at settings, or change them for as long as it
 * runs, hold locks and pins, and fail in the middle of it, even where it says that it is
 * immutable.
 */
#ifndef KFDW_BUILTIN_H
#define KFDW_BUILTIN_H

extern bool kfdw_builtin_function(Oid function);

/* True for a domain whose CHECKs do no more than to compute on the value, by such functions. */
extern bool kfdw_builtin_checks(Oid domain);

/* The same of a range, whose bounds are compared and brought into a canonical form. */
extern bool kfdw_builtin_range(Oid type);

#endif							/* KFDW_BUILTIN_H */
