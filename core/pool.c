/* SPDX-License-Identifier: MIT */
/*
 * The threads behind torc_blocking(). A thread that has nothing to do stands
 * on a stack of such: the one that worked last, whose caches are warm, works
 * next, and those at the bottom end.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <torc/base/clock.h>
#include <torc/base/log.h>
#include <torc/base/probe.h>

#include "base/condition_priv.h"
#include "core/blocking_priv.h"
#include "core/runtime_priv.h"
#include "core/spin_priv.h"

/*
 * More threads than that make nothing faster that computes, and most of what
 * waits has torc's own calls; a file server's worst disk has 32 places in its
 * queue. Each touches some 20 KiB.
 */
#define THREADS_DEFAULT 64
#define QUEUE_DEFAULT 1024
/* One thread in so many may look up names; see blocking_priv.h. */
#define LOOKUPS_PART 4
#define IDLE_DEFAULT_NS (10 * TORC_S)
/* What pthread_cond_timedwait() can add up. */
#define IDLE_MAX_NS (UINT64_C(1) << 62)

/* One that has nothing to do; on its own stack. */
struct idler {
	struct torc_link link;
	pthread_cond_t wake;
	/* Written under the lock; a look without it needs no order. */
	atomic_bool is_called;
	bool is_spinning;
};

void
torc__pool_open(struct torc_pool *pool, const struct torc_pool_options *options)
{
	*pool = (struct torc_pool){
		.threads_max = options->threads_max ? options->threads_max
						    : THREADS_DEFAULT,
		.queue_max =
			options->queue_max ? options->queue_max : QUEUE_DEFAULT,
		.idle_ns =
			options->idle_ns ? options->idle_ns : IDLE_DEFAULT_NS,
		.spin_ns = options->spin_ns,
		.cpus = *options->cpus,
		.gap_ns = UINT32_MAX,
	};
	pool->lookups_max = pool->threads_max / LOOKUPS_PART;
	if (pool->lookups_max == 0)
		pool->lookups_max = 1;
	if (pool->idle_ns > IDLE_MAX_NS)
		pool->idle_ns = IDLE_MAX_NS;
	torc__list_init(&pool->queue);
	torc__list_init(&pool->lookups);
	torc__list_init(&pool->idle);
	pthread_mutex_init(&pool->lock, NULL);
	torc__condition_init(&pool->all_ended);
}

static void
queue_up(struct torc_pool *pool, struct torc_blocking *job)
{
	job->_state = TORC__JOB_QUEUED;
	torc__list_push_back(&pool->queue, &job->_link);
	pool->queued_count++;
	pool->lookups_count += job->_is_lookup;
}

bool
torc__pool_push(struct torc_pool *pool, struct torc_blocking *job)
{
	torc_check(!pool->is_ending);
	if (!job->_is_lookup || pool->lookups_count < pool->lookups_max) {
		queue_up(pool, job);
		return true;
	}
	job->_state = TORC__JOB_HELD;
	torc__list_push_back(&pool->lookups, &job->_link);
	pool->held_count++;
	return false;
}

/*
 * The next look-up comes to the queue. No thread need be called for it: the
 * one that has ended a look-up looks next, or the one that was called for a
 * look-up which left the queue, if any was.
 */
static void
end_lookup(struct torc_pool *pool)
{
	struct torc_link *link;

	torc_check(pool->lookups_count > 0);
	pool->lookups_count--;
	link = torc__list_pop_front(&pool->lookups);
	if (link == NULL)
		return;
	pool->held_count--;
	queue_up(pool, torc__container_of(link, struct torc_blocking, _link));
}

bool
torc__pool_remove(struct torc_pool *pool, struct torc_blocking *job)
{
	if (!torc__list_is_linked(&job->_link))
		return false;
	torc__list_remove(&job->_link);
	if (job->_state == TORC__JOB_HELD) {
		pool->held_count--;
		return true;
	}
	pool->queued_count--;
	if (job->_is_lookup)
		end_lookup(pool);
	return true;
}

void
torc__pool_ended(struct torc_pool *pool, bool is_lookup)
{
	pool->running_count--;
	if (is_lookup)
		end_lookup(pool);
}

