/* SPDX-License-Identifier: MIT */
#include "top/advice.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A shard that could use help, and one that could give it. */
#define BUSY_MIN 0.9
#define IDLE_MAX 0.3
/* Tasks that have returned and keep their stacks. */
#define UNJOINED_MIN 1000

#define YIELD_REMEDY "torc_yield() between steps, or torc_blocking()"

struct listener {
	advice_fn *fn;
	void *arg;
};

__attribute__((format(printf, 5, 6))) static void
say(const struct listener *to, const char *id, int shard, const char *remedy,
	const char *cause, ...)
{
	struct advice advice = { .id = id, .shard = shard, .remedy = remedy };
	va_list args;

	va_start(args, cause);
	vsnprintf(advice.cause, sizeof(advice.cause), cause, args);
	va_end(args);
	to->fn(&advice, to->arg);
}

static void
look_at_process(const struct process *process, const struct listener *to)
{
	if (process_is_stopped(process))
		say(to, "stopped", -1, "kill -CONT, or let its debugger go on",
			"the process is stopped");
	if (strcmp(process->page.engine, "epoll") == 0)
		say(to, "epoll", -1,
			"torc-doctor says why io_uring is not used",
			"the epoll engine takes a system call for each "
			"receive and send");
}

static void
look_at_shard(const struct shard *shard, int index, bool is_stopped,
	const struct listener *to)
{
	const struct torc_metrics *now = &shard->now.metrics;

	if (shard->now.stuck_ns != 0 && !is_stopped)
		say(to, "stuck", index, YIELD_REMEDY,
			"has not turned for %.1f s: a task computes or blocks",
			(double)shard->now.stuck_ns / 1e9);
	else if (now->stalls_count > 0)
		say(to, "stalls", index,
			YIELD_REMEDY "; its log names the task",
			"has stalled %" PRIu64 " times since it began",
			now->stalls_count);
	if (shard->rates.buffers_lack > 0)
		say(to, "buffers", index,
			"raise receive_bytes_max, or read sooner",
			"finds no buffer for %.0f receives/s, %" PRIu64
			" are not read yet",
			shard->rates.buffers_lack, now->buffers_count);
	if (now->overflows_count > 0)
		say(to, "overflows", index, "raise cq_entries",
			"has had a full completion queue %" PRIu64
			" times since it began",
			now->overflows_count);
	if (now->stacks_count > now->tasks_count &&
		now->stacks_count - now->tasks_count >= UNJOINED_MIN)
		say(to, "unjoined", index,
			"torc_join() or torc_detach() them, or use a group",
			"holds %" PRIu64
			" tasks that have returned and nobody has joined",
			now->stacks_count - now->tasks_count);
}

/* One shard has too much to do while another has next to nothing. */
static void
look_at_spread(const struct process *process, const struct listener *to)
{
	uint32_t most = 0, least = 0;

	for (uint32_t i = 0; i < process->page.shards_count; i++) {
		const struct rates *rates = &process->shards[i].rates;

		if (rates->seconds <= 0)
			return; /* they are still starting */
		if (rates->busy > process->shards[most].rates.busy)
			most = i;
		if (rates->busy < process->shards[least].rates.busy)
			least = i;
	}
	if (process->shards[most].rates.busy < BUSY_MIN ||
		process->shards[least].rates.busy > IDLE_MAX)
		return;
	say(to, "spread", (int)most,
		"torc_spawn_any() for its tasks, or a listener on each shard",
		"is %.0f %% busy while shard %u is at %.0f %%",
		process->shards[most].rates.busy * 100, least,
		process->shards[least].rates.busy * 100);
}

void
advice_each(const struct process *process, advice_fn *fn, void *arg)
{
	struct listener to = { fn, arg };
	bool is_stopped = process_is_stopped(process);

	look_at_process(process, &to);
	for (uint32_t i = 0; i < process->page.shards_count; i++)
		look_at_shard(&process->shards[i], (int)i, is_stopped, &to);
	if (!is_stopped)
		look_at_spread(process, &to);
}
