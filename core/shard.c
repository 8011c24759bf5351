/* SPDX-License-Identifier: MIT */
#include "core/resume_priv.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include <torc/base/clock.h>
#include <torc/base/log.h>
#include <torc/core/io/stream.h>

#include "core/vec_priv.h"

__thread struct torc_shard *torc__shard;

/* Long enough for a connection that lingers; then memory is left behind. */
#define QUIET_TIMEOUT_NS (5 * TORC_S)
/* While a shard ends: how often it looks at the time and at the others. */
#define QUIET_POLL_NS (10 * TORC_MS)

/* Cut from the region: bounded by it at first, mapped in slabs after. */
static const struct torc_buffers_options stream_buffers = {
	.group = TORC__GROUP_STREAM,
	.buf_bytes = TORC_STREAM_BUF_BYTES,
	/* As many as the region holds; half of it costs 4 to 8 % more CPU. */
	.slab_count = 112,
	.posted_max = 112,
};

/* They and the ring that names them take 7.1 MiB, in huge pages. */
#define REGION_BYTES (4 * TORC__REGION_BYTES)

_Static_assert(112 * (TORC_STREAM_BUF_BYTES + 4096) + 8192 <= REGION_BYTES,
	"the region holds the first slab");

/* Once, however many shards. */
static void
say_small(void)
{
	static atomic_flag is_said = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(&is_said))
		torc_log(TORC_LOG_WARN,
			"the locked-memory limit is too small for full rings: "
			"going on with %u completions each; set ulimit -l (or "
			"LimitMEMLOCK=) to %u KiB per shard",
			TORC__CQ_ENTRIES_MIN, TORC__MEMLOCK_KIB);
}

/* The ring and what is registered with it, on one engine. */
static int
open_ring(struct torc_shard *shard, const struct torc_engine *engine,
	const struct torc_shard_options *options)
{
	struct torc_buffers_options buffers = stream_buffers;
	struct torc_ring_options ring = options->ring;
	int ret = torc__region_map(&shard->region, REGION_BYTES);

	if (ret < 0)
		return ret;
	ring.index = shard->index;
	ret = torc__ring_open(&shard->ring, engine, &ring);
	if (ret == 0) {
		buffers.count_max = options->stream_bufs_max;
		ret = torc__buffers_open(&shard->streams, &shard->ring,
			&shard->region, &buffers);
		if (ret < 0)
			torc__ring_close(&shard->ring);
	}
	if (ret < 0)
		torc__region_unmap(&shard->region);
	else if (shard->ring.is_small)
		say_small();
	return ret;
}

/* What a container, a sysctl, a limit or an old kernel answers. */
static bool
is_refusal(int error)
{
	return error == -EPERM || error == -EACCES || error == -ENOSYS ||
	       error == -ENOMEM;
}

static int
open_ring_somehow(
	struct torc_shard *shard, const struct torc_shard_options *options)
{
	static atomic_flag is_said = ATOMIC_FLAG_INIT;
	const struct torc_engine *engine = options->engine;
	int ret = open_ring(shard, engine, options);
	char text[512];

	if (ret == 0)
		return 0;
	engine->explain(ret, text, sizeof(text));
	if (options->fallback == NULL || !is_refusal(ret)) {
		torc_log(TORC_LOG_ERROR, "%s", text);
		return ret;
	}
	if (!atomic_flag_test_and_set(&is_said))
		torc_log(TORC_LOG_WARN,
			"going on with %s, which takes a system call for each "
			"receive and send: %s",
			options->fallback->name, text);
	return open_ring(shard, options->fallback, options);
}

static int
say_missing(const struct torc_shard *shard, const char *what, int error)
{
	torc_log(TORC_LOG_ERROR, "shard %u can't have %s: %s%s", shard->index,
		what, strerror(-error),
		error == -EMFILE ? "; raise ulimit -n" : "");
	return error;
}

static int
open_memory(struct torc_shard *shard, const struct torc_shard_options *options)
{
	int ret = torc__arena_open(&shard->arena);

	if (ret < 0)
		return say_missing(shard, "a heap of its own", ret);
	ret = torc__stacks_init(&shard->stacks, options->stack_bytes);
	if (ret < 0)
		(void)say_missing(shard, "stacks for tasks", ret);
	else
		ret = open_ring_somehow(shard, options);
	if (ret < 0)
		torc__arena_close(&shard->arena);
	else
		torc__io_open(&shard->io, options->io_bytes_max);
	return ret;
}

/* Tasks that are done and that nobody joined. */
static void
release_handles(struct torc_shard *shard)
{
	struct torc_link *link = shard->tasks.next;

	while (link != &shard->tasks) {
		struct torc_task *task =
			torc__container_of(link, struct torc_task, link);

		link = link->next;
		if (task->state == TORC_TASK_DONE)
			torc__task_release(shard, task);
	}
}

