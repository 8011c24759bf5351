/* SPDX-License-Identifier: MIT */
/*
 * What entering the kernel costs here, for perf/env: two lines,
 * "getppid_ns N" and "io_uring_enter_ns N" (or "io_uring_enter_ns -REASON").
 *
 * Each is the best of several rounds: a neighbour can only make it slower.
 * Plain system calls, so that it is built and run wherever there is a
 * compiler, with nothing of torc's.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/io_uring.h>

#define ROUNDS 10
#define CALLS 100000

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void
call_getppid(int fd)
{
	(void)fd;
	syscall(SYS_getppid);
}

/* Submits nothing and waits for nothing. */
static void
call_enter(int fd)
{
	syscall(SYS_io_uring_enter, fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0);
}

static double
cost_ns(void (*call)(int fd), int fd)
{
	uint64_t best_ns = UINT64_MAX;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t began_ns = now_ns(), took_ns;

		for (int i = 0; i < CALLS; i++)
			call(fd);
		took_ns = now_ns() - began_ns;
		if (took_ns < best_ns)
			best_ns = took_ns;
	}
	return (double)best_ns / CALLS;
}

int
main(void)
{
	struct io_uring_params params;
	int fd;

	printf("getppid_ns %.1f\n", cost_ns(call_getppid, -1));
	memset(&params, 0, sizeof(params));
	fd = (int)syscall(SYS_io_uring_setup, 2, &params);
	if (fd < 0) {
		printf("io_uring_enter_ns -%s\n", strerror(errno));
		return 0;
	}
	printf("io_uring_enter_ns %.1f\n", cost_ns(call_enter, fd));
	close(fd);
	return 0;
}
