/* SPDX-License-Identifier: MIT */
/*
 * Goal    Through the proxy every stream of bytes arrives as it was sent, or
 *         ends with a reset; nothing is left behind, nobody waits for ever.
 * Method  Clients, the proxy and a backend in one simulated network, many
 *         seeds. A client's first bytes say what it will send, what it wants
 *         back, and how the backend shall behave; each side knows every byte
 *         that it may see, and a clean end only after the last of them.
 */
#include <errno.h>
#include <string.h>

#include <torc.h>
#include <torc/test/sim.h>

#include "core/shard_priv.h"
#include "proxy/worker.h"
#include "tests/sim/support.h"
#include "tests/test.h"

#define BYTES_MAX 200000
#define CHUNK_MAX 32768

/* The heap's counters, where it has them. */
extern int mallctl(const char *name, void *old, size_t *old_bytes, void *now,
	size_t now_bytes) __attribute__((weak));

enum backend_way {
	BACKEND_READS_FIRST,
	BACKEND_SENDS_FIRST,
	BACKEND_DOES_BOTH,
	BACKEND_ABORTS,
	BACKEND_CLOSES,
	BACKEND_WAYS,
	/* Only for a client that leaves. */
	BACKEND_THINKS = BACKEND_WAYS,
};

enum client_way {
	CLIENT_IS_GOOD,
	CLIENT_IS_SLOW,
	CLIENT_ABORTS,
	CLIENT_CLOSES,
	CLIENT_IS_CUT,
	CLIENT_IS_IN_A_HURRY,
	CLIENT_LEAVES,
	CLIENT_WAYS,
};

/* What a client sends first. */
struct plan {
	uint64_t key;
	uint32_t up_bytes;
	uint32_t down_bytes;
	uint32_t way; /* enum backend_way */
	uint32_t magic;
};

/* A reset is passed on by then, however slow the connections are. */
#define THINK_NS (30 * TORC_S)

#define MAGIC 0x746f7263

/*
 * The allocator may fail, once everything is set up: the Makefile puts these
 * in front of it.
 */
static bool is_memory_short;

void *__real_torc_malloc(size_t bytes);
void *__real_torc_calloc(size_t count, size_t bytes);
void *__wrap_torc_malloc(size_t bytes);
void *__wrap_torc_calloc(size_t count, size_t bytes);

#define MEMORY_ONE_IN 30

void *
__wrap_torc_malloc(size_t bytes)
{
	if (is_memory_short && torc_sim_random(MEMORY_ONE_IN) == 0)
		return NULL;
	return __real_torc_malloc(bytes);
}

void *
__wrap_torc_calloc(size_t count, size_t bytes)
{
	if (is_memory_short && torc_sim_random(MEMORY_ONE_IN) == 0)
		return NULL;
	return __real_torc_calloc(count, bytes);
}

struct scene {
	struct proxy proxy;
	struct config config;
	struct torc_listener *listener; /* the backend's */
	struct torc_group sessions;
	bool is_short; /* of memory */
	struct torc_task *service;
	bool is_ended;  /* the proxy was told to end at once */
	int wrong;      /* what must not be was seen */
	uint32_t whole; /* clients that got everything */
	uint32_t cut;   /* and those that were told that they did not */
};

/* ---- both sides ---- */

struct sender {
	struct torc_stream *stream;
	uint64_t key;
	uint32_t total;
	bool is_open_ended; /* no end follows */
};

/* Few as often as many: there is more to go wrong between small pieces. */
static uint32_t
any_bytes(uint32_t max)
{
	return (uint32_t)(torc_sim_random(max) >> torc_sim_random(12));
}

static int
send_bytes(struct sender *sender)
{
	uint8_t data[CHUNK_MAX];

	for (uint32_t at = 0; at < sender->total;) {
		uint32_t bytes = any_bytes(CHUNK_MAX - 1) + 1;
		ssize_t ret;

		if (bytes > sender->total - at)
			bytes = sender->total - at;
		pattern_fill(data, sender->key, at, bytes);
		ret = torc_send_all(sender->stream, data, bytes);
		if (ret < 0)
			return (int)ret;
		at += bytes;
		if (torc_sim_random(16) == 0)
			(void)torc_sleep(torc_sim_random(10 * TORC_MS));
	}
	return sender->is_open_ended ? 0 : torc_shutdown(sender->stream);
}

