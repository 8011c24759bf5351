/* SPDX-License-Identifier: MIT */
/* The paths of core: tasks, futures, timers, messages. */
#include <torc/base/clock.h>
#include <torc/core/group.h>
#include <torc/core/local.h>
#include <torc/core/sleep.h>
#include <torc/core/ticker.h>

#include "core/resume_priv.h"
#include "core/vec_priv.h"
#include "perf/paths/path.h"

#define PATH_MODULE "core"

static void
must(int64_t ret)
{
	if (ret < 0)
		torc__panic("a path failed: %d", (int)ret);
}

static int
do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

struct contexts {
	void *outside, *inside;
};

static void
switch_back(void *arg)
{
	struct contexts *contexts = arg;

	for (;;)
		torc__switch_inline(&contexts->inside, contexts->outside);
}

static void
raw_switch_pair(uint32_t n)
{
	static _Alignas(64) char stack[16384];
	struct contexts contexts;

	contexts.inside = torc__switch_prepare(
		stack + sizeof(stack), switch_back, &contexts);
	path_begin();
	for (; n > 0; n--)
		torc__switch_inline(&contexts.outside, contexts.inside);
	path_end();
}
PATH(raw_switch_pair)

/* The running task goes to the end of the FIFO; nobody else is there. */
static void
yield(uint32_t n)
{
	path_begin();
	for (; n > 0; n--)
		must(torc_yield());
	path_end();
}
PATH_TASK(yield)

static void
spawn_join(uint32_t n)
{
	struct torc_task *task;

	path_begin();
	for (; n > 0; n--) {
		must(torc_spawn(&task, do_nothing, NULL));
		must(torc_join(task, NULL));
	}
	path_end();
}
PATH_TASK(spawn_join)

/* One task of 16 in a group. */
static void
group_of_16(uint32_t n)
{
	struct torc_group group;

	path_begin();
	for (; n > 0; n -= 16) {
		torc_group_init(&group);
		for (int i = 0; i < 16; i++)
			must(torc_group_spawn(&group, do_nothing, NULL));
		must(torc_group_join(&group));
	}
	path_end();
}
PATH_TASK(group_of_16)

/* One task of a group that keeps results, and its result. */
static void
group_next(uint32_t n)
{
	struct torc_group_result result;
	struct torc_group group;

	torc_group_init(&group);
	group.collect = true;
	path_begin();
	for (; n > 0; n--) {
		must(torc_group_spawn(&group, do_nothing, NULL));
		must(torc_group_next(&group, &result));
	}
	path_end();
	must(torc_group_join(&group));
}
PATH_TASK(group_next)

/* A scope, one look at its value, and its end. */
static void
task_local(uint32_t n)
{
	static const struct torc_task_local key = { "path" };
	struct torc_task_local_scope scope;

	path_begin();
	for (; n > 0; n--) {
		torc_task_local_begin(&scope, &key, &n);
		path_keep(torc_task_local_get(&key));
		torc_task_local_end(&scope);
	}
	path_end();
}
PATH_TASK(task_local)

/* A value that is there already. */
static void
await_ready(uint32_t n)
{
	struct torc_future future;

	path_begin();
	for (; n > 0; n--) {
		torc_future_init(&future, NULL, NULL);
		torc_future_complete(&future, 0);
		must(torc_await(&future));
	}
	path_end();
}
PATH_TASK(await_ready)

struct hand_over {
	struct torc_future next;
	struct torc_flush flush;
	uint32_t left;
	bool is_over;
};

/* On the loop's stack, where CQEs are dispatched. */
static void
complete_all(struct torc_flush *flush)
{
	struct hand_over *h =
		torc__container_of(flush, struct hand_over, flush);
	struct torc_shard *shard = torc__shard;

	path_begin();
	for (; h->left > 0; h->left--) {
		struct torc_task *task;

		torc_future_complete(&h->next, 0);
		task = shard->resume;
		shard->resume = NULL;
		torc__task_resume(shard, task);
	}
	path_end();
	h->is_over = true;
	torc_future_complete(&h->next, 0);
}

/* From a completion to the task that waits for it, and back. */
static void
complete_await(uint32_t n)
{
	struct hand_over h = { .flush = { .fn = complete_all }, .left = n };

	torc__shard_flush_later(torc__shard, &h.flush);
	while (!h.is_over) {
		torc_future_init(&h.next, NULL, NULL);
		torc_await(&h.next);
	}
}
PATH_TASK(complete_await)

/* Two futures, the first of which comes; the other is cancelled. */
static void
select_of_2(uint32_t n)
{
	struct torc_sleep sooner, later;
	struct torc_future *both[] = { &sooner.done, &later.done };

	path_begin();
	for (; n > 0; n--) {
		torc_sleep_start(&sooner, 0);
		torc_sleep_start(&later, TORC_S);
		must(torc_select(both, 2));
	}
	path_end();
}
PATH_TASK(select_of_2)

/* The first of two that is there already; the other stays. */
static void
select_keep_ready(uint32_t n)
{
	struct torc_future ready, never;
	struct torc_future *both[] = { &never, &ready };

	torc_future_init(&never, NULL, NULL);
	torc_future_init(&ready, NULL, NULL);
	torc_future_complete(&ready, 0);
	path_begin();
	for (; n > 0; n--)
		must(torc_select_keep(both, 2));
	path_end();
}
PATH_TASK(select_keep_ready)

static void
deadline_scope(uint32_t n)
{
	struct torc_deadline scope;

	path_begin();
	for (; n > 0; n--) {
		torc_deadline_begin(&scope, 10 * TORC_S);
		torc_deadline_end(&scope);
	}
	path_end();
}
PATH_TASK(deadline_scope)

