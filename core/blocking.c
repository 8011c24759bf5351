/* SPDX-License-Identifier: MIT */
/*
 * Jobs, as their shards see them: into the pool's queue, out of it again by a
 * cancel, and back through the shard's port.
 */
#include "core/blocking_priv.h"

#include <errno.h>

#include <torc/base/clock.h>
#include <torc/base/log.h>
#include <torc/base/probe.h>

#include "core/shard_priv.h"

/* Of a simulated job. */
#define DELAY_MIN_NS (10 * TORC_US)
#define DELAY_MAX_NS (1000 * TORC_US)

__thread bool torc__blocking_is_simulated;

static struct torc_blocking *
job_of(struct torc_link *link)
{
	return torc__container_of(link, struct torc_blocking, _link);
}

/* One job of the shard's less. */
static void
forget_one(struct torc_shard *shard)
{
	shard->port.jobs_count--;
	/* Pairs with the load in torc__blocking_drain(). */
	atomic_fetch_sub(&shard->pool->pending_count, 1);
}

/* The shard has it back; whoever waits may free it in this call. */
static void
give_back(struct torc_blocking *job, int64_t value)
{
	forget_one(job->_shard);
	torc_future_complete(&job->done, value);
}

static void
push_to_port(struct torc_blocking *job)
{
	struct torc_shard *shard = job->_shard;
	struct torc_port *port = &shard->port;
	struct torc_blocking *first =
		atomic_load_explicit(&port->finished, memory_order_relaxed);

	do
		job->_next = first;
	while (!atomic_compare_exchange_weak(&port->finished, &first, job));
	/*
	 * The exchange above pairs with the one in on_port(), which comes
	 * after the message has left the inbox: it is free to be sent.
	 */
	if (first == NULL)
		torc__shard_post_remote(shard, &port->msg);
}

void
torc__blocking_return_remote(struct torc_blocking *job, int error)
{
	job->_error = error;
	push_to_port(job);
}

void
torc__blocking_refuse_all(struct torc_pool *pool, int error)
{
	/* Each look-up that leaves the queue lets one in that is held back. */
	while (!torc__list_is_empty(&pool->queue)) {
		struct torc_blocking *job = job_of(pool->queue.next);

		(void)torc__pool_remove(pool, job);
		job->_state = TORC__JOB_FINISHED;
		torc__blocking_return_remote(job, error);
	}
}

/*
 * Simulated: a timer instead of a thread. When it has fired, the next job in
 * the queue takes its place, on the shard that it came from.
 */
static void
free_place(struct torc_pool *pool, bool is_lookup)
{
	struct torc_blocking *next;

	pthread_mutex_lock(&pool->lock);
	torc__pool_ended(pool, is_lookup);
	next = torc__pool_take(pool);
	pthread_mutex_unlock(&pool->lock);
	if (next != NULL)
		push_to_port(next);
}

static void
run_simulated(struct torc_timer *timer)
{
	struct torc_blocking *job =
		torc__container_of(timer, struct torc_blocking, _timer);
	struct torc_shard *shard = torc__shard;
	bool is_abandoned = job->_state == TORC__JOB_ABANDONED;

	/* As on a thread: there is no shard to call. */
	torc__shard = NULL;
	torc__blocking_is_simulated = true;
	job->result = job->_fn(job->_arg);
	torc__blocking_is_simulated = false;
	torc__shard = shard;
	shard->pool->abandoned_count -= is_abandoned;
	free_place(shard->pool, job->_is_lookup);
	if (is_abandoned) {
		forget_one(shard);
		job->_release(job);
		return;
	}
	job->_state = TORC__JOB_FINISHED;
	give_back(job, 0);
}

/* As the seed has made the time and the number of jobs so far. */
static uint64_t
simulated_delay_ns(struct torc_shard *shard)
{
	uint64_t mixed =
		torc__ring_now_ns(&shard->ring) * 31 + shard->pool->jobs_count;

	mixed *= UINT64_C(0x9e3779b97f4a7c15);
	return DELAY_MIN_NS + (mixed >> 32) % (DELAY_MAX_NS - DELAY_MIN_NS + 1);
}

static void
arm_simulated(struct torc_shard *shard, struct torc_blocking *job)
{
	job->_timer.fn = run_simulated;
	torc__timer_arm_in(shard, &job->_timer, simulated_delay_ns(shard));
}