struct torc_blocking *
torc__pool_take(struct torc_pool *pool)
{
	struct torc_link *link = torc__list_pop_front(&pool->queue);
	struct torc_blocking *job;

	if (link == NULL)
		return NULL;
	job = torc__container_of(link, struct torc_blocking, _link);
	job->_state = TORC__JOB_RUNNING;
	pool->queued_count--;
	pool->running_count++;
	pool->jobs_count++;
	return job;
}

/* Under the lock. True: one more is counted in, and has to be made. */
static bool
reserve_thread(struct torc_pool *pool)
{
	/* One that starts makes the next one itself, off the shard. */
	if (pool->starting_count > 0 ||
		pool->threads_count == pool->threads_max)
		return false;
	pool->threads_count++;
	pool->starting_count++;
	return true;
}

bool
torc__pool_call(struct torc_pool *pool)
{
	struct torc_link *link = torc__list_pop_front(&pool->idle);
	struct idler *idler;

	if (link == NULL)
		return reserve_thread(pool);
	idler = torc__container_of(link, struct idler, link);
	pool->idle_count--;
	atomic_store_explicit(&idler->is_called, true, memory_order_relaxed);
	/*
	 * Under the lock: without it the thread may see that it was called,
	 * and be gone with its stack, before it is woken.
	 */
	if (!idler->is_spinning) {
		pool->wakes_count++;
		pthread_cond_signal(&idler->wake);
	}
	return false;
}

static void
run_job(struct torc_pool *pool, struct torc_blocking *job)
{
	bool is_lookup = job->_is_lookup;
	int running = TORC__JOB_RUNNING;

	TORC_PROBE2(torc, blocking__begin, job, job->_fn);
	job->result = job->_fn(job->_arg);
	TORC_PROBE3(torc, blocking__end, job, job->_fn, job->result);
	/* Pairs with the exchange in torc__blocking_abandon(). */
	if (__atomic_compare_exchange_n(&job->_state, &running,
		    TORC__JOB_FINISHED, false, __ATOMIC_ACQ_REL,
		    __ATOMIC_ACQUIRE)) {
		torc__blocking_return_remote(job, 0);
		pthread_mutex_lock(&pool->lock);
	} else {
		job->_release(job);
		pthread_mutex_lock(&pool->lock);
		pool->abandoned_count--;
	}
	torc__pool_ended(pool, is_lookup);
}

static void
spin(struct torc_pool *pool, struct idler *idler, uint64_t until_ns)
{
	pool->is_spinning = true;
	idler->is_spinning = true;
	pthread_mutex_unlock(&pool->lock);
	do {
		for (int i = 0; i < TORC__LOOKS_PER_CLOCK_READ; i++) {
			if (atomic_load_explicit(
				    &idler->is_called, memory_order_relaxed))
				break;
			torc__spin_relax();
		}
	} while (!atomic_load_explicit(
			 &idler->is_called, memory_order_relaxed) &&
		 torc_clock_ns() < until_ns);
	pthread_mutex_lock(&pool->lock);
	idler->is_spinning = false;
	pool->is_spinning = false;
}

/* False: nobody called within idle_ns, or the pool ends. */
static bool
wait_called(struct torc_pool *pool, struct idler *idler)
{
	uint64_t began_ns = torc_clock_ns();
	uint64_t end_ns = began_ns + pool->idle_ns;
	int ret = 0;

	if (pool->gap_ns < pool->spin_ns && !pool->is_spinning)
		spin(pool, idler, began_ns + pool->spin_ns);
	while (!atomic_load_explicit(&idler->is_called, memory_order_relaxed) &&
		ret != ETIMEDOUT && !pool->is_ending)
		ret = torc__condition_wait_until(
			&idler->wake, &pool->lock, end_ns);
	pool->gap_ns = torc__spin_gap(
		pool->gap_ns, torc_clock_ns() - began_ns, pool->spin_ns);
	return atomic_load_explicit(&idler->is_called, memory_order_relaxed);
}

