/*
 * call.h
 *	  Blocking functions, run on threads, while this process waits interruptibly.
 */
#ifndef KFDW_CALL_H
#define KFDW_CALL_H

/*
 * A call: its owner puts this first into a struct of its own.  Whatever a thread
 * touches is malloc'ed and not PostgreSQL's: the thread may outlive the query.
 */
typedef struct KafkaCall
{
	/* on the thread: the work, always run; between its steps it looks whether it is abandoned */
	void		(*run) (struct KafkaCall *call);

	/* frees the call; on the thread when the call was abandoned while it ran */
	void		(*release) (struct KafkaCall *call);

	/* in the waiting process, every now and then; may be NULL, and abandon the call */
	void		(*look) (struct KafkaCall *call);

	volatile int abandoned;		/* nobody is interested any more: return soon */
	int			state;			/* call.c's */
} KafkaCall;

/*
 * Runs the call and waits for its end; then the caller looks at the result and
 * releases it.  After an error in the wait it is released by itself.
 */
extern void kfdw_call_run(KafkaCall *call);

/* Milliseconds of a clock that only ascends; for any thread. */
extern int64 kfdw_call_now_ms(void);

/* Starts a detached thread that no signal reaches; 0, or an errno when it cannot. */
extern int	kfdw_call_start_thread(void *(*run) (void *), void *argument);

#endif							/* KFDW_CALL_H */
