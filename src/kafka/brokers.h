/*
 * brokers.h
 *	  The brokers that a client starts from.
 */
#ifndef KFDW_BROKERS_H
#define KFDW_BROKERS_H

/*
 * True when two lists, as in "bootstrap_servers", have a broker in common: then they lead to
 * the same cluster.  Others may do so, too, which only a client learns.
 */
extern bool kfdw_brokers_meet(const char *left, const char *right);

#endif							/* KFDW_BROKERS_H */
