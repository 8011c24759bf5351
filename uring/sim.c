/* SPDX-License-Identifier: MIT */
/*
 * The simulation as an engine: rings that open and close, and their enters.
 */
#include "uring/sim_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <torc/base/clock.h>

#include "uring/sim_world_priv.h"

/* What an enter costs. Time that never moved would hide a busy loop. */
#define ENTER_NS 500
/* A shard that looks again and again sees time pass, and faster. */
#define IDLE_SHIFT 3
#define SWITCH_ONE_IN 16
#define CQ_SMALL_MIN 16
#define CQ_SMALL_SPAN 48

/* Two threads may open the first ring. */
static pthread_mutex_t world_lock = PTHREAD_MUTEX_INITIALIZER;

/* For a program that was started inside the simulation. */
static int
begin_from_environment(void)
{
	const char *text = getenv("TORC_SEED");
	struct torc_sim_config config;
	char *end;
	int ret;

	torc__sim_config_init(&config);
	if (text != NULL && text[0] != '\0') {
		config.seed = strtoull(text, &end, 0);
		if (*end != '\0' || text[0] == '-')
			return -EINVAL;
	}
	ret = torc__sim_begin(&config);
	if (ret == 0)
		torc__sim->is_explicit = false;
	return ret;
}

static void
reserve_doorbells(struct torc_sim *sim, uint32_t count)
{
	struct torc_sim_file *file;

	if (sim->scheduled_max != 0)
		return;
	torc_assert(count <= TORC__SIM_RINGS_MAX);
	sim->scheduled_max = count;
	/* Their slots exist before anything else has a descriptor. */
	file = torc__sim_file_new(sim, TORC__SIM_EVENT);
	for (uint32_t i = 0; file != NULL && i < count; i++) {
		file->refs_count++;
		(void)torc__sim_fd_open(sim, file);
	}
	for (uint32_t i = 0; file != NULL && i < count; i++) {
		sim->fds[i] = NULL;
		sim->fds_count--;
		torc__sim_file_put(sim, file);
	}
	if (file != NULL)
		torc__sim_file_put(sim, file);
}

static struct torc_sim_ring *
ring_new(struct torc_sim *sim, struct torc_ring *ring,
	const struct torc_ring_options *options)
{
	struct torc_sim_ring *own = calloc(1, sizeof(*own));
	uint32_t index = options->index;

	if (own == NULL)
		return NULL;
	if (options->count == 0)
		for (index = 0; sim->rings[index] != NULL; index++)
			torc_assert(index < TORC__SIM_RINGS_MAX - 1);
	own->ring = ring;
	own->index = index;
	own->until_ns = UINT64_MAX;
	pthread_cond_init(&own->turn, NULL);
	torc__list_init(&own->ops);
	torc__list_init(&own->ready);
	for (int i = 0; i < TORC__SIM_BUCKETS; i++)
		torc__list_init(&own->buckets[i]);
	return own;
}

static int
open_in(struct torc_sim *sim, struct torc_ring *ring,
	const struct torc_ring_options *options)
{
	struct torc_ring_options filled = *options;
	struct torc_sim_ring *own;
	int ret;

	if (options->count > 0)
		reserve_doorbells(sim, options->count);
	if (torc__sim_strikes(sim, TORC__SIM_CQ_SMALL))
		filled.cq_entries =
			CQ_SMALL_MIN +
			(uint32_t)torc__sim_draw_below(sim, CQ_SMALL_SPAN);
	own = ring_new(sim, ring, options);
	if (own == NULL)
		return -ENOMEM;
	ret = torc__soft_open(ring, &filled, own);
	if (ret < 0) {
		free(own);
		return ret;
	}
	/* Only an enter shows what became ready, so one is always wanted. */
	torc__soft_of(ring)->sq_flags |= IORING_SQ_TASKRUN;
	sim->rings[own->index] = own;
	sim->rings_count++;
	return 0;
}

static int
sim_open(struct torc_ring *ring, const struct torc_ring_options *options)
{
	int ret = 0;

	pthread_mutex_lock(&world_lock);
	if (torc__sim == NULL)
		ret = begin_from_environment();
	if (ret == 0) {
		pthread_mutex_lock(&torc__sim->lock);
		ret = open_in(torc__sim, ring, options);
		pthread_mutex_unlock(&torc__sim->lock);
	}
	pthread_mutex_unlock(&world_lock);
	return ret;
}

