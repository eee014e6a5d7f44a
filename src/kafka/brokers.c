/*
 * brokers.c
 *	  The brokers that a client starts from.
 */
#include "postgres.h"

#include "kafka/brokers.h"

/* The port of a broker that is named without one. */
#define DEFAULT_PORT 9092

typedef struct Broker
{
	const char *host;			/* in the list */
	size_t		length;
	int			port;
} Broker;

/* Takes the first broker off a list, which was checked when it was set; false when there is none. */
static bool
take_broker(const char **list, Broker *broker)
{
	if (**list == '\0')
		return false;
	broker->host = *list + strspn(*list, ", ");
	broker->length = broker->host[0] == '[' ? strcspn(broker->host, "]") + 1 : strcspn(broker->host, ":, ");
	broker->port = broker->host[broker->length] == ':' ? atoi(broker->host + broker->length + 1) : DEFAULT_PORT;
	*list = broker->host + strcspn(broker->host, ",");
	return true;
}

static bool
is_same(const Broker *left, const Broker *right)
{
	return left->port == right->port && left->length == right->length &&
		pg_strncasecmp(left->host, right->host, left->length) == 0;
}

bool
kfdw_brokers_meet(const char *left, const char *right)
{
	Broker		one;
	Broker		other;

	while (take_broker(&left, &one))
		for (const char *rest = right; take_broker(&rest, &other);)
			if (is_same(&one, &other))
				return true;
	return false;
}
