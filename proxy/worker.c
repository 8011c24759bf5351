/* SPDX-License-Identifier: MIT */
#include "proxy/worker.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "proxy/balance.h"

/*
 * Accepting ahead is quicker, but what was accepted must be served: within
 * this many of the limit each connection is accepted on its own.
 */
#define NEAR_LIMIT (BACKLOG + 2 * AHEAD)
#define AHEAD 64
/* One multishot accept may take all of it at once. */
#define BACKLOG 1024

/* At the limit, how often to see whether another shard has made room. */
#define ROOM_POLL_NS (10 * TORC_MS)
/* Without a descriptor for a backend, how long until the next try. */
#define SHORTAGE_POLL_NS (20 * TORC_MS)

/* One connection; on its worker's list while it is relayed. */
struct session {
	struct torc_relay relay;
	struct worker *worker;
	struct session *next;
	struct session **link; /* what points to this */
};

/* A size of the allocator's: one byte more costs each session 64. */
_Static_assert(sizeof(struct session) <= 320,
	"a session fits where one of 320 bytes does");

struct worker {
	struct proxy *proxy;
	const struct config *config;
	struct balance balance;
	struct torc_listener *listener;
	struct torc_group connecting;
	struct session *sessions;
	unsigned shard;           /* its index, for probes */
	unsigned count;           /* of connections on this shard */
	struct torc_future *room; /* somebody waits for one to end */
	bool is_ahead;            /* accepting ahead */
	bool is_draining;
	bool is_short; /* of descriptors; logged */
};

static struct worker *
own_worker(struct proxy *proxy)
{
	return proxy->workers[torc_shard_index()];
}

/* ---- counting ---- */

static void
connection_ended(struct worker *worker)
{
	struct torc_future *room = worker->room;

	worker->count--;
	atomic_fetch_sub_explicit(
		&worker->proxy->connections, 1, memory_order_relaxed);
	worker->room = NULL;
	if (room != NULL)
		torc_future_complete(room, 0);
}

static void
leave_room(struct torc_future *room)
{
	struct worker *worker = torc_future_source(room);

	worker->room = NULL;
	torc_future_complete(room, -ECANCELED);
}

/* Until a connection of this shard ends, or `timeout_ns` is over. */
static int
wait_for_end(struct worker *worker, uint64_t timeout_ns)
{
	struct torc_deadline scope;
	struct torc_future room;
	int ret;

	torc_future_init(&room, leave_room, worker);
	worker->room = &room;
	torc_deadline_begin(&scope, timeout_ns);
	ret = (int)torc_await(&room);
	torc_deadline_end(&scope);
	return ret == -ETIMEDOUT ? torc_interrupted() : ret;
}

static bool
is_full(const struct worker *worker)
{
	return atomic_load_explicit(&worker->proxy->connections,
		       memory_order_relaxed) >= worker->config->connections_max;
}

/* Accept only while there is room: others wait in the kernel's backlog. */
static int
wait_for_room(struct worker *worker)
{
	unsigned connections, shards = torc_shard_count();
	bool is_ahead;

	while (is_full(worker)) {
		int ret = wait_for_end(worker, ROOM_POLL_NS);

		if (ret < 0)
			return ret;
		if (worker->is_draining)
			return -ESHUTDOWN;
	}
	connections = atomic_load_explicit(
		&worker->proxy->connections, memory_order_relaxed);
	is_ahead = connections + NEAR_LIMIT * shards <
		   worker->config->connections_max;
	if (is_ahead != worker->is_ahead) {
		worker->is_ahead = is_ahead;
		torc_listener_ahead_set(worker->listener, is_ahead ? AHEAD : 0);
	}
	return 0;
}

/*
 * Count a client that was accepted. Shards that saw the last room at the
 * same time accept one client each; all but one of these wait here.
 */
static int
count_in(struct worker *worker)
{
	atomic_uint *connections = &worker->proxy->connections;

	worker->count++;
	for (;;) {
		unsigned before = atomic_fetch_add_explicit(
			connections, 1, memory_order_relaxed);
		int ret;

		/* While draining none comes after it, so it may be one more. */
		if (before < worker->config->connections_max ||
			worker->is_draining)
			return 0;
		atomic_fetch_sub_explicit(connections, 1, memory_order_relaxed);
		ret = wait_for_end(worker, ROOM_POLL_NS);
		if (ret < 0) {
			worker->count--;
			return ret;
		}
	}
}

/* ---- relaying ---- */

static void
on_session_done(struct torc_future *done)
{
	struct session *session = torc_future_waiter(done);
	struct worker *worker = session->worker;

	TORC_PROBE5(torc_proxy, closed, worker->shard, session,
		session->relay.a_to_b.bytes, session->relay.b_to_a.bytes,
		done->value);
	*session->link = session->next;
	if (session->next != NULL)
		session->next->link = session->link;
	torc_free(session);
	connection_ended(worker);
}

static int
begin_session(struct worker *worker, struct torc_stream *client,
	struct torc_stream *backend)
{
	struct session *session = torc_malloc(sizeof(*session));

	if (session == NULL)
		return -ENOMEM;
	TORC_PROBE3(torc_proxy, connected, worker->shard, client, session);
	session->worker = worker;
	session->next = worker->sessions;
	session->link = &worker->sessions;
	if (session->next != NULL)
		session->next->link = &session->next;
	worker->sessions = session;
	torc_relay_start(&session->relay, client, backend,
		worker->config->idle_timeout_ns);
	torc_future_then(&session->relay.done, on_session_done, session);
	return 0;
}

/* ---- connecting ---- */