/* Else it is locked until the kernel has taken the ring apart. */
static void
unregister_io(struct torc_shard *shard)
{
	if (shard->io.is_fixed)
		(void)shard->ring.engine->reg(
			&shard->ring, IORING_UNREGISTER_BUFFERS, NULL, 0);
}

static void
close_memory(struct torc_shard *shard)
{
	bool is_quiet = shard->ring.inflight_count == 0;

	if (is_quiet) {
		torc__buffers_close(&shard->streams);
		if (shard->has_datagrams)
			torc__buffers_close(&shard->datagrams);
		unregister_io(shard);
	}
	torc__vecs_free(shard);
	torc__ring_close(&shard->ring);
	/* The kernel may still write to the memory of ops in flight. */
	if (is_quiet) {
		torc__region_unmap(&shard->region);
		torc__region_unmap(&shard->datagram_region);
	}
	release_handles(shard);
	if (is_quiet && shard->tasks_count == 0)
		torc__stacks_fini(&shard->stacks);
	torc__io_close(&shard->io, is_quiet);
	torc__arena_close(&shard->arena);
}

int
torc__shard_open(struct torc_shard *shard, uint32_t index,
	const struct torc_shard_options *options)
{
	int ret;

	torc_assert(torc__shard == NULL);
	*shard = (struct torc_shard){
		.index = index,
		.stack_bytes = options->stack_bytes,
		.spin_ns = options->spin_ns,
		.busy_poll = options->busy_poll,
		.gap_ns = UINT32_MAX,
	};
	torc__list_init(&shard->tasks);
	torc__list_init(&shard->resources);
	torc__list_init(&shard->kept);
	torc__list_init(&shard->fd_waiters);
	torc__inbox_init(&shard->inbox);

	ret = open_memory(shard, options);
	if (ret < 0)
		return ret;
	shard->now_ns = torc__ring_now_ns(&shard->ring);
	torc__wheel_init(&shard->wheel, shard->now_ns);
	ret = torc__doorbell_open(&shard->bell, &shard->ring);
	if (ret < 0) {
		close_memory(shard);
		return say_missing(shard, "a doorbell", ret);
	}
#ifdef TORC__TSAN
	shard->tsan_loop = __tsan_get_current_fiber();
#endif
	torc__shard = shard;
	return 0;
}

/* Inline for the same reason as torc__task_resume(). */
static inline __attribute__((always_inline)) void
resume_woken(struct torc_shard *shard)
{
	struct torc_task *task;

	while ((task = shard->resume) != NULL) {
		shard->resume = NULL;
		torc__task_resume(shard, task);
	}
}

static void
run_ready(struct torc_shard *shard)
{
	for (unsigned n = 0; n < TORC__READY_MAX; n++) {
		struct torc_task *task = shard->ready_head;

		if (task == NULL) {
			if (!torc__place_next(shard, &shard->shelf))
				return;
			task = shard->ready_head;
		}
		shard->ready_head = task->ready_next;
		torc__task_resume(shard, task);
		resume_woken(shard);
	}
	/* A FIFO that is never empty keeps no new task waiting for ever. */
	(void)torc__place_next(shard, &shard->shelf);
}

static void
drain_inbox(struct torc_shard *shard)
{
	struct torc_msg *msg = shard->mail;
	unsigned n;

	if (torc_likely(msg == NULL)) {
		if (torc_likely(torc__inbox_is_empty(&shard->inbox)))
			return;
		msg = torc__inbox_take(&shard->inbox);
		shard->ring.has_worked = true;
	}
	for (n = 0; n < TORC__MSG_MAX && msg != NULL; n++) {
		struct torc_msg *next = msg->_next;

		TORC_PROBE3(torc, message__take, shard->index, msg, msg->fn);
		msg->fn(msg);
		resume_woken(shard);
		msg = next;
	}
	shard->mail = msg;
	shard->messages_count += n;
}

/*
 * The first task that a timer wakes runs at once, unless others are ready:
 * they may be sleepers of an earlier time, and it must not overtake them.
 */
static void
fire_timers(struct torc_shard *shard)
{
	struct torc_task *before, *first;

	if (torc__wheel_next_ns(&shard->wheel) > shard->now_ns)
		return;
	before = shard->ready_head == NULL ? NULL : shard->ready_tail;
	torc__wheel_advance(&shard->wheel, shard->now_ns, TORC__TIMER_MAX);
	first = shard->resume;
	if (before == NULL || first == NULL) {
		resume_woken(shard);
		return;
	}
	shard->resume = NULL;
	first->ready_next = before->ready_next;
	before->ready_next = first;
	if (shard->ready_tail == before)
		shard->ready_tail = first;
}

