/* SPDX-License-Identifier: MIT */
/*
 * torc-top - what every shard of running torc programs does, live
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <torc/base/clock.h>

#include "top/json.h"
#include "top/options.h"
#include "top/screen.h"
#include "top/table.h"
#include "top/watch.h"

/* Reading all of /proc is no work for every sample. */
#define FIND_EVERY_NS (5 * TORC_S)

#define OUTPUT_BYTES 65536

struct top {
	struct options options;
	struct watch watch;
	unsigned long samples; /* so far */
	FILE *out;             /* of this one */
	char *text;            /* of what was drawn last, or NULL */

	/* Those that have ended, of the last sample in which one has. */
	char *notice;
	bool is_notice_new;
};

static double
wall_clock_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
on_ended(const struct process *process, void *arg)
{
	struct top *top = arg;
	char *notice;

	if (top->options.is_json) {
		json_print_end(process, wall_clock_s(), top->out);
		return;
	}
	/* Without memory it is gone from the screen all the same. */
	if (asprintf(&notice, "%s%s, pid %d, has ended\n",
		    top->is_notice_new ? top->notice : "",
		    process->page.program, (int)process->pid) < 0)
		return;
	free(top->notice);
	top->notice = notice;
	top->is_notice_new = true;
}

/* Those that have ended: of this sample, and on a screen for longer. */
static void
print_notice(const struct top *top)
{
	if (top->notice != NULL &&
		(top->is_notice_new || !top->options.is_batch))
		fputs(top->notice, top->out);
}

static void
print_title(const struct top *top)
{
	time_t now = time(NULL);
	struct tm local;
	char text[16];

	strftime(text, sizeof(text), "%H:%M:%S", localtime_r(&now, &local));
	fprintf(top->out, "torc-top %s, %s, every %g s%s\n", options_version,
		text, (double)top->options.delay_ns / 1e9,
		top->options.is_batch ||
				top->samples == top->options.samples_max
			? ""
			: "; q leaves");
}

/* Look, and write to top->out what there is. */
static void
sample(struct top *top)
{
	uint64_t now_ns = torc_clock_ns();
	double time_s = wall_clock_s();

	if (top->options.pids_count == 0 &&
		now_ns - top->watch.found_ns >= FIND_EVERY_NS)
		(void)watch_find(&top->watch, now_ns);
	if (!top->options.is_json)
		print_title(top);
	top->is_notice_new = false;
	watch_look(&top->watch, now_ns, on_ended, top);
	print_notice(top);
	for (const struct process *process = top->watch.first; process != NULL;
		process = process->next) {
		if (top->options.is_json) {
			json_print(process, time_s, top->out);
			continue;
		}
		fputc('\n', top->out);
		table_print(process, top->out);
	}
	if (top->options.is_batch && !top->options.is_json)
		fputc('\n', top->out);
}

/* What was missed, by a stop or a slow reader, is not made up for. */
static uint64_t
next_after(uint64_t last_ns, uint64_t delay_ns)
{
	uint64_t now_ns = torc_clock_ns();

	return last_ns + delay_ns > now_ns ? last_ns + delay_ns : now_ns;
}

static void
sleep_until(uint64_t until_ns)
{
	struct timespec until = { .tv_sec = (time_t)(until_ns / TORC_S),
		.tv_nsec = (long)(until_ns % TORC_S) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) !=
		0)
		continue;
}

static bool
is_last(const struct top *top)
{
	return top->watch.first == NULL ||
	       top->samples == top->options.samples_max;
}

/* 0, or 1 when nobody takes the output. */
static int
run_batch(struct top *top)
{
	uint64_t next_ns = torc_clock_ns();

	top->out = stdout;
	for (;;) {
		top->samples++;
		sample(top);
		if (fflush(stdout) != 0) {
			perror("torc-top: output");
			return 1;
		}
		if (is_last(top))
			return 0;
		next_ns = next_after(next_ns, top->options.delay_ns);
		sleep_until(next_ns);
	}
}

static void
draw(struct top *top)
{
	size_t bytes = 0;

	free(top->text);
	top->text = NULL;
	top->out = open_memstream(&top->text, &bytes);
	if (top->out == NULL)
		return;
	sample(top);
	fclose(top->out);
	screen_draw(top->text, bytes);
}

static int
run_screen(struct top *top)
{
	enum screen_event event = SCREEN_TIME;
	uint64_t next_ns = torc_clock_ns();

	screen_open();
	for (top->samples = 1; event != SCREEN_QUIT;) {
		draw(top);
		if (is_last(top))
			break;
		if (event == SCREEN_TIME)
			next_ns = next_after(next_ns, top->options.delay_ns);
		event = screen_wait(next_ns);
		top->samples += event == SCREEN_TIME;
	}
	screen_close();
	/* What stays is what is no longer to be seen on the screen. */
	if (top->watch.first == NULL && top->notice != NULL)
		fputs(top->notice, stdout);
	else if (event != SCREEN_QUIT && top->text != NULL)
		fputs(top->text, stdout);
	return 0;
}

/* The exit status so far. */
static int
begin(struct top *top)
{
	const struct options *options = &top->options;
	int status = 0;

	for (int i = 0; i < options->pids_count; i++)
		if (!watch_add(&top->watch, options_pid(options->pids[i])))
			status = 1;
	if (options->pids_count > 0)
		return status;
	if (!watch_find(&top->watch, torc_clock_ns())) {
		status = 1;
		if (!top->watch.is_out_of_fds)
			fputs("torc-top: no process that you may look at runs "
			      "torc: start one, or be its user or root\n",
				stderr);
	}
	if (top->watch.is_out_of_fds) {
		status = 1;
		fputs("torc-top: no descriptor is free to look at all "
		      "processes: raise ulimit -n\n",
			stderr);
	}
	return status;
}

static bool
can_draw(void)
{
	const char *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && terminal != NULL &&
	       strcmp(terminal, "dumb") != 0;
}

int
main(int argc, char **argv)
{
	struct top top = { 0 };
	int status = options_parse(&top.options, argc, argv);
	int ret = 0;

	if (status >= 0)
		return status;
	/* In one piece, whatever it goes to. */
	setvbuf(stdout, NULL, _IOFBF, OUTPUT_BYTES);
	if (!can_draw())
		top.options.is_batch = true;
	status = begin(&top);
	if (top.watch.first != NULL)
		ret = top.options.is_batch ? run_batch(&top) : run_screen(&top);
	watch_close(&top.watch);
	free(top.text);
	free(top.notice);
	return ret != 0 ? ret : status;
}