static int
connect_once(struct worker *worker, struct torc_stream **backend,
	const struct torc_address *to)
{
	uint64_t timeout_ns = worker->config->connect_timeout_ns;
	struct torc_deadline scope;
	int ret;

	torc_deadline_begin(&scope, timeout_ns ? timeout_ns : UINT64_MAX);
	for (;;) {
		ret = torc_connect(backend, to);
		if (ret != -EMFILE && ret != -ENFILE)
			break;
		/* The client stays: a descriptor comes back sooner or later. */
		if (!worker->is_short)
			torc_log(TORC_LOG_WARN,
				"no descriptor for a backend (%s): clients "
				"wait; raise ulimit -n",
				strerror(-ret));
		worker->is_short = true;
		ret = torc_sleep(SHORTAGE_POLL_NS);
		if (ret < 0)
			break;
	}
	torc_deadline_end(&scope);
	return ret;
}

static int
connect_any(struct worker *worker, struct torc_stream **backend)
{
	const struct config *config = worker->config;
	unsigned first = balance_pick(&worker->balance);
	int ret = 0;

	for (unsigned i = 0; i < config->backends_count; i++) {
		unsigned at = (first + i) % config->backends_count;

		ret = connect_once(worker, backend, &config->backends[at]);
		if (ret == -ECANCELED)
			return ret;
		balance_tried(&worker->balance, at, ret);
		if (ret == 0)
			return 0;
	}
	return ret;
}

/* Not a clean end: the client was never served. */
static __attribute__((noinline)) void
refuse(struct worker *worker, struct torc_stream *client, int error)
{
	TORC_PROBE3(torc_proxy, refused, worker->shard, client, error);
	torc_abort(client);
	connection_ended(worker);
}

struct accepted {
	struct worker *worker;
	struct torc_stream *client;
};

/* A short-lived task per connection: it ends when the relay begins. */
static int
serve(void *arg)
{
	struct accepted accepted = *(struct accepted *)arg;
	struct worker *worker = accepted.worker;
	struct torc_stream *backend = NULL;
	int ret;

	torc_free(arg);
	ret = connect_any(worker, &backend);
	if (ret == 0)
		ret = begin_session(worker, accepted.client, backend);
	if (ret == 0)
		return 0;
	torc_close(backend);
	refuse(worker, accepted.client, ret);
	return 0;
}

static void
start_serving(struct worker *worker, struct torc_stream *client)
{
	struct accepted *accepted = torc_malloc(sizeof(*accepted));

	if (accepted != NULL) {
		*accepted = (struct accepted){ worker, client };
		if (torc_group_spawn(&worker->connecting, serve, accepted) == 0)
			return;
		torc_free(accepted);
	}
	torc_log(TORC_LOG_ERROR, "out of memory: a client is reset");
	refuse(worker, client, -ENOMEM);
}

/* ---- life ---- */

int
worker_open(void *arg)
{
	struct proxy *proxy = arg;
	struct worker *worker = torc_calloc(1, sizeof(*worker));
	int ret;

	if (worker == NULL)
		return -ENOMEM;
	worker->proxy = proxy;
	worker->shard = torc_shard_index();
	worker->config = proxy->config;
	balance_init(&worker->balance, proxy->config, torc_shard_index());
	torc_group_init(&worker->connecting);
	ret = torc_listen(&worker->listener, &proxy->config->listen,
		&(struct torc_listen_options){ .backlog = BACKLOG });
	if (ret < 0) {
		torc_free(worker);
		return ret;
	}
	torc_listener_ahead_set(worker->listener, 0);
	proxy->workers[torc_shard_index()] = worker;
	return 0;
}

static int
accept_all(struct worker *worker)
{
	for (;;) {
		struct torc_stream *client;
		int ret = wait_for_room(worker);

		if (ret == 0)
			ret = torc_accept(worker->listener, &client);
		if (ret < 0)
			return ret;
		ret = count_in(worker);
		if (ret < 0) {
			torc_abort(client);
			return ret;
		}
		TORC_PROBE2(torc_proxy, accepted, worker->shard, client);
		start_serving(worker, client);
	}
}

static int
finish_all(struct worker *worker)
{
	struct torc_deadline scope;
	int ret = 0;

	torc_deadline_begin(&scope, worker->config->drain_ns);
	while (worker->count > 0 && ret == 0)
		ret = wait_for_end(worker, UINT64_MAX);
	torc_deadline_end(&scope);
	return ret;
}

static void
reset_all(struct worker *worker)
{
	struct torc_shield shield;

	torc_shield_begin(&shield);
	torc_group_cancel_join(&worker->connecting);
	for (struct session *s = worker->sessions; s != NULL; s = s->next)
		torc_future_cancel(&s->relay.done);
	while (worker->count > 0)
		(void)wait_for_end(worker, UINT64_MAX);
	torc_shield_end(&shield);
}

int
worker_run(void *arg)
{
	struct proxy *proxy = arg;
	struct worker *worker = own_worker(proxy);
	int ret = accept_all(worker);

	if (ret == -ESHUTDOWN)
		ret = finish_all(worker);
	if (ret < 0 && worker->count > 0)
		torc_log(TORC_LOG_WARN, "shard %u: %u connections are reset",
			torc_shard_index(), worker->count);
	reset_all(worker);
	torc_listener_close(worker->listener);
	proxy->workers[torc_shard_index()] = NULL;
	torc_free(worker);
	return 0;
}

int
worker_drain(void *arg)
{
	struct worker *worker = own_worker(arg);

	/* Gone already: its last connection ended in the meantime. */
	if (worker == NULL || worker->is_draining)
		return 0;
	worker->is_draining = true;
	torc_listener_stop(worker->listener);
	return 0;
}
