/*
 * news.h
 *	  What a worker tells of itself in the log and by NOTIFY: changes of its state, each once.
 */
#ifndef KFDW_NEWS_H
#define KFDW_NEWS_H

#include "worker/job.h"
#include "worker/shared.h"

/* Who tells: the worker that this process is. */
extern void kfdw_news_begin(const KafkaJob *job, const KafkaWorkerKey *key);

/*
 * Before an error of the worker is logged: true when none with its SQLSTATE was, since the
 * trouble that it is part of began.
 */
extern bool kfdw_news_is_new(int sqlerrcode);

/* Something else is wanted of the worker: whoever changed that is told its state anew. */
extern void kfdw_news_renew(void);

/* True from the first trouble on until that is over. */
extern bool kfdw_news_of_trouble(void);

/* What views show of an error. */
extern char *kfdw_news_describe(const ErrorData *error);

/* Outside any transaction: */

/* The worker is in trouble, or has failed. */
extern void kfdw_news_bad(KafkaWorkerState state, int sqlerrcode);

/* The worker works, or could. */
extern void kfdw_news_good(void);

/*
 * In a transaction, for those who listen: the state of a stream's worker, or of the whole
 * stream (-1), and the SQLSTATE of its trouble, if any.  What an error says is not for all.
 */
extern void kfdw_news_notify(const char *stream, int worker, KafkaWorkerState state, int sqlerrcode);

#endif							/* KFDW_NEWS_H */
