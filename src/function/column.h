/*
 * column.h
 *	  The columns of rows that functions return.
 */
#ifndef KFDW_COLUMN_H
#define KFDW_COLUMN_H

/* Sets a column, to NULL where there is nothing to tell. */
static inline void
kfdw_set_column(Datum *values, bool *nulls, int column, Datum value, bool known)
{
	values[column] = value;
	nulls[column] = !known;
}

#endif							/* KFDW_COLUMN_H */
