/* SPDX-License-Identifier: MIT */
#include <torc/test/sim.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <torc/base/clock.h>

#include "core/backtrace_priv.h"
#include "core/io/stream_priv.h"
#include "core/runtime_priv.h"
#include "test/run_priv.h"
#include "uring/sim_priv.h"

#define PERMILLE_DEFAULT 20
#define STEPS_MAX 20000000
/* Nobody could stop a run that waits for ever at its end. */
#define ABANDON_NEVER_NS (3600 * TORC_S)

_Static_assert(TORC_SIM_ALL == (UINT64_C(1) << TORC__SIM_FAULT_COUNT) - 1,
	"each fault of the engine has its bit");
_Static_assert(
	TORC_SIM_RESET == UINT64_C(1) << TORC__SIM_RESET &&
		TORC_SIM_SWITCH == UINT64_C(1) << TORC__SIM_SWITCH &&
		TORC_SIM_DISK_ERROR == UINT64_C(1) << TORC__SIM_DISK_ERROR,
	"in the same order");

/* The run that is on: there is one world in a process. */
static struct {
	torc_task_fn *fn;
	void *arg;
	struct torc_shard *shard; /* the main task's */
	struct torc_task *task;
	struct torc_msg stop;
	uint64_t random;
	uint64_t began_ns;
	uint32_t size;
	bool is_quiet;
} run;

/* Some are drawn per connection or per run, not per call. */
static uint32_t
rate_of(enum torc_sim_fault_kind kind, uint32_t permille)
{
	uint64_t rate = (uint64_t)permille * TORC__SIM_ALWAYS / 1000;

	if (kind == TORC__SIM_SLOW || kind == TORC__SIM_CQ_SMALL ||
		kind == TORC__SIM_NO_CAP)
		rate *= 10;
	/* Else no connection lives for long, and no file is ever whole. */
	if (kind == TORC__SIM_RESET || kind == TORC__SIM_DISK_ERROR)
		rate /= 4;
	if (rate > TORC__SIM_ALWAYS / 2)
		rate = TORC__SIM_ALWAYS / 2;
	return rate == 0 ? 1 : (uint32_t)rate;
}

static void
on_stop(struct torc_msg *msg)
{
	(void)msg;
	if (run.task != NULL)
		torc_cancel(run.task);
}

/* No shard runs now but this one's loop. */
static void
print_tasks(void)
{
	fprintf(stderr, "  what tasks wait in:\n");
	for (unsigned i = 0; i < torc_shard_count(); i++)
		torc__tasks_print(torc__runtime_shard(i), STDERR_FILENO);
}

/* The main task ends, and with it all others. */
static void
on_stuck(enum torc_sim_stuck_kind kind)
{
	if (!run.is_quiet) {
		fprintf(stderr, "torc: simulation: %s\n",
			kind == TORC__SIM_DEADLOCK
				? "a deadlock: tasks wait, and nothing will "
				  "ever happen again"
				: "the run takes more steps or time than it "
				  "may");
		torc__sim_report(40);
		print_tasks();
	}
	run.stop.fn = on_stop;
	if (run.shard != NULL)
		torc__shard_post_remote(run.shard, &run.stop);
}

static int
run_main(void *arg)
{
	int ret;

	(void)arg;
	run.shard = torc__shard;
	run.task = torc_self();
	run.began_ns = torc__sim_now_ns();
	ret = run.fn(run.arg);
	run.task = NULL;
	return ret;
}

static struct torc_sim_config
config_of(const struct torc_sim_options *options)
{
	uint32_t permille = options->fault_permille ? options->fault_permille
						    : PERMILLE_DEFAULT;
	struct torc_sim_config config = {
		.seed = options->seed ? options->seed : 1,
		.latency_min_ns = options->latency_min_ns,
		.latency_max_ns = options->latency_max_ns,
		.bytes_per_s = options->bytes_per_s,
		.sndbuf_bytes = options->sndbuf_bytes,
		.rcvbuf_bytes = options->rcvbuf_bytes,
		.fds_max = options->fds_max,
		.disk_bytes = options->disk_bytes,
		.steps_max =
			options->steps_max ? options->steps_max : STEPS_MAX,
		.time_max_ns = options->time_max_ns,
		.on_stuck = on_stuck,
	};

	for (unsigned i = 0; i < TORC__SIM_FAULT_COUNT; i++)
		if (options->faults >> i & 1)
			config.rates[i] =
				rate_of((enum torc_sim_fault_kind)i, permille);
	return config;
}

