/*
 * clock.c
 *	  For LD_PRELOAD: a clock that a test sets, for PostgreSQL alone.
 *
 * The file named by CLOCK holds the seconds by which it is ahead; while there is no such
 * file, it is right.  Libraries, which may hand what they get to the kernel, have the right
 * time.  PostgreSQL looks at its clock in signal handlers, too, so nothing here
 * allocates memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/auxv.h>
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

/* True when an address is one of the program's own code. */
static bool
is_of_program(const char *address)
{
	const ElfW(Phdr) *headers = (const ElfW(Phdr) *) getauxval(AT_PHDR);
	const char *base = NULL;
	bool		result = false;

	for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++)
	{
		const char *from = base + headers[i].p_vaddr;

		if (headers[i].p_type == PT_PHDR)
			base = (const char *) headers - headers[i].p_vaddr;
		else if (headers[i].p_type == PT_LOAD && address >= from && address < from + headers[i].p_memsz)
			result = true;
	}
	return result;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	struct timespec now;

	(void) tz;
	clock_gettime(CLOCK_REALTIME, &now);
	tv->tv_sec = now.tv_sec + (is_of_program(__builtin_return_address(0)) ? read_ahead(getenv("CLOCK")) : 0);
	tv->tv_usec = now.tv_nsec / 1000;
	return 0;
}
