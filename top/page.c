/* SPDX-License-Identifier: MIT */
#include "top/page.h"

#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/metrics_page_priv.h"

/* As many as torc_run() starts at most. */
#define SHARDS_MAX 1024
/* A writer needs a few nanoseconds, unless its CPU is taken away. */
#define TRIES_MAX 100

/* A head as bytes: what is atomic there is a copy here. */
union head {
	struct torc_metrics_head head;
	char bytes[sizeof(struct torc_metrics_head)];
};

static bool
read_at(const struct page *page, void *to, size_t bytes, size_t offset)
{
	return pread(page->fd, to, bytes, (off_t)offset) == (ssize_t)bytes;
}

static void
copy_printable(char *to, const char *from, size_t bytes)
{
	size_t len = strnlen(from, bytes);

	for (size_t i = 0; i < len; i++)
		to[i] = from[i] >= 0x20 && from[i] < 0x7f ? from[i] : '?';
	to[len] = '\0';
}

static enum page_result
check(struct page *page)
{
	struct stat file;
	union head from;
	const struct torc_metrics_head *head = &from.head;

	if (fstat(page->fd, &file) < 0 || !S_ISREG(file.st_mode) ||
		!read_at(page, from.bytes, sizeof(from.bytes), 0) ||
		head->magic != TORC__METRICS_MAGIC)
		return PAGE_NONE;
	page->version = head->version;
	if (head->version != TORC__METRICS_VERSION)
		return PAGE_VERSION;
	if (head->slot_bytes != sizeof(struct torc_metrics_slot) ||
		head->shards_count == 0 || head->shards_count > SHARDS_MAX ||
		(size_t)file.st_size !=
			torc__metrics_slot_offset(head->shards_count))
		return PAGE_BROKEN;
	page->shards_count = head->shards_count;
	page->pid = head->pid;
	page->began_ns = head->began_ns;
	copy_printable(page->engine, head->engine, sizeof(head->engine));
	copy_printable(page->program, head->program, sizeof(head->program));
	return PAGE_FOUND;
}

enum page_result
page_open(struct page *page, int fd)
{
	enum page_result result;

	*page = (struct page){ .fd = fd };
	result = check(page);
	if (result != PAGE_FOUND)
		close(fd);
	return result;
}

void
page_close(struct page *page)
{
	close(page->fd);
}

bool
page_is_over(const struct page *page)
{
	uint64_t magic;

	return !read_at(page, &magic, sizeof(magic),
		       offsetof(struct torc_metrics_head, magic)) ||
	       magic != TORC__METRICS_MAGIC;
}

/* Pairs with torc__metrics_tell(): a system call between any two looks. */
static bool
read_once(const struct page *page, size_t offset, uint64_t *words, size_t bytes)
{
	uint64_t before, after;

	return read_at(page, &before, sizeof(before), offset) &&
	       (before & 1) == 0 && read_at(page, words, bytes, offset) &&
	       read_at(page, &after, sizeof(after), offset) && before == after;
}

bool
page_read(const struct page *page, uint32_t index, struct slot *slot)
{
	enum {
		AT_TOLD = offsetof(struct torc_metrics_slot, told_ns) / 8,
		AT_AWAKE =
			offsetof(struct torc_metrics_slot, awake_since_ns) / 8,
		AT_WORDS = offsetof(struct torc_metrics_slot, words) / 8,
	};
	uint64_t words[sizeof(struct torc_metrics_slot) / 8];
	size_t offset = torc__metrics_slot_offset(index);

	for (int tries = 0; tries < TRIES_MAX; tries++) {
		if (read_once(page, offset, words, sizeof(words))) {
			slot->told_ns = words[AT_TOLD];
			slot->awake_since_ns = words[AT_AWAKE];
			memcpy(&slot->metrics, &words[AT_WORDS],
				sizeof(slot->metrics));
			return true;
		}
		sched_yield();
	}
	return false;
}