static void
start_simulated(struct torc_shard *shard)
{
	struct torc_pool *pool = shard->pool;
	struct torc_blocking *job = NULL;

	pthread_mutex_lock(&pool->lock);
	if (pool->running_count < pool->threads_max)
		job = torc__pool_take(pool);
	pthread_mutex_unlock(&pool->lock);
	if (job != NULL)
		push_to_port(job);
}

static void
on_port(struct torc_msg *msg)
{
	struct torc_port *port = torc__container_of(msg, struct torc_port, msg);
	struct torc_blocking *job = NULL, *next;

	/* Pairs with the exchange in push_to_port(). */
	next = atomic_exchange(&port->finished, NULL);
	/* The newest is first; they go back in the order they came. */
	while (next != NULL) {
		struct torc_blocking *rest = next->_next;

		next->_next = job;
		job = next;
		next = rest;
	}
	for (; job != NULL; job = next) {
		next = job->_next;
		if (job->_state != TORC__JOB_FINISHED)
			arm_simulated(torc__shard, job);
		else
			give_back(job, job->_error);
	}
}

void
torc__blocking_join(struct torc_shard *shard, struct torc_pool *pool)
{
	shard->pool = pool;
	shard->port.msg.fn = on_port;
}

static void
cancel_job(struct torc_future *done)
{
	struct torc_blocking *job = torc_future_source(done);
	struct torc_pool *pool = job->_shard->pool;
	bool was_queued;

	pthread_mutex_lock(&pool->lock);
	was_queued = torc__pool_remove(pool, job);
	pthread_mutex_unlock(&pool->lock);
	if (was_queued)
		give_back(job, -ECANCELED);
}

enum kind { UNBOUNDED, BOUNDED, LOOKUP };

/* False: BOUNDED, and the queue is full. */
static bool
start(struct torc_blocking *job, torc_blocking_fn *fn, void *arg,
	enum kind kind)
{
	struct torc_shard *shard = torc__shard;
	struct torc_pool *pool;
	bool is_simulated, must_make = false;

	if (torc_unlikely(shard == NULL || shard->pool == NULL))
		torc__panic("a blocking call outside of torc_run(): only its "
			    "tasks have a pool of threads");
	torc_assert(fn != NULL);
	pool = shard->pool;
	is_simulated = shard->ring.engine->is_simulated;
	*job = (struct torc_blocking){
		._fn = fn,
		._arg = arg,
		._shard = shard,
		._is_lookup = kind == LOOKUP,
	};
	torc_future_init(&job->done, cancel_job, job);

	pthread_mutex_lock(&pool->lock);
	if (kind == BOUNDED && pool->queued_count >= pool->queue_max) {
		pthread_mutex_unlock(&pool->lock);
		return false;
	}
	/* Pairs with the load in torc__blocking_drain(). */
	atomic_fetch_add(&pool->pending_count, 1);
	shard->port.jobs_count++;
	TORC_PROBE3(torc, blocking__queue, shard->index, job, fn);
	if (torc__pool_push(pool, job) && !is_simulated)
		must_make = torc__pool_call(pool);
	pthread_mutex_unlock(&pool->lock);
	if (must_make)
		(void)torc__pool_thread_make(pool);
	if (is_simulated)
		start_simulated(shard);
	return true;
}

void
torc_blocking_start(struct torc_blocking *job, torc_blocking_fn *fn, void *arg)
{
	(void)start(job, fn, arg, UNBOUNDED);
}

void
torc__blocking_start_lookup(
	struct torc_blocking *job, torc_blocking_fn *fn, void *arg)
{
	(void)start(job, fn, arg, LOOKUP);
}

static int
run(torc_blocking_fn *fn, void *arg, int *result, enum kind kind)
{
	struct torc_blocking job;
	int64_t ret = torc__interrupted("torc_blocking");

	if (ret < 0)
		return (int)ret;
	if (!start(&job, fn, arg, kind)) {
		/* Who tries again and again must let the others run. */
		torc__budget_spend();
		return -EAGAIN;
	}
	ret = torc_await(&job.done);
	if (ret == 0 && result != NULL)
		*result = job.result;
	return (int)ret;
}

int
torc_blocking(torc_blocking_fn *fn, void *arg, int *result)
{
	return run(fn, arg, result, UNBOUNDED);
}

