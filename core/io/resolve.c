/* SPDX-License-Identifier: MIT */
/*
 * A look-up lives in memory of its own: who asked may be gone before it has
 * an answer, and then the thread that has it frees it.
 */
#include <torc/core/io/resolve.h>

#include <errno.h>
#include <string.h>

#include <torc/alloc/arena.h>

#include "core/blocking_priv.h"
#include "core/io/address_priv.h"
#include "core/shard_priv.h"

/* More are not stored, however large `out` is. */
#define FOUND_MAX 1024

struct torc_lookup {
	struct torc_blocking job;
	struct torc_address_name name;
	int type;
	unsigned max;
	struct torc_address found[];
};

static struct torc_lookup *
lookup_of(struct torc_blocking *job)
{
	return torc__container_of(job, struct torc_lookup, job);
}

/* On a thread of the pool. A count, or -errno. */
static int
look_up(void *arg)
{
	struct torc_lookup *lookup = arg;
	struct addrinfo *list = NULL;
	const char *why;
	unsigned count = 0;
	int ret = torc__address_lookup(lookup->name.host, &list, &why);

	if (ret < 0)
		return ret;
	for (struct addrinfo *info = list; info != NULL && count < lookup->max;
		info = info->ai_next) {
		struct torc_address *found = &lookup->found[count];

		*found = (struct torc_address){ .type = lookup->type };
		count += torc__address_set(found, info, lookup->name.port);
	}
	freeaddrinfo(list);
	return count > 0 ? (int)count : -ENOENT;
}

/* What the machine's own resolver says must not decide a simulated run. */
static int
look_up_simulated(void *arg)
{
	struct torc_lookup *lookup = arg;
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct addrinfo localhost = { .ai_family = AF_INET,
		.ai_addr = (struct sockaddr *)&in };

	if (strcmp(lookup->name.host, "localhost") != 0)
		return -ENOENT;
	lookup->found[0] = (struct torc_address){ .type = lookup->type };
	(void)torc__address_set(
		&lookup->found[0], &localhost, lookup->name.port);
	return 1;
}

static void
on_found(struct torc_future *done)
{
	struct torc_resolve *resolve = torc_future_waiter(done);
	struct torc_lookup *lookup = resolve->_lookup;
	int64_t value = done->value;

	if (value == 0)
		value = lookup->job.result;
	if (value > 0)
		memcpy(resolve->_out, lookup->found,
			(size_t)value * sizeof(lookup->found[0]));
	torc_free(lookup);
	torc_future_complete(&resolve->done, value);
}

/* By whoever has it last. */
static void
release(struct torc_blocking *job)
{
	torc_free(lookup_of(job));
}

static void
cancel_resolve(struct torc_future *done)
{
	struct torc_resolve *resolve = torc_future_source(done);

	if (torc__blocking_abandon(&resolve->_lookup->job, release))
		torc_future_complete(done, -ECANCELED);
}

static int
start_lookup(struct torc_resolve *resolve, const struct torc_address_name *name,
	int type, unsigned max)
{
	bool is_simulated = torc__shard->ring.engine->is_simulated;
	struct torc_lookup *lookup;

	if (max > FOUND_MAX)
		max = FOUND_MAX;
	lookup = torc_malloc(sizeof(*lookup) + max * sizeof(lookup->found[0]));
	if (lookup == NULL)
		return -ENOMEM;
	lookup->name = *name;
	lookup->type = type;
	lookup->max = max;
	resolve->_lookup = lookup;
	torc__blocking_start_lookup(&lookup->job,
		is_simulated ? look_up_simulated : look_up, lookup);
	torc_future_then(&lookup->job.done, on_found, resolve);
	return 0;
}

void
torc_resolve_start(struct torc_resolve *resolve, const char *text,
	struct torc_address *out, unsigned out_max)
{
	struct torc_address_name name;
	struct torc_address address;
	const char *why;
	int ret;

	(void)torc__shard_current("torc_resolve_start");
	torc_assert(out_max > 0);
	*resolve = (struct torc_resolve){ ._out = out };
	torc_future_init(&resolve->done, cancel_resolve, resolve);
	ret = torc__address_parse_numeric(&address, &name, text, &why);
	if (ret == 0) {
		*out = address;
		torc_future_complete(&resolve->done, 1);
		return;
	}
	if (ret == 1)
		ret = start_lookup(resolve, &name, address.type, out_max);
	if (ret < 0)
		torc_future_complete(&resolve->done, ret);
}

int
torc_resolve(const char *text, struct torc_address *out, unsigned out_max)
{
	struct torc_resolve resolve;
	int64_t ret = torc__interrupted("torc_resolve");

	if (ret < 0)
		return (int)ret;
	torc_resolve_start(&resolve, text, out, out_max);
	return (int)torc_await(&resolve.done);
}

static void on_connected(struct torc_future *done);

/* Each address in turn; `error` is the last one's. */
static void
try_next(struct torc_connect_to *connect, int64_t error)
{
	while (connect->_tried < connect->_count && !connect->_is_canceled) {
		struct torc_address *to = &connect->_found[connect->_tried++];

		torc_connect_start(&connect->_connect, to);
		if (!torc_future_is_ready(&connect->_connect.done)) {
			torc_future_then(
				&connect->_connect.done, on_connected, connect);
			return;
		}
		error = connect->_connect.done.value;
	}
	torc_future_complete(
		&connect->done, connect->_is_canceled ? -ECANCELED : error);
}

static void
on_connected(struct torc_future *done)
{
	struct torc_connect_to *connect = torc_future_waiter(done);

	if (done->value < 0) {
		/* Or by the runtime's end. */
		connect->_is_canceled |= done->value == -ECANCELED;
		try_next(connect, done->value);
		return;
	}
	connect->stream = connect->_connect.stream;
	torc_future_complete(&connect->done, 0);
}

static void
on_resolved(struct torc_future *done)
{
	struct torc_connect_to *connect = torc_future_waiter(done);

	if (done->value > 0)
		connect->_count = (unsigned)done->value;
	try_next(connect, done->value);
}

static void
cancel_connect_to(struct torc_future *done)
{
	struct torc_connect_to *connect = torc_future_source(done);

	connect->_is_canceled = true;
	/* Of the two, the one that is under way. */
	if (connect->_tried == 0)
		torc_future_cancel(&connect->_resolve.done);
	else
		torc_future_cancel(&connect->_connect.done);
}

void
torc_connect_to_start(struct torc_connect_to *connect, const char *text)
{
	(void)torc__shard_current("torc_connect_to_start");
	*connect = (struct torc_connect_to){ 0 };
	torc_future_init(&connect->done, cancel_connect_to, connect);
	torc_resolve_start(
		&connect->_resolve, text, connect->_found, TORC_CONNECT_TO_MAX);
	torc_future_then(&connect->_resolve.done, on_resolved, connect);
}

int
torc_connect_to(struct torc_stream **stream, const char *text)
{
	struct torc_connect_to connect;
	int64_t ret = torc__interrupted("torc_connect_to");

	if (ret < 0)
		return (int)ret;
	torc_connect_to_start(&connect, text);
	ret = torc_await(&connect.done);
	if (ret == 0)
		*stream = connect.stream;
	return (int)ret;
}
