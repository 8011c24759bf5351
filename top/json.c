/* SPDX-License-Identifier: MIT */
#include "top/json.h"

#include <inttypes.h>

#include "base/json_priv.h"
#include "top/advice.h"

static void
print_count(const char *name, uint64_t count, FILE *out)
{
	fprintf(out, ", \"%s\": %" PRIu64, name, count);
}

static void
print_rate(const char *name, double rate, FILE *out)
{
	fprintf(out, ", \"%s\": %.6g", name, rate);
}

static void
print_metrics(const struct torc_metrics *now, FILE *out)
{
	print_count("turns", now->turns, out);
	print_count("waited_ns", now->waited_ns, out);
	print_count("asleep_ns", now->asleep_ns, out);
	print_count("sleeps_count", now->sleeps_count, out);
	print_count("enters_count", now->enters_count, out);
	print_count("sqes_count", now->sqes_count, out);
	print_count("cqes_count", now->cqes_count, out);
	print_count("overflows_count", now->overflows_count, out);
	print_count("messages_count", now->messages_count, out);
	print_count("spawned_count", now->spawned_count, out);
	print_count("stalls_count", now->stalls_count, out);
	print_count("buffers_lack_count", now->buffers_lack_count, out);
	print_count("tasks_count", now->tasks_count, out);
	print_count("stacks_count", now->stacks_count, out);
	print_count("ops_count", now->ops_count, out);
	print_count("resources_count", now->resources_count, out);
	print_count("timers_count", now->timers_count, out);
	print_count("buffers_count", now->buffers_count, out);
}

static void
print_rates(const struct rates *rates, FILE *out)
{
	print_rate("interval_s", rates->seconds, out);
	print_rate("busy", rates->busy, out);
	print_rate("looking", rates->looking, out);
	print_rate("asleep", rates->asleep, out);
	print_rate("turns_per_s", rates->turns, out);
	print_rate("sleeps_per_s", rates->sleeps, out);
	print_rate("enters_per_s", rates->enters, out);
	print_rate("sqes_per_s", rates->sqes, out);
	print_rate("cqes_per_s", rates->cqes, out);
	print_rate("messages_per_s", rates->messages, out);
	print_rate("spawned_per_s", rates->spawned, out);
	print_rate("buffers_lack_per_s", rates->buffers_lack, out);
}

struct lines {
	FILE *out;
	unsigned count;
};

static void
print_advice(const struct advice *advice, void *arg)
{
	struct lines *lines = arg;
	FILE *out = lines->out;

	fprintf(out, "%s{\"id\": \"%s\", \"shard\": ",
		lines->count++ > 0 ? ", " : "", advice->id);
	if (advice->shard < 0)
		fputs("null", out);
	else
		fprintf(out, "%d", advice->shard);
	fputs(", \"cause\": ", out);
	torc__json_print(advice->cause, out);
	fputs(", \"remedy\": ", out);
	torc__json_print(advice->remedy, out);
	fputc('}', out);
}

static void
print_head(const struct process *process, double time_s, FILE *out)
{
	fprintf(out, "{\"time_s\": %.3f, \"pid\": %d, \"program\": ", time_s,
		(int)process->pid);
	torc__json_print(process->page.program, out);
}

static void
print_shard(const struct shard *shard, uint32_t index, FILE *out)
{
	fprintf(out, "%s{\"shard\": %" PRIu32 ", \"is_asleep\": %s",
		index > 0 ? ", " : "", index,
		shard->now.is_asleep ? "true" : "false");
	print_rate("stuck_s", (double)shard->now.stuck_ns / 1e9, out);
	print_rates(&shard->rates, out);
	print_metrics(&shard->now.metrics, out);
	fputc('}', out);
}

void
json_print(const struct process *process, double time_s, FILE *out)
{
	const struct page *page = &process->page;
	struct lines lines = { .out = out };
	double up_s = 0;

	if (process->looked_ns > page->began_ns)
		up_s = (double)(process->looked_ns - page->began_ns) / 1e9;
	print_head(process, time_s, out);
	fputs(", \"ended\": false, \"engine\": ", out);
	torc__json_print(page->engine, out);
	fprintf(out, ", \"up_s\": %.3f", up_s);
	print_count("rss_bytes", process->rss_bytes, out);
	fputs(", \"shards\": [", out);
	for (uint32_t i = 0; i < page->shards_count; i++)
		print_shard(&process->shards[i], i, out);
	fputs("], \"advice\": [", out);
	advice_each(process, print_advice, &lines);
	fputs("]}\n", out);
}

void
json_print_end(const struct process *process, double time_s, FILE *out)
{
	print_head(process, time_s, out);
	fputs(", \"ended\": true}\n", out);
}