static bool
idle(struct torc_pool *pool)
{
	struct idler idler = { .is_spinning = false };
	struct torc_link *after;
	bool is_called;

	if (pool->is_ending)
		return false;
	torc__condition_init(&idler.wake);
	/* One that looks is found first: it need not be woken. */
	after = pool->is_spinning ? pool->idle.next : &pool->idle;
	torc__list_insert(&idler.link, after, after->next);
	pool->idle_count++;
	is_called = wait_called(pool, &idler);
	if (!is_called) {
		torc__list_remove(&idler.link);
		pool->idle_count--;
	}
	pthread_cond_destroy(&idler.wake);
	return is_called;
}

/* Under the lock, which is given up. */
static void
end_thread(struct torc_pool *pool)
{
	bool has_before = pool->has_ended;
	pthread_t before = pool->ended;

	pool->ended = pthread_self();
	pool->has_ended = true;
	if (--pool->threads_count == 0)
		pthread_cond_signal(&pool->all_ended);
	pthread_mutex_unlock(&pool->lock);
	/* It has only this much left to do itself. */
	if (has_before)
		pthread_join(before, NULL);
}

static void
name_thread(unsigned number)
{
	char name[16];

	/* The kernel takes 15 bytes. */
	snprintf(name, sizeof(name), "torc-block-%u", number % 10000);
	pthread_setname_np(pthread_self(), name);
}

static void *
run_thread(void *arg)
{
	struct torc_pool *pool = arg;

	/* It starts with those of a shard that may be pinned. */
	if (CPU_COUNT(&pool->cpus) > 0)
		pthread_setaffinity_np(
			pthread_self(), sizeof(pool->cpus), &pool->cpus);
	pthread_mutex_lock(&pool->lock);
	name_thread(pool->made_count++);
	pool->starting_count--;
	for (;;) {
		struct torc_blocking *job = torc__pool_take(pool);
		bool is_more;

		if (job == NULL) {
			if (!idle(pool))
				break;
			continue;
		}
		is_more = pool->queued_count > 0 &&
			  torc__list_is_empty(&pool->idle) &&
			  reserve_thread(pool);
		pthread_mutex_unlock(&pool->lock);
		if (is_more)
			(void)torc__pool_thread_make(pool);
		run_job(pool, job);
	}
	end_thread(pool);
	return NULL;
}

bool
torc__pool_thread_make(struct torc_pool *pool)
{
	sigset_t before;
	pthread_t thread;
	int ret;

	torc__signals_block(&before);
	ret = pthread_create(&thread, NULL, run_thread, pool);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret == 0)
		return true;
	pthread_mutex_lock(&pool->lock);
	pool->threads_count--;
	pool->starting_count--;
	if (!pool->is_short_said)
		torc_log(TORC_LOG_WARN,
			"cannot make a thread for a blocking call: %s; going "
			"on with %u; raise ulimit -u or the cgroup's pids.max",
			strerror(ret), pool->threads_count);
	pool->is_short_said = true;
	/* They counted on this one. */
	if (pool->threads_count == 0)
		torc__blocking_refuse_all(pool, -EAGAIN);
	pthread_mutex_unlock(&pool->lock);
	return false;
}

/* Under the lock. */
static void
await_threads(struct torc_pool *pool)
{
	uint64_t end_ns = torc_clock_ns() + TORC__BLOCKING_SAY_NS;
	int ret = 0;

	while (pool->threads_count > 0 && ret != ETIMEDOUT)
		ret = torc__condition_wait_until(
			&pool->all_ended, &pool->lock, end_ns);
	if (pool->threads_count > 0)
		torc_log(TORC_LOG_WARN,
			"the runtime's end waits for %u blocking calls that "
			"nobody waits for, name look-ups for instance",
			pool->running_count);
	while (pool->threads_count > 0)
		pthread_cond_wait(&pool->all_ended, &pool->lock);
}

void
torc__pool_close(struct torc_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	torc_assert(torc__list_is_empty(&pool->queue) &&
		    torc__list_is_empty(&pool->lookups));
	pool->is_ending = true;
	while (!torc__list_is_empty(&pool->idle))
		(void)torc__pool_call(pool);
	await_threads(pool);
	pthread_mutex_unlock(&pool->lock);
	if (pool->has_ended)
		pthread_join(pool->ended, NULL);
	pthread_cond_destroy(&pool->all_ended);
	pthread_mutex_destroy(&pool->lock);
}