static int
send_task(void *arg)
{
	return send_bytes(arg);
}

/*
 * 0 at a clean end after `total` bytes; -errno; what must not be is noted.
 */
static int
recv_bytes(struct scene *scene, struct torc_stream *stream, uint64_t key,
	uint32_t total, bool is_slow)
{
	const void *data;
	uint32_t at = 0;
	ssize_t got;

	while ((got = torc_recv(stream, &data)) > 0) {
		if (got > total - at ||
			!pattern_is(data, key, at, (size_t)got)) {
			scene->wrong = -EBADMSG;
			return -EBADMSG;
		}
		at += (uint32_t)got;
		if (is_slow && torc_sim_random(4) == 0)
			(void)torc_sleep(torc_sim_random(50 * TORC_MS));
	}
	if (got == 0 && at != total) {
		scene->wrong = -ENODATA;
		return -ENODATA;
	}
	return (int)got;
}

static int
talk_both(struct scene *scene, struct sender *sender, uint64_t key,
	uint32_t total, bool is_slow)
{
	struct torc_task *task;
	int sent, got;

	if (torc_spawn(&task, send_task, sender) < 0)
		return -ENOMEM;
	got = recv_bytes(scene, sender->stream, key, total, is_slow);
	if (got < 0)
		torc_cancel(task);
	torc_cancel_join(task, &sent);
	return got < 0 ? got : sent;
}

/* ---- the backend ---- */

/* The client has gone: whoever thinks about its answer must hear of it. */
static int
await_reset(struct scene *scene, struct torc_stream *stream)
{
	struct torc_deadline deadline;
	struct torc_future reset;
	int ret;

	torc_reset_start(stream, &reset);
	torc_deadline_begin(&deadline, THINK_NS);
	ret = (int)torc_await(&reset);
	torc_deadline_end(&deadline);
	if (ret == -ETIMEDOUT)
		scene->wrong = -ETIME;
	return ret;
}

static int
behave(struct scene *scene, struct torc_stream *stream, const struct plan *plan)
{
	struct sender sender = { .stream = stream,
		.key = plan->key ^ 1,
		.total = plan->down_bytes };
	int ret = 0;

	switch ((enum backend_way)plan->way) {
	case BACKEND_READS_FIRST:
		ret = recv_bytes(
			scene, stream, plan->key, plan->up_bytes, false);
		return ret == 0 ? send_bytes(&sender) : ret;
	case BACKEND_SENDS_FIRST:
		ret = send_bytes(&sender);
		return ret == 0 ? recv_bytes(scene, stream, plan->key,
					  plan->up_bytes, true)
				: ret;
	case BACKEND_DOES_BOTH:
		return talk_both(
			scene, &sender, plan->key, plan->up_bytes, false);
	case BACKEND_ABORTS:
		/* Without an end: what is missing must not look like one. */
		sender.total = (uint32_t)torc_sim_random(sender.total + 1);
		sender.is_open_ended = true;
		ret = send_bytes(&sender);
		return ret < 0 ? ret : -ECONNABORTED;
	case BACKEND_CLOSES:
		(void)torc_sleep(torc_sim_random(TORC_MS));
		return plan->down_bytes == 0 ? 0 : -ECONNABORTED;
	case BACKEND_THINKS:
		ret = recv_bytes(
			scene, stream, plan->key, plan->up_bytes, false);
		return ret == 0 ? await_reset(scene, stream) : ret;
	}
	return -EINVAL;
}

struct session {
	struct scene *scene;
	struct torc_stream *stream;
};

static int
backend_session(void *arg)
{
	struct session session = *(struct session *)arg;
	struct plan plan;
	ssize_t got;

	torc_free(arg);
	got = torc_read_exact(session.stream, &plan, sizeof(plan));
	if (got == sizeof(plan) && plan.magic != MAGIC)
		session.scene->wrong = -EBADMSG;
	if (got == sizeof(plan) && plan.magic == MAGIC &&
		behave(session.scene, session.stream, &plan) == 0)
		torc_close(session.stream);
	else
		torc_abort(session.stream);
	return 0;
}

