/* SPDX-License-Identifier: MIT */
#include "perf/baseline/file.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAKE_BYTES (1024 * 1024)
#define SECONDS_MAX 86400.0

static void usage(const struct file_run *run, bool takes_fixed)
	__attribute__((noreturn, cold));
static void fail(const struct file_run *run, const char *what, int error)
	__attribute__((noreturn, cold));

static void
usage(const struct file_run *run, bool takes_fixed)
{
	const char *name = run->args.name;

	fprintf(stderr,
		"usage: %s%s PATH buffered|direct SECONDS DEPTH, "
		"DEPTH 1 to %d; or %s --make BYTES PATH, "
		"BYTES a multiple of %d\n",
		name, takes_fixed ? " [--fixed]" : "", FILE_DEPTH_MAX, name,
		FILE_BLOCK_BYTES);
	exit(2);
}

static void
fail(const struct file_run *run, const char *what, int error)
{
	fprintf(stderr, "%s: %s: %s%s%s\n", run->args.name, run->path, what,
		error != 0 ? ": " : "", error != 0 ? strerror(error) : "");
	exit(1);
}

static uint64_t
clock_read(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* A decimal number of bytes; 0 if it is none. */
static uint64_t
bytes_parse(const char *text)
{
	char *end;
	unsigned long long bytes = strtoull(text, &end, 10);

	if (*end != '\0' || *text == '-' || bytes % FILE_BLOCK_BYTES != 0 ||
		bytes > INT64_MAX)
		return 0;
	return bytes;
}

static void
write_all(const struct file_run *run, const char *data, size_t bytes)
{
	while (bytes > 0) {
		ssize_t written = write(run->fd, data, bytes);

		if (written < 0)
			fail(run, "cannot write", errno);
		data += written;
		bytes -= (size_t)written;
	}
}

/* Flushed at the end, or writing back would run beside the measurement. */
static void
make(struct file_run *run, uint64_t bytes)
{
	uint64_t *words = malloc(MAKE_BYTES);

	if (words == NULL)
		fail(run, "no memory to make it", ENOMEM);
	run->fd =
		open(run->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (run->fd < 0)
		fail(run, "cannot make it", errno);
	for (uint64_t at = 0; at < bytes; at += MAKE_BYTES) {
		uint64_t left = bytes - at;

		for (uint64_t i = 0; i < MAKE_BYTES / sizeof(*words); i++)
			words[i] = at + i * sizeof(*words);
		write_all(run, (const char *)words,
			left < MAKE_BYTES ? left : MAKE_BYTES);
	}
	free(words);
	if (fsync(run->fd) < 0 || close(run->fd) < 0)
		fail(run, "cannot write", errno);
}

static void
open_path(struct file_run *run, bool direct)
{
	struct stat status;

	if (stat(run->path, &status) < 0)
		fail(run, "cannot open", errno);
	if (!S_ISREG(status.st_mode) || status.st_size < FILE_BLOCK_BYTES)
		fail(run, "not a regular file of 4096 bytes or more", 0);
	run->fd =
		open(run->path, O_RDONLY | O_CLOEXEC | (direct ? O_DIRECT : 0));
	if (run->fd < 0 && direct && errno == EINVAL)
		fail(run,
			"its file system refuses O_DIRECT (put the file on "
			"ext4 or xfs, or read it buffered)",
			0);
	if (run->fd < 0)
		fail(run, "cannot open", errno);
	run->blocks_count = (uint64_t)status.st_size / FILE_BLOCK_BYTES;
}

/* PATH buffered|direct SECONDS DEPTH. False when they are not that. */
static bool
words_read(struct file_run *run, char **words, bool *direct)
{
	double seconds;
	char *end;

	*direct = strcmp(words[1], "direct") == 0;
	if (!*direct && strcmp(words[1], "buffered") != 0)
		return false;
	seconds = strtod(words[2], &end);
	if (*end != '\0' || !(seconds > 0 && seconds <= SECONDS_MAX))
		return false;
	/* From when it begins; until then there is no begin to add. */
	run->end_ns = (uint64_t)(seconds * 1e9);
	run->depth = (unsigned)strtoul(words[3], &end, 10);
	return *end == '\0' && run->depth >= 1 && run->depth <= FILE_DEPTH_MAX;
}

/* 0 for options that are wrong, else how many words came after them. */
static int
options_read(struct file_run *run, bool takes_fixed, uint64_t *make_bytes,
	int argc, char **argv)
{
	static const struct option options[] = {
		{ "make", required_argument, NULL, 'm' },
		{ "fixed", no_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'm')
			*make_bytes = bytes_parse(optarg);
		else if (option == 'f' && takes_fixed)
			run->fixed = true;
		else
			return 0;
		if (option == 'm' && *make_bytes == 0)
			return 0;
	}
	return argc - optind;
}

void
file_open(struct file_run *run, const char *name, bool takes_fixed, int argc,
	char **argv)
{
	uint64_t make_bytes = 0;
	bool direct;
	int count;

	*run = (struct file_run){ .args.name = name };
	run->random = 0x9e3779b97f4a7c15; /* anything but 0 */
	count = options_read(run, takes_fixed, &make_bytes, argc, argv);
	if (count != (make_bytes > 0 ? 1 : 4))
		usage(run, takes_fixed);
	run->path = argv[optind];
	if (make_bytes > 0) {
		make(run, make_bytes);
		exit(0);
	}
	if (!words_read(run, argv + optind, &direct))
		usage(run, takes_fixed);
	open_path(run, direct);
	run->stop_fd = net_stop_fd(&run->args);
}

char *
file_buffers(const struct file_run *run)
{
	char *buffers = aligned_alloc(
		FILE_BLOCK_BYTES, (size_t)run->depth * FILE_BLOCK_BYTES);

	if (buffers == NULL)
		net_fail(run->args.name, "no memory for the blocks", ENOMEM);
	return buffers;
}

void
file_begin(struct file_run *run)
{
	run->cpu_begin_ns = clock_read(CLOCK_PROCESS_CPUTIME_ID);
	run->now_ns = clock_read(CLOCK_MONOTONIC);
	run->begin_ns = run->now_ns;
	run->end_ns += run->begin_ns;
}

bool
file_turn(struct file_run *run)
{
	run->now_ns = clock_read(CLOCK_MONOTONIC);
	return run->now_ns < run->end_ns;
}

void
file_check(struct file_run *run, const char *block, uint64_t offset,
	ssize_t res, uint64_t start_ns)
{
	uint64_t wrong = 0;

	if (res < 0)
		fail(run, "cannot read", (int)-res);
	if (res != FILE_BLOCK_BYTES)
		fail(run, "a short read (did the file shrink?)", 0);
	for (uint64_t i = 0; i < FILE_BLOCK_BYTES; i += sizeof(uint64_t))
		wrong |= *(const uint64_t *)(const void *)(block + i) ^
			 (offset + i);
	if (wrong != 0) {
		fprintf(stderr,
			"%s: %s: wrong content in the block at %llu "
			"(make it by %s --make BYTES PATH)\n",
			run->args.name, run->path, (unsigned long long)offset,
			run->args.name);
		exit(1);
	}
	torc_histogram_add(&run->latency, run->now_ns - start_ns);
}

void
file_report(const struct file_run *run)
{
	uint64_t cpu_ns =
		clock_read(CLOCK_PROCESS_CPUTIME_ID) - run->cpu_begin_ns;
	double seconds =
		(double)(clock_read(CLOCK_MONOTONIC) - run->begin_ns) / 1e9;
	double reads = (double)torc_histogram_count(&run->latency);
	const struct torc_histogram *h = &run->latency;

	printf("reads=%.0f seconds=%.3f iops=%.0f p50_us=%.1f p99_us=%.1f "
	       "cpu_us_per_read=%.3f\n",
		reads, seconds, reads / seconds,
		(double)torc_histogram_quantile(h, 0.5) / 1e3,
		(double)torc_histogram_quantile(h, 0.99) / 1e3,
		reads > 0 ? (double)cpu_ns / 1e3 / reads : 0.0);
}
