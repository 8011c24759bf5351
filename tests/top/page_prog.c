/* SPDX-License-Identifier: MIT */
/*
 * A process that has a metrics page of its own making: page_prog KIND. It
 * says "ready" and waits to be ended; on SIGUSR1 the page loses its bytes.
 *
 *   good     two shards that have slept since they began
 *   version  of another torc         blank    not written yet
 *   short    a byte is missing       slots    slots of another size
 *   many     shards without end      none     no shard at all
 *   most     as many shards as can be, and room for them
 *   over     one more, and room for it
 *   name     names that are no text  lies     every number is the largest
 *   odd      a slot is being written for ever
 *   silent   the shards are awake and tell nothing any more
 *   child    "ready PID": a child that has not begun a program of its own
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <torc/base/clock.h>

#include "core/metrics_page_priv.h"
#include "core/runtime_priv.h"

static int page_fd;

static uint32_t
shards_of(const char *kind)
{
	if (strcmp(kind, "most") == 0)
		return TORC__SHARDS_MAX;
	return strcmp(kind, "over") == 0 ? TORC__SHARDS_MAX + 1 : 2;
}

static void
on_shrink(int signo)
{
	(void)signo;
	if (ftruncate(page_fd, 0) < 0)
		abort();
}

static void
tell(struct torc_metrics_slot *slot, const char *kind)
{
	size_t count = sizeof(slot->words) / sizeof(slot->words[0]);

	slot->told_ns = torc_clock_ns();
	if (strcmp(kind, "silent") == 0)
		slot->awake_since_ns = slot->told_ns;
	if (strcmp(kind, "odd") == 0)
		slot->sequence = 7;
	if (strcmp(kind, "lies") != 0)
		return;
	slot->told_ns = UINT64_MAX;
	for (size_t i = 0; i < count; i++)
		slot->words[i] = UINT64_MAX;
}

static void
spoil(struct torc_metrics_head *head, const char *kind)
{
	if (strcmp(kind, "version") == 0)
		head->version = 99;
	if (strcmp(kind, "blank") == 0)
		head->magic = 0;
	if (strcmp(kind, "slots") == 0)
		head->slot_bytes = 8;
	if (strcmp(kind, "many") == 0)
		head->shards_count = UINT32_MAX;
	if (strcmp(kind, "none") == 0)
		head->shards_count = 0;
	if (strcmp(kind, "lies") == 0)
		head->began_ns = UINT64_MAX;
	if (strcmp(kind, "name") != 0)
		return;
	memset(head->engine, 0xff, sizeof(head->engine));
	memset(head->program, 'x', sizeof(head->program));
	memcpy(head->program, "\033[2J\n\"\\\t\r", 9);
}

static int
make_page(const char *kind)
{
	uint32_t shards_count = shards_of(kind);
	size_t bytes = torc__metrics_slot_offset(shards_count);
	struct torc_metrics_head *head;
	int fd = memfd_create(TORC__METRICS_PAGE_NAME, MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
		abort();
	head = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (head == MAP_FAILED)
		abort();
	head->magic = TORC__METRICS_MAGIC;
	head->version = TORC__METRICS_VERSION;
	head->slot_bytes = sizeof(struct torc_metrics_slot);
	head->shards_count = shards_count;
	head->pid = (uint32_t)getpid();
	head->began_ns = torc_clock_ns();
	memcpy(head->engine, "kernel", 6);
	memcpy(head->program, "fake", 4);
	for (uint32_t i = 0; i < shards_count; i++)
		tell((void *)((char *)head + torc__metrics_slot_offset(i)),
			kind);
	spoil(head, kind);
	munmap(head, bytes);
	if (strcmp(kind, "short") == 0 && ftruncate(fd, (off_t)bytes - 1) < 0)
		abort();
	return fd;
}

int
main(int argc, char **argv)
{
	struct sigaction shrink = { .sa_handler = on_shrink };
	pid_t child;

	if (argc != 2)
		return 2;
	page_fd = make_page(argv[1]);
	sigaction(SIGUSR1, &shrink, NULL);
	if (strcmp(argv[1], "child") == 0) {
		child = fork();
		if (child == 0)
			for (;;)
				pause();
		printf("ready %d\n", (int)child);
	} else {
		printf("ready\n");
	}
	fflush(stdout);
	for (;;)
		pause();
}