static int
backend(void *arg)
{
	struct scene *scene = arg;
	struct torc_stream *stream;

	while (torc_accept(scene->listener, &stream) == 0) {
		struct session *session = torc_malloc(sizeof(*session));

		if (session != NULL) {
			*session = (struct session){ scene, stream };
			if (torc_group_spawn(&scene->sessions, backend_session,
				    session) == 0)
				continue;
		}
		torc_free(session);
		torc_abort(stream);
	}
	return 0;
}

/* ---- clients ---- */

static int
follow(struct scene *scene, struct torc_stream *stream, enum client_way way)
{
	struct plan plan = { .key = torc_sim_random(UINT32_MAX) << 1,
		.up_bytes = any_bytes(BYTES_MAX),
		.down_bytes = any_bytes(BYTES_MAX),
		.way = (uint32_t)torc_sim_random(BACKEND_WAYS),
		.magic = MAGIC };
	struct sender sender = {
		.stream = stream, .key = plan.key, .total = plan.up_bytes
	};
	ssize_t ret;

	/* A close says that this was all. */
	if (way == CLIENT_CLOSES)
		plan.up_bytes = sender.total = 0;
	if (way == CLIENT_LEAVES)
		plan.way = BACKEND_THINKS;
	ret = torc_send_all(stream, &plan, sizeof(plan));
	if (ret < 0)
		return (int)ret;
	switch (way) {
	case CLIENT_IS_GOOD:
	case CLIENT_IS_SLOW:
	case CLIENT_IS_IN_A_HURRY:
		return talk_both(scene, &sender, plan.key ^ 1, plan.down_bytes,
			way == CLIENT_IS_SLOW);
	case CLIENT_IS_CUT:
		(void)torc_sleep(torc_sim_random(5 * TORC_MS));
		torc_sim_reset(stream);
		return talk_both(
			scene, &sender, plan.key ^ 1, plan.down_bytes, false);
	case CLIENT_LEAVES:
		ret = send_bytes(&sender);
		(void)torc_sleep(torc_sim_random(50 * TORC_MS));
		return ret < 0 ? (int)ret : -ECONNABORTED;
	case CLIENT_ABORTS:
		(void)torc_sleep(torc_sim_random(5 * TORC_MS));
		return -ECONNABORTED;
	case CLIENT_CLOSES:
		return torc_sleep(torc_sim_random(5 * TORC_MS));
	case CLIENT_WAYS:
		break;
	}
	return -EINVAL;
}

static int
client(void *arg)
{
	struct scene *scene = arg;
	enum client_way way = (enum client_way)torc_sim_random(CLIENT_WAYS);
	struct torc_deadline deadline;
	struct torc_stream *stream;
	int ret;

	(void)torc_sleep(torc_sim_random(50 * TORC_MS));
	ret = torc_connect(&stream, &scene->config.listen);
	if (ret < 0)
		return 0;
	torc_deadline_begin(&deadline, way == CLIENT_IS_IN_A_HURRY
					       ? torc_sim_random(20 * TORC_MS)
					       : UINT64_MAX);
	ret = follow(scene, stream, way);
	torc_deadline_end(&deadline);
	if (ret == 0)
		scene->whole++;
	else
		scene->cut++;
	/* A client that closes with bytes to send has not sent all of them. */
	if (ret == 0)
		torc_close(stream);
	else
		torc_abort(stream);
	return 0;
}

/* ---- the scene ---- */

/* On each shard, when all is over. */
static int
look_for_leaks(void *arg)
{
	struct torc_shard *shard = torc__shard;

	(void)arg;
	/* The doorbell's read is always there. */
	if (shard->ring.inflight_count != 1 ||
		shard->streams.taken_count != 0 ||
		!torc__list_is_empty(&shard->resources))
		return -ENOTEMPTY;
	return 0;
}

static int
open_listener(struct torc_listener **listener, struct torc_address *at)
{
	int ret;

	do
		ret = torc_listen(listener, at, NULL);
	while (ret == -EMFILE);
	if (ret == 0)
		torc_listener_address(*listener, at);
	return ret;
}

static int
open_worker(void *proxy)
{
	int ret;

	do
		ret = worker_open(proxy);
	while (ret == -EMFILE);
	return ret;
}