static struct torc_options
runtime_of(const struct torc_options *runtime)
{
	struct torc_options own = { 0 };

	if (runtime != NULL)
		own = *runtime;
	own.engine = "sim";
	if (own.shards == 0)
		own.shards = 1;
	/* Looking for what cannot come by itself only takes real time. */
	if (own.spin_ns == 0)
		own.spin_ns = TORC_SPIN_NEVER;
	if (own.abandon_ns == TORC_ABANDON_NEVER)
		own.abandon_ns = ABANDON_NEVER_NS;
	return own;
}

static void
fill_result(struct torc_sim_result *result,
	const struct torc_sim_options *options,
	const struct torc_sim_counts *counts)
{
	result->seed = options->seed ? options->seed : 1;
	result->hash = counts->hash;
	result->completions += counts->completions;
	result->steps += counts->steps;
	result->faults_count += counts->faults;
	result->elapsed_ns = counts->elapsed_ns;
	result->fds_left = counts->fds_left;
	result->ops_left = counts->ops_left;
	result->faults = options->faults;
	result->size = run.size;
	result->runs++;
}

static int
judge(int ret, const struct torc_sim_counts *counts)
{
	if (counts->stuck == TORC__SIM_DEADLOCK)
		return -EDEADLK;
	if (counts->stuck != TORC__SIM_FINE)
		return -ETIME;
	if (ret == 0 && counts->fds_left + counts->ops_left > 0)
		return -ENOTEMPTY;
	return ret;
}

int
torc__sim_run_once(const struct torc_sim_options *options,
	const struct torc_options *runtime, torc_task_fn *fn, void *arg,
	struct torc_sim_result *result)
{
	struct torc_sim_config config = config_of(options);
	struct torc_options own = runtime_of(runtime);
	struct torc_sim_counts counts;
	int ret = torc__sim_begin(&config);

	if (ret < 0)
		return ret;
	memset(&run, 0, sizeof(run));
	run.fn = fn;
	run.arg = arg;
	run.random = config.seed;
	run.size = options->size ? options->size : 1;
	run.is_quiet = options->is_quiet;
	ret = torc_run(&own, run_main, NULL);
	torc__sim_end(&counts);
	ret = judge(ret, &counts);
	fill_result(result, options, &counts);
	result->value = ret;
	return ret;
}

int
torc_sim_run(const struct torc_sim_options *options,
	const struct torc_options *runtime, torc_task_fn *fn, void *arg,
	struct torc_sim_result *result)
{
	static const struct torc_sim_options defaults;
	struct torc_sim_result own;

	if (result == NULL)
		result = &own;
	*result = (struct torc_sim_result){ 0 };
	return torc__sim_run_once(options != NULL ? options : &defaults,
		runtime, fn, arg, result);
}

uint32_t
torc_sim_size(void)
{
	return run.size;
}

/* splitmix64: a stream of its own, so that a fault more changes no byte. */
uint64_t
torc_sim_random(uint64_t count)
{
	uint64_t word = run.random += UINT64_C(0x9e3779b97f4a7c15);

	torc_assert(count > 0);
	word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
	word ^= word >> 31;
	return (uint64_t)(((unsigned __int128)word * count) >> 64);
}

uint64_t
torc_sim_elapsed_ns(void)
{
	return torc__sim_now_ns() - run.began_ns;
}

void
torc_sim_raise(int signo)
{
	torc__sim_raise(signo);
}

void
torc_sim_reset(struct torc_stream *stream)
{
	torc__sim_reset(stream->fd);
}

void
torc_sim_print(unsigned events)
{
	torc__sim_report(events);
}