static struct torc_sim_ring *
own_of(const struct torc_ring *ring)
{
	return torc__soft_of(ring)->engine;
}

static void
sim_close(struct torc_ring *ring)
{
	struct torc_sim_ring *own = own_of(ring);
	struct torc_sim *sim = torc__sim;
	bool is_over;

	pthread_mutex_lock(&sim->lock);
	torc__sim_ops_drop(sim, own);
	sim->rings[own->index] = NULL;
	sim->rings_count--;
	torc__sim_leave(sim, own);
	is_over = !sim->is_explicit && sim->rings_count == 0 &&
		  sim->fds_count == 0;
	pthread_mutex_unlock(&sim->lock);
	torc__soft_close(ring);
	pthread_cond_destroy(&own->turn);
	free(own);
	if (is_over)
		torc__sim_end(NULL);
}

static void
sim_begin(struct torc_ring *ring)
{
	struct torc_sim *sim = torc__sim;

	pthread_mutex_lock(&sim->lock);
	torc__sim_join(sim, own_of(ring));
	pthread_mutex_unlock(&sim->lock);
}

static uint32_t
take(struct torc_sim *sim, struct torc_sim_ring *own, uint32_t count)
{
	uint32_t taken = 0;

	if (count > 1 && torc__sim_strikes(sim, TORC__SIM_ENTER_SHORT))
		count = 1 + (uint32_t)torc__sim_draw_below(sim, count - 1);
	for (; taken < count; taken++) {
		const struct io_uring_sqe *sqe = torc__soft_take(own->ring);

		if (sqe == NULL)
			break;
		torc__sim_op_take(sim, own, sqe);
	}
	return taken;
}

static int
refusal(struct torc_sim *sim)
{
	static const int errors[] = { -EAGAIN, -EBUSY, -ENOMEM };

	return errors[torc__sim_draw_below(sim, 3)];
}

/* What became ready, and what waits for room in the queue. */
static void
turn(struct torc_sim *sim, struct torc_sim_ring *own)
{
	torc__soft_flush(own->ring);
	torc__sim_ops_run(sim, own);
}

static int
wait_for(struct torc_sim *sim, struct torc_sim_ring *own, uint32_t min_complete,
	uint64_t timeout_ns)
{
	struct torc_ring *ring = own->ring;

	if (torc__ring_cq_count(ring) >= min_complete)
		return 0;
	if (torc__sim_strikes(sim, TORC__SIM_ENTER_EMPTY))
		return 0;
	if (torc__sim_strikes(sim, TORC__SIM_ENTER_EINTR))
		return -EINTR;
	if (__builtin_add_overflow(sim->now_ns, timeout_ns, &own->until_ns))
		own->until_ns = UINT64_MAX;
	for (;;) {
		torc__sim_wait(sim, own);
		turn(sim, own);
		if (torc__ring_cq_count(ring) >= min_complete)
			return 0;
		if (sim->now_ns >= own->until_ns)
			return -ETIME;
	}
}

static void
let_others_run(struct torc_sim *sim, struct torc_sim_ring *own)
{
	torc__sim_yield(sim, own);
	torc__sim_events_run(sim);
	turn(sim, own);
}

/*
 * A shard that spins sees time pass faster the longer it does, so that it
 * comes to the next event, and to its own timers, in some hundred looks.
 */
static void
look(struct torc_sim *sim, struct torc_sim_ring *own)
{
	uint64_t next_ns = torc__sim_event_next_ns(sim);
	uint64_t step_ns, target_ns;

	if (own->idle_ns == 0) {
		own->idle_ns = sim->now_ns;
		return;
	}
	step_ns = (sim->now_ns - own->idle_ns) >> IDLE_SHIFT;
	target_ns = sim->now_ns + step_ns;
	if (target_ns > next_ns)
		target_ns = next_ns > sim->now_ns ? next_ns : sim->now_ns;
	__atomic_store_n(&sim->now_ns, target_ns, __ATOMIC_RELAXED);
	let_others_run(sim, own);
}