static int
run_proxy(void *proxy)
{
	return torc_run_on_shards(worker_run, proxy);
}

static int
drain(struct scene *scene)
{
	int ret;

	do
		ret = torc_run_on_shards(worker_drain, &scene->proxy);
	while (ret == -ENOMEM);
	return ret;
}

/* While they talk: who is connected is still served, or is reset. */
static int
disturb(struct scene *scene)
{
	uint64_t what = torc_sim_random(8);

	if (what > 2)
		return 0;
	(void)torc_sleep(torc_sim_random(60 * TORC_MS));
	if (what > 0)
		return drain(scene);
	scene->is_ended = true;
	torc_cancel(scene->service);
	return 0;
}

static int
run_clients(struct scene *scene)
{
	struct torc_group clients;
	int ret = 0;

	torc_group_init(&clients);
	for (uint32_t i = 0; i < torc_sim_size() && ret == 0; i++)
		ret = torc_group_spawn(&clients, client, scene);
	if (ret == 0)
		ret = disturb(scene);
	if (ret < 0)
		torc_group_cancel(&clients);
	return torc_group_join(&clients) < 0 ? -ECANCELED : ret;
}

static int
run_all(struct scene *scene)
{
	struct torc_task *server;
	int ret, result = 0;

	ret = torc_run_on_shards(open_worker, &scene->proxy);
	if (ret < 0)
		return ret;
	if (torc_spawn(&server, backend, scene) < 0 ||
		torc_spawn(&scene->service, run_proxy, &scene->proxy) < 0)
		return -ENOMEM;
	/* Both begin to accept first. */
	ret = torc_yield();
	is_memory_short = scene->is_short;
	if (ret == 0)
		ret = run_clients(scene);
	is_memory_short = false;
	if (ret == 0)
		ret = torc_run_on_shards(worker_drain, &scene->proxy);
	if (ret == 0)
		ret = torc_join(scene->service, &result);
	if (ret < 0)
		torc_cancel_join(scene->service, &result);
	torc_cancel_join(server, NULL);
	if (result == -ECANCELED && scene->is_ended)
		result = 0;
	return ret < 0 ? ret : result;
}

static void
set_config(struct scene *scene)
{
	struct config *config = &scene->config;

	config->backend_texts[0] = "the backend";
	config->backends_count = 1;
	config->connect_timeout_ns = 5 * TORC_S;
	/* Without one, whoever waits for ever is found. */
	config->idle_timeout_ns = torc_sim_random(2) * 30 * TORC_S;
	config->drain_ns = 3600 * TORC_S;
	config->connections_max =
		torc_sim_random(4) == 0 ? 2 : 1000 * torc_shard_count();
	scene->proxy.config = config;
}

static int
proxy_scenario(void *arg)
{
	struct scene *scene = arg;
	struct worker *workers[8] = { NULL };
	int ret;

	scene->wrong = 0;
	scene->is_ended = false;
	atomic_store(&scene->proxy.connections, 0);
	scene->proxy.workers = workers;
	torc_group_init(&scene->sessions);
	set_config(scene);
	if (torc_address_parse(&scene->config.listen, "127.0.0.1:80", NULL) <
			0 ||
		torc_address_parse(
			&scene->config.backends[0], "127.0.0.1:0", NULL) < 0)
		return -EINVAL;
	ret = open_listener(&scene->listener, &scene->config.backends[0]);
	if (ret < 0)
		return ret;
	ret = run_all(scene);
	torc_group_cancel_join(&scene->sessions);
	torc_listener_close(scene->listener);
	/* What closes on its own has done so by then. */
	if (ret == 0)
		ret = torc_sleep(300 * TORC_S);
	if (ret == 0)
		ret = torc_run_on_shards(look_for_leaks, NULL);
	return ret < 0 ? ret : scene->wrong;
}

