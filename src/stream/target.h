/*
 * target.h
 *	  The table that a stream's statement names as the one to write.
 */
#ifndef KFDW_TARGET_H
#define KFDW_TARGET_H

/* InvalidOid where it is a CALL, or the table is not there. */
extern Oid	kfdw_target_of(const char *statement, const char *search_path);

#endif							/* KFDW_TARGET_H */
