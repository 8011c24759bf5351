/* SPDX-License-Identifier: MIT */
#include "core/io/bind_priv.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert_priv.h"
#include "base/list_priv.h"
#include "core/io/address_priv.h"
#include "core/runtime_priv.h"
#include "core/shard_priv.h"

struct bound {
	struct torc_link link;
	struct torc_address asked;
	struct torc_address actual;
	int fd; /* the first socket: of a Unix address all share it */
	unsigned users;
	uint64_t joined[TORC__SHARDS_MAX / 64]; /* shards that had one, ever */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct torc_link table = { &table, &table };

static bool
is_same(const struct torc_address *a, const struct torc_address *b)
{
	return a->type == b->type && a->len == b->len &&
	       memcmp(&a->sa, &b->sa, a->len) == 0;
}

static struct bound *
find(const struct torc_address *actual)
{
	for (struct torc_link *link = table.next; link != &table;
		link = link->next) {
		struct bound *bound =
			torc__container_of(link, struct bound, link);

		if (is_same(&bound->actual, actual))
			return bound;
	}
	return NULL;
}

/*
 * The port that another shard got for the same port 0. A shard that asks
 * again wants one more port. Datagram sockets never share such a port: most
 * are clients, and answers must not go to another shard.
 */
static struct bound *
find_chosen(const struct torc_address *asked, uint32_t shard)
{
	for (struct torc_link *link = table.next; link != &table;
		link = link->next) {
		struct bound *bound =
			torc__container_of(link, struct bound, link);
		bool had_it = bound->joined[shard / 64] >> shard % 64 & 1;

		if (is_same(&bound->asked, asked) && !had_it)
			return bound;
	}
	return NULL;
}

static void
join(struct bound *bound, uint32_t shard)
{
	bound->users++;
	bound->joined[shard / 64] |= UINT64_C(1) << shard % 64;
}

static int
set(struct torc_ring *ring, int fd, int level, int name)
{
	int one = 1;

	return ring->engine->setsockopt(
		ring, fd, level, name, &one, sizeof(one));
}

static int
open_inet(struct torc_ring *ring, const struct torc_address *address,
	bool is_first)
{
	const struct torc_engine *engine = ring->engine;
	bool is_tcp = address->type == TORC_TCP;
	int fd, ret;

	fd = engine->socket(ring, address->sa.sa_family,
		is_tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
	if (fd < 0)
		return fd;
	/* Accepted sockets inherit TCP_NODELAY: no call for each of them. */
	ret = is_tcp ? set(ring, fd, IPPROTO_TCP, TCP_NODELAY) : 0;
	/* For UDP this would let another process take the port as well. */
	if (ret == 0 && is_tcp)
		ret = set(ring, fd, SOL_SOCKET, SO_REUSEADDR);
	if (ret == 0 && !is_first)
		ret = set(ring, fd, SOL_SOCKET, SO_REUSEPORT);
	if (ret == 0)
		ret = engine->bind(ring, fd, &address->sa, address->len);
	if (ret == 0 && is_first)
		ret = set(ring, fd, SOL_SOCKET, SO_REUSEPORT);
	if (ret < 0)
		engine->close_fd(ring, fd);
	return ret < 0 ? ret : fd;
}

static int
start_listening(struct torc_ring *ring, const struct torc_address *address,
	int fd, int backlog)
{
	if (torc__address_is_datagram(address))
		return 0;
	return ring->engine->listen(ring, fd, backlog);
}

static bool
is_unix(const struct torc_address *address)
{
	return address->type != TORC_TCP && address->type != TORC_UDP;
}

/* An abstract name has none. */
static bool
has_file(const struct torc_address *address)
{
	return is_unix(address) && address->un.sun_path[0] != '\0';
}

static int
unix_type(const struct torc_address *address)
{
	if (address->type == TORC_UNIX_SEQPACKET)
		return SOCK_SEQPACKET;
	return address->type == TORC_UNIX_DGRAM ? SOCK_DGRAM : SOCK_STREAM;
}

static int
open_unix(struct torc_ring *ring, const struct torc_address *address)
{
	const struct torc_engine *engine = ring->engine;
	int fd = engine->socket(ring, AF_UNIX, unix_type(address), 0);
	int ret;

	if (fd < 0)
		return fd;
	ret = engine->bind(ring, fd, &address->sa, address->len);
	if (ret == -EADDRINUSE && has_file(address) &&
		engine->unix_is_stale(ring, &address->sa, address->len)) {
		engine->unix_remove(ring, &address->sa);
		ret = engine->bind(ring, fd, &address->sa, address->len);
	}
	if (ret < 0)
		engine->close_fd(ring, fd);
	return ret < 0 ? ret : fd;
}

/* The first socket of an address in this process. */
static int
open_first(struct torc_ring *ring, const struct torc_address *address,
	int backlog, struct bound **out)
{
	struct bound *bound = malloc(sizeof(*bound));
	int fd, ret;

	if (bound == NULL)
		return -ENOMEM;
	fd = is_unix(address) ? open_unix(ring, address)
			      : open_inet(ring, address, true);
	ret = fd;
	if (fd >= 0)
		ret = start_listening(ring, address, fd, backlog);
	if (ret < 0) {
		if (fd >= 0)
			ring->engine->close_fd(ring, fd);
		free(bound);
		return ret;
	}
	*bound = (struct bound){ .asked = *address,
		.actual = { .type = address->type,
			.len = sizeof(bound->actual.storage) },
		.fd = fd };
	ring->engine->getsockname(
		ring, fd, &bound->actual.sa, &bound->actual.len);
	torc__list_push_back(&table, &bound->link);
	*out = bound;
	return fd;
}

static int
open_next(struct torc_ring *ring, struct bound *bound, int backlog)
{
	int fd, ret;

	if (is_unix(&bound->actual))
		return ring->engine->dup(ring, bound->fd);
	fd = open_inet(ring, &bound->actual, false);
	if (fd < 0)
		return fd;
	ret = start_listening(ring, &bound->actual, fd, backlog);
	if (ret < 0)
		ring->engine->close_fd(ring, fd);
	return ret < 0 ? ret : fd;
}

int
torc__bind_open(struct torc_ring *ring, const struct torc_address *address,
	int backlog, struct torc_address *actual)
{
	uint32_t shard = torc__shard->index;
	struct bound *bound;
	int fd;

	torc_assert(shard < TORC__SHARDS_MAX);
	pthread_mutex_lock(&lock);
	bound = find(address);
	if (bound == NULL && !torc__address_is_datagram(address))
		bound = find_chosen(address, shard);
	if (bound == NULL)
		fd = open_first(ring, address, backlog, &bound);
	else
		fd = open_next(ring, bound, backlog);
	if (fd >= 0) {
		join(bound, shard);
		*actual = bound->actual;
	}
	pthread_mutex_unlock(&lock);
	return fd;
}

void
torc__bind_close(
	struct torc_ring *ring, const struct torc_address *actual, int fd)
{
	struct bound *bound;

	pthread_mutex_lock(&lock);
	bound = find(actual);
	torc_assert(bound != NULL);
	bound->users--;
	if (bound->users == 0 && has_file(actual))
		ring->engine->unix_remove(ring, &actual->sa);
	/* The first of a Unix address lasts: others are copied from it. */
	if (!is_unix(actual) || fd != bound->fd)
		ring->engine->close_fd(ring, fd);
	if (bound->users == 0) {
		if (is_unix(actual))
			ring->engine->close_fd(ring, bound->fd);
		torc__list_remove(&bound->link);
		free(bound);
	}
	pthread_mutex_unlock(&lock);
}