int
torc_blocking_try(torc_blocking_fn *fn, void *arg, int *result)
{
	return run(fn, arg, result, BOUNDED);
}

/* True: whoever runs it will release it. */
static bool
leave_running(struct torc_pool *pool, struct torc_blocking *job,
	void (*release)(struct torc_blocking *))
{
	int running = TORC__JOB_RUNNING;

	/* Before the exchange: after it the thread reads it. */
	job->_release = release;
	/* Pairs with the exchange in run_job() of pool.c. */
	if (!__atomic_compare_exchange_n(&job->_state, &running,
		    TORC__JOB_ABANDONED, false, __ATOMIC_ACQ_REL,
		    __ATOMIC_ACQUIRE))
		return false;
	pool->abandoned_count++;
	return true;
}

bool
torc__blocking_abandon(
	struct torc_blocking *job, void (*release)(struct torc_blocking *))
{
	struct torc_shard *shard = job->_shard;
	struct torc_pool *pool = shard->pool;
	bool is_ours, is_left;

	pthread_mutex_lock(&pool->lock);
	is_ours = torc__pool_remove(pool, job);
	is_left = !is_ours && leave_running(pool, job, release);
	/* One that was left may be gone already. */
	if (is_ours || (is_left && !shard->ring.engine->is_simulated))
		forget_one(shard);
	pthread_mutex_unlock(&pool->lock);
	if (is_ours)
		release(job);
	return is_ours || is_left;
}

static struct torc_blocking *
find_own(const struct torc_link *line, const struct torc_shard *shard)
{
	for (struct torc_link *link = line->next; link != line;
		link = link->next)
		if (job_of(link)->_shard == shard)
			return job_of(link);
	return NULL;
}

/* The oldest that no thread has, out of its line; or NULL. */
static struct torc_blocking *
take_own(struct torc_shard *shard)
{
	struct torc_pool *pool = shard->pool;
	struct torc_blocking *found;

	pthread_mutex_lock(&pool->lock);
	/* Those held back first: they would come to the queue. */
	found = find_own(&pool->lookups, shard);
	if (found == NULL)
		found = find_own(&pool->queue, shard);
	if (found != NULL)
		(void)torc__pool_remove(pool, found);
	pthread_mutex_unlock(&pool->lock);
	return found;
}

static void
say_waiting(struct torc_shard *shard, unsigned count)
{
	struct torc_pool *pool = shard->pool;

	if (shard->index != 0 || pool->wait_began_ns == UINT64_MAX)
		return;
	if (pool->wait_began_ns == 0)
		pool->wait_began_ns = shard->now_ns;
	if (shard->now_ns - pool->wait_began_ns < TORC__BLOCKING_SAY_NS)
		return;
	pool->wait_began_ns = UINT64_MAX;
	torc_log(TORC_LOG_WARN,
		"the runtime's end waits for %u blocking calls: it comes when "
		"they return",
		count);
}

bool
torc__blocking_drain(struct torc_shard *shard)
{
	struct torc_blocking *job;
	unsigned count;

	if (shard->pool == NULL)
		return false;
	/* What tasks wait for they have cancelled, or shield. */
	if (shard->tasks_count == 0 && shard->port.jobs_count > 0)
		while ((job = take_own(shard)) != NULL)
			give_back(job, -ECANCELED);
	/* Pairs with forget_one(). */
	count = atomic_load(&shard->pool->pending_count);
	if (count > 0)
		say_waiting(shard, count);
	return count > 0;
}

void
torc_blocking_counts(struct torc_blocking_counts *counts)
{
	struct torc_pool *pool =
		torc__shard_current("torc_blocking_counts")->pool;

	torc_assert(pool != NULL);
	pthread_mutex_lock(&pool->lock);
	*counts = (struct torc_blocking_counts){
		.threads = pool->threads_count,
		.idle = pool->idle_count,
		.running = pool->running_count,
		.abandoned = pool->abandoned_count,
		.queued = pool->queued_count,
		.held = pool->held_count,
		.jobs = pool->jobs_count,
		.wakes = pool->wakes_count,
	};
	if (counts->queued > pool->queue_max) {
		counts->waiting = counts->queued - pool->queue_max;
		counts->queued = pool->queue_max;
	}
	pthread_mutex_unlock(&pool->lock);
}
