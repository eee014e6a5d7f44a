/*
 * clock.c
 *	  For LD_PRELOAD: a clock that a test sets, for PostgreSQL alone.
 *
 * The file named by CLOCK holds the seconds by which it is ahead; while there is no such
 * file, it is right.  PostgreSQL looks at its clock in signal handlers, too, so nothing here
 * allocates memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* The seconds by which the clock is ahead. */
static long
read_ahead(const char *path)
{
	char		text[32] = "";
	int			saved_errno = errno;
	int			fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd >= 0)
	{
		if (read(fd, text, sizeof(text) - 1) < 0)
			text[0] = '\0';
		close(fd);
	}
	errno = saved_errno;
	return atol(text);
}

int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	struct timespec now;

	(void) tz;
	clock_gettime(CLOCK_REALTIME, &now);
	tv->tv_sec = now.tv_sec + read_ahead(getenv("CLOCK"));
	tv->tv_usec = now.tv_nsec / 1000;
	return 0;
}