/* Busy shards run in turns, as they would on CPUs of their own. */
static bool
is_switched(struct torc_sim *sim)
{
	return sim->scheduled_max > 1 &&
	       (torc__sim_strikes(sim, TORC__SIM_SWITCH) ||
		       torc__sim_draw_below(sim, SWITCH_ONE_IN) == 0);
}

static int
enter(struct torc_sim *sim, struct torc_sim_ring *own, uint32_t to_submit,
	uint32_t min_complete, uint64_t timeout_ns)
{
	bool has_worked;
	uint32_t taken;
	int ret = 0;

	sim->counts.steps++;
	torc__sim_check_budget(sim);
	__atomic_store_n(
		&sim->now_ns, sim->now_ns + ENTER_NS, __ATOMIC_RELAXED);
	if (torc__sim_strikes(sim, TORC__SIM_ENTER_REFUSED)) {
		turn(sim, own);
		return refusal(sim);
	}
	has_worked = own->ring->has_worked;
	own->ring->has_worked = false;
	taken = take(sim, own, to_submit);
	torc__sim_events_run(sim);
	turn(sim, own);
	if (taken < to_submit)
		return (int)taken;
	if (min_complete > 0) {
		ret = wait_for(sim, own, min_complete, timeout_ns);
		own->idle_ns = 0;
	} else if (taken > 0 || torc__ring_cq_count(own->ring) > 0) {
		own->idle_ns = 0;
		if (is_switched(sim))
			torc__sim_yield(sim, own);
	} else if (has_worked) {
		own->idle_ns = 0;
		let_others_run(sim, own);
	} else {
		look(sim, own);
	}
	return taken > 0 ? (int)taken : ret;
}

static int
sim_enter(struct torc_ring *ring, uint32_t to_submit, uint32_t min_complete,
	uint64_t timeout_ns)
{
	struct torc_sim *sim = torc__sim;
	int ret;

	pthread_mutex_lock(&sim->lock);
	ret = enter(sim, own_of(ring), to_submit, min_complete, timeout_ns);
	pthread_mutex_unlock(&sim->lock);
	return ret;
}

static int
sim_reg(struct torc_ring *ring, uint32_t opcode, const void *arg,
	uint32_t arg_count)
{
	return torc__soft_register(ring, opcode, arg, arg_count);
}

static uint64_t
sim_now_ns(struct torc_ring *ring)
{
	(void)ring;
	return torc__sim_now_ns();
}

static void
sim_explain(int error, char *text, size_t bytes)
{
	const char *seed = getenv("TORC_SEED");

	if (error == -EINVAL && seed != NULL)
		snprintf(text, bytes,
			"TORC_SEED=%s is no seed: give a number from 0 to "
			"2^64-1, such as TORC_SEED=42",
			seed);
	else
		snprintf(text, bytes, "the simulation could not begin: %s",
			strerror(-error));
}

const struct torc_engine torc__engine_sim = {
	.name = "sim",
	.is_simulated = true,
	.open = sim_open,
	.close = sim_close,
	.begin = sim_begin,
	.enter = sim_enter,
	.reg = sim_reg,
	.now_ns = sim_now_ns,
	.explain = sim_explain,
	.socket = torc__sim_socket,
	.socketpair = torc__sim_socketpair,
	.pipe = torc__sim_pipe,
	.read_dir = torc__sim_read_dir,
	.chmod = torc__sim_chmod,
	.read_link = torc__sim_read_link,
	.real_path = torc__sim_real_path,
	.bind = torc__sim_bind,
	.listen = torc__sim_listen,
	.shutdown = torc__sim_shutdown,
	.setsockopt = torc__sim_setsockopt,
	.getsockopt = torc__sim_getsockopt,
	.getsockname = torc__sim_getsockname,
	.getpeername = torc__sim_getpeername,
	.dup = torc__sim_dup,
	.unix_is_stale = torc__sim_unix_is_stale,
	.unix_remove = torc__sim_unix_remove,
	.event_open = torc__sim_event_open,
	.event_ring_remote = torc__sim_event_ring_remote,
	.signals_open = torc__sim_signals_open,
	.close_fd = torc__sim_close_fd,
};
