/* SPDX-License-Identifier: MIT */
#include "core/metrics_page_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <torc/base/log.h>

#include "core/metrics_priv.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

/*
 * Since 6.3 the kernel has something to say about a file that could be a
 * program, or refuses it (vm.memfd_noexec); before, it does not know the flag.
 */
static int
open_file(void)
{
	int fd = memfd_create(
		TORC__METRICS_PAGE_NAME, MFD_CLOEXEC | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(TORC__METRICS_PAGE_NAME, MFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* 0 or -errno. */
static int
map(struct torc_metrics_page *page)
{
	void *memory = MAP_FAILED;
	int fd = open_file();
	int error;

	if (fd < 0)
		return fd;
	if (ftruncate(fd, (off_t)page->bytes) == 0)
		memory = mmap(NULL, page->bytes, PROT_READ | PROT_WRITE,
			MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		error = -errno;
		close(fd);
		return error;
	}
	page->head = memory;
	page->fd = fd;
	return 0;
}

void
torc__metrics_page_open(struct torc_metrics_page *page, unsigned count,
	const char *engine, uint64_t now_ns)
{
	struct torc_metrics_head *head;
	int ret;

	*page = (struct torc_metrics_page){
		.bytes = torc__metrics_slot_offset(count),
	};
	ret = map(page);
	if (ret < 0) {
		torc_log(TORC_LOG_DEBUG,
			"torc-top will not see this process: no page for its "
			"numbers: %s",
			strerror(-ret));
		return;
	}
	head = page->head;
	head->version = TORC__METRICS_VERSION;
	head->slot_bytes = sizeof(struct torc_metrics_slot);
	head->shards_count = count;
	head->pid = (uint32_t)getpid();
	head->began_ns = now_ns;
	/* The rest of both is zero already. */
	strncpy(head->engine, engine, sizeof(head->engine) - 1);
	strncpy(head->program, program_invocation_short_name,
		sizeof(head->program) - 1);
	/* Pairs with the reader's check: a head is seen whole or not. */
	atomic_store_explicit(
		&head->magic, TORC__METRICS_MAGIC, memory_order_release);
}

void
torc__metrics_page_close(struct torc_metrics_page *page)
{
	if (page->head == NULL)
		return;
	/* Whoever has it open still sees that it is over. */
	atomic_store_explicit(&page->head->magic, 0, memory_order_release);
	munmap(page->head, page->bytes);
	close(page->fd);
	page->head = NULL;
}

void
torc__metrics_page_join(
	const struct torc_metrics_page *page, struct torc_shard *shard)
{
	if (page->head == NULL)
		return;
	shard->slot = (void *)((char *)page->head +
			       torc__metrics_slot_offset(shard->index));
	torc__metrics_wake(shard->slot, shard->now_ns);
	torc__metrics_tell(shard, shard->now_ns, false);
}

/*
 * Pairs with the reader's second look at the sequence: each word is released
 * after the odd number, so that who sees the word sees that number, too.
 */
static inline void
put(_Atomic uint64_t *word, uint64_t value)
{
	atomic_store_explicit(word, value, memory_order_release);
}

void
torc__metrics_tell(struct torc_shard *shard, uint64_t now_ns, bool is_asleep)
{
	struct torc_metrics_slot *slot = shard->slot;
	struct torc_metrics now;
	uint64_t sequence, words[sizeof(now) / sizeof(uint64_t)];

	if (torc_unlikely(slot == NULL)) {
		shard->tell_ns = UINT64_MAX;
		return;
	}
	shard->tell_ns = now_ns + TORC__METRICS_TELL_NS;
	torc__metrics_collect(shard, &now);
	memcpy(words, &now, sizeof(words));
	sequence = atomic_load_explicit(&slot->sequence, memory_order_relaxed);
	atomic_store_explicit(
		&slot->sequence, sequence + 1, memory_order_relaxed);
	put(&slot->told_ns, now_ns);
	if (is_asleep)
		put(&slot->awake_since_ns, 0);
#pragma GCC unroll 32
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		put(&slot->words[i], words[i]);
	put(&slot->sequence, sequence + 2);
}
