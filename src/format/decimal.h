/*
 * decimal.h
 *	  Decimal numbers as Kafka Connect writes them: an integer in bytes, and a scale.
 */
#ifndef KFDW_DECIMAL_H
#define KFDW_DECIMAL_H

#include "utils/numeric.h"

/*
 * The integer in two's complement, the most significant byte first, divided by 10 to
 * the power of the scale.
 */
extern Numeric kfdw_decimal_from_bytes(const unsigned char *bytes, size_t len, int scale);

#endif							/* KFDW_DECIMAL_H */