static void
flush(struct torc_shard *shard)
{
	while (shard->flush_head != NULL) {
		struct torc_flush *first = shard->flush_head;

		shard->flush_head = first->next;
		first->is_queued = false;
		first->fn(first);
	}
}

/* Everything that is visible now, in order: each CQE resumes its waiter. */
static void
dispatch(struct torc_shard *shard)
{
	uint32_t count = torc__ring_cq_count(&shard->ring);

	if (count > TORC__CQE_MAX)
		count = TORC__CQE_MAX;
	TORC_PROBE2(torc, turn, shard->index, count);
	for (; count > 0; count--) {
		struct torc_cqe cqe = torc__ring_pop(&shard->ring);

		torc__op_dispatch(
			&shard->ring, cqe.user_data, cqe.res, cqe.flags);
		resume_woken(shard);
	}
}

static bool
can_resume(const struct torc_shard *shard)
{
	return torc__buffers_can_resume(&shard->streams) ||
	       (shard->has_datagrams &&
		       torc__buffers_can_resume(&shard->datagrams));
}

int
torc__shard_turn(struct torc_shard *shard, bool may_wait)
{
	bool is_idle;
	int ret;

	/* Woken by the last turn's flush, or between two turns. */
	resume_woken(shard);
	run_ready(shard);
	drain_inbox(shard);
	fire_timers(shard);
	flush(shard);
	torc__buffers_resume(&shard->streams);
	if (shard->has_datagrams)
		torc__buffers_resume(&shard->datagrams);

	is_idle = shard->ready_head == NULL && shard->resume == NULL &&
		  shard->mail == NULL && !shard->is_stopping &&
		  !can_resume(shard) && torc__inbox_is_empty(&shard->inbox) &&
		  torc__ring_cq_count(&shard->ring) == 0;
	if (is_idle && may_wait && torc__place_may_rest(shard, &shard->shelf)) {
		torc__pulse_rest(&shard->pulse);
		ret = torc__shard_wait(shard);
		torc__pulse_wake(&shard->pulse);
		torc__place_wake(shard, &shard->shelf);
	} else {
		ret = torc__ring_enter(&shard->ring, 0, 0);
	}
	if (torc_unlikely(ret < 0))
		return ret;

	torc__pulse_beat(&shard->pulse);
	shard->now_ns = torc__ring_now_ns(&shard->ring);
	if (torc_unlikely(shard->now_ns >= shard->tell_ns))
		torc__metrics_tell(shard, shard->now_ns, false);
	dispatch(shard);
	return 0;
}

int
torc__shard_run(struct torc_shard *shard)
{
	int ret = 0;

	while (!shard->is_stopping && ret == 0)
		ret = torc__shard_turn(shard, true);
	return ret;
}

void
torc__shard_post_remote(struct torc_shard *shard, struct torc_msg *msg)
{
	TORC_PROBE3(torc, message__send, shard->index, msg, msg->fn);
	if (torc__inbox_push_remote(&shard->inbox, msg))
		torc__doorbell_ring_remote(&shard->bell);
}

void
torc__shard_outside(const char *call)
{
	torc__panic("%s outside a task: it is for functions that torc_run() or "
		    "torc_spawn() started",
		call);
}

void
torc__shard_misused(
	const struct torc_shard *shard, const char *what, const char *remedy)
{
	if (torc__shard == NULL)
		torc__panic("%s of shard %u is used by a thread that is no "
			    "shard: torc_block_on() runs a task there",
			what, shard->index);
	torc__panic("%s of shard %u is used on shard %u: spawn the task there, "
		    "or %s",
		what, shard->index, torc__shard->index, remedy);
}

void
torc__shard_fd_freed(struct torc_shard *shard)
{
	struct torc_link *link = torc__list_pop_front(&shard->fd_waiters);

	if (link != NULL) {
		struct torc_fd_waiter *waiter =
			torc__container_of(link, struct torc_fd_waiter, link);
		waiter->fn(waiter);
	}
}

/* Once: whoever begins later begins cancelled. */
static void
cancel_tasks(struct torc_shard *shard)
{
	for (struct torc_link *link = shard->tasks.next; link != &shard->tasks;
		link = link->next)
		torc_cancel(torc__container_of(link, struct torc_task, link));
}

static bool
is_quiet(const struct torc_shard *shard)
{
	return torc__list_is_empty(&shard->resources) &&
	       shard->ring.inflight_count == 0;
}