static void
search(uint64_t faults, uint32_t permille, unsigned shards, uint32_t seeds)
{
	struct scene scene = { .is_short = false };
	struct torc_sim_options options = { .faults = faults,
		.fault_permille = permille,
		.size = size_usual(8) };
	/* With few SQEs they wait in the spill where an enter is refused. */
	struct torc_options runtime = { .shards = shards,
		.sq_entries = permille > 100 ? 4 : 0 };
	struct torc_sim_result result;
	uint64_t began_ns = torc_clock_ns(), took_ns;
	int ret = torc_sim_search(
		&options, &runtime, seeds, proxy_scenario, &scene, &result);

	took_ns = torc_clock_ns() - began_ns;
	note_runs(&result);
	printf("%u clients got all, %u were told that they did not; %.0f "
	       "seeds/s, %.0f completions/s\n",
		scene.whole, scene.cut,
		(double)result.runs * 1e9 / (double)took_ns,
		(double)result.completions * 1e9 / (double)took_ns);
	assert_int_equal(ret, 0);
	/* Else it checked nothing. */
	if (getenv("TORC_SEED") == NULL)
		assert_true(scene.whole > seeds / 4 && scene.cut > seeds / 4);
}

static void
a_friendly_network(void **state)
{
	(void)state;
	search(0, 0, 1, seeds_count(100));
}

static void
every_freedom_of_the_kernel(void **state)
{
	(void)state;
	search(TORC_SIM_HIDDEN, 20, 1, seeds_count(200));
}

static void
every_fault(void **state)
{
	(void)state;
	search(TORC_SIM_ALL, 20, 1, seeds_count(300));
}

static void
every_fault_on_several_shards(void **state)
{
	(void)state;
	search(TORC_SIM_ALL, 20, 3, seeds_count(300) / 4);
}

static void
the_same_ten_times_as_often(void **state)
{
	(void)state;
	search(TORC_SIM_HIDDEN, 200, 1, seeds_count(100));
	search(TORC_SIM_ALL, 200, 1, seeds_count(100));
	search(TORC_SIM_ALL, 200, 2, seeds_count(100) / 4);
}

static void
a_seed_repeats_itself(void **state)
{
	struct torc_sim_options options = { .faults = TORC_SIM_ALL, .size = 8 };
	struct torc_sim_result first, second;

	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct torc_options runtime = { .shards = 1 + seed % 3 };
		struct scene scene = { .is_short = false };

		options.seed = seed;
		assert_int_equal(torc_sim_run(&options, &runtime,
					 proxy_scenario, &scene, &first),
			0);
		assert_int_equal(torc_sim_run(&options, &runtime,
					 proxy_scenario, &scene, &second),
			0);
		assert_true(first.hash == second.hash);
	}
}

static void
allocations_that_fail(void **state)
{
	struct scene scene = { .is_short = true };
	struct torc_sim_options options = { .faults = TORC_SIM_ALL, .size = 8 };
	struct torc_sim_result result;

	(void)state;
	assert_int_equal(torc_sim_search(&options, NULL, seeds_count(50),
				 proxy_scenario, &scene, &result),
		0);
	note_runs(&result);
}

static uint64_t
heap_bytes(void)
{
	uint64_t taken = 0, given = 0;
	size_t bytes = sizeof(taken);

	if (mallctl == NULL)
		return 0;
	mallctl("thread.allocated", &taken, &bytes, NULL, 0);
	mallctl("thread.deallocated", &given, &bytes, NULL, 0);
	return taken - given;
}

/* Under a sanitizer, which counts by itself, this compares nothing. */
static void
no_byte_of_memory_is_kept(void **state)
{
	struct scene scene = { .is_short = false };
	struct torc_sim_options options = { .faults = TORC_SIM_ALL, .size = 8 };
	uint64_t before = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		options.seed = seed;
		assert_int_equal(torc_sim_run(&options, NULL, proxy_scenario,
					 &scene, NULL),
			0);
		if (seed > 5)
			assert_int_equal(heap_bytes(), before);
		before = heap_bytes();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_friendly_network),
		cmocka_unit_test(every_freedom_of_the_kernel),
		cmocka_unit_test(every_fault),
		cmocka_unit_test(every_fault_on_several_shards),
		cmocka_unit_test(the_same_ten_times_as_often),
		cmocka_unit_test(a_seed_repeats_itself),
		cmocka_unit_test(allocations_that_fail),
		cmocka_unit_test(no_byte_of_memory_is_kept),
	};

	/* TORC_SIM_CASE=every_fault runs that one. */
	cmocka_set_test_filter(getenv("TORC_SIM_CASE"));
	/* Backends that cannot be reached are the point. */
	torc_log_level_set(TORC_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
