/* SPDX-License-Identifier: MIT */
#include "top/table.h"

#include <inttypes.h>
#include <string.h>

#include "top/advice.h"

/* What all shards together make the last row of. */
struct cells {
	double busy, looking;
	double turns, cqes, enters, spawned, messages;
	double tasks, ops, timers, resources, buffers;
	bool is_there;
};

void
table_number(char *text, double number)
{
	static const char units[] = "kMGT";
	const char *unit = units;

	if (number < 9.95) {
		snprintf(text, TABLE_NUMBER_BYTES, "%.*f",
			number > 0 && number != (double)(int)number, number);
		return;
	}
	if (number < 9999.5) {
		snprintf(text, TABLE_NUMBER_BYTES, "%.0f", number);
		return;
	}
	for (number /= 1000; number >= 999.5 && unit[1] != '\0'; unit++)
		number /= 1000;
	if (number >= 999.5) /* no shard is as old as that */
		snprintf(text, TABLE_NUMBER_BYTES, "lots");
	else
		snprintf(text, TABLE_NUMBER_BYTES, "%.*f%c", number < 99.95,
			number, *unit);
}

static void
print_number(FILE *out, int width, double number)
{
	char text[TABLE_NUMBER_BYTES];
	char *point;

	table_number(text, number);
	/* 12k: else it would touch the number before it. */
	point = strchr(text, '.');
	if ((int)strlen(text) >= width && point != NULL)
		memmove(point, point + 2, strlen(point + 2) + 1);
	fprintf(out, "%*s", width, text);
}

static void
print_row(const char *name, const struct cells *cells, FILE *out)
{
	fprintf(out, "%5s", name);
	if (!cells->is_there) {
		fprintf(out, " is starting\n");
		return;
	}
	fprintf(out, "%4.0f%%%4.0f%%", cells->busy * 100, cells->looking * 100);
	print_number(out, 7, cells->turns);
	print_number(out, 6, cells->cqes);
	print_number(
		out, 7, cells->enters > 0 ? cells->cqes / cells->enters : 0);
	print_number(out, 8, cells->spawned);
	print_number(out, 6, cells->messages);
	print_number(out, 6, cells->tasks);
	print_number(out, 6, cells->ops);
	print_number(out, 7, cells->timers);
	print_number(out, 6, cells->resources);
	print_number(out, 5, cells->buffers);
	fputc('\n', out);
}

static struct cells
cells_of(const struct shard *shard)
{
	const struct rates *rates = &shard->rates;
	const struct torc_metrics *now = &shard->now.metrics;

	return (struct cells){
		.busy = rates->busy,
		.looking = rates->looking,
		.turns = rates->turns,
		.cqes = rates->cqes,
		.enters = rates->enters,
		.spawned = rates->spawned,
		.messages = rates->messages,
		.tasks = (double)now->tasks_count,
		.ops = (double)now->ops_count,
		.timers = (double)now->timers_count,
		.resources = (double)now->resources_count,
		.buffers = (double)now->buffers_count,
		.is_there = rates->seconds > 0,
	};
}

static void
add(struct cells *sum, const struct cells *cells, double share)
{
	sum->busy += cells->busy * share;
	sum->looking += cells->looking * share;
	sum->turns += cells->turns;
	sum->cqes += cells->cqes;
	sum->enters += cells->enters;
	sum->spawned += cells->spawned;
	sum->messages += cells->messages;
	sum->tasks += cells->tasks;
	sum->ops += cells->ops;
	sum->timers += cells->timers;
	sum->resources += cells->resources;
	sum->buffers += cells->buffers;
	sum->is_there |= cells->is_there;
}

static void
print_head(const struct process *process, FILE *out)
{
	const struct page *page = &process->page;
	uint64_t up_s = 0;

	if (process->looked_ns > page->began_ns)
		up_s = (process->looked_ns - page->began_ns) / 1000000000;
	fprintf(out, "%s, pid %d, %s, %" PRIu32 " shard%s, up ", page->program,
		(int)process->pid, page->engine, page->shards_count,
		page->shards_count == 1 ? "" : "s");
	if (up_s >= 86400)
		fprintf(out, "%" PRIu64 "d ", up_s / 86400);
	fprintf(out, "%02u:%02u:%02u, %.1f MiB resident\n",
		(unsigned)(up_s / 3600 % 24), (unsigned)(up_s / 60 % 60),
		(unsigned)(up_s % 60), (double)process->rss_bytes / (1 << 20));
}

static void
print_advice(const struct advice *advice, void *arg)
{
	FILE *out = arg;

	fputs("  ! ", out);
	if (advice->shard >= 0)
		fprintf(out, "shard %d ", advice->shard);
	fprintf(out, "%s: %s\n", advice->cause, advice->remedy);
}

void
table_print(const struct process *process, FILE *out)
{
	uint32_t count = process->page.shards_count;
	struct cells sum = { 0 };

	print_head(process, out);
	fputs("shard busy look turn/s CQE/s /enter spawn/s msg/s tasks   ops "
	      "timers  open bufs\n",
		out);
	for (uint32_t i = 0; i < count; i++) {
		struct cells cells = cells_of(&process->shards[i]);
		char name[16];

		snprintf(name, sizeof(name), "%" PRIu32, i);
		print_row(name, &cells, out);
		add(&sum, &cells, 1.0 / count);
	}
	if (count > 1)
		print_row("all", &sum, out);
	advice_each(process, print_advice, out);
}