static void
abandon_tasks(struct torc_shard *shard)
{
	uint64_t waited_ns = shard->now_ns - shard->ending_ns;

	for (struct torc_link *link = shard->tasks.next; link != &shard->tasks;
		link = link->next) {
		struct torc_task *task =
			torc__container_of(link, struct torc_task, link);

		if (task->state == TORC_TASK_DONE)
			continue;
		torc_log(TORC_LOG_ERROR,
			"shard %u: task %s has not ended %llu ms after its "
			"cancel%s; its stack is left behind",
			shard->index, torc__task_name(task),
			(unsigned long long)(waited_ns / TORC_MS),
			task->shield != NULL ? ", in a shield" : "");
		/* So that a later torc_run() does not wake it. */
		task->shard = NULL;
	}
}

static void
abandon_unfinished(struct torc_shard *shard)
{
	unsigned placed_count = torc__place_count(shard);

	abandon_tasks(shard);
	if (placed_count > 0)
		torc_log(TORC_LOG_ERROR,
			"shard %u: %u tasks of torc_spawn_any() and its kin "
			"never began",
			shard->index, placed_count);
	if (shard->ring.inflight_count != 0)
		torc_log(TORC_LOG_ERROR,
			"shard %u: %u operations did not finish in %u s; their "
			"memory is left behind",
			shard->index, shard->ring.inflight_count,
			(unsigned)(QUIET_TIMEOUT_NS / TORC_S));
}

/* Keeps the loop from sleeping past the next look at the time. */
static void
tick(struct torc_timer *timer)
{
	struct torc_shard *shard = torc__shard;

	torc__timer_arm_in(shard, timer, QUIET_POLL_NS);
}

static bool
all_drained(struct torc_shard *const *shards, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (!atomic_load(&shards[i]->is_drained))
			return false;
	return true;
}

static void
give_up_in(struct torc_shard *shard, uint64_t delay_ns)
{
	if (__builtin_add_overflow(shard->now_ns, delay_ns, &shard->give_up_ns))
		shard->give_up_ns = UINT64_MAX;
}

void
torc__shard_drain(struct torc_shard *shard, struct torc_shard *const *shards,
	unsigned count, uint64_t abandon_ns)
{
	struct torc_timer ticker = { .fn = tick };
	bool is_blocked, has_placed;

	torc__timer_arm_in(shard, &ticker, QUIET_POLL_NS);
	shard->is_stopping = false;
	shard->is_ending = true;
	shard->ending_ns = shard->now_ns;
	give_up_in(shard, abandon_ns);
	cancel_tasks(shard);
	for (;;) {
		/*
		 * Whoever waits for this shard is a task, so once all say
		 * that they have none, no message is on its way either.
		 */
		is_blocked = torc__blocking_drain(shard);
		/* A call that blocks takes as long as it takes. */
		if (is_blocked)
			give_up_in(shard, abandon_ns);
		else if (shard->now_ns >= shard->give_up_ns)
			break;
		has_placed = torc__place_count(shard) > 0;
		atomic_store(&shard->is_drained,
			shard->tasks_count == 0 && !is_blocked && !has_placed);
		if (all_drained(shards, count) ||
			torc__shard_turn(shard, true) < 0)
			break;
	}
	torc__wheel_disarm(&shard->wheel, &ticker);
}

/* For tasks that a callback has spawned, too, and those that this wakes. */
static bool
must_turn(const struct torc_shard *shard, uint64_t until_ns)
{
	if (shard->port.jobs_count > 0)
		return true;
	if (shard->tasks_count > 0 && shard->now_ns < shard->give_up_ns)
		return true;
	return shard->now_ns < until_ns &&
	       (!is_quiet(shard) || shard->ready_head != NULL ||
		       shard->resume != NULL);
}

int
torc__shard_close(struct torc_shard *shard)
{
	struct torc_timer ticker = { .fn = tick };
	uint64_t until_ns = shard->now_ns + QUIET_TIMEOUT_NS;
	bool has_ended;

	/* Whoever begins now has no other shard to talk to. */
	if (shard->tasks_count == 0 && until_ns < shard->give_up_ns)
		shard->give_up_ns = until_ns;
	torc__timer_arm_in(shard, &ticker, QUIET_POLL_NS);
	torc__doorbell_cancel(&shard->bell);
	while (must_turn(shard, until_ns)) {
		torc__resources_close(shard);
		if (torc__shard_turn(shard, true) < 0)
			break;
	}
	torc__wheel_disarm(&shard->wheel, &ticker);
	has_ended = is_quiet(shard) && shard->tasks_count == 0 &&
		    torc__place_count(shard) == 0;
	if (!has_ended)
		abandon_unfinished(shard);
	torc__resources_free(shard);
	torc__shard = NULL;
	close_memory(shard);
	return has_ended ? 0 : -ETIME;
}

void
torc__shard_fini(struct torc_shard *shard)
{
	/* Without a ring it was never opened. */
	if (shard->bell.ring != NULL)
		torc__doorbell_close(&shard->bell);
}