static void
ignore(struct torc_timer *timer)
{
	(void)timer;
}

/* Deadlines that spread over the levels of the wheel. */
static uint64_t
deadline_ns(uint32_t n)
{
	return (TORC_MS << n % 12) + n;
}

static void
timer_arm_disarm(uint32_t n)
{
	static struct torc_wheel wheel;
	struct torc_timer timer = { .fn = ignore };

	torc__wheel_init(&wheel, 0);
	path_begin();
	for (; n > 0; n--) {
		torc__wheel_arm(&wheel, &timer, deadline_ns(n));
		torc__wheel_disarm(&wheel, &timer);
	}
	path_end();
}
PATH(timer_arm_disarm)

/* A timer that comes after 1 ms to 2 s, level by level, and fires. */
static void
timer_fire(uint32_t n)
{
	static struct torc_wheel wheel;
	struct torc_timer timer = { .fn = ignore };
	uint64_t now_ns = 0;

	torc__wheel_init(&wheel, now_ns);
	path_begin();
	for (; n > 0; n--) {
		torc__wheel_arm(&wheel, &timer, now_ns + deadline_ns(n));
		while (torc__timer_is_armed(&timer)) {
			now_ns = torc__wheel_next_ns(&wheel);
			torc__wheel_advance(&wheel, now_ns, UINT32_MAX);
		}
	}
	path_end();
}
PATH(timer_fire)

/* A timer, a wait of the loop until it is due, a task switch pair. */
static void
sleep_ms(uint32_t n)
{
	path_begin();
	for (; n > 0; n--)
		must(torc_sleep(TORC_MS));
	path_end();
}
PATH_TASK(sleep_ms)

/* What a shard writes down for torc-top, before each sleep. */
static void
metrics_tell(uint32_t n)
{
	struct torc_shard *shard = torc__shard;
	struct torc_metrics_page page;

	torc__metrics_page_open(&page, 1, "none", shard->now_ns);
	torc__metrics_page_join(&page, shard);
	path_begin();
	for (; n > 0; n--) {
		torc__metrics_tell(shard, n, true);
		torc__metrics_wake(shard->slot, n);
	}
	path_end();
	shard->slot = NULL;
	shard->tell_ns = UINT64_MAX;
	torc__metrics_page_close(&page);
}
PATH_TASK(metrics_tell)

/* A tick that is due: no timer, no wait. */
static void
late_tick(uint32_t n)
{
	struct torc_ticker ticker;

	torc_ticker_init_at(&ticker, 0, 1, TORC_TICKER_BURST);
	path_begin();
	for (; n > 0; n--)
		must(torc_ticker_next(&ticker));
	path_end();
}
PATH_TASK(late_tick)

struct letter {
	struct torc_msg msg;
	struct torc_future read;
};

static void
on_letter(struct torc_msg *msg)
{
	torc_future_complete(
		&torc__container_of(msg, struct letter, msg)->read, 0);
}

/* A message to this shard, its turn, and the task that waits for it. */
static void
message(uint32_t n)
{
	struct letter letter = { .msg = { .fn = on_letter } };

	path_begin();
	for (; n > 0; n--) {
		torc_future_init(&letter.read, NULL, NULL);
		torc__shard_post_remote(torc__shard, &letter.msg);
		must(torc_await(&letter.read));
	}
	path_end();
}
PATH_TASK(message)

static void
inbox_push_take(uint32_t n)
{
	struct torc_inbox inbox;
	struct torc_msg msg = { .fn = on_letter };

	torc__inbox_init(&inbox);
	path_begin();
	for (; n > 0; n--) {
		path_keep(torc__inbox_push_remote(&inbox, &msg));
		path_keep(torc__inbox_take(&inbox));
	}
	path_end();
}
PATH(inbox_push_take)

static void
vec_get_put(uint32_t n)
{
	struct torc_shard *shard = torc__shard;

	path_begin();
	for (; n > 0; n--) {
		struct torc_vec *vec = torc__vec_get(shard);

		torc_assert(vec != NULL);
		torc__vec_put(shard, vec);
	}
	path_end();
}
PATH_TASK(vec_get_put)

/* A turn of the loop in which nothing happens. */
static void
idle_turn(uint32_t n)
{
	path_begin();
	for (; n > 0; n--)
		must(torc__shard_turn(torc__shard, false));
	path_end();
}
PATH(idle_turn)

#define CROWD 32

struct nop {
	struct torc_op op;
	struct torc_future done;
};

static void
on_nop(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	(void)cqe_flags;
	torc_future_complete(
		&torc__container_of(op, struct nop, op)->done, res);
}

static int
await_nops(void *count)
{
	struct torc_ring *ring = &torc__shard->ring;
	struct nop nop;

	torc__op_init(&nop.op, on_nop);
	for (uint32_t n = *(uint32_t *)count; n > 0; n--) {
		struct io_uring_sqe *sqe = torc__ring_sqe(ring);

		io_uring_prep_nop(sqe);
		torc_future_init(&nop.done, NULL, NULL);
		torc__op_submit(ring, &nop.op, sqe);
		must(torc_await(&nop.done));
	}
	return 0;
}

/* One operation of 32 tasks that each wait for theirs: a busy turn's CQE. */
static void
crowded_turn(uint32_t n)
{
	struct torc_group group;
	uint32_t each = n / CROWD;

	torc_group_init(&group);
	path_begin();
	for (int i = 0; i < CROWD; i++)
		must(torc_group_spawn(&group, await_nops, &each));
	must(torc_group_join(&group));
	path_end();
}
PATH_TASK(crowded_turn)
